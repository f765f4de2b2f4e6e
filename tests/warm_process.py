"""A process that has imported everything and forks a child per order, which spares every child seconds of imports.

Forking is safe because this process has imported Polars and DuckDB but never used them: the threads that would not
survive a fork start at first use. It holds one thread per library and passes that on. Started as a program, it reads an
`Order` as JSON from each line of its standard input and answers with the return code of the child that carried it out.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
# Ends what hangs; a busy machine may take minutes for what takes seconds.
PATIENCE_SECONDS = 900
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Order:
    """A function to call in a child ("module:name"), with the arguments that a program would find in sys.argv[1:].

    The child has a folder and an environment of its own, no standard input, and its output goes to two files.
    """

    function: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    stdout: str
    stderr: str


class WarmProcess:
    """The process that forks, as seen from a test; one order at a time."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="alvh-warm-")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm_process"],
            cwd=CHECKOUT,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(CHECKOUT)},
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
        self._scratch.cleanup()

    def run(
        self, function: str, *arguments: str, folder: Path = CHECKOUT, environment: Mapping[str, str] = os.environ
    ) -> subprocess.CompletedProcess[str]:
        """Call a function in a child and return what `subprocess.run` would of a program that calls it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        stdout, stderr = (Path(self._scratch.name) / name for name in ("stdout", "stderr"))
        variables = {**environment, **ONE_THREAD}
        order = Order(function, list(arguments), str(folder), variables, str(stdout), str(stderr))
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        returncode = int(self._process.stdout.readline())
        return subprocess.CompletedProcess([function, *arguments], returncode, stdout.read_text(), stderr.read_text())


@pytest.fixture(scope="session")
def warm_process() -> Iterator[WarmProcess]:
    """One for all tests of a pytest process."""
    with WarmProcess() as process:
        yield process


def main() -> None:
    """Answer orders until standard input ends."""
    import great_expectations.expectations  # noqa: F401

    from flows import cli, doctor, journal, night, rebuild, terminal  # noqa: F401
    from flows.calendar import trading_calendar
    from flows.provenance import code_version
    from flows.report import page_template
    from flows.sources import registry

    # All are remembered, so that children share them.
    trading_calendar()
    code_version()
    page_template()
    registry()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(Order(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(order: Order) -> None:
    """Carry the order out and end as Python ends a program: never return."""
    signal.alarm(PATIENCE_SECONDS)
    for descriptor, path, mode in (
        (0, os.devnull, os.O_RDONLY),
        (1, order.stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, order.stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        os.dup2(os.open(path, mode, 0o600), descriptor)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv[1:] = order.arguments
    module, _, name = order.function.partition(":")
    code = 1
    try:
        getattr(import_module(module), name)()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
