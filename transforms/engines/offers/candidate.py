"""From ranked candidates to the one that is traded: its legs, what one contract risks, and the best rank that fits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from transforms.book.position import Engine, OpenLeg, OpenPosition
from transforms.engines.margin import MULTIPLIER
from transforms.engines.offers.package import Package, Terms, packaged
from transforms.engines.offers.standing import Standing
from transforms.engines.payoff import PRICE_DECIMALS
from transforms.engines.sizing import OpenBook, Sizing, UnitTrade, package_limit, sized
from transforms.rules.decisions import Offer

Candidate = Mapping[str, Any]


class Proposal(NamedTuple):
    """An offer with what it rests on: the sizing, and the row of the candidate sized; None where there is none.

    opened: the position it opens, as filled at its package limit, None at 0 contracts; its id is the candidate's, or
    that of the layer rolled.
    """

    offer: Offer | None
    sizing: Sizing | None
    candidate: dict[str, Any] | None
    opened: OpenPosition | None = None


def candidate_legs(candidate: Candidate, contracts: int) -> tuple[OpenLeg, ...]:
    """Return the legs of so many contracts of a row of mart.condor_candidate or mart.ratio_spread_candidate."""
    root, expiration = candidate["root"], candidate["expiration"]
    if "structure" not in candidate:
        return (
            OpenLeg(root, expiration, candidate["put_long"], "put", contracts),
            OpenLeg(root, expiration, candidate["put_short"], "put", -contracts),
            OpenLeg(root, expiration, candidate["call_short"], "call", -contracts),
            OpenLeg(root, expiration, candidate["call_long"], "call", contracts),
        )
    sells_many = candidate["structure"] == "front_ratio"
    sold, bought = (candidate["ratio"], 1) if sells_many else (1, candidate["ratio"])
    return (
        OpenLeg(root, expiration, candidate["short_strike"], "call", -sold * contracts),
        OpenLeg(root, candidate["far_expiration"] or expiration, candidate["long_strike"], "call", bought * contracts),
    )


def loss_before_credit(candidate: Candidate, contracts: int) -> float | None:
    """Return the most a diagonal can owe before its credit, as modelled, dollars; None for others."""
    if candidate.get("far_expiration") is None or candidate["max_loss"] is None:
        return None
    return round(contracts * MULTIPLIER * float(candidate["max_loss"] + candidate["credit"]), PRICE_DECIMALS)


def opened_position(candidate: Candidate, contracts: int, *, position_id: str, terms: Terms) -> OpenPosition:
    """Return the position that so many contracts of a candidate are once filled at their package limit.

    A diagonal carries the maximum loss its candidate was measured with, worsened by what the limit is below its credit.
    """
    legs = candidate_legs(candidate, contracts)
    limit = package_limit(candidate["credit_natural"], tick=terms.tick(candidate["root"]), side="credit")
    fees = sum(abs(leg.quantity) * terms.fee(leg.root) for leg in legs)
    owed = loss_before_credit(candidate, contracts)
    return OpenPosition(
        position_id=position_id,
        engine="second" if "structure" in candidate else "condor",
        structure=candidate.get("structure", "iron_condor"),
        contracts=contracts,
        legs=legs,
        opened_on=candidate["session_date"],
        expiration=candidate["expiration"],
        entry_credit=limit,
        cash_so_far=contracts * MULTIPLIER * limit - fees,
        fees_so_far=fees,
        modelled_max_loss=None if owed is None else max(owed - contracts * MULTIPLIER * limit, 0.0),
    )


def unit_trade(candidate: Candidate, standing: Standing) -> UnitTrade:
    """Return what one contract of a candidate risks and demands when filled at its package limit, dollars."""
    unit = opened_position(candidate, 1, position_id="", terms=standing.terms)
    return UnitTrade(
        engine=unit.engine,
        worst_loss=unit.capital_at_risk,
        margin=standing.margin_of(unit),
        share_measure=standing.share_measure(unit),
        size_at_touch=candidate["size_at_touch"],
        outlay=max(-unit.cash_so_far, 0.0),
    )


def best_that_fits(candidates: pl.DataFrame, standing: Standing, *, book: OpenBook, engine: Engine) -> Proposal:
    """Return the best-ranked candidate of which at least one contract keeps every limit, as many as keep them.

    If none does, the first is returned with its sizing at 0 contracts and the limit that binds. The note says which
    better ones did not fit and why. Without candidates all is None.
    """
    first: tuple[Candidate, Sizing] | None = None
    refused: dict[str, list[int]] = {}
    for candidate in candidates.sort("rank").iter_rows(named=True):
        unit = unit_trade(candidate, standing)
        sizing = sized(unit, standing.account, book=book, limits=standing.limits)
        first = first or (candidate, sizing)
        why = sizing.binding_limit
        if sizing.contracts:
            package = packaged(candidate_legs(candidate, 1), standing.chain, terms=standing.terms)
            if package.fault is None:
                note = "; ".join((f"rank {candidate['rank']}: {candidate['candidate_id']}", *_refusals(refused)))
                return Proposal(
                    offer=replace(
                        _opening(package, sizing, unit=unit, engine=engine, note=note),
                        loss_before_credit=loss_before_credit(candidate, sizing.contracts),
                    ),
                    sizing=sizing,
                    candidate=candidate,
                    opened=opened_position(
                        candidate, sizing.contracts, position_id=candidate["candidate_id"], terms=standing.terms
                    ),
                )
            why = package.fault
        refused.setdefault(why or "", []).append(candidate["rank"])
    return Proposal(None, None, None) if first is None else _none_fits(*first, standing, refused=refused, engine=engine)


def _none_fits(
    candidate: Candidate, sizing: Sizing, standing: Standing, *, refused: Mapping[str, list[int]], engine: Engine
) -> Proposal:
    """Return the first candidate at 0 contracts, with why none fits."""
    package = packaged(candidate_legs(candidate, 1), standing.chain, terms=standing.terms)
    offer = Offer(
        engine,
        () if package.fault else package.offered(),
        0,
        binding_limit=None if package.fault else sizing.binding_limit,
        note="; ".join(("no candidate fits", *_refusals(refused))),
    )
    return Proposal(offer, replace(sizing, contracts=0), dict(candidate))


def _opening(package: Package, sizing: Sizing, *, unit: UnitTrade, engine: Engine, note: str) -> Offer:
    """Return the offer to open a package, sized."""
    gamma = package.greek("gamma")
    return Offer(
        engine=engine,
        legs=package.offered(),
        contracts=sizing.contracts,
        limit_price=package.limit,
        expected_cost=round(sizing.contracts * package.expected_cost, PRICE_DECIMALS),
        max_loss_change=None if unit.worst_loss is None else round(sizing.contracts * unit.worst_loss, PRICE_DECIMALS),
        gamma_change=None if gamma is None else sizing.contracts * gamma,
        binding_limit=sizing.binding_limit,
        note=note,
    )


def _refusals(refused: Mapping[str, list[int]]) -> list[str]:
    """Return which better ranks do not fit, by reason: ranks 1-3, 5 fit at no size (trade_risk)."""
    return [
        f"rank{'s' if len(ranks) > 1 else ''} {_spans(ranks)} fit at no size ({why})" for why, ranks in refused.items()
    ]


def _spans(ranks: list[int]) -> str:
    """Return increasing numbers with runs drawn together: 1-3, 5."""
    spans: list[list[int]] = []
    for rank in ranks:
        if spans and spans[-1][1] == rank - 1:
            spans[-1][1] = rank
        else:
            spans.append([rank, rank])
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in spans)
