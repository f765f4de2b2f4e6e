"""A replay is the nights again: the same steps and decisions, settings side by side, nothing of what follows."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from tests.transforms.book.market import Market, market, night_settings, run_session
from transforms.book.night import NightSettings
from transforms.book.rows import BookRows
from transforms.book.session import SessionInputs, add_session
from transforms.book.state import Book
from transforms.evidence.replay import DEFAULT, Load, Replay, Variant, replayed
from transforms.schemas import DECISION, ENGINE_DAILY
from transforms.sessions import TradingCalendar

FIRST, LAST = date(2023, 1, 3), date(2023, 9, 29)


def loader(own: Market) -> Load:
    def load(day: date, held: Collection[date]) -> SessionInputs:
        return replace(own.inputs(day), held=())

    return load


@pytest.fixture(scope="module")
def own(calendar: TradingCalendar) -> Market:
    return market(calendar, first=FIRST, last=LAST)


@pytest.fixture(scope="module")
def settings() -> NightSettings:
    return night_settings()


@pytest.fixture(scope="module")
def sessions(own: Market, calendar: TradingCalendar) -> list[date]:
    return calendar.between(FIRST, LAST)


@pytest.fixture(scope="module")
def replay(own: Market, sessions: list[date], settings: NightSettings) -> Replay:
    alone = Variant("alone", settings, has_second_engine=False)
    mid = Variant("mid", replace(settings, terms=replace(settings.terms, fill_slippage=0.0)))
    return replayed(sessions, [Variant(DEFAULT, settings), alone, mid], load=loader(own))


def test_the_replay_is_the_nights_stepped_one_by_one(
    own: Market, sessions: list[date], settings: NightSettings, replay: Replay
) -> None:
    book, rows = Book(), BookRows()
    for day in sessions:
        session = replace(own.inputs(day), held=())
        night = run_session(book, session, settings)
        add_session(rows, night.reached, session, before=book)
        book = night.book
    assert replay.frames[DEFAULT][ENGINE_DAILY.full_name].equals(rows.frames()[ENGINE_DAILY])


def test_without_the_second_engine_no_layer_is_opened(replay: Replay) -> None:
    both, alone = (replay.frames[name][ENGINE_DAILY.full_name] for name in (DEFAULT, "alone"))
    assert both.filter(pl.col("engine") == "second")["n_open"].max() > 0
    assert alone.filter(pl.col("engine") == "second")["n_open"].max() == 0
    decided = replay.frames["alone"][DECISION.full_name]
    assert "activate_second_engine" not in decided["decision"].to_list()


def test_fills_at_the_mid_cost_nothing_beyond_it(replay: Replay) -> None:
    crossed, mid = (replay.frames[name][ENGINE_DAILY.full_name]["pnl_slippage"].sum() for name in (DEFAULT, "mid"))
    assert crossed < 0.0
    assert abs(mid) < 1e-6


def test_daily_rows_are_one_a_session_book_and_variant(replay: Replay, sessions: list[date]) -> None:
    daily = replay.daily()
    assert daily.height == len(sessions) * 3 * 3
    own = daily.filter((pl.col("book") == "both") & (pl.col("variant") == DEFAULT)).sort("session_date")
    assert own["pnl"].cum_sum().to_list() == pytest.approx(own["equity"].to_list(), abs=1e-6)


def test_a_shorter_history_says_the_same_of_its_sessions(
    own: Market, sessions: list[date], settings: NightSettings, replay: Replay
) -> None:
    half = sessions[: len(sessions) // 2]
    short = replayed(half, [Variant(DEFAULT, settings)], load=loader(own.until(half[-1])))
    whole = replay.daily().filter((pl.col("variant") == DEFAULT) & (pl.col("session_date") <= half[-1]))
    assert short.daily().equals(whole)
    assert short.activation_window.height < replay.activation_window.height
    assert (short.activation_window["window_end"] <= half[-1]).all()


def test_windows_tell_what_a_layer_held_to_settlement_earned(replay: Replay, sessions: list[date]) -> None:
    windows = replay.activation_window
    assert windows.height > 20
    assert windows["is_activated"].any()
    assert not windows["is_activated"].all()
    assert (windows["session_date"] < windows["window_end"]).all()
    assert windows["outcome"].min() < 0.0 < windows["outcome"].max()
