"""The first engine's offers: which condor opens, which strikes an open one moves to, and what that costs."""

import dataclasses

import polars as pl
import pytest

from tests.transforms.engines.offers.evenings import (
    SPX_EXPIRATION,
    condor,
    evening,
    layer,
    limit_of_legs,
    quote,
    standing,
    summed,
    trade,
)
from transforms.book.position import OpenLeg, OpenPosition
from transforms.engines.offers.candidate import Proposal, opened_position
from transforms.engines.offers.change import closing, position_after
from transforms.engines.offers.condor import condor_offer, tightened, widened
from transforms.engines.offers.package import Terms
from transforms.engines.sizing import Account, Limits
from transforms.rules.decisions import Offer

CHAIN = evening().chain
ACCOUNT = Account(
    equity=500_000.0, cash=300_000.0, marketable_securities=100_000.0, receivables=0.0, current_liabilities=0.0
)


def without_bid(strike: float, option_type: str) -> pl.DataFrame:
    """The chain with one option of the condors' expiration unsold."""
    there = (
        (pl.col("root") == "SPXW")
        & (pl.col("expiration") == SPX_EXPIRATION)
        & (pl.col("strike") == strike)
        & (pl.col("option_type") == option_type)
    )
    return CHAIN.with_columns(bid=pl.when(there).then(0.0).otherwise("bid"))


def strikes_of(held: OpenPosition | None) -> tuple[float, ...]:
    return dataclasses.astuple(held.condor)


def test_the_best_condor_opens_at_its_natural_credit_in_the_contracts_the_limits_allow() -> None:
    candidates = evening().condors
    best = candidates.filter(pl.col("rank") == 1).row(0, named=True)
    proposal = condor_offer(candidates.reverse(), standing(CHAIN, account=ACCOUNT))
    offer = proposal.offer
    # One contract risks 8,486 dollars, 11,031.80 with what is kept free for its layer: 6 % of equity are 30,000.
    assert best["capital_at_risk"] == 8_486.0
    assert (offer.contracts, offer.binding_limit, proposal.candidate) == (2, "trade_risk", best)
    assert offer.limit_price == best["credit_natural"] == pytest.approx(limit_of_legs(offer))
    assert offer.expected_cost == pytest.approx(-2 * (100.0 * best["credit_natural"] - 6.0))
    assert offer.max_loss_change == 2 * best["capital_at_risk"]
    assert offer.gamma_change == pytest.approx(2 * best["gamma"])
    assert offer.note == f"rank 1: {best['candidate_id']}"
    assert [(leg.side, leg.quantity, leg.strike, leg.option_type) for leg in offer.legs] == [
        ("buy", 1, best["put_long"], "put"),
        ("sell", 1, best["put_short"], "put"),
        ("sell", 1, best["call_short"], "call"),
        ("buy", 1, best["call_long"], "call"),
    ]
    assert [limit.name for limit in proposal.sizing.limits] == [
        "trade_risk", "book_risk", "quick_ratio", "size_at_touch",
    ]  # fmt: skip


def test_a_better_rank_that_does_not_fit_is_passed_over_and_named() -> None:
    candidates = evening().condors
    # The cheapest condor of the session, and an account that carries just one of it.
    ranks = candidates.select("rank", need=1.3 * pl.col("capital_at_risk")).sort("rank")
    cheapest = ranks.filter(pl.col("need") == pl.col("need").min()).row(0)
    assert cheapest[0] > 1
    account = dataclasses.replace(ACCOUNT, equity=cheapest[1] / 0.06 + 1e-6)
    proposal = condor_offer(candidates, standing(CHAIN, account=account))
    assert (proposal.offer.contracts, proposal.candidate["rank"]) == (1, cheapest[0])
    assert proposal.offer.binding_limit == "trade_risk"
    assert f"ranks 1-{cheapest[0] - 1} fit at no size (trade_risk)" in proposal.offer.note


def test_if_no_condor_fits_the_first_says_why() -> None:
    account = dataclasses.replace(ACCOUNT, equity=10_000.0)
    proposal = condor_offer(evening().condors, standing(CHAIN, account=account))
    assert (proposal.offer.contracts, proposal.sizing.contracts) == (0, 0)
    assert proposal.candidate["rank"] == 1
    assert proposal.offer.binding_limit == proposal.sizing.binding_limit == "trade_risk"
    assert proposal.offer.note == "no candidate fits; ranks 1-40 fit at no size (trade_risk)"
    assert proposal.offer.legs
    assert (proposal.offer.limit_price, proposal.opened) == (None, None)


def test_an_account_not_stated_opens_nothing() -> None:
    nothing = Account(None, None, None, None, None)
    offer = condor_offer(evening().condors, standing(CHAIN, account=nothing)).offer
    assert (offer.contracts, offer.binding_limit) == (0, "trade_risk")


