"""One set of files makes one set of bytes, whatever the order of arrival, the number of threads or the folder.

And no row depends on what came after it.
"""

import os
import random
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows import reading
from flows.calendar import trading_calendar
from flows.home import Home
from flows.intake import ingest_paths
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import (
    NIGHTS,
    import_paths,
    new_home,
    published_rows,
    run_night,
    snapshot_hashes,
    zeroed,
)
from tests.remembered import remembered
from tests.shuffled_rows import shuffled_rows
from tests.slow import SLOW
from tests.small_market import SmallMarket, chain_file, settle, small_market, vx_file
from transforms.schemas import TABLES
from transforms.sessions import TradingCalendar

CHECKOUT = Path(__file__).resolve().parents[2]
N_ORDERS = 20 if SLOW else 4
# The awkward market: what goes wrong with real deliveries, in one file each.
LAST = date(2024, 2, 29)
INTRADAY_AND_CLOSE = date(2024, 2, 22)
DOWNLOADED_AGAIN = date(2024, 2, 23)
ZEROED = date(2024, 2, 27)
PARTIAL = date(2024, 2, 29)
RESTATED = date(2024, 2, 13)
MARCH = date(2024, 3, 20)
MARKET_TABLES = [table for table in TABLES if table.schema in {"feature", "mart"} and table.session_column]


def build_elsewhere() -> None:
    """Build in a process of its own what `base_home` is, of the files named last to first; print its threads.

    Where Polars promises no order of joined or grouped rows, they come in none.
    """
    home = new_home(Path(sys.argv[1]))
    with shuffled_rows(1):
        import_paths(home, sorted(Path(sys.argv[2]).iterdir(), reverse=True))
        for session in NIGHTS:
            run_night(home, session)
    print(pl.thread_pool_size())


def test_a_fresh_home_of_other_threads_in_another_folder_is_equal_to_the_byte(
    base_home: Home, base_files: Path, tmp_path: Path
) -> None:
    n_threads = "1" if pl.thread_pool_size() > 1 else "3"
    program = "from tests.flows.test_identity import build_elsewhere; build_elsewhere()"
    command = [sys.executable, "-c", program, str(tmp_path / "elsewhere"), str(base_files)]
    variables = {"POLARS_MAX_THREADS": n_threads, "OPENBLAS_NUM_THREADS": n_threads, "PYTHONPATH": str(CHECKOUT)}
    environment = {**os.environ, **variables}
    built = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stdout) == (0, f"{n_threads}\n"), built.stderr
    expected = snapshot_hashes(base_home.published)
    assert len(expected) > 20
    assert snapshot_hashes(tmp_path / "elsewhere" / "published") == expected


def restamped(chain: bytes, day: date, stamp: str) -> bytes:
    """A chain with another download time printed in it."""
    printed = f"{day:%B} {day.day}, {day.year} at 6:05 PM EST"
    assert printed.encode() in chain
    return chain.replace(printed.encode(), stamp.encode())


def partial(chain: bytes) -> bytes:
    """A chain that stops after 40 of its lines."""
    return b"\n".join(chain.split(b"\n")[:44]) + b"\n"


def legacy_vx_file(sessions: list[date], expiration: date) -> bytes:
    """A contract in Cboe's old layout, with settlements of its own."""
    lines = ["Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"]
    for day in sessions:
        value = settle(day, expiration, shift=0.35)
        lines.append(f"{day:%m/%d/%Y},H (Mar 24),{value},{value + 1},{value - 1},{value},{value},0,9,0,9")
    return ("\r\n".join(lines) + "\r\n").encode()


