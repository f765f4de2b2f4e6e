"""The variance clock: how much of a year's variance lies between two instants.

Nights and weekends count little, half days less than full ones, and event days more; option variance and realized
variance run on the same clock, so implied volatility rises into an event and falls after it.
"""

from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
import numpy.typing as npt

from transforms.sample_market.arrays import Floats, Integers
from transforms.sample_market.macro import EVENT_VARIANCE, MacroEvent
from transforms.sessions import (
    INDEX_CLOSE,
    INDEX_HALF_DAY_CLOSE,
    OPTION_OPEN,
    Days,
    TradingCalendar,
    to_utc,
)

OVERNIGHT_WEIGHT = 0.25
INTRADAY_WEIGHT = 0.75
HALF_DAY_WEIGHT = 0.45
CLOSED_DAY_WEIGHT = 0.15
# Weight of an average year: 252 sessions, 113 closed days, the events of EVENT_VARIANCE.
YEAR_WEIGHT = 292.0
MINUTES_PER_YEAR = 525_600.0


@dataclass(frozen=True)
class VarianceClock:
    """Sessions in UTC minutes since 1970, and the clock at each open and close.

    `sessions` (n) are days; `opens`, `closes` (n) are the index's open and close in minutes; `at_open`, `at_close` (n)
    the clock there, in years of variance since the first session's open.
    """

    sessions: Days
    opens: Integers
    closes: Integers
    at_open: Floats
    at_close: Floats

    def positions(self, days: list[date]) -> Integers:
        """Return the indices of session days in `sessions`."""
        return np.searchsorted(self.sessions, np.array(days, dtype="datetime64[D]"))

    def at(self, instants: npt.ArrayLike) -> Floats:
        """Return the clock (years of variance) at UTC minutes, linear between opens and closes."""
        marks = np.stack([self.opens, self.closes], axis=1).ravel().astype(np.float64)
        values = np.stack([self.at_open, self.at_close], axis=1).ravel()
        return np.interp(np.asarray(instants, dtype=np.float64), marks, values)


def variance_clock(first: date, last: date, *, calendar: TradingCalendar, events: list[MacroEvent]) -> VarianceClock:
    """Return the clock over the sessions in [first, last]."""
    days = calendar.between(first, last)
    sessions = np.array(days, dtype="datetime64[D]")
    half = np.isin(sessions, calendar.early_closes)
    opens = np.array([minute_of(day, OPTION_OPEN) for day in days], dtype=np.int64)
    closes = np.array(
        [minute_of(day, INDEX_HALF_DAY_CLOSE if early else INDEX_CLOSE) for day, early in zip(days, half, strict=True)],
        dtype=np.int64,
    )
    closed_days = np.diff(sessions, prepend=sessions[:1] - 1).astype(np.int64) - 1
    overnight = OVERNIGHT_WEIGHT + CLOSED_DAY_WEIGHT * closed_days
    intraday = np.where(half, HALF_DAY_WEIGHT, INTRADAY_WEIGHT)
    for event in events:
        where = np.flatnonzero(sessions == np.datetime64(event.event_date))
        (intraday if event.event == "fomc_decision" else overnight)[where] += EVENT_VARIANCE[event.event]
    at_close = np.cumsum(overnight + intraday) / YEAR_WEIGHT
    at_open = at_close - intraday / YEAR_WEIGHT
    return VarianceClock(
        sessions=sessions, opens=opens, closes=closes, at_open=at_open - at_open[0], at_close=at_close - at_open[0]
    )


def minute_of(day: date, wall_time: time) -> int:
    """Return a New York wall time as UTC minutes since 1970."""
    return int((to_utc(day, wall_time) - datetime(1970, 1, 1)).total_seconds()) // 60
