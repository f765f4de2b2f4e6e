"""What the user wrote or commanded: append-only lines, each carrying the hash of the one before.

A ledger is an input like a landed file: the warehouse and everything published can be made again from the two.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.durability import append_line, replace_file
from flows.home import Home
from transforms.errors import LedgerBroken

GENESIS = "0" * 64
NIGHTS = "nights"
NOTES = "notes"
LANDINGS = "landings"
READ_AT_ONCE = 1 << 20
# Which file it is, its bytes, its time of change (ns).
State = tuple[int, int, int]
# The hash of the last line of a ledger, in the state of the file in which it was followed or written.
_HEADS: dict[Path, tuple[State | None, str]] = {}


@dataclass(frozen=True)
class Followed:
    """How far a ledger was followed: its sound lines, their bytes and SHA-256, and the hash that the last carries."""

    n_lines: int
    n_bytes: int
    sha256: str
    head: str


def append_entry(home: Home, ledger: str, entry: dict[str, Any]) -> str:
    """Append an entry to a ledger, durably, and return the line's hash. (`append_entries`)"""
    return append_entries(home, ledger, [entry])[0]


def append_entries(home: Home, ledger: str, new: Sequence[dict[str, Any]]) -> list[str]:
    """Append entries to a ledger in one durable write, and return the hashes of their lines.

    A last line without its newline was cut short by a kill before anyone was told it was written: it is dropped first.

    Raises
    ------
    LedgerBroken
        If the chain does not hold; nothing is written.
    """
    if not new:
        return []
    path = _path(home, ledger)
    _drop_torn_line(path)
    previous = head(home, ledger)
    lines, hashes = [], []
    for entry in new:
        body = {**entry, "previous": previous}
        previous = _hash(body)
        lines.append(json.dumps({**body, "hash": previous}, sort_keys=True))
        hashes.append(previous)
    append_line(path, "\n".join(lines).encode())
    _HEADS[path] = _state(path), previous
    return hashes


def read_entries(home: Home, ledger: str) -> list[dict[str, Any]]:
    """Return the entries of a ledger in the order written; an absent ledger is empty.

    Raises
    ------
    LedgerBroken
        If a line does not parse, or does not carry the hash of the line before.
    """
    return list(each_entry(home, ledger))


def each_entry(home: Home, ledger: str, *, after: Followed | None = None) -> Iterator[dict[str, Any]]:
    """Yield the entries of a ledger one by one, so that few are in memory. (`read_entries`)

    With `after`, with which the ledger begins (`begins_with`), only the entries beyond it.
    """
    path = _path(home, ledger)
    if not path.exists():
        return
    previous, state = after.head if after else GENESIS, _state(path)
    with path.open("rb") as lines:
        lines.seek(after.n_bytes if after else 0)
        for number, line in enumerate(lines, 1 + (after.n_lines if after else 0)):
            if not line.endswith(b"\n"):
                break
            entry = _sound_entry(path, number, line, previous)
            previous = entry["hash"]
            yield entry
    _HEADS[path] = state, previous


def begins_with(home: Home, ledger: str, known: Followed) -> bool:
    """Return whether a ledger begins with the very bytes that were followed before."""
    path = _path(home, ledger)
    if not path.exists():
        return known.n_bytes == 0
    digest, rest = hashlib.sha256(), known.n_bytes
    with path.open("rb") as stream:
        while rest and (part := stream.read(min(rest, READ_AT_ONCE))):
            digest.update(part)
            rest -= len(part)
    return not rest and digest.hexdigest() == known.sha256


def followed(home: Home, ledger: str) -> Followed:
    """Return how far a ledger reaches now, but for a line cut short. (`head`)"""
    path, last = _path(home, ledger), head(home, ledger)
    digest, n_lines, n_bytes = hashlib.sha256(), 0, 0
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                digest.update(line)
                n_lines, n_bytes = n_lines + 1, n_bytes + len(line)
    return Followed(n_lines, n_bytes, digest.hexdigest(), last)


def _sound_entry(path: Path, number: int, line: bytes, previous: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
        body = {key: value for key, value in entry.items() if key != "hash"}
        sound = entry["previous"] == previous and entry["hash"] == _hash(body)
    except (ValueError, KeyError) as error:
        raise LedgerBroken(f"{path} line {number} does not parse ({error}); restore it from a backup") from error
    if not sound:
        raise LedgerBroken(f"{path} line {number} does not follow the line before it; restore it from a backup")
    return entry


def entries_until(home: Home, ledger: str, line_hash: str) -> list[dict[str, Any]]:
    """Return the entries of a ledger up to and including the line with this hash (GENESIS: none).

    Raises
    ------
    LedgerBroken
        If no line has it.
    """
    if line_hash == GENESIS:
        return []
    entries = read_entries(home, ledger)
    for number, entry in enumerate(entries, 1):
        if entry["hash"] == line_hash:
            return entries[:number]
    raise LedgerBroken(f"{_path(home, ledger)} holds no line {line_hash[:12]}; restore it from a backup")


def head(home: Home, ledger: str) -> str:
    """Return the hash of a ledger's last line; GENESIS if it is empty.

    The chain is followed from its beginning unless this process has followed or written the file as it is now.
    """
    path = _path(home, ledger)
    known = _HEADS.get(path)
    if known is None or known[0] != _state(path):
        for _ in each_entry(home, ledger):
            pass
        known = _HEADS.get(path)
    return known[1] if known and path.exists() else GENESIS


def _state(path: Path) -> State | None:
    if not path.exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        replace_file(path, content[: content.rfind(b"\n") + 1])


def _path(home: Home, ledger: str) -> Path:
    return home.ledger / f"{ledger}.jsonl"
