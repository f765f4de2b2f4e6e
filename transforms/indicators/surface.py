"""The SPX surface in a few numbers a session, and where they stand in their own history (METHOD §4).

`surface_nodes` and `surface_summary` are cross-sections of feature.slice; `surface_daily` adds what needs history:
rank and percentile, realized vol, variance risk premium and expected moves.
"""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from transforms.indicators.vol_of_vol import share_strictly_below
from transforms.pricing.svi import SviSlices

Floats = NDArray[np.float64]

TENORS = (30, 60, 90, 180)
WINDOW = 252
REALIZED_WINDOW = 21
SESSIONS_PER_YEAR = 252.0
# Earlier opens of the SPX are prints of stale components, near the close before (METHOD §4).
FIRST_TRUE_OPEN = date(2008, 1, 2)
SVI_COLUMNS = ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")
NODE_VARIANCES = ("atm_variance", "put_25d_variance", "call_25d_variance")


def delta_strike(slices: SviSlices, call_delta: float) -> Floats:
    """Return the k = ln(K/F) at which a call's undiscounted forward delta N(d1) is `call_delta`, shape (n,).

    A 25-delta put is the strike of call delta 0.75. NaN where a parameter is. d1 falls in k on a slice without
    butterfly arbitrage, so bisection over 200 standard deviations finds the one root.
    """
    target = float(ndtri(call_delta))
    unit = np.sqrt(slices.total_variance(np.zeros(1))[:, 0])
    low, high = -200.0 * unit, 200.0 * unit
    for _ in range(80):
        middle = 0.5 * (low + high)
        root = np.sqrt(slices.total_variance(middle[:, None])[:, 0])
        above = -middle / root + 0.5 * root > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(0.5 * (low + high))


def surface_nodes(slices: pl.LazyFrame) -> pl.LazyFrame:
    """Return total variances at the money and at 25 delta of every fitted SPX and SPXW slice.

    Grain: (session_date, root, expiration). Columns: time_to_expiry (years), forward (index points), atm_variance,
    put_25d_variance, call_25d_variance (total variance). Slices without a smile are left out.
    """

    def variances(parameters: pl.Series) -> pl.Series:
        fields = (parameters.struct.field(name).to_numpy() for name in SVI_COLUMNS)
        smile = SviSlices(*fields)
        strikes = np.zeros(len(smile)), delta_strike(smile, 0.75), delta_strike(smile, 0.25)
        found = [smile.total_variance(k[:, None])[:, 0] for k in strikes]
        return pl.DataFrame(dict(zip(NODE_VARIANCES, found, strict=True))).to_struct("nodes")

    dtype = pl.Struct(dict.fromkeys(NODE_VARIANCES, pl.Float64()))
    return (
        _fitted(slices)
        .select(
            "session_date",
            "root",
            "expiration",
            "time_to_expiry",
            "forward",
            pl.struct(SVI_COLUMNS).map_batches(variances, return_dtype=dtype).alias("nodes"),
        )
        .unnest("nodes")
    )


def _fitted(slices: pl.LazyFrame) -> pl.LazyFrame:
    return slices.filter(
        pl.col("root").is_in(["SPX", "SPXW"]) & pl.col("svi_a").is_not_null() & (pl.col("time_to_expiry") > 0.0)
    )