@pytest.fixture(scope="module")
def awkward_files(calendar: TradingCalendar, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three months with contracts that overlap, and chains zeroed, partial, intraday and downloaded again."""
    plain = small_market(calendar, first=date(2023, 12, 1), last=LAST, n_chains=8)
    others = ["VX_2024-02-14.csv", "VX_2024-03-20.csv", "VX_2024-04-17.csv", "VIX_History.csv"]
    names = [name for name in sorted(plain.files) if name in others or name.startswith("spx_quotedata_")]
    folder = tmp_path_factory.mktemp("awkward")
    plain.write(folder, names=names)
    extras = {
        "second edition/VX_2024-03-20.csv": vx_file(plain.sessions, MARCH, restated={RESTATED: 21.25}),
        "CFE_H24_VX.csv": legacy_vx_file(plain.sessions[-40:], MARCH),
        "sunday.csv": restamped(
            chain_file(DOWNLOADED_AGAIN, calendar), DOWNLOADED_AGAIN, "February 25, 2024 at 10:59 PM EST"
        ),
        "intraday.csv": restamped(
            chain_file(INTRADAY_AND_CLOSE, calendar).replace(b",10,0.1800", b",7,0.1800"),
            INTRADAY_AND_CLOSE,
            "February 22, 2024 at 11:30 AM EST",
        ),
        f"spx_quotedata_{ZEROED}.csv": zeroed(chain_file(ZEROED, calendar)),
        f"spx_quotedata_{PARTIAL}.csv": partial(chain_file(PARTIAL, calendar)),
    }
    (folder / "second edition").mkdir()
    for name, content in extras.items():
        (folder / name).write_bytes(content)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for number, path in enumerate(paths):
        modified = datetime(2024, 3, 1, 1 + number % 3).timestamp()
        os.utime(path, (modified, modified))
    second = folder / "second edition" / "VX_2024-03-20.csv"
    os.utime(second, (datetime(2024, 3, 1, 9).timestamp(),) * 2)
    return paths


def published_of(root: Path, calls: list[list[Path]]) -> dict[str, str]:
    """Import files call by call into a new home, run the last night, and return its snapshots' hashes."""
    home = new_home(root)
    with Warehouse(home.warehouse) as warehouse:
        for paths in calls:
            ingest_paths(home, warehouse, paths=paths, settings=Settings(), calendar=trading_calendar())
    run_night(home, LAST)
    return snapshot_hashes(home.published)


@pytest.mark.longest
def test_every_order_of_arrival_makes_one_set_of_bytes(
    awkward_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = published_of(tmp_path / "at once", [awkward_files])
    rows = {table.full_name: published_rows(tmp_path / "at once" / "published", table) for table in TABLES}
    # What makes the set awkward did happen; otherwise equal bytes would show little.
    landed = {
        name: (outcome, kept)
        for name, outcome, kept in rows["core.landed_file"].select("name", "outcome", "n_superseded").rows()
    }
    assert landed["sunday.csv"][0] == landed["intraday.csv"][0] == "superseded"
    assert landed[f"spx_quotedata_{ZEROED}.csv"][0] == landed[f"spx_quotedata_{PARTIAL}.csv"][0] == "refused"
    assert landed["CFE_H24_VX.csv"][1] > 30
    futures = rows["core.futures_settlement"]
    settled = futures.filter(pl.col("expiration") == MARCH, pl.col("session_date") == RESTATED)
    assert settled["settle"].to_list() == [21.25]
    monkeypatch.setattr(reading, "judge", remembered(reading.judge))
    for seed in range(N_ORDERS):
        order = list(awkward_files)
        random.Random(seed).shuffle(order)
        root = tmp_path / f"order {seed}"
        assert published_of(root, [[path] for path in order]) == expected, [path.name for path in order]


def truncated(market: SmallMarket, last: date, calendar: TradingCalendar) -> dict[str, bytes]:
    """The market's files as they were after the session `last`: no line of a later session, no file without lines."""
    files = {}
    for name, content in market.files.items():
        if name.startswith("spx_quotedata_"):
            if date.fromisoformat(name.removesuffix(".csv")[-10:]) <= last:
                files[name] = content
            continue
        if name == "macro_events.csv":
            files[name] = content
            continue
        header, *lines = content.decode().splitlines(keepends=True)
        kept = [line for line in lines if line_day(line) <= last]
        if kept:
            files[name] = "".join([header, *kept]).encode()
    return files


def line_day(line: str) -> date:
    text = line.split(",")[0]
    return date.fromisoformat(text) if "-" in text else datetime.strptime(text, "%m/%d/%Y").date()


@pytest.mark.parametrize("last", [date(2023, 6, 20), date(2024, 1, 5), date(2024, 2, 28)])
def test_nothing_after_a_session_changes_a_row_up_to_it(
    last: date,
    base_home: Home,
    market: SmallMarket,
    calendar: TradingCalendar,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = truncated(market, last, calendar)
    assert len(files) >= 20
    then = SmallMarket(files, market.sessions, market.chain_sessions)
    home = new_home(tmp_path / "then")
    import_paths(home, then.write(tmp_path / "files"))
    for session in NIGHTS:
        if session <= last:
            run_night(home, session)
    compared = 0
    for table in MARKET_TABLES:
        full = published_rows(base_home.published, table).filter(pl.col("session_date") <= last)
        cut = published_rows(home.published, table)
        # The hash of inputs names whole files, and these have fewer lines.
        own = [name for name in table.column_names if name != "inputs_sha256"]
        assert cut.select(own).equals(full.select(own)), table.full_name
        compared += full.height
    assert compared > 500
