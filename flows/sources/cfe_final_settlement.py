"""CFE final settlement archive: the values to which every CFE future settled, 2004 to 2013.

`Symbol,SettlementMonth,SettlementYear,ProductType,SettlementDate,SettlementPrice,ProductDescription`. The file holds
some fifteen products; only VX lines are rows of ours (`n_rows`), the others are counted in `n_lines` and named in a
note. A line whose symbol can be no product's may be a VX line out of place, and is rejected. Known defects:
SettlementDate is blank on every VX line, so the month's rule gives the expiration; prices of the months before April
2007 are ten times the index points.
"""

from datetime import date, timedelta

import polars as pl

from flows.sources import ROW_NUMBER, Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    day,
    divide,
    given_but_unread,
    header_names,
    names_another,
    number,
    read_lines,
    rows_of,
    whole_number,
)
from flows.sources.vx_contract import LISTED_YEARS, PLAUSIBLE_MEDIAN, monthly_expiration
from transforms.schemas import SETTLEMENT_VALUE
from transforms.sessions import TradingCalendar

NAME = "cfe_final_settlement"
ANCHOR = "settlementmonth"

FIRST_MONTH_IN_POINTS = date(2007, 4, 1)
# The lowest value on the old scale is 99.54 (February 2007); no VX had settled above 20 points before April 2007.
LOWEST_TENFOLD = 50.0
WEEK = timedelta(days=7)
SETTLED_ROOTS = ("VX", "VIX")
ROWS_A_LINE = 4


def recognizes(delivery: Delivery) -> bool:
    """Return whether the content has the archive's columns."""
    names = header_names(delivery.head, anchor=ANCHOR)
    return {"symbol", "settlementyear"} <= set(names)


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the values to which VX futures settled, and the VIX options of the same day with them.

    `source_row_number` is the line x 4 plus the root's place in VX, VIX: one line holds two rows, one if it is refused.
    """
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={
            "symbol": ("symbol",),
            "month_text": ("settlementmonth",),
            "year_text": ("settlementyear",),
            "value_text": ("settlementprice",),
        },
        optional={"type": ("producttype",), "day_text": ("settlementdate",)},
        known=("productdescription",),
        table=SETTLEMENT_VALUE,
    )
    another = names_another("symbol", than=["VX"])
    others = lines.frame.filter(another)
    frame = lines.frame.filter(~another).with_columns(
        whole_number("month_text").alias("month"),
        whole_number("year_text").alias("year"),
        number("value_text").alias("printed"),
        day("day_text", "%m/%d/%Y", "%Y-%m-%d").alias("printed_day"),
        pl.col(ROW_NUMBER).alias("line_number"),
        pl.col(ROW_NUMBER) * ROWS_A_LINE,
    )
    frame = _with_expiration(frame, calendar=calendar)
    tenfold = (pl.col("expiration") < FIRST_MONTH_IN_POINTS) & (pl.col("printed") > LOWEST_TENFOLD)
    frame = frame.with_columns((pl.col("printed") / pl.when(tenfold).then(10.0).otherwise(1.0)).round(4).alias("value"))
    kept, rejected = divide(frame, _rules(), lines=lines, table=SETTLEMENT_VALUE, session="expiration")
    roots = pl.DataFrame({"root": SETTLED_ROOTS, "place": range(len(SETTLED_ROOTS))})
    values = kept.join(roots, how="cross").with_columns(
        pl.lit("archive").alias("source"),
        pl.lit(True).alias("exact"),
        pl.col(ROW_NUMBER) + pl.col("place"),
    )
    notes = []
    if others.height:
        symbols = others["symbol"].drop_nulls().unique().sort()
        notes.append(f"{others.height} lines of other products kept out ({', '.join(symbols)})")
    return Reading(
        n_lines=lines.n_lines,
        frames={SETTLEMENT_VALUE.full_name: rows_of(values, SETTLEMENT_VALUE)},
        rejected=pl.concat([lines.unreadable.with_columns(pl.col(ROW_NUMBER) * ROWS_A_LINE), rejected]),
        unknown_columns=lines.unknown_columns,
        notes=tuple(notes),
    )


def _with_expiration(frame: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return `frame` with the month's expiration; null where month and year name none."""
    first = pl.date("year", "month", 1)
    named = pl.col("month").is_between(1, 12) & pl.col("year").is_between(LISTED_YEARS[0], LISTED_YEARS[-1])
    frame = frame.with_columns(pl.when(named).then(first).alias("first"))
    months = frame["first"].drop_nulls().unique().sort().to_list()
    expirations = {month: monthly_expiration(month, calendar=calendar) for month in months}
    return frame.with_columns(
        pl.col("first").replace_strict(expirations, default=None, return_dtype=pl.Date()).alias("expiration")
    )


def _rules() -> list[LineRule]:
    weekly = pl.col("type").str.to_lowercase() != "standard"
    apart = (pl.col("printed_day") - pl.col("expiration")).abs() > WEEK
    return [
        LineRule(
            "bad_symbol",
            pl.col("symbol").str.to_uppercase().ne_missing("VX"),
            "symbol {} is that of no product",
            ("symbol",),
        ),
        LineRule("no_value", pl.col("value_text").is_null(), "no settlement price"),
        LineRule(
            "bad_number",
            pl.col("printed").is_null() | (pl.col("printed") <= 0),
            "settlement price {} is no positive number",
            ("value_text",),
        ),
        LineRule(
            "bad_date",
            pl.col("expiration").is_null() | given_but_unread("day_text", "printed_day"),
            "settlement month {}, year {}, date {} name no expiration",
            ("month_text", "year_text", "day_text"),
        ),
        LineRule(
            "implausible_value",
            pl.col("value") > PLAUSIBLE_MEDIAN[1],
            f"settlement price {{}} is above {PLAUSIBLE_MEDIAN[1]:g} points: another price scale, or no VX",
            ("value_text",),
        ),
        LineRule("label_mismatch", weekly, "product type {} is not that of the monthly contract", ("type",)),
        LineRule(
            "label_mismatch",
            apart,
            "settlement date {} is more than a week from the month's expiration {}",
            ("day_text", "expiration"),
        ),
    ]
