import hashlib
import shutil
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from flows.docs import data_dictionary
from flows.internal_tables import RULE_SCHEMA
from flows.partition_files import LARGE_TABLES
from flows.served_database import named_query, query_published
from flows.warehouse import Warehouse
from transforms.errors import DataError, SchemaMismatch
from transforms.schemas import BY_NAME, TABLES

LEVELS, QUOTES = BY_NAME["core.index_level"], BY_NAME["core.option_quote"]


def levels(*rows: tuple[date, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            dict.fromkeys(LEVELS.column_names)
            | {"session_date": day, "symbol": "VIX", "close": close, "source_sha256": "f"}
            for day, close in rows
        ],
        schema=LEVELS.polars_schema,
    )


@pytest.fixture
def warehouse(tmp_path):
    with Warehouse(tmp_path / "warehouse.duckdb") as opened:
        yield opened


def test_every_table_of_the_schemas_exists_with_its_columns(warehouse):
    for table in TABLES:
        assert warehouse.read(table).schema == pl.Schema(table.polars_schema)


def test_writing_the_same_rows_twice_changes_nothing(warehouse):
    frame = levels((date(2024, 2, 1), 14.0), (date(2024, 2, 2), 15.0))
    assert warehouse.write_changes(LEVELS, frame) == [date(2024, 2, 1), date(2024, 2, 2)]
    warehouse.clear_dirty(published="before")
    assert warehouse.write_changes(LEVELS, frame) == []
    assert warehouse.dirty() == []


def test_only_the_sessions_that_differ_are_written_and_their_partitions_marked(warehouse):
    warehouse.write_changes(LEVELS, levels((date(2023, 2, 1), 14.0), (date(2024, 2, 2), 15.0)))
    warehouse.clear_dirty(published="before")
    assert warehouse.write_changes(LEVELS, levels((date(2023, 2, 1), 14.0), (date(2024, 2, 2), 15.5))) == [
        date(2024, 2, 2)
    ]
    assert warehouse.dirty() == [(LEVELS, "2024")]
    assert warehouse.dirty_sessions() == {date(2024, 2, 2)}


def test_what_changed_first_is_known_only_since_the_state_published_last(warehouse):
    warehouse.write_changes(LEVELS, levels((date(2023, 2, 1), 14.0), (date(2024, 2, 1), 14.0)))
    warehouse.clear_dirty(published="last")
    assert warehouse.first_changed(since="last") == {}
    rows = [(date(2023, 2, 1), 14.0), (date(2024, 2, 1), 14.5), (date(2024, 2, 2), 15.0)]
    warehouse.write_changes(LEVELS, levels(*rows))
    warehouse.write_changes(LEVELS, levels(*rows, (date(2024, 2, 5), 16.0)))
    assert warehouse.first_changed(since="last") == {(LEVELS, "2024"): date(2024, 2, 1)}
    assert warehouse.first_changed(since="another") == {}


@pytest.mark.parametrize("seed", range(20))
def test_an_internal_table_holds_exactly_what_is_written_however_much_of_it_is_new(warehouse, seed):
    rng = np.random.default_rng(seed)
    for _ in range(4):
        kept = sorted({int(n) for n in rng.integers(0, 30, rng.integers(0, 30))})
        rules = [None if n % 7 == 0 else f"rule {n % 5}" for n in kept]
        frame = pl.DataFrame({"table_name": [f"t{n}" for n in kept], "rule": rules}, schema=RULE_SCHEMA)
        warehouse.write_meta("meta.rule", frame.sample(fraction=1.0, shuffle=True, seed=seed))
        assert warehouse.read_meta("meta.rule").sort("table_name").equals(frame.sort("table_name"))


def test_a_row_that_is_gone_is_removed(warehouse):
    warehouse.write_changes(LEVELS, levels((date(2024, 2, 1), 14.0), (date(2024, 2, 2), 15.0)))
    assert warehouse.write_changes(LEVELS, levels((date(2024, 2, 2), 15.0))) == [date(2024, 2, 1)]
    assert warehouse.read(LEVELS)["session_date"].to_list() == [date(2024, 2, 2)]


def test_an_error_inside_a_transaction_leaves_nothing_behind(warehouse):
    sound = levels((date(2024, 2, 1), 14.0))

    def write_one_and_fail_on_the_next() -> None:
        with warehouse.transaction():
            warehouse.write_changes(LEVELS, sound)
            warehouse.write_changes(LEVELS, sound.drop("close"))

    with pytest.raises(SchemaMismatch):
        write_one_and_fail_on_the_next()
    assert warehouse.read(LEVELS).is_empty()
    assert warehouse.dirty() == []


