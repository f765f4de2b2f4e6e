"""13-week Treasury bill rate: `Date,Value`, ISO dates, decimal fraction (not percent), newest day first."""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import LineRule, day, divide, header_names, number, read_lines, rows_of
from transforms.errors import RefusedFile
from transforms.schemas import TREASURY_RATE
from transforms.sessions import TradingCalendar

NAME = "bill_13_week"
TENOR_DAYS = 91
# Bills yielded at most 17 % (May 1981); a higher number is a percentage or another quantity.
HIGHEST_YIELD = 0.30


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header is Date and Value and nothing else."""
    return set(header_names(delivery.head, anchor="date")) == {"date", "value"}


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the bill rates, decimal.

    Raises
    ------
    RefusedFile
        If a value is above 0.30, or the file name does not speak of a bill: two columns called Date and Value may hold
        anything.
    """
    if "bill" not in delivery.name.lower():
        raise RefusedFile(
            f"{delivery.name}: columns Date and Value do not say what they hold; if it is the 13-week bill rate as a "
            "decimal fraction, rename the file to tbill13week.csv"
        )
    lines = read_lines(
        delivery,
        anchor="date",
        required={"day_text": ("date",), "value_text": ("value",)},
        table=TREASURY_RATE,
    )
    frame = lines.frame.with_columns(
        day("day_text", "%Y-%m-%d", "%m/%d/%Y").alias("session_date"), number("value_text").alias("par_yield")
    )
    n_high = frame.filter(pl.col("par_yield") > HIGHEST_YIELD).height
    if n_high:
        raise RefusedFile(
            f"{delivery.name}: {n_high} of {frame.height} values are above {HIGHEST_YIELD}; a bill rate is "
            "expected as a decimal fraction (0.0525), so divide percentages by 100"
        )
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("no_value", pl.col("value_text").is_null(), "no value on {}", ("day_text",)),
        LineRule("bad_number", pl.col("par_yield").is_null(), "value {} is no number", ("value_text",)),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=TREASURY_RATE, session="session_date")
    described = kept.with_columns(pl.lit(TENOR_DAYS).alias("tenor_days"), pl.lit("bill_13_week").alias("rate_kind"))
    return Reading(
        n_lines=lines.n_lines,
        frames={TREASURY_RATE.full_name: rows_of(described, TREASURY_RATE)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
