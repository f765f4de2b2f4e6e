"""Row rules: the engine finds what an independent reading of the schema finds, on every table of files."""

import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.expectation_engine import warm_up
from flows.expectations import ExpectationError, judge, rules_of
from transforms.errors import SchemaMismatch
from transforms.schemas import (
    DATA_QUALITY,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    OPTION_QUOTE,
    REJECTED_ROW,
    SETTLEMENT_VALUE,
    TABLES,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Column, PairRule, Table

FILE_TABLES = [table for table in TABLES if table.schema == "core" and "source_sha256" in table.column_names]
ALWAYS_HAVE = ["not_a_number", "duplicate_row", "conflicting_duplicate"]
SESSION = date(2023, 9, 14)
SATURDAY = date(2023, 9, 16)
HASHES = ("a" * 64, "b" * 64)
Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _engine() -> None:
    warm_up()


def frame_of(table: Table, rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={**table.polars_schema, "source_row_number": pl.Int64()})


def sound_row(table: Table, number: int, **changes: Any) -> Row:
    """A row that breaks no rule and shares its key with no other number."""
    row: Row = {"source_row_number": number}
    for column in table.columns:
        row[column.name] = sound_value(column)
    for name, value in (("close", 100.0), ("session_date", SESSION), ("source_sha256", HASHES[0])):
        if name in row:
            row[name] = value
    places = ("expiration", "tenor_days", "event_date", "session_date", "leg")
    key = next(name for name in places if name in table.key)
    unique = {"leg": number + 1, "expiration": date(2024, 1, 1) + timedelta(days=number), "tenor_days": number + 1}
    days = TRADING_DAYS[number % len(TRADING_DAYS)]
    return row | {key: unique.get(key, days)} | changes


def sound_value(column: Column) -> Any:
    if column.allowed:
        return column.allowed[0]
    number = max(column.low or 0.0, 0.02 if column.high is not None and column.high < 1 else 5.0)
    if column.high is not None:
        number = min(number, column.high)
    values: dict[pl.DataType, Any] = {
        pl.Float64(): number,
        pl.Int64(): int(number),
        pl.Boolean(): True,
        pl.Date(): SESSION,
        pl.Datetime("us"): datetime(2023, 9, 14, 20, 15),
        pl.String(): "text",
    }
    return values[column.dtype]


TRADING_DAYS = [date(2023, 9, day) for day in (1, 5, 6, 7, 8, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22)]


def faulty_values(table: Table, column: Column) -> list[Any]:
    values: list[Any] = [None, sound_value(column)]
    if column.dtype == pl.Float64():
        values += [math.nan, math.inf, -math.inf, 0.0, -1.0, 2.5, 39.5, 1e9]
    if column.dtype == pl.Int64():
        values += [-1, 0, 3, 10**9]
    if column.dtype == pl.String():
        values += [*(column.allowed or ())[:3], "other"]
    if column.name == table.session_column:
        values += [SATURDAY, *TRADING_DAYS[:2]]
    return values


@st.composite
def faulty_rows(draw: st.DrawFn, table: Table) -> list[Row]:
    rows = []
    for number in range(draw(st.integers(1, 24))):
        row = sound_row(table, number % 8)
        for name in draw(st.sets(st.sampled_from(table.column_names), max_size=2)):
            if name != "source_sha256":
                column = next(c for c in table.columns if c.name == name)
                row[name] = draw(st.sampled_from(faulty_values(table, column)))
        row["source_sha256"] = draw(st.sampled_from(HASHES))
        rows.append(row)
    copies = draw(st.lists(st.sampled_from(rows), max_size=4))
    return [row | {"source_row_number": line} for line, row in enumerate([*rows, *copies], start=1)]


def missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def broken_rules(table: Table, rows: list[Row], sessions: set[date]) -> set[tuple[int, str]]:
    """Say of each row which rules of the schema it breaks, row by row in plain Python."""
    found = {(row["source_row_number"], rule) for row in rows for rule in broken_alone(table, row, sessions)}
    identity = [
        "source_sha256",
        *table.key,
        *(["snapshot_kind"] if "snapshot_kind" in table.column_names else []),
    ]
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if not any(missing(row[name]) for name in identity):
            groups[tuple(row[name] for name in identity)].append(row)
    for group in groups.values():
        contents = {repr([row[name] for name in table.column_names]) for row in group}
        ordered = sorted(row["source_row_number"] for row in group)
        if len(contents) > 1:
            found |= {(line, "conflicting_duplicate") for line in ordered}
        else:
            found |= {(line, "duplicate_row") for line in ordered[1:]}
    return found


def broken_alone(table: Table, row: Row, sessions: set[date]) -> Iterator[str]:
    for column in table.columns:
        value = row[column.name]
        if missing(value):
            if not column.nullable or column.name in table.key:
                yield f"{column.name}_missing"
        elif (column.low is not None and value < column.low) or (column.high is not None and value > column.high):
            yield f"{column.name}_out_of_range"
        elif column.allowed is not None and value not in column.allowed:
            yield f"{column.name}_not_allowed"
    for rule in table.rules:
        if isinstance(rule, PairRule):
            pair = row[rule.larger], row[rule.smaller]
            if not any(missing(value) or value == 0 for value in pair) and pair[0] < pair[1]:
                yield rule.name
        elif (
            row[rule.where_column] == rule.where_value
            and not missing(row[rule.column])
            and not rule.low <= row[rule.column] <= rule.high
        ):
            yield rule.name
    if any(isinstance(value, float) and not math.isfinite(value) for value in row.values()):
        yield "not_a_number"
    if table.session_column and row[table.session_column] is not None and row[table.session_column] not in sessions:
        yield "not_a_session"


@pytest.mark.parametrize("table", FILE_TABLES, ids=lambda table: table.full_name)
@settings(
    max_examples=4,
    deadline=None,
    # Shrinking a frame takes minutes; the assertion names the lines and rules that differ.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_the_engine_finds_every_broken_rule_and_no_other(
    table: Table, data: st.DataObject, calendar: TradingCalendar
) -> None:
    rows = data.draw(faulty_rows(table))
    expected = broken_rules(table, rows, set(TRADING_DAYS))

    judgement = judge(table, frame_of(table, rows), sessions=calendar.sessions)

    found = set(judgement.rejected.select("source_row_number", "rule").iter_rows())
    assert found == expected
    at_fault = {line for line, _ in expected}
    kept = [row["source_row_number"] for row in rows if row["source_row_number"] not in at_fault]
    assert judgement.accepted["source_row_number"].to_list() == kept
    counted = {name: n for name, n in judgement.checks.select("check_name", "n_failed").iter_rows()}
    assert sum(counted.values()) == len(expected)


@pytest.mark.parametrize("table", FILE_TABLES, ids=lambda table: table.full_name)
def test_sound_rows_of_every_table_pass_every_rule(table: Table, calendar: TradingCalendar) -> None:
    rows = [sound_row(table, number) for number in range(5)]

    judgement = judge(table, frame_of(table, rows), sessions=calendar.sessions)

    assert judgement.accepted.height == 5
    assert judgement.rejected.equals(REJECTED_ROW.empty())
    assert set(judgement.checks["outcome"]) == {"passed"}
    assert set(judgement.checks["n_rows"]) == {5}
    assert judgement.checks["check_name"].to_list() == rules_of(table)
    assert set(ALWAYS_HAVE) <= set(rules_of(table))
    DATA_QUALITY.conform(judgement.checks.with_columns(session_date=pl.lit(SESSION)))


def test_no_rows_pass_with_a_count_of_zero(calendar: TradingCalendar) -> None:
    judgement = judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, []), sessions=calendar.sessions)

    assert judgement.accepted.height == judgement.rejected.height == 0
    assert set(judgement.checks.select("outcome", "n_rows", "n_failed").iter_rows()) == {("passed", 0, 0)}


