"""FOMC, CPI, PPI and payroll dates by rule, in the layout of the compiled public calendars."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from transforms.sessions import TradingCalendar, next_month

MacroKind = Literal["fomc_decision", "cpi", "ppi", "nfp"]

# Variance added to the day, in plain sessions: FOMC inside the session, releases before the open.
EVENT_VARIANCE: dict[MacroKind, float] = {"fomc_decision": 0.9, "cpi": 0.7, "ppi": 0.15, "nfp": 0.5}
RELEASE_TIME: dict[MacroKind, str] = {"fomc_decision": "14:00", "cpi": "08:30", "ppi": "08:30", "nfp": "08:30"}
# (month, week of the month) of the eight meetings; week -1 is the last Wednesday.
FOMC_WEDNESDAYS = ((1, -1), (3, 3), (5, 1), (6, 3), (7, -1), (9, 3), (10, -1), (12, 2))
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


@dataclass(frozen=True)
class MacroEvent:
    """One scheduled event on its New York date."""

    event_date: date
    event: MacroKind
    detail: str
    reference_period: str


def macro_events(first: date, last: date, *, calendar: TradingCalendar) -> list[MacroEvent]:
    """Return the events in [first, last], by date then name.

    Meetings are on the Wednesdays of `FOMC_WEDNESDAYS`, CPI on the first session from the 11th on that is not a Monday,
    PPI on the session after CPI, payrolls on the first Friday; all moved to a session. Dates are invented by these
    rules and agree with no year's real schedule.
    """
    found = []
    year, month = first.year, first.month
    while date(year, month, 1) <= last:
        found += _month_events(year, month, calendar=calendar)
        year, month = next_month(year, month)
    kept = [event for event in found if first <= event.event_date <= last]
    return sorted(kept, key=lambda event: (event.event_date, event.event))


def macro_calendar_csv(events: list[MacroEvent]) -> bytes:
    """Return the `macro_events.csv` layout: LF, New York times."""
    lines = ["date,event,detail,ref_period,time_et,source"]
    lines += [
        f"{event.event_date},{event.event},{event.detail},{event.reference_period},{RELEASE_TIME[event.event]},sample:rule"
        for event in events
    ]
    return ("\n".join(lines) + "\n").encode()


def _month_events(year: int, month: int, *, calendar: TradingCalendar) -> list[MacroEvent]:
    previous = date(year, month, 1) - timedelta(days=1)
    period = f"{MONTH_NAMES[previous.month - 1]} {previous.year}"
    release = calendar.after(date(year, month, 10))
    if release.weekday() == 0:
        release = calendar.after(release)
    events = [
        MacroEvent(release, "cpi", "Consumer Price Index release", period),
        MacroEvent(calendar.after(release), "ppi", "Producer Price Index release", period),
        MacroEvent(
            calendar.on_or_before(_weekday_of_month(year, month, weekday=4, week=1)),
            "nfp",
            "Employment Situation release",
            period,
        ),
    ]
    for meeting_month, week in FOMC_WEDNESDAYS:
        if meeting_month == month:
            meeting = calendar.on_or_before(_weekday_of_month(year, month, weekday=2, week=week))
            detail = f"{MONTH_NAMES[meeting.month - 1]} Meeting - {meeting.year}"
            events.append(MacroEvent(meeting, "fomc_decision", detail, ""))
    return events


def _weekday_of_month(year: int, month: int, *, weekday: int, week: int) -> date:
    if week < 0:
        following = date(*next_month(year, month), 1)
        return following - timedelta(days=(following.weekday() - weekday - 1) % 7 + 1)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (week - 1))
