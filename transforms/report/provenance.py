"""What a night was made from and how its data was judged: checks, files, clocks, hashes, settings."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from transforms.report.night import Night
from transforms.schemas import (
    DATA_QUALITY,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    LANDED_FILE,
    MARKET_BREADTH,
    OPTION_QUOTE,
    TREASURY_RATE,
    VARIANCE_DAILY,
)

Document = dict[str, Any]
FED_BY = (OPTION_QUOTE, FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH, TREASURY_RATE)


def quality_document(night: Night) -> Document:
    """Return how many checks each table passed, failed or was too short for, and every check that did not pass."""
    rows = night.tonight(DATA_QUALITY)
    counts = (
        rows.group_by("table_name")
        .agg(
            n_rows=pl.col("n_rows").max(),
            **{name: (pl.col("outcome") == name).sum() for name in ("passed", "failed", "skipped")},
        )
        .sort("table_name")
    )
    order = pl.col("severity").replace_strict({"refuse": 0, "reject": 1, "warn": 2})
    notable = rows.filter(pl.col("outcome") != "passed").sort(pl.col("outcome") == "skipped", order, "table_name")
    row = night.row(VARIANCE_DAILY)
    return {
        "tables": counts.to_dicts(),
        "notable": notable.drop("session_date").to_dicts(),
        "vix_gap": {name: row[name] for name in ("vix_replicated", "vix_published", "vix_gap")},
    }


def snapshot_documents(night: Night) -> list[Document]:
    """Return of each option class the instant its quotes are of, of which kind they are and how many."""
    quotes = night.rows(OPTION_QUOTE)
    return (
        quotes.group_by("root", "quote_ts", "snapshot_kind").agg(n_quotes=pl.len()).sort("root", "quote_ts").to_dicts()
    )


def input_documents(night: Night) -> list[Document]:
    """Return the landed files that hold core rows of the night, by table."""
    parts = [
        night.tonight(table)
        .select("source_sha256")
        .group_by("source_sha256")
        .agg(n_used=pl.len())
        .with_columns(table_name=pl.lit(table.full_name))
        for table in FED_BY
    ]
    files = night.rows(LANDED_FILE).select("sha256", "source", "name", "received_at")
    joined = pl.concat(parts).join(files, left_on="source_sha256", right_on="sha256", how="left", validate="m:1")
    return joined.sort("table_name", "name", "source_sha256").to_dicts()


def made_document(manifest: Mapping[str, Any]) -> Document:
    """Return what the night's manifest says of its making: hashes, validation, settings."""
    names = ("settings_sha256", "code_version", "inputs_sha256", "validation", "settings")
    return {name: manifest[name] for name in names}
