"""Time and memory of validation: row rules on a night and on a year of quotes, session gates on a history.

Run: python -m benchmarks.validation [--rows 25000 1000000]
Beside the time of `judge` stands the time of the same rules written in Polars that only count rows: what the
engine and the naming of rows cost.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl

from flows.calendar import trading_calendar
from flows.expectation_engine import warm_up
from flows.expectations import judge
from transforms.quality import session_gates, snapshot_summary
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import option_close

CALENDAR = trading_calendar()
SESSION = date(2023, 9, 14)
STRIKES = 500
REPEATS = 5


def quotes(n_rows: int, session: date = SESSION, seed: int = 0) -> pl.DataFrame:
    """Return sound quotes of one SPXW snapshot, `STRIKES` strikes an expiration, a tenth of sizes missing."""
    draw = np.random.default_rng(seed)
    row = np.arange(n_rows)
    bid = draw.uniform(0.05, 100.0, n_rows).round(2)
    size = pl.Series(draw.integers(0, 500, n_rows)).set(pl.Series(draw.random(n_rows) < 0.1), None)
    columns = {
        "expiration": pl.Series(np.datetime64(session) + 1 + row // (2 * STRIKES)).cast(pl.Date),
        "strike": row % (2 * STRIKES) // 2 * 5.0 + 2_000.0,
        "option_type": np.where(row % 2, "call", "put"),
        "bid": bid,
        "ask": bid + 0.1,
        "bid_size": size,
        "ask_size": size,
        "volume": size,
        "open_interest": size,
        "vendor_delta": draw.uniform(-1.0, 1.0, n_rows),
        "source_row_number": row + 1,
    }
    same = {
        "session_date": session,
        "root": "SPXW",
        "quote_ts": option_close(session, calendar=CALENDAR),
        "snapshot_kind": "close",
        "settlement_style": "pm",
        "last": None,
        "spot": 4_500.0,
        "vendor_implied_vol": 0.2,
        "source_sha256": f"{seed:064d}",
    }
    schema = {**OPTION_QUOTE.polars_schema, "source_row_number": pl.Int64()}
    frame = pl.DataFrame(columns).with_columns(pl.lit(value).alias(name) for name, value in same.items())
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def plain_polars(frame: pl.DataFrame) -> int:
    """Count rows that break a bound, a set, a required column, the pair rule or the key, in Polars alone."""
    broken = []
    for column in OPTION_QUOTE.columns:
        value = pl.col(column.name)
        if not column.nullable:
            broken.append(value.is_null())
        if column.low is not None or column.high is not None:
            low, high = column.low or 0.0, column.high if column.high is not None else float("inf")
            broken.append(~value.is_between(low, high).fill_null(True))
        if column.allowed is not None:
            broken.append(~value.is_in(list(column.allowed)).fill_null(True))
    broken.append((pl.col("ask") < pl.col("bid")) & (pl.col("ask") != 0) & (pl.col("bid") != 0))
    broken.append(pl.struct(OPTION_QUOTE.key).is_duplicated())
    return int(frame.select(pl.any_horizontal(broken).sum()).item())


def median_seconds(work: Callable[[], object]) -> float:
    """Return the median wall time of `REPEATS` calls, seconds."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def peak_mebibytes() -> float:
    """Return the peak resident memory of this process so far, MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[25_000, 1_000_000])
    before = peak_mebibytes()
    start = time.perf_counter()
    warm_up()
    print(f"import of the engine: {time.perf_counter() - start:.2f} s, {peak_mebibytes() - before:.0f} MiB")
    for n_rows in parser.parse_args().rows:
        sound = quotes(n_rows)
        tenth = pl.when(pl.col("source_row_number") % 10 == 0)
        faulty = sound.with_columns(tenth.then(-1.0).otherwise(pl.col("bid")).alias("bid"))
        for label, frame in (("sound", sound), ("a tenth rejected", faulty)):
            seconds = median_seconds(partial(judge, OPTION_QUOTE, frame, sessions=CALENDAR.sessions))
            plain = median_seconds(partial(plain_polars, frame))
            print(
                f"judge {n_rows:>9,} quotes, {label}: {seconds:.3f} s "
                f"({n_rows / seconds / 1e6:.2f} million rows/s; bare Polars {plain:.3f} s)"
            )
    nights = CALENDAR.between(SESSION - timedelta(days=60), SESSION)
    history = pl.concat([quotes(20_000, night, seed=n) for n, night in enumerate(nights)])
    summaries = snapshot_summary(history)
    seconds = median_seconds(partial(snapshot_summary, history))
    print(f"snapshot_summary of {history.height:,} quotes: {seconds:.3f} s")
    decade = pl.concat(
        [
            summaries.with_columns(pl.col("source_sha256") + f"/{root}", root=pl.lit(root))
            for root in (f"root {n}" for n in range(60))
        ]
    )
    seconds = median_seconds(partial(session_gates, decade, calendar=CALENDAR))
    print(f"session_gates of {decade.height:,} snapshots: {seconds:.3f} s")
    print(f"peak memory: {peak_mebibytes():.0f} MiB")


if __name__ == "__main__":
    main()
