"""Forwards and discount factors: recovered, resistant, bounded, and honest about where a rate came from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.pricing.forward import RateCurve, implied_forwards, par_yield_curve

STRIKE = np.arange(3000.0, 6000.0, 25.0)


def quotes_on_line(*, forward, discount, half=0.2, noise=0.0, seed=0):
    """Two-sided quotes whose synthetic lies on D*(F - K), wider away from the money."""
    rng = np.random.default_rng(seed)
    synthetic = discount * (forward - STRIKE)
    otm = 100.0 * np.exp(-np.abs(STRIKE - forward) / 400.0) + 1.0
    call_mid = np.maximum(synthetic, 0.0) + otm
    put_mid = call_mid - synthetic
    width = half * (1.0 + np.abs(STRIKE - forward) / 200.0)
    call_mid = call_mid + rng.normal(0.0, 1.0, STRIKE.size) * noise * width
    return [side[None, :] for side in (STRIKE, call_mid - width, call_mid + width, put_mid - width, put_mid + width)]


def fit(rows, tau, **options):
    strike, call_bid, call_ask, put_bid, put_ask = (np.concatenate(side) for side in zip(*rows, strict=True))
    return implied_forwards(
        strike,
        call_bid,
        call_ask=call_ask,
        put_bid=put_bid,
        put_ask=put_ask,
        time_to_expiry=np.asarray(tau),
        **options,
    )


def test_exact_quotes_give_forward_and_discount_factor_to_rounding():
    found = fit([quotes_on_line(forward=4500.0, discount=0.97)], [0.6])
    assert found.forward[0] == pytest.approx(4500.0, rel=1e-12)
    assert found.discount_factor[0] == pytest.approx(0.97, rel=1e-11)
    assert found.zero_rate[0] == pytest.approx(-np.log(0.97) / 0.6, rel=1e-10)
    assert found.rate_source[0] == "parity"
    assert found.n_pairs[0] == STRIKE.size


def test_a_tenth_of_stale_quotes_moves_nothing():
    rows = quotes_on_line(forward=4500.0, discount=0.97)
    for side in (1, 2):
        rows[side][0, 5::10] += 40.0
    found = fit([rows], [0.6])
    assert found.forward[0] == pytest.approx(4500.0, abs=1e-6)
    assert found.discount_factor[0] == pytest.approx(0.97, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(3800.0, 5200.0),
    st.floats(0.90, 1.01),
    st.floats(0.0, 0.2),
    st.integers(0, 10**6),
)
def test_estimates_lie_near_the_truth_and_the_intervals_hold_it(forward, discount, noise, seed):
    found = fit([quotes_on_line(forward=forward, discount=discount, noise=noise, seed=seed)], [0.9])
    assert abs(found.forward[0] - forward) <= 6.0 * found.forward_error[0] + 1e-6
    if found.parity_slack[0] >= 0.0 and noise == 0.0:
        assert found.forward_low[0] <= forward <= found.forward_high[0]
        assert found.discount_low[0] <= discount <= found.discount_high[0]


def test_a_short_slice_takes_the_rate_the_others_imply():
    rate = 0.05
    rows = [
        quotes_on_line(forward=4500.0 * np.exp(rate * tau), discount=np.exp(-rate * tau), noise=0.05, seed=i)
        for i, tau in enumerate((0.01, 0.5, 1.0))
    ]
    found = fit(rows, [0.01, 0.5, 1.0])
    assert found.rate_source.tolist() == ["implied_curve", "parity", "parity"]
    assert found.zero_rate[0] == pytest.approx(rate, abs=2e-3)
    assert np.isnan(found.discount_error[0])
    assert found.implied_curve.name == "implied_curve"


def test_a_chain_that_stands_alone_takes_the_fallback_and_says_so():
    curve = RateCurve("treasury", np.array([0.1, 1.0]), np.array([0.04, 0.05]))
    rows = [quotes_on_line(forward=4500.0, discount=0.9995)]
    found = fit(rows, [0.01], fallback=curve)
    assert found.rate_source[0] == "treasury"
    assert found.discount_factor[0] == pytest.approx(np.exp(-0.04 * 0.01))
    assert fit(rows, [0.01]).rate_source[0] == "none"


def test_a_slice_without_pairs_or_time_has_no_forward():
    empty = quotes_on_line(forward=4500.0, discount=0.97)
    empty[1][:] = 0.0
    found = fit([empty, quotes_on_line(forward=4500.0, discount=0.97)], [0.5, -0.001])
    assert np.isnan(found.forward).all()
    assert found.n_pairs.tolist() == [0, 0]


def test_par_yields_become_continuous_rates():
    curve = par_yield_curve("treasury", np.array([182.5, 91.25]), par_yield=np.array([0.05, 0.04]))
    np.testing.assert_allclose(curve.time, [0.25, 0.5])
    np.testing.assert_allclose(curve.zero_rate, 2.0 * np.log(1.0 + np.array([0.04, 0.05]) / 2.0), rtol=1e-14)
    # 100*(1 + y/2) in half a year is the bond-equivalent yield's own promise.
    assert 100.0 * np.exp(curve.rate(np.array([0.5]))[0] * 0.5) == pytest.approx(102.5)
