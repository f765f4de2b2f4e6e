"""Daily history of one index: Cboe's `DATE,OPEN,HIGH,LOW,CLOSE` or `DATE,VVIX`, and layouts of the same content.

Also the legacy vixcurrent (`Date,VIX Open,VIX High,VIX Low,VIX Close` under a disclaimer, later lines with blanks after
the commas) and `date,open,high,low,close,prior_close`. Where the columns do not name the index, the file name must, and
the closes must be of its order of magnitude. Known defects: opens outside the day's range (VIX on 47
days); High below Low (VIX6M 2019-07-05); float32 noise (17.65999984741211), hence the rounding to 4 decimals.
"""

import re

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    day,
    divide,
    given_but_unread,
    header_names,
    number,
    read_lines,
    rows_of,
)
from transforms.errors import RefusedFile
from transforms.schemas import INDEX_LEVEL
from transforms.sessions import TradingCalendar
from transforms.spikes import is_spike

NAME = "index_history"
ANCHOR = "date"

# Bounds of the median of the newest 250 closes: what tells an SPX history from a VIX history named like one. SPX closes
# have been above 250 since 1987.
PLAUSIBLE = {
    "SPX": (250.0, 100_000.0),
    "VVIX": (40.0, 400.0),
    "SKEW": (90.0, 250.0),
    "VIX": (5.0, 200.0),
    "VIX9D": (4.0, 200.0),
    "VIX3M": (5.0, 150.0),
    "VIX6M": (5.0, 120.0),
}
FIRST_JUDGED_YEAR = 1990
NEWEST = 250

# Opens are printed on another rounding than the range; half a cent is no contradiction.
RANGE_TOLERANCE = 0.005
DECIMALS = 4

_PRICES = ("open", "high", "low", "close")
_NAMED = re.compile(rf"(?<![A-Z0-9])({'|'.join(PLAUSIBLE)})(?![A-Z0-9])")


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header is a date with open, high, low and close, or with a known index."""
    names = header_names(delivery.head, anchor=ANCHOR)
    return _column_prefix(names) is not None or _value_column(names) is not None


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the index levels, points.

    An open outside the day's range is null, and so are a high and a low that contradict each other; the close is kept.

    Raises
    ------
    RefusedFile
        If neither the columns nor the file name say which index it is, or the closes cannot be that index's.
    """
    names = header_names(delivery.head, anchor=ANCHOR)
    prefix, value = _column_prefix(names), _value_column(names)
    if prefix is not None:
        symbol = prefix.upper() or _named_symbol(delivery.name)
        printed = {f"{price}_text": (f"{prefix} {price}".strip(),) for price in _PRICES}
        required, optional = {"day_text": (ANCHOR,), **printed}, {}
    else:
        symbol = (value or "").upper()
        required = {"day_text": (ANCHOR,), "close_text": (value or "",)}
        optional = {f"{price}_text": (price,) for price in _PRICES[:3]}
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required=required,
        optional=optional,
        known=("prior_close", "adj close", "volume"),
        table=INDEX_LEVEL,
    )
    frame = lines.frame.with_columns(
        day("day_text", "%m/%d/%Y", "%Y-%m-%d").alias("session_date"),
        *(number(f"{price}_text").round(DECIMALS).alias(price) for price in _PRICES),
        pl.lit(symbol).alias("symbol"),
    )
    _require_plausible(delivery.name, frame, symbol=symbol)
    kept, rejected = divide(frame, _rules(), lines=lines, table=INDEX_LEVEL, session="session_date")
    kept, notes = _without_contradictions(kept)
    return Reading(
        n_lines=lines.n_lines,
        frames={INDEX_LEVEL.full_name: rows_of(kept, INDEX_LEVEL)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
        notes=notes,
    )


def _column_prefix(names: tuple[str, ...]) -> str | None:
    """Return "" for open, high, low, close; "vix" for vix open, ...; None if the columns are not those."""
    for prefix in ("", *(symbol.lower() for symbol in PLAUSIBLE)):
        if {f"{prefix} {price}".strip() for price in _PRICES} <= set(names):
            return prefix
    return None


def _value_column(names: tuple[str, ...]) -> str | None:
    """Return the column that is named after a known index, if there is exactly one."""
    found = [name for name in names if name.upper() in PLAUSIBLE]
    return found[0] if len(found) == 1 else None


def _named_symbol(name: str) -> str:
    symbols: set[str] = set(_NAMED.findall(name.upper()))
    if len(symbols) != 1:
        said = f"names {', '.join(sorted(symbols))}" if symbols else "names no index"
        raise RefusedFile(
            f"{name}: the columns do not say which index this is and the file name {said}; "
            f"rename it to SYMBOL_History.csv, SYMBOL being one of {', '.join(PLAUSIBLE)}"
        )
    return symbols.pop()


def _require_plausible(name: str, frame: pl.DataFrame, *, symbol: str) -> None:
    judged = frame.filter((pl.col("session_date").dt.year() >= FIRST_JUDGED_YEAR) & (pl.col("close") > 0)).top_k(
        NEWEST, by="session_date"
    )
    low, high = PLAUSIBLE[symbol]
    typical = judged.select(pl.col("close").median()).item()
    if typical is not None and not low <= typical <= high:
        raise RefusedFile(
            f"{name}: the median of the newest {judged.height} closes is {typical:g}, outside the {low:g} to "
            f"{high:g} of {symbol}; the file is another index's: rename it, or download the history of {symbol} again"
        )


def _rules() -> list[LineRule]:
    texts = tuple(f"{price}_text" for price in _PRICES)
    unread = pl.any_horizontal(given_but_unread(f"{price}_text", price) for price in _PRICES)
    return [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule(
            "bad_number", unread, "one of open {}, high {}, low {}, close {} is no number", texts
        ),
        LineRule(
            "no_value",
            pl.col("close").is_null() | (pl.col("close") == 0),
            "no close on {} (close {})",
            ("day_text", "close_text"),
        ),
        LineRule(
            "spike",
            is_spike("close", session="session_date", ceiling=PLAUSIBLE["SPX"][1]),
            "close {} is more than five times, or less than a fifth of, the sessions before",
            ("close_text",),
        ),
    ]  # fmt: skip


def _without_contradictions(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the frame with contradictory ranges and opens as nulls, and notes that count them."""
    frame = frame.with_columns(
        pl.when(pl.col(price) != 0).then(pl.col(price)).alias(price) for price in ("open", "high", "low")
    )
    n_opens = frame["open"].count()
    inverted = (pl.col("high") < pl.col("low")).fill_null(False)
    n_inverted = frame.select(inverted.sum()).item()
    frame = frame.with_columns(pl.when(~inverted).then(pl.col(price)).alias(price) for price in ("high", "low"))
    outside = (pl.col("open") > pl.col("high") + RANGE_TOLERANCE) | (pl.col("open") < pl.col("low") - RANGE_TOLERANCE)
    frame = frame.with_columns(pl.when(~outside.fill_null(False)).then(pl.col("open")).alias("open"))
    notes = []
    if n_outside := n_opens - frame["open"].count():
        notes.append(f"{n_outside} opens outside the day's range are null")
    if n_inverted:
        notes.append(f"{n_inverted} sessions with a high below the low: both are null")
    return frame, tuple(notes)
