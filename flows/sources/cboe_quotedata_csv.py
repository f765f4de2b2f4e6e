"""Cboe's delayed-quote download "quotedata.csv" (2022 and later): one line a strike, call and put side by side.

Three preamble lines, the first blank: the index and its level, then the date and time of the download in the language
of the visitor's browser, New York time unless an offset is printed. The stamp is when the file was downloaded:
`transforms.sessions.snapshot_of_stamp` says which session it holds. While options trade overnight the site goes on
showing the close: the download of Sunday 2023-04-16 22:59 repeats Friday's to the digit, and the VIX computed from that
of Monday 22:53 meets the published close only if its quotes are of 16:15.

Known defects: files whose quotes are nearly all 0/0 (downloaded after the evening reset; a gate judges them), bids
without an ask, series that expired before the session (rejected here), preambles padded with commas by Excel or begun
with `---Example Data---`. A file without its date line is refused whatever its name says: names are typed by hand.
"""

import re
from datetime import datetime

from flows.sources import Delivery, Reading
from flows.sources.calls_and_puts import chain_header, preamble, read_chain
from flows.sources.printed_stamp import utc_stamp
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

NAME = "cboe_quotedata_csv"

_LEVEL = re.compile(r"\blast:\s*(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)", re.IGNORECASE)
_QUOTE_FIELDS = re.compile(r"[\"',;\s]*\bbid:.*$", re.IGNORECASE)


def recognizes(delivery: Delivery) -> bool:
    """Return whether calls and puts stand side by side under "Volume" and "Open Interest"."""
    return {"volume", "open interest"} <= set(chain_header(delivery.head))


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read the chain; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If no date line is there or it cannot be read, a column is missing, or the chain is of another underlying.
    """
    above = preamble(delivery.head)
    level = next((found for line in above if (found := _LEVEL.search(line))), None)
    spot = float(level[1].replace(",", "")) if level else None
    stamp = _stamp(delivery.name, above)
    return read_chain(delivery, stamp=stamp, spot=spot, calendar=calendar, frozen_overnight=True)


def _stamp(name: str, above: list[str]) -> datetime:
    """Return the instant of the download, UTC and naive, from the preamble line that holds it."""
    line = next((line for line in above if re.search(r"\bbid:", line, re.IGNORECASE)), None)
    line = line or next((line for line in above if "date:" in line.lower()), None)
    if line is None:
        raise RefusedFile(
            f"{name}: no line above the header gives the date of the download, so the session of its quotes is "
            "unknown; download it again and keep its first three lines"
        )
    stamp = utc_stamp(_QUOTE_FIELDS.sub("", line))
    if stamp is None:
        raise RefusedFile(
            f"{name}: cannot read the date of the download in the line {line[:200]!r}; "
            "write it like 'Date: May 23, 2023 at 7:39 PM EDT' and import the file again"
        )
    return stamp
