"""What the user states, imported like any vendor file: newer editions replace what they state again, and no more."""

import os
from datetime import date, datetime
from pathlib import Path

import pytest

from flows import night
from flows.home import Home
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import import_paths, new_home, published_rows
from transforms.schemas import ACCOUNT_STATE, HELD_POSITION, LANDED_FILE, REJECTED_ROW

ACCOUNT_HEADER = "session_date,equity,cash,marketable_securities,receivables,current_liabilities,margin_loan_rate"
HELD_HEADER = (
    "position_id,leg,engine,root,expiration,strike,option_type,quantity,opened_on,entry_price,closed_on,exit_price,fees"
)
LAYER = (
    "layer,1,second,VIX,2024-04-17,15,call,-2,2024-03-05,2.15,,,",
    "layer,2,second,VIX,2024-04-17,20,call,4,2024-03-05,0.98,,,",
)
OTHER = ("other,1,second,VIX,2024-04-17,30,call,1,2024-03-06,0.40,,,",)
FIRST, SECOND = datetime(2024, 3, 8), datetime(2024, 3, 15)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


def stated(folder: Path, name: str, header: str, *lines: str, at: datetime) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines, ""]))
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def test_stated_files_are_landed_loaded_and_published(home: Home, tmp_path: Path) -> None:
    lines = ("2024-03-04,150000,-2000,,,,0.08", "2024-03-03,1,1,1,1,1,0")
    account = stated(tmp_path, "account.csv", ACCOUNT_HEADER, *lines, at=FIRST)
    held = stated(tmp_path, "positions.csv", HELD_HEADER, *LAYER, OTHER[0].replace(",1,2024", ",0,2024"), at=FIRST)
    result = import_paths(home, [account, held])
    assert result.ingested is not None
    assert [(file.source, file.n_loaded, file.n_rejected) for file in result.ingested.files] == [
        ("account_state", 1, 1),
        ("held_position", 2, 1),
    ]
    assert published_rows(home.published, ACCOUNT_STATE).row(0)[:3] == (date(2024, 3, 4), 150_000.0, -2_000.0)
    assert published_rows(home.published, HELD_POSITION)["quantity"].to_list() == [-2, 4]
    assert set(published_rows(home.published, REJECTED_ROW)["rule"]) == {"not_a_session", "no_quantity"}
    with Warehouse(home.warehouse) as warehouse:
        assert all(offending.is_empty() for offending in warehouse.run_checks().values())
        assert set(warehouse.session_files()["session_date"]) == {date(2024, 3, 4), date(2024, 3, 5)}


@pytest.mark.parametrize("together", [True, False])
def test_a_newer_edition_replaces_what_it_states_again_whatever_comes_first(
    together: bool, home: Home, tmp_path: Path
) -> None:
    closed = tuple(line.replace(",,,", ",2024-03-12,1.05,2.50") for line in LAYER)
    old = stated(tmp_path, "old.csv", HELD_HEADER, *LAYER, *OTHER, at=FIRST)
    new = stated(tmp_path, "new.csv", HELD_HEADER, *closed, at=SECOND)
    early = stated(tmp_path, "a.csv", ACCOUNT_HEADER, "2024-03-04,150000,1,,,,", "2024-03-05,151000,1,,,,", at=FIRST)
    late = stated(tmp_path, "b.csv", ACCOUNT_HEADER, "2024-03-05,152000,2,,,,", at=SECOND)
    for paths in [[old, early, new, late]] if together else [[new, late], [old, early]]:
        night.take_in(home, settings=Settings(), paths=paths)
    with Warehouse(home.warehouse) as warehouse:
        held, account, landed = (warehouse.read(table) for table in (HELD_POSITION, ACCOUNT_STATE, LANDED_FILE))
    assert held.select("position_id", "leg", "closed_on", "fees").rows() == [
        ("layer", 1, date(2024, 3, 12), 2.5),
        ("layer", 2, date(2024, 3, 12), 2.5),
        ("other", 1, None, None),
    ]
    assert account["equity"].to_list() == [150_000.0, 152_000.0]
    superseded = dict(landed.select("name", "n_superseded").iter_rows())
    assert superseded == {"old.csv": 2, "new.csv": 0, "a.csv": 1, "b.csv": 0}


def test_a_file_that_lacks_a_column_is_refused_and_says_which(home: Home, tmp_path: Path) -> None:
    header = ACCOUNT_HEADER.replace("receivables", "receivable")
    path = stated(tmp_path, "account.csv", header, "2024-03-04,1,1,1,1,1,0", at=FIRST)
    (outcome,) = night.take_in(home, settings=Settings(), paths=[path]).files
    assert outcome.outcome == "refused"
    assert "missing (receivables)" in (outcome.reason or "")
    with Warehouse(home.warehouse) as warehouse:
        assert warehouse.read(ACCOUNT_STATE).is_empty()
