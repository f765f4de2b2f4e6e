"""Offsets over condor drawdowns and FOMC spikes: by hand, and against a plain loop over random books."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tests.transforms.book.random_book import frame, random_book
from transforms.book.engine_statistics import BookTables
from transforms.book.offset import condor_drawdowns, drawdown_in_force, drawdown_path, fomc_spikes
from transforms.schemas import ECONOMIC_EVENT, ENGINE_DAILY, INDEX_LEVEL, POSITION, POSITION_DAILY, POSITION_EVENT
from transforms.sessions import TradingCalendar

MONDAY = date(2024, 3, 4)
DAYS = [MONDAY + timedelta(days=number) for number in range(12) if number % 7 < 5]


def engines(condor: list[float], second: list[float], *, layers: int = 1) -> pl.DataFrame:
    """Rows of mart.engine_daily with these equities."""
    rows = [
        {"session_date": day, "engine": name, "equity": equity, "n_open": layers}
        for name, equities in (("condor", condor), ("second", second))
        for day, equity in zip(DAYS, equities, strict=False)
    ]
    return frame(ENGINE_DAILY, rows)


def one_condor(levels: list[float], *, credit: float = 5.0, event: tuple[int, str] | None = None) -> pl.DataFrame:
    """Return the drawdown path of one condor of one contract with these P&Ls from the first day on."""
    position = frame(POSITION, [{"position_id": "c", "session_date": MONDAY, "book": "paper", "engine": "condor",
                                 "contracts": 1, "entry_credit": credit}])  # fmt: skip
    happened = [{"session_date": MONDAY, "position_id": "c", "event": "opened"}]
    if event:
        happened.append({"session_date": DAYS[event[0]], "position_id": "c", "event": event[1]})
    daily = [
        {"session_date": day, "position_id": "c", "pnl_total": level} for day, level in zip(DAYS, levels, strict=False)
    ]
    return drawdown_path(position, frame(POSITION_EVENT, happened), frame(POSITION_DAILY, daily))


def states(path: pl.DataFrame) -> list[tuple[int, int, int, float]]:
    """Return session, peak and trough (positions in DAYS) and loss."""
    return [
        (DAYS.index(row["session_date"]), DAYS.index(row["drawdown_from"]), DAYS.index(row["drawdown_to"]), row["loss"])
        for row in path.iter_rows(named=True)
    ]


def test_a_drawdown_runs_from_the_last_high_to_the_last_low() -> None:
    # Credit 500 dollars: 50 must be lost. The high of 20 comes twice, the low of -40 too.
    path = one_condor([0, 20, 20, -29, -40, -10, -40, 19, 20, 30])
    assert states(path) == [(4, 2, 4, 60.0), (5, 2, 4, 60.0), (6, 2, 6, 60.0), (7, 2, 6, 60.0)]


def test_a_loss_of_a_tenth_of_the_credit_counts_and_less_does_not() -> None:
    assert states(one_condor([0, -49.99])) == []
    assert states(one_condor([0, -50])) == [(1, 0, 1, 50.0)]
    assert states(one_condor([0, -50], credit=0.0)) == []
    assert states(one_condor([0, -50], credit=-1.0)) == []


@pytest.mark.parametrize("event", ["widened", "tightened", "reduced"])
def test_sessions_from_the_first_adjustment_on_do_not_count(event: str) -> None:
    assert states(one_condor([0, -60, -200, -300], event=(2, event))) == [(1, 0, 1, 60.0)]
    assert len(one_condor([0, -60, -200, -300], event=(2, "settled"))) == 3


def test_the_offset_is_what_the_second_engine_earned_over_what_the_first_lost() -> None:
    path = one_condor([0, 20, -60, -80, 30, -100])
    found = condor_drawdowns(path, engines([0, 20, -60, -80, 30, -100], [0, 5, 30, 70, 10, 0]))
    assert found.select("loss", "pnl_first", "pnl_second", "layers_open", "offset_ratio").rows() == [
        (100.0, -100.0, 65.0, 1, pytest.approx(0.65)),
        (130.0, -130.0, -10.0, 1, pytest.approx(-10 / 130)),
    ]
    assert found["last_session"].to_list() == [DAYS[3], DAYS[5]]


def test_there_is_no_ratio_where_the_first_engine_did_not_lose_a_tenth_of_the_credit() -> None:
    path = one_condor([0, -80])
    for equity, ratio in ((-50.0, 0.2), (-49.0, None), (10.0, None)):
        (row,) = condor_drawdowns(path, engines([0, equity], [0, 10])).to_dicts()
        assert (row["loss"], row["pnl_first"], row["offset_ratio"]) == (80.0, equity, ratio)


def test_the_drawdown_in_force_outlives_its_end_until_the_next() -> None:
    sessions = pl.DataFrame({"session_date": DAYS})
    found = drawdown_in_force(one_condor([0, -60, 10, 12, -90, -80]), sessions)
    peaks = [None if day is None else DAYS.index(day) for day in found["drawdown_from"]]
    assert peaks == [None, 0, 0, 0, 3, 3, *[3] * (len(DAYS) - 6)]


@pytest.mark.parametrize("seed", range(6))
def test_drawdowns_are_those_of_a_plain_loop(seed: int, calendar: TradingCalendar) -> None:
    book = random_book(calendar, n_sessions=120, seed=seed)
    path = drawdown_path(book.position, book.position_event, book.position_daily)
    found = {(row[0], row[1]): row[2:] for row in path.drop("credit").iter_rows()}
    assert found == _looped(book)
    assert len(found) > 50


def _looped(book: BookTables) -> dict[tuple[date, str], Any]:
    result = {}
    for own in book.position.filter((pl.col("engine") == "condor") & (pl.col("book") == "paper")).to_dicts():
        events = book.position_event.filter(pl.col("position_id") == own["position_id"])
        adjusted = events.filter(pl.col("event").is_in(["widened", "tightened", "reduced"]))["session_date"].min()
        seen: list[tuple[date, float]] = []
        for row in (
            book.position_daily.filter(pl.col("position_id") == own["position_id"]).sort("session_date").to_dicts()
        ):
            if adjusted is not None and row["session_date"] >= adjusted:
                break
            seen.append((row["session_date"], row["pnl_total"]))
            high = max(level for _, level in seen)
            peak = max(day for day, level in seen if level == high)
            low = min(level for day, level in seen if day >= peak)
            trough = max(day for day, level in seen if day >= peak and level == low)
            if seen[-1][1] < high and high - low >= 0.1 * 100 * own["entry_credit"] * own["contracts"]:
                result[row["session_date"], own["position_id"]] = (peak, trough, high - low)
    return result


def vix(*closes: float) -> pl.DataFrame:
    rows = [{"session_date": day, "symbol": "VIX", "close": close} for day, close in zip(DAYS, closes, strict=False)]
    return frame(INDEX_LEVEL, rows)


def decisions(*rows: tuple[date, str, int | None]) -> pl.DataFrame:
    """Return FOMC rows: the day, the event and the hour in UTC."""
    return frame(
        ECONOMIC_EVENT,
        [
            {"event_date": day, "event": event,
             "event_ts": None if hour is None else datetime(day.year, day.month, day.day, hour)}
            for day, event, hour in rows
        ],
    )  # fmt: skip


def test_a_spike_is_measured_from_the_close_before_to_the_close_after_the_decision() -> None:
    events = decisions((DAYS[2], "fomc_decision", 19), (DAYS[4], "fomc_decision", 19), (DAYS[3], "cpi", 13))
    found = fomc_spikes(events, vix(15, 15, 16.5, 16, 17.5, 17), engines([0, 0, -100, 50, 50, 0], [0, 0, 70, 0, 0, 0]))
    (row,) = found.to_dicts()
    assert (row["event_date"], row["drawdown_from"], row["drawdown_to"]) == (DAYS[2], DAYS[1], DAYS[2])
    assert (row["vix_from"], row["vix_to"], row["offset_ratio"]) == (15.0, 16.5, 0.7)


def test_a_decision_after_the_close_or_on_a_weekend_is_answered_on_the_next_session() -> None:
    late, sunday = DAYS[1], DAYS[4] + timedelta(days=2)
    events = decisions((late, "fomc_intermeeting", 22), (sunday, "fomc_intermeeting", None))
    levels = vix(10, 20, 23, 23, 23, 30, 30)
    found = fomc_spikes(events, levels, engines([0] * 7, [0] * 7))
    assert found.select("event_date", "drawdown_from", "drawdown_to").rows() == [
        (late, DAYS[1], DAYS[2]),
        (sunday, DAYS[4], DAYS[5]),
    ]
    assert found["offset_ratio"].to_list() == [None, None]


def test_a_decision_outside_the_book_or_without_a_close_after_is_left_out() -> None:
    events = decisions((DAYS[0], "fomc_decision", 19), (DAYS[6], "fomc_decision", 19))
    assert fomc_spikes(events, vix(10, 20), engines([0, 0], [0, 0])).is_empty()
