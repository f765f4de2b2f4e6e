"""The second engine's offers: a layer against a condor, and the same layer a month on."""

import dataclasses
import math

import polars as pl
import pytest

from tests.transforms.engines.offers.evenings import (
    VIX_MONTHS,
    condor,
    evening,
    layer,
    limit_of_legs,
    quote,
    standing,
    summed,
    trade,
)
from transforms.engines.margin import backspread_margin, naked_call_margin
from transforms.engines.offers.candidate import candidate_legs, opened_position, unit_trade
from transforms.engines.offers.layer import after_roll, layer_offer, rolled
from transforms.engines.offers.package import Terms
from transforms.engines.sizing import Account, Limits

CHAIN = evening().chain
LAYERS = evening().layers
ACCOUNT = Account(
    equity=500_000.0, cash=300_000.0, marketable_securities=100_000.0, receivables=0.0, current_liabilities=0.0
)
CONDOR = condor(n=4)
# Far calls this far out feel too little of a move to cover the near one: the session's diagonals have no worst loss.
# One is said here, so that what follows from it can be seen.
DIAGONALS = evening(structure="diagonal").layers.with_columns(max_loss=pl.lit(3.5))


def best(layers: pl.DataFrame = LAYERS) -> dict[str, object]:
    return layers.filter(pl.col("rank") == pl.col("rank").min()).row(0, named=True)


def test_a_layer_is_as_large_as_its_share_of_the_condors() -> None:
    proposal = layer_offer(LAYERS, standing(CHAIN, CONDOR, account=ACCOUNT), against="c")
    offer, row = proposal.offer, proposal.candidate
    assert row == best()
    unit = unit_trade(row, standing(CHAIN, account=ACCOUNT))
    # 30 % of what four condors risk, and the touch shows three.
    assert unit.size_at_touch == 3
    assert offer.contracts == min(math.floor(0.30 * CONDOR.capital_at_risk / unit.worst_loss), 3)
    assert offer.engine == "second"
    assert offer.limit_price == pytest.approx(row["credit_natural"]) == pytest.approx(limit_of_legs(offer))
    assert offer.expected_cost == pytest.approx(offer.contracts * (-100.0 * row["credit_natural"] + 6.0))
    assert offer.max_loss_change == pytest.approx(offer.contracts * unit.worst_loss)


def test_the_loss_is_that_at_the_limit_whatever_rule_the_credit_was_measured_by() -> None:
    # Candidates measured at the mid lose more when they are bought at the offer.
    row = best()
    assert row["credit"] == row["credit_mid"] > row["credit_natural"]
    unit = unit_trade(row, standing(CHAIN, account=ACCOUNT))
    width = row["long_strike"] - row["short_strike"]
    assert unit.worst_loss == pytest.approx(100.0 * (width - row["credit_natural"]) + 6.0)
    assert unit.margin == backspread_margin(row["short_strike"], row["long_strike"])
    assert unit.outlay == pytest.approx(-100.0 * row["credit_natural"] + 6.0)


@pytest.mark.parametrize("basis", ["capital_at_risk", "margin", "notional"])
def test_the_share_is_measured_in_its_basis(basis: str) -> None:
    now = standing(CHAIN, CONDOR, account=ACCOUNT, basis=basis)
    row = best()
    one = opened_position(row, 1, position_id="one", terms=now.terms)
    expected = {
        "capital_at_risk": (one.capital_at_risk, CONDOR.capital_at_risk),
        "margin": (one.margin(), CONDOR.margin()),
        "notional": (100.0 * row["short_strike"], 400.0 * 5150.0),
    }[basis]
    share = next(limit for limit in layer_offer(LAYERS, now, against="c").sizing.limits if limit.name == "layer_share")
    assert share.largest == math.floor(0.30 * expected[1] / expected[0])


def test_trade_risk_counts_the_condor_it_stands_against_and_the_layers_it_has() -> None:
    has = layer(n=2)
    now = standing(CHAIN, CONDOR, has, account=ACCOUNT, stands_against={"l": "c"}, limits=Limits(layer_share=1.0))
    slack = next(s for s in layer_offer(LAYERS, now, against="c").sizing.limits if s.name == "trade_risk")
    unit = unit_trade(best(), now)
    n = layer_offer(LAYERS, now, against="c").offer.contracts
    carried = CONDOR.capital_at_risk + has.capital_at_risk
    assert slack.measured == pytest.approx((carried + n * unit.worst_loss) / 500_000.0)
    alone = next(s for s in layer_offer(LAYERS, now, against=None).sizing.limits if s.name == "trade_risk")
    assert alone.largest > slack.largest


def test_a_layer_without_a_condor_is_none() -> None:
    offer = layer_offer(LAYERS, standing(CHAIN, account=ACCOUNT), against=None).offer
    assert (offer.contracts, offer.binding_limit) == (0, "layer_share")


