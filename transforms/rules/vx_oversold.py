"""vx_oversold: the VX front month has fallen far and fast."""

from dataclasses import dataclass

from transforms.rules.rule import (
    Evaluation,
    Parameters,
    Rule,
    given,
    judged,
    parameter,
    sentence,
    turning_value,
    unknown,
)

NAME = "vx_oversold"


@dataclass(frozen=True)
class Inputs:
    """feature.momentum_daily of the session, series vx_front."""

    vx_front_rsi: float | None = given("RSI(14) of front_index, 0 to 100", low=0.0, high=100.0)


@dataclass(frozen=True)
class VxOversoldParameters(Parameters):
    """What counts as oversold."""

    oversold_rsi: float = parameter(30.0, "RSI to be below, 0 to 100", low=1.0, high=99.0)


def evaluate(inputs: Inputs, parameters: VxOversoldParameters) -> Evaluation:
    """Hold while the RSI of the front-month series is below the threshold (strictly).

    Source: METHOD section 8; RSI and its levels 30 and 70 are Wilder's (New Concepts in Technical Trading Systems,
    1978).
    """
    rsi, threshold = inputs.vx_front_rsi, parameters.oversold_rsi
    read = {"vx_front_rsi": rsi}
    if rsi is None:
        return unknown(NAME, comparison="<", threshold=threshold, inputs=read)
    return judged(
        NAME,
        measured=rsi,
        comparison="<",
        threshold=threshold,
        inputs=read,
        flip={"vx_front_rsi": turning_value(rsi, "<", threshold)},
        reason=sentence("RSI", rsi, "<", threshold),
    )


RULE = Rule(NAME, Inputs, VxOversoldParameters, evaluate)
