"""A list of FOMC decision days: `date,meeting_end,kind,notes`, ISO dates, kind scheduled or unscheduled.

No time of day is given. A decision between meetings was known to nobody before its day.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import LineRule, day, divide, header_names, read_lines, rows_of
from transforms.schemas import ECONOMIC_EVENT
from transforms.sessions import TradingCalendar

NAME = "fomc_list"
ANCHOR = "meeting_end"
EVENTS = {"scheduled": "fomc_decision", "unscheduled": "fomc_intermeeting"}


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header has this list's columns."""
    return {"date", "meeting_end", "kind"} <= set(header_names(delivery.head, anchor=ANCHOR))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the decision days."""
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={"day_text": ("date",), "end_text": ("meeting_end",), "kind": ("kind",)},
        known=("notes",),
        table=ECONOMIC_EVENT,
    )
    frame = lines.frame.with_columns(
        day("day_text", "%Y-%m-%d").alias("event_date"),
        day("end_text", "%Y-%m-%d").alias("meeting_end"),
        pl.col("kind").replace_strict(EVENTS, default=None, return_dtype=pl.String()).alias("event"),
        pl.lit(None, dtype=pl.Datetime("us")).alias("event_ts"),
        pl.lit("federal_reserve").alias("source"),
    ).with_columns(pl.when(pl.col("event") == "fomc_intermeeting").then(pl.col("event_date")).alias("known_at"))
    rules = [
        LineRule("bad_date", pl.col("event_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("unknown_kind", pl.col("event").is_null(), "kind {} is not scheduled or unscheduled", ("kind",)),
        LineRule(
            "label_mismatch",
            pl.col("event_date") < pl.col("meeting_end"),
            "decision on {}, before the meeting's end {}",
            ("day_text", "end_text"),
        ),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=ECONOMIC_EVENT, session="event_date")
    return Reading(
        n_lines=lines.n_lines,
        frames={ECONOMIC_EVENT.full_name: rows_of(kept, ECONOMIC_EVENT)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
