"""What the positions of the book can cost and demand, by the measures the limits are held against."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from transforms.book.position import OpenLeg, OpenPosition
from transforms.book.state import MULTIPLIER, OptionKey, Order, Position


@dataclass(frozen=True)
class Figures:
    """A position's figures, dollars; None where unlimited (max_loss, capital_at_risk) or unknown (margin)."""

    max_loss: float | None = 0.0
    margin: float | None = 0.0
    capital_at_risk: float | None = 0.0
    notional: float = 0.0

    @property
    def max_loss_points(self) -> float | None:
        """Return the maximum loss of the whole position, points."""
        return None if self.max_loss is None else self.max_loss / MULTIPLIER

    def measure(self, basis: str) -> float | None:
        """Return the figure a layer share is taken of: capital_at_risk, margin or notional."""
        return cast(float | None, getattr(self, basis))


def open_position(position: Position) -> OpenPosition:
    """Return a position with open legs as the engines see it."""
    return OpenPosition(
        position_id=position.position_id,
        engine=cast(Any, position.engine),
        structure=cast(Any, position.structure),
        contracts=position.contracts,
        legs=tuple(open_leg(leg.key, leg.quantity) for leg in position.legs),
        opened_on=position.opened_on,
        expiration=position.expiration,
        entry_credit=position.entry_credit,
        cash_so_far=position.cash,
        fees_so_far=position.fees,
        modelled_max_loss=position.modelled_max_loss,
    )


def figures_of(position: Position, *, vix: float | None) -> Figures:
    """Return the figures of a position at its marks; all 0 once no leg is left."""
    if not position.legs:
        return Figures()
    prices = {open_leg(leg.key, leg.quantity).name: leg.mark.price for leg in position.legs}
    seen = open_position(position)
    return Figures(seen.max_loss, seen.margin(vix=vix, prices=prices), seen.capital_at_risk, seen.notional)


def ordered_position(order: Order, *, fee: float) -> OpenPosition:
    """Return the position an opening order would make if it filled at the prices of its decision, `fee` a contract.

    Until it has filled an order counts against the limits as what it would open.
    """
    legs = tuple(open_leg(leg.key, leg.quantity) for leg in order.legs)
    fees = fee * sum(abs(leg.quantity) for leg in legs)
    received = -MULTIPLIER * sum(leg.quantity * leg.price for leg in order.legs)
    return OpenPosition(
        position_id=order.decision_id,
        engine=cast(Any, order.engine),
        structure="other",
        contracts=order.contracts,
        legs=legs,
        opened_on=order.decided_on,
        expiration=min(leg.expiration for leg in legs),
        entry_credit=0.0,
        cash_so_far=received - fees,
        fees_so_far=fees,
        modelled_max_loss=modelled_loss(order, received=received),
    )


def modelled_loss(order: Order, *, received: float) -> float | None:
    """Return what a diagonal that an order opens can lose before fees, `received` dollars taken in; None for others."""
    return None if order.loss_before_credit is None else max(order.loss_before_credit - received, 0.0)


def open_leg(key: OptionKey, quantity: int) -> OpenLeg:
    """Return an option of the book in a quantity, as the engines see it."""
    return OpenLeg(key.root, key.expiration, key.strike, cast(Any, key.option_type), quantity)


def profit_figures(position: Position) -> tuple[float | None, float | None]:
    """Return profit over the maximum profit less opening fees, and loss over the credit taken in; None without them."""
    earnable = None
    if position.max_profit is not None:
        earnable = MULTIPLIER * position.max_profit * position.contracts - position.entry_fees
    taken = MULTIPLIER * position.entry_credit * position.contracts
    share = position.pnl_total / earnable if earnable is not None and earnable > 0.0 else None
    return share, -position.pnl_total / taken if taken > 0.0 else None


def short_strikes(position: Position) -> tuple[float | None, float | None]:
    """Return the highest short put strike and the lowest short call strike, points; None where there is none."""
    puts = [leg.key.strike for leg in position.legs if leg.quantity < 0 and leg.key.option_type == "put"]
    calls = [leg.key.strike for leg in position.legs if leg.quantity < 0 and leg.key.option_type == "call"]
    return max(puts, default=None), min(calls, default=None)


def zone_of(position: Position, spx: float | None) -> float | None:
    """Return where SPX stands between a condor's short strikes: 1 center, 0 at a strike; None for other structures."""
    put, call = short_strikes(position)
    if position.engine != "condor" or spx is None or put is None or call is None or call <= put:
        return None
    return min(spx - put, call - spx) / ((call - put) / 2.0)


def total_of(values: Iterable[float | None]) -> float | None:
    """Return a sum; None if one of the values is unknown."""
    found = list(values)
    return None if None in found else sum(cast(list[float], found), 0.0)


def newest(positions: Iterable[Position], *, on: date | None = None) -> Position | None:
    """Return the position opened last, up to a session if one is given."""
    own = [position for position in positions if on is None or position.opened_on <= on]
    return max(own, key=lambda position: (position.opened_on, position.position_id), default=None)
