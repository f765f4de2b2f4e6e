"""Rows of days after a file was received are refused."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.receipt import rows_after_receipt
from transforms.schemas import ECONOMIC_EVENT, INDEX_LEVEL, REJECTED_ROW, SETTLEMENT_VALUE
from transforms.table_schema import Table

DAYS = [date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1)]


def rows(table: Table, day: str) -> pl.DataFrame:
    values = {"symbol": "VIX", "close": 15.0, "source_sha256": "a" * 64, "root": "VX", "value": 15.0, "event": "cpi"}
    frame = pl.DataFrame({day: DAYS, "source_row_number": [1, 2, 3]}, schema_overrides={"source_row_number": pl.Int64})
    missing = [
        pl.lit(values.get(column.name), dtype=column.dtype).alias(column.name)
        for column in table.columns
        if column.name != day
    ]
    return frame.with_columns(missing)


@pytest.mark.parametrize(
    ("received_at", "n_kept"),
    # 02:00 UTC is the evening before in New York; 1980 is what an archive prints that hides the time.
    [(datetime(2024, 2, 1, 2), 2), (datetime(2024, 2, 1, 14), 3), (datetime(2023, 6, 1), 0), (datetime(1980, 1, 1), 3)],
)
@pytest.mark.parametrize(("table", "day"), [(INDEX_LEVEL, "session_date"), (SETTLEMENT_VALUE, "expiration")])
def test_a_row_is_of_the_day_of_receipt_or_before(received_at: datetime, n_kept: int, table: Table, day: str) -> None:
    kept, rejected = rows_after_receipt(table, rows(table, day), received_at=received_at)
    assert kept[day].to_list() == DAYS[:n_kept]
    assert rejected["source_row_number"].to_list() == list(range(n_kept + 1, 4))
    assert set(rejected["rule"]) <= {"after_receipt"}
    REJECTED_ROW.conform(rejected)


def test_the_reason_says_when_it_was_received_and_what_to_do() -> None:
    _, rejected = rows_after_receipt(
        INDEX_LEVEL, rows(INDEX_LEVEL, "session_date"), received_at=datetime(2024, 2, 1, 2)
    )
    assert rejected["reason"].item() == (
        "2024-02-01 is after 2024-01-31, when the file was received; if its modification time is wrong, gzip it and "
        "import that"
    )


def test_events_are_scheduled_ahead() -> None:
    events = rows(ECONOMIC_EVENT, "event_date")
    kept, rejected = rows_after_receipt(ECONOMIC_EVENT, events, received_at=datetime(2023, 1, 1))
    assert kept.equals(events)
    assert rejected.is_empty()
