"""The journal: what the user wrote (a ledger) beside what the program recorded, as one append-only table."""

import json
from datetime import date, datetime
from typing import Any

import polars as pl

from flows import ledger
from flows.home import Home
from flows.manifests import published_nights
from flows.served_database import read_published
from flows.served_record import SERVED_FILE
from flows.warehouse import Warehouse
from transforms.errors import DataError
from transforms.schemas import JOURNAL

ENTRY_ID_LENGTH = 16
# Columns that hold JSON: what was frozen with a decision.
FROZEN = ("evidence", "prices")


def write_note(home: Home, *, text: str, session: date | None, now: datetime, refers_to: str | None = None) -> str:
    """Append the user's note to the ledger and return its entry id; without a session it is about the last night.

    Raises
    ------
    DataError
        If no session is given and no night is published.
    """
    if session is None:
        nights = published_nights(home.published)
        if not nights:
            raise DataError("no night is published yet: name the session the note is about with --date")
        session = nights[-1]
    entry = {
        "session_date": session.isoformat(),
        "note": text,
        "refers_to": refers_to,
        "written_at": now.replace(microsecond=0).isoformat(),
    }
    return ledger.append_entry(home, ledger.NOTES, entry)[:ENTRY_ID_LENGTH]


def journal_rows(home: Home) -> pl.DataFrame:
    """Return the user's notes as rows of mart.journal, from the ledger."""
    rows = [
        {
            "entry_id": entry["hash"][:ENTRY_ID_LENGTH],
            "session_date": date.fromisoformat(entry["session_date"]),
            "kind": "note",
            "refers_to": entry["refers_to"],
            "note": entry["note"],
            "written_at": datetime.fromisoformat(entry["written_at"]),
        }
        for entry in ledger.read_entries(home, ledger.NOTES)
    ]
    return pl.DataFrame(rows, schema=JOURNAL.polars_schema)


def load_journal(home: Home, warehouse: Warehouse) -> None:
    """Bring mart.journal up to date with the ledger's notes; what the program wrote stays."""
    own = warehouse.read(JOURNAL).filter(pl.col("kind") != "note")
    with warehouse.transaction():
        warehouse.write_changes(JOURNAL, pl.concat([own, journal_rows(home)]))


def journal_document(home: Home, *, entry_id: str | None) -> list[dict[str, Any]]:
    """Return the journal's entries, oldest first; those whose id begins with `entry_id` if it is given.

    The user's notes are the ledger's, published or not; the program's entries are those of the last publication.

    Raises
    ------
    DataError
        If no entry has the id.
    """
    rows, served = journal_rows(home), home.published / SERVED_FILE
    if served.exists():
        programs = read_published(served, JOURNAL).filter(pl.col("kind") != "note")
        rows = pl.concat([rows, JOURNAL.conform(programs)])
    rows = rows.sort("written_at", "session_date", "entry_id")
    if entry_id is not None:
        rows = rows.filter(pl.col("entry_id").str.starts_with(entry_id))
        if rows.is_empty():
            raise DataError(f"no journal entry begins with {entry_id}; `alvh journal list` shows them")
    return [{**row, **{name: row[name] and json.loads(row[name]) for name in FROZEN}} for row in rows.to_dicts()]
