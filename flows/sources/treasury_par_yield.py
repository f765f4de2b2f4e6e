"""US Treasury daily par yield curve (home.treasury.gov): one line a day, one column a tenor, newest day first.

`Date,"1 Mo","2 Mo",...,"30 Yr"`, MM/DD/YYYY, percent, bond equivalent. The tenors grow over the years ("4 Mo" from
2022-10-19, later "1.5 Month"); a tenor that was not published that day is blank, which is no row and no fault.
"""

import polars as pl

from flows.sources import ROW_NUMBER, Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    day,
    divide,
    header_names,
    number,
    printed_as_fraction,
    read_lines,
    rows_of,
)
from transforms.schemas import TREASURY_RATE
from transforms.sessions import TradingCalendar

NAME = "treasury_par_yield"
ANCHOR = "date"

# Months x 365/12, rounded.
TENOR_DAYS = {
    "1 mo": 30,
    "1.5 month": 46,
    "2 mo": 61,
    "3 mo": 91,
    "4 mo": 122,
    "6 mo": 182,
    "1 yr": 365,
    "2 yr": 730,
    "3 yr": 1095,
    "5 yr": 1825,
    "7 yr": 2555,
    "10 yr": 3650,
    "20 yr": 7300,
    "30 yr": 10950,
}
SPELLINGS = {tenor: (tenor, "1.5 mo") if tenor == "1.5 month" else (tenor,) for tenor in TENOR_DAYS}
NOT_PUBLISHED = ("N/A", "NA", "n/a")
CELLS_A_LINE = 100


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a date and at least two tenors."""
    names = set(header_names(delivery.head, anchor=ANCHOR))
    return sum(bool(names & set(spellings)) for spellings in SPELLINGS.values()) >= 2


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return one row per published yield, decimal.

    `source_row_number` is the line x 100 plus the tenor's place (from 0, shortest first): one line holds many rows.
    """
    lines = read_lines(
        delivery, anchor=ANCHOR, required={"day_text": ("date",)}, optional=SPELLINGS, table=TREASURY_RATE
    )
    places = {tenor: position for position, tenor in enumerate(TENOR_DAYS)}
    cells = lines.frame.unpivot(
        list(TENOR_DAYS), index=["day_text", ROW_NUMBER], variable_name="tenor", value_name="yield_text"
    ).filter(pl.col("yield_text").is_not_null() & ~pl.col("yield_text").is_in(NOT_PUBLISHED))
    cells = cells.with_columns(
        day("day_text", "%m/%d/%Y", "%m/%d/%y", "%Y-%m-%d").alias("session_date"),
        (number("yield_text") / 100).round(8).alias("par_yield"),
        pl.col("tenor").replace_strict(TENOR_DAYS, return_dtype=pl.Int64()).alias("tenor_days"),
        pl.lit("treasury").alias("rate_kind"),
        pl.col(ROW_NUMBER).alias("line_number"),
        pl.col(ROW_NUMBER) * CELLS_A_LINE + pl.col("tenor").replace_strict(places, return_dtype=pl.Int64()),
    )
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("bad_number", pl.col("par_yield").is_null(), "{} yield {} is no number", ("tenor", "yield_text")),
        LineRule(
            "not_percent",
            printed_as_fraction("yield_text"),
            "{} yield {} has more decimals than percent is printed with: a decimal fraction? Multiply it by 100",
            ("tenor", "yield_text"),
        ),
    ]
    kept, rejected = divide(cells, rules, lines=lines, table=TREASURY_RATE, session="session_date")
    given = [tenor for tenor in TENOR_DAYS if lines.frame[tenor].null_count() < lines.frame.height]
    n_blank = len(given) * lines.frame.height - cells.height
    return Reading(
        n_lines=lines.n_lines,
        frames={TREASURY_RATE.full_name: rows_of(kept, TREASURY_RATE)},
        rejected=pl.concat([lines.unreadable.with_columns(pl.col(ROW_NUMBER) * CELLS_A_LINE), rejected]),
        unknown_columns=lines.unknown_columns,
        notes=(f"{n_blank} cells are blank: no yield of that tenor was published",) if n_blank else (),
    )
