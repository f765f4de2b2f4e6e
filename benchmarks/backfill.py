"""Backfill a sample market: seconds by stage, sessions a second, memory, and how they grow.

    python -m benchmarks.backfill [--sessions 60 250 1000] [--workers 1 2] [--folder KEEP]

The market's vendor files are landed first, which is the market's cost and told apart; "backfilled" is from landed files
to the published night. Processor seconds of the writer and of its workers stand beside the wall clock, because a busy
machine slows the one and not the other. Memory is the largest sum of resident pages over all processes. After each
backfill the next night is run on top of it, and every query of sql/queries is timed on what is published.
"""

import argparse
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from datetime import time as clock
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from flows import expectation_engine, expectations, night
from flows.calendar import trading_calendar
from flows.home import Home, prepare_home
from flows.landing import land_file
from flows.map_sessions import SpawnedProcesses, end_with_parent, one_thread_each
from flows.served_database import named_query, query_published
from flows.settings import Settings
from flows.sources import open_delivery, recognize
from transforms.sample_market.market import SampleMarket, daily_files, session_files, simulate_market
from transforms.sample_market.vendor_files import VendorFile

LAST_SESSION, SEED = date(2026, 10, 30), 1
NOW = datetime(2026, 11, 23, 23)
STAGES = ("fetch", "ingest", "analyze", "validate", "evaluate", "publish")
PAGE = resource.getpagesize()
TICKS = os.sysconf("SC_CLK_TCK")
QUERIES = sorted(path.stem for path in (Path(__file__).parents[1] / "sql" / "queries").glob("*.sql"))
PARAMETERS: dict[str, dict[str, Any]] = {
    "quotes_of_one_expiration": {"root": "SPX", "expiration": "2026-12-18"},
    "when_was_front_vx_oversold": {"threshold": 30},
    "where_does_a_number_come_from": {"session": "2026-10-29"},
}
_LANDING: dict[str, Any] = {}


def land_market(folder: Path, n_sessions: int) -> tuple[Home, Home, list[date]]:
    """Land a market but for its last session in one home, and whole in another; return both and the sessions."""
    market = simulate_market(
        calendar=trading_calendar(), last_session=LAST_SESSION, seed=SEED, n_chain_sessions=n_sessions + 1
    )
    before, whole = Home(folder / "before"), Home(folder / "whole")
    for home in (before, whole):
        prepare_home(home)
    rows = list(market.chain_rows)
    for file in daily_files(market):
        _land(whole, file)
    for file in daily_files(market, through=rows[-2]):
        _land(before, file)
    with (
        one_thread_each(),
        ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=_hold, initargs=(market, before)) as pool,
    ):
        list(pool.map(_land_session, rows[:-1], chunksize=4))
    _hold(market, whole)
    _land_session(rows[-1])
    return before, whole, [market.session_date(row) for row in rows]


def _hold(market: SampleMarket, home: Home) -> None:
    end_with_parent()
    _LANDING.update(market=market, home=home)


def _land_session(row: int) -> None:
    for file in session_files(_LANDING["market"], row):
        _land(_LANDING["home"], file)


def _land(home: Home, file: VendorFile) -> None:
    source = recognize(open_delivery(file.name, file.payload)).NAME
    received = datetime.combine(file.received, clock(23))
    land_file(home, file.payload, source=source, name=file.name, received_at=received)


