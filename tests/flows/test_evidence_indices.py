"""CNDR and VXTH from the chains of a home: published by a replay, without look-ahead, with a reason where they lack."""

from datetime import date, datetime

import polars as pl
import pytest

from flows import night
from flows.demo import SETTINGS
from flows.evidence import gather_evidence, published_evidence
from flows.home import Home, prepare_home
from flows.settings import Settings, read_settings
from flows.terminal_evidence import show_evidence
from flows.warehouse import Warehouse
from tests.flows.small_home import LATER, built_once, copied, published_rows
from transforms.book.settlement import settlement_values
from transforms.evidence.benchmarks import condor_index, marked_chain
from transforms.evidence.claims.risk_adjusted_return import bill_rates
from transforms.sample_market.market import daily_files, session_files, simulate_market
from transforms.schemas import (
    BENCHMARK_DAILY,
    EVIDENCE_BREAKDOWN,
    INDEX_LEVEL,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    SETTLEMENT_VALUE,
    TREASURY_RATE,
)
from transforms.sessions import TradingCalendar

# VIX options expire on the first of these and on October 22, SPX options on the others.
VIX_ROLL, SPX_ROLL, SPX_END = date(2025, 9, 17), date(2025, 9, 19), date(2025, 10, 17)
ROLL_NIGHTS = (VIX_ROLL, SPX_ROLL, SPX_END)
ROLLS_NOW = datetime(2025, 10, 19)


@pytest.fixture(scope="session")
def rolled_home(tmp_path_factory: pytest.TempPathFactory, calendar: TradingCalendar) -> Home:
    """A sample market with chains on the roll sessions of a month, and their nights. Not to be changed: copy it."""
    with built_once(tmp_path_factory, "rolled-home") as (folder, fresh):
        home = Home(folder / "home")
        if fresh:
            prepare_home(home)
            home.settings_file.write_text(SETTINGS)
            market = simulate_market(
                calendar=calendar, last_session=SPX_END, seed=2, n_chain_sessions=23, n_history_sessions=80
            )
            rows = [row for row in market.chain_rows if market.session_date(row) in ROLL_NIGHTS]
            for file in [*daily_files(market), *(file for row in rows for file in session_files(market, row))]:
                (home.inbox / file.name).write_bytes(file.payload)
            night.import_files(home, paths=[home.inbox], settings=read_settings(home), now=ROLLS_NOW)
            for session in ROLL_NIGHTS:
                night.run_nights(
                    home, asked=session, settings=read_settings(home), now=ROLLS_NOW, stages=night.plain_stages()
                )
    return home


