"""Homes with the small market in them: one that is built once and never changed, and copies of it."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows import night
from flows.home import Home, prepare_home
from flows.night import NightResult
from flows.settings import Settings
from tests.small_market import SmallMarket, small_market
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

NOW = datetime(2024, 3, 1, 23)
LATER = datetime(2024, 3, 2, 23)
NIGHTS = (date(2024, 1, 5), date(2024, 2, 1), date(2024, 2, 28), date(2024, 2, 29))
# Clocks and process figures: what two equal runs may differ in.
NOT_REPRODUCIBLE = "mart.run"


def new_home(root: Path) -> Home:
    """Return an empty home."""
    home = Home(root)
    prepare_home(home)
    return home


def copied(home: Home, root: Path) -> Home:
    """Return a copy of a home."""
    shutil.copytree(home.root, root)
    return Home(root)


def import_paths(home: Home, paths: list[Path], *, now: datetime = NOW) -> NightResult:
    """Import files as `alvh import` does."""
    return night.import_files(home, paths=paths, settings=Settings(), now=now)


def run_night(
    home: Home, session: date | None, *, now: datetime = NOW, settings: Settings | None = None
) -> NightResult:
    """Run a night as `alvh run` does, without its scheduler."""
    return night.run_nights(home, asked=session, settings=settings or Settings(), now=now, stages=night.plain_stages())


def snapshot_hashes(published: Path) -> dict[str, str]:
    """Return the hash of every reproducible snapshot file by its path below published/."""
    return {
        str(path.relative_to(published)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((published / "snapshots").rglob("*.parquet"))
        if NOT_REPRODUCIBLE not in path.parts
    }


def published_rows(published: Path, table: Table) -> pl.DataFrame:
    """Return every published row of a table."""
    files = sorted((published / "snapshots" / table.full_name).rglob("*.parquet"))
    return pl.concat([table.empty(), *(pl.read_parquet(path, hive_partitioning=False) for path in files)])


def zeroed(chain: bytes) -> bytes:
    """A chain of which every bid and ask is 0."""
    head, rows = chain.split(b"Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest\n")
    blank = re.sub(rb"(SPXW?\d{6}[CP]\d{8},[\d.]+,0),[\d.]+,[\d.]+,", rb"\1,0,0,", rows)
    return head + b"Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest\n" + blank


@contextmanager
def built_once(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """Give a folder that all workers of a test run share, and whether it is still to be filled.

    The folder counts as filled when the block ends without an error.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder, done = shared / name, shared / f"{name}.done"
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = not done.exists()
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield folder, fresh
        done.touch()


@pytest.fixture(scope="session")
def market(calendar: TradingCalendar) -> SmallMarket:
    """The small market from 2023-01-03 to 2024-02-29, with chains on its last two sessions."""
    return small_market(calendar)


@pytest.fixture(scope="session")
def base_home(tmp_path_factory: pytest.TempPathFactory, market: SmallMarket) -> Home:
    """The small market imported and NIGHTS published. Not to be changed: copy it."""
    with built_once(tmp_path_factory, "small-home") as (folder, fresh):
        home = Home(folder / "home")
        if fresh:
            prepare_home(home)
            import_paths(home, market.write(folder / "files"))
            for session in NIGHTS:
                run_night(home, session)
    return home


@pytest.fixture(scope="session")
def base_files(base_home: Home) -> Path:
    """The folder of files that `base_home` was imported from. Not to be changed."""
    return base_home.root.parent / "files"


@pytest.fixture
def home(base_home: Home, tmp_path: Path) -> Home:
    """A copy of `base_home`, free to change."""
    return copied(base_home, tmp_path / "home")