def test_a_rejection_quotes_the_value_and_keeps_the_row(calendar: TradingCalendar) -> None:
    rows = [sound_row(OPTION_QUOTE, 1), sound_row(OPTION_QUOTE, 7, bid=3.25, ask=1.5)]

    judgement = judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, rows), sessions=calendar.sessions)

    (rejected,) = judgement.rejected.to_dicts()
    assert rejected["rule"] == "crossed"
    assert rejected["reason"] == "ask 1.5 is below bid 3.25"
    assert rejected["session_date"] == SESSION
    assert rejected["table_name"] == "core.option_quote"
    assert '"bid":3.25,"ask":1.5' in rejected["row_json"]
    check = judgement.checks.row(by_predicate=pl.col("check_name") == "crossed", named=True)
    assert (
        check["detail"] == "1 of 2 rows; the first is line 7 of aaaaaaaaaaaa, session 2023-09-14: " + rejected["reason"]
    )


def test_the_first_of_equal_rows_stays_and_contradicting_rows_all_go(calendar: TradingCalendar) -> None:
    same, differing = sound_row(OPTION_QUOTE, 1), sound_row(OPTION_QUOTE, 2)
    rows = [
        same | {"source_row_number": 9},
        same | {"source_row_number": 3},
        differing | {"source_row_number": 4},
        differing | {"source_row_number": 5, "bid_size": 77},
        differing | {"source_row_number": 6},
    ]

    judgement = judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, rows), sessions=calendar.sessions)

    assert judgement.accepted["source_row_number"].to_list() == [3]
    assert judgement.rejected.select("source_row_number", "rule").rows() == [
        (4, "conflicting_duplicate"),
        (5, "conflicting_duplicate"),
        (6, "conflicting_duplicate"),
        (9, "duplicate_row"),
    ]


