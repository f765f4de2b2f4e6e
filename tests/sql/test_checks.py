"""Every sql/checks file passes on a consistent warehouse and returns the offending key of a planted fault."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any

import duckdb
import polars as pl
import pytest

from transforms.schemas import BY_NAME, TABLES
from transforms.table_schema import Column

CHECKS = {
    path.name.removesuffix(".sql"): path.read_text()
    for path in files("sql").joinpath("checks").iterdir()
    if path.name.endswith(".sql")
}
MONDAY, TUESDAY = date(2023, 9, 11), date(2023, 9, 12)
OCTOBER, NOVEMBER = date(2023, 10, 18), date(2023, 11, 15)
FILE = "f" * 64

SOUND_ROWS: dict[str, list[dict[str, Any]]] = {
    "core.landed_file": [{"sha256": FILE, "n_rows": 10, "n_loaded": 8, "n_rejected": 2, "n_superseded": 3}],
    "core.option_quote": [
        {"session_date": MONDAY, "root": root, "expiration": NOVEMBER, "strike": 20.0, "bid": bid, "ask": ask}
        for root, bid, ask in (("VIX", 1.0, 1.2), ("SPX", 0.5, None), ("SPXW", 0.0, 0.05))
    ],
    "core.futures_settlement": [
        {"session_date": MONDAY, "root": "VX", "expiration": expiration, "settle": settle}
        for expiration, settle in ((OCTOBER, 16.0), (NOVEMBER, 17.0))
    ],
    "core.index_level": [
        {"session_date": MONDAY, "symbol": "VIX", "close": 14.0},
        {"session_date": MONDAY, "symbol": "SPX", "close": 4487.0},
    ],
    "feature.term_structure": [
        {"session_date": MONDAY, "rank": 1, "expiration": OCTOBER, "settle": 16.0},
        {"session_date": MONDAY, "rank": 2, "expiration": NOVEMBER, "settle": 17.0},
        {"session_date": MONDAY, "rank": 3, "expiration": date(2023, 12, 20), "settle": None},
    ],
    "feature.curve_daily": [
        {"session_date": MONDAY, "vx1": 16.0, "vx2": 17.0, "contango_ratio": 17.0 / 16.0 - 1},
        {"session_date": date(2023, 9, 8), "vx1": 16.0, "vx2": None, "contango_ratio": None},
    ],
    "mart.signal_daily": [{"session_date": MONDAY}, {"session_date": date(2023, 9, 8)}],
    "quarantine.rejected_row": [{"session_date": MONDAY, "source_sha256": FILE}],
}

FAULTS = [
    ("option_quote_key_is_unique", "core.option_quote", {}),
    ("one_snapshot_per_session_and_root", "core.option_quote", {"quote_ts": datetime(2023, 9, 11, 19, 45)}),
    ("bid_is_not_above_ask", "core.option_quote", {"bid": 2.0}),
    ("options_outlive_their_session", "core.option_quote", {"expiration": date(2023, 9, 8)}),
    ("core_rows_come_from_landed_files", "core.option_quote", {"source_sha256": "0" * 64}),
    ("core_rows_come_from_landed_files", "core.treasury_rate", {"source_sha256": "0" * 64}),
    ("futures_settlement_key_is_unique", "core.futures_settlement", {}),
    (
        "futures_settle_on_or_before_expiration",
        "core.futures_settlement",
        {"session_date": date(2023, 10, 19)},
    ),
    ("index_level_key_is_unique", "core.index_level", {}),
    ("landed_rows_are_loaded_or_rejected", "core.landed_file", {"n_rejected": 1}),
    ("landed_rows_are_loaded_or_rejected", "core.landed_file", {"n_superseded": 9}),
    ("rejected_rows_come_from_landed_files", "quarantine.rejected_row", {"source_sha256": "0" * 64}),
    ("signal_daily_has_one_row_a_session", "mart.signal_daily", {}),
    ("features_end_with_core", "feature.vol_of_vol_daily", {"session_date": TUESDAY}),
    ("features_end_with_core", "feature.curve_daily", {"session_date": TUESDAY}),
    ("contango_ratio_follows_from_vx1_and_vx2", "feature.curve_daily", {"contango_ratio": 0.08}),
    ("contango_ratio_follows_from_vx1_and_vx2", "feature.curve_daily", {"contango_ratio": None}),
    ("contango_ratio_follows_from_vx1_and_vx2", "feature.curve_daily", {"vx1": None}),
    ("term_structure_rank_follows_expiration", "feature.term_structure", {"rank": 4}),
    ("term_structure_rank_follows_expiration", "feature.term_structure", {"rank": 5, "expiration": NOVEMBER}),
    ("term_structure_agrees_with_settlements", "feature.term_structure", {"settle": 16.1}),
    ("term_structure_agrees_with_settlements", "feature.term_structure", {"settle": None}),
]


def filler(column: Column) -> Any:
    if column.allowed:
        return column.allowed[0]
    if column.name == "source_sha256":
        return FILE
    values: dict[pl.DataType, Any] = {
        pl.Float64(): 1.0,
        pl.Int64(): 1,
        pl.Boolean(): True,
        pl.Date(): MONDAY,
        pl.Datetime("us"): datetime(2023, 9, 11, 20, 15),
        pl.String(): "text",
    }
    return values[column.dtype]


def insert(connection: duckdb.DuckDBPyConnection, name: str, row: dict[str, Any]) -> None:
    table = BY_NAME[name]
    whole = {column.name: filler(column) for column in table.columns} | row
    connection.register("incoming", pl.DataFrame([whole], schema=table.polars_schema))
    connection.execute(f"insert into {name} by name select * from incoming")
    connection.unregister("incoming")


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for schema in sorted({table.schema for table in TABLES}):
            connection.execute(f"create schema {schema}")
        for table in TABLES:
            connection.register("shape", table.empty())
            connection.execute(f"create table {table.full_name} as select * from shape")
            connection.unregister("shape")
        yield connection


@pytest.fixture
def sound(warehouse: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    for name, rows in SOUND_ROWS.items():
        for row in rows:
            insert(warehouse, name, row)
    return warehouse


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_a_check_passes_on_an_empty_and_on_a_consistent_warehouse(
    check: str, warehouse: duckdb.DuckDBPyConnection
) -> None:
    assert warehouse.execute(CHECKS[check]).fetchall() == []
    for name, rows in SOUND_ROWS.items():
        for row in rows:
            insert(warehouse, name, row)
    assert warehouse.execute(CHECKS[check]).fetchall() == []


@pytest.mark.parametrize(("check", "table", "change"), FAULTS)
def test_a_check_returns_the_planted_fault(
    check: str, table: str, change: dict[str, Any], sound: duckdb.DuckDBPyConnection
) -> None:
    row = SOUND_ROWS.get(table, [{}])[0]

    insert(sound, table, row | change)

    assert len(sound.execute(CHECKS[f"assert_{check}"]).fetchall()) == 1


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {f"assert_{check}" for check, *_ in FAULTS} == set(CHECKS)


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_a_check_says_first_why_it_matters(check: str) -> None:
    assert CHECKS[check].startswith("-- why: ")
    assert "select *" not in CHECKS[check]


def test_a_settlement_on_the_expiration_day_itself_passes(sound: duckdb.DuckDBPyConnection) -> None:
    insert(sound, "core.futures_settlement", {"session_date": OCTOBER, "expiration": OCTOBER, "root": "VX"})

    assert sound.execute(CHECKS["assert_futures_settle_on_or_before_expiration"]).fetchall() == []


def test_a_feature_of_any_session_is_ahead_of_an_empty_core(warehouse: duckdb.DuckDBPyConnection) -> None:
    insert(warehouse, "feature.curve_daily", {"session_date": MONDAY - timedelta(days=3)})

    assert len(warehouse.execute(CHECKS["assert_features_end_with_core"]).fetchall()) == 1
