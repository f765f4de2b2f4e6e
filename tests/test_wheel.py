"""The wheel, in an environment that holds nothing else of this project: sql/ is in it, and it runs from anywhere."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Iterable
from datetime import date
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import forbid_or_skip
from tests.slow import SLOW
from tests.small_market import small_market
from transforms.sessions import TradingCalendar

CHECKOUT = Path(__file__).resolve().parents[1]
SWITCH = "ALVH_REQUIRE_WHEEL"
Command = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.wheel


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
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


def declared_distributions(project: str) -> dict[str, Distribution]:
    """Return what an installed project needs, however deep, by name: the versions that are installed here."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(project), "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = distribution(name)
        for text in found[name].requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), wanted) for wanted in ("", *needed.extras)]
    del found[canonicalize_name(project)]
    return found


def link_packages(distributions: Iterable[Distribution], folder: Path) -> None:
    """Make distributions importable from another site-packages, by links to what they brought into this one."""
    for each in distributions:
        for top in {path.parts[0] for path in each.files or []} - {"..", "__pycache__"}:
            link = folder / top
            if not link.is_symlink():
                link.symlink_to(Path(str(each.locate_file(top))))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and what the wheel says it needs.

    To save half a minute of copying, its packages are links to those of this environment, nothing undeclared among
    them; pip, which may ask no index, checks that they are all the wheel needs. ALVH_SLOW_TESTS=1 installs them anew.
    """
    anew = SLOW
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (packages,) = (folder / "lib").glob("python*/site-packages")
    source = ["--constraint", str(CHECKOUT / "constraints.txt")] if anew else ["--no-index"]
    if not anew:
        link_packages(declared_distributions("alvh").values(), packages)
    done = pip("--python", str(folder / "bin" / "python"), "install", *source, str(wheel))
    if done.returncode:
        forbid_or_skip(f"the wheel cannot be installed: {done.stderr[-300:]}", SWITCH)
    return folder


def outer_environment() -> dict[str, str]:
    """Return the variables of this process without what points to this checkout."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "ALVH_HOME"}}


@pytest.fixture(scope="module")
def alvh(environment: Path) -> Command:
    """The installed command, run from the root folder."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(environment / "bin" / "alvh"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd="/", env=outer_environment(), check=False)

    return run


def test_the_wheel_holds_the_three_packages_and_every_sql_file_and_no_test(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert packed == {"flows", "transforms", "sql"}
    wanted = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "sql").rglob("*.sql")}
    assert len(wanted) > 25
    assert wanted <= names
    page = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "flows" / "page").iterdir()}
    assert {"flows/page/page.html", "flows/page/page.css", "flows/page/page.js"} <= page <= names


def test_the_environment_holds_this_wheel_and_nothing_it_does_not_declare(environment: Path) -> None:
    program = (
        "import flows, sys\n"
        "from importlib.util import find_spec\n"
        "print(flows.__file__, *(name for name in sys.argv[1:] if find_spec(name)))\n"
    )
    undeclared = ["hypothesis", "mpmath", "mypy", "openpyxl", "pytest", "talib", "tests"]
    command = [str(environment / "bin" / "python"), "-c", program, "duckdb", *undeclared]
    told = subprocess.run(command, capture_output=True, text=True, cwd="/", env=outer_environment(), check=True).stdout
    home_of_flows, *found = told.split()
    assert Path(home_of_flows).is_relative_to(environment)
    assert found == ["duckdb"]


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
