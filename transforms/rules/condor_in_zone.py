"""condor_in_zone: the newest open condor is near its maximum profit."""

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

NAME = "condor_in_zone"


@dataclass(frozen=True)
class Inputs:
    """The open book on the session's marks."""

    n_open_condors: int | None = given("condors open, count", low=0)
    newest_condor_zone: float | None = given(
        "zone of the newest open condor: 1 at the center, 0 at a short strike, negative outside, decimal"
    )


@dataclass(frozen=True)
class CondorInZoneParameters(Parameters):
    """How near is near."""

    near_max_profit_zone: float = parameter(
        0.25, "least zone that counts as near the maximum, decimal", low=0.0, high=1.0, disputed=True
    )


def evaluate(inputs: Inputs, parameters: CondorInZoneParameters) -> Evaluation:
    """Hold while the newest open condor's zone is at or above the threshold; without a condor it fails.

    Source: METHOD sections 6 (zone) and 8; public descriptions of the method dispute how near is near.
    """
    threshold = parameters.near_max_profit_zone
    if inputs.n_open_condors == 0:
        return judged(
            NAME,
            measured=None,
            comparison=">=",
            threshold=threshold,
            inputs={"n_open_condors": 0},
            flip={"n_open_condors": 1, "newest_condor_zone": threshold},
            reason="no condor is open",
            holds=False,
        )
    zone = inputs.newest_condor_zone
    read = {"n_open_condors": inputs.n_open_condors, "newest_condor_zone": zone}
    if inputs.n_open_condors is None or zone is None:
        return unknown(NAME, comparison=">=", threshold=threshold, inputs=read)
    return judged(
        NAME,
        measured=zone,
        comparison=">=",
        threshold=threshold,
        inputs=read,
        flip={"newest_condor_zone": turning_value(zone, ">=", threshold)},
        reason=sentence("zone", zone, ">=", threshold),
    )


RULE = Rule(NAME, Inputs, CondorInZoneParameters, evaluate)
