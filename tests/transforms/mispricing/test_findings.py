"""The worst a package can pay, and what its rows say."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.mispricing.findings import Finding, Leg, finding_rows, legs_income, worst_payoff

EXPIRATION = date(2026, 3, 20)


def leg(side, quantity, strike, option_type="call", *, price=1.0, size=10):
    return Leg("SPX", EXPIRATION, strike, option_type, side, quantity, price, size, 0.25)


def finding(*legs):
    return Finding("butterfly", "SPX", EXPIRATION, legs, legs_income(legs), "executable", False, None)


BOX = (
    leg("buy", 1.0, 90.0),
    leg("sell", 1.0, 90.0, "put"),
    leg("sell", 1.0, 110.0),
    leg("buy", 1.0, 110.0, "put"),
)
SIDES, TYPES = st.sampled_from(["buy", "sell"]), st.sampled_from(["call", "put"])
BUTTERFLY = (leg("buy", 1.0, 90.0, price=11.0), leg("sell", 2.0, 100.0, price=6.5), leg("buy", 1.0, 110.0, price=1.5))


@pytest.mark.parametrize(
    ("legs", "worst"),
    [
        (BUTTERFLY, 0.0),
        ((leg("sell", 1.0, 100.0),), -float("inf")),
        ((leg("sell", 1.0, 100.0, "put"),), -100.0),
        ((leg("buy", 1.0, 100.0), leg("sell", 1.0, 90.0)), -10.0),
        (BOX, 20.0),
    ],
)
def test_the_worst_payoff_by_hand(legs, worst):
    assert worst_payoff(legs) == worst


@given(
    st.lists(st.tuples(SIDES, st.integers(1, 5), st.integers(1, 40), TYPES), min_size=1, max_size=6),
    st.floats(0.0, 400.0),
)
def test_no_level_pays_less_than_the_worst_payoff(rows, level):
    legs = [leg(side, float(quantity), 5.0 * place, kind) for side, quantity, place, kind in rows]
    assert sum(item.signed_quantity * item.payoff(level) for item in legs) >= worst_payoff(legs) - 1e-9


def test_rows_carry_edge_capacity_and_dollars_after_fees():
    frames = finding_rows(date(2026, 1, 5), [finding(*BUTTERFLY)], fee_per_contract=1.0)
    row = frames.findings.row(0, named=True)
    assert row["edge_points"] == pytest.approx(0.5)
    # Ten contracts sold two at a time; four contracts a package pay a dollar each.
    assert row["capacity_contracts"] == 5
    assert row["edge_dollars"] == pytest.approx(5 * (50.0 - 4.0))
    assert row["edge_in_half_spreads"] == pytest.approx(0.5)
    assert frames.legs["strike"].to_list() == [90.0, 100.0, 110.0]


def test_an_unknown_size_leaves_capacity_and_dollars_unknown():
    legs = (replace(BUTTERFLY[0], size=None), *BUTTERFLY[1:])
    row = finding_rows(date(2026, 1, 5), [finding(*legs)], fee_per_contract=1.0).findings.row(0, named=True)
    assert row["capacity_contracts"] is None
    assert row["edge_dollars"] is None


def test_a_finding_keeps_its_name_while_prices_and_sizes_change():
    later = tuple(replace(item, price=item.price + 0.1, size=3) for item in BUTTERFLY)
    names = [
        finding_rows(session, [finding(*legs)], fee_per_contract=1.0).findings["finding_id"][0]
        for session, legs in (
            (date(2026, 1, 5), BUTTERFLY),
            (date(2026, 1, 6), later[::-1]),
            (date(2026, 1, 6), (replace(BUTTERFLY[0], side="sell"), *BUTTERFLY[1:])),
        )
    ]
    assert names[0] == names[1]
    assert names[2] != names[0]
