"""Time all detectors together on one session, and on 4 and 16 times its quotes: the cost should grow in proportion.

Run from the checkout: python -m benchmarks.mispricing [--write docs/mispricing_speed.md]

Quotes grow in two ways: by slices (a sample market's session with its SPX and SPXW expirations repeated; VIX has the
expirations that VX has) and by strikes (a chain of known truth, listed more densely). The pure part is every detector
on frames in memory, which is how a night runs them. Processor seconds of all threads, the least of REPEATS calls: what
else the machine does hardly counts.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks.session_pricing import synthetic_chain
from flows import night
from flows.calendar import trading_calendar
from flows.home import Home, prepare_home
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.mispricing.residual import residual_baseline, residual_bucket_daily, surface_residual_findings
from transforms.mispricing.session import session_mispricings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import fallback_curve
from transforms.sample_market.market import daily_files, session_files, simulate_market
from transforms.schemas import (
    FUTURES_SETTLEMENT,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    RESIDUAL_BUCKET_DAILY,
    SETTLEMENT_VALUE,
    SLICE,
    TREASURY_RATE,
)
from transforms.table_schema import Table

COPIES = (1, 4, 16)
TARGET = 0.2
REPEATS = 5
LAST_SESSION, SEED, N_SESSIONS = date(2026, 1, 23), 5, 2
NOW = datetime(2026, 1, 24)
FEE = 1.50
# Expirations of the copies lie this many days apart, further than any chain reaches.
APART = timedelta(days=4_000)
KEPT = (OPTION_QUOTE, SLICE, OPTION_ANALYTICS, FUTURES_SETTLEMENT, TREASURY_RATE, SETTLEMENT_VALUE)
Tables = Mapping[Table, pl.DataFrame]


def sample_tables(folder: Path) -> Tables:
    """Return the tables of a home in which the last sessions of a sample market were run."""
    calendar = trading_calendar()
    market = simulate_market(
        calendar=calendar, last_session=LAST_SESSION, seed=SEED, n_chain_sessions=N_SESSIONS, n_history_sessions=20
    )
    home, files = Home(folder / "home"), folder / "files"
    prepare_home(home)
    files.mkdir()
    for file in [*daily_files(market), *(file for row in market.chain_rows for file in session_files(market, row))]:
        (files / file.name).write_bytes(file.payload)
    night.import_files(home, paths=[files], settings=Settings(), now=NOW)
    for row in market.chain_rows:
        day = market.session_date(row)
        night.run_nights(home, asked=day, settings=Settings(), now=NOW, stages=night.plain_stages())
    with Warehouse(home.warehouse) as warehouse:
        tables = {table: warehouse.read(table) for table in (*KEPT, RESIDUAL_BUCKET_DAILY)}
    shutil.rmtree(folder / "home")
    return tables


def copied(frame: pl.DataFrame, copies: int) -> pl.DataFrame:
    """Return the frame with its SPX and SPXW rows repeated, expirations moved so that every copy has its own slices."""
    is_spx = pl.col("root").is_in(["SPX", "SPXW"])
    moved = [frame.filter(is_spx).with_columns(pl.col("expiration") + number * APART) for number in range(copies)]
    return pl.concat([*moved, frame.filter(~is_spx)])


def with_copies(tables: Tables, copies: int) -> dict[Table, pl.DataFrame]:
    """Return the tables with the slices of every session repeated."""
    many = (OPTION_QUOTE, SLICE, OPTION_ANALYTICS)
    return {table: copied(frame, copies) if table in many else frame for table, frame in tables.items()}


def processor_seconds(work: Callable[[], object]) -> float:
    """Return the least processor seconds of REPEATS calls."""
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def of_session(tables: Tables, session: date) -> dict[Table, pl.DataFrame]:
    """Return the rows of one session."""
    return {
        table: frame.filter(pl.col("session_date") == session) for table, frame in tables.items() if table in KEPT[:4]
    }


def detectors(tables: Tables, session: date) -> Callable[[], object]:
    """Return the call of all detectors on a session's frames, residuals judged against the sessions before."""
    calendar, own = trading_calendar(), of_session(tables, session)
    rates = fallback_curve(tables[TREASURY_RATE], session)

    def work() -> None:
        found = session_mispricings(
            own[OPTION_QUOTE],
            own[SLICE],
            own[OPTION_ANALYTICS],
            futures=own[FUTURES_SETTLEMENT],
            rates=rates,
            calendar=calendar,
            fee_per_contract=FEE,
        )
        buckets = residual_bucket_daily(found.misfits)
        past = tables[RESIDUAL_BUCKET_DAILY].filter(pl.col("session_date") < session).select(buckets.columns)
        baseline = residual_baseline(pl.concat([past, buckets]), calendar=calendar)
        surface_residual_findings(found.misfits, baseline, fee_per_contract=FEE)

    return work


def dense_tables(density: int) -> tuple[Tables, date]:
    """Return the tables of a chain of known truth with many times its strikes, and its session."""
    quotes = synthetic_chain(density=density).with_columns(
        pl.lit("close").alias("snapshot_kind"), pl.lit(10).alias("bid_size"), pl.lit(10).alias("ask_size")
    )
    priced = session_pricing(quotes, calendar=trading_calendar())
    tables = {
        OPTION_QUOTE: quotes,
        SLICE: priced.slices,
        OPTION_ANALYTICS: priced.options,
        FUTURES_SETTLEMENT: FUTURES_SETTLEMENT.empty(),
        TREASURY_RATE: TREASURY_RATE.empty(),
        RESIDUAL_BUCKET_DAILY: RESIDUAL_BUCKET_DAILY.empty(),
    }
    return tables, quotes["session_date"][0]


def report() -> str:
    """Return the benchmark as Markdown."""
    lines = [
        "# How long the detectors take",
        "",
        "Processor seconds of all threads for one session through all seven detectors, and per 1,000 quotes; least of "
        f"{REPEATS} calls. `python -m benchmarks.mispricing` says how quotes are multiplied. Target: "
        f"{TARGET:.1f} s for a session of 20,000 quotes, growing in proportion.",
        "",
        "| more of | quotes | detectors, s | per 1,000 quotes, ms |",
        "|---|---|---|---|",
    ]

    def line(what: str, n: int, pure: float) -> str:
        return f"| {what} | {n:,} | {pure:.3f} | {1e6 * pure / n:.2f} |"

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = sample_tables(folder)
        session = sample[SLICE]["session_date"].max()
        assert isinstance(session, date)
        for copies in COPIES:
            tables = with_copies(sample, copies)
            n = of_session(tables, session)[OPTION_QUOTE].height
            pure = processor_seconds(detectors(tables, session))
            lines.append(line(f"slices x {copies}", n, pure))
            print(lines[-1], flush=True)
    for density in COPIES:
        tables, session = dense_tables(density)
        pure = processor_seconds(detectors(tables, session))
        lines.append(line(f"strikes x {density}", tables[OPTION_QUOTE].height, pure))
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table and, if asked, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    text = report()
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
