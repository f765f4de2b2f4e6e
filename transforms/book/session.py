"""One session of the book from what is known of it: the same for a night, a replay and a test."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

import polars as pl

from transforms.book.account import Statement, account_of, with_statement
from transforms.book.figures import figures_of, total_of
from transforms.book.held import StatedPosition
from transforms.book.night import NightMarket, NightSettings
from transforms.book.rows import BookRows
from transforms.book.session_quotes import session_quotes
from transforms.book.state import Book, OptionKey
from transforms.book.step import BookMarket, Settlement, Stepped, step
from transforms.engines.sizing import Account
from transforms.rules.rule import Value
from transforms.sessions import TradingCalendar


@dataclass(frozen=True)
class SessionInputs:
    """All that a session of the book reads.

    values: the market's values for the rules, by name. futures: VX settlements by expiration, points. chain:
    `priced_chain` rows, slices: feature.slice, of the expirations that are held, ordered or have candidates. condors,
    layers: the candidates. settlements: by root and expiration, of any expiration: none is used before its day. held:
    the user's own positions. statement: the account in force.
    """

    session_date: date
    values: Mapping[str, Value]
    vix: float | None
    futures: Mapping[date, float]
    chain: pl.DataFrame
    slices: pl.DataFrame
    condors: pl.DataFrame
    layers: pl.DataFrame
    settlements: Mapping[tuple[str, date], Settlement]
    held: tuple[StatedPosition, ...]
    statement: Statement
    calendar: TradingCalendar

    @property
    def spx(self) -> float | None:
        """Return the SPX close, points."""
        return cast(float | None, self.values.get("spx"))


@dataclass(frozen=True)
class SessionBook:
    """The book after a session's settlements and fills, before its decisions; and what the decisions read."""

    book: Book
    stepped: Stepped
    account: Account
    market: NightMarket


def book_keys(book: Book, held: Iterable[StatedPosition], session_date: date) -> set[OptionKey]:
    """Return the options a session must price: of open and stated positions and of orders, not expired before it."""
    legs = {leg.key for position in book.positions for leg in position.legs}
    legs |= {leg.key for order in book.orders for leg in order.legs}
    stated = {leg.key for position in held for leg in position.legs if leg.opened_on <= session_date}
    return {key for key in legs | stated if key.expiration >= session_date}


def session_book(before: Book, session: SessionInputs, settings: NightSettings) -> SessionBook:
    """Return the book after a session's settlements, fills and marks, and the account and market it is judged in."""
    statement, runs_on = session.statement, settings.decide_on == "paper"
    cash = account_of(before, statement, runs_on=runs_on).cash
    owes = cash is not None and cash < 0.0
    stepped = step(
        before,
        BookMarket(
            session_date=session.session_date,
            quotes=session_quotes(
                book_keys(before, session.held, session.session_date),
                session.chain,
                slices=session.slices,
                futures=session.futures,
                session_date=session.session_date,
            ),
            settlements=session.settlements,
            fill_slippage=settings.terms.fill_slippage,
            fee_spx=settings.terms.spx_fee,
            fee_vix=settings.terms.vix_fee,
            cash_rate=(statement.margin_loan_rate or 0.0) if owes else settings.credit_rate,
            held=session.held,
        ),
    )
    book = with_statement(stepped.book, before, statement)
    account = account_of(book, statement, runs_on=runs_on)
    market = NightMarket(
        session_date=session.session_date,
        values=session.values,
        vix=session.vix,
        chain=session.chain,
        condors=session.condors,
        layers=session.layers,
        account=account,
        calendar=session.calendar,
    )
    return SessionBook(book, stepped, account, market)


def add_session(rows: BookRows, reached: SessionBook, session: SessionInputs, *, before: Book) -> None:
    """Add the rows of what happened to the book in a session."""
    stepped, book, statement = reached.stepped, reached.book, session.statement
    figures = {position.position_id: figures_of(position, vix=session.vix) for position in stepped.touched}
    paper = [figures[position.position_id] for position in book.positions if position.book == "paper"]
    rows.add(stepped, figures=figures, spx=session.spx, futures=session.futures)
    restated = 0.0
    if book.stated_on != before.stated_on and before.stated_on is not None and statement.equity is not None:
        running = account_of(stepped.book, statement, runs_on=True).equity
        restated = statement.equity - running if running is not None else 0.0
    rows.add_account(
        book,
        reached.account,
        margin_loan_rate=statement.margin_loan_rate,
        restated=restated,
        margin=total_of(own.margin for own in paper),
        open_max_loss=total_of(own.capital_at_risk for own in paper),
    )