def test_without_candidates_there_is_no_offer() -> None:
    assert condor_offer(evening().condors.clear(), standing(CHAIN, account=ACCOUNT)) == Proposal(None, None, None)


def test_a_candidate_whose_quotes_are_gone_is_passed_over() -> None:
    first = evening().condors.filter(pl.col("rank") == 1).row(0, named=True)
    gone = CHAIN.filter(~((pl.col("expiration") == first["expiration"]) & (pl.col("strike") == first["call_long"])))
    proposal = condor_offer(evening().condors, standing(gone, account=ACCOUNT))
    assert proposal.candidate["rank"] > 1
    assert "is not quoted" in proposal.offer.note


def test_fees_ticks_and_slippage_are_those_of_the_terms() -> None:
    terms = Terms(spx_fee=0.65, spx_tick=0.50, fill_slippage=0.0)
    proposal = condor_offer(evening().condors, standing(CHAIN, account=ACCOUNT, terms=terms))
    candidate, offer = proposal.candidate, proposal.offer
    assert candidate["credit_natural"] == 15.2
    assert offer.limit_price == 15.0 == pytest.approx(limit_of_legs(offer))
    assert offer.expected_cost == pytest.approx(-2 * (100.0 * candidate["credit_mid"] - 2.6))
    # Sized as filled at the limit, not at the better natural price.
    assert offer.max_loss_change == pytest.approx(2 * (100.0 * (100.0 - 15.0) + 2.6))
    opened = opened_position(candidate, 2, position_id="new", terms=terms)
    assert opened.capital_at_risk == pytest.approx(offer.max_loss_change)
    assert proposal.opened == dataclasses.replace(opened, position_id=candidate["candidate_id"])
    assert (opened.structure, opened.engine, opened.contracts) == ("iron_condor", "condor", 2)


def test_in_a_rally_the_call_vertical_rolls_out_at_its_width() -> None:
    held = condor(n=2, strikes=(4700.0, 4750.0, 5100.0, 5150.0))
    now = standing(CHAIN, held, account=ACCOUNT)
    offer = widened(held, now, spot=5060.0)
    # The listed call nearest 0.15 delta is 5225 (0.164; 5250 has 0.132).
    after = position_after(held, offer, terms=now.terms)
    assert strikes_of(after) == (4700.0, 4750.0, 5225.0, 5275.0)
    assert after.contracts == offer.contracts == 2
    bid = {leg.strike: quote(CHAIN, leg)[0] for leg in trade(offer)}
    ask = {leg.strike: quote(CHAIN, leg)[1] for leg in trade(offer)}
    natural = -ask[5100.0] + bid[5150.0] + bid[5225.0] - ask[5275.0]
    assert offer.limit_price == pytest.approx(natural)
    assert offer.expected_cost == pytest.approx(-200.0 * natural + 12.0)
    # The width is as before, so the book can lose what the roll costs, fees among it.
    assert offer.max_loss_change == pytest.approx(offer.expected_cost)
    assert offer.max_loss_change == pytest.approx(after.capital_at_risk - held.capital_at_risk)
    assert offer.note == "4700/4750/5100/5150 to 4700/4750/5225/5275"


def test_new_and_old_legs_of_one_option_are_traded_once() -> None:
    # The new short call is the old long one: it is sold twice.
    held = condor(strikes=(4700.0, 4750.0, 5175.0, 5225.0))
    offer = widened(held, standing(CHAIN, held, account=ACCOUNT), spot=5100.0)
    assert [(leg.side, leg.quantity, leg.strike) for leg in offer.legs] == [
        ("buy", 1, 5175.0), ("sell", 2, 5225.0), ("buy", 1, 5275.0),
    ]  # fmt: skip
    assert offer.expected_cost == pytest.approx(-100.0 * offer.limit_price + 4 * 1.5)


def test_the_put_side_is_rolled_when_it_is_the_nearer() -> None:
    held = condor(strikes=(4850.0, 4900.0, 5200.0, 5250.0))
    offer = widened(held, standing(CHAIN, held, account=ACCOUNT), spot=4950.0)
    after = position_after(held, offer, terms=Terms())
    assert strikes_of(after) == (4625.0, 4675.0, 5200.0, 5250.0)


@pytest.mark.parametrize(
    ("strikes", "said"),
    [
        ((4700.0, 4750.0, 5225.0, 5275.0), "the short call 5225 is as far out as 5225"),
        ((4700.0, 4750.0, 5300.0, 5350.0), "the short call 5300 is as far out as 5225"),
        ((4700.0, 4750.0, 5100.0, 5500.0), "to 4700/4750/5225/5625: SPXW 2024-04-19 5625 call is not quoted"),
    ],
)
def test_nothing_to_widen_says_why(strikes: tuple[float, ...], said: str) -> None:
    held = condor(strikes=strikes)
    offer = widened(held, standing(CHAIN, held, account=ACCOUNT), spot=5090.0)
    assert offer.contracts == 0
    assert said in offer.note


