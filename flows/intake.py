"""Take delivered files in: recognize, read, judge, land, load. One writer, so files are read in turn and loaded in
batches.

Core is a function of the set of landed files, whatever the order in which they came: of one key the best edition, of
one (session, root) the best snapshot. A batch is one transaction; a file whose batch did not commit is landed but
unknown to the warehouse, and the next run takes it from landing.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from flows.durability import announce, replace_file
from flows.expectations import judge
from flows.home import Home
from flows.internal_tables import EDITION_TABLES, RULE_SCHEMA
from flows.landing import LandedFile, content_hash, land_file, landed_files, read_landed
from flows.settings import Settings
from flows.snapshot_choice import choose_snapshots
from flows.sources import ROW_NUMBER, Reading, open_delivery, recognize
from flows.warehouse import Warehouse
from transforms.editions import best_rows, candidates_of, merged_candidates
from transforms.errors import DataError, RefusedFile, UsageError
from transforms.schemas import BY_NAME
from transforms.sessions import TradingCalendar

BATCH_ROWS = 250_000
QUOTES = "core.option_quote"
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class FileOutcome:
    """What became of one delivered file. `outcome`: loaded, known (its bytes were landed before) or refused."""

    name: str
    outcome: str
    source: str | None = None
    sha256: str | None = None
    first_session: date | None = None
    last_session: date | None = None
    n_lines: int = 0
    n_rows: int = 0
    n_loaded: int = 0
    n_rejected: int = 0
    reason: str | None = None


@dataclass
class Ingested:
    """What an ingestion did: an outcome per file, and the sessions whose rows changed, by core table."""

    files: list[FileOutcome] = field(default_factory=list)
    changed: dict[str, set[date]] = field(default_factory=dict)

    def note_change(self, table_name: str, sessions: Iterable[date]) -> None:
        """Remember sessions of a core table whose rows changed."""
        self.changed.setdefault(table_name, set()).update(sessions)

    @property
    def n_refused(self) -> int:
        return sum(outcome.outcome == "refused" for outcome in self.files)


@dataclass(frozen=True)
class _Read:
    """A file that was read and waits for its batch."""

    landed: LandedFile
    reading: Reading


def ingest_paths(
    home: Home,
    warehouse: Warehouse,
    *,
    paths: list[Path],
    settings: Settings,
    calendar: TradingCalendar,
    progress: Progress | None = None,
) -> Ingested:
    """Land and load vendor files or whole folders; the files themselves stay where they are.

    Raises
    ------
    UsageError
        If a path does not exist.
    """
    delivered = list(_expand(paths))
    return _ingest(home, warehouse, delivered=delivered, settings=settings, calendar=calendar, progress=progress)


def ingest_inbox(
    home: Home, warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar, progress: Progress | None = None
) -> Ingested:
    """Land and load what lies in the inbox; what was read is removed there, what was refused moves to rejected/."""
    delivered = list(_expand([home.inbox]))
    result = _ingest(home, warehouse, delivered=delivered, settings=settings, calendar=calendar, progress=progress)
    for path, outcome in zip(delivered, result.files, strict=False):
        if outcome.outcome == "refused":
            _set_aside(home, path, reason=outcome.reason or "")
        else:
            announce("remove", path)
            path.unlink(missing_ok=True)
    return result


def ingest_landed(
    home: Home, warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar, progress: Progress | None = None
) -> Ingested:
    """Load every landed file that the warehouse does not know: all after a rebuild, a killed run's rest else."""
    known = _known_hashes(warehouse)
    waiting = [landed for landed in landed_files(home) if landed.sha256 not in known]
    result = Ingested()

    def readings() -> Iterator[_Read]:
        for number, landed in enumerate(waiting, 1):
            if progress:
                progress(number, len(waiting), landed.name)
            yield _Read(landed, _read_file(landed.name, read_landed(home, landed), calendar)[1])

    _load(home, warehouse, readings(), result=result, settings=settings, calendar=calendar)
    return result


