"""Run nights in children of a warm process, and kill them before a numbered act.

Started as a program. Each line of its standard input is an `Order` as JSON, carried out in a forked child and
answered with one line. Forking spares every child the seconds that imports take. It is safe because this process has
imported Polars and DuckDB but never used them: the threads that would not survive a fork start at first use.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Order:
    """What a child does in a home.

    `job` is night, flow (the same night through Prefect, with `environment`) or import (of `paths`); `now` is its
    clock: ISO, UTC. It kills itself before the act number `kill_at`, counted from 0; without one it runs to its end and
    says which acts there were.
    """

    job: str
    home: str
    now: str
    paths: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    kill_at: int | None = None


class WarmProcess:
    """The process that forks, as seen from a test; one order at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.doomed_nights"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "WarmProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=PATIENCE_SECONDS)

    def carry_out(self, order: Order) -> dict[str, Any]:
        """Return {"killed": true}, or what a job that ended tells: its `acts` ([act, path]) and `exit_code`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "error" not in answer, f"{order}: {answer['error']}"
        return answer


def main() -> None:
    """Answer orders until standard input ends."""
    import great_expectations.expectations  # noqa: F401

    from flows import night  # noqa: F401
    from flows.calendar import trading_calendar
    from flows.provenance import code_version

    # Both are remembered, so that children share them.
    trading_calendar()
    code_version()
    for line in sys.stdin:
        print(json.dumps(_in_child(Order(**json.loads(line)))), flush=True)


def _in_child(order: Order) -> dict[str, Any]:
    inlet, outlet = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE_SECONDS)
        try:
            answer = _do(order)
        except BaseException:
            answer = {"error": traceback.format_exc()}
        with os.fdopen(outlet, "w") as stream:
            json.dump(answer, stream)
        os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet) as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        told: dict[str, Any] = json.loads(said)
        return told
    number = os.WTERMSIG(status)
    return {"killed": True} if number == signal.SIGKILL else {"error": f"the child ended by signal {number}"}


def _do(order: Order) -> dict[str, Any]:
    from flows import durability, night
    from flows.home import Home
    from flows.orchestration import configure_prefect, run_nightly
    from flows.settings import read_settings

    home, now = Home(Path(order.home)), datetime.fromisoformat(order.now)
    settings = read_settings(home)
    acts: list[tuple[str, str]] = []

    def observe(act: str, path: str) -> None:
        if len(acts) == order.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        acts.append((act, path.removeprefix(f"{order.home}/")))

    durability.observer = observe
    if order.job == "import":
        paths = [Path(path) for path in order.paths]
        result = night.import_files(home, paths=paths, settings=settings, now=now)
    elif order.job == "flow":
        os.environ.update(order.environment)
        configure_prefect(home)
        result = run_nightly(home, session=None, now=now)
    else:
        result = night.run_nights(home, asked=None, settings=settings, now=now, stages=night.plain_stages())
    return {"acts": acts, "exit_code": result.exit_code}


if __name__ == "__main__":
    main()
