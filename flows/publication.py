"""Publish what changed: parquet, alvh.duckdb, the manifests, the pages, then latest.json; each replaced whole."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from flows import ledger
from flows.calendar import trading_calendar
from flows.durability import DRAFT_SUFFIX, announce, move_file, remove_file, replace_file, sync_folder
from flows.home import Home, locked
from flows.partition_files import LARGE_TABLES, PartitionFile
from flows.provenance import code_version
from flows.published_night import read_night, read_published_night
from flows.report import report_page, report_path, write_report
from flows.retention import REVISION_FORMAT
from flows.served_record import SERVED_FILE, carried_record, write_record
from flows.settings import Settings
from flows.snapshots import READ_ONLY, SnapshotFile, partition_path, publish_partition_file, write_snapshot
from flows.staging import STAGED_KINDS
from flows.storage import staging_store
from flows.warehouse import Warehouse
from transforms.errors import DataError, StorageFailed
from transforms.schemas import FUTURES_SETTLEMENT, INDEX_LEVEL, OPTION_QUOTE, TABLES, partition_of
from transforms.table_schema import Table

MANIFEST_VERSION = 1
# Clocks and process figures: they differ between two runs that are otherwise equal.
NOT_REPRODUCIBLE = frozenset({"mart.run"})


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
    for draft in published.rglob(f".*{DRAFT_SUFFIX}"):
        remove_file(draft)
    before = read_files(published)
    known_nights = published_nights(published)
    dirty = warehouse.dirty()
    if not before:
        dirty = sorted({*dirty, *warehouse.all_partitions()}, key=lambda item: (item[0].full_name, item[1]))
    result = Publication(revised_sessions=sorted(revised))
    files = dict(before)
    revision = now.strftime(REVISION_FORMAT) if known_nights else None
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
        )
        if record is None:
            files.pop(path, None)
            if path in before:
                result.withdrawn.append(path)
        else:
            files[path] = record
            if before.get(path) != record:
                result.written.append(path)
    result.stray_wal_removed = publish_served(home, warehouse, settings=settings, files=files)
    night_rows = warehouse.read_meta("meta.night", sessions=sorted({*nights, *revised}))
    heads = {name: ledger.head(home, name) for name in (ledger.LANDINGS, ledger.NIGHTS, ledger.NOTES)}
    for session in sorted({*nights, *revised}):
        manifest = session_manifest(session, files=files, night_rows=night_rows, validation=validation)
        manifest["ledgers"] = heads
        _write_json(manifest_path(published, session), manifest)
    _publish_pages(home, warehouse, result, nights=nights, limit=settings.publish.report_nights, revision=revision)
    latest = {
        "manifest_version": MANIFEST_VERSION,
        "published_at": now.isoformat() + "Z",
        "session_date": max((*known_nights, *nights), default=None),
        "code_version": code_version(),
        "files": [asdict(files[path]) for path in sorted(files)],
    }
    _write_json(published / "manifests" / "latest.json", latest)
    warehouse.clear_dirty()
    _sweep(home, warehouse)
    return result


def _publish_pages(
    home: Home, warehouse: Warehouse, result: Publication, *, nights: list[date], limit: int, revision: str | None
) -> None:
    """Make the pages of the newest new nights, of revised nights that have one, and of the last night.

    A page is a view of what is published: a fault in one is told and does not keep the night from being published.
    """
    known = published_nights(home.published)
    if not limit or not known:
        return
    there = {day for day in {*nights, *result.revised_sessions} if report_path(home.published, day).exists()}
    for session in sorted({*sorted(nights)[-limit:], *there, known[-1]}):
        try:
            night = read_night(warehouse.connection, session, archive=home.published)
            manifest = read_manifest(home.published, session)
            path = write_report(home.published, night, manifest, newest=session == known[-1], revision=revision)
        except (OSError, StorageFailed):
            raise
        except Exception as error:
            result.failed_pages.append(
                f"the page of {session} could not be made ({type(error).__name__}: {error}); its numbers are published."
                f" Report this, and try `alvh report {session}`"
            )
        else:
            result.pages.append(path)


def publish_page(home: Home, session: date | None, *, now: datetime) -> dict[str, Any]:
    """Make the page of a published night (None: the last) from alvh.duckdb, and say where it is.

    Only a page that differs from the one in place is written, and only then is the home locked.

    Raises
    ------
    DataError
        If the night, or any, is not published.
    """
    nights = published_nights(home.published)
    if session is None and not nights:
        raise DataError(f"no night is published in {home.published}; run `alvh run` first")
    day = session or nights[-1]
    manifest = read_manifest(home.published, day)
    night = read_published_night(home.published / SERVED_FILE, day)
    path = report_path(home.published, day)
    is_current = path.exists() and path.read_text() == report_page(night, manifest)
    if not is_current:
        with locked(home, started_at=now.isoformat()):
            write_report(home.published, night, manifest, newest=day == nights[-1])
    return {"session_date": day.isoformat(), "page": str(path), "written": not is_current}


def _publish_partition(
    published: Path,
    warehouse: Warehouse,
    *,
    table: Table,
    partition: str,
    file: PartitionFile | None,
    before: SnapshotFile | None,
    revision: str | None,
) -> SnapshotFile | None:
    """Publish a partition, of a large table by linking its `file`; return its record, None if it has no rows."""
    folder = warehouse.partitions.local
    if file is not None and folder is not None:
        record = SnapshotFile(path=partition_path(table, partition), rows=file.n_rows, sha256=file.sha256)
        publish_partition_file(
            published, table=table, source=folder / file.name, record=record, before=before, revision=revision
        )
        return record
    frame = warehouse.read_partition(table, partition)
    return write_snapshot(published, table=table, partition=partition, frame=frame, before=before, revision=revision)


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


def publish_served(home: Home, warehouse: Warehouse, *, settings: Settings, files: Mapping[str, SnapshotFile]) -> bool:
    """Build alvh.duckdb and swap it in whole; return whether a stray write-ahead log lay beside it.

    The file of the night before is the base where it can be: most partitions are in both. `files` are the snapshots
    published, by path.
    A log left by a client that opened the file for writing would be replayed into the new file, so it is removed before
    and after the swap.
    """
    draft = home.staging / f"{SERVED_FILE}.draft"
    target = home.published / SERVED_FILE
    wal = target.with_name(target.name + ".wal")
    carried = carried_record(home)
    now = _served_partitions(files, serving_sessions=settings.publish.serving_sessions)
    warehouse.build_served(
        draft,
        serving_sessions=settings.publish.serving_sessions,
        base=target if carried else None,
        held=carried.held if carried else None,
        now=now,
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


def session_manifest(
    session: date, *, files: dict[str, SnapshotFile], night_rows: Any, validation: dict[str, str]
) -> dict[str, Any]:
    """Return the manifest of one night: its files with rows and hashes, settings, code, inputs and validation."""
    night = night_rows.filter(night_rows["session_date"] == session).row(0, named=True)
    own = []
    for table in TABLES:
        kind = partition_of(table)
        cut = {"session": session.isoformat(), "year": f"{session.year:04d}", "none": "all"}[kind]
        record = files.get(partition_path(table, cut))
        if record is not None and table.full_name not in NOT_REPRODUCIBLE:
            own.append(asdict(record))
    return {
        "manifest_version": MANIFEST_VERSION,
        "session_date": session.isoformat(),
        "settings": json.loads(night["settings"]),
        "settings_sha256": night["settings_sha256"],
        "code_version": night["code_version"],
        "inputs_sha256": night["inputs_sha256"],
        "validation": validation.get(session.isoformat(), "unchanged"),
        "files": own,
    }


def manifest_path(published: Path, session: date) -> Path:
    """Return where the manifest of a session is published."""
    return published / "manifests" / f"session_date={session.isoformat()}.json"


def read_manifest(published: Path, session: date) -> dict[str, Any]:
    """Return the manifest of a published night.

    Raises
    ------
    DataError
        If the night is not published.
    """
    path = manifest_path(published, session)
    if not path.exists():
        nights = published_nights(published)
        beside = f"the published nights run from {nights[0]} to {nights[-1]}" if nights else "no night is published"
        has_session = trading_calendar().is_session(session)
        remedy = f"Run `alvh run --date {session}`" if has_session else "New York did not trade on that day"
        raise DataError(f"no night of {session} is published; {beside}. {remedy}")
    manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


def read_files(published: Path) -> dict[str, SnapshotFile]:
    """Return the parquet files that the newest manifest lists, by path.

    Raises
    ------
    DataError
        If that manifest is damaged.
    """
    latest = published / "manifests" / "latest.json"
    if not latest.exists():
        return {}
    try:
        return {entry["path"]: SnapshotFile(**entry) for entry in json.loads(latest.read_text())["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{latest} is damaged ({error}); restore it from a backup, or delete it: everything is published again then"
        ) from error


def published_nights(published: Path) -> list[date]:
    """Return the sessions that have a manifest, ascending."""
    folder = published / "manifests"
    names = folder.glob("session_date=*.json")
    return sorted(date.fromisoformat(path.stem.removeprefix("session_date=")) for path in names)


def newest_core_session(warehouse: Warehouse) -> date | None:
    """Return the newest session that any core table of the market holds."""
    return warehouse.newest_session([OPTION_QUOTE, FUTURES_SETTLEMENT, INDEX_LEVEL])


def _write_json(path: Path, content: dict[str, Any]) -> None:
    replace_file(path, json.dumps(content, indent=1, sort_keys=True, default=str).encode() + b"\n", mode=READ_ONLY)