def _ingest(
    home: Home,
    warehouse: Warehouse,
    *,
    delivered: list[Path],
    settings: Settings,
    calendar: TradingCalendar,
    progress: Progress | None,
) -> Ingested:
    result = ingest_landed(home, warehouse, settings=settings, calendar=calendar)
    result.files.clear()
    known = _known_hashes(warehouse)
    outcomes: dict[int, FileOutcome] = {}
    positions: dict[str, int] = {}

    def readings() -> Iterator[_Read]:
        for number, path in enumerate(delivered):
            if progress:
                progress(number + 1, len(delivered), path.name)
            try:
                payload = _content(path)
            except (OSError, RefusedFile) as error:
                outcomes[number] = FileOutcome(path.name, "refused", reason=f"{path} cannot be read: {error}")
                continue
            sha256 = content_hash(payload)
            if sha256 in known or sha256 in positions:
                outcomes[number] = FileOutcome(path.name, "known", sha256=sha256, reason="the same bytes are landed")
                continue
            try:
                source, reading = _read_file(path.name, payload, calendar)
            except DataError as error:
                outcomes[number] = FileOutcome(path.name, "refused", sha256=sha256, reason=str(error))
                continue
            received_at = datetime.fromtimestamp(int(path.stat().st_mtime), UTC).replace(tzinfo=None)
            landed = land_file(home, payload, source=source, name=path.name, received_at=received_at)
            positions[sha256] = number
            yield _Read(landed, reading)

    _load(home, warehouse, readings(), result=result, settings=settings, calendar=calendar)
    refused = refusals_by_gate(warehouse)
    for read in result.files:
        outcome, sha256 = read, read.sha256
        if sha256 is None or sha256 not in positions:
            continue
        if sha256 in refused:
            reason = refused[sha256]
            outcome = replace(outcome, outcome="refused", n_loaded=0, n_rejected=outcome.n_rows, reason=reason)
        outcomes[positions[sha256]] = outcome
    result.files = [outcomes[number] for number in sorted(outcomes)]
    return result


def _load(
    home: Home,
    warehouse: Warehouse,
    readings: Iterator[_Read],
    *,
    result: Ingested,
    settings: Settings,
    calendar: TradingCalendar,
) -> None:
    batch: list[_Read] = []
    n_rows = 0
    for read in readings:
        batch.append(read)
        n_rows += read.reading.n_rows
        if n_rows >= BATCH_ROWS:
            _load_batch(home, warehouse, batch, result=result, settings=settings, calendar=calendar)
            batch, n_rows = [], 0
    if batch:
        _load_batch(home, warehouse, batch, result=result, settings=settings, calendar=calendar)
    with warehouse.transaction():
        refresh_landed_files(warehouse)


def _load_batch(
    home: Home,
    warehouse: Warehouse,
    batch: list[_Read],
    *,
    result: Ingested,
    settings: Settings,
    calendar: TradingCalendar,
) -> None:
    accepted, rejected, rules = _judge_batch(batch, calendar=calendar)
    outcomes = [_outcome(read, accepted=accepted, rejected=rejected) for read in batch]
    with warehouse.transaction():
        warehouse.append(BY_NAME["quarantine.rejected_row"], rejected)
        known = warehouse.read_meta("meta.rule")
        warehouse.write_meta("meta.rule", pl.concat([known, rules]).unique())
        warehouse.append(BY_NAME["core.landed_file"], _landed_rows(batch, outcomes))
        for name, sessions in _load_editions(warehouse, batch, accepted, settings=settings).items():
            result.note_change(name, sessions)
        if QUOTES in accepted:
            changed = choose_snapshots(
                home, warehouse, quotes=accepted[QUOTES], settings=settings, calendar=calendar, reread=accepted_quotes
            )
            result.note_change(QUOTES, changed)
    result.files += outcomes


