"""The sessions a daily table has rows for: a missing day is a row with nulls, not a row that is absent."""

import polars as pl

from transforms.sessions import TradingCalendar


def numbered_sessions(calendar: TradingCalendar) -> pl.LazyFrame:
    """Return one row per session of the calendar: `session_date`, and `session_number`, which counts."""
    frame = pl.DataFrame({"session_date": calendar.sessions}, schema={"session_date": pl.Date()})
    return frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("session_number")).lazy()


def session_grid(dated: pl.LazyFrame, *, calendar: TradingCalendar) -> pl.LazyFrame:
    """Return every session from the first to the last `session_date` of a frame, be it in the frame or not.

    Parameters
    ----------
    dated
        Any frame with a `session_date`; an empty one gives an empty grid.
    calendar
        New York sessions; days that are no sessions are not in the grid.

    Returns
    -------
    pl.LazyFrame
        One row per session, ascending: `session_date`, and `session_number`, whose differences count
        sessions.
    """
    bounds = dated.select(pl.col("session_date").min().alias("first"), pl.col("session_date").max().alias("last"))
    return (
        numbered_sessions(calendar)
        .join(bounds, how="cross")
        .filter(pl.col("session_date").is_between("first", "last"))
        .select("session_date", "session_number")
        .sort("session_date")
    )
