"""A frame is the table or it is refused: columns, types, nulls, NaN, key; then one order whatever the order given."""

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import SchemaMismatch
from transforms.table_schema import Column, Table

TABLE = Table(
    "core", "sample", "one row per session and symbol", ("session_date", "symbol"),
    (
        Column("session_date", pl.Date(), "Session.", nullable=False),
        Column("symbol", pl.String(), "Symbol."),
        Column("close", pl.Float64(), "Close, points.", nullable=False),
        Column("high", pl.Float64(), "High, points."),
    ),
)  # fmt: skip


def frame(n: int = 3) -> pl.DataFrame:
    rows = [{"session_date": date(2024, 2, 1 + k), "symbol": "VIX", "close": 14.0 + k, "high": None} for k in range(n)]
    return pl.DataFrame(rows, schema=TABLE.polars_schema)


@given(st.permutations(range(5)), st.permutations(TABLE.column_names))
def test_order_of_rows_and_columns_does_not_matter(rows: list[int], columns: list[str]) -> None:
    assert TABLE.conform(frame(5)[rows].select(columns)).equals(frame(5))


def test_a_conforming_frame_is_one_chunk() -> None:
    assert TABLE.conform(pl.concat([frame(2), frame(3)[2:]], rechunk=False)).n_chunks() == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.drop("high"), r"core\.sample: missing columns \['high'\]"),
        (lambda f: f.with_columns(low=1.0), r"unknown columns \['low'\]"),
        (lambda f: f.cast({"close": pl.Float32}), "another type than the schema's: {'close': Float32}"),
        (lambda f: f.with_columns(close=pl.lit(None, pl.Float64)), r"of 3 rows, .*close"),
        (lambda f: f.with_columns(symbol=pl.lit(None, pl.String)), r"of 3 rows, .*symbol"),
        (lambda f: f.with_columns(high=pl.lit(float("nan"))), r"of 3 rows, .*high"),
        (lambda f: f.with_columns(session_date=date(2024, 2, 1)), r"2 of 3 rows repeat a key \('session_date', 'symb"),
    ],
)  # fmt: skip
def test_a_frame_that_is_not_the_table_is_refused_with_what_is_wrong(
    spoil: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    with pytest.raises(SchemaMismatch, match=message):
        TABLE.conform(spoil(frame()))


def test_a_null_where_it_is_allowed_and_an_empty_frame_conform() -> None:
    assert TABLE.conform(frame())["high"].null_count() == 3
    assert TABLE.conform(TABLE.empty()).is_empty()
    assert TABLE.empty().schema == pl.Schema(TABLE.polars_schema)
    assert TABLE.full_name == "core.sample"
