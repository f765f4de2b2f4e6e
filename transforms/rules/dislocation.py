"""dislocation: quotes disagree with each other more than they usually do."""

from dataclasses import dataclass

from transforms.rules.rule import (
    Evaluation,
    Parameters,
    Rule,
    Scalar,
    given,
    judged,
    parameter,
    turning_value,
    unknown,
)

NAME = "dislocation"
PERCENTILES = ("parity_width_percentile_252d", "residual_dispersion_percentile_252d")


@dataclass(frozen=True)
class Inputs:
    """How wide the session's quotes leave open what they should fix, against the 252 sessions before."""

    parity_width_percentile_252d: float | None = given(
        "share of the previous 252 sessions whose parity intervals were strictly narrower, decimal", low=0.0, high=1.0
    )
    residual_dispersion_percentile_252d: float | None = given(
        "share of the previous 252 sessions whose surface residuals were strictly less dispersed, decimal",
        low=0.0,
        high=1.0,
    )
    n_executable_locks: int | None = given("findings of confidence executable, count", low=0)


@dataclass(frozen=True)
class DislocationParameters(Parameters):
    """What is unusual."""

    dislocation_percentile: float = parameter(0.95, "percentile to exceed, decimal", low=0.5, high=0.999)


def evaluate(inputs: Inputs, parameters: DislocationParameters) -> Evaluation:
    """Hold while either percentile exceeds the threshold (strictly) or any lock is executable. Advisory.

    Measured is the larger percentile, and 1 where there is a lock.

    Source: METHOD section 8.
    """
    threshold, locks = parameters.dislocation_percentile, inputs.n_executable_locks
    read = {name: getattr(inputs, name) for name in (*PERCENTILES, "n_executable_locks")}
    percentiles: dict[str, float] = {name: read[name] for name in PERCENTILES if read[name] is not None}
    if len(percentiles) < len(PERCENTILES) or locks is None:
        return unknown(NAME, comparison=">", threshold=threshold, inputs=read, advisory=True)
    high = [name for name in PERCENTILES if percentiles[name] > threshold]
    largest = max(PERCENTILES, key=lambda name: percentiles[name])
    flip: dict[str, Scalar] = {name: threshold for name in high}
    if locks:
        flip["n_executable_locks"] = 0
    if not flip:
        flip = {largest: turning_value(percentiles[largest], ">", threshold)}
    width, dispersion = (percentiles[name] for name in PERCENTILES)
    return judged(
        NAME,
        measured=1.0 if locks else percentiles[largest],
        comparison=">",
        threshold=threshold,
        inputs=read,
        flip=flip,
        reason=f"parity width at {width:.3f}, residual dispersion at {dispersion:.3f}, {locks} executable locks",
        advisory=True,
    )


RULE = Rule(NAME, Inputs, DislocationParameters, evaluate)
