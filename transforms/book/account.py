"""The account in force: as the user stated it, and what the paper book has earned since (METHOD sections 1 and 8)."""

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from transforms.book.state import Book
from transforms.engines.sizing import Account


@dataclass(frozen=True)
class Statement:
    """An account as stated, dollars and decimal a year; `stated_on` None for the settings' own."""

    equity: float | None = None
    cash: float | None = None
    marketable_securities: float | None = None
    receivables: float | None = None
    current_liabilities: float | None = None
    margin_loan_rate: float | None = None
    stated_on: date | None = None


STATED = ("equity", "cash", "marketable_securities", "receivables", "current_liabilities", "margin_loan_rate")


def statement_in_force(account_state: pl.DataFrame, session_date: date, *, default: Statement) -> Statement:
    """Return the last row of core.account_state up to the session; the settings' account where there is none."""
    stated = account_state.filter(pl.col("session_date") <= session_date).sort("session_date").tail(1)
    if stated.is_empty():
        return default
    row = stated.row(0, named=True)
    return Statement(**{name: row[name] for name in STATED}, stated_on=row["session_date"])


def with_statement(after: Book, before: Book, statement: Statement) -> Book:
    """Return the book after a session with a new statement as the point from which the paper account runs on.

    A statement of the session itself is taken to be of its end, one of a day between the sessions of the session
    before's.
    """
    if statement.stated_on == after.stated_on:
        return after
    at = after if statement.stated_on == after.session_date else before
    return replace(after, stated_on=statement.stated_on, stated_pnl=_equity(at), stated_cash=_cash(at))


def account_of(book: Book, statement: Statement, *, runs_on: bool) -> Account:
    """Return the account after a session, dollars, None where not stated.

    `runs_on`: the paper book's profit and cash since the statement are in it; else it stands as stated, because the
    user trades the positions and not the paper book.
    """
    profit = _equity(book) - book.stated_pnl if runs_on else 0.0
    flow = _cash(book) - book.stated_cash if runs_on else 0.0
    return Account(
        equity=None if statement.equity is None else statement.equity + profit,
        cash=None if statement.cash is None else statement.cash + flow,
        marketable_securities=statement.marketable_securities,
        receivables=statement.receivables,
        current_liabilities=statement.current_liabilities,
    )


def _equity(book: Book) -> float:
    return sum(tally.equity for tally in book.tallies.values())


def _cash(book: Book) -> float:
    return sum(tally.cash for tally in book.tallies.values())
