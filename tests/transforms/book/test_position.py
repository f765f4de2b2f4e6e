"""What an open position can still lose and demand, against brute force over settlement values."""

import dataclasses
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.book.position import CondorStrikes, OpenLeg, OpenPosition
from transforms.engines.margin import backspread_margin, condor_margin, front_ratio_margin, naked_call_margin

NEAR, FAR = date(2024, 4, 17), date(2024, 5, 22)


def leg(strike: float, option_type: str, quantity: int, *, root: str = "SPXW", expiration: date = NEAR) -> OpenLeg:
    return OpenLeg(root, expiration, strike, option_type, quantity)


def position(*legs: OpenLeg, cash: float = 0.0, fees: float = 0.0, contracts: int = 1) -> OpenPosition:
    return OpenPosition(
        position_id="p",
        engine="condor",
        structure="other",
        contracts=contracts,
        legs=legs,
        opened_on=date(2024, 3, 4),
        expiration=NEAR,
        entry_credit=0.0,
        cash_so_far=cash,
        fees_so_far=fees,
    )


def condor(n: int = 1, *, cash: float = 0.0, fees: float = 0.0) -> OpenPosition:
    return position(
        leg(4700.0, "put", n), leg(4750.0, "put", -n), leg(5250.0, "call", -n), leg(5350.0, "call", n),
        cash=cash, fees=fees, contracts=n,
    )  # fmt: skip


def layer(n: int, ratio: int, *, cash: float = 0.0, fees: float = 0.0) -> OpenPosition:
    return position(
        leg(16.0, "call", -n, root="VIX"), leg(20.0, "call", ratio * n, root="VIX"), cash=cash, fees=fees, contracts=n
    )


def test_a_condor_risks_its_wider_wing_less_its_credit_and_its_fees_beside() -> None:
    # Two condors at a credit of 12.50 points, four legs each at 1.50 dollars.
    held = condor(2, cash=2_500.0 - 12.0, fees=12.0)
    assert held.max_loss == 2 * 100.0 * (100.0 - 12.5)
    assert held.capital_at_risk == held.max_loss + 12.0
    assert held.max_profit == 2_500.0
    assert held.margin() == 2 * condor_margin(50.0, 100.0)
    assert held.notional == 2 * 100.0 * 5250.0
    assert held.condor == CondorStrikes(4700.0, 4750.0, 5250.0, 5350.0)
    assert held.packages == 2


def test_what_an_adjustment_has_cost_is_part_of_what_can_be_lost() -> None:
    before = condor(cash=1_000.0 - 6.0, fees=6.0)
    after = dataclasses.replace(before, cash_so_far=1_000.0 - 6.0 - 412.0, fees_so_far=12.0)
    assert after.max_loss == before.max_loss + 412.0 - 6.0
    assert after.capital_at_risk == before.capital_at_risk + 412.0


def test_a_position_that_cannot_lose_risks_its_fees() -> None:
    held = condor(cash=15_000.0, fees=6.0)
    assert (held.max_loss, held.capital_at_risk) == (0.0, 6.0)


def test_a_backspread_gains_without_limit_and_is_held_at_its_gap() -> None:
    held = layer(3, 2, cash=60.0 - 13.5, fees=13.5)
    # Worst at 20: three times four points, less the 0.20 taken in.
    assert held.max_loss == pytest.approx(3 * 100.0 * 3.8)
    assert held.max_profit is None
    assert held.margin() == 3 * backspread_margin(16.0, 20.0)
    assert held.notional == 3 * 100.0 * 16.0
    assert held.condor is None


def test_a_front_ratio_is_unlimited_and_its_margin_needs_the_vix_and_a_price() -> None:
    held = position(leg(16.0, "call", 2, root="VIX"), leg(20.0, "call", -4, root="VIX"))
    assert held.max_loss is None
    assert held.capital_at_risk is None
    assert held.margin() is None
    assert held.margin(vix=14.0) is None
    short = ("VIX", NEAR, 20.0, "call")
    expected = 2 * front_ratio_margin(20.0, 0.55, n_short=2, index_level=14.0)
    assert held.margin(vix=14.0, prices={short: 0.55}) == pytest.approx(float(expected))
    spx = position(leg(5000.0, "call", -1))
    assert spx.margin(vix=14.0, prices={spx.legs[0].name: 100.0}) is None


