"""Trading sessions, expirations and settlement instants, and the session that a stamped download belongs to.

Holidays and half days come in as a `TradingCalendar` (flows/calendar.py fills it from a calendar library); only the
expiration rule and Cboe's hours are ours.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from transforms.errors import DataError

Days = npt.NDArray[np.datetime64]
SnapshotKind = Literal["close", "eod_1545", "intraday", "non_regular"]
ONE_DAY = timedelta(days=1)

NEW_YORK = ZoneInfo("America/New_York")
UTC = ZoneInfo("UTC")
OPTION_OPEN = time(9, 30)
OPTION_CLOSE = time(16, 15)
OPTION_HALF_DAY_CLOSE = time(13, 15)
INDEX_CLOSE = time(16, 0)
INDEX_HALF_DAY_CLOSE = time(13, 0)
CURB_END = time(17, 0)
OVERNIGHT_START = time(20, 15)
EARLY_MORNING_START = time(3, 0)
# Cboe opened SPX and VIX options from 03:00 on 2015-03-02 and from 20:15 on the evening of 2021-11-21.
FIRST_EARLY_MORNING = date(2015, 3, 2)
FIRST_OVERNIGHT = date(2021, 11, 21)
FIRST_MONTH_OF_RULE = (2005, 12)


@dataclass(frozen=True)
class TradingCalendar:
    """New York trading sessions as sorted `datetime64[D]` arrays: all sessions, and those that close early."""

    sessions: Days
    early_closes: Days

    def is_session(self, day: date) -> bool:
        """Return whether `day` is a trading session."""
        index = int(np.searchsorted(self.sessions, np.datetime64(day)))
        return index < len(self.sessions) and self.sessions[index] == np.datetime64(day)

    def is_early_close(self, day: date) -> bool:
        """Return whether the session `day` closes at 13:00."""
        index = int(np.searchsorted(self.early_closes, np.datetime64(day)))
        return index < len(self.early_closes) and bool(self.early_closes[index] == np.datetime64(day))

    def on_or_before(self, day: date) -> date:
        """Return the last session not after `day`.

        Raises
        ------
        DataError
            If the calendar does not reach `day`.
        """
        if np.datetime64(day) > self.sessions[-1]:
            return self._at(len(self.sessions), day)
        index = int(np.searchsorted(self.sessions, np.datetime64(day), side="right")) - 1
        return self._at(index, day)

    def before(self, day: date) -> date:
        """Return the last session strictly before `day`."""
        return self.on_or_before(day - ONE_DAY)

    def after(self, day: date, n: int = 1) -> date:
        """Return the `n`-th session strictly after `day`."""
        index = int(np.searchsorted(self.sessions, np.datetime64(day), side="right")) + n - 1
        return self._at(index, day)

    def between(self, first: date, last: date) -> list[date]:
        """Return the sessions in [first, last], ascending."""
        low = np.searchsorted(self.sessions, np.datetime64(first))
        high = np.searchsorted(self.sessions, np.datetime64(last), side="right")
        return list(self.sessions[low:high].astype(object))

    def _at(self, index: int, asked: date) -> date:
        if not 0 <= index < len(self.sessions):
            raise DataError(
                f"no session at or around {asked}: the calendar covers {self.sessions[0]} to {self.sessions[-1]}"
            )
        session: date = self.sessions[index].astype(object)
        return session


def third_friday(year: int, month: int) -> date:
    """Return the third Friday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


def next_month(year: int, month: int) -> tuple[int, int]:
    """Return the month after."""
    return (year + 1, 1) if month == 12 else (year, month + 1)


def vix_monthly_expiration(year: int, month: int, *, calendar: TradingCalendar) -> date:
    """Return the settlement day of the monthly VX future and VIX options of a month.

    The Wednesday 30 days before the third Friday of the next month; if that Wednesday or that Friday is an exchange
    holiday, the business day before that Wednesday (CFE rule 1202). Contracts before December 2005 settled on the
    Wednesday before the third Friday of their own month, as the last rows of their files show.
    """
    if (year, month) < FIRST_MONTH_OF_RULE:
        return calendar.on_or_before(third_friday(year, month) - timedelta(days=2))
    friday = third_friday(*next_month(year, month))
    wednesday = friday - timedelta(days=30)
    if calendar.is_session(wednesday) and calendar.is_session(friday):
        return wednesday
    return calendar.before(wednesday)


