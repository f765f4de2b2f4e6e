"""Calendar of macroeconomic events: `date,event,detail,ref_period,time_et,source`, ISO dates, New York times.

Only releases and FOMC events are rows of ours (`n_rows`); expirations, elections and conferences are counted in
`n_lines` and named in a note: transforms/sessions.py computes expirations, and the file's own ignore holidays. A line
whose event is no code is rejected: its fields may be out of place. Known defect: January releases that close a yearly
schedule are filed under that schedule's year, a year early (2000-01-05 "December 2000", and 19 more up to 2007-01-16);
the month they report on betrays them.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    day,
    divide,
    given_but_unread,
    header_names,
    names_another,
    read_lines,
    rows_of,
)
from transforms.schemas import ECONOMIC_EVENT
from transforms.sessions import TradingCalendar

NAME = "macro_events"
ANCHOR = "event"
EVENTS = ("cpi", "ppi", "nfp", "fomc_decision", "fomc_intermeeting", "fomc_minutes")
# Releases follow the month they report on by one or two months, and by three after a government shutdown.
MOST_MONTHS_LATE = 4


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header has this calendar's columns."""
    return {"date", "event", "ref_period", "time_et"} <= set(header_names(delivery.head, anchor=ANCHOR))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the releases and FOMC events; when a date became known is not given, except for intermeeting moves."""
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={
            "day_text": ("date",),
            "event": ("event",),
            "period_text": ("ref_period",),
            "time_text": ("time_et",),
            "publisher": ("source",),
        },
        known=("detail",),
        table=ECONOMIC_EVENT,
    )
    another = names_another("event", than=[event.upper() for event in EVENTS])
    others = lines.frame.filter(another)
    frame = lines.frame.filter(~another).with_columns(
        pl.col("event").str.to_lowercase(),
        day("day_text", "%Y-%m-%d").alias("event_date"),
        pl.col("time_text").str.to_time("%H:%M", strict=False).alias("clock"),
        pl.concat_str(pl.lit("1 "), "period_text").str.to_date("%d %B %Y", strict=False).alias("period"),
        pl.col("publisher").fill_null("not named").alias("source"),
    )
    frame = frame.with_columns(
        pl.when(pl.col("event") == "fomc_intermeeting").then(pl.col("event_date")).alias("known_at"),
        (
            (pl.col("event_date").dt.year() - pl.col("period").dt.year()) * 12
            + pl.col("event_date").dt.month()
            - pl.col("period").dt.month()
        ).alias("months_late"),
    )
    kept, rejected = divide(frame, _rules(), lines=lines, table=ECONOMIC_EVENT, session="event_date")
    notes = []
    if others.height:
        names = others["event"].unique().sort()
        notes.append(f"{others.height} lines of other events kept out ({', '.join(names)})")
    return Reading(
        n_lines=lines.n_lines,
        frames={ECONOMIC_EVENT.full_name: rows_of(_with_instants(kept), ECONOMIC_EVENT)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
        notes=tuple(notes),
    )


def _rules() -> list[LineRule]:
    return [
        LineRule("unknown_kind", ~pl.col("event").is_in(EVENTS).fill_null(False), "{} is no event's code", ("event",)),
        LineRule("bad_date", pl.col("event_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("bad_time", given_but_unread("time_text", "clock"), "time {} is no time", ("time_text",)),
        LineRule(
            "ref_period_mismatch",
            given_but_unread("period_text", "period") | ~pl.col("months_late").is_between(0, MOST_MONTHS_LATE),
            "a release of {} on {} cannot report on {}",
            ("event", "day_text", "period_text"),
        ),
    ]


def _with_instants(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with `event_ts`, the UTC instant of the New York wall time; null where no time is given."""
    wall = pl.col("event_date").dt.combine(pl.col("clock"))
    return frame.with_columns(
        wall.dt.replace_time_zone("America/New_York", ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None)
        .alias("event_ts")
    )