def test_a_front_ratio_is_unlimited_and_not_opened() -> None:
    layers = evening(structure="front_ratio").layers
    now = standing(CHAIN, CONDOR, account=ACCOUNT)
    proposal = layer_offer(layers, now, against="c")
    assert (proposal.offer.contracts, proposal.offer.binding_limit) == (0, "layer_share")
    row = best(layers)
    legs = candidate_legs(row, 2)
    assert summed(legs) == {
        ("VIX", row["expiration"], row["long_strike"], "call"): 2,
        ("VIX", row["expiration"], row["short_strike"], "call"): -2 * row["ratio"],
    }
    # Held, its uncovered calls are charged at the VIX and at their price.
    held = opened_position(row, 2, position_id="f", terms=now.terms)
    bid, ask = quote(CHAIN, legs[0])
    uncovered = 2 * (row["ratio"] - 1)
    expected = uncovered * naked_call_margin(row["short_strike"], 0.5 * (bid + ask), index_level=now.vix)
    assert now.margin_of(held) == pytest.approx(float(expected))
    assert dataclasses.replace(now, vix=None).margin_of(held) is None
    full = dataclasses.replace(now, positions=(CONDOR, held))
    assert full.book().worst_loss == math.inf
    assert layer_offer(LAYERS, full, against="c").offer.contracts == 0


def test_a_diagonal_risks_what_its_model_says_and_the_spread_beside() -> None:
    layers = DIAGONALS
    row = best(layers)
    now = standing(CHAIN, condor(n=8), account=dataclasses.replace(ACCOUNT, equity=5e6))
    opened = opened_position(row, 2, position_id="d", terms=now.terms)
    assert opened.legs[1].expiration == row["far_expiration"] > row["expiration"] == opened.expiration
    assert opened.max_loss == pytest.approx(200.0 * (row["max_loss"] + row["credit"] - row["credit_natural"]))
    proposal = layer_offer(layers, now, against="c")
    assert proposal.offer.contracts >= 1
    assert proposal.offer.max_loss_change == pytest.approx(
        proposal.offer.contracts / 2
        * opened_position(proposal.candidate, 2, position_id="d", terms=now.terms).capital_at_risk
    )  # fmt: skip


def test_a_layer_moves_to_the_best_candidate_of_the_next_month_at_its_vega() -> None:
    held = layer(n=8)
    now = standing(CHAIN, condor(n=40), held, account=ACCOUNT, limits=Limits(trade_risk=0.5, book_risk=0.5))
    proposal = rolled(held, LAYERS, now)
    row, offer = proposal.candidate, proposal.offer
    assert row == best(LAYERS.filter(pl.col("expiration") == VIX_MONTHS[1]))

    def vega(legs: object) -> float:
        total = 0.0
        for leg in legs:
            found = CHAIN.filter(
                pl.col("root") == leg.root, pl.col("expiration") == leg.expiration,
                pl.col("strike") == leg.strike, pl.col("option_type") == "call",
            )  # fmt: skip
            total += leg.quantity * found["vega"][0]
        return total

    new = {name: quantity for name, quantity in summed(trade(offer)).items() if name[1] == VIX_MONTHS[1]}
    contracts = -new["VIX", VIX_MONTHS[1], row["short_strike"], "call"]
    assert contracts == round(vega(held.legs) / vega(candidate_legs(row, 1)))
    assert summed(trade(offer)) == summed(
        [*(leg.of(-leg.quantity) for leg in held.legs), *candidate_legs(row, contracts)]
    )
    assert offer.contracts == math.gcd(8, contracts)
    assert offer.limit_price == pytest.approx(limit_of_legs(offer))
    n_options = sum(abs(leg.quantity) for leg in trade(offer))
    assert offer.expected_cost == pytest.approx(-100.0 * offer.contracts * offer.limit_price + 1.5 * n_options)
    after = opened_position(row, contracts, position_id="l", terms=now.terms)
    assert proposal.opened == after
    then = after_roll(now, held, proposal)
    assert then.positions[-1] == after
    assert then.account.cash == pytest.approx(300_000.0 - offer.expected_cost)
    assert after_roll(now, held, rolled(held, LAYERS.clear(), now)) is now
    assert offer.max_loss_change == pytest.approx(after.capital_at_risk - held.capital_at_risk)
    assert offer.binding_limit == "roll_match"
    ratio = contracts * vega(candidate_legs(row, 1)) / vega(held.legs)
    assert f"cost {offer.expected_cost:,.2f} dollars, vega ratio {ratio:.2f}, risk ratio" in offer.note


def test_contracts_and_risk_can_be_kept_instead() -> None:
    held = layer(n=6)
    now = standing(CHAIN, condor(n=40), held, account=ACCOUNT, limits=Limits(trade_risk=0.5, book_risk=0.5))
    new = {match: _sold_new(rolled(held, LAYERS, now, match=match).offer) for match in ("contracts", "risk")}
    unit = unit_trade(rolled(held, LAYERS, now).candidate, now)
    assert new["contracts"] == min(6, unit.size_at_touch)
    assert new["risk"] == min(math.floor(held.capital_at_risk / unit.worst_loss), unit.size_at_touch)