def test_a_damaged_warehouse_says_how_to_make_it_again(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(DataError, match="alvh rebuild"):
        Warehouse(path)


def test_the_served_file_holds_every_table_with_comments_and_no_path(warehouse, tmp_path):
    draft = tmp_path / "served.duckdb"
    warehouse.write_changes(LEVELS, levels((date(2024, 2, 1), 14.0)))
    warehouse.build_served(draft, serving_sessions=60)
    with duckdb.connect(str(draft), read_only=True) as connection:
        tables = connection.sql("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall()
        columns = connection.sql(
            "select column_name from duckdb_columns() where comment is null and not internal"
        ).fetchall()
        text = connection.sql(
            "select sql from duckdb_tables() union all select sql from duckdb_views() where not internal"
            " union all select macro_definition from duckdb_functions() where not internal"
        ).fetchall()
    assert {name for name, _ in tables} == {table.full_name for table in TABLES}
    assert all(comment for _, comment in tables)
    view_columns = {name for (name,) in columns}
    assert view_columns.isdisjoint(set(LEVELS.column_names) - {"session_date", "close", "open", "high", "low"})
    assert not any(str(tmp_path) in (statement or "") or "warehouse" in (statement or "") for (statement,) in text)


def write_quotes(warehouse, *days: int, bid: float = 1.0) -> None:
    for day in days:
        session = date(2024, 2, day)
        rows = []
        for strike in (5000.0, 5100.0):
            row = dict.fromkeys(QUOTES.column_names)
            row |= {
                "session_date": session, "root": "SPX", "expiration": date(2024, 3, 15), "strike": strike,
                "option_type": "call", "quote_ts": datetime(2024, 2, day, 21, 15), "snapshot_kind": "close",
                "settlement_style": "am", "bid": bid, "ask": bid + 0.2, "source_sha256": "f",
            }  # fmt: skip
            rows.append(row)
        warehouse.write_changes(QUOTES, pl.DataFrame(rows, schema=QUOTES.polars_schema), sessions=[session])


def content(path: Path) -> dict[str, list[object]]:
    """Everything a client sees in a served file: rows, comments, views and macros."""
    with duckdb.connect(str(path), read_only=True) as connection:
        seen = {t.full_name: connection.sql(f"from {t.full_name} order by all").fetchall() for t in TABLES}
        for what in (
            "schema_name, table_name, comment from duckdb_tables()",
            "schema_name, table_name, column_name, data_type, comment from duckdb_columns() where not internal",
            "view_name, sql from duckdb_views() where not internal",
            "function_name, macro_definition from duckdb_functions() where not internal",
        ):
            seen[what] = connection.sql(f"select {what} order by all").fetchall()
    return seen


def test_only_the_newest_sessions_of_quotes_are_served(warehouse, tmp_path):
    write_quotes(warehouse, 1, 2, 5, 6)
    draft = tmp_path / "served.duckdb"
    warehouse.build_served(draft, serving_sessions=2)
    served = query_published(draft, "select distinct session_date from core.option_quote order by 1")
    assert served["session_date"].to_list() == [date(2024, 2, 5), date(2024, 2, 6)]


def hashes(warehouse: Warehouse, *, serving_sessions: int) -> dict[str, dict[str, str]]:
    """What a served file would be built from now: a hash of each partition's rows."""
    found: dict[str, dict[str, str]] = {}
    for table, cut in warehouse.all_partitions():
        rows = warehouse.read_partition(table, cut).write_csv()
        found.setdefault(table.full_name, {})[cut] = hashlib.sha256(rows.encode()).hexdigest()
    for table in LARGE_TABLES:
        found[table.full_name] = dict(sorted(found.get(table.full_name, {}).items())[-serving_sessions:])
    return found


def test_a_file_carried_on_holds_what_one_made_anew_holds(warehouse, tmp_path):
    """A session slides out of the window, one comes in, one is restated, a year changes, one goes and one comes."""
    write_quotes(warehouse, 1, 2, 5, 6, 7, 8)
    old = [(date(year, 2, 1), 14.0) for year in (2019, 2020, 2021, 2022, 2023)]
    warehouse.write_changes(LEVELS, levels(*old))
    base, carried, anew = (tmp_path / f"{name}.duckdb" for name in ("base", "carried", "anew"))
    held = hashes(warehouse, serving_sessions=6)
    warehouse.build_served(base, serving_sessions=6)
    write_quotes(warehouse, 9)
    write_quotes(warehouse, 5, bid=3.0)
    changed = [(date(2023, 2, 1), 15.0), (date(2023, 2, 2), 16.0), (date(2024, 2, 2), 17.0)]
    warehouse.write_changes(LEVELS, levels(*old[1:-1], *changed))
    now = hashes(warehouse, serving_sessions=6)
    shutil.copyfile(base, carried)
    warehouse.build_served(carried, serving_sessions=6, held=held, now=now)
    warehouse.build_served(anew, serving_sessions=6)
    assert content(carried) == content(anew) != content(base)
    assert list(now["core.option_quote"]) == [f"2024-02-0{day}" for day in (2, 5, 6, 7, 8, 9)]
    assert sorted(now["core.index_level"]) == ["2020", "2021", "2022", "2023", "2024"]


def test_of_a_year_carried_on_only_the_sessions_from_the_first_that_changed_on_are_replaced(warehouse, tmp_path):
    """The base is marked in a session before and in one after: one mark is carried on, the other is gone."""
    rows = [(date(2024, 2, day), 14.0) for day in (1, 2, 5)]
    warehouse.write_changes(LEVELS, levels(*rows))
    base, draft = tmp_path / "base.duckdb", tmp_path / "draft.duckdb"
    warehouse.build_served(base, serving_sessions=6)
    held = hashes(warehouse, serving_sessions=6)
    warehouse.clear_dirty(published="last")
    with duckdb.connect(str(base)) as connection:
        connection.execute("update core.index_level set low = 7 where session_date in ('2024-02-01', '2024-02-05')")
    warehouse.write_changes(LEVELS, levels(rows[0], (rows[1][0], 15.0), rows[2], (date(2024, 2, 6), 16.0)))
    now = hashes(warehouse, serving_sessions=6)
    first_changed = warehouse.first_changed(since="last")
    shutil.copyfile(base, draft)
    warehouse.build_served(draft, serving_sessions=6, held=held, now=now, first_changed=first_changed)
    served = query_published(draft, "select close, low from core.index_level order by session_date")
    assert served.rows() == [(14.0, 7.0), (15.0, None), (14.0, None), (16.0, None)]
    shutil.copyfile(base, draft)
    warehouse.build_served(draft, serving_sessions=6, held=held, now=now)
    assert query_published(draft, "select count(low) as n from core.index_level")["n"].to_list() == [0]


def test_rows_of_the_base_are_what_is_carried_on_and_a_damaged_base_is_not(warehouse, tmp_path):
    write_quotes(warehouse, 1, 2, 5)
    base, draft = tmp_path / "base.duckdb", tmp_path / "draft.duckdb"
    warehouse.build_served(base, serving_sessions=6)
    with duckdb.connect(str(base)) as connection:
        connection.execute("update core.option_quote set bid = 7 where session_date = '2024-02-02'")
    held = hashes(warehouse, serving_sessions=6)
    write_quotes(warehouse, 6)
    now = hashes(warehouse, serving_sessions=6)
    bids = "select distinct bid from core.option_quote order by bid"
    shutil.copyfile(base, draft)
    warehouse.build_served(draft, serving_sessions=6, held=held, now=now)
    assert query_published(draft, bids)["bid"].to_list() == [1.0, 7.0]
    base.write_bytes(base.read_bytes()[: base.stat().st_size // 2])
    shutil.copyfile(base, draft)
    warehouse.build_served(draft, serving_sessions=6, held=held, now=now)
    assert query_published(draft, bids)["bid"].to_list() == [1.0]


def test_types_polars_does_not_know_come_back_as_text(warehouse, tmp_path):
    draft = tmp_path / "served.duckdb"
    warehouse.build_served(draft, serving_sessions=2)
    rows = query_published(draft, "select interval 3 day as span, uuid() as id, 1 as n")
    assert rows["span"].to_list() == ["3 days"]
    assert rows["n"].to_list() == [1]


def test_a_query_that_fails_is_an_error_of_the_data_not_a_traceback(warehouse, tmp_path):
    draft = tmp_path / "served.duckdb"
    warehouse.build_served(draft, serving_sessions=2)
    with pytest.raises(DataError, match="the query failed"):
        query_published(draft, "select nothing from nowhere")
    with pytest.raises(DataError, match="nothing is published"):
        query_published(tmp_path / "absent.duckdb", "select 1")


def test_a_query_can_be_named_by_its_file():
    assert "feature.curve_daily" in named_query("how_often_in_contango")
    assert named_query("select 1") == "select 1"


def test_the_data_dictionary_names_every_table_and_column():
    text = data_dictionary()
    for table in TABLES:
        assert f"## {table.full_name}" in text
        assert all(f"| `{column.name}` |" in text for column in table.columns)
