"""Which sessions are due at awkward instants, and what two runs at once do to each other.

A file restated after it was published is tested in tests/flows/test_restatement.py.
"""

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.home import Home, locked
from flows.manifests import manifest_path
from flows.night import due_sessions
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import new_home
from transforms.errors import HomeLocked, UsageError
from transforms.schemas import INDEX_LEVEL
from transforms.sessions import NEW_YORK

FAR = date(2027, 2, 26)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Warehouse]]:
    """A home whose core holds every session to 2027-02, so that the clock alone decides what is due."""
    home = new_home(tmp_path_factory.mktemp("clock") / "home")
    days = trading_calendar().between(date(2025, 11, 3), FAR)
    rows = pl.DataFrame(
        [{"session_date": day, "symbol": "VIX", "close": 15.0, "source_sha256": "f" * 64} for day in days],
        schema=INDEX_LEVEL.polars_schema,
    )
    with Warehouse(home.warehouse) as warehouse:
        with warehouse.transaction():
            warehouse.append(INDEX_LEVEL, rows)
        yield home, warehouse


def due(stocked: tuple[Home, Warehouse], now: datetime, *, last: date) -> list[date]:
    """Return what is due at `now` (UTC) if `last` is the newest night published."""
    home, warehouse = stocked
    manifest = manifest_path(home.published, last)
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text("{}")
    try:
        return due_sessions(home, warehouse, asked=None, settings=Settings(), now=now)
    finally:
        manifest.unlink()


def in_new_york(year: int, month: int, day: int, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    wall = datetime(year, month, day, hour, minute, tzinfo=NEW_YORK, fold=fold)
    return wall.astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        # Clocks go forward on Sunday 2026-03-08 at 07:00 UTC and back on Sunday 2026-11-01 at 06:00 UTC.
        (datetime(2026, 3, 8, 6, 30), date(2026, 3, 5), [date(2026, 3, 6)]),
        (datetime(2026, 3, 8, 7, 0), date(2026, 3, 5), [date(2026, 3, 6)]),
        (datetime(2026, 11, 1, 5, 30), date(2026, 10, 29), [date(2026, 10, 30)]),
        (datetime(2026, 11, 1, 6, 30), date(2026, 10, 29), [date(2026, 10, 30)]),
        # The close is 21:00 UTC in winter and 20:00 in summer.
        (datetime(2026, 3, 6, 20, 59), date(2026, 3, 5), []),
        (datetime(2026, 3, 6, 21, 0), date(2026, 3, 5), [date(2026, 3, 6)]),
        (datetime(2026, 3, 9, 19, 59), date(2026, 3, 6), []),
        (datetime(2026, 3, 9, 20, 0), date(2026, 3, 6), [date(2026, 3, 9)]),
        (datetime(2026, 10, 30, 20, 0), date(2026, 10, 29), [date(2026, 10, 30)]),
        (datetime(2026, 11, 2, 20, 59), date(2026, 10, 30), []),
        (datetime(2026, 11, 2, 21, 0), date(2026, 10, 30), [date(2026, 11, 2)]),
    ],
)
def test_the_clock_changes_move_the_close_and_repeat_or_skip_no_session(
    stocked: tuple[Home, Warehouse], now: datetime, last: date, expected: list[date]
) -> None:
    assert due(stocked, now, last=last) == expected


