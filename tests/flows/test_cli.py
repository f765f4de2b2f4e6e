"""The command line: exit codes, one JSON document, one message without traceback, nothing but data in a pipe."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows.home import Home
from flows.manifests import published_nights
from flows.night import NightResult
from tests.flows.small_home import (
    NIGHTS,
    new_home,
    published_rows,
    run_night,
    zeroed,
)
from tests.small_market import chain_file
from tests.warm_process import PATIENCE_SECONDS, WarmProcess
from transforms.errors import DataError, UsageError
from transforms.schemas import LANDED_FILE
from transforms.sessions import TradingCalendar

CHECKOUT = Path(__file__).resolve().parents[2]
PUBLISHED, NOTHING, WRONG_USE, REFUSED = 0, 1, 2, 3
NOW = "2024-03-01T23:00:00"
Alvh = Callable[..., subprocess.CompletedProcess[str]]


def clean_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without a home and without what configures Prefect."""
    inherited = {name: value for name, value in os.environ.items() if name != "ALVH_HOME" and "PREFECT" not in name}
    return {**inherited, "PYTHONPATH": str(CHECKOUT), **changes}


@pytest.fixture
def alvh(warm_process: WarmProcess, tmp_path: Path) -> Alvh:
    """Run a command in a child process, in an empty folder and without a terminal."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return warm_process.run(
            "flows.cli:main", *map(str, arguments), folder=tmp_path, environment=clean_environment(**environment)
        )

    return run


@pytest.fixture
def cold_alvh(tmp_path: Path) -> Alvh:
    """Run a command in a Python of its own, in an empty folder and without a terminal."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from flows.cli import main; main()", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=clean_environment(),
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
        )

    return run