def test_a_roll_is_cut_to_the_limits_without_the_old_layer() -> None:
    held = layer(n=8)
    now = standing(CHAIN, condor(n=4), held, account=ACCOUNT, limits=Limits(layer_share=0.10))
    proposal = rolled(held, LAYERS, now, match="contracts")
    unit = unit_trade(proposal.candidate, now)
    allowed = math.floor(0.10 * condor(n=4).capital_at_risk / unit.worst_loss)
    assert 0 < allowed < 8
    assert _sold_new(proposal.offer) == allowed == proposal.sizing.contracts
    assert proposal.offer.binding_limit == "layer_share"


def test_closing_the_old_layer_costs_cash_that_the_new_one_lacks() -> None:
    held = layer(n=8)
    limits = Limits(layer_share=1.0, trade_risk=0.5, book_risk=0.5)
    margin = 4 * 5_000.0
    unit = unit_trade(best(LAYERS.filter(pl.col("expiration") == VIX_MONTHS[1])), standing(CHAIN, account=ACCOUNT))
    # Cash for the condors and one new layer, but not for closing the old one as well.
    account = Account(500_000.0, margin + unit.margin + unit.outlay + 1.0, 0.0, 0.0, 0.0)
    now = standing(CHAIN, condor(n=4), held, account=account, limits=limits)
    offer = rolled(held, LAYERS, now, match="contracts").offer
    assert (offer.contracts, offer.binding_limit) == (0, "quick_ratio")
    assert "8 would match, quick_ratio allows none: the layer settles" in offer.note


def test_a_roll_of_a_trade_counts_its_condor() -> None:
    held, own = layer(n=2), condor(n=4)
    limits = Limits(trade_risk=0.0305, layer_share=1.0)
    against = standing(CHAIN, own, held, account=ACCOUNT, limits=limits, stands_against={"l": "c"})
    refused = rolled(held, LAYERS, against, match="contracts").offer
    assert own.capital_at_risk / 500_000.0 < 0.0305
    assert (refused.contracts, refused.binding_limit) == (0, "trade_risk")
    settled = dataclasses.replace(against, stands_against={"l": "gone"})
    assert _sold_new(rolled(held, LAYERS, settled, match="contracts").offer) == 2


@pytest.mark.parametrize(
    ("candidates", "said"),
    [
        (LAYERS.filter(pl.col("expiration") == VIX_MONTHS[0]), "no candidate expires after 2024-03-20"),
        (LAYERS.clear(), "no candidate expires after 2024-03-20"),
    ],
)
def test_without_a_next_month_the_layer_settles(candidates: pl.DataFrame, said: str) -> None:
    held = layer(n=2)
    offer = rolled(held, candidates, standing(CHAIN, condor(), held, account=ACCOUNT)).offer
    assert (offer.contracts, offer.note) == (0, said)


def test_a_layer_that_cannot_be_sold_or_measured_is_not_rolled() -> None:
    held = layer(n=2)
    unsold = CHAIN.with_columns(
        bid=pl.when((pl.col("expiration") == VIX_MONTHS[0]) & (pl.col("strike") == 17.0)).then(0.0).otherwise("bid")
    )
    offer = rolled(held, LAYERS, standing(unsold, condor(n=40), held, account=ACCOUNT)).offer
    assert (offer.contracts, offer.legs) == (0, ())
    assert "17 call is not two-sided" in offer.note
    no_vega = CHAIN.with_columns(vega=pl.when(pl.col("strike") == 17.0).then(None).otherwise("vega"))
    offer = rolled(held, LAYERS, standing(no_vega, condor(n=40), held, account=ACCOUNT)).offer
    assert offer.contracts == 0
    assert "matches the layer's vega" in offer.note


def test_a_diagonal_rolls_its_far_calls_too() -> None:
    layers = DIAGONALS
    first = layers.filter(pl.col("expiration") == VIX_MONTHS[0]).sort("rank").head(1).row(0, named=True)
    held = dataclasses.replace(opened_position(first, 4, position_id="l", terms=Terms()), modelled_max_loss=900.0)
    now = standing(
        CHAIN, condor(n=40), held, account=ACCOUNT, limits=Limits(layer_share=1.0, trade_risk=0.9, book_risk=0.9)
    )
    proposal = rolled(held, layers, now, match="contracts")
    assert proposal.candidate["expiration"] == VIX_MONTHS[1]
    traded = summed(trade(proposal.offer))
    n = min(4, proposal.candidate["size_at_touch"])
    assert traded == summed([*(leg.of(-leg.quantity) for leg in held.legs), *candidate_legs(proposal.candidate, n)])


def _sold_new(offer: object) -> int:
    """Contracts of the new layer in a roll to the second month."""
    return -sum(leg.quantity for leg in trade(offer) if leg.expiration == VIX_MONTHS[1] and leg.quantity < 0)
