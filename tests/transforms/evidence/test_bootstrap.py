"""The stationary bootstrap: block lengths against two oracles, resamples against their law, intervals by coverage."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from arch.bootstrap import optimal_block_length
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.slow import SLOW
from transforms.errors import UsageError
from transforms.evidence.bootstrap import (
    Blocks,
    automatic_block_length,
    influence,
    percentile_interval,
    resampled_means,
    seeded_generator,
    stationary_blocks,
)

Floats = npt.NDArray[np.float64]


def autoregression(phi: float, n: int, *, seed: int) -> Floats:
    shocks = np.random.default_rng(seed).standard_normal(n + 200)
    values = np.empty(n + 200)
    values[0] = shocks[0]
    for row in range(1, n + 200):
        values[row] = phi * values[row - 1] + shocks[row]
    return values[200:]


def block_length_by_hand(series: list[float]) -> float:
    """Politis and White (2004), section 3.2, with loops; the constant of Patton, Politis and White (2009)."""
    n = len(series)
    mean = math.fsum(series) / n

    def covariance(lag: int) -> float:
        return math.fsum((series[i] - mean) * (series[i + lag] - mean) for i in range(n - lag)) / n

    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + run, n - 1)
    bound = 2.0 * math.sqrt(math.log10(n) / n)
    small = [abs(covariance(lag) / covariance(0)) < bound for lag in range(1, most + 1)]
    starts = [lag for lag in range(1, most - run + 2) if all(small[lag - 1 : lag - 1 + run])]
    bandwidth = min(2 * starts[0], most) if starts else most
    curvature = spectrum = 0.0
    for lag in range(-bandwidth, bandwidth + 1):
        share = abs(lag) / bandwidth
        window = 1.0 if share <= 0.5 else 2.0 * (1.0 - share)
        curvature += window * abs(lag) * covariance(abs(lag))
        spectrum += window * covariance(abs(lag))
    best = (2.0 * curvature**2 / (2.0 * spectrum**2)) ** (1.0 / 3.0) * n ** (1.0 / 3.0)
    return min(max(best, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.8, -0.4])
@pytest.mark.parametrize("n", [12, 40, 150])
def test_block_length_follows_the_paper_computed_with_loops(phi: float, n: int) -> None:
    series = autoregression(phi, n, seed=n)
    assert automatic_block_length(series) == pytest.approx(block_length_by_hand(series.tolist()), rel=1e-9)


def test_block_length_is_that_of_the_arch_package() -> None:
    # The package scales an autocorrelation by the rows it overlaps and not by all: near the bound of significance
    # the two may see another lag. Everywhere else they agree to rounding.
    cases = [(phi, n, seed) for phi in (0.0, 0.2, 0.5, 0.8, -0.4) for n in (300, 1_500) for seed in range(8)]
    pairs = []
    for phi, n, seed in cases:
        series = autoregression(phi, n, seed=seed)
        theirs = float(optimal_block_length(series)["stationary"].iloc[0])
        pairs.append((automatic_block_length(series), max(theirs, 1.0)))
    same = [ours == pytest.approx(theirs, rel=1e-9) for ours, theirs in pairs]
    assert sum(same) >= 0.95 * len(cases)
    assert np.median([ours / theirs for ours, theirs in pairs]) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("phi", [0.5, 0.7])
def test_block_length_is_near_the_optimum_of_a_known_autoregression(phi: float) -> None:
    # For AR(1), G = 2 phi/(1 - phi)^2 and g(0) = (1 + phi)/(1 - phi) in units of the variance.
    n = 4_000
    optimum = (2.0 * phi / (1.0 - phi**2)) ** (2.0 / 3.0) * n ** (1.0 / 3.0)
    found = [automatic_block_length(autoregression(phi, n, seed=seed)) for seed in range(20)]
    assert np.median(found) == pytest.approx(optimum, rel=0.15)


def test_a_constant_or_short_series_has_blocks_of_one() -> None:
    assert automatic_block_length(np.full(50, 3.0)) == 1.0
    assert automatic_block_length(np.arange(8.0)) == 1.0


def test_block_length_is_capped() -> None:
    # Differences of noise have no spectrum at 0, and by the formula blocks without end.
    noise = np.random.default_rng(58).standard_normal(401)
    assert automatic_block_length(np.diff(noise[:31])) == 10.0
    assert automatic_block_length(np.diff(noise)) == 60.0


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 60), block_length=st.floats(1.0, 80.0), n_draws=st.integers(1, 300))
def test_resamples_have_as_many_rows_as_the_sample(n: int, block_length: float, n_draws: int) -> None:
    batches = list(stationary_blocks(n, block_length=block_length, n_draws=n_draws, generator=seeded_generator("a")))
    assert sum(len(batch.start) for batch in batches) == n_draws
    for batch in batches:
        assert (batch.length.sum(axis=1) == n).all()
        assert (batch.length >= 0).all()
        assert batch.start.min() >= 0
        assert batch.start.max() < n
        rows = batch.rows()
        assert rows.shape == (len(batch.start), n)


def test_a_row_of_a_resample_follows_the_one_before_it_as_often_as_the_law_says() -> None:
    n, block_length = 200, 8.0
    batches = stationary_blocks(n, block_length=block_length, n_draws=2_000, generator=seeded_generator("law"))
    rows = np.concatenate([batch.rows() for batch in batches])
    follows = ((rows[:, 1:] - rows[:, :-1]) % n == 1).mean()
    # A block goes on with chance 1 - 1/b, and a new one starts at the next row by accident with chance 1/n.
    assert follows == pytest.approx(1.0 - (1.0 - 1.0 / n) / block_length, abs=4.0 * math.sqrt(0.11 / rows.size))
    counts = np.bincount(rows.ravel(), minlength=n) / rows.size * n
    assert counts == pytest.approx(np.ones(n), abs=0.12)


def test_blocks_run_around_the_circle() -> None:
    blocks = Blocks(np.array([[3, 1, 0]]), np.array([[3, 2, 0]]))
    assert blocks.rows().tolist() == [[3, 4, 0, 1, 2]]


def test_means_of_blocks_are_means_of_their_rows() -> None:
    columns = np.random.default_rng(1).normal(5.0, 2.0, (120, 3))
    draws = {"block_length": 6.0, "n_draws": 600}
    rows = [b.rows() for b in stationary_blocks(120, generator=seeded_generator("k"), **draws)]  # type: ignore[arg-type]
    means = resampled_means(columns, stationary_blocks(120, generator=seeded_generator("k"), **draws))  # type: ignore[arg-type]
    assert means == pytest.approx(columns[np.concatenate(rows)].mean(axis=1), rel=1e-12)


def test_variance_of_a_resampled_mean_is_the_one_politis_and_romano_derive() -> None:
    # Politis and Romano (1994), lemma 1: n Var* = R(0) + 2 sum over lags of b_n(lag) R(lag).
    series, p = autoregression(0.6, 300, seed=4), 1.0 / 7.0
    n = len(series)
    deviations = series - series.mean()
    lags = np.arange(n)
    circular = np.array([deviations @ np.roll(deviations, -lag) for lag in lags]) / n
    expected = (circular[0] + 2.0 * ((1.0 - lags[1:] / n) * (1.0 - p) ** lags[1:] * circular[1:]).sum()) / n
    batches = stationary_blocks(n, block_length=7.0, n_draws=40_000, generator=seeded_generator("v"))
    assert resampled_means(series[:, None], batches).var() == pytest.approx(expected, rel=0.03)


def test_the_same_key_gives_the_same_draws_and_another_key_others() -> None:
    def draws(key: str) -> Floats:
        return resampled_means(
            np.arange(40.0)[:, None],
            stationary_blocks(40, block_length=3.0, n_draws=300, generator=seeded_generator(key)),
        )

    assert (draws("a") == draws("a")).all()
    assert (draws("a") != draws("b")).any()


def test_influence_is_the_deviation_for_a_mean_and_the_textbook_one_for_a_ratio() -> None:
    columns = np.random.default_rng(3).normal([4.0, 2.0], 1.0, (200, 2))
    top, bottom = columns.mean(axis=0)
    assert influence(columns, lambda m: m[..., 0]) == pytest.approx(columns[:, 0] - top, abs=1e-7)
    ratio = (columns[:, 0] - top / bottom * columns[:, 1]) / bottom
    assert influence(columns, lambda m: m[..., 0] / m[..., 1]) == pytest.approx(ratio, abs=1e-6)


def test_interval_holds_the_middle_of_the_draws() -> None:
    draws = np.arange(1.0, 1_002.0)
    assert percentile_interval(draws) == pytest.approx((26.0, 976.0))
    assert percentile_interval(draws, confidence=0.5) == pytest.approx((251.0, 751.0))


def test_nothing_is_drawn_from_no_rows() -> None:
    with pytest.raises(UsageError, match="at least one"):
        list(stationary_blocks(0, block_length=2.0, n_draws=1, generator=seeded_generator("a")))
    with pytest.raises(UsageError, match="at least one"):
        list(stationary_blocks(9, block_length=0.5, n_draws=1, generator=seeded_generator("a")))


@pytest.mark.parametrize(("phi", "n"), [(0.0, 100), (0.5, 400)])
def test_intervals_of_a_mean_hold_it_about_as_often_as_they_say(phi: float, n: int) -> None:
    n_markets = 500 if SLOW else 150
    n_draws, holds = 400, 0
    for seed in range(n_markets):
        series = autoregression(phi, n, seed=10_000 + seed)
        batches = stationary_blocks(
            n, block_length=automatic_block_length(series), n_draws=n_draws, generator=seeded_generator(f"{seed}")
        )
        low, high = percentile_interval(resampled_means(series[:, None], batches))
        holds += low <= 0.0 <= high
    # Percentile intervals of dependent series fall a little short of 95 % (docs/claim_power.md says by how much).
    noise = 3.0 * math.sqrt(0.95 * 0.05 / n_markets)
    assert 0.91 - noise < holds / n_markets < 0.95 + noise
