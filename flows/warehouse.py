"""The only door to DuckDB: the private warehouse, and the file of published tables made from it.

The warehouse is disposable (`alvh rebuild`). One process writes; DuckDB lets nobody else even read the file meanwhile,
which is why people read published/alvh.duckdb instead. Of tables with more than 1,000 rows a session it holds only
which file has which session (`partition_files`); reading and writing them looks the same from outside.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows import durability
from flows.durability import is_of_the_disk, storage_message
from flows.internal_tables import CHECKED_SCHEMA, FINDING_SCHEMA, PARTITION_FILE_SCHEMA, internal_tables
from flows.object_store import FolderStore, Store
from flows.partition_files import LARGE_TABLES, PartitionFile, read_partition, write_partition
from flows.warehouse_serving import Serving, quoted
from transforms.errors import AlvhError, DataError, StorageFailed
from transforms.schemas import BY_NAME, DATA_QUALITY, MISPRICING_LEG, TABLES, partition_of
from transforms.table_schema import Table

WAREHOUSE_VERSION = 6
# Sessions whose large tables are checked together: enough to spare overhead, few enough to fit in memory.
CHECKED_TOGETHER = 25
DUCKDB_TYPES = {
    pl.Date: "date",
    pl.Datetime: "timestamp",
    pl.Float64: "double",
    pl.Int64: "bigint",
    pl.String: "varchar",
    pl.Boolean: "boolean",
}


class Warehouse(Serving):
    """One open connection to a warehouse file, made with its tables if it is new."""

    def __init__(self, path: Path, *, partitions: Store | None = None) -> None:
        self.path = path
        self.partitions = partitions or FolderStore(path.with_name("partitions"))
        try:
            self.connection = duckdb.connect(str(path), config={"preserve_insertion_order": True})
            self._create()
        except (duckdb.Error, OSError) as error:
            raise _not_opened(path, error) from error

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with suppress(duckdb.Error):
            self.connection.close()
        # DuckDB tells of a full disk as an IO, a transaction or a fatal error; others are faults of this program.
        if isinstance(error, (duckdb.Error, OSError)) and is_of_the_disk(error):
            raise StorageFailed(storage_message(self.path, str(error).splitlines()[0])) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make every write inside take effect together, or none."""
        durability.announce("begin", self.path)
        self.connection.begin()
        try:
            yield
        except BaseException:
            # After a failed write DuckDB may have ended the transaction itself.
            with suppress(duckdb.Error):
                self.connection.rollback()
            raise
        durability.announce("commit", self.path)
        self.connection.commit()
        durability.announce("committed", self.path)

    def query(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query."""
        frame: pl.DataFrame = self.connection.sql(sql, params=parameters).pl()
        return frame

    def read(
        self,
        table: Table,
        *,
        sessions: Sequence[date] | None = None,
        first: date = date.min,
        last: date = date.max,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return rows of a table, sorted by its key: all, those of some sessions, or those from a session to another.

        `columns` names those wanted; all of them unless given.
        """
        if table in LARGE_TABLES:
            return self._read_files(table, sessions=sessions, first=first, last=last, columns=columns)
        where = ""
        parameters: list[Any] = []
        if sessions is not None:
            where, parameters = f"where {table.session_column} = any(?)", [list(sessions)]
        elif (first, last) != (date.min, date.max) and table.session_column:
            where, parameters = f"where {table.session_column} between ? and ?", [first, last]
        order = ", ".join(table.key)
        wanted = columns or table.column_names
        frame = self.query(f"select {', '.join(wanted)} from {table.full_name} {where} order by {order}", parameters)
        return frame.cast({name: table.polars_schema[name] for name in wanted})

    def read_best(self, table: Table) -> pl.DataFrame:
        """Return the rows of rank 1 of every session, and `n_candidates`, how many the session has."""
        names = ", ".join(table.column_names)
        frame = self.query(
            f"select {names}, n_candidates from {table.full_name} join"
            f" (select session_date, count(*) as n_candidates from {table.full_name} group by session_date)"
            " using (session_date) where rank = 1 order by session_date"
        )
        schema: dict[str, pl.DataType] = {**table.polars_schema, "n_candidates": pl.Int64()}
        return frame.cast(schema)  # type: ignore[arg-type]

    def read_partition(self, table: Table, partition: str) -> pl.DataFrame:
        """Return the rows of one snapshot partition: a session, a year or everything."""
        kind = partition_of(table)
        if kind == "none":
            return self.read(table)
        if kind == "session":
            return self.read(table, sessions=[date.fromisoformat(partition)])
        names, order = ", ".join(table.column_names), ", ".join(table.key)
        where = "year(session_date) = cast(? as int)"
        frame = self.query(f"select {names} from {table.full_name} where {where} order by {order}", [partition])
        return frame.cast(dict(table.polars_schema))  # type: ignore[arg-type]

    def write_changes(self, table: Table, frame: pl.DataFrame, *, sessions: Sequence[date] | None = None) -> list[date]:
        """Make the table hold exactly `frame` (for the sessions given, or for all), touching only what differs.

        Returns the sessions whose rows changed; for a table without sessions, [date.min] if anything did. Partitions
        that changed are marked for the next publication.
        """
        if table in LARGE_TABLES:
            parts = frame.partition_by("session_date", maintain_order=True)
            files = [write_partition(self.partitions, table, part) for part in parts]
            return self.write_partition_files(table, files, sessions=sessions)
        frame = table.conform(frame)
        old = self.read(table, sessions=sessions)
        if old.equals(frame.head(old.height)):
            # A history that grows, both in the order of the key.
            gone, came = old.clear(), frame.slice(old.height)
        else:
            gone = old.join(frame, on=table.column_names, how="anti", nulls_equal=True)
            came = frame.join(old, on=table.column_names, how="anti", nulls_equal=True)
        if gone.is_empty() and came.is_empty():
            return []
        if table.session_column is None:
            self._insert(table.full_name, frame, delete="true")
            self.mark_dirty(table, [None])
            return [date.min]
        changed = pl.concat([gone["session_date"], came["session_date"]]).unique().sort().to_list()
        rows = frame.filter(pl.col("session_date").is_in(changed))
        self._delete_sessions(table, changed)
        self._insert(table.full_name, rows)
        self.mark_dirty(table, changed)
        return changed

    def write_partition_files(
        self, table: Table, files: Sequence[PartitionFile], *, sessions: Sequence[date] | None = None
    ) -> list[date]:
        """Make a large table consist of `files` in the sessions given (or altogether); return the sessions changed."""
        old = {day: record.sha256 for day, record in self.files_of(table, sessions=sessions).items()}
        new = {record.session_date: record.sha256 for record in files}
        changed = sorted(day for day in {*old, *new} if old.get(day) != new.get(day))
        if not changed:
            return []
        durability.announce("insert", table.full_name)
        self.connection.execute(
            "delete from meta.partition_file where table_name = ? and session_date = any(?)", [table.full_name, changed]
        )
        rows = [
            (record.table_name, record.session_date, record.sha256, record.n_rows)
            for record in files
            if record.session_date in set(changed)
        ]
        self._insert("meta.partition_file", pl.DataFrame(rows, schema=PARTITION_FILE_SCHEMA, orient="row"))
        self.mark_dirty(table, changed)
        return changed

    def sessions_of(self, table: Table) -> list[date]:
        """Return the sessions a table holds, ascending."""
        if table in LARGE_TABLES:
            return list(self.files_of(table))
        found = self.query(f"select distinct session_date from {table.full_name} order by session_date")
        return list(found["session_date"].to_list())

    def replace_findings(
        self, findings: pl.DataFrame, legs: pl.DataFrame, *, sessions: Sequence[date], residual: bool
    ) -> None:
        """Make the findings of sessions, either the misfits to the smile or all others, exactly these."""
        kind = "kind = 'surface_residual'" if residual else "kind <> 'surface_residual'"
        gone = f"session_date = any(?) and {kind}"
        self.connection.execute(
            "delete from meta.finding_leg where session_date = any(?) and finding_id in"
            f" (select finding_id from meta.finding where {gone})",
            [list(sessions), list(sessions)],
        )
        self.connection.execute(f"delete from meta.finding where {gone}", [list(sessions)])
        self._insert("meta.finding", findings.select(list(FINDING_SCHEMA)))
        self._insert("meta.finding_leg", legs.select(MISPRICING_LEG.column_names))

    def read_findings(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the findings of all sessions, without their life, and their legs."""
        return self.read_meta("meta.finding"), self.read_meta("meta.finding_leg")

    def append(self, table: Table, frame: pl.DataFrame) -> None:
        """Add rows whose keys are new."""
        if frame.is_empty():
            return
        self._insert(table.full_name, table.conform(frame))
        self.mark_dirty(table, frame["session_date"].unique().to_list() if table.session_column else [None])

    def read_meta(
        self, name: str, columns: Sequence[str] | None = None, *, sessions: Sequence[date] | None = None
    ) -> pl.DataFrame:
        """Return an internal table (`internal_tables`), or some columns of it, or the rows of some sessions."""
        schema = {key: dtype for key, dtype in internal_tables()[name].items() if columns is None or key in columns}
        where, parameters = ("", []) if sessions is None else (" where session_date = any(?)", [list(sessions)])
        frame = self.query(f"select {', '.join(schema)} from {name}{where}", parameters)
        return frame.cast(dict(schema))  # type: ignore[arg-type]

    def write_meta(self, name: str, frame: pl.DataFrame) -> None:
        """Make an internal table, whose rows all differ, hold exactly `frame`, touching only what differs."""
        columns = list(internal_tables()[name])
        held = self.query(f"select rowid, {', '.join(columns)} from {name}").cast(dict(internal_tables()[name]))  # type: ignore[arg-type]
        gone = held.join(frame, on=columns, how="anti", nulls_equal=True)["rowid"]
        if 2 * gone.len() > held.height:
            self._insert(name, frame.select(columns), delete="true")
            return
        came = frame.select(columns).join(held, on=columns, how="anti", nulls_equal=True, maintain_order="left")
        if gone.len():
            self.connection.execute(f"delete from {name} where rowid = any(?)", [gone.to_list()])
        if came.height:
            self._insert(name, came)

    def replace_meta(self, name: str, frame: pl.DataFrame, *, sessions: Sequence[date]) -> None:
        """Make the rows of an internal table for some sessions exactly `frame`."""
        durability.announce("insert", name)
        self.connection.execute(f"delete from {name} where session_date = any(?)", [list(sessions)])
        if frame.height:
            self._insert(name, frame.select(list(internal_tables()[name])))

    def mark_dirty(self, table: Table, sessions: Sequence[date | None]) -> None:
        """Remember that rows of sessions (None: of a table without sessions) differ from what is published."""
        durability.announce("insert", "meta.dirty")
        self.connection.execute(
            "insert into meta.dirty select ?, unnest(?::varchar[]), unnest(?::date[])",
            [table.full_name, [_partition(table, day) for day in sessions], list(sessions)],
        )

    def dirty(self) -> list[tuple[Table, str]]:
        """Return the partitions that differ from what is published, in the order of the schemas."""
        rows = self.query("select distinct table_name, partition from meta.dirty order by partition")
        order = {table.full_name: rank for rank, table in enumerate(TABLES)}
        found = [(BY_NAME[name], partition) for name, partition in rows.iter_rows()]
        return sorted(found, key=lambda item: (order[item[0].full_name], item[1]))

    def dirty_sessions(self, *tables: Table) -> set[date]:
        """Return the sessions of which some row (of the tables, or of any) differs from what is published."""
        where = "session_date is not null" + (" and table_name = any(?)" if tables else "")
        parameters = [[table.full_name for table in tables]] if tables else []
        rows = self.query(f"select distinct session_date from meta.dirty where {where}", parameters)
        return set(rows["session_date"].to_list())

    def first_changed(self, *, since: str) -> dict[tuple[Table, str], date]:
        """Return the first session that differs in each dirty partition from what was published in state `since`.

        Empty if another state was the last that this warehouse published: then more may differ than is marked.
        """
        rows = self.query(
            "select table_name, partition, min(session_date) as first from meta.dirty"
            " where exists (from meta.published where state = ?) group by all having first is not null",
            [since],
        )
        return {(BY_NAME[name], partition): first for name, partition, first in rows.iter_rows()}

    def clear_dirty(self, *, published: str) -> None:
        """Forget what is published now, in a state of that name (`first_changed`)."""
        with self.transaction():
            self.connection.execute("delete from meta.dirty")
            self.write_meta("meta.published", pl.DataFrame({"state": [published]}))

    def all_partitions(self) -> list[tuple[Table, str]]:
        """Return every partition of every table, empty tables without sessions included."""
        found = []
        for table in TABLES:
            kind = partition_of(table)
            if kind == "none":
                found.append((table, "all"))
                continue
            if kind == "session":
                found += [(table, day.isoformat()) for day in self.files_of(table)]
                continue
            years = "select distinct cast(year(session_date) as varchar) as cut"
            cuts = self.query(f"{years} from {table.full_name} order by cut")
            found += [(table, value) for value in cuts["cut"].to_list()]
        return found

    def newest_session(self, tables: Sequence[Table]) -> date | None:
        """Return the newest session that any of the tables holds; None if they are empty."""
        newest = [self._newest(table) for table in tables]
        return max((day for day in newest if day), default=None)

    def run_checks(self) -> dict[str, pl.DataFrame]:
        """Run every sql/checks/assert_*.sql and return the offending rows of each.

        Of large tables a check sees the newest session and those that changed since they last passed: a session that
        passed every check passes it again.
        """
        texts = {
            path.name.removesuffix(".sql"): path.read_text()
            for path in sorted(files("sql").joinpath("checks").iterdir(), key=lambda entry: entry.name)
            if path.name.endswith(".sql")
        }
        # Only those: the scenarios of a night are made after it is checked, and would have it checked again the next.
        checked = [table for table in LARGE_TABLES if any(table.full_name in text for text in texts.values())]
        large = [text for text in texts.values() if any(table.full_name in text for table in checked)]
        by_session: dict[date, list[PartitionFile]] = {}
        for table in checked:
            for day, record in self.files_of(table).items():
                by_session.setdefault(day, []).append(record)
        now = {day: " ".join(record.sha256 for record in by_session[day]) for day in sorted(by_session)}
        before = dict(self.read_meta("meta.checked").iter_rows())
        newest = sorted(now)[-1:]
        changed = [day for day in now if before.get(day) != now[day]]
        failing: list[date] = []
        for start in range(0, len(changed), CHECKED_TOGETHER):
            some = changed[start : start + CHECKED_TOGETHER]
            self._show(by_session, {*some, *newest})
            if any(self.connection.execute(text).fetchmany(1) for text in large):
                failing += some
        self._show(by_session, {*failing, *newest})
        found = {name: self.query(text) for name, text in texts.items()}
        passed = [(day, text) for day, text in now.items() if day not in set(failing)]
        if changed or len(before) != len(now):
            self.write_meta("meta.checked", pl.DataFrame(passed, schema=CHECKED_SCHEMA, orient="row"))
        return found

    def nights_judged_otherwise(
        self, nights: Sequence[date], *, gates: pl.DataFrame, checks: pl.DataFrame
    ) -> set[date]:
        """Return the nights of which mart.data_quality does not hold what gates and checks say of them now.

        `gates` are rows of some sessions, `checks` rows that are of every night; both as mart.data_quality has them.
        """
        judged = ("table_name", "check_name", "outcome", "n_rows", "n_failed")
        frames = {
            "judged_night": pl.DataFrame({"session_date": list(nights)}, schema={"session_date": pl.Date()}),
            "gate_now": gates,
            "check_now": checks,
        }
        names = ", ".join((*judged, "detail"))
        same = " and ".join(f"now.{name} = was.{name}" for name in ("session_date", *judged))
        for name, frame in frames.items():
            self.connection.register(name, frame)
        try:
            found = self.query(
                f"with now as (select session_date, {names} from gate_now semi join judged_night using (session_date)"
                f" union all select session_date, {names} from judged_night cross join check_now)"
                f" select distinct now.session_date from now anti join {DATA_QUALITY.full_name} as was"
                f" on {same} and now.detail is not distinct from was.detail"
            )
        finally:
            for name in frames:
                self.connection.unregister(name)
        return set(found["session_date"].to_list())

    def _show(self, by_session: Mapping[date, Sequence[PartitionFile]], sessions: set[date]) -> None:
        """Make the large tables visible to SQL, as far as these sessions."""
        for table in LARGE_TABLES:
            own = [f for day in sorted(sessions) for f in by_session[day] if f.table_name == table.full_name]
            names = ", ".join(table.column_names)
            self.connection.execute(
                f"create or replace view {table.full_name} as select {names} from {self.rows_of(table, own)}"
            )

    def _create(self) -> None:
        self.connection.execute("create schema if not exists meta; create schema if not exists stage")
        self.connection.execute("create table if not exists meta.version (version integer)")
        found = self.connection.execute("select version from meta.version").fetchall()
        if found and found[0][0] != WAREHOUSE_VERSION:
            raise DataError(
                f"{self.path} has storage version {found[0][0]}, this program writes {WAREHOUSE_VERSION}: "
                "run `alvh rebuild`, which makes it again from landing and ledger"
            )
        if found:
            return
        with self.transaction():
            for schema in sorted({table.schema for table in TABLES}):
                self.connection.execute(f"create schema if not exists {schema}")
            for table in TABLES:
                if table not in LARGE_TABLES:
                    self.connection.execute(f"create table {table.full_name} ({_columns(table.polars_schema)})")
            for name, schema_ in internal_tables().items():
                self.connection.execute(f"create table {name} ({_columns(schema_)})")
            self.connection.execute(
                "create table meta.dirty (table_name varchar, partition varchar, session_date date)"
            )
            self.connection.execute("insert into meta.version values (?)", [WAREHOUSE_VERSION])

    def _insert(self, name: str, frame: pl.DataFrame, *, delete: str | None = None) -> None:
        durability.announce("insert", name)
        if delete:
            self.connection.execute(f"delete from {name} where {delete}")
        self.connection.register("incoming", frame)
        try:
            self.connection.execute(f"insert into {name} by name select * from incoming")
        finally:
            self.connection.unregister("incoming")

    def _read_files(
        self,
        table: Table,
        *,
        sessions: Sequence[date] | None,
        first: date,
        last: date,
        columns: Sequence[str] | None,
    ) -> pl.DataFrame:
        records = self.files_of(table, sessions=sessions).values()
        frames = [
            read_partition(self.partitions, record, columns=columns)
            for record in records
            if first <= record.session_date <= last
        ]
        return pl.concat([table.empty().select(columns or table.column_names), *frames])

    def rows_of(self, table: Table, records: Sequence[PartitionFile]) -> str:
        """Return what to select the rows of partition files from, in the order of the files."""
        if not records:
            nulls = ", ".join(
                f"cast(null as {duckdb_type(dtype)}) as {name}" for name, dtype in table.polars_schema.items()
            )
            return f"(select {nulls} where false)"
        folder = self.partitions.local
        if folder is None:
            raise DataError("the warehouse reads its partition files from a folder of this machine")
        paths = ", ".join(f"'{quoted(folder / record.name)}'" for record in records)
        return f"read_parquet([{paths}], hive_partitioning = false)"

    def _newest(self, table: Table) -> date | None:
        if table in LARGE_TABLES:
            return max(self.files_of(table), default=None)
        newest: date | None = self.query(f"select max(session_date) as newest from {table.full_name}")["newest"][0]
        return newest

    def _delete_sessions(self, table: Table, sessions: Sequence[date]) -> None:
        self.connection.execute(f"delete from {table.full_name} where session_date = any(?)", [list(sessions)])


def _not_opened(path: Path, error: Exception) -> AlvhError:
    """Return why a warehouse does not open: held by another program, hindered by the disk, or not sound."""
    said = str(error).splitlines()[0]
    if "Conflicting lock" in said:
        return DataError(f"{path} is open in another program ({said}); close it and run this again")
    if is_of_the_disk(error):
        return StorageFailed(storage_message(path, said))
    return DataError(f"{path} cannot be opened ({said}); it is disposable: `alvh rebuild` makes it again")


def _partition(table: Table, session: date | None) -> str:
    kind = partition_of(table)
    if kind == "none" or session is None:
        return "all"
    return session.isoformat() if kind == "session" else f"{session.year:04d}"


def _columns(schema: dict[str, pl.DataType]) -> str:
    return ", ".join(f"{name} {duckdb_type(dtype)}" for name, dtype in schema.items())


def duckdb_type(dtype: pl.DataType) -> str:
    """Return DuckDB's name of a column type."""
    if isinstance(dtype, pl.List):
        return "varchar[]"
    return DUCKDB_TYPES[type(dtype)]
