"""The page of a night as a file: made of published rows, the same every time, kept in step with what is published."""

import json
import os
import re
import shutil
import stat
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows import journal, night
from flows.home import Home, locked
from flows.manifests import read_manifest
from flows.night_pages import publish_page
from flows.published_night import read_night, read_published_night
from flows.report import LATEST, report_page, report_path
from flows.served_record import SERVED_FILE
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.rich_home import FRIDAY, MONDAY, RICH_NOW, rich_home
from tests.flows.small_home import LATER, NIGHTS, NOW, copied, import_paths, new_home, run_night
from tests.small_market import SmallMarket, settle, vx_file
from transforms.errors import DataError, HomeLocked
from transforms.report.document import night_document
from transforms.schemas import OPTION_ANALYTICS, TABLES
from transforms.sessions import TradingCalendar

__all__ = ["rich_home"]

BYTES_ALLOWED = 3 << 20


def page_of(home: Home, session: date) -> str:
    """The page as it would be made now."""
    read = read_published_night(home.published / SERVED_FILE, session)
    return report_page(read, read_manifest(home.published, session))


def test_the_last_night_of_a_run_has_a_page_that_is_read_only_and_small(rich_home: Home) -> None:
    reports = rich_home.published / "reports"
    assert sorted(path.name for path in reports.iterdir()) == [f"{MONDAY}.html", LATEST]
    for path in reports.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert 50_000 < path.stat().st_size < BYTES_ALLOWED
    assert (reports / LATEST).read_bytes() == report_path(rich_home.published, MONDAY).read_bytes()


def test_a_page_is_the_same_bytes_from_the_warehouse_and_from_what_is_published(rich_home: Home) -> None:
    for session in (FRIDAY, MONDAY):
        manifest = read_manifest(rich_home.published, session)
        with Warehouse(rich_home.warehouse) as warehouse:
            inside = report_page(read_night(warehouse.connection, session, archive=rich_home.published), manifest)
        assert inside == page_of(rich_home, session)
    assert page_of(rich_home, MONDAY) == report_path(rich_home.published, MONDAY).read_text()


def test_a_page_knows_nothing_of_later_nights(rich_home: Home) -> None:
    friday = read_published_night(rich_home.published / SERVED_FILE, FRIDAY)
    dated = [frame["session_date"].max() for frame in friday.frames.values() if "session_date" in frame.columns]
    assert max(day for day in dated if isinstance(day, date)) == FRIDAY
    assert str(MONDAY) not in page_of(rich_home, FRIDAY).replace(f"fill on {MONDAY}", "").replace(
        f"&#34;next_session&#34;: &#34;{MONDAY}", ""
    ).replace(f"next session = {MONDAY}", "")


def test_the_document_holds_what_the_page_says_and_json_can_hold_it(rich_home: Home) -> None:
    document = night_document(
        read_published_night(rich_home.published / SERVED_FILE, FRIDAY), read_manifest(rich_home.published, FRIDAY)
    )
    (decision,) = document["engines"][0]["decisions"]
    assert decision["decision"] == "open_condor"
    page = page_of(rich_home, FRIDAY)
    assert f"<dd>{decision['contracts']}</dd>" in page
    for leg in decision["legs"]:
        assert f"{leg['root']} {leg['strike']:g} {leg['option_type']}" in page
    assert json.loads(json.dumps(document, default=str))["session_date"] == str(FRIDAY)


def test_every_table_is_named_where_its_numbers_are(rich_home: Home) -> None:
    page = page_of(rich_home, MONDAY)
    named = set(re.findall(r"\b(?:core|feature|mart)\.[a-z_]+", page))
    assert named <= {table.full_name for table in TABLES}
    assert len(named) > 20


def test_a_page_asks_for_nothing_outside_itself(rich_home: Home) -> None:
    page = page_of(rich_home, MONDAY)
    assert "default-src 'none'" in page
    asked = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert {link for link in asked if not link.startswith(("#", "data:"))} == {
        f"../manifests/session_date={MONDAY}.json"
    }
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)


def test_the_chain_of_a_night_no_longer_served_comes_from_its_parquet(rich_home: Home, tmp_path: Path) -> None:
    home = copied(rich_home, tmp_path / "home")
    before = page_of(home, FRIDAY)
    settings = Settings.model_validate({"publish": {"serving_sessions": 1}})
    night.publish(home, settings=settings, sessions=[], validation={}, now=LATER)
    read = read_published_night(home.published / SERVED_FILE, FRIDAY)
    assert read.rows(OPTION_ANALYTICS).height > 1000
    assert page_of(home, FRIDAY) == before


def test_a_second_publication_leaves_an_unchanged_page_alone(rich_home: Home, tmp_path: Path) -> None:
    home = copied(rich_home, tmp_path / "home")
    path = report_path(home.published, MONDAY)
    before = path.stat().st_ino
    validation = {MONDAY: read_manifest(home.published, MONDAY)["validation"]}
    night.publish(home, settings=Settings(), sessions=[MONDAY], validation=validation, now=LATER)
    assert path.stat().st_ino == before


