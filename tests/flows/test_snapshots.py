"""One parquet file a partition: bytes that depend on rows alone, and old bytes kept when rows are replaced."""

import io
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.durability import link_file
from flows.snapshots import SnapshotFile, parquet_bytes, partition_path, read_as_published, write_snapshot
from transforms.errors import SchemaMismatch
from transforms.schemas import INDEX_LEVEL, JOURNAL, OPTION_QUOTE

YEAR = "snapshots/core.index_level/session_year=2024/part-0.parquet"


def levels(*closes: float) -> pl.DataFrame:
    rows = [
        {"session_date": date(2024, 2, 1) + timedelta(days=n), "symbol": "VIX", "close": close, "source_sha256": "f"}
        for n, close in enumerate(closes)
    ]
    return pl.DataFrame(rows, schema=INDEX_LEVEL.polars_schema)


def write(published: Path, frame: pl.DataFrame, *, before: SnapshotFile | None = None) -> SnapshotFile | None:
    return write_snapshot(published, table=INDEX_LEVEL, partition="2024", frame=frame, before=before, revision="r1")


def test_partitions_are_cut_by_session_by_year_or_not_at_all() -> None:
    assert partition_path(INDEX_LEVEL, "2024") == YEAR
    assert partition_path(OPTION_QUOTE, "2024-02-01") == (
        "snapshots/core.option_quote/session_date=2024-02-01/part-0.parquet"
    )
    assert partition_path(JOURNAL, "all") == "snapshots/mart.journal/part-0.parquet"


@settings(deadline=None)
@given(st.permutations(range(6)), st.integers(1, 5))
def test_bytes_depend_on_rows_alone_not_on_their_order_or_chunks(order: list[int], cut: int) -> None:
    frame = levels(14.0, 15.0, 16.0, 17.0, 18.0, 19.0)
    shuffled = pl.concat([frame[order[:cut]], frame[order[cut:]]], rechunk=False)
    assert parquet_bytes(INDEX_LEVEL.conform(shuffled)) == parquet_bytes(INDEX_LEVEL.conform(frame))


def test_a_frame_that_is_not_the_table_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="missing columns"):
        write(tmp_path, levels(14.0).drop("close"))
    assert not list(tmp_path.rglob("*"))


def test_growing_keeps_no_old_file_but_replacing_rows_does(tmp_path: Path) -> None:
    first = write(tmp_path, levels(14.0))
    grown = write(tmp_path, levels(14.0, 15.0), before=first)
    assert not (tmp_path / "revisions").exists()
    old = (tmp_path / YEAR).read_bytes()
    replaced = write(tmp_path, levels(14.5, 15.0), before=grown)
    assert (tmp_path / "revisions" / "r1" / YEAR).read_bytes() == old
    assert replaced is not None
    assert pl.read_parquet(tmp_path / YEAR)["close"].to_list() == [14.5, 15.0]


def test_a_second_replacement_of_one_revision_keeps_the_oldest(tmp_path: Path) -> None:
    first = write(tmp_path, levels(14.0))
    old = (tmp_path / YEAR).read_bytes()
    second = write(tmp_path, levels(14.5), before=first)
    write(tmp_path, levels(14.6), before=second)
    assert (tmp_path / "revisions" / "r1" / YEAR).read_bytes() == old


def test_equal_rows_leave_the_file_alone(tmp_path: Path) -> None:
    first = write(tmp_path, levels(14.0))
    inode = (tmp_path / YEAR).stat().st_ino
    assert write(tmp_path, levels(14.0), before=first) == first
    assert (tmp_path / YEAR).stat().st_ino == inode


def test_a_file_somebody_removed_is_written_again(tmp_path: Path) -> None:
    first = write(tmp_path, levels(14.0))
    (tmp_path / YEAR).unlink()
    assert write(tmp_path, levels(14.0), before=first) == first
    assert (tmp_path / YEAR).exists()


def test_rows_are_read_as_published_only_from_the_very_bytes(tmp_path: Path) -> None:
    record = write(tmp_path, levels(14.0, 15.0))
    assert record is not None
    rows = read_as_published(tmp_path, record)
    assert rows is not None
    assert rows.equals(levels(14.0, 15.0))
    target = tmp_path / YEAR
    target.chmod(0o644)
    target.write_bytes(parquet_bytes(levels(14.0, 16.0)))
    assert read_as_published(tmp_path, record) is None
    target.unlink()
    assert read_as_published(tmp_path, record) is None


def test_a_partition_without_rows_is_withdrawn_and_kept(tmp_path: Path) -> None:
    first = write(tmp_path, levels(14.0))
    old = (tmp_path / YEAR).read_bytes()
    assert write(tmp_path, levels(), before=first) is None
    assert not (tmp_path / YEAR).exists()
    assert (tmp_path / "revisions" / "r1" / YEAR).read_bytes() == old


def test_a_file_linked_by_a_run_that_was_killed_is_linked_again_without_a_leftover(tmp_path: Path) -> None:
    source, target = tmp_path / "kept.parquet", tmp_path / "published" / "part-0.parquet"
    source.write_bytes(b"rows")
    for _ in range(2):
        link_file(source, target, mode=0o444)
        assert [path.name for path in target.parent.iterdir()] == ["part-0.parquet"]
        assert target.read_bytes() == b"rows"
    other = tmp_path / "changed.parquet"
    other.write_bytes(b"other rows")
    link_file(other, target, mode=0o444)
    assert [path.name for path in target.parent.iterdir()] == ["part-0.parquet"]
    assert (source.read_bytes(), target.read_bytes()) == (b"rows", b"other rows")


def test_rows_in_bounded_pages_come_back_as_they_were() -> None:
    frame = INDEX_LEVEL.conform(levels(*(10.0 + n % 7 for n in range(5_000))))
    payload = parquet_bytes(frame, page_bytes=4 << 10)
    assert payload != parquet_bytes(frame)
    assert pl.read_parquet(io.BytesIO(payload)).equals(frame)
