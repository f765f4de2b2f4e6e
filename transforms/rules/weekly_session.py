"""weekly_session: the orders of tonight fill in the week's first session (or tonight is that session)."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from transforms.rules.rule import Evaluation, Parameters, Rule, described, judged, parameter, unknown
from transforms.sessions import ONE_DAY, TradingCalendar

NAME = "weekly_session"
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Inputs:
    """The session and its neighbors in the trading calendar."""

    previous_session: date | None = field(default=None, metadata=described("the session before"))
    session_date: date | None = field(default=None, metadata=described("the session"))
    next_session: date | None = field(
        default=None, metadata=described("the session after it, in which orders of tonight fill")
    )


@dataclass(frozen=True)
class WeeklySessionParameters(Parameters):
    """Which session of the week decides."""

    weekly_decision: str = parameter(
        "eve",
        "eve: decide on the session before the week's first, so that orders fill in that one; day: decide on it",
        allowed=("eve", "day"),
    )


def week_timing(session_date: date, *, calendar: TradingCalendar) -> dict[str, date]:
    """Return the inputs of the rule for a session, read off the trading calendar.

    Raises
    ------
    DataError
        If the calendar does not reach a session on either side.
    """
    return {
        "session_date": session_date,
        "previous_session": calendar.before(session_date),
        "next_session": calendar.after(session_date),
    }


def evaluate(inputs: Inputs, parameters: WeeklySessionParameters) -> Evaluation:
    """Hold if a week (Monday to Sunday) begins between the session and the next one (eve) or the one before (day).

    Measured in weeks begun: holidays move the week's first session, never its count, so each week with a session has
    exactly one eve and one day.

    Source: METHOD sections 6 and 8 (one condor a week, filled in the week's first session).
    """
    session = inputs.session_date
    if parameters.weekly_decision == "eve":
        names, reason = ("session_date", "next_session"), f"orders of {session} fill on {inputs.next_session}"
    else:
        names, reason = (
            ("previous_session", "session_date"),
            f"the session before {session} is {inputs.previous_session}",
        )
    read = {name: getattr(inputs, name) for name in names}
    first, last = read.values()
    if first is None or last is None:
        return unknown(NAME, comparison=">=", threshold=1.0, inputs=read)
    weeks = (monday_of(last) - monday_of(first)) // WEEK
    # The nearest day, session or not, that gives the other answer: the last or first one of a week.
    turned = monday_of(first) + (WEEK - ONE_DAY if weeks else WEEK)
    return judged(
        NAME,
        measured=float(weeks),
        comparison=">=",
        threshold=1.0,
        inputs=read,
        flip={names[1]: turned},
        reason=f"{reason}: {'another' if weeks else 'the same'} week",
    )


def monday_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


RULE = Rule(NAME, Inputs, WeeklySessionParameters, evaluate)
