"""One home, however its sessions were computed, and whoever was killed on the way: the same bytes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from multiprocessing import active_children
from pathlib import Path

import pytest

from flows import intake, night
from flows.home import Home, prepare_home
from flows.landing import landed_files
from flows.map_sessions import InProcess, Progress, Runner, SpawnedProcesses, open_runner
from flows.night import NightResult
from flows.object_store import open_store
from flows.settings import Settings
from tests.flows.s3_server import s3_bucket
from tests.flows.small_home import built_once, snapshot_hashes
from tests.slow import SLOW
from tests.small_market import SmallMarket, small_market
from transforms.sessions import TradingCalendar

CHECKOUT = Path(__file__).resolve().parents[2]
FIRST, START, LAST = date(2024, 1, 2), date(2024, 2, 22), date(2024, 2, 29)
N_CHAINS = 5
# Small, so that workers have several batches to read.
BATCH_FILES = 4
NOW = datetime(2024, 3, 1, 23)

CHILD = """
import os, sys
from pathlib import Path
from flows import intake
from flows.home import Home
from tests.reliability import test_backfill as scene
if __name__ == "__main__":
    home, what, number = Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    def kill(done, total, name):
        if name.startswith(what) and done == number:
            os.kill(os.getpid(), 9)
    intake.BATCH_FILES = scene.BATCH_FILES
    with scene.SpawnedProcesses(2) as runner:
        scene.backfilled(home, runner, progress=kill)
"""
# Sessions that a stage has finished when it is killed.
KILLED_AFTER = 3


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH_FILES", BATCH_FILES)


@pytest.fixture(scope="module")
def market(calendar: TradingCalendar) -> SmallMarket:
    return small_market(calendar, first=FIRST, last=LAST, n_chains=N_CHAINS)


@pytest.fixture(scope="module")
def workers() -> Iterator[SpawnedProcesses]:
    with SpawnedProcesses(2) as runner:
        yield runner


def delivered(market: SmallMarket, root: Path) -> Home:
    home = Home(root)
    prepare_home(home)
    market.write(home.inbox)
    return home


def backfilled(home: Home, runner: Runner, *, progress: Progress | None = None) -> NightResult:
    stages = night.plain_stages(runner=runner, progress=progress)
    return night.run_range(home, start=START, end=LAST, restate=False, settings=Settings(), now=NOW, stages=stages)


@pytest.fixture(scope="module")
def alone(market: SmallMarket, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The range backfilled in one process, once a test run. Not to be changed."""
    with built_once(tmp_path_factory, "alone") as (folder, fresh):
        if fresh:
            result = backfilled(delivered(market, folder / "home"), InProcess())
            assert len(result.sessions) == 6
    return Home(folder / "home")


def test_two_processes_make_the_bytes_of_one(
    alone: Home, market: SmallMarket, workers: SpawnedProcesses, tmp_path: Path
) -> None:
    home = delivered(market, tmp_path / "home")
    backfilled(home, workers)
    assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)


def test_dask_makes_the_bytes_of_one_process(alone: Home, market: SmallMarket, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    home = delivered(market, tmp_path / "home")
    with open_runner("dask", n_workers=2) as runner:
        backfilled(home, runner)
    assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)


def test_landing_and_staging_on_s3_make_the_bytes_of_a_folder(alone: Home, market: SmallMarket, tmp_path: Path) -> None:
    home = delivered(market, tmp_path / "home")
    with s3_bucket() as bucket:
        lines = [f'{name} = "{bucket}/{name}"' for name in ("landing", "staging", "published_copy")]
        home.settings_file.write_text("\n".join(["[storage]", *lines, ""]))
        with SpawnedProcesses(2) as runner:
            result = backfilled(home, runner)
        assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)
        assert landed_files(home) == landed_files(alone)
        assert list(home.landing.rglob("*.zst")) == []
        assert open_store(f"{bucket}/staging").names() == []
        copy = open_store(f"{bucket}/published_copy")
        latest = json.loads(copy.read("manifests/latest.json") or b"")
        assert latest == json.loads((home.published / "manifests" / "latest.json").read_text())
        for entry in latest["files"]:
            assert hashlib.sha256(copy.read(entry["path"]) or b"").hexdigest() == entry["sha256"]
        assert copy.read("alvh.duckdb") == (home.published / "alvh.duckdb").read_bytes()
        assert result.publication is not None
        assert result.publication.copied[-1] == "manifests/latest.json"


def test_nights_run_one_by_one_make_the_bytes_of_a_backfill(alone: Home, market: SmallMarket, tmp_path: Path) -> None:
    home = delivered(market, tmp_path / "home")
    for session in sorted(path.stem[-10:] for path in (alone.published / "manifests").glob("session_date=*")):
        night.run_nights(
            home, asked=date.fromisoformat(session), settings=Settings(), now=NOW, stages=night.plain_stages()
        )
    assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)


@pytest.mark.parametrize("what", ["reading", "pricing"] if SLOW else ["reading"])
def test_a_worker_killed_in_the_middle_loses_nothing(
    alone: Home, market: SmallMarket, workers: SpawnedProcesses, tmp_path: Path, what: str
) -> None:
    home = delivered(market, tmp_path / "home")
    killed: list[int] = []

    def kill_one(done: int, total: int, name: str) -> None:
        if name.startswith(what) and done == 2:
            victim = active_children()[0].pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    backfilled(home, workers, progress=kill_one)
    assert killed
    assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)


@pytest.mark.parametrize("what", ["reading", "quotes", "pricing"] if SLOW else ["pricing"])
def test_a_backfill_killed_in_the_middle_goes_on_from_what_was_staged(
    alone: Home, market: SmallMarket, tmp_path: Path, what: str
) -> None:
    home = delivered(market, tmp_path / "home")
    command = [sys.executable, "-c", CHILD, str(home.root), what, str(KILLED_AFTER)]
    ended = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not home.published.joinpath("alvh.duckdb").exists()
    kept = list((home.staging / ("priced" if what == "pricing" else "reading")).rglob("*.zip"))
    assert len(kept) >= KILLED_AFTER - 1
    backfilled(home, InProcess())
    assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)
    assert not list(home.staging.rglob("*.zip"))
