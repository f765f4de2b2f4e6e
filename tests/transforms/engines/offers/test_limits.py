"""Limits are never exceeded: over random markets, accounts, books and limits, each measured from scratch.

Nothing of the offers' own measuring is used: settlement payoffs are evaluated on a grid, limits written as METHOD
section 8 writes them.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.slow import SLOW
from tests.transforms.engines.offers.evenings import (
    N_MARKETS,
    SPX_EXPIRATION,
    VIX_MONTHS,
    at_risk,
    condor,
    evening,
    layer,
    limit_of_legs,
    margin_of,
    quote,
    risk_of,
    standing,
    summed,
    trade,
)
from transforms.book.position import OpenLeg, OpenPosition
from transforms.engines.offers.change import after_change
from transforms.engines.offers.condor import condor_offer, tightened, widened
from transforms.engines.offers.layer import after_roll, layer_offer, rolled
from transforms.engines.offers.package import Terms
from transforms.engines.offers.reduction import reduction
from transforms.engines.offers.standing import Standing
from transforms.engines.sizing import Account, Limits
from transforms.rules.decisions import Offer

EXAMPLES = 2_000 if SLOW else 60
SLACK = 1e-9
campaign = settings(max_examples=EXAMPLES, deadline=None)

dollars = st.one_of(st.none(), st.floats(-20_000.0, 400_000.0).map(lambda amount: round(amount, 2)))
positive = st.one_of(st.none(), st.floats(0.0, 200_000.0).map(lambda amount: round(amount, 2)))
accounts = st.builds(
    Account,
    equity=st.one_of(st.none(), st.floats(-1_000.0, 2_000_000.0)),
    cash=dollars,
    marketable_securities=positive,
    receivables=positive,
    current_liabilities=positive,
) | st.builds(Account, st.floats(50_000.0, 3e6), *[st.floats(0.0, 3e6)] * 3, st.floats(0.0, 50_000.0))
limits = st.builds(
    Limits,
    layer_share=st.floats(0.02, 0.8),
    trade_risk=st.floats(0.005, 0.3),
    book_risk=st.floats(0.01, 0.8),
    quick_ratio=st.floats(0.2, 3.0),
    reserved_layer_share=st.floats(0.0, 0.5),
)
terms = st.builds(
    Terms,
    spx_fee=st.sampled_from([0.0, 0.65, 1.5, 5.0]),
    vix_fee=st.sampled_from([0.0, 0.65, 1.5, 5.0]),
    spx_tick=st.sampled_from([0.05, 0.25]),
    vix_tick=st.sampled_from([0.01, 0.05]),
    fill_slippage=st.floats(0.0, 2.0),
)
numbers = st.integers(1, 6)


@st.composite
def condors(draw: st.DrawFn, name: str) -> OpenPosition:
    put_short = draw(st.integers(4500 // 25, 4950 // 25)) * 25.0
    call_short = draw(st.integers(5050 // 25, 5350 // 25)) * 25.0
    put_width, call_width = (draw(st.sampled_from([25.0, 50.0, 75.0, 100.0])) for _ in range(2))
    credit = draw(st.integers(-100, 900)) / 20.0
    strikes = (put_short - put_width, put_short, call_short, call_short + call_width)
    return condor(name, draw(numbers), strikes=strikes, credit=credit)


@st.composite
def layers(draw: st.DrawFn, name: str) -> OpenPosition:
    short = draw(st.integers(26, 36)) / 2.0
    long = short + draw(st.integers(2, 7)) / 2.0
    return layer(
        name,
        draw(numbers),
        strikes=(short, min(long, 19.5)),
        ratio=draw(st.sampled_from([2, 3])),
        credit=draw(st.integers(-200, 100)) / 100.0,
        expiration=draw(st.sampled_from(VIX_MONTHS[:2])),
    )


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    """An evening with two condors and two layers at most; the first condor is `c1`, the first layer `l1`."""
    held = [draw(condors(f"c{i}")) for i in range(1, draw(st.integers(0, 2)) + 1)]
    held += [draw(layers(f"l{i}")) for i in range(1, draw(st.integers(0, 2)) + 1)]
    return standing(
        evening(draw(st.integers(0, N_MARKETS - 1))).chain,
        *held,
        account=draw(accounts),
        limits=draw(limits),
        terms=draw(terms),
        stands_against={"l1": "c1", "l2": draw(st.sampled_from(["c1", "c2", "gone"]))},
        basis=draw(st.sampled_from(["capital_at_risk", "margin", "notional"])),
    )


@dataclass
class Scratch:
    """A book as lists of contracts with what they have brought in: enough to measure every limit anew."""

    now: Standing
    risks: dict[str, float]
    margins: dict[str, float]
    notionals: dict[str, float]
    cash: float = 0.0

    @classmethod
    def of(cls, now: Standing) -> "Scratch":
        scratch = cls(now, {}, {}, {})
        for held in now.positions:
            scratch.put(held.position_id, held.legs, risk=risk_of(held))
        return scratch

    def put(self, name: str, legs: Iterable[OpenLeg], *, risk: float) -> None:
        legs = tuple(legs)
        sold = [(leg.option_type, -leg.quantity * leg.strike) for leg in legs if leg.quantity < 0]
        self.risks[name], self.margins[name] = risk, margin_of(legs)
        self.notionals[name] = max(100.0 * sum(q for kind, q in sold if kind == side) for side in ("put", "call"))

    def take_out(self, name: str) -> None:
        for figures in (self.risks, self.margins, self.notionals):
            figures.pop(name)

    def value(self, limit: str, *, trade_names: Iterable[str] = (), reserve: float = 0.0) -> float | None:
        """The measure of a limit, `reserve` dollars of loss added; None where the account does not say."""
        account = self.now.account
        if limit == "layer_share":
            by_basis = {"capital_at_risk": self.risks, "margin": self.margins, "notional": self.notionals}
            measure = by_basis[self.now.basis]
            layer_sum = sum(value for name, value in measure.items() if name.startswith("l"))
            condor_sum = sum(value for name, value in measure.items() if name.startswith("c"))
            return layer_sum / condor_sum if condor_sum > 0.0 else (math.inf if layer_sum > 0.0 else 0.0)
        if limit == "quick_ratio":
            at_hand = (account.cash, account.marketable_securities, account.receivables)
            if None in at_hand or account.current_liabilities is None:
                return None
            # Nothing that is received is counted, all that is paid is.
            claims = account.current_liabilities + sum(self.margins.values())
            return (sum(at_hand) + min(self.cash, 0.0)) / claims if claims > 0.0 else math.inf
        if account.equity is None:
            return None
        names = self.risks if limit == "book_risk" else [name for name in self.risks if name in set(trade_names)]
        loss = sum(self.risks[name] for name in names) + reserve
        return loss / account.equity if account.equity > 0.0 else math.inf

    def holds(self, limit: str, **given: object) -> bool:
        value, bound = self.value(limit, **given), getattr(self.now.limits, limit)
        if value is None:
            return False
        return value >= bound - SLACK if limit == "quick_ratio" else value <= bound + SLACK


def cash_of(offer: Offer, now: Standing) -> tuple[float, float]:
    """What an offer brings at its limit, dollars after fees, and the fees."""
    fees = sum(abs(leg.quantity) * now.terms.fee(leg.root) for leg in trade(offer))
    return max(offer.contracts, 1) * 100.0 * limit_of_legs(offer) - fees, fees


def on_tick(price: float, tick: float) -> float:
    return math.floor(round(price / tick, 6)) * tick


def opening(scratch: Scratch, offer: Offer, name: str) -> None:
    cash, fees = cash_of(offer, scratch.now)
    scratch.put(name, trade(offer), risk=at_risk(trade(offer), cash=cash + fees, fees=fees))
    scratch.cash += cash


def only_two_sided(offer: Offer, now: Standing) -> bool:
    return all(bid > 0.0 and ask >= bid for bid, ask in (quote(now.chain, leg) for leg in trade(offer)))


@campaign
@given(standings(), st.data())
def test_a_condor_keeps_every_limit_and_room_for_its_layer(now: Standing, data: st.DataObject) -> None:
    market = data.draw(st.integers(0, N_MARKETS - 1))
    now = dataclasses.replace(now, chain=evening(market).chain)
    offer, sizing, candidate, _ = condor_offer(evening(market).condors, now)
    assert offer.contracts == sizing.contracts
    if offer.contracts == 0:
        return
    assert only_two_sided(offer, now)
    scratch = Scratch.of(now)
    opening(scratch, offer, "c-new")
    reserve = now.limits.reserved_layer_share * scratch.risks["c-new"]
    assert scratch.holds("trade_risk", trade_names=["c-new"], reserve=reserve)
    assert scratch.holds("book_risk", reserve=reserve)
    assert scratch.holds("quick_ratio")
    assert candidate["size_at_touch"] is None or offer.contracts <= candidate["size_at_touch"]


@campaign
@given(standings(), st.data())
def test_a_layer_keeps_every_limit(now: Standing, data: st.DataObject) -> None:
    market = data.draw(st.integers(0, N_MARKETS - 1))
    now = dataclasses.replace(now, chain=evening(market).chain)
    offer, _, candidate, _ = layer_offer(evening(market).layers, now, against="c1")
    if offer.contracts == 0:
        return
    assert only_two_sided(offer, now)
    scratch = Scratch.of(now)
    opening(scratch, offer, "l-new")
    assert all(scratch.holds(name) for name in ("layer_share", "book_risk", "quick_ratio"))
    assert scratch.holds("trade_risk", trade_names={*now.trade_of("c1"), "l-new"})
    assert candidate["size_at_touch"] is None or offer.contracts <= candidate["size_at_touch"]


@campaign
@given(standings(), layers("l1"), st.sampled_from(["vega", "risk", "contracts"]), st.data())
def test_a_rolled_layer_keeps_every_limit(now: Standing, held: OpenPosition, match: str, data: st.DataObject) -> None:
    market = data.draw(st.integers(0, N_MARKETS - 1))
    others = tuple(other for other in now.positions if other.position_id != "l1")
    now = dataclasses.replace(now, chain=evening(market).chain, positions=(*others, held))
    offer, _, candidate, _ = rolled(held, evening(market).layers, now, match=match)
    if offer.contracts == 0:
        return
    assert only_two_sided(offer, now)
    after = summed((*held.legs, *trade(offer)))
    new = [OpenLeg(*name, quantity) for name, quantity in after.items()]
    assert {leg.expiration for leg in new} == {candidate["expiration"]}
    sold = -sum(leg.quantity for leg in new if leg.quantity < 0)
    # The new layer bears its own limit; the package as a whole is what the cash is moved by.
    per_layer = sum(-(leg.quantity // sold) * quote(now.chain, leg)[1 if leg.quantity > 0 else 0] for leg in new)
    fees = sum(abs(leg.quantity) for leg in new) * now.terms.vix_fee
    scratch = Scratch.of(now)
    scratch.take_out("l1")
    brought = sold * 100.0 * on_tick(per_layer, now.terms.vix_tick)
    scratch.put("l-new", new, risk=at_risk(new, cash=brought, fees=fees))
    scratch.cash = cash_of(offer, now)[0]
    assert all(scratch.holds(name) for name in ("layer_share", "book_risk", "quick_ratio"))
    trade_names = {*now.trade_of("l1") - {"l1"}, "l-new"}
    assert scratch.holds("trade_risk", trade_names=trade_names)


@campaign
@given(standings(), condors("c1"), st.sampled_from(["widen", "short_strikes", "wings"]), st.floats(4800.0, 5200.0))
def test_a_changed_condor_breaks_no_limit_and_one_refused_would(
    now: Standing, held: OpenPosition, how: str, spot: float
) -> None:
    now = dataclasses.replace(now, positions=(*(other for other in now.positions if other.position_id != "c1"), held))
    offer = widened(held, now, spot=spot) if how == "widen" else tightened(held, now, mode=how)
    if not offer.legs:
        return
    contracts = held.packages
    whole = dataclasses.replace(offer, contracts=contracts)
    cash, fees = cash_of(whole, now)
    before, after = Scratch.of(now), Scratch.of(now)
    legs = [OpenLeg(*name, quantity) for name, quantity in summed((*held.legs, *trade(whole))).items()]
    all_fees = held.fees_so_far + fees
    after.put("c1", legs, risk=at_risk(legs, cash=held.cash_so_far + held.fees_so_far + cash + fees, fees=all_fees))
    after.cash = cash
    ours = now.trade_of("c1")

    def worse(name: str) -> bool:
        value, was = after.value(name, trade_names=ours), before.value(name, trade_names=ours)
        assert value is not None
        assert was is not None
        return value < was if name == "quick_ratio" else value > was

    if offer.contracts:
        assert only_two_sided(offer, now)
        assert offer.contracts == contracts
        assert sorted(abs(leg.quantity) for leg in legs) == [contracts] * 4
        assert {(leg.root, leg.expiration) for leg in legs} == {("SPXW", SPX_EXPIRATION)}
        for name in ("trade_risk", "book_risk", "quick_ratio"):
            if after.value(name, trade_names=ours) is not None:
                assert after.holds(name, trade_names=ours) or not worse(name)
        assert offer.max_loss_change is not None
        assert abs(offer.max_loss_change - (after.risks["c1"] - before.risks["c1"])) < 1e-6
    else:
        assert offer.binding_limit in ("trade_risk", "book_risk", "quick_ratio")
        if after.value(offer.binding_limit, trade_names=ours) is not None:
            assert not after.holds(offer.binding_limit, trade_names=ours)
            assert worse(offer.binding_limit)


@campaign
@given(standings())
def test_a_reduction_brings_back_what_failed_with_the_fewest_contracts_and_loses_nothing(now: Standing) -> None:
    names = ("layer_share", "book_risk", "quick_ratio")
    failed = [name for name in names if now.measured().value(name) is not None and not now.measured().holds(name)]
    offers = {name: offer for name, offer in reduction(now, failed).items() if offer.contracts}
    if not offers:
        return

    def reduced(contracts: dict[str, int]) -> Scratch:
        scratch = Scratch.of(now)
        for held in now.positions:
            offer, n = offers.get(held.position_id), contracts.get(held.position_id, 0)
            if not n or offer is None:
                continue
            part = dataclasses.replace(offer, contracts=n)
            cash, fees = cash_of(part, now)
            scratch.cash += cash
            legs = [OpenLeg(*name, quantity) for name, quantity in summed((*held.legs, *trade(part))).items()]
            scratch.take_out(held.position_id)
            if legs:
                taken = held.cash_so_far + held.fees_so_far + cash + fees
                risk = at_risk(legs, cash=taken, fees=held.fees_so_far + fees)
                scratch.put(held.position_id, legs, risk=risk)
        return scratch

    full = {name: offer.contracts for name, offer in offers.items()}
    restored = next(iter(offers.values())).binding_limit.split(", ")
    then = reduced(full)
    for name in names:
        if name in restored or (name not in failed and now.measured().holds(name)):
            value, bound = then.value(name), getattr(now.limits, name)
            # Cash received by closing counts here.
            if name == "quick_ratio" and then.cash > 0.0:
                continue
            assert value is not None
            assert value >= bound - SLACK if name == "quick_ratio" else value <= bound + SLACK
    # The last position touched gives no contract more than it must.
    order = sorted(
        (held for held in now.positions if held.position_id in full),
        key=lambda held: (held.engine != "second", -held.opened_on.toordinal(), [-ord(c) for c in held.position_id]),
    )
    last = order[-1].position_id
    if full[last] > 1 and then.cash <= 0.0:
        fewer = reduced({**full, last: full[last] - 1})
        kept = [name for name in names if name in restored or (name not in failed and now.measured().holds(name))]
        assert not all(fewer.holds(name) for name in kept) or any(
            abs(fewer.value(name) - getattr(now.limits, name)) < 1e-6 for name in kept
        )


@campaign
@given(standings(), condors("c1"), layers("l1"), st.permutations(range(5)))
def test_what_is_offered_in_turn_keeps_every_limit_together(
    now: Standing, own: OpenPosition, against: OpenPosition, order: list[int]
) -> None:
    """Each offer is measured against the standing after those before it: together they break nothing either."""
    others = tuple(held for held in now.positions if held.position_id not in ("c1", "l1"))
    now = dataclasses.replace(now, positions=(*others, own, against))
    market = evening(0)
    then = dataclasses.replace(now, chain=market.chain)
    for step in order:
        if step == 0:
            opened = condor_offer(market.condors, then).opened
            if opened:
                fresh = dataclasses.replace(opened, position_id="c-new")
                then = then.replaced(None, fresh, cash=min(opened.cash_so_far, 0.0))
        elif step == 1:
            opened = layer_offer(market.layers, then, against="c1").opened
            if opened:
                fresh = dataclasses.replace(opened, position_id="l-new")
                then = then.replaced(None, fresh, cash=min(opened.cash_so_far, 0.0))
                then = dataclasses.replace(then, stands_against={**then.stands_against, "l-new": "c1"})
        elif step == 2:
            then = after_roll(then, against, rolled(against, market.layers, then))
        else:
            for held in (seen for seen in then.positions if seen.position_id == f"c{step - 2}"):
                then = after_change(then, held, widened(held, then, spot=5100.0))
    before, after = Scratch.of(now), Scratch.of(then)
    for name in ("book_risk", "quick_ratio"):
        value, was = after.value(name), before.value(name)
        if value is None or was is None or then.positions == now.positions:
            continue
        assert after.holds(name) or (value >= was if name == "quick_ratio" else value <= was + SLACK)
    ours = then.trade_of("c1")
    value, was = (scratch.value("trade_risk", trade_names=ours) for scratch in (after, before))
    if value is not None:
        assert after.holds("trade_risk", trade_names=ours) or value <= was + SLACK


def test_the_campaign_sees_offers_and_refusals_of_every_kind() -> None:
    """A seeded count, so that the properties above are not empty."""
    counts = {"condor": 0, "layer": 0, "roll": 0, "widen": 0, "tighten": 0, "refused": 0, "reduced": 0}

    @settings(max_examples=120, deadline=None, derandomize=True, database=None)
    @given(standings(), condors("c1"), layers("l1"))
    def look(now: Standing, own: OpenPosition, against: OpenPosition) -> None:
        others = tuple(held for held in now.positions if held.position_id not in ("c1", "l1"))
        now = dataclasses.replace(now, positions=(*others, own, against), chain=evening(0).chain)
        counts["condor"] += bool(condor_offer(evening().condors, now).offer.contracts)
        counts["layer"] += bool(layer_offer(evening().layers, now, against="c1").offer.contracts)
        counts["roll"] += bool(rolled(against, evening().layers, now, match="contracts").offer.contracts)
        strikes = own.condor
        widen = widened(own, now, spot=0.25 * strikes.put_short + 0.75 * strikes.call_short)
        tight = tightened(own, now)
        counts["widen"] += bool(widen.contracts)
        counts["tighten"] += bool(tight.contracts)
        counts["refused"] += (widen.binding_limit is not None) + (tight.binding_limit is not None)
        failed = [name for name in ("layer_share", "book_risk", "quick_ratio") if not now.measured().holds(name)]
        counts["reduced"] += any(offer.contracts for offer in reduction(now, failed).values())

    look()
    assert min(counts.values()) >= 5, counts
