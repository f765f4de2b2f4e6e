"""Nights whose every table carries one number, and readers that say which numbers they see.

Started as a program with the file to read, "reconnecting" or "lasting" (how it holds its connection) and the file that
tells it to stop; it prints its sightings as one line of JSON.
"""

import json
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from transforms.schemas import TABLES
from transforms.table_schema import Table

SESSION = date(2024, 2, 14)
MOMENT = datetime(2024, 2, 14, 21)
NUMBERS = ("Int64", "Float64", "String")
# Between two queries of a reader: several readers fit beside a publisher on two cores, and none misses many nights.
PAUSE_SECONDS = 0.15


@dataclass(frozen=True)
class Sighting:
    """One query over all tables: when it began (monotonic seconds), which numbers it saw, and in how many tables."""

    began: float
    numbers: tuple[int, ...]
    n_tables: int


def numbered_column(table: Table) -> str:
    """Return the column that carries the number: the first number or text outside the key."""
    return next(c.name for c in table.columns if c.name not in table.key and str(c.dtype) in NUMBERS)


def first_row(table: Table) -> dict[str, list[object]]:
    """Return a row by column, every text and number of it 1."""
    values: dict[str, object] = {"Int64": 1, "Float64": 1.0, "String": "1", "Boolean": True, "Date": SESSION}
    return {column.name: [values.get(str(column.dtype), MOMENT)] for column in table.columns}


def watch(served: Path, *, reconnecting: bool, stop: Path) -> list[Sighting]:
    """Ask for the number of every table, in one query, until the file `stop` exists."""
    text = " union all ".join(
        f"select cast({numbered_column(table)} as bigint) as number from {table.full_name}" for table in TABLES
    )
    seen: list[Sighting] = []

    def look(connection: duckdb.DuckDBPyConnection, began: float) -> None:
        numbers = [number for (number,) in connection.execute(text).fetchall()]
        seen.append(Sighting(began, tuple(sorted(set(numbers))), len(numbers)))
        if len(seen) == 1:
            print("watching", flush=True)
        time.sleep(PAUSE_SECONDS)

    options: dict[str, str | bool | int | float | list[str]] = {"threads": 1}
    if reconnecting:
        while not stop.exists():
            began = time.monotonic()
            with duckdb.connect(str(served), read_only=True, config=options) as connection:
                look(connection, began)
    else:
        with duckdb.connect(str(served), read_only=True, config=options) as connection:
            while not stop.exists():
                look(connection, time.monotonic())
    return seen


if __name__ == "__main__":
    found = watch(Path(sys.argv[1]), reconnecting=sys.argv[2] == "reconnecting", stop=Path(sys.argv[3]))
    print(json.dumps([(sighting.began, sighting.numbers, sighting.n_tables) for sighting in found]), flush=True)
