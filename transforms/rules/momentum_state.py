"""What breadth_momentum and curve_momentum share: a MACD histogram above zero, and whether it may decide."""

from dataclasses import dataclass

from transforms.rules.rule import Evaluation, Parameters, judged, parameter, sentence, turning_value, unknown


@dataclass(frozen=True)
class MomentumParameters(Parameters):
    """Whether the momentum only advises or must be bullish."""

    mode: str = parameter(
        "advisory",
        "advisory: shown beside the activation; required: the activation needs it bullish",
        allowed=("advisory", "required"),
        disputed=True,
    )


def bullish(rule: str, *, histogram_name: str, histogram: float | None, parameters: MomentumParameters) -> Evaluation:
    """Return the evaluation of histogram > 0; in advisory mode its outcome is informational."""
    advisory, read = parameters.mode == "advisory", {histogram_name: histogram}
    if histogram is None:
        return unknown(rule, comparison=">", threshold=0.0, inputs=read, advisory=advisory)
    return judged(
        rule,
        measured=histogram,
        comparison=">",
        threshold=0.0,
        inputs=read,
        flip={histogram_name: turning_value(histogram, ">", 0.0)},
        reason=sentence("MACD histogram", histogram, ">", 0.0),
        state="bullish" if histogram > 0.0 else "bearish",
        advisory=advisory,
    )
