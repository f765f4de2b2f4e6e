"""What is published: the set a manifest lists, readable anywhere, by another DuckDB, and never half."""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from flows import night
from flows.home import Home
from flows.manifests import published_nights, read_files
from flows.served_database import query_published
from flows.served_record import MOST_CARRIED, RECORD_FILE, SERVED_FILE
from flows.settings import Settings
from tests.conftest import forbid_or_skip
from tests.flows.small_home import (
    LATER,
    NIGHTS,
    copied,
    published_rows,
    snapshot_hashes,
)
from tests.test_contracts import QUERIES, QUERY_PARAMETERS
from transforms.schemas import OPTION_QUOTE, TABLES, partition_of

CHECKOUT = Path(__file__).resolve().parents[2]
# The oldest DuckDB whose storage the published file claims.
OLDEST_DUCKDB = "1.2.2"
# Questions that the small market has an answer to.
ANSWERED = {
    "contango_history",
    "how_calm_is_vol_of_vol",
    "how_did_runs_go",
    "how_often_in_contango",
    "how_steep_is_the_curve_today",
    "latest_signal",
    "what_did_a_night_lack",
    "what_is_quoted_tonight",
    "when_was_front_vx_oversold",
    "where_does_a_number_come_from",
}
ASK = """
import json, sys, duckdb
asked = json.load(sys.stdin)
connection = duckdb.connect(asked["file"], read_only=True)
answers = {}
for name, (text, parameters) in asked["queries"].items():
    answers[name] = [[str(value) for value in row] for row in connection.execute(text, parameters or None).fetchall()]
print(json.dumps({"version": duckdb.__version__, "answers": answers}))
"""


@pytest.fixture(scope="module")
def moved(base_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published folder of a home that is gone, in another folder with a name of its own.

    Its database is one that was carried on from another.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    first = copied(base_home, folder / "first")
    for _ in range(2):
        night.publish(first, settings=Settings(), sessions=[], validation={}, now=LATER)
    assert json.loads((first.staging / RECORD_FILE).read_text())["n_carried"] == 1
    elsewhere = folder / "shared drive" / "it's here"
    elsewhere.parent.mkdir()
    shutil.copytree(first.published, elsewhere)
    shutil.rmtree(first.root)
    return elsewhere


@pytest.fixture(scope="module")
def old_duckdb() -> Path:
    """The folder that holds the oldest DuckDB, installed once and kept in .cache/."""
    cache = CHECKOUT / ".cache"
    folder = cache / f"duckdb-{OLDEST_DUCKDB}-py{sys.version_info.major}.{sys.version_info.minor}"
    if not (folder / "duckdb" / "__init__.py").exists():
        # Put in place whole, since another process of this test run may install it too.
        cache.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="duckdb-", dir=cache))
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile", "--target", str(draft))
        install = [sys.executable, "-m", "pip", "install", *options, f"duckdb=={OLDEST_DUCKDB}"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(draft)
            forbid_or_skip(f"duckdb {OLDEST_DUCKDB} cannot be installed: {done.stderr[-300:]}", "ALVH_REQUIRE_WHEEL")
        try:
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft)
    return folder


def answers(published: Path, *, duckdb_folder: Path | None = None) -> dict[str, Any]:
    """Ask every question of sql/queries, views and the history macro from the root folder; return what came back.

    DuckDB is that of this environment, or the one in a folder.
    """
    queries = {path.stem: (path.read_text(), QUERY_PARAMETERS.get(path.stem, {})) for path in QUERIES}
    views = sorted((CHECKOUT / "sql" / "views").glob("*.sql"))
    queries |= {path.stem: (f"select * from {path.stem}", {}) for path in views}
    queries["history"] = (
        "select session_date, count(*) from option_quote_history($published) group by all order by session_date",
        {"published": str(published)},
    )
    asked = {"file": str(published / SERVED_FILE), "queries": queries}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if duckdb_folder:
        environment["PYTHONPATH"] = str(duckdb_folder)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_copied_folder_answers_every_question_from_the_root_with_this_and_an_old_duckdb(
    moved: Path, old_duckdb: Path
) -> None:
    now, old = answers(moved), answers(moved, duckdb_folder=old_duckdb)
    assert (now["version"], old["version"]) == (duckdb.__version__, OLDEST_DUCKDB)
    assert len(now["answers"]) >= 10 + 2
    assert old["answers"] == now["answers"]
    assert [day for day, _ in now["answers"]["history"]] == ["2024-02-28", "2024-02-29"]
    assert {name for name, rows in now["answers"].items() if not rows}.isdisjoint(ANSWERED)


