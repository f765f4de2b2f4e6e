"""CFE VX history, one contract a file, current layout (`VX_2022-01-19.csv`, cdn.cboe.com).

`Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest`, ISO dates, label `F (Jan 2022)`.
Weeklies carry their month's label, so only the date in the file name tells them from the monthly and from each other.
Known defects: Settle is 0 on every session before 2013-05-20; no-trade sessions hold bid and ask in High and Low;
VX_2020-03-25 repeats two sessions; from 2025 on the weeklies' volume is 0 throughout.
"""

import re
from datetime import date

from flows.sources import Delivery, Reading
from flows.sources.delimited import day, first_values, header_names
from flows.sources.vx_contract import (
    ANCHOR,
    HEADER,
    LISTED_YEARS,
    contract_reading,
    labels_of,
    monthly_expiration,
    read_contract_lines,
)
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

NAME = "vx_contract_current"
DAY_FORMAT = "%Y-%m-%d"

_ISO_DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}$")
_NAMED = re.compile(r"(?<![A-Z0-9])VX[ _+-]?(\d{4})-(\d{2})-(\d{2})(?!\d)", re.IGNORECASE)


def recognizes(delivery: Delivery) -> bool:
    """Return whether the content has the per-contract columns and ISO dates."""
    names = header_names(delivery.head, anchor=ANCHOR)
    if len(set(HEADER) & set(names)) < len(HEADER) - 2:
        return False
    days = first_values(delivery.head, anchor=ANCHOR)
    return sum(_ISO_DAY.match(day) is not None for day in days) * 2 > len(days)


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the contract's settlements, and its settlement value if the file reaches the expiration.

    Raises
    ------
    RefusedFile
        If the file name holds no expiration and the last session is not the monthly expiration of its label, or the
        settlements are on another price scale.
    """
    lines = read_contract_lines(delivery)
    months = labels_of(lines)
    expiration = _named_expiration(delivery.name)
    if expiration is None:
        last = lines.frame.select(day("day_text", DAY_FORMAT).max()).item()
        of_labels = {monthly_expiration(month, calendar=calendar) for month in months.values() if month}
        if of_labels != {last}:
            raise RefusedFile(
                f"{delivery.name}: labels {', '.join(months) or 'blank'} name the month only, the file name no "
                f"expiration, and the last session {last} is not the monthly expiration; weeklies share their month's "
                "label, so rename the file to VX_YYYY-MM-DD.csv with the expiration"
            )
        expiration = last
    first_of_month = expiration.replace(day=1)
    return contract_reading(
        delivery.name,
        lines,
        {label: expiration for label, month in months.items() if month == first_of_month},
        day_format=DAY_FORMAT,
        tenfold_before=None,
        calendar=calendar,
    )


def _named_expiration(name: str) -> date | None:
    found = _NAMED.search(name)
    if found is None:
        return None
    try:
        expiration = date(*(int(part) for part in found.groups()))
    except ValueError:
        return None
    return expiration if expiration.year in LISTED_YEARS else None
