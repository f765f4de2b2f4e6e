"""The warehouse and everything published are made again from landing and ledger; verification sees what was changed."""

import json
import shutil
from datetime import date

import polars as pl
import pytest

from flows import journal, night
from flows.doctor import examine
from flows.home import Home
from flows.manifests import manifest_path, published_nights
from flows.rebuild import rebuild, verify_night
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import (
    LATER,
    NIGHTS,
    NOW,
    import_paths,
    published_rows,
    snapshot_hashes,
)
from transforms.errors import DataError, LedgerBroken
from transforms.schemas import JOURNAL, SIGNAL_DAILY

LAST = NIGHTS[-1]


def test_without_warehouse_and_published_the_same_bytes_and_every_note_come_back(home: Home) -> None:
    journal.write_note(home, text="before the loss: skew looked rich", session=NIGHTS[1], now=LATER)
    journal.write_note(home, text="naïve — second thought", session=None, now=LATER)
    import_paths(home, [], now=LATER)
    before = snapshot_hashes(home.published)
    entries = published_rows(home.published, JOURNAL)
    notes = entries.filter(pl.col("kind") == "note")["note"].to_list()
    assert sorted(notes) == ["before the loss: skew looked rich", "naïve — second thought"]
    assert entries.filter(pl.col("kind") == "considered").height >= len(NIGHTS)
    home.warehouse.unlink()
    shutil.rmtree(home.published)
    result = rebuild(home, settings=Settings(), now=LATER)
    assert result.sessions == list(NIGHTS)
    assert snapshot_hashes(home.published) == before
    assert published_nights(home.published) == list(NIGHTS)
    assert published_rows(home.published, JOURNAL).equals(entries)


def test_a_night_of_long_ago_rewritten_in_the_ledger_is_found_by_the_next_run(home: Home) -> None:
    """The next night only reads the lines that were added, but for that the others must be the bytes they were."""
    path = home.ledger / "nights.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first.replace(b"labels", b"labelz", 1) + b"\n" + rest)
    assert path.read_bytes().split(b"\n", 1)[0] != first
    with pytest.raises(LedgerBroken, match=r"nights\.jsonl line 1 does not follow"):
        import_paths(home, [], now=LATER)


@pytest.mark.parametrize("name", ["landings", "nights"])
def test_the_doctor_tells_of_a_ledger_that_lost_lines_after_they_were_published(home: Home, name: str) -> None:
    """What is left still holds as a chain; only the published night knows that it reached further."""
    (told,) = [finding for finding in examine(home) if finding["subject"] == "ledger"]
    assert told["severity"] == "ok"
    path = home.ledger / f"{name}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    (told,) = [finding for finding in examine(home) if finding["subject"] == "ledger"]
    assert told["severity"] == "error"
    assert f"{name} no longer holds the line with which the night of {LAST} was published" in told["message"]
    assert "from a backup" in told["message"]


def test_a_damaged_warehouse_is_replaced(home: Home) -> None:
    before = snapshot_hashes(home.published)
    home.warehouse.write_bytes(b"not a database" * 500)
    rebuild(home, settings=Settings(), now=LATER)
    assert snapshot_hashes(home.published) == before


def test_nights_are_rebuilt_with_the_settings_they_were_run_with(home: Home) -> None:
    before = snapshot_hashes(home.published)
    changed = Settings.model_validate({"indicators": {"roll_days_before_expiry": 5, "curve_series": "raw"}})
    shutil.rmtree(home.published)
    rebuild(home, settings=changed, now=LATER)
    signal = "snapshots/mart.signal_daily/session_year=2024/part-0.parquet"
    assert snapshot_hashes(home.published)[signal] == before[signal]


def test_a_night_is_recomputed_to_the_same_bytes(base_home: Home) -> None:
    found = verify_night(base_home, LAST, settings=Settings(), now=LATER)
    listed = json.loads(manifest_path(base_home.published, LAST).read_text())["files"]
    assert found.differences == ()
    assert found.n_equal == len(listed) > 10
    assert found.same_code