def assert_one_message(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert all(part in done.stderr for part in parts), done.stderr


def test_a_folder_is_imported_and_published_and_a_second_time_known(
    alvh: Alvh, base_files: Path, tmp_path: Path
) -> None:
    some = tmp_path / "delivered" / "deeper"
    some.mkdir(parents=True)
    for name in ("VX_2024-03-20.csv", "VX_2024-04-17.csv", "VIX_History.csv"):
        (some / name).write_bytes((base_files / name).read_bytes())
    (some.parent / "broken.csv").write_text("<Error>AccessDenied</Error>")
    first = alvh("import", some.parent, "--home", "market", "--json", "--now", NOW)
    assert first.returncode == PUBLISHED, first.stderr
    assert first.stderr == ""
    document = json.loads(first.stdout)
    assert {entry["name"]: entry["outcome"] for entry in document["files"]} == {
        "VIX_History.csv": "loaded",
        "VX_2024-03-20.csv": "loaded",
        "VX_2024-04-17.csv": "loaded",
        "broken.csv": "refused",
    }
    assert Path(document["published"]) == tmp_path / "market" / "published"
    assert published_rows(tmp_path / "market" / "published", LANDED_FILE).height == 3
    again = alvh("import", some, "--home", "market", "--now", NOW)
    assert again.returncode == PUBLISHED
    assert "3 files were landed before" in again.stdout
    assert "\x1b[" not in again.stdout
    assert again.stderr == ""
    assert (some / "VIX_History.csv").exists(), "files are copied, not moved"


def test_an_import_of_nothing_but_refused_files_publishes_nothing(alvh: Alvh, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    done = alvh("import", "a.csv", "--home", "market", "--now", NOW)
    assert done.returncode == NOTHING
    assert "a.csv: the file is empty" in done.stdout
    assert "Traceback" not in done.stderr


def test_what_cannot_be_read_is_refused_by_name_and_the_rest_goes_on(
    alvh: Alvh, base_files: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "delivered"
    folder.mkdir()
    (folder / "dangling.csv").symlink_to(folder / "gone.csv")
    os.mkfifo(folder / "pipe.csv")
    (folder / "VIX_History.csv").write_bytes((base_files / "VIX_History.csv").read_bytes())
    done = alvh("import", folder, "--home", "market", "--json", "--now", NOW)
    assert done.returncode == PUBLISHED, done.stderr
    outcomes = {entry["name"]: entry for entry in json.loads(done.stdout)["files"]}
    assert outcomes["VIX_History.csv"]["outcome"] == "loaded"
    assert "No such file" in outcomes["dangling.csv"]["reason"]
    assert "no regular file" in outcomes["pipe.csv"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("import", "nowhere.csv"), ("nowhere.csv does not exist",)),
        (("import",), ("Missing argument",)),
        (("run", "--date", "2024-02-30"), ("2024-02-30", "does not match")),
        (("run", "--date", "yesterday"), ("yesterday",)),
        (("run", "--tomorrow"), ("No such option",)),
        (("explain", "29.02.2024"), ("29.02.2024",)),
        (("launch",), ("No such command",)),
        (("journal", "burn"), ("the actions are list, show and note",)),
        (("sql", "which_rows"), ("there is no query which_rows", "which_rows_were_refused")),
        (("sql", "select 1", "--output", "xml"), ("--output xml", "table, csv, json, parquet")),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(
    arguments: tuple[str, ...],
    parts: tuple[str, ...],
    alvh: Alvh,
    home: Home,
) -> None:
    assert_one_message(alvh(*arguments, ALVH_HOME=str(home.root)), WRONG_USE, *parts)


def test_a_wrong_setting_is_named_with_its_value(alvh: Alvh, tmp_path: Path) -> None:
    home = new_home(tmp_path / "market")
    home.settings_file.write_text('[indicators]\nroll_days_before_expiry = 99\ncurve = "raw"\n')
    (tmp_path / "a.csv").write_text("x")
    done = alvh("import", "a.csv", "--home", "market")
    assert_one_message(done, WRONG_USE, "2 wrong settings", "roll_days_before_expiry = 99", "indicators.curve = 'raw'")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("sql", "select 1"), ("nothing is published at", "alvh import")),
        (("verify",), ("no night is published",)),
        (("explain",), ("no night is published",)),
        (("explain", "2024-02-29"), ("no night of 2024-02-29 is published",)),
    ],
)
def test_where_nothing_is_published_the_message_says_what_to_do(
    arguments: tuple[str, ...], parts: tuple[str, ...], alvh: Alvh
) -> None:
    assert_one_message(alvh(*arguments, "--home", "empty"), NOTHING, *parts)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("sql", "select nothing from nowhere"), "the query failed"),
        (("sql", "delete from mart.signal_daily"), "the query failed"),
        (("sql", "selec 1"), "the query failed"),
        (("sql", "quotes_of_one_expiration"), "the query failed"),
        (("sql", "select 1 as one", "--to", "no/such/folder/rows.csv"), "No such file or directory"),
        (("explain", "2024-02-27"), "the published nights run from 2024-01-05 to 2024-02-29"),
    ],
)
def test_a_failure_is_one_message_on_stderr(
    arguments: tuple[str, ...],
    part: str,
    alvh: Alvh,
    base_home: Home,
) -> None:
    assert_one_message(alvh(*arguments, "--home", base_home.root), NOTHING, part)


def test_a_failure_with_json_is_one_document(alvh: Alvh, base_home: Home) -> None:
    done = alvh("sql", "select nothing from nowhere", "--home", base_home.root, "--json")
    assert done.returncode == NOTHING
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["error"] == "DataError"
    assert "the query failed" in document["message"]


