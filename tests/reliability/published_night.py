"""What a reader finds in published/: every answer of sql/queries, every parquet file, every manifest, every page."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

# A table of clocks and process figures, and the question about it: two runs never agree on them.
RUN_FILE = "snapshots/mart.run/part-0.parquet"
RUN_QUESTION = "how_did_runs_go"


@dataclass(frozen=True)
class Night:
    """What was read: `answers` by question, hashes of `parquet`, texts of `manifests` and `pages`, the last night."""

    newest: str
    answers: dict[str, list[tuple[Any, ...]]]
    parquet: dict[str, str]
    manifests: dict[str, str]
    pages: dict[str, str]


def read_night(published: Path, *, parameters: dict[str, str]) -> Night:
    """Read everything; a file that does not open, parse or hold the rows its manifest lists raises."""
    latest = json.loads((published / "manifests" / "latest.json").read_text())
    found = {}
    for path in sorted(published.glob("snapshots/**/*.parquet")):
        rows = pl.read_parquet(path, hive_partitioning=False)
        found[str(path.relative_to(published))] = (rows.height, hashlib.sha256(path.read_bytes()).hexdigest())
    for entry in latest["files"]:
        assert found[entry["path"]][0] >= entry["rows"], f"{entry['path']} lost rows"
    manifests = {path.name: path.read_text() for path in published.glob("manifests/session_date=*.json")}
    for text in manifests.values():
        json.loads(text)
    return Night(
        newest=latest["session_date"],
        answers=ask_everything(published / "alvh.duckdb", parameters=parameters),
        parquet={path: sha256 for path, (_, sha256) in found.items() if path != RUN_FILE},
        manifests=manifests,
        pages={path.name: path.read_text() for path in published.glob("reports/*.html")},
    )


def ask_everything(served: Path, *, parameters: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
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
