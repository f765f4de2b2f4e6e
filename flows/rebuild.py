"""Make the warehouse and everything published again from landing and ledger; verify a published night."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows import ledger, night
from flows.book import restore_decisions
from flows.calendar import trading_calendar
from flows.headline import restore_nights
from flows.home import Home
from flows.intake import ingest_landed
from flows.landing import content_hash, land_file, landed_files, read_landed
from flows.manifests import read_files, read_manifest
from flows.map_sessions import Progress, Runner
from flows.night import NightResult
from flows.object_store import FolderStore
from flows.provenance import code_version
from flows.settings import Settings
from flows.snapshots import SnapshotFile
from flows.warehouse import Warehouse
from transforms.errors import DataError

FLOAT_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verification:
    """What recomputing one night showed: files with equal bytes, and a sentence for each that differs."""

    session_date: date
    n_equal: int
    differences: tuple[str, ...]
    same_code: bool


def rebuild(
    home: Home,
    *,
    settings: Settings,
    now: datetime,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> NightResult:
    """Delete the warehouse, make it again, run every night of the ledger again, and publish.

    The new warehouse is made beside the old one and swapped in when it is whole.
    """
    draft = Home(home.root).staging / "rebuild.duckdb"
    for leftover in (draft, draft.with_name(draft.name + ".wal")):
        leftover.unlink(missing_ok=True)
    with Warehouse(draft, partitions=FolderStore(home.partitions)) as warehouse:
        ingest_landed(home, warehouse, settings=settings, calendar=trading_calendar(), runner=runner, progress=progress)
    wal = home.warehouse.with_name(home.warehouse.name + ".wal")
    wal.unlink(missing_ok=True)
    draft.replace(home.warehouse)
    nights = ledger.read_entries(home, ledger.NIGHTS)
    return replay_nights(home, nights, settings=settings, now=now, runner=runner, progress=progress)


def replay_nights(
    home: Home,
    nights: Sequence[dict[str, str]],
    *,
    settings: Settings,
    now: datetime,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> NightResult:
    """Run nights again, each with the settings recorded for it, over a warehouse whose core is loaded; publish once."""
    record = night.open_record(home, command="rebuild", now=now)
    recorded = {date.fromisoformat(entry["session_date"]): entry["settings"] for entry in nights}
    sessions = sorted(recorded)
    decided = {date.fromisoformat(entry["session_date"]): entry["decided"] for entry in nights if "decided" in entry}
    with Warehouse(home.warehouse) as warehouse:
        restore_nights(warehouse, recorded)
        restore_decisions(warehouse, decided)
    with record.stage("analyze"):
        night.analyze(home, settings=settings, sessions=sessions, runner=runner, progress=progress)
    with record.stage("evaluate"):
        night.evaluate(home, settings=settings, sessions=[])
    with record.stage("validate"):
        verdicts = night.validate(home, settings=settings, sessions=sessions)
    night.finish_record(home, record, outcome="published", now=now)
    outcomes = {day: verdict.outcome for day, verdict in verdicts.items()}
    publication = night.publish(home, settings=settings, sessions=sessions, validation=outcomes, now=now)
    return NightResult(
        status="published", sessions=sessions, revised=[], publication=publication, seconds=record.seconds
    )


def verify_night(home: Home, session: date, *, settings: Settings, now: datetime) -> Verification:
    """Recompute a published night in a scratch home from the landed files of its time, and compare.

    With the code that published it the bytes must be equal; with other code values must agree to 1e-9. The published
    files themselves must be those that the newest manifest lists, since a year's file grows after the night.

    Raises
    ------
    DataError
        If the night was never published, or its manifest is damaged.
    """
    manifest = read_manifest(home.published, session)
    with tempfile.TemporaryDirectory(prefix="alvh-verify-") as folder:
        heads = manifest["ledgers"]
        landings = ledger.entries_until(home, ledger.LANDINGS, heads[ledger.LANDINGS])
        landed = {sha256 for entry in landings for sha256 in entry["files"]}
        notes = ledger.entries_until(home, ledger.NOTES, heads[ledger.NOTES])
        scratch = _scratch_copy(home, Path(folder) / "home", landed=landed, notes=notes)
        entries = ledger.entries_until(home, ledger.NIGHTS, heads[ledger.NIGHTS])
        with Warehouse(scratch.warehouse) as warehouse:
            ingest_landed(scratch, warehouse, settings=settings, calendar=trading_calendar())
        replay_nights(scratch, entries, settings=settings, now=now)
        again = read_manifest(scratch.published, session)
        recomputed = {entry["path"]: entry for entry in again["files"]}
        listed = read_files(home.published)
        same_code = manifest["code_version"] == code_version()
        differences: list[str] = []
        for entry in manifest["files"]:
            path, now_listed = entry["path"], listed.get(entry["path"])
            if not _as_listed(home, now_listed):
                differences.append(f"{path}: the published file is not the one its manifest lists")
                continue
            other = recomputed.get(path)
            if other is not None and other["sha256"] == entry["sha256"]:
                continue
            grown = now_listed is None or now_listed.sha256 != entry["sha256"]
            found = _difference(home, scratch, path, until=session if grown else None)
            if found or same_code:
                differences.append(found or f"{path}: equal values to {FLOAT_TOLERANCE}, but other bytes")
    return Verification(session, len(manifest["files"]) - len(differences), tuple(differences), same_code)


def _as_listed(home: Home, record: SnapshotFile | None) -> bool:
    path = home.published / record.path if record else None
    return bool(record and path and path.exists() and content_hash(path.read_bytes()) == record.sha256)


def _scratch_copy(home: Home, root: Path, *, landed: set[str], notes: Sequence[dict[str, Any]]) -> Home:
    scratch = Home(root)
    for folder in (scratch.landing, scratch.ledger, scratch.staging, scratch.published, scratch.inbox):
        folder.mkdir(parents=True)
    missing = set(landed)
    for record in landed_files(home):
        if record.sha256 in landed:
            payload = read_landed(home, record)
            land_file(scratch, payload, source=record.source, name=record.name, received_at=record.received_at)
            missing.discard(record.sha256)
    if missing:
        raise DataError(
            f"{len(missing)} landed files of that night are gone from {home.landing}; restore them from a backup"
        )
    for note in notes:
        ledger.append_entry(scratch, ledger.NOTES, {k: v for k, v in note.items() if k not in {"previous", "hash"}})
    return scratch


def _difference(home: Home, scratch: Home, path: str, *, until: date | None) -> str | None:
    """Return how the values of a published file differ from those recomputed; None if they agree.

    `until` is the night, where the published file has grown since: later sessions are left out then, and a table
    without sessions is not comparable any more.
    """
    mine, other = home.published / path, scratch.published / path
    if not other.exists():
        return f"{path}: the recomputed night has no such file"
    published, recomputed = pl.read_parquet(mine), pl.read_parquet(other)
    if published.columns != recomputed.columns:
        return f"{path}: columns {published.columns} became {recomputed.columns}"
    if until is not None and "session_date" not in published.columns:
        return None
    if until is not None:
        published, recomputed = (rows.filter(pl.col("session_date") <= until) for rows in (published, recomputed))
    if published.height != recomputed.height:
        return f"{path}: {published.height} rows were published, {recomputed.height} recomputed"
    for name in published.columns:
        old, new = published[name], recomputed[name]
        if old.dtype == pl.Float64:
            worst = ((old - new).abs() / (old.abs() + 1.0)).max()
            if (old.is_null() != new.is_null()).any() or (isinstance(worst, float) and worst > FLOAT_TOLERANCE):
                return f"{path}: column {name} differs by up to {worst!r}"
        elif not old.equals(new, null_equal=True):
            if name in {"code_version", "settings_sha256"}:
                continue
            return f"{path}: column {name} differs in {int((old != new).sum())} rows"
    return None
