"""One module per vendor layout: bytes in, canonical frames out; a registry that recognizes a file by its content.

A source module has a docstring that describes its layout and its known defects, `NAME` (its own module name),
`recognizes(delivery)` and `read(delivery, calendar=...)`. `read` judges only what cannot be expressed as a row of the
table (a line that does not parse, an option outside the four roots); bounds, keys and sessions are judged once, by
flows/expectations.py.
"""

import codecs
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Protocol

import polars as pl

from flows.sources.archives import GZIP_MAGIC, ZIP_MAGIC, gunzipped, unzipped
from transforms.errors import RefusedFile, UnrecognizedFile
from transforms.schemas import REJECTED_ROW
from transforms.sessions import TradingCalendar

SOURCE_MODULES = (
    "cboe_quotedata_csv",
    "cboe_quotedata_dat",
    "cboe_delayed_json",
    "datashop_eod",
    "ivolatility_eod",
    "deltaneutral_eod",
    "yahoo_chain",
    "vx_contract_current",
    "vx_contract_legacy",
    "cfe_final_settlement",
    "vx_settlement_curve",
    "index_history",
    "fred_series",
    "treasury_par_yield",
    "bill_13_week",
    "nyse_breadth",
    "constituent_breadth",
    "fomc_list",
    "macro_events",
    "settlement_value",
    "account_state",
    "held_position",
    "unusable",
)

HEAD_CHARACTERS = 4096
WORKBOOKS = (".xlsx", ".xlsm")
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

ROW_NUMBER = "source_row_number"
REJECTED_COLUMNS = [name for name in REJECTED_ROW.column_names if name != "source_sha256"]


@dataclass(frozen=True)
class Delivery:
    """A file as a source sees it: its name, its content with one gzip or zip layer taken off, and the text's beginning.

    `head` is the first 4,096 characters, decoded as UTF-8 (Latin-1 where that fails), without a byte order mark.
    `suffix` is the lower-case extension of the content ("csv", "dat", "json", "parquet", ...).
    """

    name: str
    payload: bytes
    head: str
    suffix: str

    @property
    def text(self) -> str:
        """The whole content as text, without a byte order mark."""
        return decode(self.payload)


@cache
def no_rejections() -> pl.DataFrame:
    """Return an empty frame of rejected rows (without `source_sha256`)."""
    return REJECTED_ROW.empty().select(REJECTED_COLUMNS)


@dataclass(frozen=True)
class Reading:
    """What a source made of one file.

    Attributes
    ----------
    n_lines
        Data lines of the file (or records, for JSON), blank lines apart.
    frames
        Table name ("core.option_quote") to a frame with that table's columns except `source_sha256`, in the schema's
        types, plus `source_row_number` (see quarantine.rejected_row). Nulls where the vendor gives nothing.
    rejected
        Rows the source itself refuses: the columns of quarantine.rejected_row except `source_sha256`.
    n_rows
        Rows the lines hold: the heights of all frames plus the distinct rejected rows.
    unknown_columns
        Column names of the file that the source does not know; kept out and reported.
    stamped_at
        Download time printed inside the file, UTC, naive; None where the layout prints none.
    notes
        What a user should know of this file, one sentence each.
    """

    n_lines: int
    frames: dict[str, pl.DataFrame]
    rejected: pl.DataFrame = field(default_factory=no_rejections)
    unknown_columns: tuple[str, ...] = ()
    stamped_at: datetime | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        rejected = self.rejected.select("table_name", ROW_NUMBER).n_unique() if self.rejected.height else 0
        return sum(frame.height for frame in self.frames.values()) + rejected


class Source(Protocol):
    """The interface of a source module."""

    NAME: str

    def recognizes(self, delivery: Delivery) -> bool:
        """Return whether the content has this layout; cheap, from `delivery.head` where possible."""

    def read(self, delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
        """Read the file.

        Raises
        ------
        RefusedFile
            If the layout is right but the file cannot serve; the message says what is missing.
        """


def decode(payload: bytes) -> str:
    """Return the text of a payload, without a byte order mark: UTF-16 where it is marked so, else UTF-8.

    Latin-1 where it is neither. (PowerShell writes UTF-16 when a download is redirected into a file.)
    """
    try:
        return payload.decode("utf-16" if payload.startswith(UTF_16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError:
        return payload.decode("latin-1")


def open_delivery(name: str, payload: bytes) -> Delivery:
    """Return a file's content with one gzip or zip layer taken off.

    Raises
    ------
    RefusedFile
        If the file is empty, or an archive that flows/sources/archives.py does not open.
    """
    if not payload or payload.isspace():
        raise RefusedFile(f"{name}: the file is empty; download it again")
    inner = name
    if payload.startswith(GZIP_MAGIC):
        payload, inner = gunzipped(name, payload), name.removesuffix(".gz")
    elif payload.startswith(ZIP_MAGIC) and not name.lower().endswith(WORKBOOKS):
        inner, payload = unzipped(name, payload)
    if not payload or payload.isspace():
        raise RefusedFile(f"{name}: the archive holds an empty file; download it again")
    head = decode_head(payload)
    suffix = inner.rsplit(".", 1)[-1].lower() if "." in inner else ""
    return Delivery(name=inner, payload=payload, head=head, suffix=suffix)


def decode_head(payload: bytes) -> str:
    """Return the first 4,096 characters of a payload; a character cut at the end is dropped."""
    encoding = "utf-16" if payload.startswith(UTF_16_MARKS) else "utf-8-sig"
    return payload[: 4 * HEAD_CHARACTERS].decode(encoding, errors="replace")[:HEAD_CHARACTERS]


@cache
def registry() -> dict[str, Source]:
    """Return the source modules by name, in the order in which they are asked."""
    return {name: import_module(f"flows.sources.{name}") for name in SOURCE_MODULES}


def recognize(delivery: Delivery) -> Source:
    """Return the source whose layout the content has.

    Raises
    ------
    UnrecognizedFile
        If no source knows the content; the message quotes its beginning.
    """
    for source in registry().values():
        if source.recognizes(delivery):
            return source
    # It imports delimited.py, which imports this package.
    from flows.sources.likeness import likeness

    first = next((line for line in delivery.head.splitlines() if line.strip()), "")[:120]
    near = likeness(delivery.head)
    raise UnrecognizedFile(
        f"{delivery.name}: no known vendor layout starts like this: {first!r}"
        + (f"; {near}" if near else "; docs/sources.md lists the layouts, and how to add one")
    )
