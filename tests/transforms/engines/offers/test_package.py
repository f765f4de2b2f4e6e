"""What a package costs, what is asked for it, and its legs' parts of that."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.engines.offers.evenings import N_MARKETS, evening, quote
from transforms.book.position import OpenLeg
from transforms.engines.offers.candidate import candidate_legs
from transforms.engines.offers.package import Package, QuotedLeg, Terms, netted, packaged
from transforms.engines.sizing import package_limit

TERMS = Terms(spx_fee=1.5, vix_fee=2.0, fill_slippage=0.4)
CALL = OpenLeg("SPXW", evening().condors["expiration"][0], 5150.0, "call", -1)


def made(*legs: tuple[int, float, float], terms: Terms = TERMS, size: int | None = 10) -> Package:
    """A package of calls at strikes 5000, 5025, ... from quantity, bid and ask."""
    return Package(
        tuple(
            QuotedLeg(
                dataclasses.replace(CALL, strike=5000.0 + 25.0 * i, quantity=q), bid, ask, size, size, 0.3, 1e-3, 4.0
            )
            for i, (q, bid, ask) in enumerate(legs)
        ),
        terms,
    )


def test_a_package_is_priced_at_bids_and_offers_and_expected_between_mid_and_those() -> None:
    package = made((-1, 20.0, 20.4), (2, 8.0, 8.2))
    assert package.natural == 3.6
    assert package.limit == 3.6
    assert package.fees == 4.5
    assert package.cash_at_limit == pytest.approx(360.0 - 4.5)
    # Mids 20.2 and 8.1, each 0.4 of its half-spread against us.
    assert package.expected_cost == pytest.approx(-100.0 * ((20.2 - 0.08) - 2 * (8.1 + 0.04)) + 4.5)
    assert package.greek("gamma") == pytest.approx(1e-3)
    assert package.size_at_touch == 5
    assert made((-1, 20.0, 20.4), (2, 8.0, 8.2), size=None).size_at_touch is None


def test_crossing_the_spread_costs_the_natural_price() -> None:
    package = made((-1, 20.0, 20.4), (2, 8.0, 8.2), terms=dataclasses.replace(TERMS, fill_slippage=1.0))
    assert package.expected_cost == pytest.approx(-100.0 * package.natural + package.fees)


def test_an_unknown_greek_is_not_nothing() -> None:
    known = made((-1, 20.0, 20.4), (1, 8.0, 8.2))
    legs = (known.legs[0], dataclasses.replace(known.legs[1], gamma=None))
    assert dataclasses.replace(known, legs=legs).greek("gamma") is None


@pytest.mark.parametrize(
    ("bid", "ask", "said"),
    [(0.0, 0.05, "not two-sided"), (0.1, 0.05, "not two-sided"), (None, 0.05, "two-sided"), (None, None, "not quoted")],
)
def test_a_leg_that_cannot_be_traded_is_named(bid: float | None, ask: float | None, said: str) -> None:
    package = made((-1, 20.0, 20.4), (1, bid, ask))
    assert said in package.fault
    assert "SPXW 2024-04-19 5025 call" in package.fault


def test_what_is_not_listed_is_a_fault() -> None:
    missing = dataclasses.replace(CALL, strike=5151.0)
    assert "not quoted" in packaged([CALL, missing], evening().chain, terms=TERMS).fault
    assert packaged([CALL], evening().chain, terms=TERMS).fault is None


def test_the_same_option_bought_and_sold_is_one_leg_or_none() -> None:
    other = dataclasses.replace(CALL, strike=5200.0)
    assert netted([CALL, other.of(3), CALL.of(-2), other.of(-3)]) == (CALL.of(-3),)


def test_a_package_does_not_depend_on_the_order_of_legs_or_rows() -> None:
    legs = [CALL, dataclasses.replace(CALL, strike=5200.0, quantity=1)]
    chain = evening().chain
    shuffled = chain.sample(fraction=1.0, shuffle=True, seed=3)
    assert packaged(legs, chain, terms=TERMS) == packaged(legs[::-1], shuffled, terms=TERMS)
    bid, ask = quote(chain, CALL)
    first = packaged(legs, chain, terms=TERMS).legs[0]
    assert (first.bid, first.ask) == (bid, ask)


prices = st.integers(1, 4000).map(lambda cents: cents / 100.0)
quotes = st.tuples(st.integers(-4, 4).filter(bool), prices, st.integers(0, 80)).map(
    lambda leg: (leg[0], leg[1], round(leg[1] + leg[2] / 100.0, 2))
)


@given(st.lists(quotes, min_size=1, max_size=5), st.sampled_from([0.01, 0.05, 0.10, 1.0]))
def test_the_parts_add_up_to_the_limit_and_none_is_below_zero(
    legs: list[tuple[int, float, float]], tick: float
) -> None:
    package = made(*legs, terms=Terms(spx_tick=tick))
    offered = package.offered()
    total = sum((1 if leg.side == "sell" else -1) * leg.quantity * leg.limit_price for leg in offered)
    assert total == pytest.approx(package.limit, abs=1e-6)
    assert package.limit == pytest.approx(package_limit(package.natural, tick=tick, side="credit"))
    assert package.natural - tick - 1e-6 <= package.limit <= package.natural + 1e-6
    for leg, quoted in zip(offered, package.legs, strict=True):
        assert leg.limit_price >= 0.0
        # No part asks for more than the market shows.
        if leg.side == "sell":
            assert leg.limit_price <= quoted.bid + 1e-6
        else:
            assert leg.limit_price >= quoted.ask - 1e-6


def test_candidates_and_packages_agree_on_prices_and_sizes() -> None:
    for seed in range(N_MARKETS):
        night = evening(seed)
        for rows in (night.condors.head(5), night.layers.head(5)):
            for row in rows.iter_rows(named=True):
                package = packaged(candidate_legs(row, 1), night.chain, terms=TERMS)
                assert package.fault is None
                assert package.natural == pytest.approx(row["credit_natural"], abs=1e-9)
                assert package.size_at_touch == row["size_at_touch"]
                for greek in ("delta", "gamma", "vega"):
                    assert package.greek(greek) == pytest.approx(row[greek], abs=1e-9)
