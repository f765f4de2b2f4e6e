"""A night whose system calls fail: `faulty_io.c` is preloaded, so that calls from inside DuckDB fail as well as ours.

Started as a program with the library preloaded: `python -m tests.reliability.failing_calls SHARE`, SHARE the number of
calls of which one is failed. It prints a line of JSON per trial.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from flows.home import Home
from tests.reliability.faulty_nights import CLOCK, FAULTS, copied, run, scene, tried

SOURCE = Path(__file__).with_name("faulty_io.c")
CHECKOUT = SOURCE.parents[2]


def compiled(folder: Path) -> Path | None:
    """Return the library, built in `folder`; None where there is no C compiler."""
    library = folder / "faulty_io.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        return None
    return library


def trials_of(library: Path, share: int) -> list[dict[str, object]]:
    """Run the trials in a process of their own and return what it printed."""
    environment = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(CHECKOUT), "POLARS_MAX_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.failing_calls", str(share)],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    """Fail one call in SHARE, each fault in turn, and print what became of each night."""
    share = int(sys.argv[1])
    library = ctypes.CDLL(None)
    library.fault_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.fault_last.restype, library.fault_count.restype = ctypes.c_char_p, ctypes.c_long

    @contextmanager
    def armed(home: Home, number: int, fault: str) -> Iterator[None]:
        code, lasts = FAULTS[fault]
        library.fault_arm(str(home.root).encode(), number, code, lasts, fault.startswith("truncated"))
        try:
            yield
        finally:
            library.fault_disarm()

    with tempfile.TemporaryDirectory(prefix="alvh-calls-") as folder:
        before = scene(Path(folder))
        counted = copied(before.home, Path(folder) / "counted")
        library.fault_arm(str(counted.root).encode(), -1, 0, 0, 0)
        run(counted, CLOCK)
        library.fault_disarm()
        n_calls = library.fault_count()
        for place, number in enumerate(range(share // 2, n_calls, share)):
            fault = list(FAULTS)[place % len(FAULTS)]
            trial = tried(
                before,
                Path(folder) / "trial",
                fault=lambda home, number=number, fault=fault: armed(home, number, fault),
                code=FAULTS[fault][0],
            )
            call = library.fault_last().decode()
            print(json.dumps({"n_calls": n_calls, "number": number, "call": call, "fault": fault, **asdict(trial)}))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
