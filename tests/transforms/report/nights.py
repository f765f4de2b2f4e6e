"""Nights made of a few rows, for tests of the report: what is not given of a row is null, other tables are empty."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from transforms.report.night import OF_THE_CHAIN, OF_THE_NIGHT, UP_TO_THE_NIGHT, WHOLE, Night
from transforms.table_schema import Table

SESSION = date(2026, 10, 30)


def night_of(given: Mapping[Table, list[dict[str, Any]]], *, session: date = SESSION) -> Night:
    """Return a night; a row without a session is the night's own."""
    frames = {}
    for table in (*OF_THE_NIGHT, *UP_TO_THE_NIGHT, *WHOLE, *OF_THE_CHAIN):
        rows = [
            {name: row.get(name, session if name == "session_date" else None) for name in table.column_names}
            for row in given.get(table, [])
        ]
        frames[table] = pl.DataFrame(rows, schema=table.polars_schema, orient="row")
    return Night(session, frames)