def test_one_key_may_stand_in_two_files_and_in_two_snapshots_of_one_file(calendar: TradingCalendar) -> None:
    row = sound_row(OPTION_QUOTE, 1)
    rows = [
        row,
        row | {"source_sha256": HASHES[1], "bid": 1.0},
        row | {"snapshot_kind": "eod_1545", "bid": 2.0, "source_row_number": 2},
    ]

    assert judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, rows), sessions=calendar.sessions).accepted.height == 3


def test_zero_and_missing_prices_are_not_judged_as_crossed(calendar: TradingCalendar) -> None:
    prices = [(5.0, None), (5.0, 0.0), (0.0, 5.0), (None, 5.0), (None, None)]
    rows = [sound_row(OPTION_QUOTE, n, bid=bid, ask=ask) for n, (bid, ask) in enumerate(prices)]

    assert judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, rows), sessions=calendar.sessions).rejected.height == 0


def test_a_published_bad_value_of_vvix_is_refused_and_the_same_value_of_vix_is_not(
    calendar: TradingCalendar,
) -> None:
    # VVIX_History.csv prints 15.71 for 2006-03-15.
    rows = [
        sound_row(INDEX_LEVEL, n, session_date=date(2006, 3, 15), symbol=symbol, close=15.71, high=16.0, low=15.0)
        for n, symbol in enumerate(("VVIX", "VIX"))
    ]

    judgement = judge(INDEX_LEVEL, frame_of(INDEX_LEVEL, rows), sessions=calendar.sessions)

    assert judgement.rejected["rule"].to_list() == ["vvix_range"]
    assert judgement.rejected["reason"].item().startswith("close 15.71 of VVIX is outside")
    assert judgement.accepted["symbol"].to_list() == ["VIX"]


def test_every_failing_row_is_found_where_the_engine_lists_only_200_values(calendar: TradingCalendar) -> None:
    rows = [sound_row(FUTURES_SETTLEMENT, n, settle=-1.0 if n % 2 else 20.0) for n in range(1_000)]

    judgement = judge(FUTURES_SETTLEMENT, frame_of(FUTURES_SETTLEMENT, rows), sessions=calendar.sessions)

    assert judgement.rejected["source_row_number"].to_list() == list(range(1, 1_000, 2))


