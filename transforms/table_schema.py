"""What a table is: columns with types, units and bounds, a grain, a key; and how a frame conforms to it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import polars as pl

from transforms.errors import SchemaMismatch

Severity = Literal["reject", "warn"]
Partition = Literal["session", "year", "none"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `meaning` states the quantity, its unit and what null means; it becomes the database comment and the data
    dictionary. `low` and `high` are inclusive bounds of a valid value; `allowed` is a closed set of values.
    """

    name: str
    dtype: pl.DataType
    meaning: str
    nullable: bool = True
    low: float | None = None
    high: float | None = None
    allowed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PairRule:
    """`larger` must not be below `smaller` in a row; a row where either is null or zero is not judged."""

    name: str
    larger: str
    smaller: str
    severity: Severity = "reject"


@dataclass(frozen=True)
class RangeRule:
    """`column` lies in [low, high] on the rows where `where_column` equals `where_value`."""

    name: str
    column: str
    low: float
    high: float
    where_column: str
    where_value: str
    severity: Severity = "reject"


@dataclass(frozen=True)
class Table:
    """One relation: `schema.name`, its grain in words, its key and its columns.

    `partition` says how snapshots of it are cut: one file a session (more than 1,000 rows a session), one a
    calendar year, or a single file (tables without a session). `session_column` names the session.
    """

    schema: str
    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: Partition = "year"
    session_column: str | None = "session_date"
    rules: tuple[PairRule | RangeRule, ...] = field(default=())

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def polars_schema(self) -> dict[str, pl.DataType]:
        return {column.name: column.dtype for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """Return a frame of this table with no rows."""
        return self._no_rows.clone()

    @cached_property
    def _no_rows(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self.polars_schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return `frame` with exactly this table's columns, in order, with its types, sorted by its key.

        Raises
        ------
        SchemaMismatch
            If a column is missing or unknown, a type differs, a key or required column holds a null, a number is
            NaN, or a key occurs twice. These are faults of this program, not of the data, which validation has
            judged before.
        """
        missing = [name for name in self.column_names if name not in frame.columns]
        unknown = [name for name in frame.columns if name not in self.column_names]
        if missing or unknown:
            raise SchemaMismatch(
                f"{self.full_name}: missing columns {missing}, unknown columns {unknown}; "
                "give the frame exactly the columns of transforms/schemas.py"
            )
        frame = frame.select(self.column_names)
        types = frame.schema
        wrong = {c.name: types[c.name] for c in self.columns if types[c.name] != c.dtype}
        if wrong:
            raise SchemaMismatch(f"{self.full_name}: columns of another type than the schema's: {wrong}")
        if frame.is_empty():
            return frame
        required = [c.name for c in self.columns if not c.nullable or c.name in self.key]
        counts = frame.select(
            [pl.col(name).null_count().alias(f"null {name}") for name in required]
            + [pl.col(c.name).is_nan().sum().alias(f"NaN {c.name}") for c in self.columns if c.dtype == pl.Float64()]
        ).row(0, named=True)
        found = {what: count for what, count in counts.items() if count}
        if found:
            raise SchemaMismatch(f"{self.full_name}: of {frame.height} rows, {found}")
        frame = frame.sort(self.key)
        n_repeated = frame.select(pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in self.key).sum())
        if n_repeated.item():
            raise SchemaMismatch(
                f"{self.full_name}: {n_repeated.item()} of {frame.height} rows repeat a key {self.key}"
            )
        return frame.rechunk()
