"""An open position, and what it can still cost and demand at expiration: the figures the limits are held against.

Options settle together that share root and expiration. What a position can lose is found for each such group by itself
and added up; nothing nets across groups, so the sum is a bound where there are several.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Literal

import numpy as np

from transforms.engines.margin import MULTIPLIER, expiration_loss_before_credit, naked_call_margin
from transforms.engines.payoff import PRICE_DECIMALS, ExpirationOutcome, Structures, expiration_outcome
from transforms.engines.tail import VIX_ROOTS

Engine = Literal["condor", "second"]
PositionStructure = Literal["iron_condor", "backspread", "front_ratio", "diagonal", "other"]
OptionType = Literal["call", "put"]
OptionName = tuple[str, date, float, str]


@dataclass(frozen=True, order=True)
class OpenLeg:
    """One option of a position: `quantity` contracts of the whole position, negative where sold; strike in points."""

    root: str
    expiration: date
    strike: float
    option_type: OptionType
    quantity: int

    @property
    def name(self) -> OptionName:
        """Return which option it is: root, expiration, strike, option type."""
        return self.root, self.expiration, self.strike, self.option_type

    def of(self, quantity: int) -> "OpenLeg":
        """Return the same option in another quantity."""
        return replace(self, quantity=quantity)


@dataclass(frozen=True)
class CondorStrikes:
    """The strikes of an iron condor, points, from low to high."""

    put_long: float
    put_short: float
    call_short: float
    call_long: float

    @property
    def put_width(self) -> float:
        """Return the width of the put vertical, points."""
        return self.put_short - self.put_long

    @property
    def call_width(self) -> float:
        """Return the width of the call vertical, points."""
        return self.call_long - self.call_short

    def of(self, option_type: str, quantity: int) -> float:
        """Return the strike of the puts or calls bought (quantity above 0) or sold, points."""
        if option_type == "put":
            return self.put_long if quantity > 0 else self.put_short
        return self.call_long if quantity > 0 else self.call_short

    def __str__(self) -> str:
        return f"{self.put_long:g}/{self.put_short:g}/{self.call_short:g}/{self.call_long:g}"


@dataclass(frozen=True)
class OpenPosition:
    """A position as it stands, adjustments and partial closings included.

    contracts: packages opened that are left. expiration: the nearest of its legs. entry_credit: points a package,
    negative if paid. cash_so_far: received less paid since it was opened, fees taken off, dollars; fees_so_far: the
    fees in it. modelled_max_loss: for a structure whose legs cover one another across expirations (a diagonal), the
    most it can lose before fees as its candidate was measured, dollars for the whole position; None else.
    """

    position_id: str
    engine: Engine
    structure: PositionStructure
    contracts: int
    legs: tuple[OpenLeg, ...]
    opened_on: date
    expiration: date
    entry_credit: float
    cash_so_far: float
    fees_so_far: float
    modelled_max_loss: float | None = None

    @property
    def packages(self) -> int:
        """Return into how many equal parts of whole contracts it can be divided; 0 without legs."""
        return math.gcd(*(leg.quantity for leg in self.legs)) if self.legs else 0

    @cached_property
    def worst_payoff(self) -> float | None:
        """Return the least its legs can be worth when they settle, dollars, negative if owed; None if without end."""
        worst = [_worst_payoff(group) for group in _settling_together(self.legs)]
        return MULTIPLIER * math.fsum(worst) if all(map(math.isfinite, worst)) else None

    @cached_property
    def max_loss(self) -> float | None:
        """Return the most it can still lose from its opening on, dollars before fees, 0 if nothing; None if unlimited.

        What was realized by adjustments and partial closings is in it.
        """
        if self.worst_payoff is None:
            return self.modelled_max_loss
        return max(-(self.worst_payoff + self.cash_so_far + self.fees_so_far), 0.0)

    @property
    def capital_at_risk(self) -> float | None:
        """Return max_loss plus the fees paid so far, dollars; None if unlimited."""
        return None if self.max_loss is None else self.max_loss + self.fees_so_far

    @cached_property
    def max_profit(self) -> float | None:
        """Return the most it can still earn from its opening on, dollars before fees; None if unlimited.

        None too if legs are of several expirations: what the later ones will be worth has no bound of its own.
        """
        outcomes = _outcomes(self.legs)
        if len(outcomes) != 1 or not math.isfinite(outcomes[0].best[0]):
            return None
        return MULTIPLIER * float(outcomes[0].best[0]) + self.cash_so_far + self.fees_so_far

    @property
    def notional(self) -> float:
        """Return 100 x strike of the contracts sold, dollars, of the calls or of the puts, whichever is larger.

        Only one side can be called upon by one settlement.
        """
        sold = [leg for leg in self.legs if leg.quantity < 0]
        return MULTIPLIER * max(
            math.fsum(-leg.quantity * leg.strike for leg in sold if leg.option_type == side) for side in ("call", "put")
        )

    def margin(self, *, vix: float | None = None, prices: Mapping[OptionName, float] | None = None) -> float | None:
        """Return the strategy-based margin before credit, dollars: what its legs can owe at expiration.

        Long options cover short ones that expire no later. Calls that stay uncovered, those of the highest strikes, are
        charged beside; that takes the VIX and their `prices` (points) and is known for VIX options only: None else.
        Uncovered puts are charged with all they can owe. (`transforms.engines.margin`)
        """
        owed, uncovered = self._covered
        for leg in uncovered:
            price = (prices or {}).get(leg.name)
            if vix is None or price is None or leg.root not in VIX_ROOTS:
                return None
            owed += -leg.quantity * float(naked_call_margin(leg.strike, price, index_level=vix))
        return owed

    @cached_property
    def _covered(self) -> tuple[float, tuple[OpenLeg, ...]]:
        """What the legs can owe but for the uncovered calls, dollars, and these."""
        if self.worst_payoff is not None and len({(leg.root, leg.expiration) for leg in self.legs}) == 1:
            return max(-self.worst_payoff, 0.0), ()
        owed, uncovered = 0.0, []
        for group in _covering_groups(self.legs):
            covered, bare = _without_uncovered_calls(group)
            uncovered += bare
            owed += float(expiration_loss_before_credit(_structure(covered))[0]) if covered else 0.0
        return owed, tuple(uncovered)

    @cached_property
    def condor(self) -> CondorStrikes | None:
        """Return its strikes if it is an iron condor as it stands: equal numbers, one expiration, longs outside."""
        if len(self.legs) != 4 or len({(leg.root, leg.expiration, abs(leg.quantity)) for leg in self.legs}) != 1:
            return None
        strike = {(leg.option_type, leg.quantity > 0): leg.strike for leg in self.legs}
        if len(strike) != 4:
            return None
        found = CondorStrikes(
            put_long=strike["put", True],
            put_short=strike["put", False],
            call_short=strike["call", False],
            call_long=strike["call", True],
        )
        return found if found.put_long < found.put_short < found.call_short < found.call_long else None


def _outcomes(legs: Iterable[OpenLeg]) -> list[ExpirationOutcome]:
    """Return the outcome, points, of each group of legs that settle by one print."""
    return [expiration_outcome(_structure(group)) for group in _settling_together(legs)]


def _settling_together(legs: Iterable[OpenLeg]) -> list[list[OpenLeg]]:
    """Return the legs that settle by one print, in order."""
    groups: dict[tuple[str, date], list[OpenLeg]] = {}
    for leg in sorted(legs):
        groups.setdefault((leg.root, leg.expiration), []).append(leg)
    return list(groups.values())


def _worst_payoff(legs: Sequence[OpenLeg]) -> float:
    """Return the least that legs which settle by one print can be worth, points; minus infinity if without end.

    `ExpirationOutcome.worst` of one structure, without arrays: a night asks this of hundreds of candidates.
    """
    if sum(leg.quantity for leg in legs if leg.option_type == "call") < 0:
        return -math.inf
    worst = math.inf
    for level in (0.0, *(leg.strike for leg in legs)):
        value = 0.0
        for leg in legs:
            value += leg.quantity * max(level - leg.strike if leg.option_type == "call" else leg.strike - level, 0.0)
        worst = min(worst, value)
    return round(worst, PRICE_DECIMALS)


def _structure(legs: Iterable[OpenLeg]) -> Structures:
    """Return legs as one structure without a credit."""
    ordered = sorted(legs)
    return Structures(
        quantity=np.array([float(leg.quantity) for leg in ordered]),
        strike=np.array([[leg.strike for leg in ordered]]),
        is_call=np.array([leg.option_type == "call" for leg in ordered]),
        credit=np.zeros(1),
    )


def _covering_groups(legs: Iterable[OpenLeg]) -> list[list[OpenLeg]]:
    """Return the legs within which long options cover short ones: a root each, or, where a long option would expire
    before a short one, each expiration of that root by itself.
    """
    groups: dict[tuple[str, date | None], list[OpenLeg]] = {}
    ordered = sorted(legs)
    for leg in ordered:
        own = [other for other in ordered if other.root == leg.root]
        last_sold = max((other.expiration for other in own if other.quantity < 0), default=date.min)
        covers = all(other.expiration >= last_sold for other in own if other.quantity > 0)
        groups.setdefault((leg.root, None if covers else leg.expiration), []).append(leg)
    return list(groups.values())


def _without_uncovered_calls(legs: list[OpenLeg]) -> tuple[list[OpenLeg], list[OpenLeg]]:
    """Return the legs without the calls sold beyond those bought, and these, taken from the highest strike down."""
    bare = max(-sum(leg.quantity for leg in legs if leg.option_type == "call"), 0)
    sold = [leg for leg in legs if leg.option_type == "call" and leg.quantity < 0]
    covered, uncovered = [leg for leg in legs if leg not in sold], []
    for leg in sorted(sold, key=_strike, reverse=True):
        taken = min(bare, -leg.quantity)
        bare -= taken
        if taken:
            uncovered.append(leg.of(-taken))
        if leg.quantity + taken:
            covered.append(leg.of(leg.quantity + taken))
    return covered, uncovered


def _strike(leg: OpenLeg) -> tuple[float, date]:
    return leg.strike, leg.expiration
