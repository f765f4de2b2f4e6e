"""The book at the end of a session: what is open, what is ordered, what has been earned. It is all a next step needs.

A book is a value: a step makes a new one. As JSON it loses nothing, so that stepping from a stored book gives the
same bytes as stepping from the first session.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple, TypeVar

MULTIPLIER = 100.0
VIX_ROOTS = ("VIX", "VIXW")
ENGINES = ("condor", "second")
Kind = TypeVar("Kind")


class OptionKey(NamedTuple):
    """One listed option."""

    root: str
    expiration: date
    strike: float
    option_type: str

    def __str__(self) -> str:
        return f"{self.root} {self.expiration} {self.strike:g} {self.option_type}"


@dataclass(frozen=True)
class Mark:
    """What one option was worth at the end of a session: points, Greeks per option as in feature.option_analytics.

    price, forward and future (VX settlement of the expiration, VIX options only): points; vol: the fitted one at the
    strike, decimal; None where unknown. source: mid, fitted or carried (no chain: the mark of `marked_on` stands).
    """

    price: float
    source: str
    marked_on: date
    forward: float | None = None
    future: float | None = None
    vol: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None


@dataclass(frozen=True)
class Leg:
    """A leg of a position: contracts (positive where bought), the price of its fill in points, and its last mark."""

    number: int
    key: OptionKey
    quantity: int
    entry_price: float
    mark: Mark


@dataclass(frozen=True)
class Position:
    """A position with at least one open leg.

    contracts: packages; entry_credit, max_profit: points a package at the fills of its opening, before fees; max_profit
    None if unlimited or of several expirations. cash: received less paid since it was opened, fees taken off, dollars.
    n_legs: legs it ever had. last_tightened, last_widened: sessions of the last adjustment of each sort. has_had_layer:
    whether a layer was ever opened against it. modelled_max_loss: of legs that cover one another across expirations (a
    diagonal), what the whole position can lose before fees as its candidate was measured, dollars; None else.
    """

    position_id: str
    book: str
    engine: str
    structure: str
    opened_on: date
    contracts: int
    legs: tuple[Leg, ...]
    entry_credit: float
    max_profit: float | None
    entry_fees: float
    cash: float
    fees: float
    n_legs: int
    pnl_total: float = 0.0
    decision_id: str | None = None
    rolled_from: str | None = None
    stands_against: str | None = None
    last_tightened: date | None = None
    last_widened: date | None = None
    has_had_layer: bool = False
    modelled_max_loss: float | None = None

    @property
    def expiration(self) -> date:
        """Return the nearest expiration of an open leg."""
        return min(leg.key.expiration for leg in self.legs)


@dataclass(frozen=True)
class OrderLeg:
    """One leg of an order: contracts in all, positive where bought, and its price at the decision, points."""

    key: OptionKey
    quantity: int
    price: float


@dataclass(frozen=True)
class Order:
    """What a decision asks of the next session: every leg, or none of it.

    loss_before_credit: what it opens can owe before its credit where that is modelled (a diagonal), dollars.
    """

    decision_id: str
    decided_on: date
    action: str
    engine: str
    position_id: str | None
    contracts: int
    legs: tuple[OrderLeg, ...]
    has_waited: bool = False
    loss_before_credit: float | None = None


@dataclass(frozen=True)
class Tally:
    """What one engine has come to since the book began, dollars: cash flows and profit, interest in both."""

    cash: float = 0.0
    equity: float = 0.0


@dataclass(frozen=True)
class Book:
    """The book at the end of `session_date` (None before the first).

    tallies: by engine. adjustments_proposed, adjustments_funded: what adjustments have cost and what the
    second engine's ledger paid of it, dollars. stated_on, stated_pnl, stated_cash: session of the account statement in
    force and the books' equity and cash then, from which the paper account runs on.
    """

    session_date: date | None = None
    positions: tuple[Position, ...] = ()
    orders: tuple[Order, ...] = ()
    tallies: dict[str, Tally] = field(default_factory=lambda: {engine: Tally() for engine in ENGINES})
    adjustments_proposed: float = 0.0
    adjustments_funded: float = 0.0
    stated_on: date | None = None
    stated_pnl: float = 0.0
    stated_cash: float = 0.0

    @property
    def ledger_balance(self) -> float:
        """Return what the second engine has taken in and not spent on adjustments, dollars."""
        return self.tallies["second"].cash - self.adjustments_funded

    def of(self, engine: str, book: str = "paper") -> tuple[Position, ...]:
        """Return the open positions of an engine, oldest first."""
        own = [p for p in self.positions if p.engine == engine and p.book == book]
        return tuple(sorted(own, key=lambda position: (position.opened_on, position.position_id)))

    def with_orders(self, orders: tuple[Order, ...]) -> "Book":
        """Return the book with new orders behind those that wait."""
        return replace(self, orders=(*self.orders, *orders))

    def with_position(self, position: Position) -> "Book":
        """Return the book with a position replaced, added, or (without legs) taken out."""
        others = tuple(p for p in self.positions if p.position_id != position.position_id)
        kept = (*others, position) if position.legs else others
        return replace(self, positions=tuple(sorted(kept, key=lambda p: (p.book, p.opened_on, p.position_id))))


def book_json(book: Book) -> str:
    """Return a book as JSON."""
    return json.dumps(asdict(book), default=lambda day: day.isoformat())


def book_from_json(text: str) -> Book:
    """Return the book that `book_json` wrote."""
    said = json.loads(text)
    positions = tuple(
        _made(Position, {**entry, "legs": tuple(_leg(leg) for leg in entry["legs"])}) for entry in said["positions"]
    )
    orders = tuple(
        _made(
            Order,
            {
                **entry,
                "legs": tuple(OrderLeg(_key(leg["key"]), leg["quantity"], leg["price"]) for leg in entry["legs"]),
            },
        )
        for entry in said["orders"]
    )
    tallies = {engine: Tally(**tally) for engine, tally in said["tallies"].items()}
    return _made(Book, {**said, "positions": positions, "orders": orders, "tallies": tallies})


def _leg(said: dict[str, Any]) -> Leg:
    return _made(Leg, {**said, "key": _key(said["key"]), "mark": _made(Mark, said["mark"])})


def _key(said: list[Any]) -> OptionKey:
    root, expiration, strike, option_type = said
    return OptionKey(root, date.fromisoformat(expiration), strike, option_type)


def _made(kind: Callable[..., Kind], said: dict[str, Any]) -> Kind:
    """Return a dataclass from its fields; the ISO days of fields that hold a date become dates."""
    dated = {name for name, hint in kind.__annotations__.items() if "date" in str(hint)}
    return kind(
        **{
            name: date.fromisoformat(value) if name in dated and isinstance(value, str) else value
            for name, value in said.items()
        }
    )
