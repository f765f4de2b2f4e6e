"""Take delivered files in: recognize, read, judge, land, load. One writer, so files are read in turn and loaded in
batches.

Core is a function of the set of landed files, whatever the order in which they came: of one key the best edition, of
one (session, root) the best snapshot. A batch is one transaction; a file whose batch did not commit is landed but
unknown to the warehouse, and the next run takes it from landing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from flows.deliveries import Delivered, delivered_paths, is_unchanged, printable_name, read_delivered, set_aside
from flows.durability import announce
from flows.expectations import judge
from flows.home import Home
from flows.internal_tables import EDITION_TABLES, RULE_SCHEMA
from flows.landing import LandedFile, content_hash, land_file, landed_files, read_landed
from flows.receipt import rows_after_receipt
from flows.settings import Settings
from flows.snapshot_choice import choose_snapshots
from flows.sources import ROW_NUMBER, Reading, open_delivery, recognize
from flows.warehouse import Warehouse
from transforms.editions import best_rows, candidates_of, merged_candidates
from transforms.errors import AlvhError, DataError, RefusedFile, StorageFailed, UnrecognizedFile
from transforms.schemas import BY_NAME
from transforms.sessions import TradingCalendar

BATCH_ROWS = 250_000
MOST_UNREADABLE_DATES = 0.2
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
    """A file that was read and waits for its batch; `refusal` says why one landed before is not read any more."""

    landed: LandedFile
    reading: Reading
    refusal: str | None = None


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
    delivered = list(delivered_paths(paths))
    return _ingest(
        home,
        warehouse,
        delivered=delivered,
        read={},
        follow_links=True,
        settings=settings,
        calendar=calendar,
        progress=progress,
    )


def ingest_inbox(
    home: Home, warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar, progress: Progress | None = None
) -> Ingested:
    """Land and load what lies in the inbox; what was read is removed there, what was refused moves to rejected/.

    A file that somebody is still writing stays where it is, for the next run; so does one that cannot be moved.
    """
    delivered = list(delivered_paths([home.inbox]))
    read: dict[int, Delivered] = {}
    result = _ingest(
        home,
        warehouse,
        delivered=delivered,
        read=read,
        follow_links=False,
        settings=settings,
        calendar=calendar,
        progress=progress,
    )
    for number, (path, outcome) in enumerate(zip(delivered, result.files, strict=True)):
        if number in read and not is_unchanged(path, read[number]):
            continue
        try:
            if outcome.outcome == "refused":
                set_aside(path, home.rejected, reason=outcome.reason or "")
            else:
                announce("remove", path)
                path.unlink(missing_ok=True)
        except (OSError, StorageFailed) as error:
            # What it holds is loaded or refused already: a file that cannot be moved must not stop the night.
            said = " ".join(filter(None, [outcome.reason, f"It stays in the inbox: {error}."]))
            result.files[number] = replace(outcome, reason=said)
    return result


def ingest_landed(
    home: Home, warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar, progress: Progress | None = None
) -> Ingested:
    """Load every landed file that the warehouse does not know: all after a rebuild, a killed run's rest else.

    A file that an earlier version of this program read and this one refuses stays landed and is recorded as refused.

    Raises
    ------
    DataError
        If a landed file is not what it was when it was landed.
    """
    known = _known_hashes(warehouse)
    waiting = [landed for landed in landed_files(home) if landed.sha256 not in known]
    result = Ingested()

    def readings() -> Iterator[_Read]:
        for number, landed in enumerate(waiting, 1):
            if progress:
                progress(number, len(waiting), landed.name)
            payload = read_landed(home, landed)
            try:
                yield _Read(landed, _read_file(landed.name, payload, calendar)[1])
            except (RefusedFile, UnrecognizedFile) as error:
                yield _Read(landed, Reading(n_lines=0, frames={}), refusal=str(error))

    _load(home, warehouse, readings(), result=result, settings=settings, calendar=calendar)
    return result


def _ingest(
    home: Home,
    warehouse: Warehouse,
    *,
    delivered: list[Path],
    read: dict[int, Delivered],
    follow_links: bool,
    settings: Settings,
    calendar: TradingCalendar,
    progress: Progress | None,
) -> Ingested:
    """Land and load files; what was read of each, without its bytes, is noted in `read` by its place."""
    result = ingest_landed(home, warehouse, settings=settings, calendar=calendar)
    result.files.clear()
    known = _known_hashes(warehouse)
    outcomes: dict[int, FileOutcome] = {}
    positions: dict[str, int] = {}

    def readings() -> Iterator[_Read]:
        for number, path in enumerate(delivered):
            name = printable_name(path)
            if progress:
                progress(number + 1, len(delivered), name)
            try:
                found = read_delivered(path, follow_links=follow_links)
            except (OSError, RefusedFile) as error:
                outcomes[number] = FileOutcome(name, "refused", reason=f"{name} cannot be read: {error}")
                continue
            payload, read[number] = found.payload, replace(found, payload=b"")
            sha256 = content_hash(payload)
            if sha256 in known or sha256 in positions:
                outcomes[number] = FileOutcome(name, "known", sha256=sha256, reason="the same bytes are landed")
                continue
            try:
                source, reading = _read_file(name, payload, calendar)
            except DataError as error:
                outcomes[number] = FileOutcome(name, "refused", sha256=sha256, reason=str(error))
                continue
            landed = land_file(home, payload, source=source, name=name, received_at=found.received_at)
            positions[sha256] = number
            yield _Read(landed, reading)

    _load(home, warehouse, readings(), result=result, settings=settings, calendar=calendar)
    for outcome in _as_judged_by_gates(warehouse, result.files):
        if outcome.sha256 in positions:
            outcomes[positions[outcome.sha256]] = outcome
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
    try:
        delivery = open_delivery(name, payload)
        source = recognize(delivery)
        reading = source.read(delivery, calendar=calendar)
    except AlvhError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        # One file that breaks its reader must not stop every night that finds it in the inbox.
        raise RefusedFile(
            f"{name}: reading it failed in a way this program does not know ({type(error).__name__}: {error}); "
            "report it with the file"
        ) from error
    _require_readable_dates(name, reading)
    if reading.rejected.height and not any(frame.height for frame in reading.frames.values()):
        first = reading.rejected.sort(ROW_NUMBER)["reason"][0]
        raise RefusedFile(
            f"{name}: begins like {source.NAME}, but none of its {reading.n_lines} lines can be read "
            f"(the first: {first})"
        )
    return source.NAME, reading


def _require_readable_dates(name: str, reading: Reading) -> None:
    """Refuse a file many of whose dates cannot be read: where the day stands first, the others are misread."""
    bad = reading.rejected.filter(pl.col("rule") == "bad_date").sort(ROW_NUMBER)
    n_bad = bad.select("table_name", ROW_NUMBER).n_unique()
    if n_bad > MOST_UNREADABLE_DATES * reading.n_rows and n_bad < reading.n_rows:
        raise RefusedFile(
            f"{name}: {n_bad} of {reading.n_rows} rows have dates of another form (the first: {bad['reason'][0]}), so "
            "the others may be misread; download the file again with the vendor's own dates"
        )


def _judge_batch(
    batch: list[_Read], *, calendar: TradingCalendar
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame, pl.DataFrame]:
    names = sorted({name for read in batch for name in read.reading.frames})
    accepted: dict[str, pl.DataFrame] = {}
    rules = [pl.DataFrame(schema=RULE_SCHEMA)]
    rejected = [_with_hash(read.reading.rejected, read) for read in batch if read.reading.rejected.height]
    for name in names:
        table = BY_NAME[name]
        frames = []
        for read in (read for read in batch if name in read.reading.frames):
            rows = _with_hash(read.reading.frames[name], read).select([*table.column_names, ROW_NUMBER])
            rows, late = rows_after_receipt(table, rows, received_at=read.landed.received_at)
            frames.append(rows)
            rejected.append(late)
        judgement = judge(table, pl.concat(frames), sessions=calendar.sessions)
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
        outcome="refused" if read.refusal else "loaded",
        source=read.landed.source,
        sha256=sha256,
        first_session=min((series.min() for series in days), default=None),  # type: ignore[type-var, arg-type]
        last_session=max((series.max() for series in days), default=None),  # type: ignore[type-var, arg-type]
        n_lines=read.reading.n_lines,
        n_rows=read.reading.n_rows,
        n_loaded=sum(frame.height for frame in own),
        n_rejected=n_rejected,
        reason=read.refusal or " ".join(read.reading.notes) or None,
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
            "outcome": outcome.outcome,
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
    is_refused = pl.col("refusal").is_not_null()
    refused = (
        warehouse.read_meta("meta.snapshot")
        .group_by("source_sha256")
        .agg(
            pl.when(is_refused.any()).then(pl.col("refusal").drop_nulls().unique().sort().str.join(" ")),
            pl.col("n_rows").filter(is_refused).sum().alias("n_refused_rows"),
            pl.col("n_rows").sum().alias("n_snapshot_rows"),
        )
    )
    joined = landed.join(used, left_on="sha256", right_on="source_sha256", how="left", validate="1:1").join(
        refused, left_on="sha256", right_on="source_sha256", how="left", validate="1:1"
    )
    quarantined = warehouse.rejected_by_file()
    joined = joined.join(quarantined, left_on="sha256", right_on="source_sha256", how="left", validate="1:1")
    joined = joined.with_columns(pl.col("n_rejected_rows", "n_refused_rows", "n_in_core").fill_null(0))
    # Counted apart from n_rows, so that their sum can be checked against it.
    accepted = pl.coalesce("n_snapshot_rows", "n_loaded")
    joined = joined.with_columns(
        (pl.col("n_rejected_rows") + pl.col("n_refused_rows")).alias("n_rejected"),
        (accepted - pl.col("n_refused_rows")).alias("n_loaded"),
    ).with_columns((pl.col("n_loaded") - pl.col("n_in_core")).clip(lower_bound=0).alias("n_superseded"))
    outcome = (
        pl.when((pl.col("n_loaded") == 0) & ((pl.col("n_refused_rows") > 0) | (pl.col("outcome") == "refused")))
        .then(pl.lit("refused"))
        .when((pl.col("n_loaded") > 0) & (pl.col("n_superseded") == pl.col("n_loaded")))
        .then(pl.lit("superseded"))
        .otherwise(pl.lit("loaded"))
    )
    joined = joined.with_columns(
        outcome.alias("outcome"),
        pl.coalesce("refusal", "detail").alias("detail"),
    )
    warehouse.write_changes(table, joined.select(table.column_names))


def _as_judged_by_gates(warehouse: Warehouse, outcomes: list[FileOutcome]) -> list[FileOutcome]:
    """Return the outcomes with what the gates made of the files: they may refuse a file, or some of its snapshots."""
    landed = warehouse.read(BY_NAME["core.landed_file"])
    judged = {row["sha256"]: row for row in landed.iter_rows(named=True)}
    return [
        replace(
            outcome,
            outcome="refused" if judged[outcome.sha256]["outcome"] == "refused" else outcome.outcome,
            n_loaded=judged[outcome.sha256]["n_loaded"],
            n_rejected=judged[outcome.sha256]["n_rejected"],
            reason=judged[outcome.sha256]["detail"],
        )
        if outcome.sha256 in judged
        else outcome
        for outcome in outcomes
    ]


def _known_hashes(warehouse: Warehouse) -> set[str]:
    return set(warehouse.landed_sources()["source_sha256"].to_list())
