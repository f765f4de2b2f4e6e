"""Copy published/ to a store, in the order of a publication: files, alvh.duckdb, manifests, latest.json last.

A reader of the copy who begins with latest.json or a manifest finds every file it lists; a copy broken off anywhere
leaves the one before it whole, and the next completes it. What the copy's own latest.json lists is not sent again.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from flows.object_store import Store

LATEST = "manifests/latest.json"
SERVED = "alvh.duckdb"


def copy_published(published: Path, store: Store) -> list[str]:
    """Send what differs, and return the names of what was sent; nothing is ever removed from the copy."""
    latest = published / LATEST
    if not latest.exists():
        return []
    there = _listed(store.read(LATEST))
    here = _listed(latest.read_bytes())
    if store.read(LATEST) == latest.read_bytes():
        return []
    sent = []
    for name in _in_order(published, [path for path, sha256 in here.items() if there.get(path) != sha256]):
        store.write(name, (published / name).read_bytes())
        sent.append(name)
    return sent


def _in_order(published: Path, changed: list[str]) -> Iterator[str]:
    yield from sorted(changed)
    yield SERVED
    yield from _names(published, "manifests/session_date=*.json")
    yield from _names(published, "reports/*.html")
    yield LATEST


def _names(published: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(published).as_posix() for path in published.glob(pattern))


def _listed(latest: bytes | None) -> dict[str, str]:
    """Return path and hash of the files that a latest.json lists."""
    if latest is None:
        return {}
    return {entry["path"]: entry["sha256"] for entry in json.loads(latest)["files"]}
