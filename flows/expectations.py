"""Judge the rows a source has read: Great Expectations suites built from transforms/schemas.py.

Great Expectations decides which rows pass, and nothing else does: this module derives the suite from the
table, hands the engine the values it judges, and turns its verdict into accepted rows, quarantined rows and
one line per rule. A rule depends on one quantity of a row alone (a column, how far one column lies above
another, how many rows share a key), so the engine is handed each distinct value of a quantity once, and the
verdict on a value is that on all rows that have it: a chain of 20,000 quotes has a few thousand prices. It has
no Polars engine, so the values go over as pandas, in encodings that keep their meaning: days as integers,
strings as categories, and whether the numbers of a row are finite as a quantity of its own, because pandas
holds null and NaN in the same hole.

"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.expectation_engine import expectation_class, raised_message, verdicts
from transforms.errors import AlvhError, SchemaMismatch
from transforms.schemas import DATA_QUALITY, REJECTED_ROW
from transforms.sessions import Days
from transforms.table_schema import Column, PairRule, RangeRule, Severity, Table

Positions = npt.NDArray[np.int64]

ROW_NUMBER = "source_row_number"
SOURCE = "source_sha256"
# A file may hold several snapshots of one session (DataShop: 15:45 and the close), which are no repetitions.
SNAPSHOT_KIND = "snapshot_kind"
NO_SESSION = pl.date(1900, 1, 1)
IS_FINITE = "every number is finite"
REPEATED_KEY = "repeated_key"
DUPLICATE = "duplicate_row"
CONFLICT = "conflicting_duplicate"

CHECK_SCHEMA = {name: dtype for name, dtype in DATA_QUALITY.polars_schema.items() if name != "session_date"}


class ExpectationError(AlvhError):
    """An expectation could not be evaluated, so its rows are neither accepted nor rejected."""


@dataclass(frozen=True)
class RowRule:
    """One rule on the rows of a table.

    `expectation` names the class of Great Expectations that judges a row's `quantity` (an expression over the
    columns of the table, named as it is called), and `arguments` are its arguments; a quantity that is null is
    not judged unless the rule asks for it. `reason` is a string expression over the rows that failed, quoting
    the value at fault.
    """

    name: str
    expectation: str
    arguments: dict[str, Any]
    quantity: pl.Expr
    reason: pl.Expr
    severity: Severity = "reject"


@dataclass(frozen=True)
class Judgement:
    """The verdict on one table's rows.

    Attributes
    ----------
    accepted
        The rows that broke no rejecting rule, columns and order as judged (`source_row_number` included).
    rejected
        quarantine.rejected_row: one row per row and rejecting rule broken.
    checks
        mart.data_quality without `session_date`: one row per rule, `n_rows` the rows handed over.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    checks: pl.DataFrame


def judge(table: Table, frame: pl.DataFrame, *, sessions: Days) -> Judgement:
    """Judge every row of `frame` by the rules of `table`.

    Parameters
    ----------
    table
        A table that is read from files: it has `source_sha256`.
    frame
        The table's columns in the schema's types, in any order, and `source_row_number`; rows of one or more
        files.
    sessions
        Trading sessions, sorted.

    Returns
    -------
    Judgement
        A value that is null breaks no rule except that of a required column. A number that is NaN or infinite
        breaks `not_a_number`. A key is unique within a file and snapshot: of equal rows the first line stays
        and the others are `duplicate_row`; where rows of one key differ none stays (`conflicting_duplicate`).

    Raises
    ------
    SchemaMismatch
        If a column is missing, unknown or of another type: a fault of this program.
    ExpectationError
        If Great Expectations could not evaluate a rule.
    """
    _require_columns(table, frame)
    frame = frame.select(*table.column_names, ROW_NUMBER)
    rules = row_rules(table, sessions=_days(sessions))
    failures = {rule.name: np.empty(0, dtype=np.int64) for rule in rules}
    if frame.height:
        failures |= _failing_rows(frame, rules)
    repeated = failures.pop(REPEATED_KEY)
    verdicts = [(rule.name, rule.severity, failures[rule.name], rule.reason) for rule in rules if rule.name in failures]
    verdicts += _repetitions(table, frame, repeated)

    broken = [_rejections(table, frame, *verdict) for verdict in verdicts]
    at_fault = [rows for _, severity, rows, _ in verdicts if severity == "reject"]
    keep = np.ones(frame.height, dtype=bool)
    keep[np.concatenate(at_fault)] = False
    return Judgement(
        accepted=frame if keep.all() else frame.filter(pl.Series(keep)),
        rejected=_quarantined(
            [rows for rows, (_, severity, *_) in zip(broken, verdicts, strict=True) if severity == "reject"]
        ),
        checks=_checks(table, frame.height, [verdict[:2] for verdict in verdicts], broken),
    )


