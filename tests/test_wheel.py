"""The wheel, in an environment that holds nothing else of this project: sql/ is in it, and it runs from anywhere."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import forbid_or_skip
from tests.small_market import small_market
from transforms.sessions import TradingCalendar

CHECKOUT = Path(__file__).resolve().parents[1]
SWITCH = "ALVH_REQUIRE_WHEEL"
Command = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.wheel


def pip(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy so that no build folder is left in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("flows", "transforms", "sql"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode:
        forbid_or_skip(f"the wheel cannot be built: {done.stderr[-300:] or done.stdout[-300:]}", SWITCH)
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def alvh(wheel: Path) -> Command:
    """The installed command, run from the root folder, in an environment kept in .cache/ by what it depends on."""
    described = (CHECKOUT / "pyproject.toml").read_bytes() + (CHECKOUT / "constraints.txt").read_bytes()
    key = hashlib.sha256(sys.version.encode() + described).hexdigest()[:16]
    folder = CHECKOUT / ".cache" / f"wheel-{key}"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        done = pip(python, "install", "--constraint", str(CHECKOUT / "constraints.txt"), str(wheel))
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            forbid_or_skip(f"the wheel's dependencies cannot be installed: {done.stderr[-300:]}", SWITCH)
        (folder / "done").touch()
    done = pip(python, "install", "--force-reinstall", "--no-deps", str(wheel))
    assert done.returncode == 0, done.stderr
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "ALVH_HOME"}}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(folder / "bin" / "alvh"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, check=False)

    return run


def test_the_wheel_holds_the_three_packages_and_every_sql_file_and_no_test(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert packed == {"flows", "transforms", "sql"}
    wanted = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "sql").rglob("*.sql")}
    assert len(wanted) > 25
    assert wanted <= names


def test_the_installed_command_imports_and_answers_from_the_root_folder(
    alvh: Command, calendar: TradingCalendar, tmp_path: Path
) -> None:
    market = small_market(calendar, first=date(2024, 1, 2), last=date(2024, 2, 29), n_chains=1)
    market.write(tmp_path / "files")
    home = tmp_path / "home"
    shown = alvh("--help")
    assert shown.returncode == 0, shown.stderr
    assert all(command in shown.stdout for command in ("import", "run", "sql", "verify", "rebuild"))
    imported = alvh("import", tmp_path / "files", "--home", home, "--json")
    assert imported.returncode == 0, imported.stderr
    assert {entry["outcome"] for entry in json.loads(imported.stdout)["files"]} == {"loaded"}
    answered = alvh("sql", "how_often_in_contango", "--home", home, "--json")
    assert answered.returncode == 0, answered.stderr
    (row,) = json.loads(answered.stdout)
    assert (row["year"], row["n_sessions"] + row["n_unknown"]) == (2024, len(market.sessions))
