"""The code version follows every .py of transforms/ and every .sql of sql/, and nothing else."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PRINT = "from flows.provenance import code_version; print(code_version())"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("flows", "transforms", "sql"):
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def version(copy: Path) -> Callable[[], str]:
    def run() -> str:
        command = [sys.executable, "-B", "-c", PRINT]
        done = subprocess.run(
            command, cwd=copy, env={"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return run


def test_only_what_decides_numbers_changes_the_code_version(copy: Path, version: Callable[[], str]) -> None:
    first = version()
    assert re.fullmatch("[0-9a-f]{64}", first)
    (copy / "flows" / "terminal.py").open("a").write("\n# another flow\n")
    (copy / "transforms" / "notes.txt").write_text("no code")
    assert version() == first
    seen = {first}
    for path in ("transforms/pricing/black76.py", "sql/views/latest_signal.sql", "sql/checks/assert_new.sql"):
        (copy / path).open("a").write("\n-- changed\n" if path.endswith("sql") else "\n# changed\n")
        seen.add(version())
    (copy / "transforms" / "errors.py").rename(copy / "transforms" / "mistakes.py")
    shutil.copy(copy / "transforms" / "mistakes.py", copy / "transforms" / "errors.py")
    seen.add(version())
    assert len(seen) == 5
