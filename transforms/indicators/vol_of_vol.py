"""VVIX against its own last year (METHOD §8, vol_of_vol_low)."""

import numpy as np
import polars as pl

from transforms.indicators.session_grid import session_grid
from transforms.schemas import VOL_OF_VOL_DAILY
from transforms.sessions import TradingCalendar

WINDOW = 252
LOW_QUANTILE = 0.30


def vol_of_vol_daily(index_level: pl.LazyFrame, *, calendar: TradingCalendar) -> pl.LazyFrame:
    """Return feature.vol_of_vol_daily: one row per session from the first to the last VVIX close.

    Every statistic of a session is over the 252 VVIX closes before it, today not among them; a session
    without a close is passed over, never counted, so a statistic has always 252 values or is null.

    Parameters
    ----------
    index_level
        core.index_level; the VVIX close is read from it, points.
    calendar
        New York sessions.

    Returns
    -------
    pl.LazyFrame
        `threshold_30` is the quantile interpolated linearly between order statistics (Hyndman and Fan 1996,
        definition 7), points. `sessions_below_30` is null where close or threshold is, and such a session
        ends a run.
    """
    closes = index_level.filter(pl.col("symbol") == "VVIX").select("session_date", pl.col("close").alias("vvix"))
    vvix = pl.col("vvix")
    previous = vvix.shift(1)
    low = previous.rolling_min(WINDOW, min_samples=WINDOW)
    high = previous.rolling_max(WINDOW, min_samples=WINDOW)
    threshold = previous.rolling_quantile(LOW_QUANTILE, "linear", WINDOW, min_samples=WINDOW)
    statistics = closes.sort("session_date").with_columns(
        share_strictly_below(vvix, window=WINDOW).alias("percentile_252d"),
        pl.when(high > low).then(((vvix - low) / (high - low)).clip(0.0, 1.0)).alias("rank_252d"),
        threshold.alias("threshold_30"),
    )
    is_below = vvix < pl.col("threshold_30")
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    last_not_below = pl.when(is_below.fill_null(False).not_()).then(row).forward_fill().fill_null(-1)
    return (
        session_grid(closes, calendar=calendar)
        .join(statistics, on="session_date", how="left", validate="1:1")
        .sort("session_date")
        .with_columns(pl.when(is_below.is_not_null()).then(row - last_not_below).alias("sessions_below_30"))
        .select(VOL_OF_VOL_DAILY.column_names)
    )


def share_strictly_below(level: pl.Expr, *, window: int) -> pl.Expr:
    """Return the share of the `window` rows before each strictly below it; null until there are so many."""

    def share(levels: pl.Series) -> pl.Series:
        values = levels.to_numpy()
        shares = np.full(len(values), np.nan)
        if len(values) > window:
            before = np.lib.stride_tricks.sliding_window_view(values[:-1], window)
            shares[window:] = np.count_nonzero(before < values[window:, None], axis=1) / window
        return pl.Series(levels.name, shares).fill_nan(None)

    return level.map_batches(share, return_dtype=pl.Float64)