def test_the_published_file_names_no_path(moved: Path, base_home: Home) -> None:
    content = (moved / SERVED_FILE).read_bytes()
    assert str(base_home.root).encode() not in content
    assert b"warehouse.duckdb" not in content


def test_the_newest_manifest_lists_every_parquet_file_with_its_rows_and_hash(base_home: Home) -> None:
    published = base_home.published
    listed = read_files(published)
    found = {str(path.relative_to(published)) for path in (published / "snapshots").rglob("*.parquet")}
    assert set(listed) == found
    for path, record in listed.items():
        content = (published / path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record.sha256
        assert pl.read_parquet(content).height == record.rows


def test_every_night_has_a_manifest_with_what_it_was_made_from(base_home: Home) -> None:
    assert published_nights(base_home.published) == list(NIGHTS)
    for session in NIGHTS:
        manifest = json.loads((base_home.published / f"manifests/session_date={session}.json").read_text())
        assert manifest["session_date"] == session.isoformat()
        assert all(re.fullmatch("[0-9a-f]{64}", manifest[f"{name}_sha256"]) for name in ("settings", "inputs"))
        assert re.fullmatch("[0-9a-f]{64}", manifest["code_version"])
        assert manifest["settings"]["indicators"]["roll_days_before_expiry"] == 1
        assert manifest["validation"] in {"passed", "warned", "refused"}
        assert not [entry for entry in manifest["files"] if "mart.run" in entry["path"]]
    latest = json.loads((base_home.published / "manifests" / "latest.json").read_text())
    assert latest["session_date"] == "2024-02-29"


def test_everything_published_is_read_only_and_no_draft_is_left(base_home: Home) -> None:
    files = [path for path in base_home.published.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o444}
    assert not [path.name for path in files if "draft" in path.name or path.suffix == ".wal"]


def test_parquet_and_database_hold_the_same_rows(base_home: Home) -> None:
    with duckdb.connect(str(base_home.published / SERVED_FILE), read_only=True) as connection:
        for table in TABLES:
            served = connection.sql(f"select {', '.join(table.column_names)} from {table.full_name}").pl()
            rows = published_rows(base_home.published, table)
            assert served.cast(dict(table.polars_schema)).sort(table.key).equals(rows.sort(table.key)), table.full_name  # type: ignore[arg-type]


def test_quotes_are_cut_by_session_and_daily_tables_by_year(base_home: Home) -> None:
    assert partition_of(OPTION_QUOTE) == "session"
    files = set(snapshot_hashes(base_home.published))
    assert "snapshots/core.option_quote/session_date=2024-02-29/part-0.parquet" in files
    assert "snapshots/feature.curve_daily/session_year=2023/part-0.parquet" in files
    assert "snapshots/core.landed_file/part-0.parquet" in files


def test_publishing_again_writes_nothing(home: Home) -> None:
    before = snapshot_hashes(home.published)
    publication = night.publish(home, settings=Settings(), sessions=[], validation={}, now=LATER)
    assert publication.written == []
    assert publication.withdrawn == []
    assert publication.revised_sessions == []
    assert not publication.stray_wal_removed
    assert snapshot_hashes(home.published) == before


def test_the_database_is_carried_on_unless_somebody_touched_it(home: Home) -> None:
    target = home.published / SERVED_FILE

    def publish() -> int:
        night.publish(home, settings=Settings(), sessions=[], validation={}, now=LATER)
        return int(json.loads((home.staging / RECORD_FILE).read_text())["n_carried"])

    # A copy of a home is another file than the one recorded.
    assert publish() == 0
    assert [publish() for _ in range(3)] == [1, 2, 3]
    rows = query_published(target, "select count(*) as n from core.option_quote")
    target.chmod(0o644)
    with duckdb.connect(str(target)) as connection:
        connection.execute("delete from core.option_quote where strike > 5000")
    assert publish() == 0
    assert query_published(target, "select count(*) as n from core.option_quote").equals(rows)
    assert publish() == 1
    (home.staging / RECORD_FILE).write_text("{")
    assert publish() == 0
    assert [publish() for _ in range(MOST_CARRIED + 1)] == [*range(1, MOST_CARRIED + 1), 0]


def test_a_stray_log_beside_the_database_is_removed_and_said(home: Home) -> None:
    wal = home.published / f"{SERVED_FILE}.wal"
    wal.write_bytes(b"left by a client")
    assert night.publish(home, settings=Settings(), sessions=[], validation={}, now=LATER).stray_wal_removed
    assert not wal.exists()
