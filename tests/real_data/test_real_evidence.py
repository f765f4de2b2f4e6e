"""Figures of docs/real_evidence.md against the vendors' files read again with plain Python.

The parser of VX files is that of test_indicators_real.py, which knows nothing of the transforms; only the trading
calendar is shared.
"""

import csv
import math
import statistics
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from benchmarks.real_evidence import (
    Histories,
    contango_by_year,
    decision_windows,
    decisions,
    oversold_starts,
    read_histories,
    worst_sessions,
)
from benchmarks.real_evidence_page import Figure
from flows.home import Home
from tests.real_data.imported_home import imported_home  # noqa: F401
from tests.real_data.test_indicators_real import monthly_expiration, read_index, read_vx
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.real_data

PAGE = Path(__file__).resolve().parents[2] / "docs" / "real_evidence.md"
FIRST = date(2004, 3, 26)
Closes = dict[date, float]


@pytest.fixture(scope="module")
def histories(imported_home: Home) -> Histories:  # noqa: F811
    return read_histories(imported_home.published)


@pytest.fixture(scope="module")
def contango(histories: Histories) -> list[Figure]:
    return list(contango_by_year(histories.daily))


@pytest.fixture(scope="module")
def vix(shared_data: Path) -> Closes:
    return read_index(shared_data / "index_history" / "VIX_History.csv.gz")


@pytest.fixture(scope="module")
def spx(shared_data: Path) -> Closes:
    return read_index(shared_data / "index_history" / "SPX_History_yahoo_in_cboe_layout.csv.gz")


def test_contango_of_2010_is_that_of_the_contract_files(
    contango: list[Figure], shared_data: Path, calendar: TradingCalendar
) -> None:
    settles, _ = read_vx(shared_data / "vx_futures", calendar)
    months = [monthly_expiration(year, month, calendar) for year in (2010, 2011) for month in range(1, 13)]
    ratios = []
    for session in calendar.between(date(2010, 1, 1), date(2010, 12, 31)):
        front, second = [month for month in months if month > session][:2]
        ratios.append(settles[session, second] / settles[session, front] - 1.0)
    found = {one.name: one for one in contango if one.row == "2010"}
    above = 100.0 * sum(ratio > 0.08 for ratio in ratios) / len(ratios)
    assert (found["above 8%"].n, found["above 8%"].estimate) == (252, pytest.approx(above))
    assert found["median contango"].estimate == pytest.approx(100.0 * statistics.median(ratios), rel=1e-9)
    low, high = found["above 8%"].low_95, found["above 8%"].high_95
    assert low is not None
    assert high is not None
    assert low < above < high


def test_the_return_of_vx_held_is_that_of_one_contract(
    histories: Histories, shared_data: Path, calendar: TradingCalendar
) -> None:
    settles, _ = read_vx(shared_data / "vx_futures", calendar)
    held = dict(histories.daily.select("session_date", "held_return").iter_rows())
    august = monthly_expiration(2011, 8, calendar)
    before, day = date(2011, 8, 5), date(2011, 8, 8)
    assert held[day] == pytest.approx(settles[day, august] / settles[before, august] - 1.0)
    # The contract of August is rolled at the close of the session before it expires.
    september = monthly_expiration(2011, 9, calendar)
    last = calendar.before(august)
    assert held[august] == pytest.approx(settles[august, september] / settles[last, september] - 1.0)


def test_fomc_decisions_and_their_spikes_are_those_of_the_files(
    histories: Histories, shared_data: Path, vix: Closes
) -> None:
    with (shared_data / "calendars" / "macro_events.csv").open(newline="") as lines:
        days = {date.fromisoformat(row["date"]) for row in csv.DictReader(lines) if row["event"] == "fomc_decision"}
    sessions = sorted(day for day in vix if day >= FIRST)
    changes = []
    for day in sorted(days):
        after = next((session for session in sessions if session >= day), None)
        if after is not None and after > sessions[0]:
            changes.append(vix[after] / vix[sessions[sessions.index(after) - 1]] - 1.0)
    found = {(one.row, one.name): one for one in decisions(histories)}
    median, spikes = (found["scheduled decisions", name] for name in ("median change of VIX", "VIX up a tenth or more"))
    assert (median.n, median.estimate) == (len(changes), pytest.approx(100.0 * statistics.median(changes)))
    assert spikes.estimate == pytest.approx(100.0 * sum(change >= 0.1 for change in changes) / len(changes))
    # Sunday 2020-03-15 was decided between the closes of Friday and Monday.
    windows = decision_windows(histories.tables["core.economic_event"], histories.daily)
    sunday = windows.row(by_predicate=pl.col("event_date") == date(2020, 3, 15), named=True)
    assert (sunday["vix_before"], sunday["vix"]) == (vix[date(2020, 3, 13)], vix[date(2020, 3, 16)])


def test_the_worst_sessions_are_those_of_the_index_files(histories: Histories, spx: Closes, vix: Closes) -> None:
    days = sorted(day for day in spx if day >= FIRST)
    falls = sorted((spx[day] / spx[before] - 1.0, day, before) for before, day in pairwise(days))
    found = worst_sessions(histories.daily)
    assert found["session_date"].to_list() == [day for _, day, _ in falls[:10]]
    assert found["spx_return"].to_list() == pytest.approx([fall for fall, _, _ in falls[:10]], abs=1e-5)
    assert found["vix_change"].to_list() == pytest.approx([vix[day] - vix[before] for _, day, before in falls[:10]])
    assert found["contango_before"].max() < 0.0  # type: ignore[operator]


def test_what_vix_promised_is_compared_with_the_month_after(histories: Histories, spx: Closes, vix: Closes) -> None:
    days = sorted(day for day in spx if day >= FIRST)
    day = date(2020, 2, 19)
    at = days.index(day)
    squares = [math.log(spx[days[step]] / spx[days[step - 1]]) ** 2 for step in range(at + 1, at + 22)]
    realized = 100.0 * math.sqrt(252.0 * statistics.fmean(squares))
    row = histories.daily.row(by_predicate=pl.col("session_date") == day, named=True)
    assert row["realized_ahead"] == pytest.approx(realized, rel=1e-4)
    assert row["vix_ahead_21"] == pytest.approx(vix[days[at + 21]] - vix[day])


def test_an_episode_begins_below_thirty_after_a_session_that_was_not(histories: Histories) -> None:
    rsi = histories.daily["rsi"].to_list()
    starts, lengths = [], []
    for at in range(1, len(rsi)):
        now, before = rsi[at], rsi[at - 1]
        if now is not None and before is not None and now < 30.0 <= before:
            starts.append(at)
            length = 0
            while at + length < len(rsi) and rsi[at + length] is not None and rsi[at + length] < 30.0:
                length += 1
            lengths.append(length)
    found = oversold_starts(histories.daily)
    assert found["session_number"].to_list() == starts
    assert found["sessions"].to_list() == lengths


def test_the_page_is_written_from_these_figures(contango: list[Figure], histories: Histories) -> None:
    text = PAGE.read_text()
    for one in contango:
        if one.name == "above 8%":
            assert f"{one.estimate:.1f} ({one.low_95:.1f} to {one.high_95:.1f}; {one.n:,})" in text, one
    for row in worst_sessions(histories.daily)["session_date"]:
        assert f"| {row} |" in text
