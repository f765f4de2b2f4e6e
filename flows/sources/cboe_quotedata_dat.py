"""Cboe's delayed-quote download "quotedata.dat" (2018 to 2021): one line a strike, call and put side by side.

Two preamble lines, `^SPX (Standard & Poors 500 Index),3426.96,-28.1` and `Sep 04 2020 @ 20:49 ET,Bid,...`, then the
header with "Vol" and "Open Int". The stamp is when the file was downloaded, New York time. VIX files mix the roots VIX
and VIXW; a file downloaded before the open may still hold the series that expired on the session before.

Before 2018 the file had no expiration column and one line for each exchange (`18 Dec 1325.00 (SPX1821L1325)`): refused.
"""

import re

from flows.sources import Delivery, Reading
from flows.sources.calls_and_puts import chain_header, preamble, read_chain
from flows.sources.delimited import header_names
from flows.sources.printed_stamp import utc_stamp
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

NAME = "cboe_quotedata_dat"

_LEVEL = re.compile(r",\s*(\d+(?:\.\d*)?)\s*,\s*[+-]?\d*(?:\.\d*)?\s*,*$")


def recognizes(delivery: Delivery) -> bool:
    """Return whether calls and puts stand side by side under "Vol" and "Open Int", with or without expirations."""
    names = set(chain_header(delivery.head)) or _header_before_2018(delivery.head)
    return {"vol", "open int"} <= names


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read the chain; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If the file is of the layout before 2018, its stamp cannot be read, a column is missing, or the chain is of
        another underlying.
    """
    if not chain_header(delivery.head):
        raise RefusedFile(
            f"{delivery.name}: the quotedata layout before 2018 has no expiration column and quotes each exchange on "
            "a line of its own; it is not read. Import a later download, or DataShop files for those years"
        )
    above = preamble(delivery.head)
    line = next((line for line in above if "@" in line), None)
    if line is None:
        raise RefusedFile(
            f"{delivery.name}: no line above the header gives the date of the download, so the session of its quotes "
            "is unknown; download it again and keep its first two lines"
        )
    stamp = utc_stamp(line.split(",")[0])
    if stamp is None:
        raise RefusedFile(
            f"{delivery.name}: cannot read the date of the download in the line {line[:200]!r}; "
            "write it like 'Sep 04 2020 @ 20:49 ET' and import the file again"
        )
    level = next((found for line in above if "@" not in line and (found := _LEVEL.search(line))), None)
    return read_chain(delivery, stamp=stamp, spot=float(level[1]) if level else None, calendar=calendar)


def _header_before_2018(head: str) -> set[str]:
    names = set(header_names(head, anchor="calls"))
    return names if "puts" in names and not names & {"expiration date", "strike"} else set()