@pytest.mark.parametrize(("half_day", "before"), [
    (date(2025, 11, 28), date(2025, 11, 26)),
    (date(2025, 12, 24), date(2025, 12, 23)),
    (date(2026, 11, 27), date(2026, 11, 25)),
    (date(2026, 12, 24), date(2026, 12, 23)),
])  # fmt: skip
def test_a_half_day_is_due_at_one_and_not_before(stocked: tuple[Home, Warehouse], half_day: date, before: date) -> None:
    year, month, day = half_day.year, half_day.month, half_day.day
    assert trading_calendar().is_early_close(half_day)
    assert due(stocked, in_new_york(year, month, day, 12, 59), last=before) == []
    assert due(stocked, in_new_york(year, month, day, 13, 0), last=before) == [half_day]
    assert due(stocked, in_new_york(year, month, day, 18, 45), last=before) == [half_day]


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        (in_new_york(2025, 12, 31, 18, 45), date(2025, 12, 30), [date(2025, 12, 31)]),
        (in_new_york(2026, 1, 1, 18, 45), date(2025, 12, 31), []),
        # Still the old year in New York, the new one in UTC.
        (datetime(2026, 1, 1, 0, 30), date(2025, 12, 30), [date(2025, 12, 31)]),
        (in_new_york(2026, 1, 2, 18, 45), date(2025, 12, 30), [date(2025, 12, 31), date(2026, 1, 2)]),
        (in_new_york(2026, 11, 26, 18, 45), date(2026, 11, 25), []),
        (in_new_york(2026, 7, 3, 18, 45), date(2026, 7, 2), []),
    ],
)
def test_year_ends_and_holidays(
    stocked: tuple[Home, Warehouse], now: datetime, last: date, expected: list[date]
) -> None:
    assert due(stocked, now, last=last) == expected


@pytest.mark.parametrize(
    ("first", "end"),
    [
        (date(2026, 3, 6), date(2026, 3, 10)),
        (date(2026, 10, 30), date(2026, 11, 3)),
        (date(2026, 12, 23), date(2027, 1, 4)),
    ],
    ids=["clocks forward", "clocks back", "Christmas to New Year"],
)
def test_hour_by_hour_every_session_is_due_once_and_after_its_close(
    stocked: tuple[Home, Warehouse], first: date, end: date
) -> None:
    calendar = trading_calendar()
    last, found = calendar.before(first), []
    now = datetime.combine(first, datetime.min.time())
    while now < datetime.combine(end, datetime.max.time()):
        for day in due(stocked, now, last=last):
            wall = now.replace(tzinfo=UTC).astimezone(NEW_YORK)
            assert (day, 13 if calendar.is_early_close(day) else 16) <= (wall.date(), wall.hour)
            found.append(day)
            last = day
        now += timedelta(hours=1)
    assert found == calendar.between(first, end)


def test_a_day_without_a_session_or_to_come_is_wrong_use(stocked: tuple[Home, Warehouse]) -> None:
    home, warehouse = stocked
    for asked, told in ((date(2026, 11, 26), "not a New York trading session"), (date(2026, 3, 9), "has not come yet")):
        with pytest.raises(UsageError, match=told):
            due_sessions(home, warehouse, asked=asked, settings=Settings(), now=datetime(2026, 3, 8, 6, 30))


def _try_to_lock(root: str, results: "multiprocessing.queues.Queue[str]") -> None:
    try:
        with locked(Home(Path(root)), started_at="the other run"):
            results.put("held")
    except HomeLocked as error:
        results.put(str(error))


def test_of_two_runs_at_once_one_waits_to_be_run_again_and_names_the_other(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.queues.Queue[str] = context.Queue()
    said = []
    with locked(home, started_at="2026-03-08T06:30:00"):
        for _ in range(2):
            other = context.Process(target=_try_to_lock, args=(str(home.root), results))
            other.start()
            said.append(results.get(timeout=120))
            other.join()
    assert all("since 2026-03-08T06:30:00; wait for it to end" in text for text in said)
    other = context.Process(target=_try_to_lock, args=(str(home.root), results))
    other.start()
    assert results.get(timeout=120) == "held"
    other.join()


def test_a_warehouse_that_another_program_has_open_is_named_as_that(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    Warehouse(home.warehouse).connection.close()
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(home.warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    try:
        with pytest.raises(Exception, match=r"is open in another program .*; close it and run"):
            Warehouse(home.warehouse)
    finally:
        other.communicate("")
    Warehouse(home.warehouse).connection.close()
