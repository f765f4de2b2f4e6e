"""A real Prefect server on a port of its own, and the `alvh` command against it."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.2
POOL = "alvh"


def alvh(*words: str) -> list[str]:
    """Return the command line of an `alvh` command of this checkout."""
    return [sys.executable, "-c", "from flows.cli import main; main()", *words]


@dataclass
class Server:
    """A server: where its database lies, where it listens, and its process if this test run's process started it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment in which commands of a home reach this server."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "ALVH"))}
        return inherited | {
            "ALVH_HOME": str(home),
            "PREFECT_HOME": str(self.folder),
            "PREFECT_API_URL": self.url,
            "PYTHONPATH": str(CHECKOUT),
            # A worker asks for work every 10 seconds by default, for which a test would wait.
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }

    def start(self, home: Path) -> None:
        """Start `alvh prefect server start` and wait until it answers."""
        words = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port), "--no-ui")
        self.process = self.spawn(home, *words, log="server.log")
        wait_for(self._answers, "the server to answer", log=self.folder / "server.log")

    def spawn(self, home: Path, *words: str, log: str, cwd: Path = CHECKOUT) -> subprocess.Popen[bytes]:
        """Start an `alvh` command that lasts, in a process group of its own."""
        with open(self.folder / log, "ab") as stream:
            process = subprocess.Popen(
                alvh(*words),
                cwd=cwd,
                env=self.environment(home),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run an `alvh` command to its end."""
        return subprocess.run(
            alvh(*words),
            cwd=CHECKOUT,
            env=self.environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST to the API, or GET if there is no body, and return the answer."""
        address = f"{self.url}/{path}"
        answer = httpx.get(address, timeout=30) if body is None else httpx.post(address, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def flow_runs(self, *deployment_ids: str) -> list[dict[str, Any]]:
        """Return flow runs, oldest first: all, or those of deployments."""
        wanted = {"deployments": {"id": {"any_": list(deployment_ids)}}} if deployment_ids else {}
        runs: list[dict[str, Any]] = self.ask("flow_runs/filter", {"sort": "START_TIME_ASC", **wanted})
        return runs

    def task_runs(self, flow_run_id: str) -> dict[str, str]:
        """Return the state of each task of a flow run, by the task's name (its run's name to the first space)."""
        found = self.ask("task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run_id]}}})
        return {run["name"].split()[0]: run["state_name"] for run in found}

    def kill_everything(self) -> None:
        """Kill -9 the server and whatever was started through `spawn`, with all their children."""
        for process in self.started:
            with_descendants = [process.pid, *descendants(process.pid)]
            for pid in with_descendants:
                kill(pid)
            process.wait(timeout=30)
        self.started.clear()
        self.process = None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def wait_for(
    condition: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS, log: Path | None = None
) -> Any:
    """Return the first true value of `condition`; fail, with the end of a log, when it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(POLL_SECONDS)
    tail = log.read_text()[-2000:] if log else ""
    raise AssertionError(f"waited {seconds:.0f} s for {what}\n{tail}")


def descendants(pid: int) -> list[int]:
    """Return the process ids below a process, from what `ps` says."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = (int(word) for word in line.split())
        children.setdefault(parent, []).append(child)
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def kill(pid: int) -> None:
    """Kill -9 a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def shared_server(factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield one server for the whole test run: the first process of pytest-xdist starts it, the last one stops it."""
    base = factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = common / "prefect-server"
    folder.mkdir(exist_ok=True)
    with _users(folder) as users:
        if not users:
            server = Server(folder, free_port())
            server.start(folder / "no-home")
            assert server.process is not None
            users.update(port=server.port, pid=server.process.pid, count=0)
        users["count"] += 1
        server = Server(folder, users["port"])
        pid = users["pid"]
    try:
        yield server
    finally:
        server.kill_everything()
        with _users(folder) as users:
            users["count"] -= 1
            if users["count"] == 0:
                for each in [pid, *descendants(pid)]:
                    kill(each)
                users.clear()


@contextmanager
def _users(folder: Path) -> Iterator[dict[str, Any]]:
    with open(folder / "users.json", "a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        users: dict[str, Any] = json.loads(stream.read() or "{}")
        yield users
        stream.truncate(0)
        stream.write(json.dumps(users))