def surface_summary(slices: pl.LazyFrame, *, tenors: Sequence[int] = TENORS) -> pl.LazyFrame:
    """Return constant-maturity vols of each session: one row per (session_date, tenor_days).

    Parameters
    ----------
    slices : feature.slice

    Returns
    -------
    LazyFrame
        forward (index points), atm_vol, put_25d_vol, call_25d_vol, risk_reversal_25d = put - call, butterfly_25d =
        mean of both - atm_vol (decimals). Each total variance is linear in time between the two slices around the
        tenor (ACT/365); null where no slice lies on one side of it. A session without any smile has no rows.
    """
    columns = ("time_to_expiry", "forward", *NODE_VARIANCES)
    slice_key = ("session_date", "root", "expiration")
    fitted = _fitted(slices)
    wanted = pl.LazyFrame({"tenor_days": list(tenors)}, schema={"tenor_days": pl.Int64})
    targets = (
        fitted.select("session_date")
        .unique()
        .join(wanted, how="cross")
        .with_columns((pl.col("tenor_days") / 365.0).alias("tenor_years"))
        .sort("tenor_years", "session_date")
    )
    by_time = fitted.select(*slice_key, "time_to_expiry").sort("time_to_expiry", *slice_key)
    strategies: tuple[tuple[Literal["backward", "forward"], str], ...] = (("backward", "near"), ("forward", "far"))
    for strategy, side in strategies:
        targets = targets.join_asof(
            by_time.select(
                "session_date",
                *(pl.col(c).alias(f"{side}_{c}") for c in (*slice_key[1:], "time_to_expiry")),
            ),
            left_on="tenor_years",
            right_on=f"{side}_time_to_expiry",
            by="session_date",
            strategy=strategy,
            coalesce=False,
            check_sortedness=False,
        )
    # Read three times below, and found again each time unless it is collected.
    targets = targets.collect().lazy()
    # Of some sixty slices a session only those around a tenor are solved for their 25-delta strikes.
    sides = [
        targets.select("session_date", *(pl.col(f"{side}_{c}").alias(c) for c in slice_key[1:]))
        for _, side in strategies
    ]
    nodes = surface_nodes(fitted.join(pl.concat(sides), on=slice_key, how="semi"))
    for _, side in strategies:
        targets = targets.drop(f"{side}_time_to_expiry").join(
            nodes.select("session_date", *(pl.col(c).alias(f"{side}_{c}") for c in (*slice_key[1:], *columns))),
            on=["session_date", *(f"{side}_{c}" for c in slice_key[1:])],
            how="left",
            validate="m:1",
        )
    span = pl.col("far_time_to_expiry") - pl.col("near_time_to_expiry")
    share = pl.when(span > 0.0).then((pl.col("tenor_years") - pl.col("near_time_to_expiry")) / span).otherwise(0.0)

    def between(name: str) -> pl.Expr:
        return pl.col(f"near_{name}") + share * (pl.col(f"far_{name}") - pl.col(f"near_{name}"))

    vols = {
        vol: (between(name) / pl.col("tenor_years")).sqrt()
        for name, vol in zip(NODE_VARIANCES, ("atm_vol", "put_25d_vol", "call_25d_vol"), strict=True)
    }
    put, call, atm = pl.col("put_25d_vol"), pl.col("call_25d_vol"), pl.col("atm_vol")
    return (
        targets.select("session_date", "tenor_days", between("forward").alias("forward"), **vols)
        .with_columns(
            (put - call).alias("risk_reversal_25d"),
            ((put + call) / 2.0 - atm).alias("butterfly_25d"),
        )
        .sort("session_date", "tenor_days")
    )