def accepted_quotes(home: Home, landed: LandedFile, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return the option quotes of a landed file that pass validation, read again from landing."""
    read = _Read(landed, _read_file(landed.name, read_landed(home, landed), calendar)[1])
    return _judge_batch([read], calendar=calendar)[0][QUOTES]


def _read_file(name: str, payload: bytes, calendar: TradingCalendar) -> tuple[str, Reading]:
    delivery = open_delivery(name, payload)
    source = recognize(delivery)
    reading = source.read(delivery, calendar=calendar)
    if reading.rejected.height and not any(frame.height for frame in reading.frames.values()):
        first = reading.rejected.sort(ROW_NUMBER)["reason"][0]
        raise RefusedFile(
            f"{name}: begins like {source.NAME}, but none of its {reading.n_lines} lines can be read "
            f"(the first: {first})"
        )
    return source.NAME, reading


def _judge_batch(
    batch: list[_Read], *, calendar: TradingCalendar
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame, pl.DataFrame]:
    names = sorted({name for read in batch for name in read.reading.frames})
    accepted: dict[str, pl.DataFrame] = {}
    rules = [pl.DataFrame(schema=RULE_SCHEMA)]
    rejected = [_with_hash(read.reading.rejected, read) for read in batch if read.reading.rejected.height]
    for name in names:
        table = BY_NAME[name]
        frames = [_with_hash(read.reading.frames[name], read) for read in batch if name in read.reading.frames]
        together = pl.concat([frame.select([*table.column_names, ROW_NUMBER]) for frame in frames])
        judgement = judge(table, together, sessions=calendar.sessions)
        accepted[name] = judgement.accepted.select(table.column_names)
        rejected.append(judgement.rejected)
        rules.append(judgement.checks.select("table_name", pl.col("check_name").alias("rule")))
    empty = BY_NAME["quarantine.rejected_row"].empty()
    together = pl.concat([empty, *(frame.select(empty.columns) for frame in rejected)])
    return accepted, together, pl.concat(rules)


def _with_hash(frame: pl.DataFrame, read: _Read) -> pl.DataFrame:
    return frame.with_columns(pl.lit(read.landed.sha256).alias("source_sha256"))


def _outcome(read: _Read, *, accepted: dict[str, pl.DataFrame], rejected: pl.DataFrame) -> FileOutcome:
    sha256 = read.landed.sha256
    own = [frame.filter(pl.col("source_sha256") == sha256) for frame in accepted.values()]
    days = [frame["session_date"] for frame in own if "session_date" in frame.columns and frame.height]
    n_rejected = (
        rejected.filter(pl.col("source_sha256") == sha256).select("table_name", ROW_NUMBER).n_unique()
        if rejected.height
        else 0
    )
    return FileOutcome(
        name=read.landed.name,
        outcome="loaded",
        source=read.landed.source,
        sha256=sha256,
        first_session=min((series.min() for series in days), default=None),  # type: ignore[type-var, arg-type]
        last_session=max((series.max() for series in days), default=None),  # type: ignore[type-var, arg-type]
        n_lines=read.reading.n_lines,
        n_rows=read.reading.n_rows,
        n_loaded=sum(frame.height for frame in own),
        n_rejected=n_rejected,
        reason=" ".join(read.reading.notes) or None,
    )


def _landed_rows(batch: list[_Read], outcomes: list[FileOutcome]) -> pl.DataFrame:
    table = BY_NAME["core.landed_file"]
    rows = [
        {
            "sha256": read.landed.sha256,
            "source": read.landed.source,
            "received_at": read.landed.received_at,
            "name": read.landed.name,
            "stamped_at": read.reading.stamped_at,
            "first_session": outcome.first_session,
            "last_session": outcome.last_session,
            "n_lines": outcome.n_lines,
            "n_rows": outcome.n_rows,
            "n_loaded": outcome.n_loaded,
            "n_rejected": outcome.n_rejected,
            "n_superseded": 0,
            "unknown_columns": ", ".join(read.reading.unknown_columns) or None,
            "outcome": "loaded",
            "detail": outcome.reason,
        }
        for read, outcome in zip(batch, outcomes, strict=True)
    ]
    return pl.DataFrame(rows, schema=table.polars_schema)


def _load_editions(
    warehouse: Warehouse, batch: list[_Read], accepted: dict[str, pl.DataFrame], *, settings: Settings
) -> dict[str, list[date]]:
    files = pl.DataFrame(
        {
            "source_sha256": [read.landed.sha256 for read in batch],
            "edition_source": [read.landed.source for read in batch],
            "received_at": [read.landed.received_at for read in batch],
        },
        schema_overrides={"received_at": pl.Datetime("us")},
    )
    changed = {}
    for table in EDITION_TABLES:
        if table.full_name not in accepted:
            continue
        staged = f"stage.{table.name}"
        old = warehouse.read_meta(staged)
        new = candidates_of(accepted[table.full_name], files).select(old.columns)
        merged = merged_candidates(pl.concat([old, new]), table=table)
        warehouse.write_meta(staged, merged)
        rows = best_rows(merged, table=table, source_order=settings.sources.order)
        changed[table.full_name] = warehouse.write_changes(table, rows)
    return changed


def refresh_landed_files(warehouse: Warehouse) -> None:
    """Bring core.landed_file up to date: how many of a file's rows give way to better ones, and what refused it."""
    table = BY_NAME["core.landed_file"]
    landed = warehouse.read(table)
    if landed.is_empty():
        return
    used = warehouse.rows_in_core_by_file()
    snapshots = warehouse.read_meta("meta.snapshot")
    refused = (
        snapshots.group_by("source_sha256")
        .agg(
            pl.col("refusal").drop_nulls().sort().unique(maintain_order=True),
            pl.col("refusal").is_null().any().alias("any_accepted"),
        )
        .select("source_sha256", pl.col("refusal").list.join(" ").alias("refusal"), "any_accepted")
    )
    joined = landed.join(used, left_on="sha256", right_on="source_sha256", how="left", validate="1:1").join(
        refused, left_on="sha256", right_on="source_sha256", how="left", validate="1:1"
    )
    is_refused = pl.col("any_accepted").eq(False).fill_null(False)
    loaded = pl.col("n_rows") - pl.col("n_rejected_rows")
    quarantined = warehouse.rejected_by_file()
    joined = joined.join(quarantined, left_on="sha256", right_on="source_sha256", how="left", validate="1:1")
    joined = joined.with_columns(pl.col("n_rejected_rows").fill_null(0), pl.col("n_in_core").fill_null(0))
    joined = joined.with_columns(
        pl.when(is_refused).then(pl.lit(0)).otherwise(loaded).alias("n_loaded"),
        pl.when(is_refused).then(pl.col("n_rows")).otherwise(pl.col("n_rejected_rows")).alias("n_rejected"),
    ).with_columns((pl.col("n_loaded") - pl.col("n_in_core")).clip(lower_bound=0).alias("n_superseded"))
    outcome = (
        pl.when(is_refused)
        .then(pl.lit("refused"))
        .when((pl.col("n_loaded") > 0) & (pl.col("n_superseded") == pl.col("n_loaded")))
        .then(pl.lit("superseded"))
        .otherwise(pl.lit("loaded"))
    )
    joined = joined.with_columns(
        outcome.alias("outcome"),
        pl.when(is_refused).then(pl.col("refusal")).otherwise(pl.col("detail")).alias("detail"),
    )
    warehouse.write_changes(table, joined.select(table.column_names))


def refusals_by_gate(warehouse: Warehouse) -> dict[str, str]:
    """Return why a gate refused each landed file that it refused whole, by hash."""
    landed = warehouse.read(BY_NAME["core.landed_file"]).filter(pl.col("outcome") == "refused")
    return dict(landed.select("sha256", pl.col("detail").fill_null("a gate refused it")).iter_rows())


def _known_hashes(warehouse: Warehouse) -> set[str]:
    return set(warehouse.landed_sources()["source_sha256"].to_list())


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        # Reading a pipe or a device could wait for ever.
        raise RefusedFile("it is no regular file")
    return path.read_bytes()


def _expand(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; name vendor files or folders that hold them")
        if not path.is_dir():
            yield path
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders.sort()
            for name in sorted(names):
                if not name.startswith(".") and not name.endswith(".reason.txt"):
                    yield Path(folder) / name


def _set_aside(home: Home, path: Path, *, reason: str) -> None:
    target = home.rejected / path.name
    number = 1
    while target.exists():
        target = home.rejected / f"{path.stem}.{number}{path.suffix}"
        number += 1
    replace_file(target.with_name(target.name + ".reason.txt"), reason.encode() + b"\n")
    announce("rename", target)
    shutil.move(path, target)
