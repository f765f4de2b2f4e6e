"""Every table, said once.

The database, its comments, validation, the data dictionary and the tests are derived from these definitions. Prices are
index points (multiplier 100 for SPX and VIX options, 1,000 for VX), vols are decimals, VIX levels are points, rates are
decimals (core.treasury_rate keeps the published par yield as a decimal; zero rates are continuously compounded).
"""

from transforms.table_schema import Partition, Table
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
from transforms.tables.feature import (
    BOX_CURVE,
    CURVE_DAILY,
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

__all__ = [
    "ACCOUNT_STATE",
    "BOOL",
    "BOX_CURVE",
    "BY_NAME",
    "CURVE_DAILY",
    "DATA_QUALITY",
    "DATE",
    "DETECTOR_RECORD",
    "ECONOMIC_EVENT",
    "F64",
    "FUTURES_SETTLEMENT",
    "I64",
    "INDEX_LEVEL",
    "JOURNAL",
    "LANDED_FILE",
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
    "REJECTED_ROW",
    "RESIDUAL_BUCKET_DAILY",
    "RUN",
    "SETTLEMENT_VALUE",
    "SIGNAL_DAILY",
    "SLICE",
    "SNAPSHOT_KINDS",
    "STR",
    "SURFACE_DAILY",
    "TABLES",
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
    SETTLEMENT_VALUE, ACCOUNT_STATE, REJECTED_ROW,
    TERM_STRUCTURE, CURVE_DAILY, MOMENTUM_DAILY, MEAN_REVERSION_DAILY, VOL_OF_VOL_DAILY, SLICE, OPTION_ANALYTICS,
    VARIANCE_DAILY, SURFACE_DAILY, RESIDUAL_BUCKET_DAILY, BOX_CURVE, VARIANCE_TRIANGLE,
    MISPRICING, MISPRICING_LEG, MISPRICING_OUTCOME, DETECTOR_RECORD, SIGNAL_DAILY, DATA_QUALITY, JOURNAL, RUN,
)  # fmt: skip

BY_NAME: dict[str, Table] = {table.full_name: table for table in TABLES}


def partition_of(table: Table) -> Partition:
    """Return how snapshots of `table` are cut: "session", "year" or "none"."""
    return table.partition if table.session_column else "none"
