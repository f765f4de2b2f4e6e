"""Advances and declines counted from constituent prices: `date,nyse_advancers,nyse_decliners,...`, ISO dates.

Not the exchange's count: it holds fewer issues and none unchanged, so it is its own exchange, NYSE_CONSTITUENTS. The
other columns are figures derived from the counts of this and other universes. Known defect: the last line may be of a
session not yet complete (2026-06-18: 374 issues of about 1,690).
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

NAME = "constituent_breadth"
ANCHOR = "date"
KNOWN_PREFIXES = ("nyse_", "nasdaq_", "sp400_", "sp500_", "sp600_", "broad_")
PARTIAL_SHARE = 0.60


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a date and NYSE advancers and decliners."""
    return {"nyse_advancers", "nyse_decliners"} <= set(header_names(delivery.head, anchor=ANCHOR))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the session's advances and declines; unchanged issues are not counted."""
    names = header_names(delivery.head, anchor=ANCHOR)
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={
            "day_text": ("date",),
            "advances_text": ("nyse_advancers",),
            "declines_text": ("nyse_decliners",),
        },
        known=[name for name in names if name.startswith(KNOWN_PREFIXES)],
        table=MARKET_BREADTH,
    )
    texts = ("advances_text", "declines_text")
    frame = lines.frame.with_columns(
        day("day_text", "%Y-%m-%d", "%m/%d/%Y").alias("session_date"),
        whole_number("advances_text").alias("advances"),
        whole_number("declines_text").alias("declines"),
        pl.lit(None, dtype=pl.Int64()).alias("unchanged"),
        pl.lit("NYSE_CONSTITUENTS").alias("exchange"),
    ).with_columns((pl.col("advances") + pl.col("declines")).alias("issues"))
    is_last = pl.col("session_date") == pl.col("session_date").max()
    usual = pl.col("issues").filter(~is_last).median()
    frame = frame.with_columns(usual.alias("usual_issues"))
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("no_value", pl.any_horizontal(pl.col(texts).is_null()), "a count is blank on {}", ("day_text",)),
        LineRule(
            "bad_number",
            pl.any_horizontal(pl.col("advances", "declines").is_null()),
            "one of advances {}, declines {} is no whole number",
            texts,
        ),
        LineRule("no_value", pl.col("issues") == 0, "no issue is counted on {}", ("day_text",)),
        LineRule(
            "partial_session",
            is_last & (pl.col("issues") < PARTIAL_SHARE * pl.col("usual_issues")),
            "{} issues on the last session, where {} are usual: not complete",
            ("issues", "usual_issues"),
        ),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=MARKET_BREADTH, session="session_date")
    return Reading(
        n_lines=lines.n_lines,
        frames={MARKET_BREADTH.full_name: rows_of(kept, MARKET_BREADTH)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
