"""Columns that several tables share, and short forms for the usual kinds."""

import polars as pl

from transforms.table_schema import Column

DATE = pl.Date()
TS = pl.Datetime("us")
F64 = pl.Float64()
I64 = pl.Int64()
STR = pl.String()
BOOL = pl.Boolean()

OPTION_ROOTS = ("SPX", "SPXW", "VIX", "VIXW")
SNAPSHOT_KINDS = ("close", "eod_1545", "intraday", "non_regular")

MOST_COUNTED = 1e10

SESSION = Column("session_date", DATE, "The New York trading day the row belongs to.", nullable=False)
EXPIRATION = Column("expiration", DATE, "Printed expiration day.", nullable=False)
STRIKE = Column("strike", F64, "Strike, index points.", nullable=False, low=0.5, high=100_000.0)
OPTION_TYPE = Column("option_type", STR, "call or put.", nullable=False, allowed=("call", "put"))
OPTION_ROOT = Column(
    "root", STR, "Option class: SPX and VIX settle on the opening, SPXW on the close, VIXW as VIX.",
    nullable=False, allowed=OPTION_ROOTS,
)  # fmt: skip
SOURCE = Column("source_sha256", STR, "SHA-256 of the landed file the row was read from.", nullable=False)


def number(name: str, meaning: str, *, low: float | None = None, high: float | None = None) -> Column:
    """Return a nullable float column."""
    return Column(name, F64, meaning, low=low, high=high)


def count(name: str, meaning: str, *, nullable: bool = True) -> Column:
    """Return an integer column bounded below by zero, and above by what no market has counted in a day."""
    return Column(name, I64, meaning, nullable=nullable, low=0, high=MOST_COUNTED)


def text(name: str, meaning: str, *, nullable: bool = True, allowed: tuple[str, ...] | None = None) -> Column:
    """Return a string column."""
    return Column(name, STR, meaning, nullable=nullable, allowed=allowed)