def test_a_note_and_nights_of_later_do_not_speak_against_an_earlier_night(home: Home) -> None:
    journal.write_note(home, text="later", session=LAST, now=LATER)
    import_paths(home, [], now=LATER)
    found = verify_night(home, NIGHTS[1], settings=Settings(), now=LATER)
    assert found.differences == ()
    assert found.n_equal > 10


def published_by_older_code(home: Home, column: str, shift: float) -> None:
    """Publish the last night as if other code had made it, with one of its figures shifted."""
    with Warehouse(home.warehouse) as warehouse:
        signals = warehouse.read(SIGNAL_DAILY).with_columns(code_version=pl.lit("older"))
        shifted = pl.col(column) + pl.when(pl.col("session_date") == LAST).then(shift).otherwise(0.0)
        warehouse.write_changes(SIGNAL_DAILY, signals.with_columns(shifted))
    night.publish(home, settings=Settings(), sessions=[], validation={}, now=LATER)
    path = manifest_path(home.published, LAST)
    manifest = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_text(json.dumps({**manifest, "code_version": "older"}))


def test_with_other_code_values_must_agree_and_bytes_need_not(home: Home) -> None:
    published_by_older_code(home, "vx1", 1e-12)
    found = verify_night(home, LAST, settings=Settings(), now=LATER)
    assert (found.differences, found.same_code) == ((), False)
    published_by_older_code(home, "vx2", 1e-3)
    (difference,) = verify_night(home, LAST, settings=Settings(), now=LATER).differences
    assert "column vx2 differs by up to" in difference


def test_published_files_that_were_tampered_with_are_reported_by_name(home: Home) -> None:
    changed, cut, gone = (
        f"snapshots/{table}/session_year=2024/part-0.parquet"
        for table in ("mart.signal_daily", "feature.curve_daily", "core.futures_settlement")
    )
    for path in (changed, cut):
        (home.published / path).chmod(0o644)
    rows = pl.read_parquet(home.published / changed, hive_partitioning=False)
    rows.with_columns(pl.col("vx1") + 0.01).write_parquet(home.published / changed)
    (home.published / cut).write_bytes((home.published / cut).read_bytes()[:-100])
    (home.published / gone).unlink()
    found = verify_night(home, LAST, settings=Settings(), now=LATER)
    assert {line.partition(":")[0] for line in found.differences} == {changed, cut, gone}


def test_a_tampered_landed_file_is_reported_by_name(home: Home) -> None:
    one, other = sorted((home.landing / "vx_contract_current").glob("*/*.zst"))[:2]
    one.write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=r"landed file VX_\S+\.csv at .* has changed on disk"):
        verify_night(home, LAST, settings=Settings(), now=LATER)
    with pytest.raises(DataError, match="has changed on disk"):
        rebuild(home, settings=Settings(), now=LATER)


def test_a_landed_file_that_is_gone_is_counted(home: Home) -> None:
    for path in sorted((home.landing / "vx_contract_current").glob("*/*"))[:2]:
        path.unlink()
    with pytest.raises(DataError, match=r"landed files? .* gone|cannot be read"):
        verify_night(home, LAST, settings=Settings(), now=LATER)


def test_a_night_that_was_never_published_cannot_be_verified(base_home: Home) -> None:
    with pytest.raises(DataError, match=r"no night of 2024-02-27 is published; .* to 2024-02-29\. Run `alvh run"):
        verify_night(base_home, date(2024, 2, 27), settings=Settings(), now=NOW)


def test_a_damaged_manifest_is_told_by_doctor_and_verify_and_made_again_by_a_rebuild(home: Home) -> None:
    path = manifest_path(home.published, LAST)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[: len(whole) // 2])
    (told,) = [finding for finding in examine(home) if finding["subject"] == "ledger"]
    assert told["severity"] == "error"
    assert f"session_date={LAST}.json is damaged" in told["message"]
    with pytest.raises(DataError, match=rf"session_date={LAST}\.json is damaged .* `alvh rebuild`"):
        verify_night(home, LAST, settings=Settings(), now=NOW)
    rebuild(home, settings=Settings(), now=LATER)
    assert path.read_bytes() == whole
    (told,) = [finding for finding in examine(home) if finding["subject"] == "ledger"]
    assert told["severity"] == "ok"