def test_a_leg_without_a_bid_keeps_everything_as_it_is() -> None:
    held = condor(strikes=(4700.0, 4750.0, 5100.0, 5150.0))
    now = standing(without_bid(5150.0, "call"), held, account=ACCOUNT)
    for offer in (widened(held, now, spot=5060.0), closing(held, now)):
        assert (offer.contracts, offer.binding_limit) == (0, None)
        assert "5150 call is not two-sided (bid 0.0" in offer.note
        assert position_after(held, offer, terms=now.terms) is held
    # Tightened by its wings, it does not trade what has no bid.
    assert tightened(held, standing(without_bid(5100.0, "call"), held, account=ACCOUNT), mode="wings").contracts == 1


def test_short_strikes_are_drawn_in_to_their_delta_at_their_widths() -> None:
    held = condor(n=2, strikes=(4650.0, 4700.0, 5225.0, 5325.0))
    now = standing(CHAIN, held, account=ACCOUNT)
    offer = tightened(held, now)
    after = position_after(held, offer, terms=now.terms)
    # Nearest 0.30: the 4875 put (-0.294) and the 5150 call (0.284; 5125 has 0.328).
    assert strikes_of(after) == (4825.0, 4875.0, 5150.0, 5250.0)
    assert offer.note == "4650/4700/5225/5325 to 4825/4875/5150/5250"
    assert offer.expected_cost < 0.0
    assert offer.max_loss_change == pytest.approx(after.capital_at_risk - held.capital_at_risk)
    # The widths are as before, so what it brings is what the book can lose less.
    assert offer.max_loss_change == pytest.approx(offer.expected_cost)
    gammas = {
        leg.name: CHAIN.filter(
            pl.col("root") == "SPXW",
            pl.col("expiration") == SPX_EXPIRATION,
            pl.col("strike") == leg.strike,
            pl.col("option_type") == leg.option_type,
        )["gamma"][0]
        for leg in trade(offer)
    }
    assert offer.gamma_change == pytest.approx(sum(leg.quantity * gammas[leg.name] for leg in trade(offer)))


def test_wings_are_drawn_in_to_half_their_width() -> None:
    held = condor(strikes=(4650.0, 4700.0, 5225.0, 5325.0))
    offer = tightened(held, standing(CHAIN, held, account=ACCOUNT), mode="wings")
    assert strikes_of(position_after(held, offer, terms=Terms())) == (4675.0, 4700.0, 5225.0, 5275.0)
    assert offer.max_loss_change == pytest.approx(-5_000.0 + offer.expected_cost)


def test_a_wing_with_nothing_listed_inside_stays_and_the_nearest_to_half_is_taken() -> None:
    held = condor(strikes=(4675.0, 4700.0, 5225.0, 5300.0))
    offer = tightened(held, standing(CHAIN, held, account=ACCOUNT), mode="wings")
    # 37.5 lies between the listed 5250 and 5275: the narrower one.
    assert strikes_of(position_after(held, offer, terms=Terms())) == (4675.0, 4700.0, 5225.0, 5250.0)
    tight = condor(strikes=(4675.0, 4700.0, 5225.0, 5250.0))
    stays = tightened(tight, standing(CHAIN, tight, account=ACCOUNT), mode="wings")
    assert (stays.contracts, stays.note) == (0, "no strike is listed between a short strike and its wing")


@pytest.mark.parametrize(
    ("strikes", "said"),
    [
        ((4650.0, 4875.0, 5150.0, 5275.0), "the short strikes are those of delta nearest 0.3"),
        ((4300.0, 4900.0, 5150.0, 5200.0), "to 4275/4875/5150/5200: SPXW 2024-04-19 4275 put is not quoted"),
    ],
)
def test_nothing_to_tighten_says_why(strikes: tuple[float, ...], said: str) -> None:
    held = condor(strikes=strikes)
    offer = tightened(held, standing(CHAIN, held, account=ACCOUNT))
    assert offer.contracts == 0
    assert said in offer.note


def test_what_is_no_condor_is_not_adjusted() -> None:
    held = layer()
    now = standing(CHAIN, held, account=ACCOUNT)
    for offer in (widened(held, now, spot=5000.0), tightened(held, now)):
        assert (offer.contracts, offer.note) == (0, "it is no iron condor as it stands")


def test_an_expiration_without_quotes_is_not_adjusted() -> None:
    held = condor()
    now = standing(CHAIN.filter(pl.col("root") == "VIX"), held, account=ACCOUNT)
    for offer in (widened(held, now, spot=5000.0), tightened(held, now)):
        assert offer.contracts == 0
        assert "has a delta" in offer.note


