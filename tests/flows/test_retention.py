"""Pruning drops what is older than the settings allow, and never what the rest is made from."""

import os
from datetime import datetime
from pathlib import Path

import pytest

from flows.home import Home
from flows.retention import prune
from flows.settings import RetentionSettings, Settings
from tests.flows.small_home import new_home

NOW = datetime(2024, 6, 30, 12)
SETTINGS = Settings(retention=RetentionSettings(revisions_days=90, reports_days=365, logs_days=30))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


def written(path: Path, *, changed: datetime = NOW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (changed.timestamp(), changed.timestamp()))
    return path


def test_age_is_what_a_name_says_and_the_last_change_where_it_says_nothing(home: Home) -> None:
    published = home.published
    # Copies made today of old things: their names count.
    for stamp in ("20240101T234500Z", "20240401T115959Z", "20240401T120001Z", "20240629T000000Z"):
        written(published / "revisions" / stamp / "snapshots" / "mart.signal_daily" / "part-0.parquet")
    for name in ("2022-01-03.html", "2023-06-30.html", "2023-07-02.html", "latest.html"):
        written(published / "reports" / name)
    for name, changed in (("old.log", datetime(2024, 5, 1)), ("new.log", datetime(2024, 6, 29))):
        written(home.logs / name, changed=changed)
    written(published / "revisions" / "withdrawn" / "part-0.parquet")

    removed = prune(home, settings=SETTINGS, now=NOW)

    assert [path.name for path in removed] == [
        "20240101T234500Z", "20240401T115959Z", "2022-01-03.html", "2023-06-30.html", "old.log",
    ]  # fmt: skip
    assert not any(path.exists() for path in removed)
    kept = sorted(path.name for path in (published / "revisions").iterdir())
    assert kept == ["20240401T120001Z", "20240629T000000Z", "withdrawn"]
    assert (published / "reports" / "latest.html").exists()
    assert prune(home, settings=SETTINGS, now=NOW) == []


def test_landing_ledger_snapshots_and_manifests_are_never_dropped(home: Home) -> None:
    ancient = datetime(1990, 1, 1)
    kept = [
        written(folder / name, changed=ancient)
        for folder in (home.landing, home.ledger, home.inbox, home.rejected, home.published / "snapshots")
        for name in ("20200101T000000Z", "2020-01-01.html")
    ]
    kept.append(written(home.published / "manifests" / "session_date=2020-01-02.json", changed=ancient))
    everything = Settings(retention=RetentionSettings(revisions_days=0, reports_days=0, logs_days=0))
    assert prune(home, settings=everything, now=datetime(2100, 1, 1)) == []
    assert all(path.exists() for path in kept)


def test_a_link_is_removed_and_not_what_it_points_to(home: Home, tmp_path: Path) -> None:
    precious = written(tmp_path / "precious" / "file")
    (home.published / "revisions").mkdir()
    (home.published / "revisions" / "20200101T000000Z").symlink_to(precious.parent)
    assert len(prune(home, settings=SETTINGS, now=NOW)) == 1
    assert precious.exists()
