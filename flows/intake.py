"""Take delivered files in: what workers have read, landed and judged, one writer loads in the order of the files.

Core is a function of the set of landed files, whatever the order in which they came: of one key the best edition, of
one (session, root) the best snapshot. A load is one transaction; a file whose load did not commit is landed but unknown
to the warehouse, and the next run takes it from landing, or from what workers staged of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl

from flows.deliveries import Delivered, delivered_paths, is_unchanged, printable_name, read_delivered, set_aside
from flows.durability import announce
from flows.home import Home
from flows.internal_tables import EDITION_TABLES
from flows.landing import content_hash, landed_files, landed_size
from flows.map_sessions import InProcess, Progress, Runner, map_sessions
from flows.partition_files import hand_over, shared_partitions
from flows.reading import (
    QUOTES,
    Batch,
    Delivery,
    FileRead,
    Places,
    assemble_session,
    read_batch,
    staged_reading,
)
from flows.settings import Settings
from flows.snapshot_choice import choose_snapshots
from flows.storage import landing_store, staging_store
from flows.warehouse import Warehouse
from transforms.editions import best_rows, candidates_of, merged_candidates
from transforms.errors import RefusedFile, StorageFailed
from transforms.schemas import BY_NAME, OPTION_QUOTE
from transforms.sessions import TradingCalendar

# Files read together: Great Expectations costs a tenth of a second a call, and their rows lie in memory at once.
BATCH_FILES, BATCH_BYTES = 100, 8 << 20
# Rows read before they are loaded: choosing snapshots looks at all there are, so it is done seldom.
LOAD_ROWS = 10_000_000


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


def ingest_paths(
    home: Home,
    warehouse: Warehouse,
    *,
    paths: list[Path],
    settings: Settings,
    calendar: TradingCalendar,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Land and load vendor files or whole folders; the files themselves stay where they are.

    Raises
    ------
    UsageError
        If a path does not exist.
    """
    intake = _Intake(home, warehouse, settings, calendar, runner or InProcess(), progress)
    return intake.deliver(list(delivered_paths(paths)), read={}, follow_links=True)


