"""Quotes that the smile does not fit: the fitted price outside bid and ask, measured against what is usual there.

A residual is counted in half-spreads, (mid - fitted price)/half-spread: 0 in the middle of the market, +1 where the
fitted price is the bid, -1 where it is the ask. In that unit the wide wings and the tight money compare, which points
and vol points do not; both are kept beside it. What is usual is the mean and deviation of a bucket of delta and days
to expiration over the sessions before, kept as counts and sums in feature.residual_bucket_daily.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.indicators.session_grid import numbered_sessions
from transforms.mispricing.calendar import option_legs
from transforms.mispricing.finding_frames import FindingFrames, finding_frames
from transforms.sessions import TradingCalendar

Floats = NDArray[np.float64]

QUOTE_KEY = ["session_date", "root", "expiration", "strike", "option_type"]
# Of feature.option_analytics.
FITTED_COLUMNS = [
    *QUOTE_KEY, "delta", "log_moneyness", "fitted_price", "fitted_vol", "implied_vol_bid", "implied_vol_ask"
]  # fmt: skip
BUCKET = ["root", "delta_bucket", "dte_bucket"]
DELTA_EDGES = (0.02, 0.10, 0.25, 0.50, 0.75, 0.90)
DELTA_BUCKETS = ("0.00-0.02", "0.02-0.10", "0.10-0.25", "0.25-0.50", "0.50-0.75", "0.75-0.90", "0.90-1.00")
DTE_EDGES = (7, 30, 60, 120, 365)
DTE_BUCKETS = ("0-7", "8-30", "31-60", "61-120", "121-365", "366+")
# A smile that misses a stretch of a slice misses all of it: a quote must be outside beside its neighbors too.
NEIGHBORS = 3
# A usual residual is not known from fewer quotes, nor from fewer sessions: neighbors in a session err together.
MIN_QUOTES, MIN_SESSIONS = 30, 5
# Without history the session itself, misfit and all, is the yardstick, so more is asked of a quote.
MIN_Z_WITHOUT_HISTORY = 5.0
# Median absolute deviation of a standard normal.
NORMAL_MAD = 0.6744897501960817
AGAINST_HISTORY = "against the smile through the mids; unusual for its bucket over the sessions before"
AGAINST_SESSION = "against the smile through the mids; no history yet, unusual for its bucket in this session"

RESIDUAL_BUCKET_COLUMNS: dict[str, pl.DataType] = {
    "session_date": pl.Date(),
    "root": pl.String(),
    "delta_bucket": pl.String(),
    "dte_bucket": pl.String(),
    "n_quotes": pl.Int64(),
    "sum_residual": pl.Float64(),
    "sum_squared_residual": pl.Float64(),
}

CANDIDATE_COLUMNS: dict[str, pl.DataType] = {
    "session_date": pl.Date(),
    "root": pl.String(),
    "expiration": pl.Date(),
    "strike": pl.Float64(),
    "option_type": pl.String(),
    "fitted_price": pl.Float64(),
    "bid": pl.Float64(),
    "ask": pl.Float64(),
    "bid_size": pl.Int64(),
    "ask_size": pl.Int64(),
    "snapshot_kind": pl.String(),
    "half_spread": pl.Float64(),
    "side": pl.String(),
    "delta_bucket": pl.String(),
    "dte_bucket": pl.String(),
    "residual_half_spreads": pl.Float64(),
    "residual_points": pl.Float64(),
    "vol_points": pl.Float64(),
    "local_misfit": pl.Float64(),
    "z_of_session": pl.Float64(),
}


def residuals(option_analytics: pl.DataFrame, quotes: pl.DataFrame) -> pl.DataFrame:
    """Return how far the smile lies from every two-sided quote: one row per option, sorted by key.

    Parameters
    ----------
    option_analytics : feature.option_analytics rows of any sessions, at least FITTED_COLUMNS
    quotes : core.option_quote rows of the same sessions

    Returns
    -------
    DataFrame
        The quote's key, bid, ask, sizes, snapshot_kind, and: half_spread (points), fitted_price (points),
        residual_half_spreads, delta_bucket, dte_bucket, side (`sell` where the fitted price is below the bid, `buy`
        where it is above the ask, null inside), residual_points (distance of the fitted price from the side traded,
        null inside), vol_points (the same in vol points; null where that price has no vol) and local_misfit (median
        residual_half_spreads of the three strikes on either side; null without any). Quotes without a bid or on a
        refused smile have no row.
    """
    bid, ask, fitted = pl.col("bid"), pl.col("ask"), pl.col("fitted_price")
    of_strike = ["session_date", "root", "expiration", "strike"]
    # A mid below intrinsic value has no delta: the strike's other option says where the quote belongs, or the strike.
    is_deep = (pl.col("log_moneyness") < 0.0) == (pl.col("option_type") == "call")
    delta = pl.coalesce(
        pl.col("delta").abs(), 1.0 - pl.col("delta").abs().max().over(of_strike), is_deep.cast(pl.Float64)
    )
    rows = (
        option_analytics.lazy()
        .with_columns(delta.alias("delta"))
        .filter(fitted.is_not_null())
        .select(*QUOTE_KEY, "delta", "fitted_price", "fitted_vol", "implied_vol_bid", "implied_vol_ask")
        .join(
            quotes.lazy().select(*QUOTE_KEY, "bid", "ask", "bid_size", "ask_size", "snapshot_kind"),
            on=QUOTE_KEY,
            how="inner",
            validate="1:1",
        )
        .filter((bid > 0.0) & (ask > bid))
        .with_columns(
            (0.5 * (ask - bid)).alias("half_spread"),
            pl.when(fitted < bid).then(pl.lit("sell")).when(fitted > ask).then(pl.lit("buy")).alias("side"),
            pl.concat_str("option_type", pl.lit(" "), _bucket(pl.col("delta"), DELTA_EDGES, DELTA_BUCKETS)).alias(
                "delta_bucket"
            ),
            _bucket((pl.col("expiration") - pl.col("session_date")).dt.total_days(), DTE_EDGES, DTE_BUCKETS).alias(
                "dte_bucket"
            ),
        )
        .with_columns(
            ((0.5 * (bid + ask) - fitted) / pl.col("half_spread")).alias("residual_half_spreads"),
            pl.when(pl.col("side") == "sell")
            .then(bid - fitted)
            .when(pl.col("side") == "buy")
            .then(fitted - ask)
            .alias("residual_points"),
            pl.when(pl.col("side") == "sell")
            .then(100.0 * (pl.col("implied_vol_bid") - pl.col("fitted_vol")))
            .when(pl.col("side") == "buy")
            .then(100.0 * (pl.col("fitted_vol") - pl.col("implied_vol_ask")))
            .alias("vol_points"),
        )
        .drop("delta", "fitted_vol", "implied_vol_bid", "implied_vol_ask")
        .sort(QUOTE_KEY)
        .collect()
    )
    return rows.with_columns(_neighbors_median(rows))


def _bucket(value: pl.Expr, edges: tuple[float, ...], names: tuple[str, ...]) -> pl.Expr:
    """Return the name of the interval (edges[i - 1], edges[i]] that holds the value."""
    name = pl.lit(names[-1])
    for edge, lower in zip(reversed(edges), reversed(names[:-1]), strict=True):
        name = pl.when(value <= edge).then(pl.lit(lower)).otherwise(name)
    return name


def _neighbors_median(rows: pl.DataFrame) -> pl.Series:
    """Return `local_misfit`: the median residual of the NEIGHBORS nearest strikes on either side, same slice and type.

    `rows` are sorted by QUOTE_KEY; null where a quote has no neighbor.
    """
    slice_of = rows.select(pl.struct("session_date", "root", "expiration").rle_id()).to_series().to_numpy()
    side_of = 2 * slice_of.astype(np.int64) + (rows["option_type"] == "put").to_numpy()
    order = np.argsort(side_of, kind="stable")
    side_of, value = side_of[order], rows["residual_half_spreads"].to_numpy()[order]
    beside = np.full((value.size, 2 * NEIGHBORS), np.nan)
    for step in range(1, min(NEIGHBORS, value.size - 1) + 1):
        same = side_of[step:] == side_of[:-step]
        beside[step:, 2 * step - 2] = np.where(same, value[:-step], np.nan)
        beside[:-step, 2 * step - 1] = np.where(same, value[step:], np.nan)
    beside.sort(axis=1)
    count = np.isfinite(beside).sum(axis=1)
    place = np.arange(value.size)
    median = np.empty(value.size)
    median[order] = 0.5 * (beside[place, np.maximum(count - 1, 0) // 2] + beside[place, count // 2])
    return pl.Series("local_misfit", median, nan_to_null=True)


def residual_bucket_daily(rows: pl.DataFrame) -> pl.DataFrame:
    """Return feature.residual_bucket_daily: count, sum and sum of squares of residuals per bucket and session.

    `rows` is `residuals` of any sessions. The sums run in the order of the quotes' key, so that they do not depend on
    threads.
    """
    key = ["session_date", *BUCKET]
    rows = rows.sort(QUOTE_KEY)
    groups = rows.select(key).unique().sort(key)
    if rows.is_empty():
        return groups.with_columns(
            pl.lit(0, pl.Int64).alias("n_quotes"),
            pl.lit(0.0).alias("sum_residual"),
            pl.lit(0.0).alias("sum_squared_residual"),
        )
    group = (
        rows.select(key)
        .join(groups.with_row_index("group"), on=key, how="left", validate="m:1", maintain_order="left")["group"]
        .to_numpy()
    )
    value = rows["residual_half_spreads"].to_numpy()
    return groups.with_columns(
        pl.Series("n_quotes", np.bincount(group), dtype=pl.Int64),
        pl.Series("sum_residual", np.bincount(group, weights=value)),
        pl.Series("sum_squared_residual", np.bincount(group, weights=value * value)),
    )


def residual_baseline(
    bucket_daily: pl.DataFrame, *, calendar: TradingCalendar, residual_window: int = 60
) -> pl.DataFrame:
    """Return what was usual before each session: one row per row of feature.residual_bucket_daily, sorted by its key.

    Parameters
    ----------
    bucket_daily : feature.residual_bucket_daily, all sessions from the first
    residual_window : sessions of the calendar before the row's own, which is not among them

    Returns
    -------
    DataFrame
        session_date, root, delta_bucket, dte_bucket, n_sessions and n_quotes in the window, and mean_residual and
        residual_deviation (half-spreads; sample standard deviation), null below MIN_SESSIONS or MIN_QUOTES.
    """
    key = ["session_date", *BUCKET]
    rows = bucket_daily.join(
        numbered_sessions(calendar).collect(), on="session_date", how="inner", validate="m:1"
    ).sort(key)
    buckets = rows.select(BUCKET).unique().sort(BUCKET).with_row_index("bucket")
    place = rows.join(buckets, on=BUCKET, how="left", validate="m:1", maintain_order="left")["bucket"].to_numpy()
    number = rows["session_number"].to_numpy()
    first = int(number.min()) if number.size else 0
    span = int(number.max()) - first + 1 if number.size else 0
    windows = {}
    for name in ("n_sessions", "n_quotes", "sum_residual", "sum_squared_residual"):
        daily = np.zeros((buckets.height, span + residual_window))
        daily[place, number - first + residual_window] = 1.0 if name == "n_sessions" else rows[name].to_numpy()
        windows[name] = _window_sums(daily, window=residual_window)[place, number - first]
    n = windows["n_quotes"]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = windows["sum_residual"] / n
        variance = (windows["sum_squared_residual"] - n * mean * mean) / (n - 1.0)
        known = (n >= MIN_QUOTES) & (windows["n_sessions"] >= MIN_SESSIONS) & (variance > 0.0)
        deviation = np.sqrt(np.where(known, variance, np.nan))
    return rows.select(
        *key,
        pl.Series("n_sessions", windows["n_sessions"].astype(np.int64)),
        pl.Series("n_quotes", n.astype(np.int64)),
        pl.Series("mean_residual", np.where(known, mean, np.nan), nan_to_null=True),
        pl.Series("residual_deviation", deviation, nan_to_null=True),
    )


def _window_sums(daily: Floats, *, window: int) -> Floats:
    """Return the sums of `window` neighboring columns, by the window's first column.

    Sums of 1, 2, 4, ... columns are doubled and those that make up the window added, always in the same order: unlike
    a running sum, a window's last bits do not depend on where the row began.
    """
    n = daily.shape[1] - window + 1
    total, block, width, start = np.zeros((daily.shape[0], max(n, 0))), daily, 1, 0
    while width <= window:
        if window & width:
            total = total + block[:, start : start + n]
            start += width
        block = block[:, :-width] + block[:, width:]
        width *= 2
    return np.asarray(total)


def surface_residual_findings(
    rows: pl.DataFrame, baseline: pl.DataFrame, *, fee_per_contract: float, min_z: float = 3.0
) -> FindingFrames:
    """Return the quotes of any sessions that the smile leaves outside and that stand out from what is usual there.

    Parameters
    ----------
    rows : `residuals` of the sessions
    baseline : `residual_baseline`, at least the rows of the sessions
    fee_per_contract : dollars
    min_z : deviations from the usual residual, away from the fitted price

    Notes
    -----
    z_score is (residual - mean)/deviation of the bucket's history, signed so that the side traded is positive. A bucket
    without enough history has none: its quotes are judged against the bucket's own median and median absolute
    deviation of the session, at MIN_Z_WITHOUT_HISTORY. Where the smile misses a whole stretch of strikes, a quote
    counts only if it would lie outside even after the smile is moved by the median misfit of its neighbors. A call and
    a put of one strike that stand out on the same side
    are one finding, the larger in half-spreads. `indicative`: the smile is fitted to mids.
    """
    return candidate_findings(residual_candidates(rows), baseline, fee_per_contract=fee_per_contract, min_z=min_z)


def residual_candidates(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the few rows of `residuals` that can be findings, with `z_of_session`: what needs no other session."""
    value, bucket = pl.col("residual_half_spreads"), ["session_date", *BUCKET]
    deviation = (value - value.median().over(bucket)).abs().median().over(bucket) / NORMAL_MAD
    return rows.with_columns(
        (_away() * (value - value.median().over(bucket)) / deviation).alias("z_of_session")
    ).filter(pl.col("side").is_not_null() & (_away() * (value - pl.col("local_misfit").fill_null(0.0)) > 1.0))


