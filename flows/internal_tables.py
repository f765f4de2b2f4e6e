"""Tables of the warehouse that are not published: candidates of core rows, nights, the book, what is dirty or open."""

import polars as pl

from transforms.editions import candidate_schema
from transforms.mispricing.finding_frames import CROSS_SECTION_COLUMNS
from transforms.mispricing.residual import CANDIDATE_COLUMNS
from transforms.quality import SUMMARY_SCHEMA
from transforms.schemas import BY_NAME, MISPRICING, MISPRICING_LEG

# Tables whose rows may come from several files; core holds the best row of a key, stage every candidate.
EDITION_TABLES = tuple(
    BY_NAME[name]
    for name in (
        "core.futures_settlement",
        "core.index_level",
        "core.market_breadth",
        "core.treasury_rate",
        "core.economic_event",
        "core.settlement_value",
        "core.account_state",
        "core.held_position",
    )
)
SNAPSHOT_SCHEMA: dict[str, pl.DataType] = {**SUMMARY_SCHEMA, "chosen": pl.Boolean(), "refusal": pl.String()}
RULE_SCHEMA: dict[str, pl.DataType] = {"table_name": pl.String(), "rule": pl.String()}
NIGHT_SCHEMA: dict[str, pl.DataType] = {
    "session_date": pl.Date(),
    "settings": pl.String(),
    "settings_sha256": pl.String(),
    "code_version": pl.String(),
    "inputs_sha256": pl.String(),
}
BOOK_SCHEMA: dict[str, pl.DataType] = {
    "session_date": pl.Date(),
    "book": pl.String(),
    "settled": pl.String(),
    "held": pl.String(),
}
DECIDED_SCHEMA: dict[str, pl.DataType] = {"session_date": pl.Date(), "decided": pl.String()}
FEATURE_ORIGIN_SCHEMA: dict[str, pl.DataType] = {"code_version": pl.String(), "indicators": pl.String()}
FINDING_SCHEMA = {name: MISPRICING.polars_schema[name] for name in CROSS_SECTION_COLUMNS}
MADE_FROM_SCHEMA: dict[str, pl.DataType] = {"session_date": pl.Date(), "made_from": pl.String()}
PARTITION_FILE_SCHEMA: dict[str, pl.DataType] = {
    "table_name": pl.String(),
    "session_date": pl.Date(),
    "sha256": pl.String(),
    "n_rows": pl.Int64(),
}
CHECKED_SCHEMA: dict[str, pl.DataType] = {"session_date": pl.Date(), "files": pl.String()}
OPEN_RUN_SCHEMA: dict[str, pl.DataType] = {"run_id": pl.String()}
RECORDED_NIGHT_SCHEMA: dict[str, pl.DataType] = {
    "session_date": pl.Date(),
    "settings": pl.String(),
    "decided": pl.String(),
}
FOLLOWED_SCHEMA: dict[str, pl.DataType] = {
    "n_lines": pl.Int64(),
    "n_bytes": pl.Int64(),
    "sha256": pl.String(),
    "head": pl.String(),
}
PUBLISHED_SCHEMA: dict[str, pl.DataType] = {"state": pl.String()}


def internal_tables() -> dict[str, dict[str, pl.DataType]]:
    """Return the columns of every internal table, by its full name."""
    staged = {f"stage.{table.name}": candidate_schema(table) for table in EDITION_TABLES}
    return {
        "meta.snapshot": SNAPSHOT_SCHEMA,
        "meta.night": NIGHT_SCHEMA,
        "meta.book": BOOK_SCHEMA,
        "meta.decided": DECIDED_SCHEMA,
        "meta.open_run": OPEN_RUN_SCHEMA,
        "meta.published": PUBLISHED_SCHEMA,
        "meta.recorded_night": RECORDED_NIGHT_SCHEMA,
        "meta.followed": FOLLOWED_SCHEMA,
        "meta.rule": RULE_SCHEMA,
        "meta.partition_file": PARTITION_FILE_SCHEMA,
        "meta.checked": CHECKED_SCHEMA,
        "meta.priced": MADE_FROM_SCHEMA,
        "meta.ranked": MADE_FROM_SCHEMA,
        "meta.residual_candidate": dict(CANDIDATE_COLUMNS),
        "meta.finding": FINDING_SCHEMA,
        "meta.finding_leg": dict(MISPRICING_LEG.polars_schema),
        "meta.feature_origin": FEATURE_ORIGIN_SCHEMA,
        **staged,
    }
