"""Settlement values as the exchange publishes them, copied by the user: `root,expiration,value`.

One line per root (SPX, SPXW, VIX, VIXW or VX) and expiration: ISO dates, index points. The value of SPX is the special
opening quotation (SET), which no index history holds. A later file replaces the values it states again.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import LineRule, day, divide, given_but_unread, header_names, number, read_lines, rows_of
from transforms.schemas import SETTLEMENT_VALUE
from transforms.sessions import TradingCalendar

NAME = "settlement_value"
ANCHOR = "expiration"
SOURCE_OF_ROOT = {"SPX": "set", "SPXW": "index_close"}


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a root, an expiration and a value, and no strike."""
    names = set(header_names(delivery.head, anchor=ANCHOR))
    return {"root", "expiration", "value"} <= names and "strike" not in names


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the settlement values; all are exact."""
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={"root_text": ("root",), "day_text": ("expiration",), "value_text": ("value",)},
        table=SETTLEMENT_VALUE,
    )
    root = pl.col("root_text").str.to_uppercase()
    frame = lines.frame.with_columns(
        root.alias("root"),
        day("day_text", "%Y-%m-%d").alias("expiration"),
        number("value_text", thousands=True).alias("value"),
        root.replace_strict(SOURCE_OF_ROOT, default="archive", return_dtype=pl.String()).alias("source"),
        pl.lit(True).alias("exact"),
    )
    is_no_day, is_no_number = given_but_unread("day_text", "expiration"), given_but_unread("value_text", "value")
    rules = [
        LineRule("bad_date", is_no_day, "expiration {} is no date like 2026-03-20", ("day_text",)),
        LineRule("bad_number", is_no_number, "value {} is no number", ("value_text",)),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=SETTLEMENT_VALUE, session="expiration")
    return Reading(
        n_lines=lines.n_lines,
        frames={SETTLEMENT_VALUE.full_name: rows_of(kept, SETTLEMENT_VALUE)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
