"""NYSE advances and declines: `Date,Issues,Adv,Dec,Unch,NewHighs,NewLows,AdvVol,DecVol,TotalVol`, ISO dates.

The exchange's own count of a session. A count published before the session was complete has fewer issues and still adds
up (2026-09-30 with 2,697 of about 2,830).
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    day,
    divide,
    header_names,
    read_lines,
    rows_of,
    whole_number,
)
from transforms.schemas import MARKET_BREADTH
from transforms.sessions import TradingCalendar

NAME = "nyse_breadth"
ANCHOR = "date"

_COUNTS = {"issues": "issues", "advances": "adv", "declines": "dec", "unchanged": "unch"}


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a date, advances and declines as this layout does."""
    return {"date", "adv", "dec"} <= set(header_names(delivery.head, anchor=ANCHOR))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the session's advances, declines and unchanged issues."""
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={"day_text": ("date",), **{f"{name}_text": (printed,) for name, printed in _COUNTS.items()}},
        known=("newhighs", "newlows", "advvol", "decvol", "totalvol"),
        table=MARKET_BREADTH,
    )
    texts = tuple(f"{name}_text" for name in _COUNTS)
    frame = lines.frame.with_columns(
        day("day_text", "%Y-%m-%d", "%m/%d/%Y").alias("session_date"),
        *(whole_number(f"{name}_text", thousands=True).alias(name) for name in _COUNTS),
        pl.lit("NYSE").alias("exchange"),
    )
    counted = pl.col("advances") + pl.col("declines") + pl.col("unchanged")
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("no_value", pl.any_horizontal(pl.col(texts).is_null()), "a count is blank on {}", ("day_text",)),
        LineRule(
            "bad_number",
            pl.any_horizontal(pl.col(list(_COUNTS)).is_null()),
            "one of issues {}, advances {}, declines {}, unchanged {} is no whole number",
            texts,
        ),
        LineRule(
            "counts_do_not_add",
            counted != pl.col("issues"),
            "issues {} are not advances {} + declines {} + unchanged {}",
            texts,
        ),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=MARKET_BREADTH, session="session_date")
    return Reading(
        n_lines=lines.n_lines,
        frames={MARKET_BREADTH.full_name: rows_of(kept, MARKET_BREADTH)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
