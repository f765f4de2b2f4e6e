"""What the two layouts of CFE's per-contract VX files share: the same columns, and the same conventions for "none".

A price of 0 means none. On a session without trades the vendors print the closing ask and bid in High and Low (and 0 in
Open and Close), so no traded price is taken from it. A Settle of 0 means that none was printed: the close stands in for
it on a session with trades, and the line is refused otherwise. On the expiration day Settle is the final settlement
value, to which VX and the VIX options of that day settle alike.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from flows.sources import ROW_NUMBER, Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    Lines,
    day,
    divide,
    given_but_unread,
    number,
    read_lines,
    rows_of,
    whole_number,
)
from transforms.errors import RefusedFile
from transforms.schemas import FUTURES_SETTLEMENT, SETTLEMENT_VALUE
from transforms.sessions import TradingCalendar, vix_monthly_expiration
from transforms.spikes import is_spike

ANCHOR = "trade date"
HEADER = ("trade date", "futures", "open", "high", "low", "close", "settle", "total volume", "open interest")

MONTH_CODES = "FGHJKMNQUVXZ"
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# CFE divided the VX price scale by ten on this day.
FIRST_SESSION_IN_POINTS = date(2007, 3, 26)
# VX has traded since 2004; sessions are known to 2035, and a December's expiration depends on the January after it.
LISTED_YEARS = range(2004, 2035)

# Bounds of the median settlement of a file: what tells another price scale. Single settlements have been 9 to 83.
PLAUSIBLE_MEDIAN = (7.0, 90.0)

# The schema's bound of a settlement.
HIGHEST_SETTLE = 250.0

SETTLED_ROOTS = ("VX", "VIX", "VIXW")

_PRICES = ("open", "high", "low", "close", "settle")
_COUNTS = ("volume", "open_interest")


def monthly_expiration(month: date, *, calendar: TradingCalendar) -> date:
    """Return the expiration of the monthly VX contract of the month in which `month` lies."""
    return vix_monthly_expiration(month.year, month.month, calendar=calendar)


def labelled_month(label: str) -> date | None:
    """Return the first day of the month a label names ("F (Jan 2022)", "F (Jan 14)"); None if it is no label.

    The month code must be that of the month's name; two digits of a year mean 20xx.
    """
    code, _, rest = label.strip().partition(" ")
    inside = rest.strip().removeprefix("(").removesuffix(")").split()
    if len(inside) != 2 or inside[0] not in MONTH_NAMES or not inside[1].isdigit():
        return None
    month = MONTH_NAMES.index(inside[0]) + 1
    year = int(inside[1]) + (2000 if len(inside[1]) == 2 else 0)
    return date(year, month, 1) if code == MONTH_CODES[month - 1] and year in LISTED_YEARS else None


def read_contract_lines(delivery: Delivery) -> Lines:
    """Return the lines of a per-contract file: the trade date and numbers as text, and the label.

    Raises
    ------
    RefusedFile
        If a column is missing or the file holds no data lines.
    """
    return read_lines(
        delivery,
        anchor=ANCHOR,
        required={
            "day_text": ("trade date",),
            "label": ("futures",),
            **{f"{price}_text": (price,) for price in _PRICES},
            "volume_text": ("total volume",),
            "open_interest_text": ("open interest",),
        },
        known=("change", "efp"),
        table=FUTURES_SETTLEMENT,
    )


def labels_of(lines: Lines) -> dict[str, date | None]:
    """Return the labels that occur in the file, in their order, with the month each names."""
    labels = lines.frame["label"].drop_nulls().unique(maintain_order=True)
    return {label: labelled_month(label) for label in labels}


def require_price_scale(name: str, settles: pl.Series) -> None:
    """Refuse a file whose settlements are, in the middle, no level of volatility.

    Raises
    ------
    RefusedFile
        If the median of the positive ones is outside 7 to 90 points.
    """
    given = settles.filter(settles > 0)
    low, high = PLAUSIBLE_MEDIAN
    middle = given.median()
    if isinstance(middle, float) and not low <= middle <= high:
        raise RefusedFile(
            f"{name}: the median of {given.len()} settlements is {middle:g}, outside the {low:g} to {high:g} of a VX "
            "future: the file is on another price scale (ten times the points?); download it again"
        )


def contract_reading(
    name: str,
    lines: Lines,
    expirations: Mapping[str, date],
    *,
    day_format: str,
    tenfold_before: date | None,
    calendar: TradingCalendar,
) -> Reading:
    """Return futures settlements, and settlement values of the expirations the lines reach.

    Parameters
    ----------
    expirations
        Label to the expiration its lines belong to; a line of another label is refused (`label_mismatch`).
    day_format
        Format of the trade date.
    tenfold_before
        Session before which prices are ten times the index points; None if none are.

    Raises
    ------
    RefusedFile
        If the settlements of the file `name` are on another price scale.
    """
    parsed = _parsed(lines.frame, expirations, day_format=day_format, tenfold_before=tenfold_before)
    require_price_scale(name, parsed["settle"])
    kept, rejected = divide(
        parsed, _rules(), lines=lines, table=FUTURES_SETTLEMENT, session="session_date"
    )  # fmt: skip
    monthly = {
        expiration: expiration == monthly_expiration(expiration, calendar=calendar)
        for expiration in sorted(set(expirations.values()))
    }
    stands_in = pl.col("settle").is_null()
    kept = kept.with_columns(
        pl.lit("VX").alias("root"),
        pl.col("expiration").replace_strict(monthly, default=False, return_dtype=pl.Boolean()).alias("is_monthly"),
        pl.coalesce("settle", "close").alias("settle"),
        pl.when(stands_in).then(pl.lit("close")).otherwise(pl.lit("settle")).alias("settle_source"),
    )
    frames = {FUTURES_SETTLEMENT.full_name: rows_of(kept, FUTURES_SETTLEMENT)}
    settled = kept.filter((pl.col("session_date") == pl.col("expiration")) & (pl.col("settle_source") == "settle"))
    if settled.height:
        frames[SETTLEMENT_VALUE.full_name] = _settlement_values(settled)
    return Reading(
        n_lines=lines.n_lines,
        frames=frames,
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
        notes=_notes(kept, monthly),
    )


def _parsed(
    frame: pl.DataFrame, expirations: Mapping[str, date], *, day_format: str, tenfold_before: date | None
) -> pl.DataFrame:
    frame = frame.with_columns(
        day("day_text", day_format).alias("session_date"),
        pl.col("label").replace_strict(dict(expirations), default=None, return_dtype=pl.Date()).alias("expiration"),
        *(number(f"{price}_text").alias(price) for price in _PRICES),
        *(whole_number(f"{count}_text").alias(count) for count in _COUNTS),
    )
    unread = pl.any_horizontal(given_but_unread(f"{name}_text", name) for name in (*_PRICES, *_COUNTS))
    untraded = pl.col("volume") == 0
    scale = pl.lit(1.0)
    if tenfold_before is not None:
        scale = pl.when(pl.col("session_date") < tenfold_before).then(10.0).otherwise(1.0)
    return frame.with_columns(
        unread.alias("has_unread_number"),
        *(
            pl.when((pl.col(price) != 0) & (pl.lit(price == "settle") | untraded.not_().fill_null(True)))
            .then((pl.col(price) / scale).round(4))
            .alias(price)
            for price in _PRICES
        ),
    )


def _rules() -> list[LineRule]:
    traded = (pl.col("volume") > 0) & (pl.col("close") > 0)
    return [
        LineRule("bad_date", pl.col("session_date").is_null(), "trade date {} is no date", ("day_text",)),
        LineRule(
            "bad_number",
            pl.col("has_unread_number"),
            "one of open {}, high {}, low {}, close {}, settle {}, volume {}, open interest {} is no number",
            tuple(f"{name}_text" for name in (*_PRICES, *_COUNTS)),
        ),
        LineRule(
            "label_mismatch",
            pl.col("expiration").is_null(),
            "label {} is not that of the file's contract",
            ("label",),
        ),
        LineRule(
            "label_mismatch",
            pl.col("session_date") > pl.col("expiration"),
            "trade date {} is after the expiration {}",
            ("day_text", "expiration"),
        ),
        LineRule(
            "spike",
            is_spike("settle", session="session_date", ceiling=HIGHEST_SETTLE, series="expiration"),
            "settle {} is more than five times, or less than a fifth of, the sessions before",
            ("settle_text",),
        ),
        LineRule(
            "no_value",
            pl.col("settle").is_null() & traded.fill_null(False).not_(),
            "settle {} and no traded close (close {}, volume {})",
            ("settle_text", "close_text", "volume_text"),
        ),
    ]


def _settlement_values(settled: pl.DataFrame) -> pl.DataFrame:
    """Return one row per root that settles to the value: VX, VIXW, and VIX where the expiration is monthly.

    `source_row_number` is the line x 4 plus the root's place in VX, VIX, VIXW: one line holds several rows.
    """
    places = pl.DataFrame({"root": SETTLED_ROOTS, "place": range(len(SETTLED_ROOTS))})
    values = settled.drop("root").join(places, how="cross").filter(pl.col("is_monthly") | (pl.col("root") != "VIX"))
    return rows_of(
        values.with_columns(
            pl.col("settle").alias("value"),
            pl.lit("vx_file").alias("source"),
            pl.lit(True).alias("exact"),
            pl.col(ROW_NUMBER) * 4 + pl.col("place"),
        ),
        SETTLEMENT_VALUE,
    )


def _notes(kept: pl.DataFrame, monthly: Mapping[date, bool]) -> tuple[str, ...]:
    notes = [
        f"the contract expires {expiration} ({'monthly' if is_monthly else 'weekly'})"
        for expiration, is_monthly in monthly.items()
    ]
    if n_untraded := int((kept["volume"] == 0).sum()):
        notes.append(f"{n_untraded} sessions without trades: their open, high, low and close are null")
    if n_closes := int((kept["settle_source"] == "close").sum()):
        notes.append(f"{n_closes} sessions print no settlement: the close stands in for it")
    return tuple(notes)
