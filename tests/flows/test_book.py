"""The book in a home: an order of one night fills in the next, what was decided stays, what the user states counts."""

import hashlib
import json
import os
import shutil
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from flows import journal, night
from flows.cli import app
from flows.home import Home
from flows.rebuild import rebuild
from flows.settings import read_settings
from tests.flows.small_home import built_once, copied, import_paths, published_rows, run_night, snapshot_hashes
from tests.small_market import chain_file, small_market
from transforms.schemas import (
    ACCOUNT_DAILY,
    DECISION,
    FILL,
    JOURNAL,
    ORDER_STATUS,
    POSITION_DAILY,
    RULE_EVALUATION,
    SIGNAL_DAILY,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

# Friday, the eve of a week, and the two sessions after it; the Monday's chain is restated later.
EVE, MONDAY, TUESDAY = date(2024, 3, 1), date(2024, 3, 4), date(2024, 3, 5)
LATER, MUCH_LATER = datetime(2024, 3, 5, 23), datetime(2024, 3, 6, 23)
ACCOUNT = """
[account]
equity = 500000.0
cash = 200000.0
marketable_securities = 300000.0
receivables = 0.0
current_liabilities = 1000.0
"""


@pytest.fixture(scope="session")
def traded_home(tmp_path_factory: pytest.TempPathFactory, base_home: Home, calendar: TradingCalendar) -> Home:
    """The small home three nights on, with an account. Not to be changed: copy it."""
    with built_once(tmp_path_factory, "traded-home") as (folder, fresh):
        home = Home(folder / "home")
        if fresh:
            copied(base_home, home.root)
            (home.root / "alvh.toml").write_text(ACCOUNT)
            longer = small_market(calendar, last=TUESDAY, n_chains=3)
            # The three sessions quote the same expirations, as a market does.
            for day in (EVE, MONDAY, TUESDAY):
                longer.files[f"spx_quotedata_{day}.csv"] = chain_file(day, calendar, listed_on=EVE)
            paths = longer.write(folder / "files")
            for path in paths:
                os.utime(path, (LATER.timestamp(), LATER.timestamp()))
            import_paths(home, paths, now=LATER)
            for session in (EVE, MONDAY, TUESDAY):
                run_night(home, session, now=LATER)
    return home


@pytest.fixture
def traded(traded_home: Home, tmp_path: Path) -> Home:
    return copied(traded_home, tmp_path / "traded")


def rows(home: Home, table: Table, session: date | None = None) -> pl.DataFrame:
    found = published_rows(home.published, table)
    return found if session is None else found.filter(pl.col("session_date") == session)


def restated_chain(folder: Path, calendar: TradingCalendar) -> Path:
    """Monday's chain, every bid half a point higher and every offer by more.

    Of two files of one instant and source the one with the smaller hash is taken: so much more that it is this one.
    """
    original = hashlib.sha256(chain_file(MONDAY, calendar, listed_on=EVE)).hexdigest()
    texts = (_higher(calendar, by=0.7 + 0.05 * n) for n in range(200))
    path = folder / f"spx_quotedata_{MONDAY}_again.csv"
    path.write_bytes(next(text for text in texts if hashlib.sha256(text).hexdigest() < original))
    os.utime(path, (MUCH_LATER.timestamp(), MUCH_LATER.timestamp()))
    return path


def _higher(calendar: TradingCalendar, *, by: float) -> bytes:
    lines = chain_file(MONDAY, calendar, listed_on=EVE).decode().split("\n")
    for number, line in enumerate(lines[4:], start=4):
        cells = line.split(",")
        for at, higher in ((4, 0.5), (5, by), (15, 0.5), (16, by)) if len(cells) > 16 else ():
            cells[at] = f"{float(cells[at]) + higher:.2f}"
        lines[number] = ",".join(cells)
    return "\n".join(lines).encode()


def stated(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    os.utime(path, (MUCH_LATER.timestamp(), MUCH_LATER.timestamp()))
    return path


def test_an_order_of_the_eve_fills_in_the_weeks_first_session(traded_home: Home) -> None:
    (decision,) = rows(traded_home, DECISION, EVE).filter(decision="open_condor").to_dicts()
    fills = rows(traded_home, FILL)
    assert fills.filter(decision_id=decision["decision_id"]).height == 4
    assert set(fills["session_date"]) == {MONDAY}
    (status,) = rows(traded_home, ORDER_STATUS).filter(decision_id=decision["decision_id"]).to_dicts()
    assert (status["session_date"], status["status"], status["decided_on"]) == (MONDAY, "filled", EVE)
    daily = rows(traded_home, POSITION_DAILY).sort("session_date")
    assert daily["session_date"].to_list() == [MONDAY, TUESDAY]
    signal = rows(traded_home, SIGNAL_DAILY, TUESDAY)
    assert signal.height == 1


def test_a_restated_chain_changes_fills_and_marks_and_never_what_was_decided(
    traded_home: Home, traded: Home, tmp_path: Path, calendar: TradingCalendar
) -> None:
    import_paths(traded, [restated_chain(tmp_path, calendar)], now=MUCH_LATER)
    for table in (DECISION, RULE_EVALUATION):
        assert rows(traded, table).equals(rows(traded_home, table))
    for table in (FILL, POSITION_DAILY):
        assert rows(traded, table).height == rows(traded_home, table).height > 0
        assert not rows(traded, table).equals(rows(traded_home, table))
    before, after = rows(traded_home, JOURNAL), rows(traded, JOURNAL)
    assert after.join(before, on="entry_id", how="semi").sort("entry_id").equals(before.sort("entry_id"))
    (correction,) = after.join(before, on="entry_id", how="anti").to_dicts()
    (corrected,) = before.filter(kind="filled").to_dicts()
    assert (correction["kind"], correction["refers_to"]) == ("correction", corrected["entry_id"])
    assert correction["note"] != corrected["note"]
    # Asked for by name, the nights are decided anew; what was decided before is then another decision's past.
    night.run_range(
        traded, start=MONDAY, end=TUESDAY, restate=True, settings=read_settings(traded), now=MUCH_LATER,
        stages=night.plain_stages(),
    )  # fmt: skip
    renewed = rows(traded, RULE_EVALUATION, MONDAY)
    old = rows(traded_home, RULE_EVALUATION, MONDAY)
    assert renewed.filter(rule="book_risk")["measured"][0] != old.filter(rule="book_risk")["measured"][0]
    assert rows(traded, DECISION, EVE).equals(rows(traded_home, DECISION, EVE))


def test_landing_and_ledger_give_the_same_book_to_the_byte(
    traded: Home, tmp_path: Path, calendar: TradingCalendar
) -> None:
    import_paths(traded, [restated_chain(tmp_path, calendar)], now=MUCH_LATER)
    before = snapshot_hashes(traded.published)
    assert any("mart.fill" in path for path in before)
    traded.warehouse.unlink()
    shutil.rmtree(traded.published)
    rebuild(traded, settings=read_settings(traded), now=MUCH_LATER)
    assert snapshot_hashes(traded.published) == before


def test_a_changed_setting_acts_from_the_next_night_on(traded_home: Home, tmp_path: Path) -> None:
    home = copied(traded_home, tmp_path / "other")
    text = ACCOUNT + "\n[rules.book_risk]\nbook_risk_limit = 0.001\n"
    (home.root / "alvh.toml").write_text(text)
    run_night(home, TUESDAY, now=MUCH_LATER)
    for session in (EVE, MONDAY, TUESDAY):
        assert rows(home, RULE_EVALUATION, session).equals(rows(traded_home, RULE_EVALUATION, session))
    night.run_range(
        home, start=TUESDAY, end=TUESDAY, restate=True, settings=read_settings(home), now=MUCH_LATER,
        stages=night.plain_stages(),
    )  # fmt: skip
    (row,) = rows(home, RULE_EVALUATION, TUESDAY).filter(rule="book_risk").to_dicts()
    assert (row["threshold"], row["outcome"]) == (0.001, "failed")
    for session in (EVE, MONDAY):
        assert rows(home, RULE_EVALUATION, session).equals(rows(traded_home, RULE_EVALUATION, session))
    shas = rows(home, SIGNAL_DAILY).sort("session_date")["settings_sha256"].to_list()
    assert shas[-1] != shas[-2] == shas[-3]


def test_a_statement_and_a_held_position_change_the_account_and_are_tracked(traded: Home, tmp_path: Path) -> None:
    before = rows(traded, ACCOUNT_DAILY, TUESDAY).row(0, named=True)
    account = "session_date,equity,cash,marketable_securities,receivables,current_liabilities,margin_loan_rate\n"
    held = (
        "position_id,leg,engine,root,expiration,strike,option_type,quantity,opened_on,entry_price,closed_on,exit_price,"
        "fees\nmine,1,condor,SPXW,2024-04-22,5000,call,-1,2024-03-04,20.0,,,1.5\n"
        "mine,2,condor,SPXW,2024-04-22,5050,call,1,2024-03-04,12.0,,,1.5\n"
    )
    paths = [
        stated(tmp_path, "account.csv", account + "2024-03-05,250000,100000,150000,0,2000,0.08\n"),
        stated(tmp_path, "positions.csv", held),
    ]
    result = import_paths(traded, paths, now=MUCH_LATER)
    assert result.ingested is not None
    assert [file.n_loaded for file in result.ingested.files] == [1, 2]
    after = rows(traded, ACCOUNT_DAILY, TUESDAY).row(0, named=True)
    assert before["equity"] != after["equity"] == 250_000.0
    assert (after["cash"], after["stated_on"]) == (100_000.0, TUESDAY)
    own = rows(traded, POSITION_DAILY).filter(book="held").sort("session_date")
    assert own["session_date"].to_list() == [MONDAY, TUESDAY]
    last = own.row(-1, named=True)
    assert last["position_id"] == "held:mine"
    assert last["pnl_total"] == pytest.approx(100.0 * (20.0 - 12.0) - 3.0 + last["mark"], abs=0.005)


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_the_journal_shows_the_programs_entries_beside_the_notes(traded: Home) -> None:
    journal.write_note(traded, text="the week begins", session=MONDAY, now=MUCH_LATER)
    where = ("--home", str(traded.root))
    listed = json.loads(said("journal", "list", "--json", *where))
    kinds = [entry["kind"] for entry in listed]
    assert {"decision", "considered", "filled", "note"} <= set(kinds)
    assert kinds[-1] == "note"
    assert [entry["written_at"] for entry in listed] == sorted(entry["written_at"] for entry in listed)
    (decision,) = [entry for entry in listed if entry["kind"] == "decision"]
    assert {rule["rule"] for rule in decision["evidence"]} == {
        "weekly_session",
        "trade_risk",
        "book_risk",
        "quick_ratio",
    }
    shown: Any = said("journal", "show", decision["entry_id"], *where)
    for text in ("2024-03-01  decision", "open_condor x", "book_risk", "passed", "spx", "sell 1 SPXW"):
        assert text in shown
    brief = said("journal", *where)
    assert "the week begins" in brief
    assert len(brief.splitlines()) < 60 * 3
