"""Nights whose every row of every table carries one number, and readers that say which number they see.

Started as a program with the file to read, "reconnecting" or "lasting" (how it holds its connection) and the file that tells
it to stop; it prints one JSON line of sightings.
"""

import json
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from transforms.schemas import TABLES
from transforms.table_schema import Table

SESSION = date(2024, 2, 14)
N_ROWS = 3
NUMBERED = {"BIGINT", "DOUBLE", "VARCHAR"}


@dataclass(frozen=True)
class Sighting:
    """One query over all tables: when it began (monotonic seconds), the numbers it saw and the row counts, distinct."""

    began: float
    numbers: tuple[int, ...]
    row_counts: tuple[int, ...]


def numbered_rows(table: Table, number: int) -> dict[str, list[Any]]:
    """Return `N_ROWS` rows by column: distinct keys that never change, and `number` in every other number and text."""
    import polars as pl

    columns: dict[str, list[Any]] = {}
    for column in table.columns:
        is_key = column.name in table.key
        numbers = range(1, N_ROWS + 1) if is_key else [number] * N_ROWS
        values: dict[pl.DataType, list[Any]] = {
            pl.Int64(): list(numbers),
            pl.Float64(): [float(value) for value in numbers],
            pl.String(): [str(value) for value in numbers],
            pl.Boolean(): [True] * N_ROWS,
            pl.Datetime("us"): [datetime(2024, 2, 14, 21)] * N_ROWS,
            pl.Date(): [SESSION] * N_ROWS,
        }
        columns[column.name] = values[column.dtype]
    if not any(table.polars_schema[name] in {pl.Int64(), pl.Float64(), pl.String()} for name in table.key):
        return {name: values[:1] for name, values in columns.items()}
    return columns


def question(connection: duckdb.DuckDBPyConnection) -> str:
    """Return one query for the numbers that all tables hold, from the columns the file itself lists."""
    names = {table.full_name: set(table.key) for table in TABLES}
    columns = connection.execute(
        "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() where not internal"
    ).fetchall()
    parts = [
        f"select cast({column} as bigint) as number, count(*) as n from {table} group by {column}"
        for table, column, kind in columns
        if table in names and column not in names[table] and kind in NUMBERED
    ]
    return " union all ".join(parts)


def sighting(connection: duckdb.DuckDBPyConnection, text: str, began: float) -> Sighting:
    rows = connection.execute(text).fetchall()
    return Sighting(began, tuple(sorted({row[0] for row in rows})), tuple(sorted({row[1] for row in rows})))


def watch(served: Path, *, reconnecting: bool, stop: Path) -> list[Sighting]:
    """Ask until the file `stop` exists, at least once."""
    options = {"threads": 1}
    with duckdb.connect(str(served), read_only=True, config=options) as connection:
        text = question(connection)
        seen = [sighting(connection, text, time.monotonic())]
        print("watching", flush=True)
        while not reconnecting and not stop.exists():
            seen.append(sighting(connection, text, time.monotonic()))
            time.sleep(0.05)
    while reconnecting and not stop.exists():
        began = time.monotonic()
        with duckdb.connect(str(served), read_only=True, config=options) as connection:
            seen.append(sighting(connection, text, began))
        time.sleep(0.02)
    return seen


if __name__ == "__main__":
    found = watch(Path(sys.argv[1]), reconnecting=sys.argv[2] == "reconnecting", stop=Path(sys.argv[3]))
    print(json.dumps([(sight.began, sight.numbers, sight.row_counts) for sight in found]), flush=True)
