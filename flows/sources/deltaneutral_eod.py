"""DeltaNeutral (historicaloptiondata.com) end-of-day chains: one line an option, quotes of the close.

A file holds many sessions, perhaps of a few strikes only. `optionroot` holds the whole OCC symbol, and one header name
has a blank before it (` exchange`). Columns that users add (`dte`) are kept out and reported.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import day, header_names, read_lines
from flows.sources.option_symbols import quote_rows, stamped
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import TradingCalendar, option_close

NAME = "deltaneutral_eod"

# Column of the frame: name in the file.
REQUIRED = {
    "date": ("quotedate",),
    "symbol": ("optionroot",),
    "expiration": ("expiration",),
    "strike": ("strike",),
    "option_type": ("type",),
    "bid": ("bid",),
    "ask": ("ask",),
}
OPTIONAL = {
    "spot": ("underlying_last",),
    "last": ("last",),
    "volume": ("volume",),
    "open_interest": ("openinterest",),
    "vendor_implied_vol": ("impliedvol",),
    "vendor_delta": ("delta",),
}
KNOWN = ("underlying", "exchange", "optionext", "gamma", "theta", "vega", "optionalias")
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y")


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header has DeltaNeutral's names."""
    names = header_names(delivery.head, anchor="quotedate")
    return {"optionroot", "underlying_last", "expiration"} <= set(names)


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read the lines; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If a column is missing or no line quotes SPX or VIX options.
    """
    lines = read_lines(
        delivery, anchor="quotedate", required=REQUIRED, optional=OPTIONAL, known=KNOWN, table=OPTION_QUOTE
    )
    options = lines.frame.with_columns(day("date", *DATE_FORMATS).alias("session_date"))
    frame, rejected = quote_rows(
        stamped(options, kind="close", instant=lambda session: option_close(session, calendar=calendar)),
        lines=lines,
        file_name=delivery.name,
        expiration_formats=DATE_FORMATS,
    )
    return Reading(
        n_lines=lines.n_lines,
        frames={OPTION_QUOTE.full_name: frame},
        rejected=pl.concat([rejected, lines.unreadable]),
        unknown_columns=lines.unknown_columns,
    )
