"""Files that traders have and that cannot serve: recognized last, and refused with what is missing.

Each shape below is known by its content. None of them is read: a chain without bids and asks has no fair value, a level
is no count, and a price without its instant belongs to no session.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from flows.sources import WORKBOOKS, Delivery, Reading
from flows.sources.archives import GZIP_MAGIC, ZIP_MAGIC
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

NAME = "unusable"

HEADER_LINES = 4
PARQUET_MAGIC = b"PAR1"
# Lean: milliseconds since midnight or "yyyymmdd hh:mm", then figures only.
_LEAN_LINE = re.compile(r"(?:\d{1,8}|\d{8} \d{2}:\d{2})(?:,\d+(?:\.\d+)?)+")
_FIGURE = re.compile(r"[\d.:/%+ -]*\d[\d.:/%+ -]*")
_MARKUP_MESSAGE = re.compile(r"<(code|message|title)>\s*([^<]{1,80})", re.IGNORECASE)


@dataclass(frozen=True)
class Shape:
    """A kind of file that cannot serve: how it is known, and what is missing and what to do instead."""

    fits: Callable[[Delivery], bool]
    reason: Callable[[Delivery], str]


def recognizes(delivery: Delivery) -> bool:
    """Return whether the content is one that cannot serve."""
    return any(shape.fits(delivery) for shape in SHAPES)


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Refuse the file; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        Always.
    """
    shape = next((shape for shape in SHAPES if shape.fits(delivery)), None)
    reason = shape.reason(delivery) if shape else "no known layout"
    raise RefusedFile(f"{delivery.name}: {reason}")


def _headed(*names: str, reason: str) -> Shape:
    """Return the shape of a table one of whose first lines has all these column names."""

    def fits(delivery: Delivery) -> bool:
        for line in delivery.head.splitlines()[:HEADER_LINES]:
            if set(names) <= {field.strip(' #"').lower() for field in line.split(",")}:
                return True
        return False

    return Shape(fits, lambda _: reason)


def _is_archive(delivery: Delivery) -> bool:
    return delivery.payload.startswith((ZIP_MAGIC, GZIP_MAGIC))


def _archive_reason(delivery: Delivery) -> str:
    if delivery.name.lower().endswith(WORKBOOKS):
        return "an Excel workbook; save the sheet with the vendor's columns as CSV and import that"
    return "an archive inside an archive; unpack it and import its files one by one"


def _is_parquet(delivery: Delivery) -> bool:
    return delivery.payload.startswith(PARQUET_MAGIC)


def _parquet_reason(delivery: Delivery) -> str:
    """Return what a parquet file lacks: Massive snapshots have quote columns, empty without a quotes subscription."""
    try:
        quotes = pl.read_parquet(io.BytesIO(delivery.payload), columns=["last_quote_bid", "last_quote_ask"])
    except pl.exceptions.ColumnNotFoundError:
        return "a parquet file of no vendor layout; import the vendor's own file"
    except (pl.exceptions.PolarsError, OSError) as error:
        return f"the parquet file is damaged ({str(error).splitlines()[0][:120]}); download it again"
    n_bids, n_asks = (quotes.height - quotes[name].null_count() for name in quotes.columns)
    snapshot = f"a Massive (Polygon) snapshot of {quotes.height:,} options"
    if n_bids or n_asks:
        return f"{snapshot}: parquet snapshots are not read; import a chain of a vendor in docs/sources.md"
    return f"{snapshot} with no quotes: every last_quote_bid and last_quote_ask is null; import a chain with quotes"


def _is_markup(delivery: Delivery) -> bool:
    return delivery.head.lstrip().startswith("<")


def _markup_reason(delivery: Delivery) -> str:
    said = "; ".join(" ".join(text.split()) for _, text in _MARKUP_MESSAGE.findall(delivery.head)[:2])
    return f"a web page or an error answer instead of data ({said or 'no message'}); download the file again"


def _is_other_json(delivery: Delivery) -> bool:
    return delivery.head.lstrip().startswith(("{", "[")) and '"option"' not in delivery.head


def _json_reason(delivery: Delivery) -> str:
    beginning = " ".join(delivery.head.split())[:80]
    return f"a JSON answer without option quotes ({beginning!r}); download the file again"


def _is_lean_series(delivery: Delivery) -> bool:
    lines = [line.strip() for line in delivery.head.splitlines() if line.strip()]
    whole = lines if len(lines) == 1 or len(delivery.payload) <= len(delivery.head) else lines[:-1]
    return bool(whole) and all(_LEAN_LINE.fullmatch(line) for line in whole)


def _is_prose(delivery: Delivery) -> bool:
    """Return whether a readable text has no field that is a number, a date or a time: notes, descriptions."""
    if "\ufffd" in delivery.head or "\x00" in delivery.head or delivery.head.lstrip().startswith(("{", "[")):
        return False
    fields = re.split(r"[,;\t\n\r]", delivery.head)
    return not any(_FIGURE.fullmatch(field.strip(' "')) for field in fields)


SHAPES: tuple[Shape, ...] = (
    Shape(_is_parquet, _parquet_reason),
    Shape(_is_archive, _archive_reason),
    Shape(_is_markup, _markup_reason),
    Shape(_is_other_json, _json_reason),
    _headed(
        "ticker", "window_start", "transactions",
        reason="Massive (Polygon) day aggregates: trades only, no bid and no ask; import a chain with quotes",
    ),
    _headed(
        "snapshot_id", "expiry", "strike", "mark",
        reason="a dashboard's snapshot: no column names the root or the session of the quotes; "
        "import the vendor's own chain",
    ),
    _headed(
        "expiry", "strike", "right", "implied_volatility",
        reason="a Lean universe file: daily bars of options, no bid, no ask and no root; "
        "import a chain with quotes",
    ),
    _headed(
        "close_nyad",
        reason="levels of $NYAD and $NYMO, not counts of advances and declines; "
        "import a file with Date, Issues, Adv, Dec, Unch",
    ),
    _headed(
        "volatility index volume", "volatility index oi",
        reason="CFE volume and open interest by product: no prices; import VX_YYYY-MM-DD.csv contract files",
    ),
    _headed(
        "date", "pcredit8",
        reason="Lean's discount window rate, dates of change only; import Treasury par yields or a FRED series",
    ),
    _headed(
        "date", "initial", "maintenance",
        reason="a table of margin requirements: margins are computed by rule, not read",
    ),
    _headed(
        "market", "symbol", "contract_multiplier",
        reason="Lean's symbol properties: no prices; nothing to import",
    ),
    Shape(
        _is_lean_series,
        lambda _: "a headless Lean series: its lines name neither contract nor day, and prices may be times 10,000; "
        "import the vendor's own file",
    ),
    Shape(_is_prose, lambda _: "a text without figures; nothing to import"),
)  # fmt: skip
