"""One session of the book: what has expired settles, what was ordered fills, what is open is marked.

A step reads the book of the session before and this session's market, and nothing else. The paper book's orders fill
at this session's quotes; the user's own positions appear and go as the user states them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from transforms.book.attribution import Attribution, filled, payoff, revalued, settled, total
from transforms.book.figures import modelled_loss, newest, open_position
from transforms.book.held import StatedLeg, StatedPosition
from transforms.book.session_quotes import SessionQuotes
from transforms.book.state import (
    MULTIPLIER,
    VIX_ROOTS,
    Book,
    Leg,
    Mark,
    OptionKey,
    Order,
    OrderLeg,
    Position,
    Tally,
)
from transforms.errors import DataError

DAYS_PER_YEAR = 365.0
EVENT_OF_ACTION = {"widen_condor": "widened", "tighten_condor": "tightened", "reduce": "reduced"}
ADJUSTMENTS = ("widen_condor", "tighten_condor")


@dataclass(frozen=True)
class Settlement:
    """The value options of one root and expiration settle to, points; not exact where it stands in for the official.

    fixed_on: the session on which it is fixed; none before may use it.
    """

    value: float
    source: str
    exact: bool
    fixed_on: date


@dataclass(frozen=True)
class BookMarket:
    """What a step reads of a session.

    settlements: by root and expiration, of any day. cash_rate: interest on the engines' cash,
    decimal a year (the margin loan rate while the account's cash is negative). held: the user's positions, as stated.
    """

    session_date: date
    quotes: SessionQuotes
    settlements: Mapping[tuple[str, date], Settlement]
    fill_slippage: float
    fee_spx: float
    fee_vix: float
    cash_rate: float = 0.0
    held: tuple[StatedPosition, ...] = ()

    def fee(self, root: str) -> float:
        """Return the fee of one contract, dollars."""
        return self.fee_vix if root in VIX_ROOTS else self.fee_spx


@dataclass(frozen=True)
class Fill:
    """A filled leg; see mart.fill."""

    decision_id: str
    leg: int
    position_id: str
    engine: str
    key: OptionKey
    quantity: int
    bid: float
    ask: float
    price: float
    slippage: float
    fee: float
    cash: float


@dataclass(frozen=True)
class OrderOutcome:
    """What became of an order in a session: filled, waiting or cancelled, and why."""

    order: Order
    position_id: str | None
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class Event:
    """What happened to a position in a session; see mart.position_event."""

    position_id: str
    event: str
    decision_id: str | None
    cash: float
    fees: float
    detail: str


@dataclass(frozen=True)
class Stepped:
    """A session of the book: the book before and after it, and what happened.

    touched: positions open at some time in the session, after it; attributions: by position id; opened: positions as
    they were opened in it. interest: by engine, dollars.
    """

    before: Book
    book: Book
    touched: tuple[Position, ...]
    attributions: Mapping[str, Attribution]
    opened: tuple[Position, ...]
    fills: tuple[Fill, ...]
    orders: tuple[OrderOutcome, ...]
    events: tuple[Event, ...]
    interest: Mapping[str, float]


class _Session:
    """The work of one step: positions by id, and what happens to them, in order."""

    def __init__(self, book: Book, market: BookMarket) -> None:
        self.before = book
        self.market = market
        self.positions = {position.position_id: position for position in book.positions}
        self.attributions: dict[str, list[Attribution]] = {name: [] for name in self.positions}
        self.opened: list[Position] = []
        self.fills: list[Fill] = []
        self.orders: list[OrderOutcome] = []
        self.events: list[Event] = []
        self.proposed = book.adjustments_proposed
        self.funded = book.adjustments_funded

    def settle(self, position: Position) -> None:
        """Pay out the legs whose expiration has come and whose settlement value is known."""
        today, kept, paid, details = self.market.session_date, [], 0.0, []
        for leg in position.legs:
            value = self.market.settlements.get((leg.key.root, leg.key.expiration))
            if value is None or value.fixed_on > today:
                kept.append(leg)
                continue
            self.attributions[position.position_id].append(settled(leg, value.value, on=today))
            paid += MULTIPLIER * leg.quantity * payoff(leg, value.value)
            approximate = "" if value.exact else ", not the official value"
            details.append(f"{leg.quantity:+d} {leg.key} at {value.value:g} ({value.source}{approximate})")
        if not details:
            return
        self.positions[position.position_id] = replace(position, legs=tuple(kept), cash=position.cash + paid)
        self.events.append(Event(position.position_id, "settled", None, paid, 0.0, "; ".join(details)))

    def revalue(self, position: Position) -> None:
        """Mark the open legs; one that the session does not quote and no smile reaches keeps its mark."""
        legs = []
        for leg in position.legs:
            mark = self.market.quotes.marks.get(leg.key) or replace(leg.mark, source="carried")
            self.attributions[position.position_id].append(revalued(leg, mark))
            legs.append(replace(leg, mark=mark))
        self.positions[position.position_id] = replace(position, legs=tuple(legs))

    def take_up(self, stated: StatedPosition) -> None:
        """Open a position the user has stated: at the price paid, and at today's mark at once."""
        today = self.market.session_date
        own = [leg for leg in stated.legs if leg.is_open(today) and leg.key.expiration > today]
        if not own or stated.position_id in self.positions:
            return
        legs = []
        for leg in own:
            mark = self.market.quotes.marks.get(leg.key) or Mark(leg.entry_price, "carried", today)
            legs.append(Leg(leg.number, leg.key, leg.quantity, leg.entry_price, mark))
            gain = MULTIPLIER * leg.quantity * (mark.price - leg.entry_price)
            cause = {"slippage": gain} if leg.opened_on == today else {"residual": gain}
            self.attributions.setdefault(stated.position_id, []).append(Attribution(**cause))
        self.attributions[stated.position_id].append(Attribution(fees=-stated.fees))
        paid = sum(MULTIPLIER * leg.quantity * leg.entry_price for leg in own)
        position = Position(
            position_id=stated.position_id,
            book="held",
            engine=stated.engine,
            structure=structure_of(tuple(legs)),
            opened_on=max(leg.opened_on for leg in own),
            contracts=stated.packages,
            legs=tuple(legs),
            entry_credit=-paid / (MULTIPLIER * stated.packages),
            max_profit=None,
            entry_fees=stated.fees,
            cash=-paid - stated.fees,
            fees=stated.fees,
            n_legs=max(leg.number for leg in own),
        )
        position = _with_max_profit(position)
        self.positions[stated.position_id] = position
        self.opened.append(position)
        detail = "; ".join(f"{leg.quantity:+d} {leg.key} at {leg.entry_price:g} on {leg.opened_on}" for leg in own)
        self.events.append(Event(stated.position_id, "opened", None, position.cash, stated.fees, detail))

    def give_up(self, stated: StatedPosition) -> None:
        """Close the legs that the user says are closed, at the price stated, else at the mark."""
        position, today = self.positions.get(stated.position_id), self.market.session_date
        if position is None:
            return
        said: dict[int, StatedLeg] = {leg.number: leg for leg in stated.legs if not leg.is_open(today)}
        gone = [leg for leg in position.legs if leg.number in said]
        if not gone:
            return
        prices = [leg.mark.price if (at := said[leg.number].exit_price) is None else at for leg in gone]
        for leg, price in zip(gone, prices, strict=True):
            exit_cost = MULTIPLIER * leg.quantity * (price - leg.mark.price)
            self.attributions[stated.position_id].append(Attribution(slippage=exit_cost))
        cash = sum(MULTIPLIER * leg.quantity * price for leg, price in zip(gone, prices, strict=True))
        kept = tuple(leg for leg in position.legs if leg.number not in said)
        self.positions[stated.position_id] = replace(position, legs=kept, cash=position.cash + cash)
        detail = "; ".join(
            f"{-leg.quantity:+d} {leg.key} at {price:g}" for leg, price in zip(gone, prices, strict=True)
        )
        event = "reduced" if kept else "closed"
        self.events.append(Event(stated.position_id, event, None, cash, 0.0, detail))

    def execute(self, order: Order) -> Order | None:
        """Fill an order, or return it to wait a session more; an order that has waited is cancelled."""
        unknown = order.position_id is not None and not self.positions.get(order.position_id, _GONE).legs
        missing = [leg.key for leg in order.legs if leg.key not in self.market.quotes.touches]
        if unknown or missing:
            reason = (
                f"position {order.position_id} is no longer open"
                if unknown
                else f"no two-sided quote of {', '.join(str(key) for key in missing)}"
            )
            over = unknown or order.has_waited
            self.orders.append(OrderOutcome(order, order.position_id, "cancelled" if over else "waiting", reason))
            return None if over else replace(order, has_waited=True)
        if order.position_id is None or order.action == "roll_second_engine":
            closing, opening = self._divided(order)
            if closing:
                self._change(order, closing)
            filled_id = self._open(order, opening) if opening else order.position_id
        else:
            filled_id = self._change(order, list(order.legs))
        self.orders.append(OrderOutcome(order, filled_id, "filled"))
        return None

    def _divided(self, order: Order) -> tuple[list[OrderLeg], list[OrderLeg]]:
        """Return the legs of an order that close legs of its position, and those that open."""
        held = self.positions[order.position_id].legs if order.position_id else ()
        quantities = {leg.key: leg.quantity for leg in held}
        closes = [leg for leg in order.legs if quantities.get(leg.key, 0) * leg.quantity < 0]
        return closes, [leg for leg in order.legs if leg not in closes]

    def _fill(self, order: Order, leg: OrderLeg, *, position_id: str) -> Fill:
        market = self.market
        touch = market.quotes.touches[leg.key]
        price = touch.fill_price(leg.quantity, fill_slippage=market.fill_slippage)
        fee = abs(leg.quantity) * market.fee(leg.key.root)
        found = Fill(
            decision_id=order.decision_id,
            leg=1 + order.legs.index(leg),
            position_id=position_id,
            engine=order.engine,
            key=leg.key,
            quantity=leg.quantity,
            bid=touch.bid,
            ask=touch.ask,
            price=price,
            slippage=MULTIPLIER * leg.quantity * (touch.mid - price),
            fee=fee,
            cash=-MULTIPLIER * leg.quantity * price - fee,
        )
        self.fills.append(found)
        self.attributions.setdefault(position_id, []).append(filled(leg.quantity, price=price, mid=touch.mid, fee=fee))
        return found

    def _open(self, order: Order, legs: list[OrderLeg]) -> str:
        today = self.market.session_date
        position_id = f"{order.engine}-{today}-{order.decision_id[:6]}"
        fills = [self._fill(order, leg, position_id=position_id) for leg in legs]
        held = tuple(
            Leg(number, fill.key, fill.quantity, fill.price, self._mark(fill.key))
            for number, fill in enumerate(fills, start=1)
        )
        contracts = _packages(order, legs)
        condors = [p for p in self.positions.values() if p.engine == "condor" and p.book == "paper" and p.legs]
        condor = newest(condors)
        rolled_from = order.position_id if order.action == "roll_second_engine" else None
        newest_id = condor.position_id if condor else None
        against = self.positions[rolled_from].stands_against if rolled_from else newest_id
        fees = sum(fill.fee for fill in fills)
        position = Position(
            position_id=position_id,
            book="paper",
            engine=order.engine,
            structure=structure_of(held),
            opened_on=today,
            contracts=contracts,
            legs=held,
            entry_credit=-sum(fill.quantity * fill.price for fill in fills) / contracts,
            max_profit=None,
            entry_fees=fees,
            cash=sum(fill.cash for fill in fills),
            fees=fees,
            n_legs=len(held),
            decision_id=order.decision_id,
            rolled_from=rolled_from,
            stands_against=against if order.engine == "second" else None,
            modelled_max_loss=modelled_loss(order, received=sum(fill.cash + fill.fee for fill in fills)),
        )
        position = _with_max_profit(position)
        self.positions[position_id] = position
        if position.stands_against in self.positions:
            hedged = self.positions[position.stands_against]
            self.positions[hedged.position_id] = replace(hedged, has_had_layer=True)
        self.opened.append(position)
        detail = "; ".join(f"{fill.quantity:+d} {fill.key} at {fill.price:g}" for fill in fills)
        self.events.append(Event(position_id, "opened", order.decision_id, position.cash, fees, detail))
        return position_id

    def _change(self, order: Order, legs: list[OrderLeg]) -> str:
        assert order.position_id is not None
        position = self.positions[order.position_id]
        fills = [self._fill(order, leg, position_id=position.position_id) for leg in legs]
        held, n_legs = list(position.legs), position.n_legs
        for fill in fills:
            place = next((n for n, leg in enumerate(held) if leg.key == fill.key), None)
            if place is None:
                n_legs += 1
                held.append(Leg(n_legs, fill.key, fill.quantity, fill.price, self._mark(fill.key)))
            else:
                held[place] = replace(held[place], quantity=held[place].quantity + fill.quantity)
        kept = tuple(leg for leg in held if leg.quantity)
        cash, fees = sum(fill.cash for fill in fills), sum(fill.fee for fill in fills)
        today = self.market.session_date
        contracts = position.contracts - (order.contracts if order.action == "reduce" and kept else 0)
        modelled = position.modelled_max_loss
        self.positions[position.position_id] = replace(
            position,
            legs=kept,
            contracts=contracts,
            modelled_max_loss=None if modelled is None else modelled * contracts / position.contracts,
            cash=position.cash + cash,
            fees=position.fees + fees,
            n_legs=n_legs,
            last_tightened=today if order.action == "tighten_condor" else position.last_tightened,
            last_widened=today if order.action == "widen_condor" else position.last_widened,
        )
        event = EVENT_OF_ACTION.get(order.action, "closed") if kept else "closed"
        detail = "; ".join(f"{fill.quantity:+d} {fill.key} at {fill.price:g}" for fill in fills)
        self.events.append(Event(position.position_id, event, order.decision_id, cash, fees, detail))
        if order.action in ADJUSTMENTS:
            self._pay(max(-cash, 0.0))
        return position.position_id

    def _pay(self, cost: float) -> None:
        """Let the second engine's ledger, as it stood the session before, pay what it can of an adjustment."""
        balance = self.before.tallies["second"].cash - self.funded
        self.proposed += cost
        self.funded += min(cost, max(balance, 0.0))

    def _mark(self, key: OptionKey) -> Mark:
        return self.market.quotes.marks[key]


def _with_max_profit(position: Position) -> Position:
    best = open_position(position).max_profit
    per_package = None if best is None else best / (MULTIPLIER * position.contracts)
    return replace(position, max_profit=per_package)


_GONE = Position("", "paper", "condor", "other", date.min, 0, (), 0.0, None, 0.0, 0.0, 0.0, 0)


def step(book: Book, market: BookMarket) -> Stepped:
    """Return the book after a session.

    In order: expired legs settle where the value is known, open legs are marked, orders fill at the same marks.

    Raises
    ------
    DataError
        If the session is not after the book's.
    """
    if book.session_date is not None and market.session_date <= book.session_date:
        raise DataError(f"the book stands at {book.session_date}: it cannot step to {market.session_date}")
    work = _Session(book, market)
    for position in book.positions:
        work.settle(position)
        work.revalue(work.positions[position.position_id])
    for stated in market.held:
        work.give_up(stated)
        work.take_up(stated)
    waiting = [work.execute(order) for order in book.orders]
    attributions = {name: total(parts) for name, parts in work.attributions.items()}
    touched = tuple(
        replace(position, pnl_total=position.pnl_total + attributions[name].pnl)
        for name, position in work.positions.items()
    )
    interest = _interest(book, market)
    tallies = {
        engine: _tallied(tally, engine, touched, before=book, attributions=attributions, interest=interest[engine])
        for engine, tally in book.tallies.items()
    }
    after = replace(
        book,
        session_date=market.session_date,
        positions=(),
        orders=tuple(order for order in waiting if order is not None),
        tallies=tallies,
        adjustments_proposed=work.proposed,
        adjustments_funded=work.funded,
    )
    for position in touched:
        after = after.with_position(position)
    return Stepped(
        book,
        after,
        touched,
        attributions,
        tuple(work.opened),
        tuple(work.fills),
        tuple(work.orders),
        tuple(work.events),
        interest,
    )


def _tallied(
    tally: Tally,
    engine: str,
    touched: tuple[Position, ...],
    *,
    before: Book,
    attributions: Mapping[str, Attribution],
    interest: float,
) -> Tally:
    """Return an engine's tally after a session; only the paper book counts."""
    own = [p for p in touched if p.engine == engine and p.book == "paper"]
    cash_before = {p.position_id: p.cash for p in before.positions}
    cash = sum(p.cash - cash_before.get(p.position_id, 0.0) for p in own)
    profit = sum(attributions[p.position_id].pnl for p in own)
    return Tally(tally.cash + cash + interest, tally.equity + profit + interest)


def _interest(book: Book, market: BookMarket) -> dict[str, float]:
    """Return the interest of the days since the session before on each engine's cash, dollars."""
    if book.session_date is None:
        return dict.fromkeys(book.tallies, 0.0)
    years = (market.session_date - book.session_date).days / DAYS_PER_YEAR
    return {engine: tally.cash * market.cash_rate * years for engine, tally in book.tallies.items()}


def _packages(order: Order, legs: list[OrderLeg]) -> int:
    """Return the packages that legs are: what their quantities have in common."""
    if order.action != "roll_second_engine":
        return order.contracts
    return min(abs(leg.quantity) for leg in legs)


def structure_of(legs: tuple[Leg, ...]) -> str:
    """Return what legs are called: iron_condor, backspread, front_ratio, diagonal or other."""
    kinds = sorted((leg.key.option_type, leg.key.strike, leg.quantity > 0) for leg in legs)
    if len(legs) == 4 and [(kind, bought) for kind, _, bought in kinds] == [
        ("call", False), ("call", True), ("put", True), ("put", False),
    ]:  # fmt: skip
        return "iron_condor"
    if len(legs) != 2 or any(leg.key.option_type != "call" for leg in legs):
        return "other"
    low, high = sorted(legs, key=lambda leg: leg.key.strike)
    if low.quantity * high.quantity > 0:
        return "other"
    sold = low if low.quantity < 0 else high
    bought = high if sold is low else low
    if bought.key.expiration > sold.key.expiration:
        return "diagonal"
    if abs(high.quantity) <= abs(low.quantity):
        return "other"
    return "backspread" if sold is low else "front_ratio"