def test_a_restated_night_gets_its_page_again_and_the_old_one_is_kept(
    home: Home, market: SmallMarket, calendar: TradingCalendar, tmp_path: Path
) -> None:
    publish_page(home, NIGHTS[2], now=LATER)
    path = report_path(home.published, NIGHTS[2])
    old, front = path.read_bytes(), date(2024, 3, 20)
    restated = vx_file(market.sessions, front, restated={NIGHTS[2]: settle(NIGHTS[2], front) + 0.5})
    file = tmp_path / f"VX_{front}.csv"
    file.write_bytes(restated)
    os.utime(file, (LATER.timestamp(), LATER.timestamp()))
    import_paths(home, [file], now=LATER)
    assert path.read_bytes() != old
    assert path.read_text() == page_of(home, NIGHTS[2])
    (kept,) = home.published.glob(f"revisions/*/reports/{NIGHTS[2]}.html")
    assert kept.read_bytes() == old
    latest = home.published / "reports" / LATEST
    assert latest.read_text() == page_of(home, NIGHTS[-1]), "the last night's history shows the restated settlement"


def test_text_of_users_and_vendors_is_escaped(home: Home) -> None:
    hostile = '<img src=x onerror=alert(1)> {{ 7 * 7 }} & "quoted" \'; drop table'
    journal.write_note(home, text=hostile, session=NIGHTS[-1], now=LATER)
    night.import_files(home, paths=[], settings=Settings(), now=LATER)
    page = page_of(home, NIGHTS[-1])
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; {{ 7 * 7 }} &amp; &#34;quoted&#34;" in page


@pytest.mark.parametrize("session", NIGHTS)
def test_a_degraded_night_names_what_it_lacks(base_home: Home, session: date) -> None:
    page = page_of(base_home, session)
    assert "Data degraded" in page
    assert "The VIX option chain is missing." in page
    assert page.count("is missing") > 5


@pytest.mark.parametrize(("session", "stated"), [(FRIDAY, True), (NIGHTS[-1], False)])
def test_a_home_without_an_account_says_what_to_state_and_lists_no_unknown_amounts(
    rich_home: Home, base_home: Home, session: date, stated: bool
) -> None:
    page = page_of(rich_home if stated else base_home, session)
    assert ("No account is stated." in page) != stated
    assert ("<dt>equity</dt>" in page) == stated


def test_a_night_without_vx_says_so_in_every_figure_that_needs_it(
    market: SmallMarket, calendar: TradingCalendar, tmp_path: Path
) -> None:
    home = new_home(tmp_path / "home")
    names = [name for name in market.files if not name.startswith("VX_")]
    import_paths(home, market.write(tmp_path / "files", names=names))
    run_night(home, NIGHTS[-1])
    page = report_path(home.published, NIGHTS[-1]).read_text()
    for figure in ("curve", "contango", "rsi"):
        block = page.split(f'id="figure-{figure}"')[1].split("</figure>")[0]
        assert "a VX settlement of the two nearest months is missing" in block
    assert "Smile of SPX options" in page
    assert 'data-figure="smile_spx"' in page


def test_a_fault_in_a_page_does_not_keep_the_night_from_being_published(home: Home) -> None:
    with Warehouse(home.warehouse) as warehouse:
        warehouse.connection.execute("update mart.rule_evaluation set inputs = 'not json'")
    result = run_night(home, NIGHTS[-1], now=LATER)
    assert result.status == "degraded"
    assert result.publication is not None
    assert result.publication.pages == []
    (told,) = [reason for reason in result.reasons if "could not be made" in reason]
    assert str(NIGHTS[-1]) in told
    assert "alvh report" in told


def test_zero_report_nights_makes_no_page(home: Home) -> None:
    shutil.rmtree(home.published / "reports")
    settings = Settings.model_validate({"publish": {"report_nights": 0}})
    night.publish(home, settings=settings, sessions=[NIGHTS[-1]], validation={}, now=LATER)
    assert not (home.published / "reports").exists()


def test_the_command_makes_a_missing_page_and_locks_only_to_write(home: Home) -> None:
    for path in (home.published / "reports").iterdir():
        path.unlink()
    made = publish_page(home, NIGHTS[0], now=LATER)
    assert made == {
        "session_date": str(NIGHTS[0]),
        "page": str(report_path(home.published, NIGHTS[0])),
        "written": True,
    }
    with locked(home, started_at=NOW.isoformat()):
        assert not publish_page(home, NIGHTS[0], now=LATER)["written"]
        with pytest.raises(HomeLocked):
            publish_page(home, NIGHTS[1], now=LATER)
    assert publish_page(home, None, now=LATER)["session_date"] == str(NIGHTS[-1])
    with pytest.raises(DataError, match=r"no night of 2023-12-29 is published; the published nights run from"):
        publish_page(home, date(2023, 12, 29), now=LATER)
    with pytest.raises(DataError, match=r"New York did not trade on that day$"):
        publish_page(home, date(2024, 2, 24), now=LATER)


def test_the_page_of_a_night_costs_less_than_a_second(rich_home: Home) -> None:
    page_of(rich_home, MONDAY)
    start = os.times()
    page_of(rich_home, MONDAY)
    used = os.times()
    assert used.user + used.system - start.user - start.system < 1.0


def test_frames_are_read_by_the_schemas(rich_home: Home) -> None:
    read = read_published_night(rich_home.published / SERVED_FILE, MONDAY)
    for table, frame in read.frames.items():
        assert isinstance(frame, pl.DataFrame)
        assert {name: frame.schema[name] for name in frame.columns} == {
            name: table.polars_schema[name] for name in frame.columns
        }
    assert read.session == MONDAY
    assert RICH_NOW.date() > MONDAY
