"""Where a session's profit came from: Greeks of the session before times what moved, and what they leave unexplained.

The terms of a leg add up to the change of its value exactly, because the residual is their difference to it (METHOD
section 9). A Greek that is not known explains nothing.
"""

from dataclasses import dataclass, fields
from datetime import date

from transforms.book.state import MULTIPLIER, Leg, Mark

VOL_POINTS = 100.0


@dataclass(frozen=True)
class Attribution:
    """Profit by cause, dollars."""

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    slippage: float = 0.0
    residual: float = 0.0
    fees: float = 0.0

    def __add__(self, other: "Attribution") -> "Attribution":
        return Attribution(*(getattr(self, term.name) + getattr(other, term.name) for term in fields(self)))

    @property
    def pnl(self) -> float:
        """Return the sum of the terms, dollars."""
        return self.delta + self.gamma + self.vega + self.theta + self.slippage + self.residual + self.fees

    def as_columns(self) -> dict[str, float]:
        """Return the terms as columns of mart.position_daily and mart.engine_daily."""
        return {"pnl": self.pnl, **{f"pnl_{term.name}": getattr(self, term.name) for term in fields(self)}}


def total(parts: list[Attribution]) -> Attribution:
    """Return the sum of attributions, added in the order given."""
    result = Attribution()
    for part in parts:
        result = result + part
    return result


def revalued(leg: Leg, mark: Mark) -> Attribution:
    """Return what a leg earned from the mark it has to a later one.

    Delta and gamma on the VX of the expiration where both marks have one, else on the slice's own forward; vega on the
    change of the fitted vol at the strike; theta by calendar days.
    """
    old = leg.mark
    if mark.source == "carried":
        return Attribution()
    return _explained(
        leg, mark.price, move=_move(old, mark), vol_change=_change(old.vol, mark.vol), until=mark.marked_on
    )


def settled(leg: Leg, settlement: float, *, on: date) -> Attribution:
    """Return what a leg earned from its mark to the payoff at a settlement value (points)."""
    old = leg.mark
    underlying = old.future if old.future is not None else old.forward
    move = None if underlying is None else settlement - underlying
    return _explained(leg, payoff(leg, settlement), move=move, vol_change=None, until=on)


def payoff(leg: Leg, settlement: float) -> float:
    """Return what one option pays at a settlement value, points."""
    sign = 1.0 if leg.key.option_type == "call" else -1.0
    return max(sign * (settlement - leg.key.strike), 0.0)


def filled(quantity: int, *, price: float, mid: float, fee: float) -> Attribution:
    """Return what a fill cost against the mid, and its fee."""
    return Attribution(slippage=MULTIPLIER * quantity * (mid - price), fees=-fee)


def _explained(leg: Leg, price: float, *, move: float | None, vol_change: float | None, until: date) -> Attribution:
    old, dollars = leg.mark, MULTIPLIER * leg.quantity
    days = (until - old.marked_on).days
    delta = dollars * old.delta * move if old.delta is not None and move is not None else 0.0
    gamma = dollars * 0.5 * old.gamma * move * move if old.gamma is not None and move is not None else 0.0
    vega = dollars * old.vega * VOL_POINTS * vol_change if old.vega is not None and vol_change is not None else 0.0
    theta = dollars * old.theta * days if old.theta is not None else 0.0
    change = dollars * (price - old.price)
    return Attribution(
        delta=delta, gamma=gamma, vega=vega, theta=theta, residual=change - (delta + gamma + vega + theta)
    )


def _move(old: Mark, new: Mark) -> float | None:
    future = _change(old.future, new.future)
    return future if future is not None else _change(old.forward, new.forward)


def _change(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old
