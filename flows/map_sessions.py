"""One map over sessions (or files): in this process, in spawned processes, or on Dask workers.

The function, its results and their order are the same in all three, so a night and a backfill have one computation.
Results come in the order of the items while a bounded window of calls is under way, whatever ends first.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from transforms.errors import AlvhError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int, str], None]
RunnerKind = Literal["processes", "dask"]

# One thread each: workers share the cores by sessions, and more threads would only wait for each other.
ONE_THREAD = {
    name: "1" for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}
# Calls under way for each worker: one that runs and one that waits, so that no worker is idle.
CALLS_PER_WORKER = 2
# Sessions whose results are loaded in one transaction.
LOADED_TOGETHER = 50
# Below it the seconds that processes take to start are more than they save.
FEWEST_FOR_PROCESSES = 4
# A worker may die once or twice of what other programs do; a call that kills every worker it meets is at fault.
MOST_DEATHS = 3


class WorkerDied(AlvhError):
    """Workers died again and again during the same calls."""


class Runner(Protocol):
    """Where the calls of a map are made."""

    n_workers: int

    def run(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the result for each item, in their order."""


def map_sessions(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    runner: Runner,
    name: Callable[[Item], str],
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in their order.

    Parameters
    ----------
    function
        A function of a module, which workers import; it must not depend on the process it runs in.
    name
        What an item is called where progress is shown.

    Raises
    ------
    WorkerDied
        If workers die again and again during the same calls. What a call raises is raised here.
    """
    for number, (item, result) in enumerate(zip(items, runner.run(function, items), strict=True), 1):
        if progress:
            progress(number, len(items), name(item))
        yield result


class InProcess:
    """Calls made one after the other in this process: what a single night needs."""

    n_workers = 1

    def run(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the results, each computed when it is asked for."""
        for item in items:
            yield function(item)


@dataclass
class _Call(Generic[Item, Result]):
    """A call that is under way, or still to be made."""

    item: Item
    future: "Future[Result] | None" = None


class SpawnedProcesses:
    """Worker processes on this machine, started when they are first needed and kept until the end of the block.

    Spawned, never forked: a fork after Polars has started its threads hangs. If a worker dies the calls under way are
    made again by new workers. Workers end with this process, however it ends.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the results in order; few items are computed in this process."""
        if len(items) < FEWEST_FOR_PROCESSES:
            yield from InProcess().run(function, items)
            return
        calls: deque[_Call[Item, Result]] = deque()
        waiting = iter(items)
        n_deaths = 0
        while True:
            calls.extend(map(_Call, islice(waiting, CALLS_PER_WORKER * self.n_workers - len(calls))))
            if not calls:
                return
            try:
                for call in calls:
                    call.future = call.future or self._submit(function, call.item)
                result = calls[0].future.result()  # type: ignore[union-attr]
            except BrokenProcessPool as error:
                n_deaths += 1
                if n_deaths == MOST_DEATHS:
                    raise WorkerDied(
                        f"workers died {n_deaths} times during the same {len(calls)} calls of {function.__name__}; "
                        "probably the machine ran out of memory: use fewer workers (--workers), or more memory"
                    ) from error
                self._stop()
                for call in calls:
                    if call.future and isinstance(call.future.exception(), BrokenProcessPool):
                        call.future = None
                continue
            n_deaths = 0
            calls.popleft()
            yield result

    def _submit(self, function: Callable[[Item], Result], item: Item) -> "Future[Result]":
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.n_workers, mp_context=get_context("spawn"), initializer=end_with_parent
            )
        with one_thread_each():
            return self._pool.submit(function, item)

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class DaskWorkers:
    """Dask workers: those of the scheduler at `address`, else a cluster of this machine for the block.

    Workers on other hosts read and write what this process does: the folders must be shared, or on s3://.
    """

    def __init__(self, address: str | None, *, n_workers: int, patience_seconds: float = 30.0) -> None:
        try:
            distributed: Any = import_module("distributed")
        except ImportError as error:
            raise UsageError('Dask is not installed: pip install "alvh[dask]"') from error
        self._cluster: Any = None
        if address is None:
            self._cluster = distributed.LocalCluster(
                n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=None, env=ONE_THREAD
            )
        try:
            self._client: Any = distributed.Client(address or self._cluster, timeout=patience_seconds)
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error
        self.n_workers = max(1, len(self._client.scheduler_info()["workers"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def run(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield the results in order; Dask makes the calls of a worker that died again."""
        calls: deque[Any] = deque()
        waiting = iter(items)
        while True:
            while len(calls) < CALLS_PER_WORKER * self.n_workers and (item := next(waiting, None)) is not None:
                calls.append(self._client.submit(function, item, pure=False))
            if not calls:
                return
            yield calls.popleft().result()


def batched(results: Iterable[Result], n: int) -> Iterator[list[Result]]:
    """Yield results as lists of `n`, the last one shorter."""
    waiting = iter(results)
    while some := list(islice(waiting, n)):
        yield some


@contextmanager
def open_runner(
    kind: RunnerKind, *, n_workers: int | None = None, dask_address: str | None = None
) -> "Iterator[SpawnedProcesses | DaskWorkers]":
    """Give a runner for the block; `n_workers` is the number of processors unless given.

    Raises
    ------
    UsageError
        If Dask is asked for and cannot be had.
    """
    n = n_workers or processors()
    if kind == "processes" and dask_address is not None:
        raise UsageError("--dask-address needs --runner dask")
    runner = DaskWorkers(dask_address, n_workers=n) if kind == "dask" else SpawnedProcesses(n)
    with runner:
        yield runner


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Set the environment of processes started inside the block, which read it when they import Polars and NumPy."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def end_with_parent() -> None:
    """End this worker when the process that started it ends, even by a kill, which leaves its queues open."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
