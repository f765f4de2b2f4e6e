"""The account as its owner states it: `session_date,equity,cash,marketable_securities,receivables,current_liabilities,
margin_loan_rate`.

One line a session, as of its end: ISO dates, dollars (commas between thousands may stand inside quotes), the loan rate
as a decimal a year. Every column is in the header; blank means not stated, which only the equity may not be. Cash is
negative where it is borrowed. A later file replaces the sessions it states again and leaves the others.
"""

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import LineRule, day, divide, given_but_unread, header_names, number, read_lines, rows_of
from transforms.schemas import ACCOUNT_STATE
from transforms.sessions import TradingCalendar

NAME = "account_state"
ANCHOR = "session_date"
COLUMNS = tuple(name for name in ACCOUNT_STATE.column_names if name != "source_sha256")
REMEDY = "state every column, and leave blank what is not stated"

_AMOUNTS = COLUMNS[1:]
# Tables of this program have an equity by session too, but nobody's liabilities.
_TELLING = {"marketable_securities", "receivables", "current_liabilities", "margin_loan_rate"}


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a session and at least two of what only this layout has."""
    return len(_TELLING & set(header_names(delivery.head, anchor=ANCHOR))) >= 2


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the account by session; what is blank is null.

    Raises
    ------
    RefusedFile
        If the header lacks a column: a misspelled one must not pass for one that is not stated.
    """
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={"day_text": (ANCHOR,), **{f"{name}_text": (name,) for name in _AMOUNTS}},
        table=ACCOUNT_STATE,
        remedy=REMEDY,
    )
    frame = lines.frame.with_columns(
        day("day_text", "%Y-%m-%d").alias("session_date"),
        *(number(f"{name}_text", thousands=True).alias(name) for name in _AMOUNTS),
    )
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "session {} is no date like 2026-03-04", ("day_text",)),
        *(
            LineRule(
                "bad_number",
                given_but_unread(f"{name}_text", name),
                f"{name} {{}} is no number" + (" like 0.0825 for 8.25 %" if name == "margin_loan_rate" else ""),
                (f"{name}_text",),
            )
            for name in _AMOUNTS
        ),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=ACCOUNT_STATE, session="session_date")
    return Reading(
        n_lines=lines.n_lines,
        frames={ACCOUNT_STATE.full_name: rows_of(kept, ACCOUNT_STATE)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )
