"""How the warehouse makes the file of published tables: anew, or from the one before, most of which it shares."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows import durability
from flows.durability import is_of_the_disk
from flows.partition_files import LARGE_TABLES, PartitionFile
from flows.served_database import served_statements
from transforms.table_schema import Table


class Serving:
    """What `Warehouse` does to serve its tables to others."""

    connection: duckdb.DuckDBPyConnection

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query."""
        raise NotImplementedError

    def files_of(self, table: Table, *, sessions: Sequence[date] | None = None) -> dict[date, PartitionFile]:
        """Return the partition files of a large table by session."""
        raise NotImplementedError

    def rows_of(self, table: Table, records: Sequence[PartitionFile]) -> str:
        """Return what to select the rows of partition files from."""
        raise NotImplementedError

    def build_served(
        self,
        draft: Path,
        *,
        serving_sessions: int,
        base: Path | None = None,
        held: Mapping[str, Mapping[str, str]] | None = None,
    ) -> dict[str, dict[str, str]]:
        """Write the published tables, comments, views and macros into a new DuckDB file at `draft`.

        Of large tables the newest `serving_sessions` sessions. Never a copy of the warehouse: the list of tables is the
        schemas'. With a `base`, a file built before by the same statements, large tables start from its rows, which
        come from the partition files `held`; what is damaged in it is not carried on, the draft is made anew.

        Returns
        -------
        dict
            Hash of the partition file by session (ISO date) by large table: what the draft holds of them.
        """
        wanted = {
            table: {record.session_date.isoformat(): record for record in self._newest_files(table, serving_sessions)}
            for table in LARGE_TABLES
        }
        holds = {table: {day: file.sha256 for day, file in own.items()} for table, own in wanted.items()}
        kept = {}
        for table, now in holds.items():
            before = held.get(table.full_name, {}) if base and held else {}
            if 2 * len(now.items() & before.items()) > len(now):
                kept[table] = before
        if base and kept:
            try:
                self._serve(draft, wanted=wanted, base=base, kept=kept)
            except duckdb.Error as error:
                if is_of_the_disk(error):
                    raise
                kept = {}
        if not kept:
            self._serve(draft, wanted=wanted, base=None, kept={})
        return {table.full_name: own for table, own in holds.items()}

    def _newest_files(self, table: Table, n: int) -> list[PartitionFile]:
        return list(self.files_of(table).values())[-n:]

    def _serve(
        self,
        draft: Path,
        *,
        wanted: Mapping[Table, Mapping[str, PartitionFile]],
        base: Path | None,
        kept: Mapping[Table, Mapping[str, str]],
    ) -> None:
        """Make the served file, of tables `kept` from the rows of `base`, from which of them each comes."""

        def source_of(table: Table) -> str:
            if table in wanted:
                return self.rows_of(table, list(wanted[table].values()))
            return f"{home}.{table.full_name} order by {', '.join(table.key)}"

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
            for table, before in kept.items():
                self._carry_on(table, wanted[table], before)
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

    def _carry_on(self, table: Table, now: Mapping[str, PartitionFile], before: Mapping[str, str]) -> None:
        """Turn the rows of a served table into those wanted now: sessions that are gone or differ out, new ones in."""
        gone = [day for day, sha256 in before.items() if day not in now or now[day].sha256 != sha256]
        fresh = [file for day, file in now.items() if before.get(day) != file.sha256]
        if gone:
            self.connection.execute(f"delete from served.{table.full_name} where session_date = any(?::date[])", [gone])
        if fresh:
            names = ", ".join(table.column_names)
            self.connection.execute(
                f"insert into served.{table.full_name} select {names} from {self.rows_of(table, fresh)}"
            )


def quoted(path: Path) -> str:
    """Return a path as the inside of a quoted SQL string."""
    return str(path).replace("'", "''")
