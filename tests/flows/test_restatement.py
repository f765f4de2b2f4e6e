"""A settlement restated 30 sessions back: which tables and sessions change, which nights are revised, what is kept."""

import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from flows.home import Home
from flows.manifests import manifest_path
from tests.flows.small_home import (
    LATER,
    NIGHTS,
    copied,
    import_paths,
    published_rows,
    run_night,
    snapshot_hashes,
)
from tests.small_market import SmallMarket, small_market, vx_file
from transforms.schemas import CURVE_DAILY, FUTURES_SETTLEMENT, SIGNAL_DAILY, TABLES
from transforms.sessions import TradingCalendar

RESTATED = date(2024, 1, 17)
FEBRUARY = date(2024, 2, 14)
# The sessions from the restated one on, typed from a calendar of early 2024 (no session on 15 January and 19 February).
FROM_THEN_ON = [
    *(date(2024, 1, day) for day in (17, 18, 19, 22, 23, 24, 25, 26, 29, 30, 31)),
    *(date(2024, 2, day) for day in (1, 2, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 20, 21, 22, 23, 26, 27, 28, 29)),
]
NIGHTS_FROM_THEN_ON = [date(2024, 2, 1), date(2024, 2, 28), date(2024, 2, 29)]
# February's contract is the front month on the restated session: every figure through time that reads the curve moves
# from then on, the levels of the day only that day. Breadth, vol of vol, rates, quotes and the row of the night before
# do not read it.
EXPECTED = {
    "core.futures_settlement": [RESTATED],
    "feature.term_structure": [RESTATED],
    "feature.curve_daily": [RESTATED],
    "feature.momentum_daily": FROM_THEN_ON,
    "feature.mean_reversion_daily": FROM_THEN_ON,
    "mart.signal_daily": NIGHTS_FROM_THEN_ON,
}
# One file a year: those of 2024 that hold the rows above, the list of landed files, of which one lost a row, and the
# pages of the nights revised.
REPLACED = sorted(
    [f"snapshots/{table}/session_year=2024/part-0.parquet" for table in EXPECTED]
    + ["snapshots/core.landed_file/part-0.parquet"]
    + [f"reports/{night}.html" for night in NIGHTS_FROM_THEN_ON]
)


CURVE_2024 = "snapshots/feature.curve_daily/session_year=2024/part-0.parquet"


def restated_file(folder: Path, market: SmallMarket) -> Path:
    folder.mkdir()
    path = folder / f"VX_{FEBRUARY}.csv"
    path.write_bytes(vx_file(market.sessions, FEBRUARY, restated={RESTATED: 23.45}))
    return received(path, LATER)


def received(path: Path, at: datetime) -> Path:
    """Give a file its modification time, which says which of two editions is the newer."""
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def changed_sessions(before: Path, after: Path) -> dict[str, list[date]]:
    """The sessions of which some published row differs, by table."""
    found = {}
    for table in TABLES:
        if not table.session_column:
            continue
        old, new = published_rows(before, table), published_rows(after, table)
        sides = (old.join(new, on=table.column_names, how="anti", nulls_equal=True),
                 new.join(old, on=table.column_names, how="anti", nulls_equal=True))  # fmt: skip
        days = pl.concat([side["session_date"] for side in sides]).unique().sort().to_list()
        if days:
            found[table.full_name] = days
    return found


def test_the_restated_session_is_thirty_sessions_back(market: SmallMarket) -> None:
    assert market.sessions[-31:] == FROM_THEN_ON


