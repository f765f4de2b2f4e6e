"""The second engine's offers: a layer against a condor, and the same layer a month on (METHOD sections 7 and 8)."""

import math
from collections.abc import Collection
from dataclasses import replace

import polars as pl

from transforms.book.position import OpenPosition
from transforms.engines.offers.candidate import (
    Proposal,
    best_that_fits,
    candidate_legs,
    loss_before_credit,
    opened_position,
    unit_trade,
)
from transforms.engines.offers.change import cash_at_limit, closing_legs, offered_change, refusal
from transforms.engines.offers.package import packaged
from transforms.engines.offers.standing import Standing
from transforms.engines.roll import LayerUnit, RolledSize, RollMatch, next_layer, rolled_size
from transforms.engines.sizing import Sizing, sized


def layer_offer(
    candidates: pl.DataFrame, standing: Standing, *, against: str | None, unopened: Collection[str] = ()
) -> Proposal:
    """Return the offer to activate the second engine: of mart.ratio_spread_candidate the best rank that fits.

    `against`: id of the open condor it is to stand against, whose loss, with that of the layers it has, counts for
    trade_risk; None if there is none. `unopened`: condors of the standing that add to its risk but not yet to what the
    layers' share is taken of.
    """
    trade = () if against is None else standing.trade_of(against)
    book = standing.book(trade=trade, unopened=unopened)
    return best_that_fits(candidates, standing, book=book, engine="second")


def rolled(
    position: OpenPosition, candidates: pl.DataFrame, standing: Standing, *, match: RollMatch = "vega"
) -> Proposal:
    """Return the offer to move a layer to the next month: one package closes the old and opens the new.

    The new layer is the best-ranked candidate of the nearest later expiration. Its contracts match the old layer's by
    `match`, or are the most the limits and the size at the touch then allow, measured without the old layer and with
    what closing it costs. The package is the smallest whose legs are whole, so `contracts` is the greatest common
    divisor of the old and the new number. 0 contracts, with the reason, if there is no candidate, none fits, or a leg
    is not two-sided: the layer then settles. Changes of loss and gamma are the new layer's against the old.
    """
    chosen = next_layer(candidates, held_expiration=position.expiration)
    if chosen.is_empty():
        return Proposal(refusal(position, f"no candidate expires after {position.expiration}"), None, None)
    candidate = chosen.row(0, named=True)
    n_old = position.packages
    close = packaged(closing_legs(position), standing.chain, terms=standing.terms)
    open_one = packaged(candidate_legs(candidate, 1), standing.chain, terms=standing.terms)
    fault = close.fault or open_one.fault
    if fault:
        return Proposal(refusal(position, fault), None, candidate)
    held_vega, risk = close.greek("vega"), position.capital_at_risk
    held = LayerUnit(None if held_vega is None else -held_vega, None if risk is None else risk / n_old)
    unit = unit_trade(candidate, standing)
    wanted = rolled_size(n_old, held, chosen=LayerUnit(open_one.greek("vega"), unit.worst_loss), match=match)
    without = standing.replaced(position, None, cash=n_old * close.cash_at_limit)
    rest = standing.trade_of(position.position_id) - {position.position_id}
    sizing = sized(unit, without.account, book=without.book(trade=rest), limits=standing.limits)
    contracts = min(wanted.contracts, sizing.contracts)
    limit = sizing.binding_limit if sizing.contracts < wanted.contracts else "roll_match"
    if contracts == 0:
        return Proposal(refusal(position, _too_few(wanted, sizing, match), limit=limit), sizing, candidate)
    packages = math.gcd(n_old, contracts)
    legs = [leg.of(n_old // packages * leg.quantity) for leg in closing_legs(position)]
    package = packaged((*legs, *candidate_legs(candidate, contracts // packages)), standing.chain, terms=standing.terms)
    after = opened_position(candidate, contracts, position_id=position.position_id, terms=standing.terms)
    note = (
        f"{n_old} of {position.expiration} to {contracts} of {candidate['candidate_id']}: cost "
        f"{packages * package.expected_cost:,.2f} dollars, {_ratios(wanted, contracts)}"
    )
    offer = offered_change(position, after, package, contracts=packages, note=note, limit=limit)
    owed = loss_before_credit(candidate, contracts)
    return Proposal(replace(offer, loss_before_credit=owed), sizing, candidate, after)


def after_roll(standing: Standing, position: OpenPosition, proposal: Proposal) -> Standing:
    """Return the standing once a roll is filled at its limit: the new layer under the old one's id and condor."""
    if proposal.offer is None or proposal.opened is None:
        return standing
    cash, _ = cash_at_limit(proposal.offer, terms=standing.terms)
    return standing.replaced(position, proposal.opened, cash=cash)


def _too_few(wanted: RolledSize, sizing: Sizing, match: RollMatch) -> str:
    if wanted.contracts == 0:
        return f"no contract of the next month matches the layer's {match}: the layer settles"
    return f"{wanted.contracts} would match, {sizing.binding_limit} allows none: the layer settles"


def _ratios(wanted: RolledSize, contracts: int) -> str:
    """Return what so many of the contracts wanted keep of the old layer's vega and risk."""
    share = contracts / wanted.contracts
    said = [
        f"{name} ratio {'unknown' if ratio is None else f'{ratio * share:.2f}'}"
        for name, ratio in (("vega", wanted.vega_ratio), ("risk", wanted.risk_ratio))
    ]
    return ", ".join(said)
