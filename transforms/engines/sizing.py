"""How many contracts: the largest whole number that keeps every limit (METHOD section 8). 0 is an answer.

A limit is a measure of the account after the trade that must not pass a threshold. The search asks the measure itself
and never divides a room by a size, so that no last digit lets one contract too many through.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Side = Literal["credit", "debit"]
# Beyond it the search for the largest number stops: no account trades so many, and the other limits bind long before.
MOST_CONTRACTS = 1_000_000


@dataclass(frozen=True)
class Account:
    """The account tonight, dollars; None where the user has not stated it."""

    equity: float | None
    cash: float | None
    marketable_securities: float | None
    receivables: float | None
    current_liabilities: float | None

    @property
    def quick_assets(self) -> float | None:
        """Return cash, marketable securities and receivables, dollars; None if one is unknown."""
        if self.cash is None or self.marketable_securities is None or self.receivables is None:
            return None
        return self.cash + self.marketable_securities + self.receivables


@dataclass(frozen=True)
class OpenBook:
    """What is open before the trade, dollars.

    worst_loss and margin: of everything open. weekly_condor_loss: worst loss of this week's condor, 0 if there is none.
    condor_measure and layer_measure: of all open condors and layers in the basis of the layer share (capital at risk,
    margin or notional).
    """

    worst_loss: float = 0.0
    margin: float = 0.0
    weekly_condor_loss: float = 0.0
    condor_measure: float = 0.0
    layer_measure: float = 0.0


@dataclass(frozen=True)
class UnitTrade:
    """One contract of the structure to be opened, dollars.

    worst_loss: capital at risk; None where unlimited. margin: strategy-based. share_measure: in the basis of the layer
    share; None where unknown. size_at_touch: structures the quoted sizes allow; None where sizes are not given. outlay:
    what opening it costs beyond what it brings in, 0 where it brings in more; it leaves the quick assets.
    """

    engine: Literal["condor", "second"]
    worst_loss: float | None
    margin: float | None
    share_measure: float | None = None
    size_at_touch: int | None = None
    outlay: float = 0.0


@dataclass(frozen=True)
class Limits:
    """The thresholds, decimals of equity except quick_ratio; layer_share is 0.40 for the promoter.

    reserved_layer_share: when a condor is sized, the share of its risk kept free for the layer to be opened against it.
    """

    layer_share: float = 0.30
    trade_risk: float = 0.06
    book_risk: float = 0.25
    quick_ratio: float = 1.0
    reserved_layer_share: float = 0.30


@dataclass(frozen=True)
class LimitSlack:
    """One limit after the trade: what is measured, what it is held against, and how far it is from it.

    measured and slack in the limit's own unit (decimal share of equity or of condor risk, ratio, contracts), slack
    negative where the limit fails even without the trade; both None if an input is missing or the loss unlimited.
    largest: contracts this limit alone would allow; None where it sets no bound. reason: what is missing, else None.
    """

    name: str
    measured: float | None
    threshold: float
    slack: float | None
    largest: int | None
    reason: str | None = None


@dataclass(frozen=True)
class Sizing:
    """The answer: contracts, the limit that binds (None if none does), and every limit at that number."""

    contracts: int
    binding_limit: str | None
    limits: tuple[LimitSlack, ...]


@dataclass(frozen=True)
class _Limit:
    """`measure(n)` after a trade of n contracts rises (`at_most`) or falls (`at_least`) with n; None is unknown."""

    name: str
    threshold: float
    measure: Callable[[int], float] | None
    is_floor: bool = False
    reason: str | None = None
    blocks_if_unknown: bool = True

    def holds(self, n: int) -> bool:
        """Return whether n contracts keep it."""
        if self.measure is None:
            return False
        return self.measure(n) >= self.threshold if self.is_floor else self.measure(n) <= self.threshold

    def largest(self) -> int | None:
        """Return the most contracts it allows, None if any number."""
        if self.measure is None:
            return 0 if self.blocks_if_unknown else None
        if not self.holds(1):
            return 0
        if self.holds(MOST_CONTRACTS):
            return None
        low, high = 1, MOST_CONTRACTS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.holds(middle) else (low, middle)
        return low

    def at(self, n: int, *, most: int | None) -> LimitSlack:
        """Return the limit after n contracts; `most` is what `largest` says."""
        if self.measure is None:
            return LimitSlack(self.name, None, self.threshold, None, most, self.reason)
        measured = self.measure(n)
        slack = measured - self.threshold if self.is_floor else self.threshold - measured
        return LimitSlack(self.name, measured, self.threshold, slack, most)


def sized(unit: UnitTrade, account: Account, *, book: OpenBook, limits: Limits | None = None) -> Sizing:
    """Return the largest whole number of contracts that keeps every limit, with each limit's slack there.

    A limit with a missing input allows none, and says what is missing; an unknown size at the touch bounds nothing and
    is shown as unknown. Of limits that allow equally few the first in the order layer_share, trade_risk, book_risk,
    quick_ratio, size_at_touch binds.

    Raises
    ------
    ValueError
        If the worst loss, the margin, the outlay or a size is negative: that is no measure of a trade.
    """
    chosen = limits or Limits()
    for name in ("worst_loss", "margin", "share_measure", "size_at_touch", "outlay"):
        value = getattr(unit, name)
        if value is not None and not value >= 0.0:
            raise ValueError(f"{name} of the trade is {value}; it must be 0 or more")
    every = _limits(unit, account, book=book, limits=chosen)
    bounds = [limit.largest() for limit in every]
    finite = [(most, limit.name) for most, limit in zip(bounds, every, strict=True) if most is not None]
    contracts, binding = min(finite, key=lambda bound: bound[0], default=(MOST_CONTRACTS, None))
    return Sizing(
        contracts, binding, tuple(limit.at(contracts, most=most) for limit, most in zip(every, bounds, strict=True))
    )


def package_limit(price: float, *, tick: float, side: Side) -> float:
    """Return a package price on the tick, index points: a credit rounded down, a debit up, never past the price asked.

    What is asked of the market is thus never better than the price the decision rests on.
    """
    # A price on the grid stays where it is, whatever its last bits say.
    steps = round(price / tick, 6)
    return round((math.floor(steps) if side == "credit" else math.ceil(steps)) * tick, 10)


def _limits(unit: UnitTrade, account: Account, *, book: OpenBook, limits: Limits) -> tuple[_Limit, ...]:
    touch = unit.size_at_touch
    at_touch = _Limit(
        "size_at_touch",
        math.inf if touch is None else float(touch),
        None if touch is None else float,
        reason="sizes are not given" if touch is None else None,
        blocks_if_unknown=False,
    )
    risks = (
        _risk_limit(
            "trade_risk", limits.trade_risk, unit, account=account, carried=_carried(unit, book), limits=limits
        ),
        _risk_limit("book_risk", limits.book_risk, unit, account=account, carried=book.worst_loss, limits=limits),
    )
    share = (_share_limit(unit, book=book, limits=limits),) if unit.engine == "second" else ()
    return (*share, *risks, _quick_ratio_limit(unit, account, book=book, limits=limits), at_touch)


def _carried(unit: UnitTrade, book: OpenBook) -> float:
    """Return what this week's trade already risks: a layer adds to its condor, a condor starts the week's trade."""
    return book.weekly_condor_loss if unit.engine == "second" else 0.0


def _risk_limit(
    name: str, threshold: float, unit: UnitTrade, *, account: Account, carried: float, limits: Limits
) -> _Limit:
    """Return the limit on (carried + n x worst loss)/equity."""
    equity, loss = account.equity, unit.worst_loss
    if equity is None or equity <= 0.0:
        return _Limit(
            name, threshold, None, reason="equity is not stated" if equity is None else "equity is not positive"
        )
    if loss is None:
        return _Limit(name, threshold, None, reason="the loss is unlimited")
    own = loss * (1.0 + limits.reserved_layer_share) if unit.engine == "condor" else loss
    return _Limit(name, threshold, lambda n: (carried + n * own) / equity)


def _share_limit(unit: UnitTrade, *, book: OpenBook, limits: Limits) -> _Limit:
    """Return the limit on the layers' measure over the open condors'."""
    own, condors = unit.share_measure, book.condor_measure
    if own is None:
        return _Limit("layer_share", limits.layer_share, None, reason="the layer's risk is unknown or unlimited")
    if condors <= 0.0:
        return _Limit("layer_share", limits.layer_share, None, reason="no condor is open")
    return _Limit("layer_share", limits.layer_share, lambda n: (book.layer_measure + n * own) / condors)


def _quick_ratio_limit(unit: UnitTrade, account: Account, *, book: OpenBook, limits: Limits) -> _Limit:
    """Return the floor under quick assets/(current liabilities + margin after the trade); no debt is infinite."""
    assets, liabilities, margin = account.quick_assets, account.current_liabilities, unit.margin
    if assets is None or liabilities is None or margin is None:
        missing = (
            "the margin is unknown" if margin is None else "cash, securities, receivables or liabilities not stated"
        )
        return _Limit("quick_ratio", limits.quick_ratio, None, is_floor=True, reason=missing)

    def ratio(n: int) -> float:
        claims = liabilities + book.margin + n * margin
        return (assets - n * unit.outlay) / claims if claims > 0.0 else math.inf

    return _Limit("quick_ratio", limits.quick_ratio, ratio, is_floor=True)
