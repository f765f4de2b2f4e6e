"""Mispricings of a home: a lock that stays open, through the nights, the published tables and the views."""

import os
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.home import Home
from flows.mispricings import follow_mispricings
from flows.served_database import named_query, query_published, read_published
from flows.settings import Settings, read_settings
from flows.warehouse import Warehouse
from tests.flows.small_home import LATER, copied, import_paths, run_night, snapshot_hashes
from tests.small_market import chain_file
from transforms.schemas import (
    ACCOUNT_STATE,
    BOX_CURVE,
    DATA_QUALITY,
    MISPRICING,
    MISPRICING_LEG,
    MISPRICING_OUTCOME,
    OPTION_QUOTE,
)
from transforms.sessions import TradingCalendar

FIRST, SECOND = date(2024, 2, 28), date(2024, 2, 29)
RECEIVED = datetime(2024, 3, 2).timestamp()
# 35 sessions from the first: 2024-04-18. On it a call is bid a point above what the call struck lower is offered at.
EXPIRATION, LOW, HIGH = date(2024, 4, 18), 4900, 4925


def with_lock(chain: bytes) -> bytes:
    """Return a chain file in which the SPXW call struck at HIGH is bid a point above the ask of the one at LOW."""
    lines = chain.decode().split("\n")

    def cells(strike: int) -> tuple[int, list[str]]:
        symbol = f"SPXW{EXPIRATION:%y%m%d}C{strike * 1000:08d}"
        [number] = [number for number, line in enumerate(lines) if symbol in line]
        return number, lines[number].split(",")

    ask = float(cells(LOW)[1][5])
    number, own = cells(HIGH)
    own[4:6] = [f"{ask + 1.0:.2f}", f"{ask + 1.5:.2f}"]
    lines[number] = ",".join(own)
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def locked_home(base_home: Home, calendar: TradingCalendar, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small market's home, its last two nights run again on chains that list the same series and hold one lock."""
    folder = tmp_path_factory.mktemp("locked")
    home = copied(base_home, folder / "home")
    paths = []
    for day in (FIRST, SECOND):
        path = folder / f"spx_quotedata_{day}_again.csv"
        path.write_bytes(with_lock(chain_file(day, calendar, listed_on=FIRST)))
        os.utime(path, (RECEIVED, RECEIVED))
        paths.append(path)
    import_paths(home, paths, now=LATER)
    for day in (FIRST, SECOND):
        run_night(home, day, now=LATER)
    return home


@pytest.fixture(scope="module")
def served(locked_home: Home) -> Path:
    return locked_home.published / "alvh.duckdb"


def test_one_lock_is_one_finding_whose_legs_are_the_published_quotes(served: Path) -> None:
    for day in (FIRST, SECOND):
        found = read_published(served, MISPRICING, session=day).filter(pl.col("confidence") == "executable")
        assert found.height == 1
        legs = read_published(served, MISPRICING_LEG, session=day).filter(
            pl.col("finding_id") == found["finding_id"][0]
        )
        quotes = read_published(served, OPTION_QUOTE, session=day)
        priced = legs.join(quotes, on=["root", "expiration", "strike", "option_type"], validate="1:1")
        printed = pl.when(pl.col("side") == "buy").then("ask").otherwise("bid")
        assert priced.height == legs.height >= 2
        assert priced.select((pl.col("price") == printed).all()).item()
        signed = pl.when(pl.col("side") == "buy").then(-1.0).otherwise(1.0)
        income = legs.select((signed * pl.col("quantity") * pl.col("price")).sum()).item()
        assert found["edge_points"].item() == pytest.approx(income)


def test_the_lock_is_seen_again_and_what_it_earned_is_told(served: Path) -> None:
    before, after = (
        read_published(served, MISPRICING, session=day).filter(pl.col("confidence") == "executable").row(0, named=True)
        for day in (FIRST, SECOND)
    )
    outcome = read_published(served, MISPRICING_OUTCOME, session=SECOND).filter(
        pl.col("finding_id") == before["finding_id"]
    )

    assert (before["first_seen"], before["sessions_open"]) == (FIRST, 1)
    assert after["finding_id"] == before["finding_id"]
    assert (after["first_seen"], after["sessions_open"]) == (FIRST, 2)
    assert outcome["status"].to_list() == ["open"]
    legs = read_published(served, MISPRICING_LEG, session=FIRST).filter(pl.col("finding_id") == before["finding_id"])
    quotes = read_published(served, OPTION_QUOTE, session=SECOND)
    fee = Settings().mispricing.option_fee_per_contract
    earned = 0.0
    for leg in legs.iter_rows(named=True):
        own = quotes.row(
            by_predicate=(pl.col("strike") == leg["strike"])
            & (pl.col("option_type") == leg["option_type"])
            & (pl.col("expiration") == leg["expiration"])
            & (pl.col("root") == leg["root"]),
            named=True,
        )
        gain = own["bid"] - leg["price"] if leg["side"] == "buy" else leg["price"] - own["ask"]
        earned += leg["quantity"] * (100.0 * gain - 2.0 * fee)
    assert outcome["exit_edge_dollars"].item() == pytest.approx(earned)


def test_the_views_tell_tonights_locks_the_persistent_ones_and_the_record(served: Path) -> None:
    tonight = query_published(served, "select * from executable_findings_today")
    persistent = query_published(served, "select * from persistent_findings")
    record = query_published(served, "select * from detector_record_today")

    lock = read_published(served, MISPRICING, session=SECOND).filter(pl.col("confidence") == "executable")
    assert tonight["finding_id"].to_list() == lock["finding_id"].to_list()
    assert set(tonight["session_date"]) == {SECOND}
    assert set(tonight["confidence"]) == {"executable"}
    assert lock["finding_id"][0] in persistent["finding_id"]
    assert persistent["sessions_open"].min() == 2
    own = record.row(by_predicate=pl.col("kind") == lock["kind"][0], named=True)
    assert own["session_date"] == SECOND
    assert (own["n_found"], own["share_open_next"]) == (1, 1.0)
    assert own["median_outcome"] < 0.0
    assert record["kind"].is_unique().all()


def test_chains_with_a_lock_pass_the_gate_against_contradicting_quotes(served: Path) -> None:
    gates = read_published(served, DATA_QUALITY, session=SECOND).filter(
        pl.col("check_name").str.starts_with("contradicting_quotes")
    )
    assert gates.select("check_name", "severity", "outcome").rows() == [
        ("contradicting_quotes SPX", "refuse", "passed"),
        ("contradicting_quotes SPXW", "refuse", "passed"),
    ]


def test_a_night_run_again_finds_the_same(locked_home: Home, tmp_path: Path) -> None:
    home = copied(locked_home, tmp_path / "home")
    run_night(home, SECOND, now=LATER)
    assert snapshot_hashes(home.published) == snapshot_hashes(locked_home.published)


def test_boxes_stand_beside_the_loan_rate_of_the_night(
    base_home: Home, tmp_path: Path, calendar: TradingCalendar
) -> None:
    home = copied(base_home, tmp_path / "home")
    day = date(2024, 3, 1)
    path = tmp_path / f"spx_quotedata_{day}.csv"
    path.write_bytes(chain_file(day, calendar, listed_on=SECOND))
    import_paths(home, [path], now=LATER)
    home.settings_file.write_text("[account]\nmargin_loan_rate = 0.07\n")
    run_night(home, day, now=LATER, settings=read_settings(home))

    served = home.published / "alvh.duckdb"
    boxes = query_published(served, named_query("what_do_boxes_lend"))
    assert boxes["session_date"].to_list() == [day] * 4
    assert boxes["days_to_expiry"].is_sorted()
    assert (boxes["lending"] < boxes["borrowing"]).all()
    assert boxes["loan"].to_list() == pytest.approx([7.0] * 4)
    assert set(read_published(served, BOX_CURVE, session=day)["loan_rate"]) == {0.07}
    assert set(read_published(served, BOX_CURVE, session=SECOND)["loan_rate"]) == {None}


def test_a_loan_rate_stated_late_is_put_beside_the_boxes_from_its_day_on(base_home: Home, tmp_path: Path) -> None:
    home = copied(base_home, tmp_path / "home")
    stated = pl.DataFrame(
        [{"session_date": SECOND, "equity": 1e6, "margin_loan_rate": 0.08, "source_sha256": "stated"}],
        schema={name: ACCOUNT_STATE.polars_schema[name] for name in ACCOUNT_STATE.column_names},
    )
    with Warehouse(home.warehouse) as warehouse:
        with warehouse.transaction():
            warehouse.append(ACCOUNT_STATE, stated)
        follow_mispricings(warehouse, sessions=[], settings=Settings(), calendar=trading_calendar())
        rates = {day: set(warehouse.read(BOX_CURVE, sessions=[day])["loan_rate"]) for day in (FIRST, SECOND)}

    assert rates == {FIRST: {None}, SECOND: {0.08}}
