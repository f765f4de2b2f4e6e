"""The published database: the statements that make it, and questions put to it.

`flows.warehouse` makes it, in one transaction on a file of its own; people and commands read it.
"""

import json
from collections.abc import Callable, Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from transforms.errors import DataError, UsageError
from transforms.schemas import TABLES
from transforms.table_schema import Table

AS_TEXT = frozenset({"INTERVAL", "UUID", "BIT", "TIME WITH TIME ZONE", "HUGEINT", "UHUGEINT", "UNION", "MAP"})


def query_published(path: Path, sql: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
    """Run a query on a published alvh.duckdb, read-only.

    Raises
    ------
    DataError
        If there is no published file yet, or the query fails.
    """
    if not path.exists():
        raise DataError(f"nothing is published at {path}; run `alvh run` or `alvh import` first")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            relation = connection.sql(sql, params=parameters)
            if relation is None:
                raise DataError("the query returns no rows: only a select does")
            # Polars ends the process on types it does not know, such as intervals.
            shown = [
                f'cast("{name}" as varchar) as "{name}"' if str(kind).split("(")[0] in AS_TEXT else f'"{name}"'
                for name, kind in zip(relation.columns, relation.types, strict=True)
            ]
            frame: pl.DataFrame = relation.project(", ".join(shown)).pl()
            return frame
    except duckdb.Error as error:
        raise DataError(f"the query failed: {error}") from error


def read_published(path: Path, table: Table, *, session: date | None = None) -> pl.DataFrame:
    """Return the published rows of a table, of one session if it is given, sorted by its key.

    Raises
    ------
    DataError
        If there is no published file yet, or it lacks the table.
    """
    names, order = ", ".join(table.column_names), ", ".join(table.key)
    if session is None:
        return query_published(path, f"select {names} from {table.full_name} order by {order}")
    return query_published(
        path,
        f"select {names} from {table.full_name} where session_date = $session order by {order}",
        {"session": session},
    )


def named_query(query: str) -> str:
    """Return the text of sql/queries/<query>.sql if the query is a name, else the query itself.

    Raises
    ------
    UsageError
        If there is no query of that name.
    """
    if not query.isidentifier():
        return query
    folder = files("sql").joinpath("queries")
    path = folder.joinpath(f"{query}.sql")
    if not path.is_file():
        names = sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
        raise UsageError(f"there is no query {query}; give a select, or one of {', '.join(names)}")
    return path.read_text()


def served_statements(source_of: Callable[[Table], str]) -> Iterator[str]:
    """Yield what makes the served file, attached as `served`; `source_of` is the relation a table's rows come from."""
    for schema in sorted({table.schema for table in TABLES}):
        yield f"create schema if not exists served.{schema}"
    for table in TABLES:
        names = ", ".join(table.column_names)
        yield f"create or replace table served.{table.full_name} as select {names} from {source_of(table)}"
        yield from _comments(table)
    yield "use served"
    for folder in ("views", "macros"):
        for path in sorted(files("sql").joinpath(folder).iterdir(), key=lambda entry: entry.name):
            if path.name.endswith(".sql"):
                text = path.read_text()
                yield (
                    f"create or replace view {path.name.removesuffix('.sql')} as {text}" if folder == "views" else text
                )


def _comments(table: Table) -> list[str]:
    grain = json.dumps(f"Grain: {table.grain}. Key: {', '.join(table.key)}.")[1:-1].replace("'", "''")
    statements = [f"comment on table served.{table.full_name} is '{grain}'"]
    for column in table.columns:
        meaning = column.meaning.replace("'", "''")
        statements.append(f"comment on column served.{table.full_name}.{column.name} is '{meaning}'")
    return statements