def ingest_inbox(
    home: Home,
    warehouse: Warehouse,
    *,
    settings: Settings,
    calendar: TradingCalendar,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Land and load what lies in the inbox; what was read is removed there, what was refused moves to rejected/.

    A file that somebody is still writing stays where it is, for the next run; so does one that cannot be moved.
    """
    delivered = list(delivered_paths([home.inbox]))
    read: dict[int, Delivered] = {}
    intake = _Intake(home, warehouse, settings, calendar, runner or InProcess(), progress)
    result = intake.deliver(delivered, read=read, follow_links=False)
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
    home: Home,
    warehouse: Warehouse,
    *,
    settings: Settings,
    calendar: TradingCalendar,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Load every landed file that the warehouse does not know: all after a rebuild, a killed run's rest else.

    A file that an earlier version of this program read and this one refuses stays landed and is recorded as refused.

    Raises
    ------
    DataError
        If a landed file is not what it was when it was landed.
    """
    return _Intake(home, warehouse, settings, calendar, runner or InProcess(), progress).load_landed()


@dataclass(frozen=True)
class _Waiting:
    """A delivered file that is not read yet: its place among those delivered, and its bytes' number."""

    number: int
    size: int
    delivery: Delivery


@dataclass
class _Intake:
    """One ingestion into a home."""

    home: Home
    warehouse: Warehouse
    settings: Settings
    calendar: TradingCalendar
    runner: Runner
    progress: Progress | None
    result: Ingested = field(default_factory=Ingested)

    @property
    def places(self) -> Places:
        staging = staging_store(self.home)
        return Places(landing_store(self.home), staging, shared_partitions(self.warehouse.partitions, staging))

    def load_landed(self) -> Ingested:
        waiting = landed_files(self.home, known=self._known_hashes())
        deliveries = [Delivery(landed.name, landed.sha256, landed=landed) for landed in waiting]
        self._load(deliveries, sizes=[landed_size(self.home, landed) for landed in waiting])
        return self.result

    def deliver(self, paths: Sequence[Path], *, read: dict[int, Delivered], follow_links: bool) -> Ingested:
        """Land and load files; what was read of each, without its bytes, is noted in `read` by its place."""
        self.load_landed()
        known = self._known_hashes()
        outcomes: dict[int, FileOutcome] = {}
        waiting: list[_Waiting] = []
        for number, path in enumerate(paths):
            name = printable_name(path)
            try:
                found = read_delivered(path, follow_links=follow_links)
            except (OSError, RefusedFile) as error:
                outcomes[number] = FileOutcome(name, "refused", reason=f"{name} cannot be read: {error}")
                continue
            read[number] = replace(found, payload=b"")
            sha256, size = content_hash(found.payload), len(found.payload)
            waiting.append(_Waiting(number, size, Delivery(name, sha256, path=path, follow_links=follow_links)))
        while waiting:
            # A file's name can decide whether its bytes can be read: after a refusal the next of equal bytes is tried.
            first: dict[str, _Waiting] = {}
            for item in waiting:
                if item.delivery.sha256 not in known:
                    first.setdefault(item.delivery.sha256, item)
            self.result.files.clear()
            self._load([item.delivery for item in first.values()], sizes=[item.size for item in first.values()])
            for outcome in _as_judged_by_gates(self.warehouse, self.result.files):
                outcomes[first[str(outcome.sha256)].number] = outcome
                if outcome.source is not None:
                    known.add(str(outcome.sha256))
            for item in waiting:
                sha256 = item.delivery.sha256
                if item.number not in outcomes and sha256 in known:
                    said = "the same bytes are landed"
                    outcomes[item.number] = FileOutcome(item.delivery.name, "known", sha256=sha256, reason=said)
            waiting = [item for item in waiting if item.number not in outcomes]
        self.result.files = [outcomes[number] for number in sorted(outcomes)]
        return self.result

    def _known_hashes(self) -> set[str]:
        return set(self.warehouse.landed_sources()["source_sha256"].to_list())

    def _load(self, deliveries: Sequence[Delivery], *, sizes: Sequence[int]) -> None:
        """Have the files read by workers, and load what they found in their order."""
        names = {delivery.sha256: delivery.name for delivery in deliveries}
        batches = [Batch(part, self.places) for part in _batches(deliveries, sizes=sizes)]
        found = map_sessions(
            read_batch,
            batches,
            runner=self.runner,
            name=lambda batch: f"reading {batch.deliveries[-1].name}",
            progress=self.progress,
        )
        waiting: list[FileRead] = []
        n_rows = 0
        for reads in found:
            for read in reads:
                if read.landed is None:
                    name = names[read.sha256]
                    self.result.files.append(FileOutcome(name, "refused", sha256=read.sha256, reason=read.refusal))
                    continue
                waiting.append(read)
                n_rows += read.facts["n_rows"]
            if n_rows >= LOAD_ROWS:
                self._commit(waiting)
                waiting, n_rows = [], 0
        if waiting:
            self._commit(waiting)
        with self.warehouse.transaction():
            refresh_landed_files(self.warehouse)

    def _commit(self, reads: Sequence[FileRead]) -> None:
        """Load files that were read, all together or not at all, and the sessions of quotes that they change."""
        table = BY_NAME["quarantine.rejected_row"]
        outcomes = [_outcome(read) for read in reads]
        places = self.places
        chosen = choose_snapshots(
            self.warehouse,
            fresh=pl.concat([read.snapshots for read in reads]),
            landed=[read.landed for read in reads if read.landed],
            home=self.home,
            places=places,
            settings=self.settings,
            calendar=self.calendar,
        )
        files = list(
            map_sessions(
                assemble_session,
                chosen.choices,
                runner=self.runner,
                name=lambda choice: f"quotes of {choice.session_date}",
                progress=self.progress,
            )
        )
        hand_over(files, source=places.partitions, target=self.warehouse.partitions)
        with self.warehouse.transaction():
            self.warehouse.append(table, pl.concat([table.empty(), *(read.rejected for read in reads)]))
            known = self.warehouse.read_meta("meta.rule")
            self.warehouse.write_meta("meta.rule", pl.concat([known, *(read.rules for read in reads)]).unique())
            self.warehouse.append(BY_NAME["core.landed_file"], _landed_rows(reads))
            for name, sessions in _load_editions(self.warehouse, reads, settings=self.settings).items():
                self.result.note_change(name, sessions)
            self.warehouse.write_partition_files(OPTION_QUOTE, files, sessions=chosen.sessions)
            self.warehouse.write_meta("meta.snapshot", chosen.snapshots)
            if chosen.sessions:
                self.result.note_change(QUOTES, chosen.sessions)
        self.result.files += outcomes
        for read in reads:
            if read.landed:
                places.staging.remove(staged_reading(read.landed))


def _batches(deliveries: Sequence[Delivery], *, sizes: Sequence[int]) -> Iterator[tuple[Delivery, ...]]:
    """Cut deliveries into batches of BATCH_FILES or about BATCH_BYTES."""
    part: list[Delivery] = []
    total = 0
    for delivery, size in zip(deliveries, sizes, strict=True):
        part.append(delivery)
        total += size
        if total >= BATCH_BYTES or len(part) == BATCH_FILES:
            yield tuple(part)
            part, total = [], 0
    if part:
        yield tuple(part)


def _outcome(read: FileRead) -> FileOutcome:
    facts = read.facts
    first, last = facts["first_session"], facts["last_session"]
    return FileOutcome(
        name=facts["landed"]["name"],
        outcome="refused" if read.refusal else "loaded",
        source=facts["landed"]["source"],
        sha256=read.sha256,
        first_session=date.fromisoformat(first) if first else None,
        last_session=date.fromisoformat(last) if last else None,
        n_lines=facts["n_lines"],
        n_rows=facts["n_rows"],
        n_loaded=facts["n_loaded"],
        n_rejected=facts["n_rejected"],
        reason=read.refusal or facts["notes"],
    )


def _landed_rows(reads: Sequence[FileRead]) -> pl.DataFrame:
    table = BY_NAME["core.landed_file"]
    rows = [
        {
            "sha256": outcome.sha256,
            "source": outcome.source,
            "received_at": read.landed.received_at if read.landed else None,
            "name": outcome.name,
            "stamped_at": datetime.fromisoformat(read.facts["stamped_at"]) if read.facts["stamped_at"] else None,
            "first_session": outcome.first_session,
            "last_session": outcome.last_session,
            "n_lines": outcome.n_lines,
            "n_rows": outcome.n_rows,
            "n_loaded": outcome.n_loaded,
            "n_rejected": outcome.n_rejected,
            "n_superseded": 0,
            "unknown_columns": read.facts["unknown_columns"],
            "outcome": outcome.outcome,
            "detail": outcome.reason,
        }
        for read, outcome in ((read, _outcome(read)) for read in reads)
    ]
    return pl.DataFrame(rows, schema=table.polars_schema)


def _load_editions(warehouse: Warehouse, reads: Sequence[FileRead], *, settings: Settings) -> dict[str, list[date]]:
    files = pl.DataFrame(
        {
            "source_sha256": [read.sha256 for read in reads],
            "edition_source": [read.landed.source if read.landed else None for read in reads],
            "received_at": [read.landed.received_at if read.landed else None for read in reads],
        },
        schema_overrides={"edition_source": pl.String(), "received_at": pl.Datetime("us")},
    )
    changed = {}
    for table in EDITION_TABLES:
        frames = [read.frames[table.full_name] for read in reads if table.full_name in read.frames]
        if not frames:
            continue
        staged = f"stage.{table.name}"
        old = warehouse.read_meta(staged)
        new = candidates_of(pl.concat(frames), files).select(old.columns)
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
