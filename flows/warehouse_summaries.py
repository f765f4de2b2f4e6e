"""What the warehouse holds of files and sessions: counts and names, never rows of the market."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from flows.internal_tables import EDITION_TABLES, PARTITION_FILE_SCHEMA
from flows.partition_files import LARGE_TABLES, PartitionFile
from transforms.schemas import RULE_EVALUATION
from transforms.table_schema import Table


class Summaries:
    """The questions that `Warehouse` answers about what it holds."""

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query."""
        raise NotImplementedError

    def rows_in_core_by_file(self) -> pl.DataFrame:
        """Return `source_sha256`, `n_in_core`: rows of all core tables that come from each landed file."""
        parts = [
            f"select source_sha256, count(*) as n from {table.full_name} group by source_sha256"
            for table in EDITION_TABLES
        ]
        parts.append("select source_sha256, sum(n_rows) as n from meta.snapshot where chosen group by source_sha256")
        union = " union all ".join(parts)
        frame = self.query(f"select source_sha256, cast(sum(n) as bigint) as n_in_core from ({union}) group by all")
        return frame

    def settings_texts(self) -> dict[str, str]:
        """Return each of the settings that nights were run with, as JSON, by its hash."""
        rows = self.query("select settings_sha256, min(settings) as settings from meta.night group by settings_sha256")
        return dict(rows.iter_rows())

    def night_hashes(self) -> pl.DataFrame:
        """Return `session_date`, and the MD5 of `settings` and of `decided` of every night (null: not decided)."""
        return self.query(
            "select session_date, md5(settings) as settings, md5(decided) as decided from meta.night"
            " left join meta.decided using (session_date) order by session_date"
        )

    def rule_versions(self) -> pl.DataFrame:
        """Return `rule`, `rule_version`, `valid_from`, `last`: the first and last night that each version judged."""
        return self.query(
            "select rule, rule_version, min(session_date) as valid_from, max(session_date) as last"
            f" from {RULE_EVALUATION.full_name} group by rule, rule_version"
        )

    def session_files(self) -> pl.DataFrame:
        """Return `session_date`, `source_sha256`: which files hold core rows of which session.

        An economic event counts a month ahead of its day, because rules look ahead to it; a settlement value on its
        expiration, a held leg on the session in which it was opened.
        """
        dated = [table for table in EDITION_TABLES if table.session_column]
        parts = [f"select distinct session_date, source_sha256 from {table.full_name}" for table in dated]
        parts.append("select distinct session_date, source_sha256 from meta.snapshot where chosen")
        parts.append("select distinct event_date - 31 as session_date, source_sha256 from core.economic_event")
        parts.append("select distinct expiration as session_date, source_sha256 from core.settlement_value")
        parts.append("select distinct opened_on as session_date, source_sha256 from core.held_position")
        return self.query(
            "select distinct cast(session_date as date) as session_date, source_sha256 from ("
            + " union all ".join(parts)
            + ")"
        )

    def landed_sources(self) -> pl.DataFrame:
        """Return `source_sha256`, `source`: which source recognized each loaded file, ordered by hash."""
        return self.query("select sha256 as source_sha256, source, received_at from core.landed_file order by sha256")

    def rejected_by_file(self) -> pl.DataFrame:
        """Return `source_sha256`, `n_rejected_rows`: quarantined rows of each landed file."""
        return self.query(
            "select source_sha256, count(distinct (table_name, source_row_number)) as n_rejected_rows"
            " from quarantine.rejected_row group by source_sha256"
        )

    def rejected_by_rule(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Return session_date, table_name, rule, n, sample (a reason): what quarantine holds of sessions."""
        return self.query(
            "select session_date, table_name, rule, count(distinct (source_sha256, source_row_number)) as n,"
            " min(reason) as sample from quarantine.rejected_row where session_date = any(?)"
            " group by session_date, table_name, rule",
            [list(sessions)],
        )

    def rows_by_session(self, table: Table, sessions: Sequence[date]) -> pl.DataFrame:
        """Return session_date, table_name, n_in_core: how many rows a table holds of each session that has any."""
        if table in LARGE_TABLES:
            files = self.files_of(table, sessions=sessions).values()
            counts = [(record.session_date, record.n_rows) for record in files]
            frame = pl.DataFrame(counts, schema={"session_date": pl.Date(), "n_in_core": pl.Int64()}, orient="row")
        else:
            frame = self.query(
                f"select session_date, count(*) as n_in_core from {table.full_name} where session_date = any(?)"
                " group by session_date",
                [list(sessions)],
            )
        return frame.select("session_date", pl.lit(table.full_name).alias("table_name"), "n_in_core")

    def files_of(self, table: Table, *, sessions: Sequence[date] | None = None) -> dict[date, PartitionFile]:
        """Return the file of each session of a large table, by session, ascending."""
        some = "" if sessions is None else " and session_date = any(?)"
        parameters: list[Any] = [table.full_name] if sessions is None else [table.full_name, list(sessions)]
        rows = self.query(
            f"select {', '.join(PARTITION_FILE_SCHEMA)} from meta.partition_file where table_name = ?{some}"
            " order by session_date",
            parameters,
        )
        return {row[1]: PartitionFile(*row) for row in rows.iter_rows()}

    def files_in_use(self) -> set[str]:
        """Return the names of all partition files that some table consists of."""
        return {record.name for table in LARGE_TABLES for record in self.files_of(table).values()}