def _days(sessions: Days) -> pl.Series:
    """Return sessions as days since 1970-01-01."""
    return pl.Series(sessions).cast(pl.Date).to_physical().cast(pl.Int64)


def rules_of(table: Table) -> list[str]:
    """Return the names of the rules that `judge` applies to the rows of `table`, in its order."""
    names = [rule.name for rule in row_rules(table, sessions=pl.Series(dtype=pl.Int64())) if rule.name != REPEATED_KEY]
    return [*names, DUPLICATE, CONFLICT]


def row_rules(table: Table, *, sessions: pl.Series) -> list[RowRule]:
    """Return the rules that the schema states for `table`; `sessions` are days since 1970-01-01, sorted."""
    rules = [rule for column in table.columns for rule in _column_rules(table, column)]
    rules += [_across_columns(rule) for rule in table.rules]
    numbers = [pl.col(name).is_finite().fill_null(True) for name in _float_columns(table)]
    rules.append(
        RowRule(
            "not_a_number",
            "ExpectColumnValuesToBeInSet",
            {"value_set": [True]},
            pl.all_horizontal(numbers or [pl.lit(True)]).alias(IS_FINITE),
            pl.concat_str(
                [
                    pl.when(~pl.col(name).is_finite()).then(pl.format(name + " is {}", pl.col(name)))
                    for name in _float_columns(table)
                ]
                or [pl.lit(None, dtype=pl.String)],
                separator=", ",
                ignore_nulls=True,
            ),
        )
    )
    if table.session_column:
        rules.append(
            RowRule(
                "not_a_session",
                "ExpectColumnValuesToBeBetween",
                {"min_value": 0, "max_value": 0},
                _days_since_session(_column_as_judged(table, table.session_column), sessions),
                pl.format("{} is not a trading session", pl.col(table.session_column)),
            )
        )
    rules.append(
        RowRule(REPEATED_KEY, "ExpectColumnValuesToBeBetween", {"max_value": 1}, _rows_of_key(table), pl.lit(""))
    )
    return rules


def _column_rules(table: Table, column: Column) -> list[RowRule]:
    name, value, rules = column.name, pl.col(column.name), []
    quantity = _column_as_judged(table, name)
    if name in _required(table):
        reason = pl.lit(f"{name} is missing; every row of {table.full_name} needs it")
        rules.append(RowRule(f"{name}_missing", "ExpectColumnValuesToNotBeNull", {}, quantity, reason))
    if column.low is not None or column.high is not None:
        bounds = {"min_value": column.low, "max_value": column.high}
        reason = pl.format(f"{name} {{}} is {_outside(column.low, column.high)}", value)
        rules.append(RowRule(f"{name}_out_of_range", "ExpectColumnValuesToBeBetween", bounds, quantity, reason))
    if column.allowed is not None:
        allowed = {"value_set": list(column.allowed)}
        reason = pl.format(f"{name} '{{}}' is none of {', '.join(column.allowed)}", value)
        rules.append(RowRule(f"{name}_not_allowed", "ExpectColumnValuesToBeInSet", allowed, quantity, reason))
    return rules


def _across_columns(rule: PairRule | RangeRule) -> RowRule:
    if isinstance(rule, PairRule):
        larger, smaller = pl.col(rule.larger), pl.col(rule.smaller)
        return RowRule(
            rule.name,
            "ExpectColumnValuesToBeBetween",
            {"min_value": 0.0},
            pl.when((larger != 0.0) & (smaller != 0.0))
            .then(larger - smaller)
            .alias(f"{rule.larger} less {rule.smaller}"),
            pl.format(f"{rule.larger} {{}} is below {rule.smaller} {{}}", larger, smaller),
            severity=rule.severity,
        )
    concerned = pl.col(rule.where_column) == rule.where_value
    return RowRule(
        rule.name,
        "ExpectColumnValuesToBeBetween",
        {"min_value": rule.low, "max_value": rule.high},
        pl.when(concerned).then(pl.col(rule.column)).alias(f"{rule.column} of {rule.where_value}"),
        pl.format(
            f"{rule.column} {{}} of {rule.where_value} is {_outside(rule.low, rule.high)}",
            pl.col(rule.column),
        ),
        severity=rule.severity,
    )