def test_a_restated_settlement_changes_exactly_these_tables_and_sessions_and_keeps_the_old_bytes(
    base_home: Home,
    home: Home,
    market: SmallMarket,
    tmp_path: Path,
) -> None:
    result = import_paths(home, [restated_file(tmp_path / "late", market)], now=LATER)
    assert changed_sessions(base_home.published, home.published) == EXPECTED
    assert result.revised == NIGHTS_FROM_THEN_ON
    kept = home.published / "revisions" / "20240302T230000Z"
    files = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
    assert files == REPLACED
    for path in files:
        assert (kept / path).read_bytes() == (base_home.published / path).read_bytes()
    for session in NIGHTS:
        before, after = (manifest_path(where.published, session).read_bytes() for where in (base_home, home))
        assert (before != after) == (session in NIGHTS_FROM_THEN_ON)
        if before != after:
            (signal,) = published_rows(home.published, SIGNAL_DAILY).filter(session_date=session).to_dicts()
            assert json.loads(after)["inputs_sha256"] == signal["inputs_sha256"] != json.loads(before)["inputs_sha256"]
    untouched = {path: sha for path, sha in snapshot_hashes(base_home.published).items() if path not in REPLACED}
    assert len(untouched) > 15
    assert untouched.items() <= snapshot_hashes(home.published).items()


def test_a_year_somebody_changed_is_published_from_the_warehouse_whole(
    base_home: Home, home: Home, market: SmallMarket, tmp_path: Path
) -> None:
    """Rows before the restated session would be taken from the file, were it the one published."""
    alone = copied(base_home, tmp_path / "alone")
    tampered = home.published / CURVE_2024
    tampered.chmod(0o644)
    rows = pl.read_parquet(tampered, hive_partitioning=False)
    rows.with_columns(pl.col("vx1") + 1.0).write_parquet(tampered)
    late = restated_file(tmp_path / "late", market)
    for own in (alone, home):
        import_paths(own, [late], now=LATER)
    assert snapshot_hashes(home.published) == snapshot_hashes(alone.published)
    assert (home.published / "revisions" / "20240302T230000Z" / CURVE_2024).exists()


def test_a_curve_figure_of_the_restated_session_is_the_new_one(
    base_home: Home,
    home: Home,
    market: SmallMarket,
    tmp_path: Path,
) -> None:
    import_paths(home, [restated_file(tmp_path / "late", market)], now=LATER)
    before, after = (
        published_rows(where.published, CURVE_DAILY).filter(pl.col("session_date") == RESTATED).row(0, named=True)
        for where in (base_home, home)
    )
    assert after["vx1"] == 23.45 != before["vx1"]
    assert after["vx2"] == before["vx2"]
    assert after["contango_ratio"] == after["vx2"] / 23.45 - 1


def test_a_session_more_revises_no_night_and_keeps_no_old_file(
    home: Home,
    market: SmallMarket,
    calendar: TradingCalendar,
    tmp_path: Path,
) -> None:
    next_session = date(2024, 3, 1)
    longer = small_market(calendar, last=next_session, n_chains=1)
    import_paths(home, [received(path, LATER) for path in longer.write(tmp_path / "files")], now=LATER)
    result = run_night(home, next_session, now=LATER + timedelta(minutes=5))
    assert result.sessions == [next_session]
    assert result.revised == []
    assert not (home.published / "revisions").exists()
    assert published_rows(home.published, SIGNAL_DAILY)["session_date"].max() == next_session


def test_an_older_edition_delivered_late_changes_no_figure(
    base_home: Home,
    home: Home,
    market: SmallMarket,
    tmp_path: Path,
) -> None:
    import_paths(home, [received(restated_file(tmp_path / "late", market), datetime(2024, 2, 29, 23))], now=LATER)
    changed = changed_sessions(base_home.published, home.published)
    # Which file first said a settlement is the older edition now, except on the session where it says another.
    assert changed.keys() == {"core.futures_settlement", "mart.signal_daily"}
    assert RESTATED not in changed["core.futures_settlement"]
    for table in (FUTURES_SETTLEMENT, SIGNAL_DAILY):
        figures = [name for name in table.column_names if name not in {"source_sha256", "inputs_sha256"}]
        before, after = published_rows(base_home.published, table), published_rows(home.published, table)
        assert after.select(figures).equals(before.select(figures))