def vix_monthly_expirations(first: date, last: date, *, calendar: TradingCalendar) -> list[date]:
    """Return the monthly VX and VIX expirations in [first, last], ascending."""
    year, month = first.year, first.month
    found = []
    while date(year, month, 1) <= last:
        expiration = vix_monthly_expiration(year, month, calendar=calendar)
        if first <= expiration <= last:
            found.append(expiration)
        year, month = next_month(year, month)
    return found


def spx_monthly_expiration(year: int, month: int, *, calendar: TradingCalendar) -> date:
    """Return the expiration of the AM-settled SPX monthly: the third Friday, or the session before a holiday."""
    return calendar.on_or_before(third_friday(year, month))


def settlement_style(root: str) -> Literal["am", "pm"]:
    """Return "pm" for SPXW, "am" for SPX, VIX and VIXW."""
    return "pm" if root == "SPXW" else "am"


def to_utc(day: date, clock: time) -> datetime:
    """Return the UTC instant (naive) of a New York wall time."""
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC).replace(tzinfo=None)


def option_close(day: date, *, calendar: TradingCalendar) -> datetime:
    """Return the UTC instant (naive) at which regular trading in SPX and VIX options ends on a session."""
    return to_utc(day, OPTION_HALF_DAY_CLOSE if calendar.is_early_close(day) else OPTION_CLOSE)


def index_close(day: date, *, calendar: TradingCalendar) -> time:
    """Return the New York wall time at which the index closes on a session: 16:00, on half days 13:00."""
    return INDEX_HALF_DAY_CLOSE if calendar.is_early_close(day) else INDEX_CLOSE


def settlement_instant(root: str, expiration: date, *, calendar: TradingCalendar) -> datetime:
    """Return the UTC instant (naive) that fixes an option's settlement.

    09:30 New York on the expiration day for AM-settled roots, that session's index close for SPXW. An expiration
    printed on a day without a session (Saturdays before 2015) is fixed on the session before.
    """
    day = calendar.on_or_before(expiration)
    if settlement_style(root) == "am":
        return to_utc(day, OPTION_OPEN)
    return to_utc(day, index_close(day, calendar=calendar))


@dataclass(frozen=True)
class Snapshot:
    """What a stamp says of a download: its session, the instant its quotes are of (UTC, naive) and their kind."""

    session_date: date
    quote_ts: datetime
    kind: SnapshotKind


def snapshot_of_stamp(stamp: datetime, *, calendar: TradingCalendar) -> Snapshot:
    """Return the session a download stamped with a New York wall time (naive) belongs to.

    Inside regular hours it is intraday; 16:15 to 17:00 is the curb session (non_regular); outside hours the quotes are
    the frozen close of the session before, unless options trade overnight at that moment (non_regular, because the
    stamp alone does not show that they equal the close).
    """
    day, clock = stamp.date(), stamp.time()
    utc = stamp.replace(tzinfo=NEW_YORK).astimezone(UTC).replace(tzinfo=None)
    if calendar.is_session(day) and clock >= OPTION_OPEN:
        close = option_close(day, calendar=calendar)
        if utc <= close:
            return Snapshot(day, utc, "close" if utc == close else "intraday")
        early = calendar.is_early_close(day)
        if not early and clock < CURB_END:
            return Snapshot(day, utc, "non_regular")
        session = day
    else:
        session = calendar.before(day)
    if _trades_overnight(stamp, calendar=calendar):
        return Snapshot(session, utc, "non_regular")
    return Snapshot(session, option_close(session, calendar=calendar), "close")


def _trades_overnight(stamp: datetime, *, calendar: TradingCalendar) -> bool:
    day, clock = stamp.date(), stamp.time()
    if clock < OPTION_OPEN:
        if not calendar.is_session(day) or day < FIRST_EARLY_MORNING:
            return False
        return clock >= EARLY_MORNING_START or day > FIRST_OVERNIGHT
    return clock >= OVERNIGHT_START and day >= FIRST_OVERNIGHT and calendar.is_session(day + ONE_DAY)
