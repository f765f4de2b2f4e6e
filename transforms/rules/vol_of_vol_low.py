"""vol_of_vol_low: VVIX has been low against its own year for some sessions running."""

from dataclasses import dataclass

from transforms.rules.rule import Evaluation, Parameters, Rule, given, judged, parameter, sentence, unknown

NAME = "vol_of_vol_low"


@dataclass(frozen=True)
class Inputs:
    """feature.vol_of_vol_daily of the session."""

    sessions_below_30: int | None = given(
        "sessions running, today included, with VVIX below the 30th percentile of the 252 sessions before each", low=0
    )


@dataclass(frozen=True)
class VolOfVolLowParameters(Parameters):
    """How long is long."""

    low_sessions: int = parameter(5, "sessions running it must have been low", low=1, high=60)


def evaluate(inputs: Inputs, parameters: VolOfVolLowParameters) -> Evaluation:
    """Hold while the run of low sessions is at least as long as asked.

    Source: METHOD section 8; VVIX is the VIX method applied to VIX options (Cboe, 2012).
    """
    run, threshold = inputs.sessions_below_30, parameters.low_sessions
    read = {"sessions_below_30": run}
    if run is None:
        return unknown(NAME, comparison=">=", threshold=float(threshold), inputs=read)
    return judged(
        NAME,
        measured=float(run),
        comparison=">=",
        threshold=float(threshold),
        inputs=read,
        flip={"sessions_below_30": threshold - 1 if run >= threshold else threshold},
        reason=sentence("run", run, ">=", threshold, unit="sessions"),
    )


RULE = Rule(NAME, Inputs, VolOfVolLowParameters, evaluate)
