"""A file cannot know what happens after it was received: rows of later sessions are refused, whoever prints them."""

from datetime import UTC, datetime

import polars as pl

from transforms.schemas import REJECTED_ROW
from transforms.sessions import NEW_YORK
from transforms.table_schema import Table

AFTER_RECEIPT = "after_receipt"
# Archives that hide when a file was made print 1970 or 1980; such a time says nothing.
FIRST_HONEST_YEAR = 2000
# A settlement value has no session; it is of its expiration. Events are scheduled ahead, so they may be of any day.
DAY_COLUMNS = {"core.settlement_value": "expiration"}


def rows_after_receipt(
    table: Table, frame: pl.DataFrame, *, received_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of days up to the file's receipt, and the others as rows of quarantine.rejected_row.

    Parameters
    ----------
    frame
        The table's columns and `source_row_number`.
    received_at
        When the file was received, UTC, naive; the day that counts is New York's.
    """
    day = DAY_COLUMNS.get(table.full_name) or table.session_column
    if day is None or received_at.year < FIRST_HONEST_YEAR:
        return frame, REJECTED_ROW.empty()
    received = received_at.replace(tzinfo=UTC).astimezone(NEW_YORK).date()
    late = (pl.col(day) > received).fill_null(False)
    if not frame.select(late.any()).item():
        return frame, REJECTED_ROW.empty()
    rejected = frame.filter(late).select(
        pl.col(day).alias("session_date"),
        pl.lit(table.full_name).alias("table_name"),
        pl.col("source_sha256"),
        pl.col("source_row_number"),
        pl.lit(AFTER_RECEIPT).alias("rule"),
        pl.format(
            "{} is after {}, when the file was received; if its modification time is wrong, gzip it and import that",
            pl.col(day),
            pl.lit(received),
        ).alias("reason"),
        pl.struct(table.column_names).struct.json_encode().alias("row_json"),
    )
    return frame.filter(~late), rejected.unique(REJECTED_ROW.key, keep="first", maintain_order=True)
