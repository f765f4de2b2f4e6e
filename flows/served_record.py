"""What the published database was made from: the next one carries on the sessions that both have.

The record lies in staging, where nothing is missed. Without it, and wherever it does not fit the file in published/,
the database is made anew.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from flows.durability import replace_file
from flows.home import Home
from flows.served_database import served_statements

SERVED_FILE = "alvh.duckdb"
RECORD_FILE = "served.json"
# A file carried on for ever would carry a fault for ever.
MOST_CARRIED = 20


@dataclass(frozen=True)
class ServedRecord:
    """The published database as it was left: by what recipe, which file, how often carried on, what it holds."""

    recipe: str
    identity: tuple[int, int, int]
    n_carried: int
    held: dict[str, dict[str, str]]


def recipe() -> str:
    """Return the hash of the statements that make the database and of the version of DuckDB that runs them."""
    text = "\n".join([duckdb.__version__, *served_statements(lambda table: table.full_name)])
    return hashlib.sha256(text.encode()).hexdigest()


def carried_record(home: Home) -> ServedRecord | None:
    """Return the record of the published database, None unless the file is the recorded one and may be carried on.

    Whoever writes to the file, though it is read-only, changes its time of change; then it is made anew.
    """
    target = home.published / SERVED_FILE
    try:
        facts = json.loads((home.staging / RECORD_FILE).read_text())
        record = ServedRecord(**{**facts, "identity": tuple(facts["identity"])})
        fits = record.identity == _identity(target) and record.recipe == recipe()
    except (OSError, ValueError, TypeError, KeyError):
        return None
    has_log = target.with_name(target.name + ".wal").exists()
    return record if fits and not has_log and record.n_carried < MOST_CARRIED else None


def write_record(home: Home, *, held: dict[str, dict[str, str]], carried: ServedRecord | None) -> None:
    """Record the database just published: what it holds, and from which it was carried on."""
    record = ServedRecord(
        recipe=recipe(),
        identity=_identity(home.published / SERVED_FILE),
        n_carried=carried.n_carried + 1 if carried else 0,
        held=held,
    )
    replace_file(home.staging / RECORD_FILE, json.dumps(asdict(record)).encode())


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