def _outside(low: float | None, high: float | None) -> str:
    if high is None:
        return f"below {low:,g}"
    return f"above {high:,g}" if low is None else f"outside {low:,g} to {high:,g}"


def _required(table: Table) -> set[str]:
    return {column.name for column in table.columns if not column.nullable} | set(table.key)


def _float_columns(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.dtype == pl.Float64()]


def _identity(table: Table) -> list[str]:
    snapshot = [SNAPSHOT_KIND] if SNAPSHOT_KIND in table.column_names else []
    return [SOURCE, *table.key, *snapshot]


def _require_columns(table: Table, frame: pl.DataFrame) -> None:
    if SOURCE not in table.column_names:
        raise SchemaMismatch(
            f"{table.full_name} is not read from files: it has no {SOURCE}, so its rows are not judged"
        )
    expected = table.polars_schema | {ROW_NUMBER: pl.Int64()}
    if dict(frame.schema) != expected:
        wrong = {
            name: f"{frame.schema.get(name, 'missing')}, expected {expected.get(name, 'no such column')}"
            for name in {*frame.columns, *expected}
            if frame.schema.get(name) != expected.get(name)
        }
        raise SchemaMismatch(f"{table.full_name} cannot be judged: {dict(sorted(wrong.items()))}")


def _column_as_judged(table: Table, name: str) -> pl.Expr:
    """Return a column of the table in the type the engine judges fastest."""
    dtype = table.polars_schema[name]
    if dtype == pl.String():
        return pl.col(name).cast(pl.Categorical)
    return pl.col(name).to_physical().cast(pl.Int64) if dtype.is_temporal() else pl.col(name)


def _days_since_session(day: pl.Expr, sessions: pl.Series) -> pl.Expr:
    """Return the days from the last session not after a day to that day; below 0 before the first session.

    A set of all sessions would say the same, and the engine would copy it into every step of every verdict.
    """
    place = (pl.lit(sessions).search_sorted(day, side="right").cast(pl.Int64) - 1).clip(0)
    return pl.when(day.is_not_null()).then(day - pl.lit(sessions).gather(place)).alias("days since a session")


def _rows_of_key(table: Table) -> pl.Expr:
    """Return how many rows share a row's key, of one file and snapshot; null where the key is not whole.

    Counted by a hash of the key: `_repetitions` compares the keys themselves.
    """
    identity = _identity(table)
    whole = pl.all_horizontal(pl.col(name).is_not_null() for name in identity)
    return pl.when(whole).then(pl.len().over(pl.struct(identity).hash())).cast(pl.Int64).alias("rows of one key")


def _failing_rows(frame: pl.DataFrame, rules: Sequence[RowRule]) -> dict[str, Positions]:
    """Return, by rule, the positions of the rows that break it."""
    quantities = {rule.quantity.meta.output_name(): rule.quantity for rule in rules}
    of_rows = frame.select(list(quantities.values()))
    distinct = {column.name: column.unique(maintain_order=True) for column in of_rows}
    n = max(len(values) for values in distinct.values())
    # Lengthened by a value of its own, which changes no verdict.
    handed = pl.DataFrame([values.extend_constant(values[0], n - len(values)) for values in distinct.values()])
    found = {}
    for name, places in _failing_values(handed, rules).items():
        column = next(rule.quantity.meta.output_name() for rule in rules if rule.name == name)
        values = handed[column][places].unique()
        found[name] = (
            np.flatnonzero(of_rows[column].is_in(values.implode(), nulls_equal=True).to_numpy())
            if len(values)
            else places
        )
    return found