def test_a_locked_home_names_its_holder(alvh: Alvh, home: Home, base_files: Path) -> None:
    with open(home.lock_file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 4711 on desk-7 since 2024-03-01T23:00:00\n")
        lock.flush()
        for command in (("import", base_files), ("rebuild",), ("prune",), ("journal", "note", "x")):
            done = alvh(*command, "--home", home.root)
            assert_one_message(done, NOTHING, "is in use by process 4711 on desk-7", "then run this again")
    assert alvh("prune", "--home", home.root).returncode == PUBLISHED


def test_a_home_that_is_a_file_or_of_a_newer_program_is_refused(alvh: Alvh, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert_one_message(alvh("import", "file", "--home", "file"), NOTHING, "file")
    newer = new_home(tmp_path / "newer")
    newer.version_file.write_text('{"home_version": 99}')
    assert_one_message(alvh("import", "file", "--home", "newer"), NOTHING, "storage version 99", "upgrade")


@pytest.mark.parametrize("output", ["csv", "json", "table", "parquet"])
def test_a_query_prints_its_rows_and_nothing_else(output: str, alvh: Alvh, base_home: Home, tmp_path: Path) -> None:
    arguments = ["sql", "how_often_in_contango", "--home", base_home.root, "--output", output]
    target = tmp_path / "rows.parquet"
    done = alvh(*arguments, *(["--to", target] if output == "parquet" else []))
    assert done.returncode == PUBLISHED, done.stderr
    assert done.stderr == ""
    if output == "parquet":
        rows = pl.read_parquet(target).to_dicts()
    elif output == "csv":
        rows = pl.read_csv(done.stdout.encode()).to_dicts()
    elif output == "json":
        rows = json.loads(done.stdout)
    else:
        assert done.stdout.endswith("(2 rows)\n")
        return
    assert [row["year"] for row in rows] == [2023, 2024]
    assert sum(row["n_sessions"] + row["n_unknown"] for row in rows) == 291


def test_a_named_query_takes_its_parameters(alvh: Alvh, base_home: Home) -> None:
    done = alvh("sql", "when_was_front_vx_oversold", "-p", "threshold=45", "--json", "--home", base_home.root)
    rows = json.loads(done.stdout)
    assert rows
    assert all(row["rsi"] < 45 for row in rows)


@pytest.mark.parametrize("command", [("explain", "2024-02-29"), ("journal",), ("doctor",), ("verify",)], ids=" ".join)
def test_json_is_one_document_and_without_it_the_text_is_plain(
    command: tuple[str, ...],
    alvh: Alvh,
    base_home: Home,
) -> None:
    as_json = alvh(*command, "--json", "--home", base_home.root)
    assert as_json.returncode == PUBLISHED, as_json.stderr
    assert as_json.stderr == ""
    json.loads(as_json.stdout)
    if command != ("verify",):
        plain = alvh(*command, "--home", base_home.root)
        assert plain.stderr == ""
        assert plain.stdout
        assert "\x1b[" not in plain.stdout


def test_a_closed_pipe_is_no_traceback(base_home: Home) -> None:
    program = f"{sys.executable} -c 'from flows.cli import main; main()'"
    command = f"{program} sql 'select * from feature.term_structure' | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "ALVH_HOME": str(base_home.root)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=False)
    assert "session_date" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("session", "message"),
    [
        (date(2024, 2, 19), "is not a New York trading session.*2024-02-16 and 2024-02-20"),
        (date(2024, 3, 4), "2024-03-04 has not come yet: it is 2024-03-01 18:00 in New York"),
    ],
)
def test_a_night_that_cannot_be_is_wrong_use_and_publishes_nothing(session: date, message: str, home: Home) -> None:
    with pytest.raises(UsageError, match=message):
        run_night(home, session)
    assert published_nights(home.published) == list(NIGHTS)


def test_a_night_of_a_home_without_data_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no market data yet; import files"):
        run_night(new_home(tmp_path / "home"), date(2024, 2, 29))


def test_exit_codes_say_what_was_published() -> None:
    codes = {status: NightResult(status=status).exit_code for status in ("published", "degraded", "refused", "nothing")}
    assert codes == {"published": PUBLISHED, "degraded": PUBLISHED, "refused": REFUSED, "nothing": PUBLISHED}


@pytest.mark.prefect
def test_a_night_whose_chain_a_gate_refused_ends_with_3_and_one_document(
    cold_alvh: Alvh,
    home: Home,
    calendar: TradingCalendar,
) -> None:
    session = date(2024, 3, 1)
    (home.inbox / "chain.csv").write_bytes(zeroed(chain_file(session, calendar)))
    done = cold_alvh("run", "--date", session, "--json", "--now", "2024-03-02T00:00:00", "--home", home.root)
    assert done.returncode == REFUSED, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "refused"
    assert "spx_options:refused" in document["missing_inputs"]
    assert "has a bid and an offer on 0 of 280 SPX rows" in document["reasons"][0]
    assert document["night"]["headline"]["data_status"] == "degraded"
    assert not list(home.inbox.iterdir())