@pytest.mark.parametrize(
    ("limits", "account", "limit"),
    [
        (Limits(trade_risk=0.02), ACCOUNT, "trade_risk"),
        (Limits(book_risk=0.02), ACCOUNT, "book_risk"),
        (Limits(), dataclasses.replace(ACCOUNT, cash=-99_000.0), "quick_ratio"),
        (Limits(), dataclasses.replace(ACCOUNT, equity=None), "trade_risk"),
        (Limits(), dataclasses.replace(ACCOUNT, cash=None), "quick_ratio"),
    ],
)
def test_a_change_that_breaks_a_limit_is_refused_by_it(limits: Limits, account: Account, limit: str) -> None:
    held = condor(n=2, strikes=(4700.0, 4750.0, 5100.0, 5150.0))
    offer = widened(held, standing(CHAIN, held, account=account, limits=limits), spot=5060.0)
    assert (offer.contracts, offer.binding_limit) == (0, limit)
    assert limit in offer.note
    assert len(offer.legs) == 4


def test_a_change_for_the_better_is_not_refused_by_a_limit_that_fails_already() -> None:
    held = condor(n=2, strikes=(4600.0, 4700.0, 5225.0, 5325.0))
    now = standing(CHAIN, held, account=ACCOUNT, limits=Limits(trade_risk=0.001, book_risk=0.001))
    assert tightened(held, now, mode="wings").contracts == 2
    unknown = standing(CHAIN, held, account=dataclasses.replace(ACCOUNT, equity=None))
    assert tightened(held, unknown, mode="wings").contracts == 2


def test_trade_risk_counts_the_layer_that_stands_against_the_condor() -> None:
    held, against = condor(n=2, strikes=(4700.0, 4750.0, 5100.0, 5150.0)), layer(n=20)
    alone = standing(CHAIN, held, account=ACCOUNT, limits=Limits(trade_risk=0.025))
    assert widened(held, alone, spot=5060.0).contracts == 2
    both = standing(CHAIN, held, against, account=ACCOUNT, limits=alone.limits, stands_against={"l": "c"})
    refused = widened(held, both, spot=5060.0)
    assert (refused.contracts, refused.binding_limit) == (0, "trade_risk")
    # Against another condor it does not count.
    other = dataclasses.replace(both, stands_against={"l": "another"})
    assert widened(held, other, spot=5060.0).contracts == 2


def test_a_layer_that_becomes_too_large_is_pointed_out() -> None:
    held, against = condor(n=2, strikes=(4600.0, 4700.0, 5225.0, 5325.0)), layer(n=10)
    now = standing(CHAIN, held, against, account=ACCOUNT, limits=Limits(layer_share=0.25))
    offer = tightened(held, now, mode="wings")
    assert offer.contracts == 2
    assert "the layer is then too large: layer_share" in offer.note


def test_closing_reverses_every_leg() -> None:
    held = condor(n=3)
    now = standing(CHAIN, held, account=ACCOUNT)
    offer = closing(held, now)
    assert summed(trade(offer)) == summed(leg.of(-leg.quantity) for leg in held.legs)
    assert offer.contracts == 3
    assert position_after(held, offer, terms=now.terms) is None
    assert offer.max_loss_change == -held.capital_at_risk
    assert offer.expected_cost == pytest.approx(-300.0 * offer.limit_price + 18.0)


def test_closing_works_on_whatever_was_entered() -> None:
    legs = (
        OpenLeg("SPXW", SPX_EXPIRATION, 4900.0, "put", -4),
        OpenLeg("SPXW", SPX_EXPIRATION, 4800.0, "put", 6),
        OpenLeg("VIX", layer().expiration, 17.0, "call", 2),
    )
    odd = dataclasses.replace(condor(), structure="other", contracts=1, legs=legs)
    offer = closing(odd, standing(CHAIN, odd, account=ACCOUNT))
    assert (offer.contracts, [leg.quantity for leg in offer.legs]) == (2, [3, 2, 1])
    assert offer.limit_price == pytest.approx(limit_of_legs(offer))


def test_an_offer_depends_on_no_order() -> None:
    held = condor(n=2, strikes=(4700.0, 4750.0, 5100.0, 5150.0))
    mixed = dataclasses.replace(held, legs=held.legs[::-1])
    shuffled = CHAIN.sample(fraction=1.0, shuffle=True, seed=5)

    def offers(position: OpenPosition, chain: pl.DataFrame) -> list[Offer]:
        now = standing(chain, position, account=ACCOUNT)
        return [widened(position, now, spot=5060.0), tightened(position, now), closing(position, now)]

    assert offers(held, CHAIN) == offers(mixed, shuffled)
