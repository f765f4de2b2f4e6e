"""The rows of one session of a large table, as one parquet file that is never changed, named by its hash.

Tables with more than 1,000 rows a session are not kept in DuckDB: the warehouse records which file holds which session,
workers write and read the files themselves, and publishing a session is a link to its file.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from flows.object_store import Store
from flows.snapshots import parquet_bytes
from transforms.errors import DataError
from transforms.schemas import TABLES, partition_of
from transforms.table_schema import Table

LARGE_TABLES = tuple(table for table in TABLES if partition_of(table) == "session")


@dataclass(frozen=True)
class PartitionFile:
    """Which file holds the rows of a session of a table."""

    table_name: str
    session_date: date
    sha256: str
    n_rows: int

    @property
    def facts(self) -> dict[str, str | int]:
        """What JSON can hold of it; the session goes without saying."""
        return {"table_name": self.table_name, "sha256": self.sha256, "n_rows": self.n_rows}

    @property
    def name(self) -> str:
        """Its name in the store of partition files."""
        return f"{self.table_name}/{self.sha256[:2]}/{self.sha256}.parquet"


def write_partition(store: Store, table: Table, frame: pl.DataFrame) -> PartitionFile:
    """Store the rows of one session (at least one row, columns of the table) and return their record."""
    payload = parquet_bytes(table.conform(frame))
    record = PartitionFile(table.full_name, frame["session_date"][0], hashlib.sha256(payload).hexdigest(), frame.height)
    if not store.exists(record.name):
        store.write(record.name, payload, durable=False)
    return record


def read_partition(store: Store, record: PartitionFile, *, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the rows of a session, sorted by the table's key; all columns unless some are named.

    Raises
    ------
    DataError
        If the file is gone.
    """
    wanted = list(columns) if columns else None
    if store.local is not None:
        path = store.local / record.name
        if path.exists():
            return pl.read_parquet(path, columns=wanted, hive_partitioning=False)
        payload = None
    else:
        payload = store.read(record.name)
    if payload is None:
        raise DataError(
            f"the rows of {record.table_name} for {record.session_date} are gone ({record.name}); "
            "run `alvh rebuild`, which makes them again from landing"
        )
    return pl.read_parquet(payload, columns=wanted)


def shared_partitions(partitions: Store, staging: Store) -> Store:
    """Return where workers write and read partition files: beside staging if that is on S3, else the home's own."""
    return staging.below("partitions") if staging.local is None else partitions


def hand_over(records: Iterable[PartitionFile], *, source: Store, target: Store) -> None:
    """Copy files to another store, if it is another and lacks them."""
    if source == target:
        return
    for record in records:
        if target.exists(record.name):
            continue
        payload = source.read(record.name)
        if payload is None:
            raise DataError(
                f"the rows of {record.table_name} for {record.session_date} are gone ({record.name}); "
                "run the command again: they are made again from landing"
            )
        target.write(record.name, payload, durable=False)