def candidate_findings(
    candidates: pl.DataFrame, baseline: pl.DataFrame, *, fee_per_contract: float, min_z: float
) -> FindingFrames:
    """Return the candidates that stand out, as `surface_residual_findings` describes."""
    value = pl.col("residual_half_spreads")
    found = (
        candidates.join(baseline, on=["session_date", *BUCKET], how="left", validate="m:1")
        .with_columns(
            (_away() * (value - pl.col("mean_residual")) / pl.col("residual_deviation")).alias("z_score"),
        )
        .filter(
            (pl.col("z_score") >= min_z)
            | (pl.col("z_score").is_null() & (pl.col("z_of_session") >= MIN_Z_WITHOUT_HISTORY))
        )
        .sort(value.abs(), *QUOTE_KEY, descending=[True, *(False for _ in QUOTE_KEY)])
        .unique(["session_date", "root", "expiration", "strike", "side"], keep="first", maintain_order=True)
    )
    findings = found.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("number"),
        "session_date",
        pl.lit("surface_residual").alias("kind"),
        "root",
        "expiration",
        pl.col("residual_points").alias("edge_points"),
        pl.lit("indicative").alias("confidence"),
        "z_score",
        "vol_points",
        (pl.col("snapshot_kind") == "non_regular").alias("from_flagged_quotes"),
        pl.when(pl.col("z_score").is_null())
        .then(pl.lit(AGAINST_SESSION))
        .otherwise(pl.lit(AGAINST_HISTORY))
        .alias("note"),
    )
    legs = option_legs(found, side=pl.col("side"), quantity=pl.lit(1.0))
    return finding_frames(findings, legs, fee_per_contract=fee_per_contract)


def _away() -> pl.Expr:
    """Return +1 where the fitted price is below the market, -1 where it is above."""
    return pl.when(pl.col("side") == "sell").then(1.0).otherwise(-1.0)
