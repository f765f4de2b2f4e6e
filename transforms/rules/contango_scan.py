"""contango_scan: the VX curve slopes up steeply enough."""

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

NAME = "contango_scan"


@dataclass(frozen=True)
class Inputs:
    """feature.curve_daily of the session."""

    contango_ratio: float | None = given("VX2/VX1 - 1, decimal")


@dataclass(frozen=True)
class ContangoScanParameters(Parameters):
    """What counts as steep."""

    contango_threshold: float = parameter(0.08, "contango ratio to exceed, decimal", low=-0.5, high=1.0)


def evaluate(inputs: Inputs, parameters: ContangoScanParameters) -> Evaluation:
    """Hold while the contango ratio exceeds the threshold (strictly).

    Source: METHOD section 8; the ratio is VX2/VX1 - 1 of section 2, settlements of the two nearest monthly VX.
    """
    ratio, threshold = inputs.contango_ratio, parameters.contango_threshold
    read = {"contango_ratio": ratio}
    if ratio is None:
        return unknown(NAME, comparison=">", threshold=threshold, inputs=read)
    return judged(
        NAME,
        measured=ratio,
        comparison=">",
        threshold=threshold,
        inputs=read,
        flip={"contango_ratio": turning_value(ratio, ">", threshold)},
        reason=sentence("contango_ratio", ratio, ">", threshold),
    )


RULE = Rule(NAME, Inputs, ContangoScanParameters, evaluate)