def _failing_values(handed: pl.DataFrame, rules: Sequence[RowRule]) -> dict[str, Positions]:
    """Return, by rule, the positions of the values of its quantity that break it."""
    results = verdicts([_expectation(rule) for rule in rules], handed)
    found = {}
    for result in results:
        meta = result.expectation_config.meta
        name = (meta or {}).get("rule", "unnamed")
        raised = raised_message(result.exception_info)
        if raised is None and "unexpected_index_list" in result.result:
            found[name] = np.asarray(result.result["unexpected_index_list"], dtype=np.int64)
        elif raised is None and result.success and result.result.get("unexpected_count") == 0:
            found[name] = np.empty(0, dtype=np.int64)
        else:
            raise ExpectationError(f"rule {name} could not be evaluated: {raised or result.result}")
        if result.success != (found[name].size == 0):
            raise ExpectationError(f"rule {name}: success is {result.success} with {found[name].size} failing values")
    unanswered = {rule.name for rule in rules} - found.keys()
    if unanswered:
        raise ExpectationError(f"no result for the rules {sorted(unanswered)}")
    return found


def _expectation(rule: RowRule) -> Any:
    column = rule.quantity.meta.output_name()
    return expectation_class(rule.expectation)(column=column, **rule.arguments, meta={"rule": rule.name})


def _repetitions(
    table: Table, frame: pl.DataFrame, repeated: Positions
) -> list[tuple[str, Severity, Positions, pl.Expr]]:
    """Name the rows whose key the engine found more than once: equal rows, or contradicting ones."""
    identity = _identity(table)
    values = pl.struct(name for name in table.column_names if name not in identity)
    numbered = frame[repeated].with_columns(pl.Series("position", repeated))
    rows = numbered.select(
        "position",
        (values.n_unique().over(identity) > 1).alias("contradicts"),
        (pl.struct(ROW_NUMBER, "position").rank("ordinal").over(identity) > 1).alias("later"),
    )
    conflicting = rows.filter("contradicts")["position"].to_numpy()
    duplicate = rows.filter(~pl.col("contradicts") & pl.col("later"))["position"].to_numpy()
    key = ", ".join(table.key)
    return [
        (
            "duplicate_row",
            "reject",
            duplicate,
            pl.lit(f"an earlier line of the file holds the same row ({key})"),
        ),
        (
            CONFLICT,
            "reject",
            conflicting,
            pl.lit(f"another line of the file holds the same {key} with other values; none of them is kept"),
        ),
    ]


def _rejections(
    table: Table,
    frame: pl.DataFrame,
    rule: str,
    severity: Severity,
    positions: Positions,
    reason: pl.Expr,
) -> pl.DataFrame:
    """Return one row of quarantine.rejected_row per failing row, by line, whatever the severity."""
    session = pl.col(table.session_column).fill_null(NO_SESSION) if table.session_column else NO_SESSION
    return (
        frame[positions]
        .select(
            session.alias("session_date"),
            pl.lit(table.full_name).alias("table_name"),
            pl.col(SOURCE).fill_null("unknown"),
            pl.col(ROW_NUMBER),
            pl.lit(rule).alias("rule"),
            reason.alias("reason"),
            pl.struct(table.column_names).struct.json_encode().alias("row_json"),
        )
        .sort("session_date", SOURCE, ROW_NUMBER, "row_json")
    )


def _quarantined(broken: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the rejections as one table.

    One line of a file can hold several rows of a table (a VX expiration settles three roots): where they
    break the same rule they share a row of the quarantine, their JSON objects in an array.
    """
    rows = pl.concat([REJECTED_ROW.empty(), *broken])
    several = pl.len() > 1
    json = pl.col("row_json").sort()
    merged = rows.group_by(REJECTED_ROW.key).agg(
        pl.col("reason").unique().sort().str.join("; "),
        pl.when(several).then(pl.format("[{}]", json.str.join(","))).otherwise(json.first()),
    )
    return REJECTED_ROW.conform(merged)


def _checks(table: Table, n_rows: int, rules: list[tuple[str, Severity]], broken: list[pl.DataFrame]) -> pl.DataFrame:
    rows = [
        {
            "table_name": table.full_name,
            "check_name": name,
            "severity": severity,
            "outcome": "failed" if found.height else "passed",
            "n_rows": n_rows,
            "n_failed": found.height,
            "detail": _detail(found, n_rows) if found.height else None,
        }
        for (name, severity), found in zip(rules, broken, strict=True)
    ]
    return pl.DataFrame(rows, schema=CHECK_SCHEMA)


def _detail(found: pl.DataFrame, n_rows: int) -> str:
    first = found.row(0, named=True)
    return (
        f"{found.height:,} of {n_rows:,} rows; the first is line {first[ROW_NUMBER]} of "
        f"{first[SOURCE][:12]}, session {first['session_date']}: {first['reason']}"
    )
