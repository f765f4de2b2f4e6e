"""Time the sample market: the path with its published indices, the daily files, and chains per second.

Run: python -m benchmarks.sample_market [sessions]
Chains are written by one process and then by two, each with one Polars thread, as a night's workers run; the spawning
of the processes is outside the time. The files' hash is printed per process count: they must agree. CPU time is printed
beside the rate, since a busy machine slows the one and not the other.
"""

import hashlib
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context

from flows.calendar import trading_calendar
from transforms.sample_market.market import SampleMarket, daily_files, session_files, simulate_market, truth_file
from transforms.sample_market.plants import one_of_each

LAST_SESSION = date(2026, 1, 23)
SEED = 1
THREAD_VARIABLES = ("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")

_market: SampleMarket


def _hold(market: SampleMarket) -> None:
    global _market
    _market = market


def _write(row: int) -> tuple[float, int, bytes]:
    started = time.process_time()
    files = session_files(_market, row)
    digest = hashlib.sha256(b"".join(file.payload for file in files)).digest()
    return time.process_time() - started, sum(len(file.payload) for file in files), digest


def main(n_sessions: int) -> None:
    """Print the times."""
    calendar = trading_calendar()
    started = time.perf_counter()
    market = simulate_market(
        calendar=calendar,
        last_session=LAST_SESSION,
        seed=SEED,
        n_chain_sessions=n_sessions,
        plants=one_of_each(n_sessions),
    )
    print(f"path and indices of {len(market.path)} sessions: {time.perf_counter() - started:.2f} s")
    started = time.perf_counter()
    files = daily_files(market)
    print(f"{len(files)} daily files: {time.perf_counter() - started:.2f} s")
    started = time.perf_counter()
    truth = truth_file(market)
    print(f"truth, {len(truth.payload) / 1e6:.1f} MB: {time.perf_counter() - started:.2f} s")
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    for n_processes in (1, 2):
        with ProcessPoolExecutor(
            n_processes, mp_context=get_context("spawn"), initializer=_hold, initargs=(market,)
        ) as pool:
            list(pool.map(_write, [market.chain_rows[0]] * n_processes))
            started = time.perf_counter()
            results = list(pool.map(_write, market.chain_rows, chunksize=4))
            seconds = time.perf_counter() - started
        size = sum(result[1] for result in results) / 1e6
        digest = hashlib.sha256(b"".join(result[2] for result in results)).hexdigest()[:16]
        spent = 1_000 * sum(result[0] for result in results) / n_sessions
        print(
            f"{n_processes} process(es): {n_sessions / seconds:.1f} sessions/s, {spent:.0f} ms of CPU a session, "
            f"{size:.0f} MB, sha256 {digest}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
