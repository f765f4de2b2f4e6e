"""How the warehouse makes the file of published tables: anew, or from the one before, most of which it shares."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb

from flows import durability
from flows.durability import is_of_the_disk
from flows.partition_files import LARGE_TABLES, PartitionFile
from flows.served_database import served_statements
from flows.warehouse_summaries import Summaries
from transforms.schemas import TABLES
from transforms.table_schema import Table

# Hash of the snapshot by partition (session, year, or "all") by table: what a served file is built from.
Partitions = Mapping[str, Mapping[str, str]]
# The first session that differs from what a served file was built from, by partition.
FirstChanged = Mapping[tuple[Table, str], date]
Span = tuple[date, date]
EVERYTHING: Span = (date.min, date.max)


class Serving(Summaries):
    """What `Warehouse` does to serve its tables to others."""

    connection: duckdb.DuckDBPyConnection

    def rows_of(self, table: Table, records: Sequence[PartitionFile]) -> str:
        """Return what to select the rows of partition files from."""
        raise NotImplementedError

    def build_served(
        self,
        draft: Path,
        *,
        serving_sessions: int,
        held: Partitions | None = None,
        now: Partitions | None = None,
        first_changed: FirstChanged | None = None,
    ) -> None:
        """Write the published tables, comments, views and macros into a new DuckDB file at `draft`.

        Of large tables the newest `serving_sessions` sessions. Never a copy of the warehouse: the list of tables is the
        schemas'. With `held`, the draft is there already: a copy of a file built before by the same statements, from
        `held`. If that has most in common with `now` it is carried on: replaced are the partitions of which the two
        name different hashes, of a year only the sessions from `first_changed` on. A copy that turns out damaged is not
        carried on, the draft is made anew.
        """
        replaced = _replaced(held, now or {}, first_changed or {}) if held else None
        if replaced is not None:
            try:
                self._serve(draft, serving_sessions=serving_sessions, replaced=replaced)
                return
            except duckdb.Error as error:
                if is_of_the_disk(error):
                    raise
        self._serve(draft, serving_sessions=serving_sessions, replaced=None)

    def _serve(self, draft: Path, *, serving_sessions: int, replaced: Mapping[Table, Sequence[Span]] | None) -> None:
        """Make the served file: anew, or from the rows that it has but for those `replaced`."""

        def source_of(table: Table, span: Span = EVERYTHING) -> str:
            if table in LARGE_TABLES:
                return self.rows_of(table, [file for day, file in newest[table].items() if span[0] <= day <= span[1]])
            return f"{home}.{table.full_name} {_where(span)} order by {', '.join(table.key)}"

        newest = {table: dict(list(self.files_of(table).items())[-serving_sessions:]) for table in LARGE_TABLES}
        durability.announce("write", draft)
        draft.with_name(draft.name + ".wal").unlink(missing_ok=True)
        if replaced is None:
            draft.unlink(missing_ok=True)
        home = self.query("select current_database() as name")["name"][0]
        self.connection.execute(f"attach '{quoted(draft)}' as served (storage_version 'v1.2.0')")
        # Closing the gaps that deleted sessions leave takes half a second every few nights and gains no room: full
        # groups of rows are freed without it.
        self.connection.execute("set max_vacuum_tasks = 0")
        try:
            # One transaction: committing each of some 250 statements by itself takes three times as long.
            self.connection.begin()
            for table, spans in (replaced or {}).items():
                for span in spans:
                    self._replace(table, span, source_of(table, span))
            for statement in served_statements(source_of) if replaced is None else ():
                self.connection.execute(statement)
            self.connection.commit()
            # Detaching would do it, but not tell why the disk refused.
            self.connection.execute("checkpoint served")
        except BaseException:
            with suppress(duckdb.Error):
                self.connection.rollback()
            raise
        finally:
            with suppress(duckdb.Error):
                self.connection.execute("reset max_vacuum_tasks")
                self.connection.execute(f"use {home}")
                self.connection.execute("detach served")

    def _replace(self, table: Table, span: Span, source: str) -> None:
        """Put the rows of `source` in the place of those that a served table has of the sessions of a span."""
        served = f"served.{table.full_name}"
        self.connection.execute(f"delete from {served} {_where(span)}")
        self.connection.execute(f"insert into {served} select {', '.join(table.column_names)} from {source}")


def _replaced(held: Partitions, now: Partitions, first_changed: FirstChanged) -> dict[Table, list[Span]] | None:
    """Return the sessions of each table that differ; None if a large table has too little in common to be carried."""
    replaced = {}
    for table in TABLES:
        before, after = held.get(table.full_name, {}), now.get(table.full_name, {})
        n_equal = len(before.items() & after.items())
        if table in LARGE_TABLES and 2 * n_equal < len(after):
            return None
        cuts = sorted({cut for cut, _ in before.items() ^ after.items()})
        replaced[table] = [_span(cut, first_changed.get((table, cut))) for cut in cuts]
    return replaced


def _span(cut: str, first_changed: date | None) -> Span:
    """Return the first and last day of a partition; of a year, not before the first session that changed."""
    if cut == "all":
        return EVERYTHING
    if "-" in cut:
        return date.fromisoformat(cut), date.fromisoformat(cut)
    return first_changed or date(int(cut), 1, 1), date(int(cut), 12, 31)


def _where(span: Span) -> str:
    return "" if span == EVERYTHING else f"where session_date between '{span[0]}' and '{span[1]}'"


def quoted(path: Path) -> str:
    """Return a path as the inside of a quoted SQL string."""
    return str(path).replace("'", "''")