def test_of_several_calls_sold_the_highest_stay_uncovered() -> None:
    held = position(
        leg(16.0, "call", -1, root="VIX"), leg(18.0, "call", 1, root="VIX"), leg(25.0, "call", -1, root="VIX")
    )
    expected = 200.0 + naked_call_margin(25.0, 0.30, index_level=14.0)
    assert held.margin(vix=14.0, prices={("VIX", NEAR, 25.0, "call"): 0.30}) == pytest.approx(float(expected))


def test_a_diagonal_is_covered_by_what_expires_later_and_loses_what_its_model_says() -> None:
    short, long = (
        leg(16.0, "call", -2, root="VIX"),
        leg(19.0, "call", 4, root="VIX", expiration=FAR),
    )
    held = dataclasses.replace(position(short, long), modelled_max_loss=510.0)
    assert held.margin() == 2 * backspread_margin(16.0, 19.0)
    assert held.max_loss == 510.0
    assert position(short, long).max_loss is None
    # Once the near call is gone, what was paid is all that can be lost.
    rest = dataclasses.replace(held, legs=(long,), cash_so_far=-320.0, fees_so_far=9.0)
    assert rest.max_loss == 311.0
    # Turned round, the option bought expires first and covers nothing.
    assert position(leg(16.0, "call", 1, root="VIX"), dataclasses.replace(long, quantity=-1)).margin() is None


def test_expirations_add_up_and_classes_of_one_day_do_not_net() -> None:
    first = condor(cash=1_000.0)
    second = tuple(dataclasses.replace(own, expiration=FAR) for own in first.legs)
    both = position(*first.legs, *second, cash=1_000.0)
    assert both.max_loss == 2 * 10_000.0 - 1_000.0
    assert both.margin() == 2 * 10_000.0
    assert both.max_profit is None
    # SPX settles on the opening, SPXW on the close of the same day.
    assert position(leg(5000.0, "put", -1), leg(5000.0, "put", 1, root="SPX")).worst_payoff == -500_000.0


def test_only_a_whole_condor_is_one() -> None:
    legs = condor(3).legs
    assert position(*legs[:3]).condor is None
    assert position(*legs[:3], dataclasses.replace(legs[3], quantity=2)).condor is None
    assert position(*legs[:3], dataclasses.replace(legs[3], expiration=FAR)).condor is None
    # Longs inside the shorts: bought, not sold.
    assert position(*(dataclasses.replace(own, quantity=-own.quantity) for own in legs)).condor is None


def test_legs_need_not_be_in_order() -> None:
    held = condor(2, cash=900.0, fees=12.0)
    for name in ("max_loss", "max_profit", "condor", "notional", "packages"):
        assert getattr(dataclasses.replace(held, legs=held.legs[::-1]), name) == getattr(held, name)


option_legs = st.builds(
    OpenLeg,
    root=st.just("VIX"),
    expiration=st.just(NEAR),
    strike=st.integers(10, 40).map(float),
    option_type=st.sampled_from(["call", "put"]),
    quantity=st.integers(-4, 4).filter(bool),
)


@given(st.lists(option_legs, min_size=1, max_size=6), st.integers(-5_000, 5_000), st.integers(0, 40))
def test_worst_and_best_are_those_of_brute_force(legs: list[OpenLeg], cash: int, fees: int) -> None:
    held = position(*legs, cash=float(cash - fees), fees=float(fees))
    levels = np.arange(0.0, 50.5, 0.5)
    value = np.zeros(levels.size)
    for own in legs:
        payoff = levels - own.strike if own.option_type == "call" else own.strike - levels
        value += 100.0 * own.quantity * np.maximum(payoff, 0.0)
    beyond = sum(own.quantity for own in legs if own.option_type == "call")
    worst, best = value.min() + cash, value.max() + cash
    assert held.max_loss == (None if beyond < 0 else pytest.approx(max(-worst, 0.0)))
    assert held.max_profit == (None if beyond > 0 else pytest.approx(best))
    if beyond >= 0:
        assert held.margin() == pytest.approx(max(-value.min(), 0.0))
    assert sum(own.quantity // held.packages * held.packages for own in legs) == sum(own.quantity for own in legs)
