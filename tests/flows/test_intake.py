"""Taking files in: every file accounted for, the inbox emptied, and core a function of the set of files."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows import intake, night
from flows.home import Home
from flows.intake import FileOutcome, ingest_landed
from flows.landing import landed_files
from flows.settings import Settings, SourceSettings
from flows.warehouse import Warehouse
from tests.flows.small_home import LATER, NOW, import_paths, new_home, published_rows
from tests.small_market import SmallMarket, chain_file, vx_file
from transforms.errors import UsageError
from transforms.schemas import FUTURES_SETTLEMENT, LANDED_FILE, OPTION_QUOTE, REJECTED_ROW
from transforms.sessions import TradingCalendar

MARCH = date(2024, 3, 20)
SESSIONS = [date(2024, 2, 27), date(2024, 2, 28), date(2024, 2, 29)]


def contract(folder: Path, *, restated: dict[date, float] | None = None, name: str = f"VX_{MARCH}.csv") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(vx_file(SESSIONS, MARCH, restated=restated))
    return path


def take_in(home: Home, paths: list[Path] | None) -> dict[str, FileOutcome]:
    result = night.take_in(home, settings=Settings(), paths=paths)
    return {outcome.name: outcome for outcome in result.files}


@pytest.fixture
def empty(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


def test_a_file_is_landed_under_its_name_and_time_and_stays_where_it_was(empty: Home, tmp_path: Path) -> None:
    path = contract(tmp_path / "files")
    outcome = take_in(empty, [path])[path.name]
    assert (outcome.outcome, outcome.source) == ("loaded", "vx_contract_current")
    assert (outcome.n_lines, outcome.n_rows, outcome.n_loaded, outcome.n_rejected) == (3, 3, 3, 0)
    assert (outcome.first_session, outcome.last_session) == (SESSIONS[0], SESSIONS[-1])
    (landed,) = landed_files(empty)
    assert landed.name == path.name
    assert landed.received_at == datetime.fromtimestamp(int(path.stat().st_mtime), UTC).replace(tzinfo=None)
    assert path.exists()


def test_the_same_bytes_are_known_under_any_name(empty: Home, tmp_path: Path) -> None:
    path = contract(tmp_path / "files")
    take_in(empty, [path])
    again = contract(tmp_path / "files", name="copy.csv")
    assert take_in(empty, [again, path])["copy.csv"].outcome == "known"
    assert len(landed_files(empty)) == 1


def test_the_inbox_is_emptied_and_what_was_refused_is_set_aside_with_its_reason(empty: Home) -> None:
    contract(empty.inbox)
    for folder in ("", "deeper"):
        (empty.inbox / folder).mkdir(exist_ok=True)
        (empty.inbox / folder / "error.csv").write_text("<Error><Code>AccessDenied</Code></Error>")
    take_in(empty, None)
    assert [path for path in empty.inbox.rglob("*") if path.is_file()] == []
    reasons = sorted(path.name for path in empty.rejected.iterdir())
    assert reasons == ["error.1.csv", "error.1.csv.reason.txt", "error.csv", "error.csv.reason.txt"]
    assert "error.csv" in (empty.rejected / "error.csv.reason.txt").read_text()
    assert len(landed_files(empty)) == 1


def test_a_path_that_does_not_exist_is_wrong_use_and_nothing_is_landed(empty: Home, tmp_path: Path) -> None:
    path = contract(tmp_path / "files")
    with pytest.raises(UsageError, match=r"gone\.csv does not exist"):
        take_in(empty, [path, tmp_path / "gone.csv"])
    assert landed_files(empty) == []


def test_a_truncated_archive_is_refused_and_the_others_are_loaded(empty: Home, tmp_path: Path) -> None:
    path = contract(tmp_path / "files")
    cut = tmp_path / "files" / "cut.csv.gz"
    cut.write_bytes(gzip.compress(path.read_bytes())[:-12])
    found = take_in(empty, [tmp_path / "files"])
    assert found[path.name].outcome == "loaded"
    assert found["cut.csv.gz"].outcome == "refused"
    assert "damaged" in (found["cut.csv.gz"].reason or "")


def test_a_row_a_rule_refuses_goes_to_quarantine_and_is_counted(empty: Home, tmp_path: Path) -> None:
    path = contract(tmp_path / "files", restated={SESSIONS[1]: 900.0})
    import_paths(empty, [path])
    (landed,) = published_rows(empty.published, LANDED_FILE).to_dicts()
    assert (landed["n_rows"], landed["n_loaded"], landed["n_rejected"]) == (3, 2, 1)
    rejected = published_rows(empty.published, REJECTED_ROW)
    assert set(rejected["session_date"]) == {SESSIONS[1]}
    assert set(rejected["source_row_number"]) == {rejected["source_row_number"][0]}
    assert rejected["reason"].str.contains("900").any()
    assert published_rows(empty.published, FUTURES_SETTLEMENT)["session_date"].to_list() == [SESSIONS[0], SESSIONS[2]]


def test_a_file_landed_by_a_run_that_was_killed_is_loaded_by_the_next(empty: Home, tmp_path: Path) -> None:
    path = contract(tmp_path / "files")
    take_in(empty, [path])
    empty.warehouse.unlink()
    with Warehouse(empty.warehouse) as warehouse:
        assert warehouse.read(FUTURES_SETTLEMENT).is_empty()
    take_in(empty, None)
    with Warehouse(empty.warehouse) as warehouse:
        assert warehouse.read(FUTURES_SETTLEMENT).height == 3
        assert warehouse.read(LANDED_FILE).height == 1


def test_batches_do_not_matter(
    home: Home, market: SmallMarket, calendar: TradingCalendar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH_FILES", 3)
    monkeypatch.setattr(intake, "LOAD_ROWS", 1500)
    with Warehouse(home.warehouse) as whole, Warehouse(tmp_path / "batched.duckdb") as batched:
        ingest_landed(home, batched, settings=Settings(), calendar=calendar)
        for table in (FUTURES_SETTLEMENT, OPTION_QUOTE, LANDED_FILE):
            assert batched.read(table).equals(whole.read(table)), table.full_name


def test_settings_decide_which_source_is_believed(empty: Home, tmp_path: Path) -> None:
    day = SESSIONS[0]
    legacy = tmp_path / "CFE_H24_VX.csv"
    header = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"
    legacy.write_text(f"{header}\r\n{day:%m/%d/%Y},H (Mar 24),15,16,14,15,15.55,0,9,0,9\r\n")
    paths = [contract(tmp_path / "files"), legacy]
    settles = {}
    for first in ("vx_contract_current", "vx_contract_legacy"):
        home = new_home(tmp_path / first)
        order = (first, *(name for name in SourceSettings().order if name != first))
        night.take_in(home, settings=Settings(sources=SourceSettings(order=order)), paths=paths)
        with Warehouse(home.warehouse) as warehouse:
            rows = warehouse.read(FUTURES_SETTLEMENT, sessions=[day])
        settles[first] = rows["settle"].to_list()
    assert settles["vx_contract_legacy"] == [15.55]
    assert settles["vx_contract_current"] != [15.55]
    assert len(settles["vx_contract_current"]) == 1


def test_a_better_chain_that_comes_later_replaces_the_whole_session(
    empty: Home, calendar: TradingCalendar, tmp_path: Path
) -> None:
    day = SESSIONS[-1]
    close = chain_file(day, calendar)
    early = close.replace(b"at 6:05 PM EST", b"at 10:30 AM EST").replace(b",10,0.1800", b",3,0.1800")
    one, other = tmp_path / "early.csv", tmp_path / "close.csv"
    one.write_bytes(early)
    other.write_bytes(close)
    import_paths(empty, [one], now=NOW)
    assert published_rows(empty.published, OPTION_QUOTE)["snapshot_kind"].unique().to_list() == ["intraday"]
    import_paths(empty, [other], now=LATER)
    quotes = published_rows(empty.published, OPTION_QUOTE)
    assert quotes["snapshot_kind"].unique().to_list() == ["close"]
    assert quotes.filter(pl.col("volume") == 3).is_empty()