def test_rows_of_one_line_share_a_place_in_quarantine(calendar: TradingCalendar) -> None:
    rows = [
        sound_row(SETTLEMENT_VALUE, 0, root=root, value=0.5, source_row_number=12) for root in ("VX", "VIX", "VIXW")
    ]

    judgement = judge(SETTLEMENT_VALUE, frame_of(SETTLEMENT_VALUE, rows), sessions=calendar.sessions)

    (rejected,) = judgement.rejected.to_dicts()
    assert rejected["reason"] == "value 0.5 is below 1"
    assert rejected["session_date"] == date(1900, 1, 1)
    assert [f'"root":"{root}"' in rejected["row_json"] for root in ("VX", "VIX", "VIXW")] == [True] * 3
    assert judgement.accepted.height == 0


def test_a_row_without_a_session_is_filed_under_1900(calendar: TradingCalendar) -> None:
    rows = [sound_row(OPTION_QUOTE, 1, session_date=None)]

    judgement = judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, rows), sessions=calendar.sessions)

    assert judgement.rejected.select("session_date", "rule").rows() == [(date(1900, 1, 1), "session_date_missing")]


def test_a_warning_counts_rows_and_keeps_them(calendar: TradingCalendar) -> None:
    warned = replace(OPTION_QUOTE, rules=(PairRule("crossed", larger="ask", smaller="bid", severity="warn"),))
    rows = [sound_row(OPTION_QUOTE, 1, bid=3.0, ask=1.0)]

    judgement = judge(warned, frame_of(warned, rows), sessions=calendar.sessions)

    assert judgement.accepted.height == 1
    assert judgement.rejected.height == 0
    crossed = judgement.checks.row(by_predicate=pl.col("check_name") == "crossed", named=True)
    assert (crossed["severity"], crossed["outcome"], crossed["n_failed"]) == ("warn", "failed", 1)


def test_an_expectation_that_raises_is_an_error_and_not_a_verdict(calendar: TradingCalendar) -> None:
    # Bounds on text cannot be evaluated; the engine reports this beside `success`, not as an exception.
    impossible = replace(
        OPTION_QUOTE,
        columns=tuple(replace(c, low=0.0) if c.name == "settlement_style" else c for c in OPTION_QUOTE.columns),
    )

    with pytest.raises(ExpectationError, match="settlement_style_out_of_range could not be evaluated"):
        judge(impossible, frame_of(impossible, [sound_row(OPTION_QUOTE, 1)]), sessions=calendar.sessions)


def test_a_frame_of_other_columns_is_our_own_fault(calendar: TradingCalendar) -> None:
    frame = frame_of(OPTION_QUOTE, [sound_row(OPTION_QUOTE, 1)])

    with pytest.raises(SchemaMismatch, match="'bid': 'Int64, expected Float64'"):
        judge(OPTION_QUOTE, frame.with_columns(pl.col("bid").cast(pl.Int64)), sessions=calendar.sessions)
    with pytest.raises(SchemaMismatch, match="'strike': 'missing, expected Float64'"):
        judge(OPTION_QUOTE, frame.drop("strike"), sessions=calendar.sessions)


def test_the_order_of_rows_changes_no_verdict(calendar: TradingCalendar) -> None:
    rows = [sound_row(OPTION_QUOTE, n % 6, source_row_number=n, bid=float(n % 4), ask=2.0) for n in range(40)]
    frame = frame_of(OPTION_QUOTE, rows)

    one = judge(OPTION_QUOTE, frame, sessions=calendar.sessions)
    other = judge(OPTION_QUOTE, frame.sample(fraction=1.0, shuffle=True, seed=7), sessions=calendar.sessions)

    assert one.rejected.height > 0
    assert one.rejected.equals(other.rejected)
    assert one.checks.equals(other.checks)
    assert one.accepted.equals(other.accepted.sort("source_row_number"))


def test_judging_prints_nothing_and_writes_no_file(
    calendar: TradingCalendar,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    judge(OPTION_QUOTE, frame_of(OPTION_QUOTE, [sound_row(OPTION_QUOTE, 1)]), sessions=calendar.sessions)

    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert [str(warning.message) for warning in recwarn] == []


def test_the_engine_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from flows.expectations import rules_of\n"
        "from transforms.schemas import INDEX_LEVEL; rules_of(INDEX_LEVEL)\n"
        "sys.exit('great_expectations' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
