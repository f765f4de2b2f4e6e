"""What workers leave for the committer: the frames of one call in one object, named by all that they were made from.

A name is a hash of the input, the settings and the code, so what a killed run left is taken up by the next one and
nothing stale ever is. An object is a zip of parquet, written whole; one that is damaged counts as absent.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from flows.object_store import Store
from flows.provenance import code_version, sources_hash

FACTS = "facts.json"
READING, PRICED, RANKED = STAGED_KINDS = ("reading", "priced", "ranked")


@cache
def computing_code() -> str:
    """Return the hash of everything of ours that decides what a worker computes, and the version of Polars."""
    return hashlib.sha256(f"{code_version()} {sources_hash(files('flows'))} {pl.__version__}".encode()).hexdigest()


def staged_name(kind: str, *made_from: str) -> str:
    """Return the name of an object: its kind, then a hash of what it is made from and of the code."""
    digest = hashlib.sha256("\0".join([*made_from, computing_code()]).encode()).hexdigest()
    return f"{kind}/{digest[:2]}/{digest}.zip"


def stage(store: Store, name: str, *, frames: dict[str, pl.DataFrame], facts: dict[str, Any]) -> None:
    """Write frames by name, and facts that JSON can hold, as one object."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for frame_name, frame in frames.items():
            part = io.BytesIO()
            frame.write_parquet(part, compression="zstd", compression_level=1, statistics=False)
            archive.writestr(frame_name, part.getvalue())
        archive.writestr(FACTS, json.dumps(facts))
    store.write(name, buffer.getvalue(), durable=False)


def staged(
    store: Store, name: str, *, only: Collection[str] | None = None
) -> tuple[dict[str, pl.DataFrame], dict[str, Any]] | None:
    """Return the frames (all, or `only` those named that it has) and facts of an object; None if it is not there."""
    payload = store.read(name)
    if payload is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            names = [entry for entry in archive.namelist() if entry != FACTS and (only is None or entry in only)]
            frames = {entry: pl.read_parquet(archive.read(entry)) for entry in names}
            facts: dict[str, Any] = json.loads(archive.read(FACTS))
    except (zipfile.BadZipFile, KeyError, ValueError, pl.exceptions.PolarsError):
        return None
    return frames, facts
