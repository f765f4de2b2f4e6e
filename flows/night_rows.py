"""Rows of nights that are stepped one after another, read for many nights at once: a query costs as much as a night."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

from flows.partition_files import LARGE_TABLES, PartitionFile, read_partition
from flows.warehouse import Warehouse
from transforms.table_schema import Table

# Never more than so many nights in memory.
NIGHTS_READ_TOGETHER = 60


class NightRows:
    """The rows of each of some nights; what is read of a table stays read until a later night is asked for."""

    def __init__(self, warehouse: Warehouse, nights: Sequence[date]) -> None:
        self._warehouse = warehouse
        self._nights = sorted(nights)
        self._rows: dict[Table, dict[date, pl.DataFrame]] = {}
        self._files: dict[Table, dict[date, PartitionFile | None]] = {}

    def of(self, table: Table, night: date) -> pl.DataFrame:
        """Return a table's rows of a night, sorted by its key; the table is none of those kept as files."""
        held = self._rows.get(table, {})
        if night not in held:
            ahead = self._ahead(night)
            found = self._warehouse.read(table, sessions=ahead).partition_by("session_date", as_dict=True)
            held = self._rows[table] = {day: found.get((day,), table.empty()) for day in ahead}
        return held[night]

    def of_expirations(
        self, table: Table, night: date, expirations: Collection[date], *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return a table's rows of some expirations of a night (of them some columns), sorted by its key."""
        names = list(columns or table.column_names)
        if not expirations:
            return table.empty().select(names)
        rows = self._of_file(table, night, names) if table in LARGE_TABLES else self.of(table, night).select(names)
        return rows.filter(pl.col("expiration").is_in(list(expirations)))

    def _of_file(self, table: Table, night: date, names: list[str]) -> pl.DataFrame:
        held = self._files.get(table, {})
        if night not in held:
            ahead = self._ahead(night)
            found = self._warehouse.files_of(table, sessions=ahead)
            held = self._files[table] = {day: found.get(day) for day in ahead}
        record = held[night]
        if record is None:
            return table.empty().select(names)
        return read_partition(self._warehouse.partitions, record, columns=names)

    def _ahead(self, night: date) -> list[date]:
        return [day for day in self._nights if day >= night][:NIGHTS_READ_TOGETHER] or [night]
