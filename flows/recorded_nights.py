"""The ledger of nights: the settings each was run with and what was decided, for a rebuild to decide nothing anew."""

import hashlib
from dataclasses import asdict
from datetime import date

import polars as pl

from flows import ledger
from flows.book import frozen_json
from flows.home import Home
from flows.internal_tables import FOLLOWED_SCHEMA, RECORDED_NIGHT_SCHEMA
from flows.warehouse import Warehouse


def record_nights(home: Home, warehouse: Warehouse) -> None:
    """Append to the ledger the nights whose settings or decisions it does not have."""
    recorded = _recorded_nights(home, warehouse)
    # By their hashes: the texts of many years would fill the memory every night anew.
    hashes = warehouse.night_hashes()
    fresh = hashes.join(recorded, on=list(RECORDED_NIGHT_SCHEMA), how="anti", nulls_equal=True)
    sessions = fresh["session_date"].sort().to_list()
    decided = frozen_json(warehouse, sessions=sessions)
    nights = warehouse.read_meta("meta.night", ["session_date", "settings"], sessions=sessions).sort("session_date")
    entries = [
        {"session_date": night.isoformat(), "settings": text, "decided": decided[night]}
        for night, text in nights.select("session_date", "settings").iter_rows()
    ]
    ledger.append_entries(home, ledger.NIGHTS, entries)
    now = ledger.followed(home, ledger.NIGHTS)
    with warehouse.transaction():
        warehouse.write_meta("meta.recorded_night", _newest_of_each(pl.concat([recorded, fresh])))
        warehouse.write_meta("meta.followed", pl.DataFrame([asdict(now)], schema=FOLLOWED_SCHEMA))


def _recorded_nights(home: Home, warehouse: Warehouse) -> pl.DataFrame:
    """Return what the ledger says last of each night: the hashes of its settings and of what was decided.

    Only lines that were added since are read; a ledger that does not begin with the bytes followed last is followed
    from its first line.
    """
    state = warehouse.read_meta("meta.followed")
    known = ledger.Followed(**state.row(0, named=True)) if state.height else None
    if known and not ledger.begins_with(home, ledger.NIGHTS, known):
        known = None
    before = warehouse.read_meta("meta.recorded_night")
    added = [
        (date.fromisoformat(entry["session_date"]), *(_md5(entry.get(name, "")) for name in ("settings", "decided")))
        for entry in ledger.each_entry(home, ledger.NIGHTS, after=known)
    ]
    came = pl.DataFrame(added, schema=RECORDED_NIGHT_SCHEMA, orient="row")
    return _newest_of_each(pl.concat([before if known else before.clear(), came]))


def _newest_of_each(recorded: pl.DataFrame) -> pl.DataFrame:
    return recorded.unique("session_date", keep="last", maintain_order=True).sort("session_date")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
