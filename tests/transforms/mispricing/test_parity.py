"""The parity region against a linear program and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from transforms.mispricing.parity import SLACK_TOLERANCE, parity_region, synthetic_bounds


def linear_program_extremes(strike, lower, upper):
    """Return (slack, b_low, b_high, f_low, f_high) by HiGHS; None where the program is unbounded or infeasible."""
    sell, buy = np.isfinite(lower), np.isfinite(upper)
    ones = np.ones_like(strike)
    rows = np.vstack(
        [
            np.column_stack([-ones[sell], strike[sell], np.ones(sell.sum())]),
            np.column_stack([ones[buy], -strike[buy], np.zeros(buy.sum())]),
            [-1.0, 0.0, 1.0],
        ]
    )
    right = np.concatenate([-lower[sell], upper[buy], [0.0]])
    bounds = [(None, None), (0.0, None), (None, None)]
    best = linprog([0.0, 0.0, -1.0], A_ub=rows, b_ub=right, bounds=bounds)
    if best.status == 3:
        return None
    extremes = [-best.fun]
    for cost in ([0.0, 1.0], [0.0, -1.0]):
        found = linprog(cost, A_ub=rows[:, :2], b_ub=right, bounds=bounds[:2])
        extremes.append(found.x[1] if found.status == 0 else None)
    # Charnes and Cooper (1962): with t = 1/b the ratio a/b is linear in (a*t, t).
    homogeneous = np.column_stack([rows[:, 0], -right])
    for cost in ([1.0, 0.0], [-1.0, 0.0]):
        found = linprog(cost, A_ub=homogeneous, b_ub=-rows[:, 1], bounds=[(0.0, None), (0.0, None)])
        extremes.append(found.x[0] if found.status == 0 else None)
    return extremes


def noisy_line(rng, n, *, width, noise):
    strike = np.sort(rng.choice(np.arange(1000, 6000, 25), n, replace=False)).astype(float)
    line = 0.98 * (3500.0 - strike) + rng.normal(0.0, noise, n)
    half = width * rng.uniform(0.2, 1.0, n)
    return strike, np.round(line - half, 2), np.round(line + half, 2)


@pytest.mark.parametrize("seed", range(40))
def test_extremes_equal_those_of_a_linear_program(seed):
    rng = np.random.default_rng(seed)
    strike, lower, upper = noisy_line(rng, int(rng.integers(2, 60)), width=2.0, noise=[0.0, 0.3, 0.8][seed % 3])
    lower[rng.random(strike.size) < 0.1] = -np.inf
    upper[rng.random(strike.size) < 0.1] = np.inf
    region = parity_region(strike, lower, upper=upper)
    expected = linear_program_extremes(strike, lower, upper)
    if expected is None:
        assert region.slack == np.inf
        return
    assert region.slack == pytest.approx(expected[0], abs=1e-7)
    got = [region.discount_low, region.discount_high, region.forward_low, region.forward_high]
    if region.is_empty:
        assert got == [None] * 4
        return
    for ours, program in zip(got, expected[1:], strict=True):
        if ours is not None:
            assert ours == pytest.approx(program, rel=1e-9)


def test_two_exact_strikes_fix_forward_and_discount():
    strike = np.array([90.0, 110.0])
    synthetic = 0.5 * (100.0 - strike)
    region = parity_region(strike, synthetic, upper=synthetic)
    assert not region.is_empty
    assert region.discount_low == region.discount_high == pytest.approx(0.5, rel=1e-15)
    assert region.forward_low == region.forward_high == pytest.approx(100.0, rel=1e-15)


def test_one_strike_bounds_neither_forward_nor_discount_from_above():
    region = parity_region(np.array([100.0]), np.array([4.0]), upper=np.array([5.0]))
    assert region.slack == 1.0
    assert (region.discount_low, region.discount_high, region.forward_high) == (None, None, None)
    assert region.forward_low == pytest.approx(100.0)


def test_a_crossed_synthetic_is_proved_by_its_one_strike():
    strike = np.array([90.0, 100.0, 110.0])
    line = 0.9 * (100.0 - strike)
    lower, upper = line - 0.5, line + 0.5
    upper[1] = line[1] - 0.2
    lower[1] = upper[1] + 0.05
    region = parity_region(strike, lower, upper=upper)
    assert region.slack == pytest.approx(-0.05)
    found = {(leg.strike, leg.side, leg.weight) for leg in region.proof}
    assert found == {(100.0, "sell", 1.0), (100.0, "buy", 1.0)}


def test_a_discount_below_zero_is_proved_by_two_strikes():
    # Selling the synthetic at 110 for more than the one at 90 costs leaves money now and 20 points later.
    region = parity_region(np.array([90.0, 110.0]), np.array([-np.inf, 7.0]), upper=np.array([6.0, np.inf]))
    assert region.slack == pytest.approx(-1.0)
    assert [(leg.strike, leg.side) for leg in region.proof] == [(110.0, "sell"), (90.0, "buy")]


@pytest.mark.parametrize("seed", range(60))
def test_the_proof_is_a_lock(seed):
    rng = np.random.default_rng(1000 + seed)
    strike, lower, upper = noisy_line(rng, int(rng.integers(5, 40)), width=0.4, noise=3.0)
    region = parity_region(strike, lower, upper=upper)
    assert region.is_empty
    low, high = dict(zip(strike, lower, strict=True)), dict(zip(strike, upper, strict=True))
    low[0.0] = 0.0
    sold = [leg for leg in region.proof if leg.side == "sell"]
    bought = [leg for leg in region.proof if leg.side == "buy"]
    assert len(region.proof) <= 3
    assert sum(leg.weight for leg in sold) == pytest.approx(1.0)
    assert sum(leg.weight for leg in bought) == pytest.approx(1.0)
    income = sum(leg.weight * low[leg.strike] for leg in sold) - sum(leg.weight * high[leg.strike] for leg in bought)
    payoff = sum(leg.weight * leg.strike for leg in sold) - sum(leg.weight * leg.strike for leg in bought)
    assert income == pytest.approx(-region.slack, abs=1e-9)
    assert income > SLACK_TOLERANCE
    assert payoff > -1e-9


def test_bounds_take_a_missing_bid_as_zero_and_a_missing_ask_as_no_bound():
    lower, upper = synthetic_bounds(
        np.array([np.nan, 2.0, 2.0]),
        np.array([1.0, np.nan, 2.5]),
        put_bid=np.array([0.5, 0.5, np.nan]),
        put_ask=np.array([0.7, 0.0, 0.6]),
    )
    np.testing.assert_array_equal(lower, [-0.7, -np.inf, 1.4])
    np.testing.assert_array_equal(upper, [0.5, np.inf, 2.5])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 2.0))
def test_row_order_changes_nothing_and_wider_quotes_never_shrink_the_region(seed, widening):
    rng = np.random.default_rng(seed)
    strike, lower, upper = noisy_line(rng, 25, width=1.0, noise=0.4)
    region = parity_region(strike, lower, upper=upper)
    shuffled = rng.permutation(strike.size)
    again = parity_region(strike[shuffled], lower[shuffled], upper=upper[shuffled])
    np.testing.assert_array_equal(again.vertices, region.vertices)
    assert again.slack == region.slack
    wider = parity_region(strike, lower - widening, upper=upper + widening)
    assert wider.slack >= region.slack - 1e-12
    if region.forward_low is not None and wider.forward_low is not None:
        assert wider.forward_low <= region.forward_low + 1e-9


def test_a_lock_at_a_kink_of_both_envelopes_is_proved_by_strikes_that_cancel():
    # Synthetics on one line but for the middle one: the best discount factor is a kink of floor and cap alike, and
    # rounding makes them two numbers.
    strike = np.array([3650.0, 3675.0, 5025.0])
    line = 0.98 * (5000.0 - strike)
    lower, upper = line.copy(), line.copy()
    lower[1] += 0.25
    region = parity_region(strike, lower, upper=upper)
    sold = sum(leg.weight * leg.strike for leg in region.proof if leg.side == "sell")
    bought = sum(leg.weight * leg.strike for leg in region.proof if leg.side == "buy")
    assert sold == pytest.approx(bought, abs=1e-9)
