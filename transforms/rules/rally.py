"""rally: the index runs up into a condor's short call."""

from dataclasses import dataclass
from math import inf, nextafter

from transforms.rules.rule import Evaluation, Parameters, Rule, Scalar, given, judged, parameter, turning_point, unknown

NAME = "rally"


@dataclass(frozen=True)
class Inputs:
    """SPX closes, and the short strikes of an open condor."""

    n_open_condors: int | None = given("condors open, count", low=0)
    spx: float | None = given("SPX close, points", low=1.0)
    spx_5_sessions_ago: float | None = given("SPX close five sessions before, points", low=1.0)
    short_put_strike: float | None = given("short put of the condor, points", low=0.5)
    short_call_strike: float | None = given("short call of the condor, points", low=0.5)


@dataclass(frozen=True)
class RallyParameters(Parameters):
    """What counts as a rally."""

    rally_return: float = parameter(0.02, "least SPX return over five sessions, decimal", low=0.0, high=0.5)


def evaluate(inputs: Inputs, parameters: RallyParameters) -> Evaluation:
    """Hold while SPX has returned enough in five sessions and stands nearer the short call than the short put.

    Measured is SPX itself, against the level from which both are true: the least close with that return, or the
    first above the middle between the short strikes, whichever is higher. Without a condor it fails.

    Source: METHOD section 8.
    """
    n_open, spx, before = inputs.n_open_condors, inputs.spx, inputs.spx_5_sessions_ago
    put, call = inputs.short_put_strike, inputs.short_call_strike
    read = {"n_open_condors": n_open, "spx": spx, "spx_5_sessions_ago": before}
    if n_open != 0:
        read |= {"short_put_strike": put, "short_call_strike": call}
    if n_open is None or spx is None or before is None:
        return unknown(NAME, comparison=">=", threshold=None, inputs=read)
    returned = returned_level(before, parameters=parameters)
    gained = f"return of {spx / before - 1.0:.4%} over five sessions"
    if n_open == 0:
        # What would flip it is a condor with its short call at the index, and the return.
        level = max(spx, returned)
        flip: dict[str, Scalar] = {"n_open_condors": 1, "short_put_strike": 0.5, "short_call_strike": level}
        return judged(
            NAME,
            measured=None,
            comparison=">=",
            threshold=returned,
            inputs=read,
            flip=flip if spx >= returned else {**flip, "spx": level},
            reason=f"{gained}, but no condor is open",
            holds=False,
        )
    if put is None or call is None:
        return unknown(NAME, comparison=">=", threshold=None, inputs=read)
    nearer_call = turning_point((put + call) / 2.0, toward=inf, turns=lambda level: level - put > call - level)
    threshold = max(returned, nearer_call)
    return judged(
        NAME,
        measured=spx,
        comparison=">=",
        threshold=threshold,
        inputs=read,
        flip={"spx": threshold if spx < threshold else nextafter(threshold, -inf)},
        reason=f"{gained}, {'' if spx >= nearer_call else 'not '}nearer the short call",
    )


def returned_level(spx_5_sessions_ago: float, *, parameters: RallyParameters) -> float:
    """Return the lowest SPX close, points, whose five-session return is a rally's."""
    least = parameters.rally_return
    return turning_point(
        spx_5_sessions_ago * (1.0 + least),
        toward=inf,
        turns=lambda level: level / spx_5_sessions_ago - 1.0 >= least,
    )


RULE = Rule(NAME, Inputs, RallyParameters, evaluate, scope="condor")