class Meter:
    """Processor seconds of this process and of its children, and the most memory all of them held at once."""

    def __init__(self) -> None:
        self.most_bytes = 0
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def seconds(self) -> tuple[float, float]:
        """Return processor seconds of the writer and of all workers, those at work included."""
        own, gone = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        alive = sum(ticks for parent, ticks, _ in _processes().values() if parent == os.getpid()) / TICKS
        return own.ru_utime + own.ru_stime, gone.ru_utime + gone.ru_stime + alive

    def close(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            found = _processes()
            mine = {os.getpid()}
            while more := {pid for pid, (parent, _, _) in found.items() if parent in mine} - mine:
                mine |= more
            self.most_bytes = max(self.most_bytes, sum(PAGE * found[pid][2] for pid in mine if pid in found))


def _processes() -> dict[int, tuple[int, int, int]]:
    """Return parent, processor ticks and resident pages of every process, by its number."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            found[int(entry.name)] = (int(said[1]), int(said[11]) + int(said[12]), int(said[21]))
    return found


@contextmanager
def metered(meter: Meter, name: str) -> Iterator[None]:
    """Print what the block took."""
    started, (own, workers) = time.perf_counter(), meter.seconds()
    yield
    seconds, (own_now, workers_now) = time.perf_counter() - started, meter.seconds()
    print(
        f"  {name:<9} {seconds:8.1f} s wall {own_now - own:8.1f} s writer {workers_now - workers:8.1f} s workers",
        flush=True,
    )


def metered_stages(meter: Meter, stages: night.Stages) -> night.Stages:
    """Return the stages, each of which prints what it took."""

    def wrapped(name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with metered(meter, name):
                return getattr(stages, name)(*arguments)

        return call

    return night.Stages(**{name: wrapped(name) for name in STAGES})


def backfill(home: Home, sessions: list[date], *, n_workers: int) -> None:
    """Backfill the sessions of a home that has only landed files, and print what it took."""
    meter = Meter()
    started, before = time.perf_counter(), sum(meter.seconds())
    with SpawnedProcesses(n_workers) as runner:
        stages = metered_stages(meter, night.plain_stages(runner=runner))
        result = night.run_range(
            home, start=sessions[0], end=sessions[-1], restate=False, settings=Settings(), now=NOW, stages=stages
        )
    seconds, spent = time.perf_counter() - started, sum(meter.seconds()) - before
    meter.close()
    n = len(result.sessions)
    print(
        f"{n} sessions, {n_workers} worker(s): {seconds:.1f} s, {n / seconds:.2f} sessions/s, "
        f"{spent / n:.3f} s of processor time a session, at most {meter.most_bytes / 1e6:,.0f} MB",
        flush=True,
    )


def next_night(home: Home, whole: Home, session: date) -> None:
    """Run the night after a backfill, and print what it took, and how much of it Great Expectations."""
    shutil.copytree(whole.landing, home.landing, dirs_exist_ok=True)
    print(f"the night of {session} on top of it:")
    started = time.perf_counter()
    expectation_engine.warm_up()
    imported = time.perf_counter() - started
    judged = 0.0

    def metered_verdicts(*arguments: Any) -> Any:
        nonlocal judged
        began = time.perf_counter()
        try:
            return verdicts(*arguments)
        finally:
            judged += time.perf_counter() - began

    verdicts = expectations.verdicts
    expectations.verdicts = metered_verdicts
    meter = Meter()
    started, before = time.perf_counter(), sum(meter.seconds())
    try:
        stages = metered_stages(meter, night.plain_stages())
        night.run_nights(home, asked=session, settings=Settings(), now=NOW + timedelta(days=1), stages=stages)
    finally:
        expectations.verdicts = verdicts
    seconds, spent = time.perf_counter() - started, sum(meter.seconds()) - before
    meter.close()
    print(
        f"  {seconds - judged:.1f} s of our own (target: 5 s) and {judged:.1f} s in Great Expectations, whose import "
        f"took {imported:.1f} s before; {spent:.1f} s of processor time"
    )


def queries(home: Home) -> None:
    """Print the milliseconds of every query of sql/queries, the least of three."""
    taken = {}
    for name in QUERIES:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            query_published(home.published / "alvh.duckdb", named_query(name), PARAMETERS.get(name))
            times.append(1_000 * (time.perf_counter() - started))
        taken[name] = min(times)
    print("queries, ms:", ", ".join(f"{name} {ms:.0f}" for name, ms in sorted(taken.items(), key=lambda i: -i[1])))


def main() -> None:
    """Run the backfills asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, nargs="+", default=[60, 250, 1_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for n_sessions in arguments.sessions:
        folder = Path(tempfile.mkdtemp(prefix="alvh-backfill-", dir=arguments.folder))
        try:
            started = time.perf_counter()
            before, whole, sessions = land_market(folder, n_sessions)
            print(f"{n_sessions} sessions landed in {time.perf_counter() - started:.1f} s", flush=True)
            for n_workers in arguments.workers:
                home = Home(folder / f"home-{n_workers}")
                shutil.copytree(before.root, home.root)
                backfill(home, sessions[:-1], n_workers=n_workers)
            next_night(home, whole, sessions[-1])
            queries(home)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
