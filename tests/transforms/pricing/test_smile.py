"""SVI slices: exact checks, and a fit that recovers truth, refuses nonsense and never leaves arbitrage unsaid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.pricing.smile import fit_smiles
from transforms.pricing.svi import SviSlices, calendar_crossings, durrleman_g, g_sign_changes, least_gap, minimum_g

# Gatheral and Jacquier (2014), "Arbitrage-free SVI volatility surfaces", section 3.1: the example of Axel Vogt.
VOGT = (-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)


def slices_of(*rows):
    return SviSlices(*(np.array(column, dtype=float) for column in zip(*rows, strict=True)))


def ssvi_slices(theta, *, rho=-0.6, eta=0.9):
    phi = eta / np.sqrt(theta * (1.0 + theta))
    return SviSlices(
        0.5 * theta * (1.0 - rho**2),
        0.5 * theta * phi,
        np.full_like(theta, rho),
        -rho / phi,
        np.sqrt(1.0 - rho**2) / phi,
    )


def market(smiles, tau, *, n=60, half=0.002, noise=0.0, seed=0):
    """Vols of `smiles` at -8 to 4 standard deviations with a half-spread and noise in vol."""
    rng = np.random.default_rng(seed)
    unit = np.sqrt(smiles.total_variance(np.zeros(1)))
    k = unit * np.linspace(-8.0, 4.0, n)[None, :]
    mid = np.sqrt(smiles.total_variance(k) / tau[:, None])
    mid = mid + noise * half * rng.normal(size=mid.shape)
    return k, mid - half, mid, mid + half


def fit(k, bid, mid, ask, tau, *, group=None):
    group = np.zeros(tau.size, dtype=np.int64) if group is None else group
    return fit_smiles(k, bid, vol_mid=mid, vol_ask=ask, time_to_expiry=tau, settlement_group=group)


def test_vogts_slice_is_flagged_where_the_paper_says():
    vogt = slices_of(VOGT)
    lowest, at = minimum_g(vogt)
    assert lowest[0] == pytest.approx(-0.0328636, abs=1e-7)
    assert at[0] == pytest.approx(0.87926, abs=1e-5)
    np.testing.assert_allclose(g_sign_changes(vogt)[0], [0.64241, 1.25692], atol=1e-5)


def test_g_is_not_the_convexity_of_total_variance():
    # Every SVI slice is convex in k, Vogt's too.
    k = np.linspace(-1.5, 1.5, 301)
    assert (slices_of(VOGT).derivatives(k)[2] > 0.0).all()


def test_derivatives_agree_with_differences():
    vogt = slices_of(VOGT)
    k, h = np.linspace(-1.0, 1.5, 26), 1e-5
    w, slope, curvature = vogt.derivatives(k)
    np.testing.assert_allclose(slope, (vogt.total_variance(k + h) - vogt.total_variance(k - h)) / (2 * h), atol=1e-9)
    bend = (vogt.derivatives(k + h)[1] - vogt.derivatives(k - h)[1]) / (2 * h)
    np.testing.assert_allclose(curvature, bend, atol=1e-8)
    np.testing.assert_array_equal(w, vogt.total_variance(k))


raw_parameters = st.tuples(
    st.floats(0.0, 0.1), st.floats(0.01, 0.9), st.floats(-0.95, 0.95), st.floats(-0.4, 0.4), st.floats(0.03, 0.6)
)


@settings(max_examples=60, deadline=None)
@given(raw_parameters)
def test_minimum_and_sign_changes_of_g_agree_with_a_dense_grid(parameters):
    one = slices_of(parameters)
    k = np.linspace(-12.0, 12.0, 48_001)
    g = durrleman_g(one, k)[0]
    lowest = minimum_g(one)[0][0]
    assert lowest <= g.min() + 1e-9
    changes = g_sign_changes(one)[0]
    seen = k[:-1][(g[1:] < 0.0) != (g[:-1] < 0.0)]
    inside = changes[np.abs(changes) < 12.0]
    assert inside.size == seen.size
    np.testing.assert_allclose(inside, seen, atol=1e-3)
    assert (lowest < 0.0) == (changes.size > 0 or g[0] < 0.0)


@settings(max_examples=60, deadline=None)
@given(raw_parameters, raw_parameters)
def test_crossings_agree_with_a_dense_grid(near, far):
    near, far = slices_of(near), slices_of(far)
    k = np.linspace(-15.0, 15.0, 60_001)
    gap = (far.total_variance(k) - near.total_variance(k))[0]
    # A touch closer than rounding is no crossing that a grid could show.
    if np.abs(gap).min() < 1e-9:
        return
    crossings = calendar_crossings(near, far)[0]
    inside = crossings[np.abs(crossings) < 15.0]
    seen = k[:-1][(gap[1:] < 0.0) != (gap[:-1] < 0.0)]
    assert inside.size == seen.size
    np.testing.assert_allclose(inside, seen, atol=1e-3)
    if crossings.size:
        assert least_gap(near, far)[0] < 0.0


def test_the_truth_is_recovered_from_exact_vols():
    tau = np.array([0.02, 0.1, 0.3, 1.0, 2.0])
    truth = ssvi_slices(0.03 * tau)
    k, bid, mid, ask = market(truth, tau)
    found = fit(k, bid, mid, ask, tau)
    assert found.status.tolist() == ["fitted"] * 5
    fitted = np.sqrt(found.slices.total_variance(k) / tau[:, None])
    assert np.abs(fitted - mid).max() < 1e-4
    assert (found.share_inside_spread == 1.0).all()
    assert found.rmse_vol_points.max() < 0.01


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 3.0))
def test_noisy_vols_give_arbitrage_free_slices_or_say_otherwise(seed, noise):
    tau = np.array([0.03, 0.1, 0.25, 0.6])
    k, bid, mid, ask = market(ssvi_slices(0.03 * tau, rho=-0.7, eta=1.05), tau, noise=noise, seed=seed)
    found = fit(k, bid, mid, ask, tau)
    kept = np.isfinite(found.slices.a)
    slices = found.slices.take(np.flatnonzero(kept))
    assert (slices.b >= 0.0).all()
    assert (np.abs(slices.rho) < 1.0).all()
    assert (slices.sigma > 0.0).all()
    assert (slices.minimum_variance >= 0.0).all()
    assert (slices.steepest_wing < 2.0).all()
    butterfly_free = np.array([changes.size == 0 for changes in g_sign_changes(slices)])
    assert (butterfly_free | np.isin(found.status[kept], ("butterfly", "calendar"))).all()
    gaps = least_gap(slices.take(np.arange(len(slices) - 1)), slices.take(np.arange(1, len(slices))))
    assert ((gaps >= 0.0) | (found.status[kept][1:] == "calendar")).all()


def test_two_slices_quoted_across_each_other_are_fitted_without_crossing():
    tau = np.array([0.10, 0.12])
    near, far = ssvi_slices(np.array([0.0040]), rho=-0.6), ssvi_slices(np.array([0.0042]), rho=-0.4)
    assert calendar_crossings(near, far)[0].size > 0
    truth = SviSlices(
        *(np.concatenate([getattr(s, name) for s in (near, far)]) for name in ("a", "b", "rho", "m", "sigma"))
    )
    found = fit(*market(truth, tau), tau)
    assert found.status.tolist() == ["fitted", "fitted"]
    assert found.calendar_gap[1] >= 0.0
    assert found.rmse_vol_points.max() < 2.0


def test_slices_of_different_groups_may_cross():
    tau = np.array([0.10, 0.12])
    truth = ssvi_slices(np.array([0.0060, 0.0040]))
    k, bid, mid, ask = market(truth, tau)
    found = fit(k, bid, mid, ask, tau, group=np.array([1, 2]))
    assert found.status.tolist() == ["fitted", "fitted"]
    assert np.abs(np.sqrt(found.slices.total_variance(k) / tau[:, None]) - mid).max() < 1e-3
    assert np.isnan(found.calendar_gap).all()


def test_a_slice_whose_variance_contradicts_its_neighbors_is_refused_and_bends_none():
    tau = np.array([0.05, 0.1, 0.2, 0.4])
    truth = ssvi_slices(0.03 * tau)
    k, bid, mid, ask = market(truth, tau)
    bid, mid, ask = (np.where(np.arange(4)[:, None] == 1, 2.0 * vol, vol) for vol in (bid, mid, ask))
    found = fit(k, bid, mid, ask, tau)
    assert found.status.tolist() == ["fitted", "calendar_outlier", "fitted", "fitted"]
    assert np.isnan(found.slices.a[1])
    rest = [0, 2, 3]
    fitted = np.sqrt(found.slices.total_variance(k) / tau[:, None])
    assert np.abs(fitted - mid)[rest].max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-7.0, 0.4), min_size=1, max_size=6),
    st.floats(-0.9, 0.9),
    st.integers(0, 10**6),
)
def test_any_variances_at_the_money_are_fitted_or_refused_without_an_error(powers, rho, seed):
    theta = 10.0 ** np.array(powers)
    tau = np.linspace(0.02, 1.0, theta.size)
    smiles = ssvi_slices(theta, rho=rho, eta=0.9)
    found = fit(*market(smiles, tau, half=0.01, noise=0.5, seed=seed), tau)
    kept = np.isfinite(found.slices.a)
    assert set(found.status[~kept]) <= {"calendar_outlier", "atm_mismatch", "degenerate", "too_few_quotes"}
    assert kept.any() or "too_few_quotes" in found.status or "atm_mismatch" in found.status
    assert (found.min_g[kept] > -1e-3).all()


def test_a_variance_that_is_no_smile_is_refused():
    tau = np.array([0.1, 0.2])
    k, bid, mid, ask = market(ssvi_slices(np.array([0.003, 0.006])), tau)
    found = fit(k, bid, np.where([[False], [True]], 100.0 * mid, mid), ask, tau)
    assert found.status.tolist() == ["fitted", "degenerate"]


def test_too_few_quotes_or_quotes_on_one_side_are_refused():
    tau = np.array([0.1, 0.2])
    k, bid, mid, ask = market(ssvi_slices(0.03 * tau), tau)
    mid[0, 5:] = np.nan
    mid[1, k[1] > 0.0] = np.nan
    assert fit(k, bid, mid, ask, tau).status.tolist() == ["too_few_quotes", "too_few_quotes"]


def test_a_bid_without_vol_counts_as_far_below_the_mid_as_the_ask_is_above():
    tau = np.array([0.1])
    k, bid, mid, ask = market(ssvi_slices(0.03 * tau), tau)
    with_bid = fit(k, bid, mid, ask, tau)
    without = fit(k, np.full_like(bid, np.nan), mid, ask, tau)
    np.testing.assert_allclose(without.slices.b, with_bid.slices.b, rtol=1e-9)


def test_the_order_of_slices_changes_nothing():
    tau = np.array([0.03, 0.1, 0.25, 0.6])
    k, bid, mid, ask = market(ssvi_slices(0.03 * tau), tau, noise=1.0)
    order = np.array([2, 0, 3, 1])
    one = fit(k, bid, mid, ask, tau)
    other = fit(k[order], bid[order], mid[order], ask[order], tau[order])
    np.testing.assert_array_equal(other.slices.b, one.slices.b[order])
    np.testing.assert_array_equal(other.min_g, one.min_g[order])
