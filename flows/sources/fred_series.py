"""A FRED series: `observation_date,VIXCLS`, older `DATE,VIXCLS`, or re-saved `date,dgs2`, `date,dff`.

ISO dates, percent (rates) or points (indices); blank or "." where a holiday has no value. DFF is printed for calendar
days, weekends included. One series a file.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    Lines,
    day,
    divide,
    header_names,
    number,
    printed_as_fraction,
    read_lines,
    rows_of,
)
from transforms.errors import RefusedFile
from transforms.schemas import INDEX_LEVEL, TREASURY_RATE
from transforms.sessions import TradingCalendar
from transforms.spikes import is_spike
from transforms.table_schema import Table

NAME = "fred_series"

INDEX_SYMBOLS = {"vixcls": "VIX", "vxvcls": "VIX3M", "sp500": "SPX"}
RATE_TENORS = {
    "dff": 1,
    "dgs1mo": 30,
    "dgs3mo": 91,
    "dgs6mo": 182,
    "dgs1": 365,
    "dgs2": 730,
    "dgs3": 1095,
    "dgs5": 1825,
    "dgs7": 2555,
    "dgs10": 3650,
    "dgs20": 7300,
    "dgs30": 10950,
}
DAY_NAMES = ("observation_date", "date")
# Above any index that FRED prints here; SP500 is the largest.
HIGHEST_LEVEL = 100_000.0


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a date and a series this source knows."""
    return bool(_series(_header(delivery)))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the series as index closes (points) or as rates (decimal).

    Raises
    ------
    RefusedFile
        If the file holds several series.
    """
    names = _header(delivery)
    series = _series(names)
    if len(series) != 1:
        raise RefusedFile(
            f"{delivery.name}: {len(series)} series in one file ({', '.join(series)}); download one file a series"
        )
    name = series[0]
    table = INDEX_LEVEL if name in INDEX_SYMBOLS else TREASURY_RATE
    lines = read_lines(
        delivery,
        anchor=next(column for column in DAY_NAMES if column in names),
        required={"day_text": DAY_NAMES, "value_text": (name,)},
        table=table,
    )
    frame = lines.frame.with_columns(
        day("day_text", "%Y-%m-%d", "%m/%d/%Y").alias("session_date"),
        pl.when(pl.col("value_text") != ".").then(pl.col("value_text")).alias("value_text"),
    ).with_columns(number("value_text").alias("value"))
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("no_value", pl.col("value_text").is_null(), "no value on {}", ("day_text",)),
        LineRule("bad_number", pl.col("value").is_null(), "value {} is no number", ("value_text",)),
    ]
    if table is INDEX_LEVEL:
        rules.append(
            LineRule(
                "spike",
                is_spike("value", session="session_date", ceiling=HIGHEST_LEVEL),
                "value {} is more than five times, or less than a fifth of, the sessions before",
                ("value_text",),
            )
        )
    else:
        rules.append(
            LineRule(
                "not_percent",
                printed_as_fraction("value_text"),
                "value {} has more decimals than percent is printed with: a decimal fraction? Multiply it by 100",
                ("value_text",),
            )
        )
    kept, rejected = divide(frame, rules, lines=lines, table=table, session="session_date")
    return _reading(lines, kept, rejected, name=name, table=table)


def _header(delivery: Delivery) -> tuple[str, ...]:
    found = (header_names(delivery.head, anchor=column) for column in DAY_NAMES)
    return next((names for names in found if names), ())


def _series(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in INDEX_SYMBOLS or name in RATE_TENORS]


def _reading(lines: Lines, kept: pl.DataFrame, rejected: pl.DataFrame, *, name: str, table: Table) -> Reading:
    if table is INDEX_LEVEL:
        described = kept.with_columns(
            pl.lit(INDEX_SYMBOLS[name]).alias("symbol"),
            *(pl.lit(None, dtype=pl.Float64()).alias(price) for price in ("open", "high", "low")),
            pl.col("value").alias("close"),
        )
    else:
        described = kept.with_columns(
            pl.lit(RATE_TENORS[name]).alias("tenor_days"),
            (pl.col("value") / 100).round(8).alias("par_yield"),
            pl.lit("fed_funds" if name == "dff" else "treasury").alias("rate_kind"),
        )
    return Reading(
        n_lines=lines.n_lines,
        frames={table.full_name: rows_of(described, table)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
