"""Read a night as its report needs it: rows of the published tables; what is served no longer, from the parquet."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
from duckdb import ColumnExpression, ConstantExpression, DuckDBPyConnection

from flows.snapshots import partition_path
from transforms.errors import DataError
from transforms.report.night import OF_THE_CHAIN, OF_THE_NIGHT, UP_TO_THE_NIGHT, WHOLE, Night
from transforms.schemas import partition_of
from transforms.table_schema import Table


def read_published_night(served: Path, session: date) -> Night:
    """Return the rows of a night and of the sessions before it, all of one state of the published file `served`.

    Raises
    ------
    DataError
        If there is no published file, or one of an older version that lacks a table.
    """
    if not served.exists():
        raise DataError(f"nothing is published at {served}; run `alvh run` or `alvh import` first")
    try:
        with duckdb.connect(str(served), read_only=True) as connection:
            return read_night(connection, session, archive=served.parent)
    except duckdb.Error as error:
        raise DataError(
            f"{served} cannot be read ({error}); if an older version published it, run `alvh rebuild`"
        ) from error


def read_night(connection: DuckDBPyConnection, session: date, *, archive: Path) -> Night:
    """Return the rows of a night from an open database, those it no longer holds from the parquet of `archive`."""
    frames: dict[Table, pl.DataFrame] = {}
    of_the_night: dict[Table, list[str]] = {table: table.column_names for table in OF_THE_NIGHT}
    for table, columns in {**of_the_night, **OF_THE_CHAIN}.items():
        rows = _rows(connection, table, of=session, columns=columns)
        is_archived = rows.is_empty() and partition_of(table) == "session"
        frames[table] = _archived(archive, table, session, columns) if is_archived else rows
    for table in UP_TO_THE_NIGHT:
        frames[table] = _rows(connection, table, until=session)
    for table in WHOLE:
        frames[table] = _rows(connection, table)
    return Night(session, frames)


def _rows(
    connection: DuckDBPyConnection,
    table: Table,
    *,
    of: date | None = None,
    until: date | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    rows = connection.table(table.full_name)
    when = ColumnExpression("session_date")
    if of is not None:
        rows = rows.filter(when == ConstantExpression(of))
    if until is not None:
        rows = rows.filter(when <= ConstantExpression(until))
    frame: pl.DataFrame = rows.select(*(columns or table.column_names)).pl()
    return _typed(frame, table)


def _archived(archive: Path, table: Table, session: date, columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a session from their parquet; none if it has none."""
    path = archive / partition_path(table, session.isoformat())
    if not path.exists():
        return table.empty().select(columns)
    return _typed(pl.read_parquet(path, columns=list(columns), hive_partitioning=False), table)


def _typed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    return frame.cast({name: table.polars_schema[name] for name in frame.columns}).sort(
        [name for name in table.key if name in frame.columns]
    )
