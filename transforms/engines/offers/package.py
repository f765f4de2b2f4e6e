"""Options traded together: what the package costs at the session's quotes, and the limit that is asked for it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl

from transforms.book.position import OpenLeg
from transforms.engines.margin import MULTIPLIER
from transforms.engines.payoff import PRICE_DECIMALS
from transforms.engines.priced_chain import QUOTE_KEY
from transforms.engines.sizing import package_limit
from transforms.engines.tail import VIX_ROOTS
from transforms.rules.decisions import OfferedLeg

OPTION_KEY = QUOTE_KEY[1:]
Greek = Literal["delta", "gamma", "vega"]


@dataclass(frozen=True)
class Terms:
    """What a trade costs beside the mid: fees in dollars a contract, ticks of package prices in points.

    fill_slippage: half-spreads beyond the mid at which a fill is expected; 1 crosses the spread.
    """

    spx_fee: float = 1.5
    vix_fee: float = 1.5
    spx_tick: float = 0.05
    vix_tick: float = 0.01
    fill_slippage: float = 1.0

    def fee(self, root: str) -> float:
        """Return the fee of one contract, dollars."""
        return self.vix_fee if root in VIX_ROOTS else self.spx_fee

    def tick(self, root: str) -> float:
        """Return the step of package prices, points."""
        return self.vix_tick if root in VIX_ROOTS else self.spx_tick


@dataclass(frozen=True)
class QuotedLeg:
    """A leg of a package (its quantity is of one package) with its quote in points and sizes; None where not quoted."""

    leg: OpenLeg
    bid: float | None
    ask: float | None
    bid_size: int | None
    ask_size: int | None
    delta: float | None
    gamma: float | None
    vega: float | None

    @property
    def fault(self) -> str | None:
        """Return why it cannot be traded: not in the chain, or not two-sided; None if it can."""
        if self.bid is not None and self.ask is not None and self.ask >= self.bid > 0.0:
            return None
        said = f"{self.leg.root} {self.leg.expiration} {self.leg.strike:g} {self.leg.option_type}"
        if self.bid is None and self.ask is None:
            return f"{said} is not quoted"
        return f"{said} is not two-sided (bid {self.bid}, ask {self.ask})"

    @property
    def natural(self) -> float:
        """Return the bid where it is sold and the ask where it is bought, points."""
        price = self.ask if self.leg.quantity > 0 else self.bid
        return math.nan if price is None else price

    @property
    def mid(self) -> float:
        """Return the middle of the quote, points."""
        return math.nan if self.bid is None or self.ask is None else 0.5 * (self.bid + self.ask)

    @property
    def size(self) -> int | None:
        """Return how many packages the size at the touch allows; None where it is not given."""
        size = self.ask_size if self.leg.quantity > 0 else self.bid_size
        return None if size is None else size // abs(self.leg.quantity)


@dataclass(frozen=True)
class Package:
    """Legs traded together. Prices are points a package, positive if received; with a `fault` they mean nothing."""

    legs: tuple[QuotedLeg, ...]
    terms: Terms

    @cached_property
    def fault(self) -> str | None:
        """Return which leg cannot be traded and why; None if all can."""
        return next((leg.fault for leg in self.legs if leg.fault), None)

    @cached_property
    def natural(self) -> float:
        """Return what it brings when sold at the bids and bought at the asks, points."""
        return round(-math.fsum(leg.leg.quantity * leg.natural for leg in self.legs), PRICE_DECIMALS)

    @cached_property
    def limit(self) -> float:
        """Return the natural price on the tick, never better than it, points."""
        return package_limit(self.natural, tick=max(self.terms.tick(leg.leg.root) for leg in self.legs), side="credit")

    @property
    def fees(self) -> float:
        """Return the fees of one package, dollars."""
        return math.fsum(abs(leg.leg.quantity) * self.terms.fee(leg.leg.root) for leg in self.legs)

    @property
    def cash_at_limit(self) -> float:
        """Return what one package brings at its limit after fees, dollars, negative if it costs."""
        return MULTIPLIER * self.limit - self.fees

    @property
    def expected_cost(self) -> float:
        """Return what one package is expected to cost after fees, dollars, negative if it brings.

        Bought at the mid plus, sold at the mid minus `fill_slippage` times the half-spread.
        """
        prices = (
            leg.leg.quantity * (leg.mid + self.terms.fill_slippage * (leg.natural - leg.mid)) for leg in self.legs
        )
        return MULTIPLIER * math.fsum(prices) + self.fees

    @property
    def size_at_touch(self) -> int | None:
        """Return how many packages the sizes at bid and ask allow; None if one is not given."""
        sizes = [leg.size for leg in self.legs]
        return min((size for size in sizes if size is not None), default=None) if None not in sizes else None

    def greek(self, name: Greek) -> float | None:
        """Return a Greek of one package in the units of feature.option_analytics; None if a leg's is not known."""
        of_legs = [(leg.leg.quantity, getattr(leg, name)) for leg in self.legs]
        if any(value is None for _, value in of_legs):
            return None
        return math.fsum(quantity * value for quantity, value in of_legs)

    def offered(self) -> tuple[OfferedLeg, ...]:
        """Return the legs with their parts of the limit, which add up to it, points.

        What the tick takes from the natural price is borne by the leg bought in the fewest contracts, or, where none is
        bought, by all in proportion.
        """
        bought = [leg for leg in self.legs if leg.leg.quantity > 0]
        parts = {leg.leg: leg.natural for leg in self.legs}
        if bought:
            bearer = min(bought, key=lambda leg: (leg.leg.quantity, leg.leg)).leg
            parts[bearer] += (self.natural - self.limit) / bearer.quantity
        else:
            parts = {leg: price * self.limit / self.natural for leg, price in parts.items()}
        return tuple(
            OfferedLeg(
                root=leg.leg.root,
                expiration=leg.leg.expiration,
                strike=leg.leg.strike,
                option_type=leg.leg.option_type,
                side="buy" if leg.leg.quantity > 0 else "sell",
                quantity=abs(leg.leg.quantity),
                limit_price=round(parts[leg.leg], PRICE_DECIMALS),
            )
            for leg in self.legs
        )


def netted(legs: Iterable[OpenLeg]) -> tuple[OpenLeg, ...]:
    """Return one leg an option with the sum of its quantities, sorted; those that come to 0 are left out."""
    total: dict[tuple[object, ...], OpenLeg] = {}
    for leg in legs:
        before = total.get(leg.name)
        total[leg.name] = leg if before is None else leg.of(before.quantity + leg.quantity)
    return tuple(sorted(leg for leg in total.values() if leg.quantity))


def packaged(legs: Iterable[OpenLeg], chain: pl.DataFrame, *, terms: Terms) -> Package:
    """Return the package of `legs`, netted, at the quotes of `priced_chain` rows of one session."""
    wanted = netted(legs)
    names = pl.DataFrame(
        [leg.name for leg in wanted],
        schema={name: chain.schema[name] for name in OPTION_KEY},
        orient="row",
    )
    quotes = names.join(
        chain.select(*OPTION_KEY, "bid", "ask", "bid_size", "ask_size", "delta", "gamma", "vega"),
        on=OPTION_KEY, how="left", validate="1:1", maintain_order="left",
    ).drop(OPTION_KEY)  # fmt: skip
    rows = quotes.to_dicts()
    return Package(tuple(QuotedLeg(leg, **row) for leg, row in zip(wanted, rows, strict=True)), terms)
