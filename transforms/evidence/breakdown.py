"""mart.evidence_breakdown: what each book earned by what prevailed, and in the worst sessions of SPX.

A session's regime is the one known at the close before it; the realized range alone includes the session itself, since
the claim is about what the condor earns while a range lasts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from transforms.evidence.benchmark_daily import benchmark_pnl
from transforms.evidence.claims.claim import Frames, engine_sessions
from transforms.evidence.claims.condor_earns_in_ranges import N_QUINTILES, range_quintile
from transforms.evidence.estimate import estimated, mean_where
from transforms.evidence.verdicts import FEWEST_OBSERVATIONS
from transforms.schemas import EVIDENCE_BREAKDOWN
from transforms.tables.evidence import BENCHMARKS

BOOKS = ("condor", "second", "both")
N_WORST = 10
# Beside the claims: some eighty intervals a variant, to two digits.
N_DRAWS = 1_000


@dataclass(frozen=True)
class Regime:
    """A column of a table cut at `bounds`, each the lower end of its bucket; `labels` are one more than the bounds."""

    breakdown: str
    table: str
    column: str
    bounds: tuple[float, ...]
    labels: tuple[str, ...]


REGIMES = (
    Regime(
        "contango", "feature.curve_daily", "contango_ratio",
        (0.0, 0.04, 0.08), ("below 0%", "0 to 4%", "4 to 8%", "8% and above"),
    ),
    Regime(
        "vvix", "feature.vol_of_vol_daily", "percentile_252d",
        (0.30, 0.70), ("percentile below 0.30", "0.30 to 0.70", "0.70 and above"),
    ),
    Regime(
        "rsi", "feature.momentum_daily", "rsi",
        (30.0, 50.0, 70.0), ("below 30", "30 to 50", "50 to 70", "70 and above"),
    ),
)  # fmt: skip


def evidence_breakdown(
    replays: Mapping[str, Frames], *, as_of: date, seed: int, n_draws: int = N_DRAWS
) -> pl.DataFrame:
    """Return mart.evidence_breakdown of every variant; see `claim_evidence` for the arguments.

    A breakdown whose table a variant lacks has no rows for it: mart.engine_daily is needed by all, feature.curve_daily,
    feature.vol_of_vol_daily, feature.momentum_daily and core.index_level by their own. The rebuilt indices stand
    beside the books where there is mart.benchmark_daily.
    """
    rows: list[dict[str, Any]] = []
    for variant in sorted(replays):
        frames = replays[variant]
        if "mart.engine_daily" not in frames:
            continue
        engines, books = engine_sessions(frames["mart.engine_daily"]), list(BOOKS)
        if "mart.benchmark_daily" in frames:
            indices = benchmark_pnl(frames["mart.benchmark_daily"])
            engines = engines.join(indices, on="session_date", how="left", validate="1:1")
            books += [name for name in BENCHMARKS if indices[f"{name}_pnl"].count()]
        for breakdown, buckets in _bucketed(engines, frames):
            key = f"{seed}|{variant}|{breakdown}"
            found = _rows(engines, buckets, books=books, breakdown=breakdown, key=key, n_draws=n_draws)
            rows += [{"as_of": as_of, "variant": variant, **row} for row in found]
    return EVIDENCE_BREAKDOWN.conform(pl.DataFrame(rows, schema=EVIDENCE_BREAKDOWN.polars_schema))


def worst_sessions(index_level: pl.DataFrame, sessions: pl.DataFrame, *, n_worst: int = N_WORST) -> pl.DataFrame:
    """Return the sessions with the lowest SPX returns, worst first: session_date, spx_return, position."""
    returns = (
        index_level.filter(pl.col("symbol") == "SPX")
        .sort("session_date")
        .select("session_date", spx_return=pl.col("close") / pl.col("close").shift(1) - 1.0)
        .drop_nulls()
    )
    return (
        returns.join(sessions.select("session_date"), on="session_date", how="semi")
        .sort("spx_return", "session_date")
        .head(n_worst)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("position"))
    )


def regime_buckets(measured: pl.DataFrame, regime: Regime, *, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `position` and `bucket` of each session, by the last measure before it.

    `measured` has session_date and measure; sessions without a measure before them are left out.
    """
    known = measured.drop_nulls("measure").select("session_date", "measure").sort("session_date")
    dated = sessions.select("session_date").sort("session_date")
    before = dated.join_asof(known, on="session_date", strategy="backward", allow_exact_matches=False)
    position = pl.sum_horizontal([(pl.col("measure") >= bound).cast(pl.Int64) for bound in regime.bounds]) + 1
    labels = dict(enumerate(regime.labels, start=1))
    return before.drop_nulls("measure").select(
        "session_date",
        position.alias("position"),
        position.replace_strict(labels, return_dtype=pl.String).alias("bucket"),
    )


def _bucketed(engines: pl.DataFrame, frames: Frames) -> Sequence[tuple[str, pl.DataFrame]]:
    everything = engines.select("session_date", position=pl.lit(1, dtype=pl.Int64), bucket=pl.lit("all sessions"))
    found = [("all", everything)]
    for regime in REGIMES:
        if regime.table in frames:
            frame = frames[regime.table]
            own = frame.filter(pl.col("series") == "vx_front") if "series" in frame.columns else frame
            measured = own.select("session_date", measure=regime.column)
            found.append((regime.breakdown, regime_buckets(measured, regime, sessions=engines)))
    if "core.index_level" in frames:
        levels = frames["core.index_level"]
        quintiles = range_quintile(levels).select(
            "session_date", position="quintile", bucket=pl.format("quintile {} of " + str(N_QUINTILES), "quintile")
        )
        found.append(("realized_range", quintiles))
        worst = worst_sessions(levels, engines).select(
            "session_date",
            "position",
            bucket=pl.format("{}: {}%", "session_date", (100.0 * pl.col("spx_return")).round(2)),
        )
        found.append(("worst_spx_session", worst))
    return found


def _rows(
    engines: pl.DataFrame,
    buckets: pl.DataFrame,
    *,
    books: Sequence[str],
    breakdown: str,
    key: str,
    n_draws: int,
) -> list[dict[str, Any]]:
    joined = engines.join(buckets, on="session_date", how="inner", validate="1:1").sort("session_date")
    rows = []
    for position, bucket in sorted(joined.select("position", "bucket").unique().iter_rows()):
        for book in books:
            known = joined.filter(pl.col(f"{book}_pnl").is_not_null())
            pnl = known[f"{book}_pnl"].cast(pl.Float64).to_numpy()
            chosen = (known["position"] == position).cast(pl.Float64).to_numpy()
            n = int(chosen.sum())
            interval = None
            if n >= FEWEST_OBSERVATIONS:
                observed = mean_where(pnl, chosen)
                found = estimated(observed, sort="series", key=f"{key}|{bucket}|{book}", n_draws=n_draws)
                interval = found.interval()
            rows.append(
                {
                    "book": book,
                    "breakdown": breakdown,
                    "bucket": bucket,
                    "position": position,
                    "n": n,
                    "pnl_total": float(np.dot(pnl, chosen)) if n else None,
                    "pnl_mean": float(np.dot(pnl, chosen)) / n if n else None,
                    "low_95": interval[0] if interval else None,
                    "high_95": interval[1] if interval else None,
                }
            )
    return rows
