"""How the warehouse makes the file of published tables: anew, or from the one before, most of which it shares."""

import shutil
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
        base: Path | None = None,
        held: Partitions | None = None,
        now: Partitions | None = None,
    ) -> None:
        """Write the published tables, comments, views and macros into a new DuckDB file at `draft`.

        Of large tables the newest `serving_sessions` sessions. Never a copy of the warehouse: the list of tables is the
        schemas'. With a `base`, a file built before by the same statements, tables start from its rows: partitions of
        which `held`, what it was built from, and `now` name the same hash. A base that turns out damaged is not
        carried on, the draft is made anew.
        """
        kept = {}
        for table in TABLES:
            before, after = (cuts.get(table.full_name, {}) for cuts in (held or {}, now or {}))
            n_equal = len(before.items() & after.items())
            if n_equal and 2 * n_equal >= len(after):
                kept[table] = sorted({cut for cut, _ in before.items() ^ after.items()})
        if base and kept:
            try:
                self._serve(draft, serving_sessions=serving_sessions, base=base, kept=kept)
                return
            except duckdb.Error as error:
                if is_of_the_disk(error):
                    raise
        self._serve(draft, serving_sessions=serving_sessions, base=None, kept={})

    def _serve(
        self, draft: Path, *, serving_sessions: int, base: Path | None, kept: Mapping[Table, Sequence[str]]
    ) -> None:
        """Make the served file, of tables `kept` from the rows of `base` but for the partitions named."""

        def source_of(table: Table) -> str:
            if table in LARGE_TABLES:
                return self.rows_of(table, list(newest[table].values()))
            return f"{home}.{table.full_name} order by {', '.join(table.key)}"

        newest = {table: dict(list(self.files_of(table).items())[-serving_sessions:]) for table in LARGE_TABLES}
        draft.unlink(missing_ok=True)
        draft.with_name(draft.name + ".wal").unlink(missing_ok=True)
        durability.announce("write", draft)
        if base:
            shutil.copyfile(base, draft)
        home = self.query("select current_database() as name")["name"][0]
        self.connection.execute(f"attach '{quoted(draft)}' as served (storage_version 'v1.2.0')")
        try:
            # One transaction: committing each of some 250 statements by itself takes three times as long.
            self.connection.begin()
            for table, cuts in kept.items():
                names = ", ".join(table.column_names)
                if table in LARGE_TABLES:
                    days = [date.fromisoformat(cut) for cut in cuts]
                    fresh = [newest[table][day] for day in days if day in newest[table]]
                    self._replace(
                        table, "session_date = any($cuts)", days, f"select {names} from {self.rows_of(table, fresh)}"
                    )
                else:
                    own = "year(session_date) = any($cuts)"
                    rows = f"select {names} from {home}.{table.full_name} where {own} order by {', '.join(table.key)}"
                    self._replace(table, own, [int(cut) for cut in cuts], rows)
            for statement in served_statements(source_of, carried=kept):
                self.connection.execute(statement)
            self.connection.commit()
            # Detaching would do it, but not tell why the disk refused.
            self.connection.execute("checkpoint served")
        except BaseException:
            with suppress(duckdb.Error):
                self.connection.rollback()
                self.connection.execute(f"use {home}")
                self.connection.execute("detach served")
            raise
        self.connection.execute(f"use {home}")
        self.connection.execute("detach served")

    def _replace(self, table: Table, where: str, cuts: Sequence[date | int], rows: str) -> None:
        """Put rows in the place of those that a served table has of the cuts."""
        if cuts:
            self.connection.execute(f"delete from served.{table.full_name} where {where}", {"cuts": cuts})
            self.connection.execute(
                f"insert into served.{table.full_name} {rows}", {"cuts": cuts} if "$cuts" in rows else None
            )


def quoted(path: Path) -> str:
    """Return a path as the inside of a quoted SQL string."""
    return str(path).replace("'", "''")
