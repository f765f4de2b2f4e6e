"""SSVI truth: free of arbitrage for every state the model can be in, and its variance swap equal to the strip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.sample_market.model import DEFAULT_MODEL
from transforms.sample_market.surface import (
    at_the_money_variance,
    black_price,
    cumulative_variance,
    smile_total_variance,
    swap_variance,
    treasury_zero_rate,
)

THETAS = st.floats(min_value=2e-5, max_value=0.8)
RHOS = st.floats(min_value=-0.85, max_value=-0.60)
SHARES = st.floats(min_value=0.2, max_value=0.999)


def eta_of(share: float, rho: float) -> float:
    return share * 2.0 / (1.0 + abs(rho))


@given(theta=THETAS, rho=RHOS, share=SHARES)
@settings(max_examples=60, deadline=None)
def test_call_prices_of_a_slice_fall_and_are_convex_in_the_strike(theta: float, rho: float, share: float) -> None:
    deviation = np.sqrt(theta)
    strike = np.exp(np.linspace(-6 * deviation, 6 * deviation, 401))
    variance = smile_total_variance(np.log(strike), np.full(401, theta), rho=rho, eta=eta_of(share, rho), gamma=0.5)
    call = black_price(np.ones(401), strike, total_variance=variance, is_call=np.ones(401, dtype=bool))
    slope = np.diff(call) / np.diff(strike)
    assert slope.max() <= 1e-12
    assert slope.min() >= -1.0 - 1e-12
    assert np.diff(slope).min() >= -1e-9


@given(theta=THETAS, growth=st.floats(min_value=1.0001, max_value=3.0), rho=RHOS, share=SHARES)
@settings(max_examples=100, deadline=None)
def test_total_variance_never_falls_with_maturity(theta: float, growth: float, rho: float, share: float) -> None:
    k = np.linspace(-3.0, 3.0, 301)
    near, far = (
        smile_total_variance(k, np.full(301, level), rho=rho, eta=eta_of(share, rho), gamma=0.5)
        for level in (theta, theta * growth)
    )
    assert (far >= near).all()


@pytest.mark.parametrize(("theta", "rho"), [(0.0004, -0.74), (0.003, -0.65), (0.02, -0.80), (0.2, -0.74)])
def test_swap_variance_equals_the_strip_of_all_strikes(theta: float, rho: float) -> None:
    eta = eta_of(0.88, rho)
    k = np.linspace(-2.0 - 200.0 * np.sqrt(theta), 1.0 + 3.0 * np.sqrt(theta), 1_000_001)
    variance = smile_total_variance(k, np.full_like(k, theta), rho=rho, eta=eta, gamma=0.5)
    price = black_price(np.ones_like(k), np.exp(k), total_variance=variance, is_call=k > 0.0)
    strip = 2.0 * np.trapezoid(price * np.exp(-k), k)
    assert float(swap_variance(np.array([theta]), rho=rho, eta=eta, gamma=0.5)[0]) == pytest.approx(strip, rel=1e-7)


@given(fast=st.floats(-3.0, 3.0), slow=st.floats(-2.0, 2.0))
@settings(max_examples=50, deadline=None)
def test_at_the_money_variance_rises_with_the_horizon_from_zero(fast: float, slow: float) -> None:
    curve = cumulative_variance(DEFAULT_MODEL, np.array(fast), slow=np.array(slow))
    horizons = np.concatenate([[-0.1, 0.0], np.geomspace(1e-5, 6.0, 300)])
    theta = at_the_money_variance(curve, horizons)
    assert theta[:2].tolist() == [0.0, 0.0]
    assert (np.diff(theta[1:]) > 0.0).all()


def test_treasury_curve_starts_at_the_short_rate_and_ends_near_the_long_one() -> None:
    rates = treasury_zero_rate(0.05, 0.03, years=np.array([1e-6, 2.0, 100.0]))
    assert rates[0] == pytest.approx(0.03, abs=1e-6)
    assert 0.03 < rates[1] < 0.05
    assert rates[2] == pytest.approx(0.05, abs=5e-4)