def surface_daily(summary: pl.LazyFrame, index_level: pl.LazyFrame) -> pl.LazyFrame:
    """Return feature.surface_daily: the summary with its history, one row per (session_date, tenor_days).

    Parameters
    ----------
    summary : of `surface_summary`, all sessions from the first
    index_level : core.index_level, from which the SPX is read

    Returns
    -------
    LazyFrame
        rank_252d, percentile_252d: where atm_vol stands among the 252 values of its tenor before it, (x - min)/(max -
        min) clipped to [0, 1] and the share strictly below; null until there are so many. realized_vol_21d,
        realized_vol_yang_zhang_21d: see `realized_vols`. variance_risk_premium = atm_vol^2 - realized_vol_21d^2 and
        vol_risk_premium = atm_vol - realized_vol_21d, both contemporaneous (decimals). expected_move =
        forward*atm_vol*sqrt(tenor/365) and expected_move_1d = SPX close*atm_vol*sqrt(1/252): one standard deviation,
        index points.
    """
    atm = pl.col("atm_vol")
    known = summary.filter(atm.is_not_null()).sort("tenor_days", "session_date")
    previous = atm.shift(1)
    low = previous.rolling_min(WINDOW, min_samples=WINDOW).over("tenor_days", order_by="session_date")
    high = previous.rolling_max(WINDOW, min_samples=WINDOW).over("tenor_days", order_by="session_date")
    standing = known.select(
        "session_date",
        "tenor_days",
        pl.when(high > low).then(((atm - low) / (high - low)).clip(0.0, 1.0)).alias("rank_252d"),
        share_strictly_below(atm, window=WINDOW).over("tenor_days", order_by="session_date").alias("percentile_252d"),
    )
    realized = pl.col("realized_vol_21d")
    return (
        summary.join(standing, on=("session_date", "tenor_days"), how="left", validate="1:1")
        .join(realized_vols(index_level), on="session_date", how="left", validate="m:1")
        .with_columns(
            (atm**2 - realized**2).alias("variance_risk_premium"),
            (atm - realized).alias("vol_risk_premium"),
            (pl.col("forward") * atm * (pl.col("tenor_days") / 365.0).sqrt()).alias("expected_move"),
            (pl.col("close") * atm * (1.0 / SESSIONS_PER_YEAR) ** 0.5).alias("expected_move_1d"),
        )
        .drop("close")
        .sort("session_date", "tenor_days")
    )


def realized_vols(index_level: pl.LazyFrame) -> pl.LazyFrame:
    """Return realized vols of the SPX over 21 sessions: one row per session with a close.

    Columns: close (points), realized_vol_21d: sample standard deviation of 21 daily log returns, and
    realized_vol_yang_zhang_21d: Yang and Zhang (2000, equation 7 with k of equation 9, alpha 1.34) from open, high, low
    and close. Both annualized by sqrt(252), decimals; null until the window is full or where a price is missing in it,
    and Yang-Zhang before 2008, when the printed opens were stale.
    """
    n = REALIZED_WINDOW
    close, opened = pl.col("close").log(), pl.col("open").log()
    high, low = pl.col("high").log(), pl.col("low").log()
    overnight, day = opened - close.shift(1), close - opened
    rogers_satchell = (high - close) * (high - opened) + (low - close) * (low - opened)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    yang_zhang = (
        window_statistic(overnight, "variance", window=n)
        + k * window_statistic(day, "variance", window=n)
        + (1.0 - k) * window_statistic(rogers_satchell, "mean", window=n)
    )
    prices = index_level.filter(pl.col("symbol") == "SPX").sort("session_date")
    true_open = pl.when(pl.col("session_date") >= FIRST_TRUE_OPEN).then(pl.col("open")).alias("open")
    return prices.with_columns(true_open).select(
        "session_date",
        "close",
        (window_statistic(close.diff(), "variance", window=n) * SESSIONS_PER_YEAR).sqrt().alias("realized_vol_21d"),
        (yang_zhang * SESSIONS_PER_YEAR).sqrt().alias("realized_vol_yang_zhang_21d"),
    )


def window_statistic(level: pl.Expr, statistic: Literal["mean", "variance"], *, window: int) -> pl.Expr:
    """Return the mean or sample variance of the last `window` rows; null where one of them is null or too few are.

    Each window is summed by itself. Polars' own rolling sums are updated from row to row and started anew wherever it
    splits a column among threads, so their last bits depend on how long the column is.
    """

    def of_windows(levels: pl.Series) -> pl.Series:
        values = levels.to_numpy()
        found = np.full(len(values), np.nan)
        if len(values) >= window:
            windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(values, window))
            found[window - 1 :] = windows.mean(axis=1) if statistic == "mean" else windows.var(axis=1, ddof=1)
        return pl.Series(levels.name, found).fill_nan(None)

    return level.map_batches(of_windows, return_dtype=pl.Float64)
