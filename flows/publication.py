"""Publish what changed: parquet, alvh.duckdb, the manifests, the pages, then latest.json; each replaced whole."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows import ledger
from flows.durability import DRAFT_SUFFIX, announce, move_file, remove_file, stored, sync_folder
from flows.home import Home
from flows.manifests import (
    MANIFEST_VERSION,
    manifest_path,
    published_nights,
    read_files,
    session_manifest,
    state_of,
    write_manifest,
)
from flows.night_pages import made_pages, nights_with_page
from flows.partition_files import LARGE_TABLES, PartitionFile
from flows.provenance import code_version
from flows.report import write_report
from flows.retention import REVISION_FORMAT
from flows.served_record import SERVED_FILE, ServedRecord, carried_record, write_record
from flows.settings import Settings
from flows.snapshots import (
    READ_ONLY,
    SnapshotFile,
    partition_path,
    publish_partition_file,
    read_as_published,
    write_snapshot,
)
from flows.staging import STAGED_KINDS
from flows.storage import staging_store
from flows.warehouse import Warehouse
from flows.warehouse_serving import FirstChanged
from transforms.schemas import FUTURES_SETTLEMENT, INDEX_LEVEL, OPTION_QUOTE, partition_of
from transforms.table_schema import Table

SERVED_DRAFT = f"{SERVED_FILE}.draft"


@dataclass
class Publication:
    """What one publication wrote."""

    written: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    revised_sessions: list[date] = field(default_factory=list)
    pages: list[Path] = field(default_factory=list)
    failed_pages: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    stray_wal_removed: bool = False


def publish_changes(
    home: Home,
    warehouse: Warehouse,
    *,
    settings: Settings,
    nights: list[date],
    revised: list[date],
    validation: dict[str, str],
    now: datetime,
) -> Publication:
    """Publish every dirty partition and the manifests of `nights` (new) and `revised` (published before).

    `validation` is the outcome by session (ISO date) for their manifests. A run killed anywhere in here leaves the old
    alvh.duckdb whole, and the next publication completes this one, because partitions stay dirty until the end.
    """
    record_landings(home, warehouse)
    published = home.published
    for folder, _, names in os.walk(published):
        for name in names:
            if name.startswith(".") and name.endswith(DRAFT_SUFFIX):
                remove_file(Path(folder, name))
    before = read_files(published)
    known_nights = published_nights(published)
    known = sorted({*known_nights, *nights})
    dirty = warehouse.dirty()
    first_changed = warehouse.first_changed(since=state_of(before))
    if not before:
        dirty = sorted({*dirty, *warehouse.all_partitions()}, key=lambda item: (item[0].full_name, item[1]))
    result = Publication(revised_sessions=sorted(revised))
    revision = now.strftime(REVISION_FORMAT) if known_nights else None
    # The cursor is closed last: closing it while a page reads through it would hide why a publication failed.
    with warehouse.connection.cursor() as connection, ThreadPoolExecutor(1) as aside:
        # The copy is mostly the disk's work, and DuckDB makes the database without Python: the pages fit beside it.
        carried = carried_record(home)
        copied = aside.submit(_copy_served, home) if carried else None
        files = _publish_partitions(
            published, warehouse, result, dirty=dirty, before=before, revision=revision, first_changed=first_changed
        )
        manifests = _manifests(home, warehouse, sorted({*nights, *revised}), files=files, validation=validation)
        due = nights_with_page(published, nights, revised, known=known, limit=settings.publish.report_nights)
        pages = aside.submit(made_pages, due, connection=connection, published=published, manifests=manifests)
        if copied:
            copied.result()
        result.stray_wal_removed = publish_served(
            home, warehouse, settings=settings, files=files, before=before, first_changed=first_changed, carried=carried
        )
        for session, manifest in manifests.items():
            write_manifest(manifest_path(published, session), manifest)
        for session, page in pages.result().items():
            if isinstance(page, str):
                newest = session == known[-1]
                result.pages.append(write_report(published, session, page, newest=newest, revision=revision))
            else:
                result.failed_pages.append(
                    f"the page of {session} could not be made ({type(page).__name__}: {page}); its numbers are "
                    f"published. Report this, and try `alvh report {session}`"
                )
    latest = {
        "manifest_version": MANIFEST_VERSION,
        "published_at": now.isoformat() + "Z",
        "session_date": known[-1] if known else None,
        "code_version": code_version(),
        "files": [asdict(files[path]) for path in sorted(files)],
    }
    write_manifest(published / "manifests" / "latest.json", latest)
    warehouse.clear_dirty(published=state_of(files))
    _sweep(home, warehouse)
    return result


def _manifests(
    home: Home,
    warehouse: Warehouse,
    sessions: Sequence[date],
    *,
    files: dict[str, SnapshotFile],
    validation: dict[str, str],
) -> dict[date, dict[str, Any]]:
    night_rows = warehouse.read_meta("meta.night", sessions=sessions)
    heads = {name: ledger.head(home, name) for name in (ledger.LANDINGS, ledger.NIGHTS, ledger.NOTES)}
    return {
        session: {
            **session_manifest(session, files=files, night_rows=night_rows, validation=validation),
            "ledgers": heads,
        }
        for session in sessions
    }


def _publish_partitions(
    published: Path,
    warehouse: Warehouse,
    result: Publication,
    *,
    dirty: Sequence[tuple[Table, str]],
    before: Mapping[str, SnapshotFile],
    revision: str | None,
    first_changed: FirstChanged,
) -> dict[str, SnapshotFile]:
    """Publish the dirty partitions and note in `result` what became of them; return all files published, by path."""
    files = dict(before)
    large = {
        table: warehouse.files_of(table, sessions=[date.fromisoformat(cut) for own, cut in dirty if own is table])
        for table in LARGE_TABLES
    }
    for table, partition in dirty:
        path = partition_path(table, partition)
        record = _publish_partition(
            published,
            warehouse,
            table=table,
            partition=partition,
            file=large[table].get(date.fromisoformat(partition)) if table in LARGE_TABLES else None,
            before=before.get(path),
            revision=revision,
            first_changed=first_changed.get((table, partition), date.min),
        )
        if record is None:
            files.pop(path, None)
            if path in before:
                result.withdrawn.append(path)
        else:
            files[path] = record
            if before.get(path) != record:
                result.written.append(path)
    return files


def _publish_partition(
    published: Path,
    warehouse: Warehouse,
    *,
    table: Table,
    partition: str,
    file: PartitionFile | None,
    before: SnapshotFile | None,
    revision: str | None,
    first_changed: date,
) -> SnapshotFile | None:
    """Publish a partition, of a large table by linking its `file`; return its record, None if it has no rows."""
    folder = warehouse.partitions.local
    if file is not None and folder is not None:
        record = SnapshotFile(path=partition_path(table, partition), rows=file.n_rows, sha256=file.sha256)
        publish_partition_file(
            published, table=table, source=folder / file.name, record=record, before=before, revision=revision
        )
        return record
    grows = before and first_changed > date.min and partition_of(table) == "year"
    old = read_as_published(published, before) if before and grows else None
    if old is None:
        frame = warehouse.read_partition(table, partition)
    else:
        # A year of which only the newest sessions differ is mostly the file that is there.
        kept = old.filter(pl.col("session_date") < first_changed)
        frame = pl.concat([kept, warehouse.read(table, first=first_changed, last=date(int(partition), 12, 31))])
    return write_snapshot(
        published,
        table=table,
        partition=partition,
        frame=frame,
        before=before,
        revision=revision,
        published_rows=old,
    )


def _sweep(home: Home, warehouse: Warehouse) -> None:
    """Remove partition files that no table consists of any more, and what workers staged for runs that ended."""
    used = warehouse.files_in_use()
    for name in warehouse.partitions.names():
        if name not in used:
            warehouse.partitions.remove(name)
    staging = staging_store(home)
    for kind in (*STAGED_KINDS, *(["partitions"] if staging.local is None else [])):
        for name in staging.names(f"{kind}/"):
            staging.remove(name)


def publish_served(
    home: Home,
    warehouse: Warehouse,
    *,
    settings: Settings,
    files: Mapping[str, SnapshotFile],
    before: Mapping[str, SnapshotFile],
    first_changed: FirstChanged,
    carried: ServedRecord | None,
) -> bool:
    """Build alvh.duckdb and swap it in whole; return whether a stray write-ahead log lay beside it.

    The file of the night before, of which the draft is a copy then, is `carried` on where it can be: most partitions
    are in both. `files` are the snapshots published, by path, `before` those published last, and `first_changed` says
    from where on partitions differ.
    A log left by a client that opened the file for writing would be replayed into the new file, so it is removed before
    and after the swap.
    """
    draft, target = home.staging / SERVED_DRAFT, home.published / SERVED_FILE
    wal = target.with_name(target.name + ".wal")
    n_sessions = settings.publish.serving_sessions
    now = _served_partitions(files, serving_sessions=n_sessions)
    is_last = carried and carried.held == _served_partitions(before, serving_sessions=n_sessions)
    warehouse.build_served(
        draft,
        serving_sessions=n_sessions,
        held=carried.held if carried else None,
        now=now,
        first_changed=first_changed if is_last else None,
    )
    announce("fsync", draft)
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.fchmod(descriptor, READ_ONLY)
    finally:
        os.close(descriptor)
    stray = wal.exists()
    if stray:
        remove_file(wal)
    move_file(draft, target)
    if wal.exists():
        stray = True
        remove_file(wal)
    sync_folder(home.published)
    write_record(home, held=now, carried=carried)
    return stray


def _copy_served(home: Home) -> None:
    """Make the draft of the next database a copy of the published one, durable, so that the swap need not wait for it.

    Raises
    ------
    StorageFailed
        If the disk cannot take it.
    """
    draft = home.staging / SERVED_DRAFT
    with stored(draft):
        draft.unlink(missing_ok=True)
        shutil.copyfile(home.published / SERVED_FILE, draft)
        with open(draft, "rb") as stream:
            os.fsync(stream.fileno())


def _served_partitions(files: Mapping[str, SnapshotFile], *, serving_sessions: int) -> dict[str, dict[str, str]]:
    """Return the hash of each snapshot that the served file holds, by partition by table."""
    held: dict[str, dict[str, str]] = {}
    for path in sorted(files):
        _, name, *folder, _ = path.split("/")
        cut = folder[0].split("=")[1] if folder else "all"
        held.setdefault(name, {})[cut] = files[path].sha256
    for table in LARGE_TABLES:
        held[table.full_name] = dict(list(held.get(table.full_name, {}).items())[-serving_sessions:])
    return held


def record_landings(home: Home, warehouse: Warehouse) -> None:
    """Add to the ledger the landed files it does not list yet, so that a manifest can name the set it was made from."""
    listed = {sha256 for entry in ledger.read_entries(home, ledger.LANDINGS) for sha256 in entry["files"]}
    loaded = warehouse.landed_sources()["source_sha256"].to_list()
    fresh = [sha256 for sha256 in loaded if sha256 not in listed]
    if fresh:
        ledger.append_entry(home, ledger.LANDINGS, {"files": fresh})


def newest_core_session(warehouse: Warehouse) -> date | None:
    """Return the newest session that any core table of the market holds."""
    return warehouse.newest_session([OPTION_QUOTE, FUTURES_SETTLEMENT, INDEX_LEVEL])
