"""Which of several files' rows of one key enters core, independently of the order in which the files arrived.

A *candidate* is one (key, values, source): the first file that held it (its provenance) and the last time a file said
it. Merging candidates is associative, commutative and idempotent, so core is a function of the set of landed files.
"""

import polars as pl

from transforms.table_schema import Table

EDITION_COLUMNS = ("edition_source", "first_received", "last_received", "last_sha256")
# A printed settlement outranks one from a curve file, and both outrank a close that stands in for it.
SETTLE_QUALITY = {"settle": 0, "curve": 1, "close": 2}


def candidate_schema(table: Table) -> dict[str, pl.DataType]:
    """Return the columns of a table's candidates: its own, `source_sha256` being the first file's, plus the edition."""
    return {
        **table.polars_schema,
        "edition_source": pl.String(),
        "first_received": pl.Datetime("us"),
        "last_received": pl.Datetime("us"),
        "last_sha256": pl.String(),
    }


def candidates_of(rows: pl.DataFrame, files: pl.DataFrame) -> pl.DataFrame:
    """Return rows as candidates of their files.

    `files` has `source_sha256`, `edition_source`, `received_at`: one row a file.
    """
    joined = rows.join(files, on="source_sha256", how="left", validate="m:1")
    return joined.with_columns(
        pl.col("received_at").alias("first_received"),
        pl.col("received_at").alias("last_received"),
        pl.col("source_sha256").alias("last_sha256"),
    ).drop("received_at")


def merged_candidates(candidates: pl.DataFrame, *, table: Table) -> pl.DataFrame:
    """Return candidates with equal (key, values, source) merged: provenance of the first file, recency of the last."""
    values = [name for name in table.column_names if name != "source_sha256"] + ["edition_source"]
    merged = candidates.group_by(values).agg(
        pl.col("first_received").min(),
        pl.col("source_sha256").sort_by("first_received", "source_sha256").first(),
        pl.col("last_received").max(),
        pl.col("last_sha256").sort_by("last_received", "last_sha256").last(),
    )
    return merged.select(list(candidate_schema(table))).sort(
        [*table.key, "edition_source", "last_received", "last_sha256"]
    )


def best_rows(candidates: pl.DataFrame, *, table: Table, source_order: tuple[str, ...]) -> pl.DataFrame:
    """Return one row a key: the most trusted source's, and of one source what the latest file says.

    Columns and order are the table's. Ties in time fall to the larger file hash: arbitrary, but the same everywhere.
    """
    ranks = {name: rank for rank, name in enumerate(source_order)}
    trust = pl.col("edition_source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)
    quality = (
        pl.col("settle_source").replace_strict(SETTLE_QUALITY, return_dtype=pl.Int64)
        if "settle_source" in table.column_names
        else pl.lit(0)
    )
    ranked = candidates.with_columns(trust.alias("trust"), quality.alias("quality")).sort(
        [*table.key, "quality", "trust", "last_received", "last_sha256"],
        descending=[False] * len(table.key) + [False, False, True, True],
    )
    return ranked.unique(subset=list(table.key), keep="first", maintain_order=True).select(table.column_names)
