"""What an offer is measured against: the session's quotes, the account, what is open, and the limits.

Each limit is measured from the open positions themselves, before a change and after it, so that several changes of one
night add up: the second is measured against the standing after the first.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from transforms.book.position import OpenPosition, OptionName
from transforms.engines.offers.package import OPTION_KEY, Terms
from transforms.engines.sizing import Account, Limits, OpenBook

ShareBasis = Literal["capital_at_risk", "margin", "notional"]
FLOORS = ("quick_ratio",)


@dataclass(frozen=True)
class Standing:
    """The evening as the offers see it.

    chain: `priced_chain` rows of the session, SPX and VIX. stands_against: by layer the condor it was opened against,
    position ids. basis: what layer_share compares. vix: close, points, which the margin of uncovered calls needs.
    """

    chain: pl.DataFrame
    account: Account
    positions: tuple[OpenPosition, ...] = ()
    stands_against: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    basis: ShareBasis = "capital_at_risk"
    vix: float | None = None
    terms: Terms = field(default_factory=Terms)

    def replaced(self, old: OpenPosition | None, new: OpenPosition | None, *, cash: float = 0.0) -> "Standing":
        """Return the standing with one position in place of another, and so much more cash (dollars).

        Without `old` the position is added, without `new` taken out.
        """
        kept = tuple(held for held in self.positions if old is None or held.position_id != old.position_id)
        account = self.account
        if account.cash is not None:
            account = replace(account, cash=account.cash + cash)
        return replace(self, positions=kept if new is None else (*kept, new), account=account)

    def trade_of(self, position_id: str) -> frozenset[str]:
        """Return the trade a position belongs to: a condor and the layers that stand against it."""
        condor = self.stands_against.get(position_id, position_id)
        return frozenset((condor, *(layer for layer, against in self.stands_against.items() if against == condor)))

    def margin_of(self, position: OpenPosition) -> float | None:
        """Return the strategy-based margin of a position, dollars; None if unknown."""
        margin = position.margin()
        if margin is None and self.vix is not None:
            margin = position.margin(vix=self.vix, prices=self._prices(position))
        return margin

    def share_measure(self, position: OpenPosition) -> float | None:
        """Return what a position counts for in layer_share, dollars; None if unknown."""
        if self.basis == "margin":
            return self.margin_of(position)
        return position.notional if self.basis == "notional" else position.capital_at_risk

    def book(self, *, trade: Collection[str] = (), unopened: Collection[str] = ()) -> OpenBook:
        """Return what is open, dollars; `trade`: the positions trade_risk counts beside what is sized.

        `unopened`: condors that count as risk but not for the layers' share, because they may never be filled.

        What is unknown or unlimited is infinite where it is held below a limit, and 0 as a condor's part of the share.
        """
        condors = [held for held in self.positions if held.engine == "condor" and held.position_id not in unopened]
        layers = [held for held in self.positions if held.engine == "second"]
        return OpenBook(
            worst_loss=math.fsum(_or_infinite(held.capital_at_risk) for held in self.positions),
            margin=math.fsum(_or_infinite(self.margin_of(held)) for held in self.positions),
            weekly_condor_loss=math.fsum(
                _or_infinite(held.capital_at_risk) for held in self.positions if held.position_id in trade
            ),
            condor_measure=math.fsum(self.share_measure(held) or 0.0 for held in condors),
            layer_measure=math.fsum(_or_infinite(self.share_measure(held)) for held in layers),
        )

    def measured(self, *, trade: Collection[str] = ()) -> "Measured":
        """Return where every limit stands."""
        return Measured(self.account, self.book(trade=trade), self.limits)

    def _prices(self, position: OpenPosition) -> dict[OptionName, float]:
        """Return a price of each leg, points: the mid, the fitted price, or the offer."""
        price = pl.coalesce("mid", "fitted_price", "ask").alias("price")
        own = self.chain.filter(pl.col("root").is_in({leg.root for leg in position.legs}))
        rows = own.select(*OPTION_KEY, price).drop_nulls("price").iter_rows()
        names = {leg.name for leg in position.legs}
        return {name: value for *key, value in rows if (name := (key[0], key[1], key[2], key[3])) in names}


@dataclass(frozen=True)
class Measured:
    """An account and a book held against the limits."""

    account: Account
    book: OpenBook
    limits: Limits

    def value(self, name: str) -> float | None:
        """Return the measure of a limit: decimal share or ratio, infinite without a bound; None if an input is missing.

        A share of an account without positive equity is infinite, so is a layer's without a condor.
        """
        equity, assets = self.account.equity, self.account.quick_assets
        if name == "layer_share":
            return _ratio(self.book.layer_measure, self.book.condor_measure)
        if name == "quick_ratio":
            liabilities = self.account.current_liabilities
            if assets is None or liabilities is None:
                return None
            claims = liabilities + self.book.margin
            return assets / claims if claims > 0.0 else math.inf
        if equity is None:
            return None
        loss = self.book.worst_loss if name == "book_risk" else self.book.weekly_condor_loss
        return loss / equity if equity > 0.0 else math.inf

    def threshold(self, name: str) -> float:
        """Return the bound of a limit in its own unit."""
        return float(getattr(self.limits, name))

    def holds(self, name: str) -> bool:
        """Return whether a limit is kept; one that cannot be measured is not."""
        value = self.value(name)
        if value is None:
            return False
        return value >= self.threshold(name) if name in FLOORS else value <= self.threshold(name)

    def is_worse_than(self, before: "Measured", name: str) -> bool:
        """Return whether a limit is farther from being kept than before.

        Where it cannot be measured: whether more can be lost, or, of quick_ratio, whether the margin is not less.
        """
        value, was = self.value(name), before.value(name)
        if value is not None and was is not None:
            return value < was if name in FLOORS else value > was
        if name in FLOORS:
            return self.book.margin >= before.book.margin
        stakes = "worst_loss" if name == "book_risk" else "weekly_condor_loss"
        return bool(getattr(self.book, stakes) > getattr(before.book, stakes))

    def said(self, name: str) -> str:
        """Return a limit in words: trade_risk 0.0712, at most 0.06."""
        value = self.value(name)
        bound = "at least" if name in FLOORS else "at most"
        return f"{name} {'unknown' if value is None else f'{value:.4g}'}, {bound} {self.threshold(name):.4g}"


def _ratio(layers: float, condors: float) -> float:
    if condors > 0.0:
        return layers / condors
    return math.inf if layers > 0.0 else 0.0


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
