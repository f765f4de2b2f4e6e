"""How far a session's quotes leave open what they should fix, against the year before (METHOD section 8)."""

import polars as pl

from transforms.indicators.vol_of_vol import share_strictly_below
from transforms.schemas import DISLOCATION_DAILY

WINDOW = 252
SPX_ROOTS = ("SPX", "SPXW")
# Nearer, the interval is all rounding to the tick; further, few strikes are quoted on both sides.
MIN_DAYS, MAX_DAYS = 7, 180
BASIS_POINTS = 10_000.0


def dislocation_daily(
    slices: pl.LazyFrame, residual_bucket: pl.LazyFrame, mispricing: pl.LazyFrame, *, window: int = WINDOW
) -> pl.LazyFrame:
    """Return feature.dislocation_daily: one row per session with SPX slices.

    Parameters
    ----------
    slices : feature.slice, from the first session on
    residual_bucket : feature.residual_bucket_daily
    mispricing : mart.mispricing

    Notes
    -----
    parity_width: median over the SPX slices of 7 to 180 days of the width of the forward's no-arbitrage interval over
    the forward, basis points. residual_dispersion: root of the mean squared residual of SPX quotes, half-spreads.
    Percentiles are shares of the previous 252 sessions with a value that are strictly below; null until there are so
    many.
    """
    days = (pl.col("expiration") - pl.col("session_date")).dt.total_days()
    is_spx = pl.col("root").is_in(SPX_ROOTS)
    widths = (
        slices.filter(is_spx)
        .with_columns(
            width=pl.when(days.is_between(MIN_DAYS, MAX_DAYS)).then(
                BASIS_POINTS * (pl.col("forward_high") - pl.col("forward_low")) / pl.col("forward")
            )
        )
        .group_by("session_date")
        .agg(pl.col("width").median().alias("parity_width"))
    )
    dispersion = (
        residual_bucket.filter(is_spx)
        .sort("session_date", "root", "delta_bucket", "dte_bucket")
        .group_by("session_date", maintain_order=True)
        # A running sum is added up in the order of its rows; a plain one as the threads divide them.
        .agg(
            (pl.col("sum_squared_residual").cum_sum().last() / pl.col("n_quotes").sum())
            .sqrt()
            .alias("residual_dispersion")
        )
    )
    locks = (
        mispricing.filter((pl.col("confidence") == "executable") & ~pl.col("from_flagged_quotes"))
        .group_by("session_date")
        .agg(pl.len().cast(pl.Int64).alias("n_executable_locks"))
    )
    rows = (
        widths.join(dispersion, on="session_date", how="left", validate="1:1")
        .join(locks, on="session_date", how="left", validate="1:1")
        .with_columns(pl.col("n_executable_locks").fill_null(0))
        .sort("session_date")
    )
    for name in ("parity_width", "residual_dispersion"):
        standing = rows.filter(pl.col(name).is_not_null()).select(
            "session_date", share_strictly_below(pl.col(name), window=window).alias(f"{name}_percentile_252d")
        )
        # A join need not keep the order that the next percentile is read in.
        rows = rows.join(standing, on="session_date", how="left", validate="1:1", maintain_order="left")
    return rows.select(DISLOCATION_DAILY.column_names).sort("session_date")
