"""mart.benchmark_daily: CNDR and VXTH over the nights of a replay, what each holds, and what a level lacks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from transforms.evidence.benchmarks import (
    CONDOR_LEGS,
    DAYS_A_YEAR,
    RebuiltIndex,
    condor_index,
    implied_dividend_yield,
    tail_hedge_index,
    with_dividends,
)
from transforms.evidence.claims.risk_adjusted_return import bill_rates
from transforms.schemas import BENCHMARK_DAILY
from transforms.sessions import TradingCalendar
from transforms.tables.evidence import BENCHMARKS

# What the P&L of an index is of, where it stands beside a book's.
DOLLARS_HELD = 100_000.0
NO_DIVIDENDS = "dividends: no SPX slice of three months or more by the session before"


@dataclass(frozen=True)
class BenchmarkInputs:
    """What the indices are rebuilt from; rows of sessions after the last night are not read.

    chain: `marked_chain` of the options held of each session. slices: feature.slice.
    settlement_value: `settlement_values`. treasury_rate, index_level and futures_settlement: core.
    """

    chain: pl.DataFrame
    slices: pl.DataFrame
    settlement_value: pl.DataFrame
    treasury_rate: pl.DataFrame
    index_level: pl.DataFrame
    futures_settlement: pl.DataFrame

    def up_to(self, last: date) -> "BenchmarkInputs":
        """Return the rows that are known by the end of a session."""
        dated = (self.chain, self.slices, self.treasury_rate, self.index_level, self.futures_settlement)
        chain, slices, rates, levels, futures = (frame.filter(pl.col("session_date") <= last) for frame in dated)
        settled = self.settlement_value.filter(pl.col("fixed_on") <= last)
        return BenchmarkInputs(chain, slices, settled, rates, levels, futures)


def benchmark_daily(inputs: BenchmarkInputs, sessions: Sequence[date], *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return mart.benchmark_daily: one row per session given and index, with a level or what it lacks.

    A row depends on no session after its own.
    """
    if not sessions:
        return BENCHMARK_DAILY.empty()
    last = max(sessions)
    known = inputs.up_to(last)
    closes = known.index_level.filter(pl.col("symbol") == "SPX").select("session_date", "close")
    total_return = with_dividends(closes, implied_dividend_yield(known.slices, closes))
    bills = bill_rates(known.treasury_rate)
    settled = _settled_by_session(known.settlement_value)
    condor = condor_index(known.chain, settlement_value=settled, bill_rate=bills, calendar=calendar, through=last)
    hedge = tail_hedge_index(
        known.chain,
        total_return=total_return,
        futures=known.futures_settlement,
        settlement_value=settled,
        calendar=calendar,
        through=last,
    )
    nights = pl.DataFrame({"session_date": sorted(sessions)}, schema={"session_date": pl.Date()})
    hedge_rows = _rows("vxth", hedge, _hedge_position(hedge.rolls), nights, known.chain)
    dividends = total_return.select("session_date", "has_dividends")
    hedge_rows = hedge_rows.join(dividends, on="session_date", how="left", validate="1:1").with_columns(
        missing=pl.when(pl.col("missing").is_null() & ~pl.col("has_dividends"))
        .then(pl.lit(NO_DIVIDENDS))
        .otherwise("missing")
    )
    condor_rows = _rows("cndr", condor, _condor_position(condor.rolls), nights, known.chain)
    rows = pl.concat([condor_rows, hedge_rows.drop("has_dividends")])
    return BENCHMARK_DAILY.conform(_with_returns(rows, bills))


def benchmark_pnl(benchmarks: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date` and `<index>_pnl` of mart.benchmark_daily: of 100,000 dollars held since the row before."""
    return (
        benchmarks.select("session_date", "benchmark", pnl=DOLLARS_HELD * pl.col("return_daily"))
        .pivot(on="benchmark", index="session_date", values="pnl", on_columns=list(BENCHMARKS))
        .select("session_date", *(pl.col(name).alias(f"{name}_pnl") for name in BENCHMARKS))
    )


def _rows(
    name: str, index: RebuiltIndex, positions: pl.DataFrame, nights: pl.DataFrame, chain: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows of one index without returns."""
    root = "SPX" if name == "cndr" else "VIX"
    quoted, begun = (
        (pl.lit(frame["session_date"].min(), dtype=pl.Date()) <= pl.col("session_date")).fill_null(value=False)
        for frame in (chain.filter(pl.col("root") == root), index.daily)
    )
    absent = (
        pl.when(~quoted)
        .then(pl.lit(f"{root} options: no chain by this session"))
        .when(~begun)
        .then(pl.lit(f"a roll: no monthly {root} expiration since the first chain"))
        .otherwise(pl.lit(f"{root} options, or the SPX close, of this session"))
    )
    return (
        nights.join(index.daily, on="session_date", how="left", validate="1:1")
        .join(positions, on="rolled_on", how="left", validate="m:1")
        .with_columns(
            benchmark=pl.lit(name),
            position=pl.when(pl.col("rolled_on").is_not_null()).then(
                pl.col("position").fill_null("bills alone" if name == "cndr" else "the S&P 500 alone")
            ),
            missing=pl.when(pl.col("rolled_on").is_null()).then(absent).otherwise("missing"),
        )
        .sort("session_date")
    )


def _settled_by_session(values: pl.DataFrame) -> pl.DataFrame:
    """Return one value a root and session, the session as expiration: a Friday and its Saturday have the same."""
    return (
        values.sort("root", "fixed_on", "exact", "expiration", descending=[False, False, True, False])
        .unique(["root", "fixed_on"], keep="first", maintain_order=True)
        .select("root", "value", expiration="fixed_on")
    )


def _with_returns(rows: pl.DataFrame, bills: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their returns; a bill earns the last rate published by the row before, as in the claims."""
    rate = bills.sort("session_date").drop_nulls()

    def before(column: str) -> pl.Expr:
        return pl.col(column).shift(1).over("benchmark", order_by="session_date")

    days = (pl.col("session_date") - before("session_date")).dt.total_days()
    returned = pl.col("level") / before("level") - 1.0
    return (
        rows.sort("session_date", "benchmark")
        .join_asof(rate, on="session_date", strategy="backward")
        .with_columns(return_daily=returned, earned=before("rate") * days / DAYS_A_YEAR)
        .with_columns(excess_return_daily=pl.col("return_daily") - pl.col("earned"))
        .select(BENCHMARK_DAILY.column_names)
    )


def _condor_position(rolls: pl.DataFrame) -> pl.DataFrame:
    strikes = [pl.col(leg).round(2) for leg, *_ in CONDOR_LEGS]
    words = pl.format("puts {}/{}, calls {}/{}, for {}", *strikes, pl.col("credit").round(2))
    return rolls.select(pl.col("session_date").alias("rolled_on"), position=words)


def _hedge_position(rolls: pl.DataFrame) -> pl.DataFrame:
    words = pl.format("{}% in calls {} at {}", 100.0 * pl.col("weight"), "strike", pl.col("price").round(2))
    return rolls.select(pl.col("session_date").alias("rolled_on"), position=words)
