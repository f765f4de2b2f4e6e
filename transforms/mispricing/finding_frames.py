"""From findings and their legs, as a detector lists them, to the rows of mart.mispricing and mart.mispricing_leg.

A detector gives each finding a number; here it gets its identity (a hash of what is bought and sold, so that it keeps
its name from session to session), its size and what it earns after fees.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from transforms.schemas import MISPRICING, MISPRICING_LEG

# Dollars a point of one unit: VX futures 1,000; options, synthetic forwards made of them and cash beside them 100.
FUTURE_MULTIPLIER = 1_000.0
OPTION_MULTIPLIER = 100.0

LIFE_COLUMNS = ("first_seen", "sessions_open")
MEASURED = ("finding_id", "edge_dollars", "edge_in_half_spreads", "capacity_contracts")
FINDING_COLUMNS: Mapping[str, pl.DataType] = {
    "number": pl.Int64(),
    **{name: dtype for name, dtype in MISPRICING.polars_schema.items() if name not in (*LIFE_COLUMNS, *MEASURED)},
}
LEG_COLUMNS: Mapping[str, pl.DataType] = {
    "number": pl.Int64(),
    **{name: dtype for name, dtype in MISPRICING_LEG.polars_schema.items() if name not in MISPRICING_LEG.key},
    "half_spread": pl.Float64(),
}
LEG_ORDER = ("expiration", "strike", "option_type", "instrument", "root", "side")
# first_seen and sessions_open are facts through time: lifecycle adds them.
CROSS_SECTION_COLUMNS = tuple(name for name in MISPRICING.column_names if name not in LIFE_COLUMNS)


@dataclass(frozen=True)
class FindingFrames:
    """findings: rows of mart.mispricing without first_seen and sessions_open. legs: rows of mart.mispricing_leg."""

    findings: pl.DataFrame
    legs: pl.DataFrame

    @staticmethod
    def concat(parts: "Sequence[FindingFrames]") -> "FindingFrames":
        """Return all parts (at least one) as one, sorted by key."""
        return FindingFrames(
            pl.concat([part.findings for part in parts]).sort("session_date", "finding_id"),
            pl.concat([part.legs for part in parts]).sort("session_date", "finding_id", "leg"),
        )


def finding_frames(findings: pl.DataFrame, legs: pl.DataFrame, *, fee_per_contract: float) -> FindingFrames:
    """Return findings with identity, size, capacity and dollars, and their legs in order.

    Parameters
    ----------
    findings : frame, one row per finding
        Columns of FINDING_COLUMNS; `number` is unique. edge_points is that of one package, index points before fees.
    legs : frame, one row per leg
        Columns of LEG_COLUMNS. `half_spread` (points) is null where a leg has no spread of its own.
    fee_per_contract : dollars a contract of options

    Notes
    -----
    edge_in_half_spreads: edge over the sum of quantity times half-spread; null where a half-spread is.
    capacity_contracts: packages the sizes allow, rounded down; null where a size is unknown. edge_dollars: capacity
    times the package's profit after fees; null for indicative findings and unknown capacity.
    """
    quantity, is_option = pl.col("quantity"), pl.col("instrument") == "option"
    named = (
        legs.select(list(LEG_COLUMNS))
        .with_columns(
            pl.concat_str(pl.col("expiration", "strike").cast(pl.String).fill_null(""), separator="|").alias("name"),
            pl.concat_str(pl.col(LEG_ORDER[2:]).fill_null(""), separator="|").alias("what"),
        )
        .sort("number", *LEG_ORDER, nulls_last=True, maintain_order=True)
        .with_columns(
            pl.concat_str("name", "what", separator="|").alias("name"),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("number").alias("leg"),
        )
    )
    # A hair above the quotient, so that size 9 is 3 packages of 3 units whatever the division rounds to.
    packages_of_leg = (pl.col("size") / quantity + 1e-9).filter(is_option)
    whole = named.group_by("number", maintain_order=True).agg(
        pl.col("name").str.join(";"),
        pl.when(pl.col("half_spread").null_count() == 0)
        .then((pl.col("half_spread") * quantity).sum())
        .alias("half_spreads"),
        pl.when((pl.col("size").is_null() & is_option).any() | ~is_option.any())
        .then(None)
        .otherwise(packages_of_leg.min().floor())
        .cast(pl.Int64)
        .alias("capacity_contracts"),
        quantity.filter(is_option).sum().alias("contracts"),
    )
    rows = findings.select(list(FINDING_COLUMNS)).join(whole, on="number", how="left", validate="1:1").sort("number")
    per_package = OPTION_MULTIPLIER * pl.col("edge_points") - fee_per_contract * pl.col("contracts")
    rows = rows.with_columns(
        identity(rows["kind"], rows["name"]),
        pl.when(pl.col("half_spreads") > 0.0)
        .then(pl.col("edge_points") / pl.col("half_spreads"))
        .alias("edge_in_half_spreads"),
        pl.when(pl.col("confidence") != "indicative")
        .then(pl.col("capacity_contracts") * per_package)
        .alias("edge_dollars"),
    )
    kept = named.join(
        rows.select("number", "session_date", "finding_id"), on="number", validate="m:1", maintain_order="left"
    )
    return FindingFrames(
        rows.select(CROSS_SECTION_COLUMNS).sort("session_date", "finding_id"),
        kept.select(MISPRICING_LEG.column_names).sort("session_date", "finding_id", "leg"),
    )


def identity(kind: pl.Series, legs: pl.Series) -> pl.Series:
    """Return finding_id: the SHA-256 of kind and legs with their sides; quantities, which drift, are no part of it."""
    names = (kind + ":" + legs.fill_null("")).to_list()
    return pl.Series("finding_id", [hashlib.sha256(name.encode()).hexdigest() for name in names], dtype=pl.String)
