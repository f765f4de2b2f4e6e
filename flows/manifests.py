"""The manifests of published nights: which files each was published as, with which settings, code and inputs."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from flows.calendar import trading_calendar
from flows.durability import replace_file
from flows.snapshots import READ_ONLY, SnapshotFile, partition_path
from transforms.errors import DataError
from transforms.schemas import TABLES, partition_of

MANIFEST_VERSION = 1
# Clocks and process figures: they differ between two runs that are otherwise equal.
NOT_REPRODUCIBLE = frozenset({"mart.run"})


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
        If the night is not published, or its manifest is damaged.
    """
    path = manifest_path(published, session)
    if not path.exists():
        nights = published_nights(published)
        beside = f"the published nights run from {nights[0]} to {nights[-1]}" if nights else "no night is published"
        has_session = trading_calendar().is_session(session)
        remedy = f"Run `alvh run --date {session}`" if has_session else "New York did not trade on that day"
        raise DataError(f"no night of {session} is published; {beside}. {remedy}")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(
            f"{path} is damaged ({error}); restore it from a backup, or run `alvh rebuild`, which makes it again"
        ) from error
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
    # By name: ten thousand paths would each leave their parts in the interpreter's table of words.
    names = os.listdir(folder) if folder.is_dir() else []
    found = [re.fullmatch(r"session_date=(\d{4}-\d{2}-\d{2})\.json", name) for name in names]
    return sorted(date.fromisoformat(match[1]) for match in found if match)


def state_of(files: Mapping[str, SnapshotFile]) -> str:
    """Return the name of what is published: a hash over all its snapshots."""
    return hashlib.sha256(json.dumps(sorted((path, own.sha256) for path, own in files.items())).encode()).hexdigest()


def write_manifest(path: Path, content: dict[str, Any]) -> None:
    """Publish a manifest."""
    replace_file(path, manifest_json(content).encode(), mode=READ_ONLY)


def manifest_json(content: dict[str, Any]) -> str:
    """Return a manifest as JSON, a file a line: indenting each of its facts takes thirty times as long."""
    rest = {name: value for name, value in content.items() if name != "files"}
    files = ",\n".join(json.dumps(file, sort_keys=True) for file in content["files"])
    return (
        json.dumps({**rest, "files": []}, indent=1, sort_keys=True, default=str).replace(
            '"files": []', f'"files": [\n{files}\n ]', 1
        )
        + "\n"
    )
