"""Reducing the book: as few contracts as bring the failed limits back, of the layers first."""

import dataclasses
from datetime import timedelta

import polars as pl
import pytest

from tests.transforms.engines.chains import SESSION
from tests.transforms.engines.offers.evenings import condor, evening, layer, standing
from transforms.book.position import OpenPosition
from transforms.engines.offers.change import after_change, closing
from transforms.engines.offers.reduction import reduction
from transforms.engines.offers.standing import Standing
from transforms.engines.sizing import Account, Limits

CHAIN = evening().chain
ACCOUNT = Account(
    equity=500_000.0, cash=300_000.0, marketable_securities=100_000.0, receivables=0.0, current_liabilities=0.0
)


def after(now: Standing, offers: dict[str, object]) -> Standing:
    """The standing once every offer is filled at its limit."""
    for held in now.positions:
        if held.position_id in offers:
            now = after_change(now, held, offers[held.position_id])
    return now


def on(day: int, position: OpenPosition) -> OpenPosition:
    return dataclasses.replace(position, opened_on=SESSION - timedelta(days=day))


def test_the_fewest_contracts_of_the_layer_bring_its_share_back() -> None:
    now = standing(CHAIN, condor(n=2), layer(n=10), account=ACCOUNT)
    assert not now.measured().holds("layer_share")
    offers = reduction(now, ["layer_share"])
    assert set(offers) == {"l"}
    offer = offers["l"]
    assert 0 < offer.contracts < 10
    then = after(now, offers)
    assert then.measured().holds("layer_share")
    fewer = {"l": dataclasses.replace(offer, contracts=offer.contracts - 1)}
    assert not after(now, fewer).measured().holds("layer_share")
    assert offer.binding_limit == "layer_share"
    assert offer.note.startswith(f"closes {offer.contracts} of 10: then layer_share 0.")
    left = next(held for held in then.positions if held.position_id == "l")
    assert left.contracts == left.packages == 10 - offer.contracts
    assert offer.max_loss_change == pytest.approx(left.capital_at_risk - layer(n=10).capital_at_risk)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_contract_more_is_closed_than_must_be(n: int) -> None:
    # The share allowed is that of ten contracts less n, as they stand once n are closed.
    held, against = condor(n=2), layer(n=10)
    now = standing(CHAIN, held, against, account=ACCOUNT)
    part = dataclasses.replace(closing(against, now), contracts=n)
    share = after(now, {"l": part}).measured().value("layer_share")
    just = dataclasses.replace(now, limits=Limits(layer_share=share))
    assert reduction(just, ["layer_share"])["l"].contracts == n


def test_after_the_layers_the_newest_condor_is_reduced() -> None:
    old, new = on(20, condor("old", n=4)), on(2, condor("new", n=4))
    now = standing(CHAIN, old, new, on(1, layer(n=3)), account=ACCOUNT, limits=Limits(book_risk=0.045))
    offers = reduction(now, ["book_risk"])
    assert set(offers) == {"l", "new"}
    assert offers["l"].contracts == 3
    assert 0 < offers["new"].contracts < 4
    then = after(now, offers)
    assert then.measured().holds("book_risk")
    fewer = {**offers, "new": dataclasses.replace(offers["new"], contracts=offers["new"].contracts - 1)}
    assert not after(now, fewer).measured().holds("book_risk")


def test_of_layers_the_newest_comes_first() -> None:
    first, second = on(10, layer("a", n=4)), on(5, layer("b", n=4))
    now = standing(CHAIN, condor(n=2), first, second, account=ACCOUNT)
    assert set(reduction(now, ["layer_share"])) == {"b"}
    assert set(reduction(now, ["layer_share"], leave={"b"})) == {"a"}


