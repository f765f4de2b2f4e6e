"""Yahoo Finance option chains as yfinance saves them: one line an option, all expirations.

The file prints neither the index nor the time of the download. The session is that of the newest trade in the file
(`lastTradeDate`, UTC). A newest trade between the index close and the evening session makes the quotes those of the
close; one during the session makes them intraday at that moment, one in overnight hours `non_regular`. An
`impliedVolatility` of 1e-05 is Yahoo's sign for none.

Nor does it print the time of a quote, and Yahoo leaves the quotes of series that nobody trades any more as they were
months ago. A series that has not traded for `DORMANT_DAYS` is therefore not read as quoted in the session.
"""

from datetime import datetime

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import FIRST_YEAR, LAST_YEAR, LineRule, Lines, divide, header_names, number, read_lines
from flows.sources.option_symbols import quote_rows
from transforms.errors import DataError, RefusedFile
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import (
    NEW_YORK,
    OVERNIGHT_START,
    UTC,
    Snapshot,
    TradingCalendar,
    index_close,
    option_close,
    snapshot_of_stamp,
)

NAME = "yahoo_chain"

# Column of the frame: name in the file.
REQUIRED = {
    "symbol": ("contractsymbol",),
    "traded": ("lasttradedate",),
    "strike": ("strike",),
    "option_type": ("option_type",),
    "expiration": ("expiration",),
    "bid": ("bid",),
    "ask": ("ask",),
}
OPTIONAL = {
    "last": ("lastprice",),
    "volume": ("volume",),
    "open_interest": ("openinterest",),
    "vendor_implied_vol": ("impliedvolatility",),
}
KNOWN = ("change", "percentchange", "inthemoney", "contractsize", "currency")
NO_IMPLIED_VOL = 1.5e-5
# Calendar days since the last trade. In the chain of 2026-01-30 quotes of series that traded up to 45 days before lie
# as near the smile as the day's own; of 60 to 90 days 37 % are off by three half-spreads, beyond 90 days 95 %. Up to 30
# days no two quotes contradict each other, with all of them 1,100 do.
DORMANT_DAYS = 30


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header has Yahoo's names."""
    return {"lasttradedate", "impliedvolatility"} <= set(header_names(delivery.head, anchor="contractsymbol"))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read the lines; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If a column is missing, no trade has a date, or no line quotes SPX or VIX options.
    """
    lines = read_lines(
        delivery, anchor="contractsymbol", required=REQUIRED, optional=OPTIONAL, known=KNOWN, table=OPTION_QUOTE
    )
    newest = _newest_trade(delivery.name, lines)
    try:
        snapshot = _snapshot(newest, calendar=calendar)
    except DataError as error:
        raise RefusedFile(f"{delivery.name}: the newest trade, {newest} UTC, has no session ({error})") from error
    vol = number("vendor_implied_vol")
    options = lines.frame.with_columns(
        pl.lit(snapshot.session_date).alias("session_date"),
        pl.lit(snapshot.quote_ts, dtype=pl.Datetime("us")).alias("quote_ts"),
        pl.lit(snapshot.kind).alias("snapshot_kind"),
        pl.when((vol >= NO_IMPLIED_VOL) | vol.is_null()).then("vendor_implied_vol").alias("vendor_implied_vol"),
    )
    live, dormant = divide(options, [_dormant()], lines=lines, table=OPTION_QUOTE, session="session_date")
    frame, rejected = quote_rows(
        live, lines=lines, file_name=delivery.name, expiration_formats=("%Y-%m-%d", "%m/%d/%Y")
    )
    unreadable = lines.unreadable.with_columns(pl.lit(snapshot.session_date).alias("session_date"))
    return Reading(
        n_lines=lines.n_lines,
        frames={OPTION_QUOTE.full_name: frame},
        rejected=pl.concat([rejected, dormant, unreadable]),
        unknown_columns=lines.unknown_columns,
        notes=(
            f"No time of download is printed: the session {snapshot.session_date} is that of the newest trade "
            f"({newest} UTC). No index level is printed: spot is null.",
        ),
    )


def _traded() -> pl.Expr:
    """Return `lastTradeDate`, UTC and naive; null where it is none."""
    text = pl.col("traded").str.slice(0, 19).str.replace("T", " ", literal=True)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)


def _dormant() -> LineRule:
    days = (pl.col("session_date") - _traded().dt.date()).dt.total_days()
    return LineRule(
        "dormant_series",
        (days > DORMANT_DAYS).fill_null(True),
        f"last traded {{}}, more than {DORMANT_DAYS} days before the session {{}}: the quote is probably as old",
        ("traded", "session_date"),
    )


def _newest_trade(name: str, lines: Lines) -> datetime:
    """Return the newest `lastTradeDate`, UTC and naive."""
    traded = _traded()
    newest = lines.frame.select(traded.filter(traded.dt.year().is_between(FIRST_YEAR, LAST_YEAR)).max()).item()
    if not isinstance(newest, datetime):
        raise RefusedFile(
            f"{name}: none of {lines.n_lines} lines has a lastTradeDate, so the session of the quotes is unknown; "
            "download the chain again"
        )
    return newest


def _snapshot(newest: datetime, *, calendar: TradingCalendar) -> Snapshot:
    """Return the session of the newest trade, and whether the quotes beside it are those of its close."""
    wall = newest.replace(tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None)
    day = wall.date()
    if calendar.is_session(day) and index_close(day, calendar=calendar) <= wall.time() < OVERNIGHT_START:
        return Snapshot(day, option_close(day, calendar=calendar), "close")
    return snapshot_of_stamp(wall, calendar=calendar)
