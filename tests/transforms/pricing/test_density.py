"""The risk-neutral density against the lognormal, its own moments, and Vogt's slice."""

import numpy as np
import pytest
from scipy.stats import norm

from transforms.pricing.density import (
    density_checks,
    density_nodes,
    log_contract_variance,
    log_density,
    probability_below,
)
from transforms.pricing.svi import SviSlices


def slices_of(*rows):
    return SviSlices(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))


# A nearly flat slice of total variance 0.04, two SPX-like slices, a steep one and a VIX-like one skewed to the right.
FLAT = (0.04 - 1e-9, 1e-8, 0.0, 0.0, 0.1)
SLICES = slices_of(
    FLAT,
    (-0.0129, 0.0626, -0.1678, 0.0052, 0.2227),
    (0.0007, 0.0120, -0.6, -0.009, 0.03),
    (0.004, 0.09, 0.5, -0.05, 0.12),
)


def test_a_flat_slice_is_lognormal():
    k = np.linspace(-0.8, 0.8, 41)
    flat = slices_of(FLAT)
    np.testing.assert_allclose(log_density(flat, k)[0], norm.pdf(k, -0.02, 0.2), rtol=1e-5)
    np.testing.assert_allclose(probability_below(flat, k)[0], norm.cdf(k, -0.02, 0.2), atol=1e-7)


def test_mass_mean_and_variances_are_those_of_the_option_prices():
    checks = density_checks(SLICES)
    np.testing.assert_allclose(checks.integral, 1.0, atol=1e-12)
    np.testing.assert_allclose(checks.mean, 1.0, atol=1e-12)
    np.testing.assert_allclose(checks.variance, checks.strip_variance, rtol=1e-5)
    np.testing.assert_allclose(checks.log_variance, checks.strip_log_variance, rtol=1e-5)
    assert (checks.lowest >= 0.0).all()
    np.testing.assert_allclose(log_contract_variance(SLICES), checks.log_variance, rtol=1e-14)
    assert checks.log_variance[0] == pytest.approx(0.04, rel=1e-6)


def test_the_density_is_the_slope_of_the_probability():
    k, h = np.linspace(-0.3, 0.2, 21), 1e-6
    slope = (probability_below(SLICES, k + h) - probability_below(SLICES, k - h)) / (2.0 * h)
    np.testing.assert_allclose(slope, log_density(SLICES, k), atol=1e-7)


def test_probability_rises_from_zero_to_one():
    k = np.linspace(-6.0, 3.0, 901)
    probability = probability_below(SLICES, k)
    assert (np.diff(probability, axis=1) >= -1e-15).all()
    np.testing.assert_allclose(probability[:, 0], 0.0, atol=1e-6)
    np.testing.assert_allclose(probability[:, -1], 1.0, atol=1e-6)


def test_nodes_price_a_put():
    k, mass = density_nodes(slices_of(FLAT))
    put = (mass * np.maximum(0.95 - np.exp(k), 0.0)).sum()
    d1 = (np.log(1.0 / 0.95) + 0.02) / 0.2
    expected = 0.95 * norm.cdf(0.2 - d1) - norm.cdf(-d1)
    assert put == pytest.approx(expected, rel=1e-5)


def test_butterfly_arbitrage_shows_as_negative_density():
    assert density_checks(slices_of((-0.0410, 0.1331, 0.3060, 0.3586, 0.4153))).lowest[0] < 0.0


def test_a_wing_too_steep_for_a_variance_has_none():
    # Lee (2004): E[S^2] is infinite beyond a right slope of 2 - 4*(sqrt(2) - 1) = 0.343.
    checks = density_checks(slices_of((0.1, 0.30, 0.2, 0.0, 0.5)))
    assert np.isnan(checks.variance[0])
    assert np.isnan(checks.strip_variance[0])
    assert checks.mean[0] == pytest.approx(1.0, abs=1e-9)
