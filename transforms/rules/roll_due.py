"""roll_due: a layer's month is about to roll off."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from transforms.rules.rule import Evaluation, Parameters, Rule, given, judged, parameter, sentence, unknown
from transforms.sessions import TradingCalendar

NAME = "roll_due"


@dataclass(frozen=True)
class Inputs:
    """The open layer."""

    n_open_layers: int | None = given("layers open, count", low=0)
    sessions_to_layer_expiration: int | None = given(
        "sessions from tonight to the layer's expiration day: 1 is the next session", low=0
    )


@dataclass(frozen=True)
class RollDueParameters(Parameters):
    """When it is about to."""

    roll_days_before_expiry: int = parameter(
        1, "sessions before expiration in which the roll is filled at the latest", low=1, high=10
    )


def sessions_until(expiration: date, session_date: date, *, calendar: TradingCalendar) -> int:
    """Return the sessions from `session_date` to the first session on or after `expiration`; 0 once it is reached."""
    today, then = np.searchsorted(calendar.sessions, np.array([session_date, expiration], dtype="datetime64[D]"))
    return max(0, int(then - today))


def evaluate(inputs: Inputs, parameters: RollDueParameters) -> Evaluation:
    """Hold while the layer expires within roll_days_before_expiry + 1 sessions; without a layer it fails.

    The one session more is the fill's: what is decided tonight fills tomorrow.

    Source: METHOD section 7 (time-shifting) and section 8.
    """
    threshold = parameters.roll_days_before_expiry + 1
    n_open, left = inputs.n_open_layers, inputs.sessions_to_layer_expiration
    if n_open == 0:
        return judged(
            NAME,
            measured=None,
            comparison="<=",
            threshold=float(threshold),
            inputs={"n_open_layers": 0},
            flip={"n_open_layers": 1, "sessions_to_layer_expiration": threshold},
            reason="no layer is open",
            holds=False,
        )
    read = {"n_open_layers": n_open, "sessions_to_layer_expiration": left}
    if n_open is None or left is None:
        return unknown(NAME, comparison="<=", threshold=float(threshold), inputs=read)
    return judged(
        NAME,
        measured=float(left),
        comparison="<=",
        threshold=float(threshold),
        inputs=read,
        flip={"sessions_to_layer_expiration": threshold + 1 if left <= threshold else threshold},
        reason=sentence("layer expires in", left, "<=", threshold, unit="sessions"),
    )


RULE = Rule(NAME, Inputs, RollDueParameters, evaluate, scope="layer")
