"""Flow `demo`: a sample market in vendor files, and every session of it run in one flow run.

The files go through the inbox, so a demonstration takes the very path real files take. It wants a home of its own:
invented prices must never lie beside real ones.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import night
from flows.backfill import mapped_tasks
from flows.calendar import trading_calendar
from flows.durability import replace_file
from flows.home import Home, find_home, locked, prepare_home
from flows.landing import landed_files
from flows.map_sessions import open_runner
from flows.night import NightResult
from flows.notices import ended
from flows.settings import read_settings
from flows.terminal import session_progress
from transforms.errors import UsageError
from transforms.sample_market.market import SampleMarket, daily_files, session_files, simulate_market, truth_file
from transforms.sample_market.vendor_files import VendorFile
from transforms.sessions import UTC

HISTORY_SESSIONS = 250
# Fixed, so that two demonstrations with one seed are the same to the byte whenever they are run.
LAST_SESSION = date(2026, 10, 30)
MARKER = "demo.json"
SETTINGS = """# The account a demonstration trades on paper. Every other setting is at its default.
[account]
equity = 1000000
cash = 1000000
marketable_securities = 0
receivables = 0
current_liabilities = 0
margin_loan_rate = 0.07
"""
DELIVERY_TIME = time(23, 0)

_WORKER: dict[str, Any] = {}


def generate_inbox(home: Home, *, n_sessions: int, seed: int, n_workers: int = 2) -> list[date]:
    """Write a sample market's vendor files into the inbox and its truth beside them; return the sessions with chains.

    Raises
    ------
    UsageError
        If the home holds files of another origin.
    """
    marker = home.root / MARKER
    if landed_files(home) and not marker.exists():
        raise UsageError(
            f"{home.root} holds files that are not a demonstration's; "
            "give the demonstration a home of its own with --home"
        )
    market = simulate_market(
        calendar=trading_calendar(),
        last_session=LAST_SESSION,
        seed=seed,
        n_chain_sessions=n_sessions,
        n_history_sessions=HISTORY_SESSIONS,
    )
    truth = truth_file(market)
    replace_file(marker, truth.payload)
    if not home.settings_file.exists():
        replace_file(home.settings_file, SETTINGS.encode())
    for file in daily_files(market):
        _deliver(home.inbox, file)
    rows = list(market.chain_rows)
    # Spawned, not forked: a fork after Polars has started its threads hangs.
    with ProcessPoolExecutor(
        n_workers, mp_context=get_context("spawn"), initializer=_begin_worker, initargs=(market, home.inbox)
    ) as pool:
        list(pool.map(_write_session, rows, chunksize=max(1, len(rows) // (4 * n_workers))))
    return [market.session_date(row) for row in rows]


@flow(name="demo", flow_run_name="demo {n_sessions} sessions, seed {seed}")
def demo(
    n_sessions: int = 60,
    seed: int = 1,
    home: Path | None = None,
    quiet: bool = True,
    now: datetime | None = None,
) -> State[NightResult]:
    """Make a sample market and run every session of it; the last night is the result."""
    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with (
        locked(where, started_at=started.isoformat()),
        open_runner("processes") as runner,
        session_progress(quiet=quiet) as progress,
    ):
        sessions = generate_inbox(where, n_sessions=n_sessions, seed=seed)
        result = night.run_range(
            where,
            start=sessions[0],
            end=sessions[-1],
            restate=False,
            settings=read_settings(where),
            now=started,
            stages=mapped_tasks(runner, progress),
        )
    return ended(where, result, nights=result.sessions[-1:], alert=False)


def _begin_worker(market: SampleMarket, inbox: Path) -> None:
    """Keep what a worker's sessions share, which is too large to be sent with each of them."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    _WORKER.update(market=market, inbox=inbox)


def _write_session(row: int) -> None:
    for file in session_files(_WORKER["market"], row):
        _deliver(_WORKER["inbox"], file)


def _deliver(inbox: Path, file: VendorFile) -> None:
    """Write one vendor file, dated by the market's clock and not ours, so that a demonstration repeats to the byte."""
    path = inbox / file.name
    path.write_bytes(file.payload)
    received = datetime.combine(file.received, DELIVERY_TIME, UTC).timestamp()
    os.utime(path, (received, received))
