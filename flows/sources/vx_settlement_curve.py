"""VX settlement curve of one session: every listed contract with its settlement.

`expiration_date,symbol,settlement`, or CFE's own `Product,Symbol,Expiration Date,Price` (only its VX lines are rows of
ours). Monthlies are `VX/Q6` (month code, last digit of the year), weeklies `VX30/N6` (week of the year). No trade date
inside: the session is the date in the file name, moved back to a session and to the first expiration listed, because a
contract that has expired is no longer settled.
"""

import re
from datetime import date

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    Lines,
    day,
    divide,
    header_names,
    names_another,
    number,
    read_lines,
    rows_of,
)
from flows.sources.vx_contract import LISTED_YEARS, MONTH_CODES, monthly_expiration, require_price_scale
from transforms.errors import RefusedFile
from transforms.schemas import FUTURES_SETTLEMENT
from transforms.sessions import TradingCalendar

NAME = "vx_settlement_curve"
ANCHOR = "symbol"

_NAMED_DAY = re.compile(r"(?<!\d)(20\d{2})[-_]?(\d{2})[-_]?(\d{2})(?!\d)")
_SYMBOL = r"^VX(\d{0,2})/([FGHJKMNQUVXZ])(\d)$"


def recognizes(delivery: Delivery) -> bool:
    """Return whether the content has one of the two headers."""
    names = set(header_names(delivery.head, anchor=ANCHOR))
    return {"expiration_date", "settlement"} <= names or {"product", "expiration date", "price"} <= names


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the settlements of the listed contracts; volume and open interest are not given.

    Raises
    ------
    RefusedFile
        If the file name holds no date, or the file no VX expiration, or the settlements are on another price scale.
    """
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={
            "expiration_text": ("expiration_date", "expiration date"),
            "symbol": ("symbol",),
            "settle_text": ("settlement", "price"),
        },
        optional={"product": ("product",)},
        table=FUTURES_SETTLEMENT,
    )
    named = _named_day(delivery.name)
    if named is None:
        raise RefusedFile(
            f"{delivery.name}: a settlement curve has no trade date inside; "
            "rename the file to settlement_YYYY-MM-DD.csv with the session it settles"
        )
    frame = lines.frame.filter(~names_another("product", than=["VX"])).with_columns(
        day("expiration_text", "%Y-%m-%d", "%m/%d/%Y").alias("expiration"),
        number("settle_text").alias("settle"),
    )
    listed = pl.col("expiration").dt.year().is_between(LISTED_YEARS[0], LISTED_YEARS[-1])
    frame = frame.with_columns(pl.when(listed).then(pl.col("expiration")).alias("expiration"))
    first = frame["expiration"].min()
    if not isinstance(first, date):
        unread = lines.unreadable["reason"].head(1).to_list()
        why = f" ({lines.unreadable.height} cannot be read; the first: {unread[0]})" if unread else ""
        raise RefusedFile(f"{delivery.name}: none of {lines.n_lines} lines is a VX contract with an expiration{why}")
    require_price_scale(delivery.name, frame["settle"])
    session = calendar.on_or_before(min(named, first))
    frame = _described(frame, session=session, calendar=calendar)
    kept, rejected = divide(frame, _rules(), lines=lines, table=FUTURES_SETTLEMENT, session="session_date")
    return Reading(
        n_lines=lines.n_lines,
        frames={FUTURES_SETTLEMENT.full_name: rows_of(kept, FUTURES_SETTLEMENT)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
        notes=_notes(lines, n_ours=frame.height, named=named, session=session),
    )


def _named_day(name: str) -> date | None:
    for found in _NAMED_DAY.finditer(name):
        try:
            return date(*(int(part) for part in found.groups()))
        except ValueError:
            continue
    return None


def _described(frame: pl.DataFrame, *, session: date, calendar: TradingCalendar) -> pl.DataFrame:
    """Return `frame` with the columns of core.futures_settlement and what the symbol says of the contract."""
    months = {
        expiration: expiration == monthly_expiration(expiration, calendar=calendar)
        for expiration in frame["expiration"].drop_nulls().unique().sort()
    }
    parts = pl.col("symbol").str.to_uppercase().str.extract_groups(_SYMBOL)
    codes = {code: position + 1 for position, code in enumerate(MONTH_CODES)}
    return frame.with_columns(
        pl.lit(session).alias("session_date"),
        pl.lit("VX").alias("root"),
        pl.col("expiration").replace_strict(months, default=None, return_dtype=pl.Boolean()).alias("is_monthly"),
        (parts.struct.field("1") == "").alias("named_monthly"),
        parts.struct.field("2").replace_strict(codes, default=None, return_dtype=pl.Int8()).alias("named_month"),
        parts.struct.field("3").cast(pl.Int32(), strict=False).alias("named_year"),
        pl.lit("curve").alias("settle_source"),
        *(pl.lit(None, dtype=pl.Float64()).alias(price) for price in ("open", "high", "low", "close")),
        *(pl.lit(None, dtype=pl.Int64()).alias(count) for count in ("volume", "open_interest")),
    )


def _rules() -> list[LineRule]:
    expiration = pl.col("expiration")
    contradicts = (
        (pl.col("named_monthly") != pl.col("is_monthly"))
        | (pl.col("named_month") != expiration.dt.month())
        | (pl.col("named_year") != expiration.dt.year() % 10)
    )
    return [
        LineRule("bad_date", expiration.is_null(), "expiration {} is no listed date", ("expiration_text",)),
        LineRule(
            "no_value", pl.col("settle_text").is_null() | (pl.col("settle") == 0), "no settlement of {}", ("symbol",)
        ),
        LineRule("bad_number", pl.col("settle").is_null(), "settlement {} is no number", ("settle_text",)),
        LineRule("bad_symbol", pl.col("named_month").is_null(), "{} is no VX contract", ("symbol",)),
        LineRule(
            "bad_symbol",
            pl.col("product").str.to_uppercase() != "VX",
            "product {} of {} is that of no product",
            ("product", "symbol"),
        ),
        LineRule(
            "label_mismatch",
            contradicts,
            "symbol {} is not that of the contract that expires {}",
            ("symbol", "expiration_text"),
        ),
    ]


def _notes(lines: Lines, *, n_ours: int, named: date, session: date) -> tuple[str, ...]:
    notes = []
    if session != named:
        notes.append(f"the file name says {named}; the settlements are those of {session}")
    if others := lines.frame.height - n_ours:
        notes.append(f"{others} lines of other products kept out")
    return tuple(notes)
