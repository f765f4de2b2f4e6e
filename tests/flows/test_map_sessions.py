"""One map in three places: the same results in the same order, whoever dies on the way."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.map_sessions import DaskWorkers, InProcess, Runner, SpawnedProcesses, WorkerDied, map_sessions, open_runner
from tests.flows import mapped_calls
from transforms.errors import UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
N = 12

ORPHANS = """
import os, sys
from flows.map_sessions import SpawnedProcesses, map_sessions
from tests.flows import mapped_calls
if __name__ == "__main__":
    with SpawnedProcesses(2) as runner:
        asked = {pid for _, pid, _ in map_sessions(mapped_calls.who, range(8), runner=runner, name=str)}
        print(*asked, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def workers() -> Iterator[SpawnedProcesses]:
    with SpawnedProcesses(2) as runner:
        yield runner


@pytest.mark.parametrize("in_process", [True, False])
def test_results_come_in_the_order_of_the_items_and_progress_counts_them(
    workers: SpawnedProcesses, in_process: bool
) -> None:
    runner: Runner = InProcess() if in_process else workers
    said: list[tuple[int, int, str]] = []
    found = map_sessions(
        mapped_calls.squared, range(N), runner=runner, name=str, progress=lambda *report: said.append(report)
    )
    assert list(found) == [number * number for number in range(N)]
    assert said == [(number + 1, N, str(number)) for number in range(N)]


def test_workers_are_other_processes_with_one_polars_thread_each(workers: SpawnedProcesses) -> None:
    before = os.environ.get("POLARS_MAX_THREADS")
    found = list(map_sessions(mapped_calls.who, range(N), runner=workers, name=str))
    assert [number for number, _, _ in found] == list(range(N))
    assert os.getpid() not in {pid for _, pid, _ in found}
    assert {threads for _, _, threads in found} == {"1"}
    assert os.environ.get("POLARS_MAX_THREADS") == before


def test_a_few_items_are_computed_here(workers: SpawnedProcesses) -> None:
    assert {pid for _, pid, _ in map_sessions(mapped_calls.who, [1, 2], runner=workers, name=str)} == {os.getpid()}


def test_an_error_of_a_call_is_raised_here_and_the_workers_go_on(workers: SpawnedProcesses) -> None:
    with pytest.raises(ValueError, match="three"):
        list(map_sessions(mapped_calls.fails_at_three, range(N), runner=workers, name=str))
    assert list(map_sessions(mapped_calls.squared, range(4), runner=workers, name=str)) == [0, 1, 4, 9]


def test_calls_of_a_worker_that_was_killed_are_made_again(workers: SpawnedProcesses, tmp_path: Path) -> None:
    items = [(tmp_path, number) for number in range(N)]
    assert list(map_sessions(mapped_calls.dies_once, items, runner=workers, name=str)) == list(range(N))
    assert (tmp_path / "died").exists()


def test_a_call_that_kills_every_worker_is_named(workers: SpawnedProcesses) -> None:
    with pytest.raises(WorkerDied, match=r"3 times during the same 4 calls of dies_at_five.*memory"):
        list(map_sessions(mapped_calls.dies_at_five, range(N), runner=workers, name=str))


def test_workers_end_when_the_process_that_started_them_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHANS], cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert workers
    assert all(Path(f"/proc/{pid}").exists() for pid in workers) or sys.platform != "linux"
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < end, f"workers {workers} outlive their parent"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_an_address_without_dask_is_wrong_use() -> None:
    with (
        pytest.raises(UsageError, match="--dask-address needs --runner dask"),
        open_runner("processes", dask_address="tcp://127.0.0.1:1"),
    ):
        pass


def test_dask_workers_are_other_processes_whose_deaths_cost_nothing(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with open_runner("dask", n_workers=2) as runner:
        found = list(map_sessions(mapped_calls.who, range(N), runner=runner, name=str))
        assert [number for number, _, _ in found] == list(range(N))
        assert os.getpid() not in {pid for _, pid, _ in found}
        assert {threads for _, _, threads in found} == {"1"}
        items = [(tmp_path, number) for number in range(N)]
        assert list(map_sessions(mapped_calls.dies_once, items, runner=runner, name=str)) == list(range(N))
        assert (tmp_path / "died").exists()


def test_a_scheduler_that_does_not_answer_is_wrong_use() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        DaskWorkers("tcp://127.0.0.1:1", n_workers=1, patience_seconds=1)
