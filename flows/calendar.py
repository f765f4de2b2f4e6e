"""New York trading sessions, from the calendar library."""

from functools import cache

import numpy as np

from transforms.sessions import TradingCalendar

FIRST_DAY = "1927-01-03"
LAST_DAY = "2035-12-31"


@cache
def trading_calendar() -> TradingCalendar:
    """Return the sessions and half days of the New York Stock Exchange, 1927 to 2035.

    The bounds are fixed so that no result depends on the day it is computed; sessions before 1990 serve the SPX
    history.
    """
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_DAY, end=LAST_DAY)
    return TradingCalendar(
        sessions=calendar.sessions.to_numpy().astype("datetime64[D]"),
        early_closes=np.sort(calendar.early_closes.to_numpy().astype("datetime64[D]")),
    )