def test_closing_frees_margin_and_costs_cash() -> None:
    account = dataclasses.replace(ACCOUNT, cash=24_000.0, marketable_securities=0.0)
    now = standing(CHAIN, condor(n=5), layer(n=2), account=account)
    assert now.measured().value("quick_ratio") < 1.0
    offers = reduction(now, ["quick_ratio"])
    then = after(now, offers)
    assert then.measured().holds("quick_ratio")
    assert then.account.cash == pytest.approx(24_000.0 - sum(offer.expected_cost for offer in offers.values()))


def test_a_position_that_cannot_be_traded_is_passed_over_and_named() -> None:
    one_sided = CHAIN.with_columns(
        bid=pl.when((pl.col("root") == "VIX") & (pl.col("strike") == 17.0)).then(0.0).otherwise("bid")
    )
    now = standing(one_sided, condor(n=6), layer(n=2), account=ACCOUNT, limits=Limits(book_risk=0.03))
    offers = reduction(now, ["book_risk"])
    assert set(offers) == {"c"}
    assert "17 call is not two-sided" in offers["c"].note
    # Of the layer's share there is nothing a condor could bring back.
    share = dataclasses.replace(now, limits=Limits(layer_share=0.01))
    refused = reduction(share, ["layer_share"])
    assert [(name, offer.contracts, offer.binding_limit) for name, offer in refused.items()] == [
        ("l", 0, "layer_share")
    ]
    assert "layer_share 0.0" in refused["l"].note
    assert "no closing brings it back" in refused["l"].note


def test_a_limit_no_closing_brings_back_asks_for_nothing() -> None:
    broke = dataclasses.replace(ACCOUNT, cash=1_000.0, marketable_securities=0.0, current_liabilities=50_000.0)
    now = standing(CHAIN, condor(n=2), layer(n=10), account=broke)
    only = reduction(now, ["quick_ratio"])
    assert [offer.contracts for offer in only.values()] == [0]
    both = reduction(now, ["layer_share", "quick_ratio"])
    assert both["l"].contracts == reduction(now, ["layer_share"])["l"].contracts > 0
    assert both["l"].binding_limit == "layer_share"
    assert "quick_ratio 0.0" in both["l"].note


def test_no_limit_is_lost_to_bring_another_back() -> None:
    # Cash for the margin as it is and not a dollar to close anything with.
    held, against = condor(n=2), layer(n=10)
    limit = 10_000.0 + against.margin()
    account = Account(500_000.0, limit, 0.0, 0.0, 0.0)
    now = standing(CHAIN, held, against, account=account, limits=Limits(quick_ratio=1.0))
    assert now.measured().holds("quick_ratio")
    # Closing a layer frees more margin than it costs, so that is no obstacle ...
    assert reduction(now, ["layer_share"])["l"].contracts > 0
    # ... but where it costs more than it frees, nothing is closed.
    dear = CHAIN.with_columns(
        ask=pl.when((pl.col("root") == "VIX") & (pl.col("strike") == 14.0)).then(9.0).otherwise("ask")
    )
    refused = reduction(dataclasses.replace(now, chain=dear), ["layer_share"])
    assert [offer.contracts for offer in refused.values()] == [0]


def test_nothing_failed_or_nothing_open_offers_nothing() -> None:
    now = standing(CHAIN, condor(), account=ACCOUNT)
    assert reduction(now, []) == {}
    assert reduction(standing(CHAIN, account=ACCOUNT), ["book_risk"]) == {}
    assert reduction(now, ["book_risk"], leave={"c"}) == {}


def test_a_reduction_depends_on_no_order() -> None:
    positions = (on(20, condor("old", n=4)), on(2, condor("new", n=4)), on(1, layer(n=3)))
    now = standing(CHAIN, *positions, account=ACCOUNT, limits=Limits(book_risk=0.045))
    mixed = dataclasses.replace(now, positions=positions[::-1], chain=CHAIN.sample(fraction=1.0, shuffle=True, seed=2))
    assert reduction(now, ["book_risk"]) == reduction(mixed, ["book_risk"])
