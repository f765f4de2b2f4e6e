"""Thirty small nights in one process: every one published once, old revisions pruned, memory not growing with them.

`python -m benchmarks.soak` runs as many as fit into 25 minutes of one core; docs/faults.md has its figures.
"""

from datetime import date, datetime
from pathlib import Path

import pytest

from benchmarks import soak as soaking
from benchmarks.soak import SETTINGS_TEXT, Sample, clock, memory_slope, overdue_revisions, soak, stocked_home
from flows.calendar import trading_calendar
from flows.manifests import published_nights
from flows.warehouse import Warehouse

N_NIGHTS, A_RUN = 30, 10
# A run may fill a pool or a cache; what thirty nights may not do is keep what they read.
MOST_GROWN_MB = 60.0


def test_thirty_nights_are_published_once_and_their_old_revisions_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soaking, "RESTATED_EVERY", A_RUN)
    monkeypatch.setattr(soaking, "SETTINGS_TEXT", SETTINGS_TEXT.replace("revisions_days = 90", "revisions_days = 10"))
    monkeypatch.setattr(soaking, "REVISIONS_DAYS", 10)
    sessions = trading_calendar().between(date(2024, 1, 2), date(2024, 12, 31))[:N_NIGHTS]
    home = stocked_home(tmp_path / "home", sessions)

    samples = list(soak(home, sessions, a_run=A_RUN, minutes=60))

    assert [sample.nights for sample in samples] == [10, 20, 30]
    assert published_nights(home.published) == sessions
    kept = [path.name for path in (home.published / "revisions").iterdir()]
    assert len(kept) == 1, "two restatements left a revision each, of which one is past its days"
    assert overdue_revisions(home, clock(sessions[-1])) == []
    assert samples[-1].resident_mb - samples[0].resident_mb < MOST_GROWN_MB
    with Warehouse(home.warehouse) as warehouse:
        offending = {name: rows.rows() for name, rows in warehouse.run_checks().items() if rows.height}
    assert offending == {}


def test_a_slope_is_of_what_comes_after_the_warm_up() -> None:
    growing = [Sample(n, 400.0 + n / 100 + (80 if n < 200 else 0), 1, 1.0, 1.0) for n in range(20, 2001, 20)]
    assert memory_slope(growing) == pytest.approx(10.0)


def test_a_revision_is_overdue_by_its_name(tmp_path: Path) -> None:
    home = stocked_home(tmp_path / "home", trading_calendar().between(date(2024, 1, 2), date(2024, 1, 5)))
    for name in ("20240101T234500Z", "20240601T234500Z"):
        (home.published / "revisions" / name).mkdir(parents=True)
    assert overdue_revisions(home, datetime(2024, 6, 30)) == ["20240101T234500Z"]
