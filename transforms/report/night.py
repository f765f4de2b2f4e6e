"""The published rows one night's report is made from, and how many sessions back each table is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from transforms.schemas import (
    ACCOUNT_DAILY,
    CANDIDATE_FUNNEL,
    CONDOR_CANDIDATE,
    CURVE_DAILY,
    DATA_QUALITY,
    DECISION,
    DECISION_LEG,
    DETECTOR_RECORD,
    ENGINE_DAILY,
    ENGINE_STATISTICS,
    FILL,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    JOURNAL,
    LANDED_FILE,
    LIMIT_SLACK,
    MARKET_BREADTH,
    MEAN_REVERSION_DAILY,
    MISPRICING,
    MISPRICING_LEG,
    MOMENTUM_DAILY,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    ORDER_STATUS,
    POSITION,
    POSITION_DAILY,
    POSITION_EVENT,
    POSITION_LEG,
    RATIO_SPREAD_CANDIDATE,
    RATIO_SPREAD_SCENARIO,
    RULE_EVALUATION,
    SIGNAL_DAILY,
    SLICE,
    SURFACE_DAILY,
    TAIL_SCENARIO,
    TERM_STRUCTURE,
    TREASURY_RATE,
    VARIANCE_DAILY,
    VARIANCE_TRIANGLE,
)
from transforms.table_schema import Table

# Read of the night alone. The chain's two tables are large and read by column.
OF_THE_NIGHT = (
    SIGNAL_DAILY, DECISION, DECISION_LEG, RULE_EVALUATION, LIMIT_SLACK, CANDIDATE_FUNNEL, CONDOR_CANDIDATE,
    RATIO_SPREAD_CANDIDATE, RATIO_SPREAD_SCENARIO, TAIL_SCENARIO, POSITION_DAILY, ENGINE_STATISTICS, ACCOUNT_DAILY,
    ORDER_STATUS, MISPRICING, MISPRICING_LEG, VARIANCE_TRIANGLE, SLICE, SURFACE_DAILY, VARIANCE_DAILY,
    MEAN_REVERSION_DAILY, DATA_QUALITY, FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH, TREASURY_RATE,
)  # fmt: skip
# Read up to and including the night.
UP_TO_THE_NIGHT = (
    CURVE_DAILY, MOMENTUM_DAILY, TERM_STRUCTURE, ENGINE_DAILY, POSITION, POSITION_LEG, POSITION_EVENT, FILL, JOURNAL,
    DETECTOR_RECORD,
)  # fmt: skip
WHOLE = (LANDED_FILE,)
OF_THE_CHAIN: Mapping[Table, tuple[str, ...]] = {
    OPTION_QUOTE: ("session_date", "root", "quote_ts", "snapshot_kind", "source_sha256"),
    OPTION_ANALYTICS: (
        "session_date", "root", "expiration", "strike", "option_type", "implied_vol_bid", "implied_vol_mid",
        "implied_vol_ask", "fitted_vol", "log_moneyness",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Night:
    """A session and rows of its tables, none of a later session."""

    session: date
    frames: Mapping[Table, pl.DataFrame]

    def rows(self, table: Table) -> pl.DataFrame:
        """Return what was read of a table."""
        return self.frames[table]

    def tonight(self, table: Table) -> pl.DataFrame:
        """Return the night's own rows of a table."""
        return self.frames[table].filter(pl.col("session_date") == self.session)

    def row(self, table: Table) -> dict[str, Any]:
        """Return the night's one row of a table, every value None if there is none."""
        found = self.tonight(table).to_dicts()
        return found[0] if found else dict.fromkeys(table.column_names)

    @property
    def missing_inputs(self) -> list[str]:
        """Return the inputs the night lacked, ":refused" behind those a gate refused."""
        named = self.row(SIGNAL_DAILY)["missing_inputs"]
        return str(named).split(", ") if named else []

    def lacks(self, *inputs: str) -> str | None:
        """Return in words which of the inputs the night lacked; None if it had them all."""
        found = [name for name in self.missing_inputs if name.removesuffix(":refused") in inputs]
        return "; ".join(INPUT_WORDS[name.removesuffix(":refused")] + _why(name) for name in found) or None


INPUT_WORDS = {
    "spx_options": "the SPX option chain",
    "vix_options": "the VIX option chain",
    "vx_futures": "a VX settlement of the two nearest months",
    "spx_index": "the SPX close",
    "vix_index": "the VIX close",
    "vvix_index": "the VVIX close",
    "breadth": "advances and declines",
    "treasury": "Treasury yields",
}


def _why(name: str) -> str:
    return " was refused by a gate (see data quality)" if name.endswith(":refused") else " is missing"
