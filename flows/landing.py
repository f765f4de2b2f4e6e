"""Raw files as delivered: verbatim, content-addressed, never changed or deleted by the program."""

import hashlib
import json
import posixpath
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import zstandard

from flows.home import Home
from flows.object_store import Store
from flows.storage import landing_store
from transforms.errors import DataError

COMPRESSION_LEVEL = 3
# Of records on S3, where each answer takes its time.
READS_AT_ONCE = 16
# A chain of one session, where asking for sizes would cost a request each.
TYPICAL_BYTES = 1 << 20


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
    """Store a delivered file in the home's landing and return its record. (`land_in`)"""
    return land_in(landing_store(home), payload, source=source, name=name, received_at=received_at)


def land_in(store: Store, payload: bytes, *, source: str, name: str, received_at: datetime) -> LandedFile:
    """Store a delivered file and return its record.

    A file whose bytes were landed before keeps its first record. The content is written before the record, so that a
    record always names a whole file.
    """
    sha256 = content_hash(payload)
    record = f"{source}/{sha256[:2]}/{sha256}.json"
    if not store.exists(record):
        compressed = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(payload)
        store.write(content_name(source, sha256, name), compressed)
        described = {"name": name, "received_at": received_at.isoformat(), "source": source, "sha256": sha256}
        store.write(record, json.dumps(described, sort_keys=True).encode() + b"\n")
    return _read_record(store, record)


def landed_files(home: Home, *, known: Container[str] = ()) -> list[LandedFile]:
    """Return every landed file but those whose hashes are `known`, ordered by (received_at, sha256)."""
    store = landing_store(home)
    records = (name for name in store.names() if name.endswith(".json") and name.count("/") == 2)
    names = [name for name in records if posixpath.basename(name).removesuffix(".json") not in known]
    with ThreadPoolExecutor(1 if store.local else READS_AT_ONCE) as pool:
        landed = list(pool.map(lambda name: _read_record(store, name), names))
    return sorted(landed, key=lambda file: (file.received_at, file.sha256))


def read_landed(home: Home, landed: LandedFile) -> bytes:
    """Return the bytes of a landed file as they were delivered. (`read_from`)"""
    return read_from(landing_store(home), landed)


def read_from(store: Store, landed: LandedFile) -> bytes:
    """Return the bytes of a landed file as they were delivered.

    Raises
    ------
    DataError
        If the stored content is missing or no longer has its hash.
    """
    name = content_name(landed.source, landed.sha256, landed.name)
    where = f"{store.local / name if store.local else name}"
    try:
        compressed = store.read(name)
        if compressed is None:
            raise FileNotFoundError("it is gone")
        payload = zstandard.ZstdDecompressor().decompressobj().decompress(compressed)
    except (OSError, zstandard.ZstdError) as error:
        raise DataError(
            f"landed file {landed.name} cannot be read at {where}: {error}; restore it from a backup"
        ) from error
    if content_hash(payload) != landed.sha256:
        raise DataError(f"landed file {landed.name} at {where} has changed on disk; restore it from a backup")
    return payload


def landed_size(home: Home, landed: LandedFile) -> int:
    """Return about how many bytes a landed file takes."""
    folder = landing_store(home).local
    if folder is None:
        return TYPICAL_BYTES
    path = folder / content_name(landed.source, landed.sha256, landed.name)
    return path.stat().st_size if path.exists() else 0


def _read_record(store: Store, name: str) -> LandedFile:
    """Read the record beside a landed file.

    Raises
    ------
    DataError
        If it is damaged.
    """
    try:
        described = json.loads(store.read(name) or b"")
        return LandedFile(
            sha256=described["sha256"],
            source=described["source"],
            name=described["name"],
            received_at=datetime.fromisoformat(described["received_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the record {name} of a landed file is damaged ({error}); restore it from a backup") from error


def content_name(source: str, sha256: str, name: str) -> str:
    """Return the name of a landed file's content in landing."""
    suffixes = "".join(Path(name).suffixes[-2:]) if name.endswith(".gz") else Path(name).suffix
    extension = suffixes if suffixes.replace(".", "").isalnum() else ""
    return f"{source}/{sha256[:2]}/{sha256}{extension}.zst"
