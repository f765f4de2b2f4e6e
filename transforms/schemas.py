"""Every table, said once.

The database, its comments, validation, the data dictionary and the tests are derived from these definitions. Prices are
index points (multiplier 100 for SPX and VIX options, 1,000 for VX), vols are decimals, VIX levels are points, rates are
decimals (core.treasury_rate keeps the published par yield as a decimal; zero rates are continuously compounded).
"""

from transforms.table_schema import Partition, Table
from transforms.tables.book import (
    ACCOUNT_DAILY,
    BOOK_TABLES,
    ENGINE_DAILY,
    ENGINE_STATISTICS,
    FILL,
    HELD_POSITION,
    LIMIT_SLACK,
    ORDER_STATUS,
    POSITION,
    POSITION_DAILY,
    POSITION_EVENT,
    POSITION_LEG,
    REPLAY_DAILY,
)
from transforms.tables.columns import BOOL, DATE, F64, I64, OPTION_ROOTS, SNAPSHOT_KINDS, STR, TS, count, number, text
from transforms.tables.core import (
    ACCOUNT_STATE,
    ECONOMIC_EVENT,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    LANDED_FILE,
    MARKET_BREADTH,
    OPTION_QUOTE,
    REJECTED_ROW,
    SETTLEMENT_VALUE,
    TREASURY_RATE,
)
from transforms.tables.engine import (
    CANDIDATE_FUNNEL,
    CONDOR_CANDIDATE,
    ENGINE_TABLES,
    RATIO_SPREAD_CANDIDATE,
    RATIO_SPREAD_SCENARIO,
    TAIL_SCENARIO,
)
from transforms.tables.evidence import BENCHMARK_DAILY, CLAIM_EVIDENCE, EVIDENCE_BREAKDOWN, EVIDENCE_TABLES
from transforms.tables.feature import (
    BOX_CURVE,
    CURVE_DAILY,
    DISLOCATION_DAILY,
    MEAN_REVERSION_DAILY,
    MOMENTUM_DAILY,
    OPTION_ANALYTICS,
    RESIDUAL_BUCKET_DAILY,
    SLICE,
    SURFACE_DAILY,
    TERM_STRUCTURE,
    VARIANCE_DAILY,
    VARIANCE_TRIANGLE,
    VOL_OF_VOL_DAILY,
)
from transforms.tables.mart import (
    DATA_QUALITY,
    DETECTOR_RECORD,
    JOURNAL,
    MISPRICING,
    MISPRICING_KINDS,
    MISPRICING_LEG,
    MISPRICING_OUTCOME,
    RUN,
    SIGNAL_DAILY,
)
from transforms.tables.rule import DECISION, DECISION_LEG, RULE_EVALUATION, RULE_TABLES, RULE_VERSION

__all__ = [
    "ACCOUNT_DAILY",
    "ACCOUNT_STATE",
    "BENCHMARK_DAILY",
    "BOOK_TABLES",
    "BOOL",
    "BOX_CURVE",
    "BY_NAME",
    "CANDIDATE_FUNNEL",
    "CLAIM_EVIDENCE",
    "CONDOR_CANDIDATE",
    "CURVE_DAILY",
    "DATA_QUALITY",
    "DATE",
    "DECISION",
    "DECISION_LEG",
    "DETECTOR_RECORD",
    "DISLOCATION_DAILY",
    "ECONOMIC_EVENT",
    "ENGINE_DAILY",
    "ENGINE_STATISTICS",
    "ENGINE_TABLES",
    "EVIDENCE_BREAKDOWN",
    "EVIDENCE_TABLES",
    "F64",
    "FILL",
    "FUTURES_SETTLEMENT",
    "HELD_POSITION",
    "I64",
    "INDEX_LEVEL",
    "JOURNAL",
    "LANDED_FILE",
    "LIMIT_SLACK",
    "MARKET_BREADTH",
    "MEAN_REVERSION_DAILY",
    "MISPRICING",
    "MISPRICING_KINDS",
    "MISPRICING_LEG",
    "MISPRICING_OUTCOME",
    "MOMENTUM_DAILY",
    "OPTION_ANALYTICS",
    "OPTION_QUOTE",
    "OPTION_ROOTS",
    "ORDER_STATUS",
    "POSITION",
    "POSITION_DAILY",
    "POSITION_EVENT",
    "POSITION_LEG",
    "RATIO_SPREAD_CANDIDATE",
    "RATIO_SPREAD_SCENARIO",
    "REJECTED_ROW",
    "REPLAY_DAILY",
    "RESIDUAL_BUCKET_DAILY",
    "RULE_EVALUATION",
    "RULE_TABLES",
    "RULE_VERSION",
    "RUN",
    "SETTLEMENT_VALUE",
    "SIGNAL_DAILY",
    "SLICE",
    "SNAPSHOT_KINDS",
    "STR",
    "SURFACE_DAILY",
    "TABLES",
    "TAIL_SCENARIO",
    "TERM_STRUCTURE",
    "TREASURY_RATE",
    "TS",
    "VARIANCE_DAILY",
    "VARIANCE_TRIANGLE",
    "VOL_OF_VOL_DAILY",
    "count",
    "number",
    "partition_of",
    "text",
]

TABLES: tuple[Table, ...] = (
    LANDED_FILE, OPTION_QUOTE, FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH, TREASURY_RATE, ECONOMIC_EVENT,
    SETTLEMENT_VALUE, ACCOUNT_STATE, HELD_POSITION, REJECTED_ROW,
    TERM_STRUCTURE, CURVE_DAILY, MOMENTUM_DAILY, MEAN_REVERSION_DAILY, VOL_OF_VOL_DAILY, SLICE, OPTION_ANALYTICS,
    VARIANCE_DAILY, SURFACE_DAILY, RESIDUAL_BUCKET_DAILY, BOX_CURVE, VARIANCE_TRIANGLE,
    MISPRICING, MISPRICING_LEG, MISPRICING_OUTCOME, DETECTOR_RECORD, DISLOCATION_DAILY,
    *ENGINE_TABLES, *RULE_TABLES, *BOOK_TABLES, *EVIDENCE_TABLES, SIGNAL_DAILY, DATA_QUALITY, JOURNAL, RUN,
)  # fmt: skip

BY_NAME: dict[str, Table] = {table.full_name: table for table in TABLES}


def partition_of(table: Table) -> Partition:
    """Return how snapshots of `table` are cut: "session", "year" or "none"."""
    return table.partition if table.session_column else "none"
