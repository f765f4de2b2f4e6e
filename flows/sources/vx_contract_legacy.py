"""CFE VX history, one contract a file, legacy layout (`CFE_F14_VX.csv`, 2004 to about 2017).

The columns of the current layout, dates MM/DD/YYYY (M/D/YYYY in some files of 2005), label `F (Jan 14)`; only
monthlies, so the label decides the expiration. Known defects: a disclaimer as the first line; a twelfth empty field; an
empty Change; Settle 0 on a contract's first sessions; prices ten times the index points before 2007-03-26.
"""

import re

from flows.sources import Delivery, Reading
from flows.sources.delimited import first_values, header_names
from flows.sources.vx_contract import (
    ANCHOR,
    FIRST_SESSION_IN_POINTS,
    HEADER,
    contract_reading,
    labels_of,
    monthly_expiration,
    read_contract_lines,
)
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

NAME = "vx_contract_legacy"

_AMERICAN_DAY = re.compile(r"\d{1,2}/\d{1,2}/\d{4}$")


def recognizes(delivery: Delivery) -> bool:
    """Return whether the content has the per-contract columns and dates with slashes."""
    names = header_names(delivery.head, anchor=ANCHOR)
    if len(set(HEADER) & set(names)) < len(HEADER) - 2:
        return False
    days = first_values(delivery.head, anchor=ANCHOR)
    return sum(_AMERICAN_DAY.match(day) is not None for day in days) * 2 > len(days)


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the contract's settlements, and its settlement value if the file reaches the expiration.

    Raises
    ------
    RefusedFile
        If no line carries the label of a contract month, or the settlements are on another price scale.
    """
    lines = read_contract_lines(delivery)
    months = labels_of(lines)
    expirations = {label: monthly_expiration(month, calendar=calendar) for label, month in months.items() if month}
    if not expirations:
        raise RefusedFile(
            f"{delivery.name}: none of {lines.n_lines} lines has a label like 'F (Jan 14)' "
            f"(found: {', '.join(list(months)[:3]) or 'blank'}); download the contract's file again"
        )
    return contract_reading(
        delivery.name,
        lines,
        expirations,
        day_format="%m/%d/%Y",
        tenfold_before=FIRST_SESSION_IN_POINTS,
        calendar=calendar,
    )
