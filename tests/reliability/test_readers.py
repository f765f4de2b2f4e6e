"""Whoever reads published/ sees one night, whatever the publisher does meanwhile, and cannot change it."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from flows.home import Home, prepare_home
from flows.internal_tables import NIGHT_SCHEMA
from flows.partition_files import LARGE_TABLES
from flows.publication import Publication, publish_changes
from flows.served_record import RECORD_FILE
from flows.settings import read_settings
from flows.warehouse import Warehouse
from tests.reliability.numbered_nights import SESSION, Sighting, first_row, numbered_column
from tests.slow import SLOW
from transforms.schemas import TABLES
from transforms.table_schema import Table

CHECKOUT = Path(__file__).resolve().parents[2]
CLOCK = datetime(2024, 2, 14, 23, 45)
N_PUBLISHES = 200 if SLOW else 40
NOBODY = 65_534


class Publisher:
    """Publishes numbered nights of one home."""

    def __init__(self, home: Home) -> None:
        prepare_home(home)
        self.home = home
        self.settings = read_settings(home)
        self.warehouse = Warehouse(home.warehouse)
        with self.warehouse.transaction():
            for table in TABLES:
                self._write(table, 1)
            night = {name: "{}" for name in NIGHT_SCHEMA} | {"session_date": SESSION}
            self.warehouse.write_meta("meta.night", pl.DataFrame([night], schema=NIGHT_SCHEMA))

    def _write(self, table: Table, number: int) -> None:
        """Make the table's one row carry the number; large tables are files of their own, which are never changed."""
        name = numbered_column(table)
        if table not in LARGE_TABLES and number > 1:
            self.warehouse.connection.execute(f"update {table.full_name} set {name} = ?", [number])
            return
        row = pl.DataFrame(first_row(table), schema=table.polars_schema)
        self.warehouse.write_changes(table, row.with_columns(pl.lit(number).cast(row.schema[name]).alias(name)))

    @property
    def served(self) -> Path:
        return self.home.published / "alvh.duckdb"

    def publish(self, number: int) -> Publication:
        """Give every row of every table the number, and publish.

        Parquet is made only of what is dirty: one table in turn, to save time. So alvh.duckdb, carried on, would keep
        the rows of the others; without its record it is made of all tables.
        """
        (self.home.staging / RECORD_FILE).unlink(missing_ok=True)
        with self.warehouse.transaction():
            for table in TABLES:
                self._write(table, number)
            dirty = TABLES[number % len(TABLES)]
            self.warehouse.mark_dirty(dirty, [SESSION if dirty.session_column else None])
        return publish_changes(
            self.home,
            self.warehouse,
            settings=self.settings,
            nights=[SESSION],
            revised=[],
            validation={},
            now=CLOCK + timedelta(seconds=number),
        )


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    publisher = Publisher(Home(tmp_path / "home"))
    yield publisher
    publisher.warehouse.connection.close()


class Reader:
    """A process that reads until told to stop."""

    def __init__(self, served: Path, manner: str, stop: Path) -> None:
        command = [sys.executable, "-m", "tests.reliability.numbered_nights", str(served), manner, str(stop)]
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE, text=True
        )

    def wait_until_watching(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "watching\n"

    def sightings(self) -> list[Sighting]:
        """Return what it saw; an error of a query ends the reader, and fails here."""
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return [Sighting(began, tuple(numbers), n_tables) for began, numbers, n_tables in json.loads(said)]


@pytest.mark.longest
def test_readers_see_one_number_everywhere_through_all_publishes(publisher: Publisher, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    publisher.publish(1)
    manners = ("reconnecting", "reconnecting", "lasting")
    readers = [Reader(publisher.served, manner, stop) for manner in manners]
    for reader in readers:
        reader.wait_until_watching()
    ended = {1: 0.0}
    try:
        for number in range(2, N_PUBLISHES + 1):
            publisher.publish(number)
            ended[number] = time.monotonic()
        time.sleep(0.5)
    finally:
        stop.touch()
    reconnecting, other, lasting = (reader.sightings() for reader in readers)
    for sighting in [*reconnecting, *other, *lasting]:
        assert len(sighting.numbers) == 1, f"one query saw the nights {sighting.numbers}"
        assert sighting.n_tables == len(TABLES)
    for sightings in (reconnecting, other):
        for sighting in sightings:
            published = max(number for number, when in ended.items() if when <= sighting.began)
            assert sighting.numbers[0] >= published, "a reader that connected after a publish saw an older night"
        assert sightings[-1].numbers == (N_PUBLISHES,)
        assert len({sighting.numbers for sighting in sightings}) > N_PUBLISHES / 4
    assert {sighting.numbers for sighting in lasting} == {(1,)}
    assert len(lasting) > N_PUBLISHES / 4


def planted_log(served: Path, folder: Path) -> Path:
    """Return the write-ahead log of a client that deleted every headline from a copy of the file, and was killed."""
    copy = folder / served.name
    shutil.copy(served, copy)
    copy.chmod(0o644)
    program = (
        "import duckdb, os, signal, sys\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "connection.execute('delete from mart.signal_daily')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(copy)], check=False)
    log = copy.with_name(copy.name + ".wal")
    assert log.exists()
    return log


def headlines(served: Path) -> int:
    with duckdb.connect(str(served), read_only=True) as connection:
        return len(connection.execute("select * from mart.signal_daily").fetchall())


def test_a_stray_log_with_a_delete_changes_no_row_read_after_the_publish(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(1)
    assert headlines(publisher.served) == 1
    log = planted_log(publisher.served, tmp_path)
    stray = publisher.served.with_name(publisher.served.name + ".wal")
    shutil.copy(log, stray)
    assert headlines(publisher.served) == 0, "the log does nothing, so that this test would show nothing"

    publication = publisher.publish(2)
    assert publication.stray_wal_removed
    assert not stray.exists()
    assert headlines(publisher.served) == 1
    assert not publisher.publish(3).stray_wal_removed


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that other users may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="alvh-readable-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_process_without_write_permission_reads_the_file_and_cannot_open_it_for_writing(
    readable_folder: Path,
) -> None:
    publisher = Publisher(Home(readable_folder / "home"))
    publisher.publish(1)
    program = (
        "import duckdb, os, sys\n"
        "if os.geteuid() == 0:\n"
        f"    os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})\n"
        "with duckdb.connect(sys.argv[1], read_only=True) as connection:\n"
        "    print(connection.execute('select count(*) from mart.signal_daily').fetchall())\n"
        "try:\n"
        "    duckdb.connect(sys.argv[1]).execute('delete from mart.signal_daily')\n"
        "except duckdb.IOException as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(publisher.served)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert told[0] == "[(1,)]"
    assert "Permission denied" in told[1]
    assert headlines(publisher.served) == 1


def test_every_published_file_is_read_only(publisher: Publisher) -> None:
    publisher.publish(1)
    publisher.publish(2)
    found = [path for path in publisher.home.published.rglob("*") if path.is_file()]
    assert {path.name for path in found} >= {"alvh.duckdb", "latest.json", "part-0.parquet"}
    assert {path for path in found if stat.S_IMODE(path.stat().st_mode) != 0o444} == set()
