"""Raw files as delivered: verbatim, content-addressed, never changed or deleted by the program."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import zstandard

from flows.durability import replace_file
from flows.home import Home
from transforms.errors import DataError

COMPRESSION_LEVEL = 3


@dataclass(frozen=True)
class LandedFile:
    """A landed file: its hash, its source, its name and its modification time as delivered (UTC, naive)."""

    sha256: str
    source: str
    name: str
    received_at: datetime


def content_hash(payload: bytes) -> str:
    """Return the SHA-256 of a payload, in hex."""
    return hashlib.sha256(payload).hexdigest()


def land_file(home: Home, payload: bytes, *, source: str, name: str, received_at: datetime) -> LandedFile:
    """Store a delivered file and return its record.

    A file whose bytes were landed before keeps its first record. The content is written before the record, so that a
    record always names a whole file.
    """
    sha256 = content_hash(payload)
    record = _record_path(home, source, sha256)
    if not record.exists():
        compressed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(payload)
        replace_file(_content_path(home, source, sha256, name), compressed)
        described = {"name": name, "received_at": received_at.isoformat(), "source": source, "sha256": sha256}
        replace_file(record, json.dumps(described, sort_keys=True).encode() + b"\n")
    return read_record(record)


def landed_files(home: Home) -> list[LandedFile]:
    """Return every landed file, ordered by (received_at, sha256)."""
    records = [read_record(path) for path in home.landing.glob("*/*/*.json")]
    return sorted(records, key=lambda landed: (landed.received_at, landed.sha256))


def read_landed(home: Home, landed: LandedFile) -> bytes:
    """Return the bytes of a landed file as they were delivered.

    Raises
    ------
    DataError
        If the stored content is missing or no longer has its hash.
    """
    path = _content_path(home, landed.source, landed.sha256, landed.name)
    try:
        payload = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    except (OSError, zstandard.ZstdError) as error:
        raise DataError(
            f"landed file {landed.name} cannot be read at {path}: {error}; restore it from a backup"
        ) from error
    if content_hash(payload) != landed.sha256:
        raise DataError(f"landed file {landed.name} at {path} has changed on disk; restore it from a backup")
    return payload


def landed_size(home: Home, landed: LandedFile) -> int:
    """Return the bytes that a landed file takes on disk; 0 if it is gone."""
    path = _content_path(home, landed.source, landed.sha256, landed.name)
    return path.stat().st_size if path.exists() else 0


def read_record(path: Path) -> LandedFile:
    """Read the record beside a landed file.

    Raises
    ------
    DataError
        If it is damaged.
    """
    try:
        described = json.loads(path.read_text())
        return LandedFile(
            sha256=described["sha256"],
            source=described["source"],
            name=described["name"],
            received_at=datetime.fromisoformat(described["received_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the record {path} of a landed file is damaged ({error}); restore it from a backup") from error


def _record_path(home: Home, source: str, sha256: str) -> Path:
    return home.landing / source / sha256[:2] / f"{sha256}.json"


def _content_path(home: Home, source: str, sha256: str, name: str) -> Path:
    suffixes = "".join(Path(name).suffixes[-2:]) if name.endswith(".gz") else Path(name).suffix
    extension = suffixes if suffixes.replace(".", "").isalnum() else ""
    return home.landing / source / sha256[:2] / f"{sha256}{extension}.zst"
