"""Changing what is open: the position as it would be, and whether the limits allow it.

A change is all or nothing, for every contract of the position: half a change would leave a structure that nothing here
has measured. It is refused by a limit that it makes fail, or that fails and gets worse by it; closing never is.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from transforms.book.position import OpenLeg, OpenPosition
from transforms.engines.margin import MULTIPLIER
from transforms.engines.offers.package import Package, Terms, netted, packaged
from transforms.engines.offers.standing import Measured, Standing
from transforms.engines.payoff import PRICE_DECIMALS
from transforms.rules.decisions import CONDOR_LIMITS, Offer


def closing_legs(position: OpenPosition) -> tuple[OpenLeg, ...]:
    """Return the legs that close one package of a position: its own, reversed."""
    return tuple(leg.of(-leg.quantity // position.packages) for leg in position.legs)


def closing(position: OpenPosition, standing: Standing) -> Offer:
    """Return the offer to close a position, all of it, at natural prices.

    0 contracts, with the reason in the note, if a leg is not two-sided.
    """
    package = packaged(closing_legs(position), standing.chain, terms=standing.terms)
    if package.fault:
        return refusal(position, package.fault)
    return offered_change(position, None, package, contracts=position.packages, note="closes all legs")


def position_after(position: OpenPosition, offer: Offer, *, terms: Terms) -> OpenPosition | None:
    """Return a position once an offer that widens, tightens, reduces or closes it is filled at its limit.

    None if no leg is left. A roll opens another position: that is closing this one and `opened_position`.
    """
    cash, fees = cash_at_limit(offer, terms=terms)
    return after_trade(position, _legs(offer), cash=cash, fees=fees) if offer.contracts else position


def after_change(standing: Standing, position: OpenPosition, offer: Offer) -> Standing:
    """Return the standing once an offer that widens, tightens, reduces or closes a position is filled at its limit."""
    cash, _ = cash_at_limit(offer, terms=standing.terms)
    return standing.replaced(position, position_after(position, offer, terms=standing.terms), cash=cash)


def cash_at_limit(offer: Offer, *, terms: Terms) -> tuple[float, float]:
    """Return what an offer brings at its limit after fees, negative if it costs, and the fees in it, dollars."""
    fees = math.fsum(abs(leg.quantity) * terms.fee(leg.root) for leg in _legs(offer))
    return offer.contracts * MULTIPLIER * (offer.limit_price or 0.0) - fees, fees


def _legs(offer: Offer) -> list[OpenLeg]:
    """Return the options an offer trades, contracts in all."""
    return [
        OpenLeg(
            leg.root, leg.expiration, leg.strike or 0.0, leg.option_type or "call",
            offer.contracts * (leg.quantity if leg.side == "buy" else -leg.quantity),
        )
        for leg in offer.legs
    ]  # fmt: skip


def after_package(position: OpenPosition, package: Package, contracts: int) -> OpenPosition | None:
    """Return a position once so many packages are traded at their limit; None if no leg is left."""
    legs = (quoted.leg.of(contracts * quoted.leg.quantity) for quoted in package.legs)
    return after_trade(position, legs, cash=contracts * package.cash_at_limit, fees=contracts * package.fees)


def refusing_limit(before: Measured, after: Measured) -> str | None:
    """Return the first of trade_risk, book_risk and quick_ratio that refuses a change; None if none does."""
    return next((name for name in CONDOR_LIMITS if not after.holds(name) and after.is_worse_than(before, name)), None)


def changed(position: OpenPosition, legs: Iterable[OpenLeg], standing: Standing, *, note: str) -> Offer:
    """Return the offer to trade `legs` (of one package) in every contract of a condor, or why it cannot be.

    Measured as filled at the package limit: the costs leave the account's cash and add to what the condor can lose.
    The trade of trade_risk is the condor with the layers that stand against it, of whatever week.
    """
    package = packaged(legs, standing.chain, terms=standing.terms)
    if package.fault:
        return refusal(position, f"{note}: {package.fault}")
    n = position.packages
    changed_to = after_package(position, package, n)
    trade = standing.trade_of(position.position_id)
    before = standing.measured(trade=trade)
    after = standing.replaced(position, changed_to, cash=n * package.cash_at_limit).measured(trade=trade)
    limit = refusing_limit(before, after)
    if limit:
        return refusal(position, f"{note}: {after.said(limit)}", package=package, limit=limit)
    remarks = [note]
    if after.is_worse_than(before, "layer_share") and not after.holds("layer_share"):
        remarks.append(f"the layer is then too large: {after.said('layer_share')}")
    if package.size_at_touch is not None and package.size_at_touch < n:
        remarks.append(f"the touch shows {package.size_at_touch} of {n}")
    return offered_change(position, changed_to, package, contracts=n, note="; ".join(remarks))


def offered_change(
    position: OpenPosition, after: OpenPosition | None, package: Package, *, contracts: int, note: str,
    limit: str | None = None,
) -> Offer:  # fmt: skip
    """Return the offer to trade so many packages, by which a position becomes `after` (None: it is closed)."""
    risk, then = position.capital_at_risk, 0.0 if after is None else after.capital_at_risk
    gamma = package.greek("gamma")
    return Offer(
        engine=position.engine,
        legs=package.offered(),
        contracts=contracts,
        limit_price=package.limit,
        expected_cost=round(contracts * package.expected_cost, PRICE_DECIMALS),
        max_loss_change=None if risk is None or then is None else round(then - risk, PRICE_DECIMALS),
        gamma_change=None if gamma is None else contracts * gamma,
        binding_limit=limit,
        note=note,
    )


def refusal(position: OpenPosition, note: str, *, package: Package | None = None, limit: str | None = None) -> Offer:
    """Return an offer of 0 contracts that says why."""
    return Offer(position.engine, package.offered() if package else (), 0, binding_limit=limit, note=note)


def after_trade(position: OpenPosition, legs: Iterable[OpenLeg], *, cash: float, fees: float) -> OpenPosition | None:
    """Return a position once `legs` are traded for `cash` (dollars after `fees`); None if no leg is left."""
    left = netted((*position.legs, *legs))
    if not left:
        return None
    is_part = {leg.name for leg in left} == {leg.name for leg in position.legs}
    kept = math.gcd(*(leg.quantity for leg in left)) / position.packages if is_part else 1.0
    modelled = position.modelled_max_loss
    return replace(
        position,
        legs=left,
        contracts=round(position.contracts * kept),
        expiration=min(leg.expiration for leg in left),
        cash_so_far=position.cash_so_far + cash,
        fees_so_far=position.fees_so_far + fees,
        modelled_max_loss=None if modelled is None else modelled * kept,
    )
