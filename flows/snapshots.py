"""The only writer of parquet: one file a partition, identical bytes for identical rows."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.durability import link_file, move_file, replace_file
from transforms.errors import DataError
from transforms.schemas import partition_of
from transforms.table_schema import Table

ROW_GROUP_ROWS = 65_536
COMPRESSION_LEVEL = 3
# Of a table that is one file and grows for ever: each thread's compressor holds memory for the largest page it met.
GROWING_PAGE_BYTES = 64 << 10
READ_ONLY = 0o444


@dataclass(frozen=True)
class SnapshotFile:
    """One published parquet file: its path below published/, its rows and its hash."""

    path: str
    rows: int
    sha256: str


def partition_path(table: Table, partition: str) -> str:
    """Return where a partition is published, below published/."""
    kind = partition_of(table)
    folder = {"session": f"session_date={partition}/", "year": f"session_year={partition}/", "none": ""}[kind]
    return f"snapshots/{table.full_name}/{folder}part-0.parquet"


def parquet_bytes(frame: pl.DataFrame, *, page_bytes: int | None = None) -> bytes:
    """Return a frame as parquet; chunk layout, row groups and compression fixed, so that bytes depend on rows alone.

    `page_bytes` bounds a page of a column; by default Polars does, at a MiB.
    """
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(
        buffer,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        row_group_size=ROW_GROUP_ROWS,
        statistics=True,
        data_page_size=page_bytes,
    )
    return buffer.getvalue()


def write_snapshot(
    published: Path,
    *,
    table: Table,
    partition: str,
    frame: pl.DataFrame,
    before: SnapshotFile | None,
    revision: str | None,
    published_rows: pl.DataFrame | None = None,
) -> SnapshotFile | None:
    """Publish one partition and return its record; None if it has no rows any more.

    A file whose bytes would not change is left alone. A file it replaces is kept under revisions/ when `revision` names
    the revision: that is when rows change that were published before, not when a year grows by a session.
    `published_rows` are the rows of that file, where they have been read.
    """
    path = partition_path(table, partition)
    target = published / path
    if frame.is_empty() and partition_of(table) != "none":
        if target.exists():
            move_file(target, published / "revisions" / (revision or "withdrawn") / path)
        return None
    page_bytes = GROWING_PAGE_BYTES if partition_of(table) == "none" else None
    payload = parquet_bytes(table.conform(frame), page_bytes=page_bytes)
    record = SnapshotFile(path=path, rows=frame.height, sha256=hashlib.sha256(payload).hexdigest())
    if before == record and target.exists():
        return record
    if revision and target.exists() and replaces_rows(target, frame, table=table, old=published_rows):
        keep = published / "revisions" / revision / path
        if not keep.exists():
            replace_file(keep, target.read_bytes(), mode=READ_ONLY)
    replace_file(target, payload, mode=READ_ONLY)
    return record


def publish_partition_file(
    published: Path,
    *,
    table: Table,
    source: Path,
    record: SnapshotFile,
    before: SnapshotFile | None,
    revision: str | None,
) -> None:
    """Publish a session of a large table, whose file exists already with the very bytes: a link, or a copy elsewhere.

    Raises
    ------
    DataError
        If the file is gone or has no longer the bytes of its hash.
    """
    target = published / record.path
    if before == record and target.exists():
        return
    try:
        sound = hashlib.sha256(source.read_bytes()).hexdigest() == record.sha256
    except FileNotFoundError:
        sound = False
    if not sound:
        raise DataError(
            f"{source} is gone or damaged, so {record.path} cannot be published; "
            "run `alvh rebuild`, which makes it again"
        )
    if revision and target.exists() and replaces_rows(target, _rows(source), table=table):
        keep = published / "revisions" / revision / record.path
        if not keep.exists():
            replace_file(keep, target.read_bytes(), mode=READ_ONLY)
    link_file(source, target, mode=READ_ONLY)


def replaces_rows(target: Path, frame: pl.DataFrame, *, table: Table, old: pl.DataFrame | None = None) -> bool:
    """Return whether a row published at `target`, which `old` are the rows of if given, is not the same in `frame`."""
    try:
        old = _rows(target) if old is None else old
    except (pl.exceptions.ComputeError, OSError):
        # Damaged since it was published: kept as it is, and replaced by a whole one.
        return True
    if old.columns != frame.columns:
        return True
    if old.equals(frame.head(old.height)):
        return False
    return not old.join(frame, on=table.column_names, how="anti", nulls_equal=True).is_empty()


def read_as_published(published: Path, record: SnapshotFile) -> pl.DataFrame | None:
    """Return the rows of a snapshot, None unless the file has the very bytes it was published with."""
    try:
        payload = (published / record.path).read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(payload).hexdigest() != record.sha256:
        return None
    return pl.read_parquet(io.BytesIO(payload), hive_partitioning=False)


def _rows(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path, hive_partitioning=False)
