"""The cumulative advance-decline line of one exchange (METHOD §3)."""

import polars as pl

from transforms.errors import UsageError
from transforms.indicators.session_grid import session_grid
from transforms.sessions import TradingCalendar

EXCHANGES = ("NYSE", "NYSE_CONSTITUENTS")


def advance_decline_line(
    market_breadth: pl.LazyFrame, *, calendar: TradingCalendar, breadth_exchange: str = "NYSE"
) -> pl.LazyFrame:
    """Return the running sum of advances less declines, one row per session.

    Counts of two exchanges are never summed. From the first session of `breadth_exchange` on the line is that
    exchange's alone, starting at its first net advance; the sessions before it carry the line of the other
    exchange, if there is one. The choice for a session depends on that session and earlier ones only, so
    counts imported for later sessions change no row.

    Parameters
    ----------
    market_breadth
        core.market_breadth.
    calendar
        New York sessions; rows cover every one from the first to the last session with a count.
    breadth_exchange
        Exchange preferred: NYSE (the exchange's own count) or NYSE_CONSTITUENTS.

    Returns
    -------
    pl.LazyFrame
        `session_date`; `exchange`; `advance_decline_line`, issues, null on a session without a count (the sum
        goes on after it); `restarts`, true on a session that does not continue the session before: the first
        of an exchange, or the first after a session without a count.

    Raises
    ------
    UsageError
        If `breadth_exchange` is neither of the two.
    """
    if breadth_exchange not in EXCHANGES:
        raise UsageError(f'breadth_exchange = "{breadth_exchange}" is unknown; set it to one of {", ".join(EXCHANGES)}')
    is_preferred = pl.col("exchange") == breadth_exchange
    net_advances = pl.col("advances") - pl.col("declines")
    counted = market_breadth.select("session_date", "exchange", net_advances.alias("net_advances"))
    preferred = counted.filter(is_preferred)
    first_preferred = preferred.select(pl.col("session_date").min().alias("first_preferred"))
    before_preferred = pl.col("first_preferred").is_null() | (pl.col("session_date") < pl.col("first_preferred"))
    other = counted.filter(~is_preferred).join(first_preferred, how="cross").filter(before_preferred)
    line = pl.concat([preferred, other.drop("first_preferred")])
    exchange = pl.col("exchange").forward_fill()
    is_missing = pl.col("net_advances").is_null()
    follows_missing = is_missing.shift(1, fill_value=True)
    return (
        session_grid(line, calendar=calendar)
        .join(line, on="session_date", how="left", validate="1:1")
        .sort("session_date")
        .with_columns(exchange)
        .with_columns((follows_missing | (pl.col("exchange") != pl.col("exchange").shift(1))).alias("restarts"))
        .select(
            "session_date",
            "exchange",
            pl.col("net_advances").cum_sum().over("exchange").cast(pl.Float64).alias("advance_decline_line"),
            (pl.col("restarts") & ~is_missing).alias("restarts"),
        )
    )
