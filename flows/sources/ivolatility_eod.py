"""iVolatility end-of-day chains ("RawIV"): one line an option, one or several sessions a file, quotes of the close.

**The ask stands before the bid.** Option symbols are padded to six characters of root (`SPXW  110107C01050000`). Before
2015 the symbol of an SPX option carries the Saturday after the printed expiration (the Friday): the printed day is the
expiration. `iv` is -1 where there is none. `settlement` and `mean_price` are no trades: `last` is null. The quarterly
class SPXPM is none of the four roots and is rejected line by line.

Dates are MM/DD/YYYY; a zipped variant has m/d/yy, a byte order mark and line ends of a lone CR.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import day, header_names, read_lines
from flows.sources.option_symbols import quote_rows, stamped
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import TradingCalendar, option_close

NAME = "ivolatility_eod"

# Column of the frame: name in the file.
REQUIRED = {
    "date": ("date",),
    "symbol": ("option_symbol",),
    "expiration": ("option_expiration",),
    "strike": ("strike",),
    "option_type": ("call/put",),
    "bid": ("bid",),
    "ask": ("ask",),
}
OPTIONAL = {
    "spot": ("stock_price_close",),
    "volume": ("volume",),
    "open_interest": ("open_interest",),
    "vendor_implied_vol": ("iv",),
    "vendor_delta": ("delta",),
}
KNOWN = (
    "symbol", "exchange", "company_name", "style", "mean_price", "settlement", "stock_price_for_iv", "forward_price",
    "isinterpolated", "vega", "gamma", "theta", "rho",
)  # fmt: skip
DATE_FORMATS = ("%m/%d/%y", "%m/%d/%Y")


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header has iVolatility's names."""
    names = header_names(delivery.head, anchor="option_symbol")
    return {"option_expiration", "call/put"} <= set(names)


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read the lines; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If a column is missing or no line quotes SPX or VIX options.
    """
    lines = read_lines(
        delivery, anchor="option_symbol", required=REQUIRED, optional=OPTIONAL, known=KNOWN, table=OPTION_QUOTE
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
