"""The record of runs: what ran, when, how long each stage took, and what became of it."""

import json
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from flows.internal_tables import OPEN_RUN_SCHEMA
from flows.warehouse import Warehouse
from transforms.schemas import RUN


@dataclass
class RunRecord:
    """One run in progress: seconds and rows by stage."""

    run_id: str
    command: str
    started_at: datetime
    session_date: date | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def open_run(warehouse: Warehouse, *, command: str, now: datetime) -> RunRecord:
    """Record the start of a run, and mark as killed every run that never ended."""
    record = RunRecord(run_id=uuid.uuid4().hex, command=command, started_at=now)
    runs = warehouse.read(RUN)
    vanished = warehouse.read_meta("meta.open_run")["run_id"]
    killed = pl.col("run_id").is_in(vanished.implode())
    runs = runs.with_columns(pl.when(killed).then(pl.lit("killed")).otherwise(pl.col("outcome")).alias("outcome"))
    row = _row(record, outcome="running", finished_at=None, detail=None)
    with warehouse.transaction():
        warehouse.write_changes(RUN, pl.concat([runs, row]))
        warehouse.write_meta("meta.open_run", pl.DataFrame({"run_id": [record.run_id]}, schema=OPEN_RUN_SCHEMA))
    return record


def record_outcome(
    warehouse: Warehouse, record: RunRecord, *, outcome: str, finished_at: datetime, detail: str | None = None
) -> None:
    """Record how a run ends; it counts as open until `close_run`, so that a kill while publishing is still seen."""
    others = warehouse.read(RUN).filter(pl.col("run_id") != record.run_id)
    row = _row(record, outcome=outcome, finished_at=finished_at, detail=detail)
    with warehouse.transaction():
        warehouse.write_changes(RUN, pl.concat([others, row]))


def close_run(warehouse: Warehouse) -> None:
    """Forget the open run: whatever it had to publish is published."""
    with warehouse.transaction():
        warehouse.write_meta("meta.open_run", pl.DataFrame(schema=OPEN_RUN_SCHEMA))


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def _row(record: RunRecord, *, outcome: str, finished_at: datetime | None, detail: str | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "run_id": [record.run_id],
            "command": [record.command],
            "session_date": [record.session_date],
            "started_at": [record.started_at],
            "finished_at": [finished_at],
            "outcome": [outcome],
            "seconds": [json.dumps(record.seconds, sort_keys=True)],
            "rows": [json.dumps(record.rows, sort_keys=True)],
            "peak_memory_mb": [peak_memory_mb()],
            "detail": [detail],
        },
        schema=RUN.polars_schema,
    )
