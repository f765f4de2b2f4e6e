"""What a reader finds in published/: every answer of sql/queries, every parquet file, every manifest, every page."""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

# A table of clocks and process figures, and the question about it: two runs never agree on them.
RUN_FILE = "snapshots/mart.run/part-0.parquet"
RUN_QUESTION = "how_did_runs_go"
Answers = dict[str, list[tuple[Any, ...]]]
ANSWERED: dict[tuple[str, ...], Answers] = {}


@dataclass(frozen=True)
class Night:
    """What was read: `answers` by question, hashes of `parquet`, texts of `manifests` and `pages`, the last night."""

    newest: str
    answers: Answers
    parquet: dict[str, str]
    manifests: dict[str, str]
    pages: dict[str, str]


def read_night(published: Path, *, parameters: dict[str, str]) -> Night:
    """Read everything; a file that does not open, parse or hold the rows its manifest lists raises."""
    latest = json.loads((published / "manifests" / "latest.json").read_text())
    found = {
        str(path.relative_to(published)): height_and_hash(path.read_bytes())
        for path in sorted(published.glob("snapshots/**/*.parquet"))
    }
    for entry in latest["files"]:
        assert found[entry["path"]][0] >= entry["rows"], f"{entry['path']} lost rows"
    manifests = {path.name: path.read_text() for path in published.glob("manifests/session_date=*.json")}
    for text in manifests.values():
        json.loads(text)
    return Night(
        newest=latest["session_date"],
        answers=answers_of(published / "alvh.duckdb", parameters=parameters),
        parquet={path: sha256 for path, (_, sha256) in found.items() if path != RUN_FILE},
        manifests=manifests,
        pages={path.name: path.read_text() for path in published.glob("reports/*.html")},
    )


@cache
def height_and_hash(payload: bytes) -> tuple[int, str]:
    """Return how many rows a parquet file holds, all of them read, and its hash; remembered by its bytes."""
    return pl.read_parquet(io.BytesIO(payload), hive_partitioning=False).height, hashlib.sha256(payload).hexdigest()


def answers_of(served: Path, *, parameters: dict[str, str]) -> Answers:
    """Return what the file answers; of equal bytes, with equal bytes of a log beside them, the same is not asked twice.

    A hundred copies of a home hold two or three different files.
    """
    log = served.with_name(f"{served.name}.wal")
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (served, log) if path.exists()]
    key = (*hashes, *sorted(f"{name}={value}" for name, value in parameters.items()))
    if key not in ANSWERED:
        ANSWERED[key] = ask_everything(served, parameters=parameters)
    return ANSWERED[key]


def ask_everything(served: Path, *, parameters: dict[str, str]) -> Answers:
    """Return the rows of every file in sql/queries, and of every view."""
    answers = {}
    with duckdb.connect(str(served), read_only=True, config={"threads": 1}) as connection:
        for path in sorted(files("sql").joinpath("queries").iterdir(), key=lambda entry: entry.name):
            if not path.name.endswith(".sql"):
                continue
            text = path.read_text()
            own = {name: value for name, value in parameters.items() if f"${name}" in text}
            answers[path.name.removesuffix(".sql")] = connection.execute(text, own or None).fetchall()
        views = connection.execute("select view_name from duckdb_views() where not internal").fetchall()
        for (view,) in sorted(views):
            answers[view] = connection.execute(f"select * from {view}").fetchall()
    return answers
