"""Cboe DataShop "Option EOD Summary" (formerly Livevol): one line an option, two snapshots a line.

The `_1545` columns are quotes of 15:45 New York (12:45 on half days), the `_eod` columns those of the option close. A
file with both gives two rows a line, kinds `eod_1545` and `close`; `source_row_number` is twice the line's number, and
one more for the close. An older variant (quoted header, `1/4/2016 0:00:00`, lower-case c and p) has no `_eod` columns
and gives the 15:45 rows only. Files come with calculated vols and Greeks or without.

`close` and `trade_volume` are of the whole day: they stand in the rows of the close only, since at 15:45 they lie
ahead. The index is the mean of its bid and ask (equal for an index), null where one is 0. Options that expire on the
day itself are quoted 0/0 after their opening settlement.
"""

from datetime import date, datetime, time

import polars as pl

from flows.sources import ROW_NUMBER, Delivery, Reading
from flows.sources.delimited import Lines, day, header_names, number, read_lines
from flows.sources.option_symbols import LINE_NUMBER, quote_rows, stamped
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import TradingCalendar, option_close, to_utc

NAME = "datashop_eod"

EARLY_SNAPSHOT = time(15, 45)
EARLY_SNAPSHOT_HALF_DAY = time(12, 45)
CONTRACT = {
    "underlying_symbol": ("underlying_symbol",),
    "quote_date": ("quote_date",),
    "root": ("root",),
    "expiration": ("expiration",),
    "strike": ("strike",),
    "option_type": ("option_type",),
    "close": ("close",),
    "trade_volume": ("trade_volume",),
    "open_interest": ("open_interest",),
}
QUOTES = ("bid_size", "bid", "ask_size", "ask", "underlying_bid", "underlying_ask")
CALCULATED = ("implied_volatility_1545", "delta_1545")
KNOWN = (
    "open", "high", "low", "vwap", "delivery_code", "implied_underlying_price_1545", "active_underlying_price_1545",
    "gamma_1545", "theta_1545", "vega_1545", "rho_1545",
)  # fmt: skip
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y")
MIDNIGHT = r"[ T]0?0:00:00$"


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header has DataShop's 15:45 quotes."""
    return {"quote_date", "underlying_symbol", "bid_1545", "ask_1545"} <= set(_header(delivery))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read both snapshots; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If a column is missing or no line quotes SPX or VIX options.
    """
    has_close = any(name.endswith("_eod") for name in _header(delivery))
    suffixes = ("1545", "eod") if has_close else ("1545",)
    lines = read_lines(
        delivery,
        anchor="quote_date",
        required=CONTRACT | {f"{name}_{suffix}": (f"{name}_{suffix}",) for suffix in suffixes for name in QUOTES},
        optional={name: (name,) for name in CALCULATED},
        known=KNOWN,
        table=OPTION_QUOTE,
    )

    def early(session: date) -> datetime:
        return to_utc(session, EARLY_SNAPSHOT_HALF_DAY if calendar.is_early_close(session) else EARLY_SNAPSHOT)

    def close(session: date) -> datetime:
        return option_close(session, calendar=calendar)

    contracts = _contracts(lines)
    snapshots = [stamped(_early_rows(contracts, is_only_row=not has_close), kind="eod_1545", instant=early)]
    if has_close:
        snapshots.append(stamped(_closing_rows(contracts), kind="close", instant=close))
    frame, rejected = quote_rows(
        pl.concat(snapshots), lines=lines, file_name=delivery.name, expiration_formats=DATE_FORMATS
    )
    unreadable = lines.unreadable
    if has_close:
        halves = [unreadable.with_columns(pl.col(ROW_NUMBER) * 2 + half) for half in (0, 1)]
        unreadable = pl.concat(halves)
    return Reading(
        n_lines=lines.n_lines,
        frames={OPTION_QUOTE.full_name: frame},
        rejected=pl.concat([rejected, unreadable]),
        unknown_columns=lines.unknown_columns,
    )


def _header(delivery: Delivery) -> tuple[str, ...]:
    return header_names(delivery.head, anchor="quote_date")


def _contracts(lines: Lines) -> pl.DataFrame:
    """Return the lines with session and expiration as days without a clock."""
    frame = lines.frame
    dates = pl.col("quote_date", "expiration")
    if any(frame.select(dates.str.contains(":", literal=True).any()).row(0)):
        frame = frame.with_columns(dates.str.replace(MIDNIGHT, "").str.strip_chars())
    return frame.with_columns(
        day("quote_date", *DATE_FORMATS).alias("session_date"), pl.col(ROW_NUMBER).alias(LINE_NUMBER)
    )


def _early_rows(contracts: pl.DataFrame, *, is_only_row: bool) -> pl.DataFrame:
    return _rows(contracts, suffix="1545").with_columns(
        pl.col(ROW_NUMBER) if is_only_row else pl.col(ROW_NUMBER) * 2,
        pl.lit(None, dtype=pl.String()).alias("last"),
        pl.lit(None, dtype=pl.String()).alias("volume"),
        contracts["implied_volatility_1545"].alias("vendor_implied_vol"),
        contracts["delta_1545"].alias("vendor_delta"),
    )


def _closing_rows(contracts: pl.DataFrame) -> pl.DataFrame:
    return _rows(contracts, suffix="eod").with_columns(
        pl.col(ROW_NUMBER) * 2 + 1,
        contracts["close"].alias("last"),
        contracts["trade_volume"].alias("volume"),
        pl.lit(None, dtype=pl.String()).alias("vendor_implied_vol"),
        pl.lit(None, dtype=pl.String()).alias("vendor_delta"),
    )


def _rows(contracts: pl.DataFrame, *, suffix: str) -> pl.DataFrame:
    bid, ask = number(f"underlying_bid_{suffix}"), number(f"underlying_ask_{suffix}")
    return contracts.select(
        ROW_NUMBER,
        LINE_NUMBER,
        "session_date",
        "root",
        "expiration",
        "strike",
        "option_type",
        "open_interest",
        *(pl.col(f"{name}_{suffix}").alias(name) for name in ("bid", "ask", "bid_size", "ask_size")),
        pl.when((bid > 0.0) & (ask > 0.0)).then((bid + ask) / 2.0).alias("spot"),
    )
