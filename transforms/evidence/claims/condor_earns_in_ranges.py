"""The condor is a theta engine in ranges."""

import polars as pl

from transforms.evidence.claims.claim import ENGINE_COLUMNS, Claim, Frames, columns_of, engine_sessions
from transforms.evidence.estimate import Observations, mean_where
from transforms.evidence.verdicts import Claimed
from transforms.indicators.vol_of_vol import share_strictly_below

RANGE_SESSIONS = 21
RANK_SESSIONS = 252
N_QUINTILES = 5


def range_quintile(index_level: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date` and `quintile`: 1 where SPX has ranged narrowly, 5 where widely, against the year before.

    The range is highest high less lowest low over the 21 sessions that end with the row's, over the close before them;
    its quintile is by the share of the 252 ranges before that are strictly below, so no row knows a later one.

    Parameters
    ----------
    index_level : session_date, symbol, high, low, close; points
    """
    levels = index_level.filter(pl.col("symbol") == "SPX").sort("session_date")
    high = pl.col("high").rolling_max(RANGE_SESSIONS, min_samples=RANGE_SESSIONS)
    low = pl.col("low").rolling_min(RANGE_SESSIONS, min_samples=RANGE_SESSIONS)
    ranges = levels.select(
        "session_date", realized_range=(high - low) / pl.col("close").shift(RANGE_SESSIONS)
    ).drop_nulls()
    share = share_strictly_below(pl.col("realized_range"), window=RANK_SESSIONS)
    return ranges.select(
        "session_date",
        quintile=(share * N_QUINTILES).floor().clip(upper_bound=N_QUINTILES - 1).cast(pl.Int64) + 1,
    ).drop_nulls()


def profit_in_narrow_ranges(engines: pl.DataFrame, quintiles: pl.DataFrame) -> Observations:
    """Return observations of the condor's mean P&L per dollar of margin over sessions of the lowest quintile.

    Parameters
    ----------
    engines : `engine_sessions`
    quintiles : `range_quintile`
    """
    rows = (
        engines.join(quintiles, on="session_date", how="inner", validate="1:1")
        .filter(pl.col("condor_margin") > 0.0)
        .sort("session_date")
        .select(profit=pl.col("condor_pnl") / pl.col("condor_margin"), is_narrow=pl.col("quintile") == 1)
    )
    profit, is_narrow = columns_of(rows, "profit", "is_narrow").T
    return mean_where(profit, is_narrow)


def _observations(frames: Frames) -> Observations:
    return profit_in_narrow_ranges(
        engine_sessions(frames["mart.engine_daily"]), range_quintile(frames["core.index_level"])
    )


CLAIM = Claim(
    name="condor_earns_in_ranges",
    statement="the condor is a theta engine in ranges",
    measure="mean P&L of the condor in the narrowest fifth of 21-session SPX ranges, decimal of its margin a session",
    sort="series",
    claimed=Claimed(low=0.0),
    needs={
        "mart.engine_daily": ENGINE_COLUMNS,
        "core.index_level": ("session_date", "symbol", "high", "low", "close"),
    },
    observations=_observations,
)
