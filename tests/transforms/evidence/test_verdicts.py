"""Verdicts: which side of a claim an interval lies on, and Holm's procedure against its published example."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.evidence.estimate import NO_ESTIMATE, Estimate
from transforms.evidence.verdicts import Claimed, judged

POSITIVE, BAND = Claimed(low=0.0), Claimed(0.60, 0.80)


def estimate(draws: list[float], n: int = 50, block_length: float = 1.0) -> Estimate:
    return Estimate(n, float(np.median(draws)), np.array(draws), block_length, n)


def with_p_value(p_value: float, n: int = 50) -> Estimate:
    """An estimate of which a share p/2 of 10,000 draws is negative."""
    n_negative = round(10_000 * p_value / 2.0)
    return estimate([-1.0] * n_negative + [1.0] * (10_000 - n_negative), n)


@pytest.mark.parametrize(
    ("claimed", "interval", "verdict"),
    [
        (POSITIVE, (0.1, 2.0), "supported"),
        (POSITIVE, (-2.0, -0.1), "not supported"),
        (POSITIVE, (-0.1, 2.0), "too little data"),
        (POSITIVE, (0.0, 0.0), "not supported"),
        (Claimed(high=1.0), (0.4, 0.9), "supported"),
        (Claimed(high=1.0), (1.0, 1.4), "not supported"),
        (Claimed(high=1.0), (0.4, 1.4), "too little data"),
        (BAND, (0.62, 0.79), "supported"),
        (BAND, (0.1, 0.55), "not supported"),
        (BAND, (0.9, 1.2), "not supported"),
        (BAND, (0.55, 0.75), "too little data"),
        (BAND, (0.1, 1.2), "too little data"),
    ],
)
def test_an_interval_inside_supports_and_one_outside_does_not(
    claimed: Claimed, interval: tuple[float, float], verdict: str
) -> None:
    assert claimed.verdict(interval) == verdict


def test_fewer_than_twenty_observations_are_too_little_data_whatever_they_say() -> None:
    draws = [1.0] * 5_000
    assert judged([estimate(draws, n=19)], POSITIVE)[0].verdict == "too little data"
    assert judged([estimate(draws, n=19)], POSITIVE)[0].p_value == 1.0
    assert judged([estimate(draws, n=20)], POSITIVE)[0].verdict == "supported"


def test_sessions_that_hold_fewer_than_twenty_blocks_are_too_little_data() -> None:
    draws = [1.0] * 5_000
    assert judged([estimate(draws, n=500, block_length=25.5)], POSITIVE)[0].verdict == "too little data"
    assert judged([estimate(draws, n=500, block_length=25.0)], POSITIVE)[0].verdict == "supported"


def test_no_estimate_is_too_little_data() -> None:
    found = judged([NO_ESTIMATE], POSITIVE)[0]
    assert (found.verdict, found.interval, found.p_value) == ("too little data", None, 1.0)


def test_holm_decides_his_own_example_as_he_does() -> None:
    # Holm (1979), section 3, as worked in most textbooks: of 0.005, 0.01, 0.03, 0.04 at 5 % the first two are
    # decided: 0.005 <= 0.05/4, 0.01 <= 0.05/3, 0.03 > 0.05/2, and 0.04 is not looked at.
    found = judged([with_p_value(p) for p in (0.01, 0.04, 0.03, 0.005)], POSITIVE)
    assert [one.verdict for one in found] == ["supported", "too little data", "too little data", "supported"]
    assert [one.p_value for one in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_one_variant_is_judged_by_the_interval_that_is_shown() -> None:
    rng = np.random.default_rng(5)
    for shift in np.linspace(-4.0, 4.0, 41):
        one = estimate((rng.normal(shift, 1.0, 2_000)).tolist())
        found = judged([one], POSITIVE)[0]
        assert found.interval is not None
        assert found.verdict == POSITIVE.verdict(found.interval)


def test_more_variants_ask_more_of_each() -> None:
    borderline = with_p_value(0.03)
    assert judged([borderline], POSITIVE)[0].verdict == "supported"
    assert judged([borderline, with_p_value(0.9)], POSITIVE)[0].verdict == "too little data"
    # A variant with too few observations is not looked at and costs nothing.
    assert judged([borderline, with_p_value(0.9, n=10)], POSITIVE)[0].verdict == "supported"


def test_variants_may_be_decided_in_opposite_directions() -> None:
    found = judged([estimate([1.0] * 5_000), estimate([-1.0] * 5_000)], POSITIVE)
    assert [one.verdict for one in found] == ["supported", "not supported"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_draws=st.integers(40, 400),
    decimals=st.integers(0, 8),
    low=st.floats(-1.5, 1.0),
    width=st.floats(0.01, 2.0),
    end=st.sampled_from(["low", "high", "both"]),
)
def test_p_value_is_the_level_at_which_the_interval_decides(
    seed: int, n_draws: int, decimals: int, low: float, width: float, end: str
) -> None:
    # Rounded to few digits draws are tied, and lie on the bounds.
    draws = np.random.default_rng(seed).normal(0.0, 1.0, n_draws).round(decimals).tolist()
    low, high = round(low, decimals), round(low, decimals) + max(round(width, decimals), 10.0**-decimals)
    claimed = Claimed(low if end != "high" else -math.inf, high if end != "low" else math.inf)
    one = estimate(draws)
    p_value = claimed.p_value(one)
    # The quantiles interpolate between two draws, each of which is 1/draws of the whole.
    slack = 4.0 / len(draws)
    if p_value + slack < 1.0:
        interval = one.interval(confidence=1.0 - p_value - slack)
        assert interval is not None
        assert claimed.verdict(interval) != "too little data"
    if p_value - slack > 0.0:
        interval = one.interval(confidence=1.0 - p_value + slack)
        assert interval is not None
        assert claimed.verdict(interval) == "too little data"
