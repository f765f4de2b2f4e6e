"""stance: whether the second engine may grow (promoter) or is kept small (steward)."""

from dataclasses import dataclass
from dataclasses import replace as changed

from transforms.rules.rule import Evaluation, Parameters, Rule, given, judged, unknown

NAME = "stance"
CAUTIOUS = "steward"


@dataclass(frozen=True)
class Inputs:
    """The outcome of another rule."""

    vol_of_vol_low: str | None = given("outcome of vol_of_vol_low; missing if unknown", allowed=("passed", "failed"))


@dataclass(frozen=True)
class StanceParameters(Parameters):
    """The stance has none of its own."""


def evaluate(inputs: Inputs, parameters: StanceParameters) -> Evaluation:
    """Hold (promoter) while vol_of_vol_low passes; else the stance is steward.

    Measured as 1 if it passes, else 0. With vol_of_vol_low unknown the outcome is unknown, and steward, the stance
    that allows less, stays in force.

    Source: METHOD section 8.
    """
    low = inputs.vol_of_vol_low
    read = {"vol_of_vol_low": low}
    if low is None:
        stance = unknown(NAME, comparison=">=", threshold=1.0, inputs=read, state=CAUTIOUS)
        return changed(stance, reason=f"{stance.reason}; {CAUTIOUS} stays in force")
    is_low = low == "passed"
    state = "promoter" if is_low else "steward"
    return judged(
        NAME,
        measured=float(is_low),
        comparison=">=",
        threshold=1.0,
        inputs=read,
        flip={"vol_of_vol_low": "failed" if is_low else "passed"},
        reason=f"{state}: vol_of_vol_low {low}",
        state=state,
    )


RULE = Rule(NAME, Inputs, StanceParameters, evaluate)