@pytest.fixture(scope="module")
def replayed_home(rolled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = copied(rolled_home, tmp_path_factory.mktemp("replayed") / "home")
    gather_evidence(home, settings=read_settings(home), now=ROLLS_NOW)
    return home


def rows_of(home: Home, name: str) -> pl.DataFrame:
    return published_rows(home.published, BENCHMARK_DAILY).filter(pl.col("benchmark") == name).sort("session_date")


def test_both_indices_are_published_for_every_night(replayed_home: Home) -> None:
    cndr, vxth = rows_of(replayed_home, "cndr"), rows_of(replayed_home, "vxth")
    assert cndr["session_date"].to_list() == vxth["session_date"].to_list() == list(ROLL_NIGHTS)
    assert cndr["level"].null_count() == 1
    assert cndr["level"][1] == vxth["level"][0] == 100.0
    assert cndr["missing"].to_list() == ["a roll: no monthly SPX expiration since the first chain", None, None]
    # Nothing is quoted before the first night that would say what dividends are paid up to it.
    assert vxth["missing"].to_list() == [
        "dividends: no SPX slice of three months or more by the session before",
        None,
        None,
    ]
    assert cndr["rolled_on"].to_list() == [None, SPX_ROLL, SPX_END]
    assert vxth["expiration"].to_list() == [date(2025, 10, 22)] * 3
    assert vxth["position"][0].startswith("1.0% in calls")
    for frame in (cndr, vxth):
        returned = (frame["level"] / frame["level"].shift(1) - 1.0).to_list()
        assert frame["return_daily"].to_list() == [one if one is None else pytest.approx(one) for one in returned]


def test_what_is_left_out_of_the_chains_no_index_reads(replayed_home: Home, calendar: TradingCalendar) -> None:
    with Warehouse(replayed_home.warehouse) as warehouse:
        whole = marked_chain(warehouse.read(OPTION_QUOTE), warehouse.read(OPTION_ANALYTICS))
        settled = settlement_values(warehouse.read(SETTLEMENT_VALUE), warehouse.read(INDEX_LEVEL), calendar=calendar)
        bills = bill_rates(warehouse.read(TREASURY_RATE))
    # Sessions' Fridays and Saturdays are one expiration since 2015.
    settled = settled.filter(pl.col("expiration") == pl.col("fixed_on"))
    found = condor_index(whole, settlement_value=settled, bill_rate=bills, calendar=calendar)
    cndr = rows_of(replayed_home, "cndr").drop_nulls("level")
    assert found.daily["session_date"].to_list() == cndr["session_date"].to_list()
    assert found.daily["level"].to_list() == cndr["level"].to_list()
    assert cndr["position"][0] == "puts {}/{}, calls {}/{}, for {}".format(
        *found.rolls.row(0)[2:6], round(found.rolls["credit"][0], 2)
    )


def test_a_later_night_changes_no_earlier_row(
    rolled_home: Home, replayed_home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = copied(rolled_home, tmp_path_factory.mktemp("earlier") / "home")
    with Warehouse(home.warehouse) as warehouse, warehouse.transaction():
        nights = warehouse.read_meta("meta.night").filter(pl.col("session_date") < SPX_END)
        warehouse.write_meta("meta.night", nights)
    gather_evidence(home, settings=read_settings(home), now=ROLLS_NOW)
    earlier = published_rows(home.published, BENCHMARK_DAILY)
    later = published_rows(replayed_home.published, BENCHMARK_DAILY)
    assert earlier.equals(later.filter(pl.col("session_date") < SPX_END))


def test_the_indices_stand_beside_the_books(replayed_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    document = published_evidence(replayed_home)
    assert [row["book"] for row in document["books"]] == ["condor", "second", "both", "cndr", "vxth"]
    of_index = {row["book"]: row for row in document["books"]}["cndr"]
    returns = rows_of(replayed_home, "cndr")["return_daily"].drop_nulls()
    assert of_index["n"] == len(returns) == 1
    assert of_index["pnl"] == pytest.approx(100_000 * returns.sum())
    assert of_index["sharpe_ratio"] is None
    breakdown = published_rows(replayed_home.published, EVIDENCE_BREAKDOWN)
    everything = breakdown.filter((pl.col("breakdown") == "all") & (pl.col("book") == "cndr"))
    assert everything["pnl_total"].to_list() == [pytest.approx(100_000 * returns.sum())]
    show_evidence(document)
    shown = capsys.readouterr().out
    assert "CNDR, rebuilt" in shown
    assert "1 sessions without a level; last it lacked a roll" in shown


def test_without_chains_of_vix_there_is_no_index_and_it_is_said(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    gather_evidence(home, settings=Settings(), now=LATER)
    vxth = rows_of(home, "vxth")
    assert vxth["level"].null_count() == vxth.height == 4
    assert set(vxth["missing"]) == {"VIX options: no chain by this session"}
    assert not set(published_rows(home.published, EVIDENCE_BREAKDOWN)["book"]) & {"cndr", "vxth"}
    show_evidence(published_evidence(home))
    assert "VXTH, rebuilt: 4 sessions without a level; last it lacked VIX options: no chain" in capsys.readouterr().out
