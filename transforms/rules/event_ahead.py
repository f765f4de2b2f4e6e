"""event_ahead: a scheduled release or rate decision is near."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from transforms.rules.rule import Evaluation, Parameters, Rule, Scalar, given, judged, parameter, unknown
from transforms.sessions import TradingCalendar

NAME = "event_ahead"
# input -> the events of core.economic_event it counts the sessions to
EVENTS = {
    "sessions_to_cpi": ("cpi",),
    "sessions_to_ppi": ("ppi",),
    "sessions_to_fomc": ("fomc_decision", "fomc_intermeeting"),
}
# Their dates are published a year ahead; a file that does not say when is believed for these alone.
SCHEDULED = ("cpi", "ppi", "fomc_decision")
TIGHTENING = ("sessions_to_cpi", "sessions_to_ppi")


@dataclass(frozen=True)
class Inputs:
    """Sessions from tonight to the next event of each kind: 1 is the next session."""

    sessions_to_cpi: int | None = given("sessions to the next CPI release; missing if none is known", low=1)
    sessions_to_ppi: int | None = given("sessions to the next PPI release; missing if none is known", low=1)
    sessions_to_fomc: int | None = given("sessions to the next FOMC decision; missing if none is known", low=1)


@dataclass(frozen=True)
class EventAheadParameters(Parameters):
    """How near is near."""

    event_sessions: int = parameter(2, "sessions ahead that count as near", low=1, high=20)


def sessions_to_events(
    economic_event: pl.DataFrame, session_date: date, *, calendar: TradingCalendar
) -> dict[str, int | None]:
    """Return the sessions from `session_date` to the next event of each kind that is known on it.

    Parameters
    ----------
    economic_event
        core.economic_event, rows in any order. An event counts from its `known_at` on; where that is null, a scheduled
        kind counts at any time and an unscheduled one only once it is past, so never.
    session_date
        The session; events of its own day are over by its snapshot.
    calendar
        New York sessions; an event on a day without one counts for the next.

    Returns
    -------
    dict
        1 for the next session; None where no later event of the kind is known, which is not the same as none.
    """
    known = pl.col("known_at") <= session_date
    ahead = economic_event.filter(
        pl.col("event_date") > session_date,
        known | (pl.col("known_at").is_null() & pl.col("event").is_in(SCHEDULED)),
    )
    today = np.searchsorted(calendar.sessions, np.datetime64(session_date))
    found: dict[str, int | None] = {}
    for name, events in EVENTS.items():
        days = ahead.filter(pl.col("event").is_in(events))["event_date"].to_list()
        found[name] = (
            max(1, int(np.searchsorted(calendar.sessions, np.datetime64(min(days))) - today)) if days else None
        )
    return found


def evaluate(inputs: Inputs, parameters: EventAheadParameters) -> Evaluation:
    """Hold while an event is within so many sessions; state tighten for CPI or PPI, flagged for FOMC alone.

    Measured is the distance to the nearest of the three, in sessions.

    Source: METHOD section 8; release dates by the Bureau of Labor Statistics, decisions by the Federal Reserve.
    """
    threshold = parameters.event_sessions
    read = {name: getattr(inputs, name) for name in EVENTS}
    known: dict[str, int] = {name: count for name, count in read.items() if count is not None}
    if len(known) < len(read):
        return unknown(NAME, comparison="<=", threshold=float(threshold), inputs=read)
    near = [name for name, count in known.items() if count <= threshold]
    nearest = min(known, key=lambda name: known[name])
    flip: dict[str, Scalar] = {name: threshold + 1 for name in near} if near else {nearest: threshold}
    event = nearest.removeprefix("sessions_to_").upper()
    return judged(
        NAME,
        measured=float(known[nearest]),
        comparison="<=",
        threshold=float(threshold),
        inputs=read,
        flip=flip,
        reason=f"{event} in {known[nearest]} sessions",
        state="none" if not near else "tighten" if set(near) & set(TIGHTENING) else "flagged",
    )


RULE = Rule(NAME, Inputs, EventAheadParameters, evaluate)
