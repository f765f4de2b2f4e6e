"""Estimates: the statistic of the sample itself, draws by sort, and what is not defined."""

import numpy as np
import pytest

from transforms.evidence.bootstrap import automatic_block_length
from transforms.evidence.estimate import Observations, estimated, mean_of, mean_where, median_of, quotient

VALUES = np.random.default_rng(11).normal(2.0, 1.0, 300)


def test_a_mean_and_a_median_are_those_of_the_sample() -> None:
    assert estimated(mean_of(VALUES), sort="series", key="k").estimate == pytest.approx(VALUES.mean())
    assert estimated(median_of(VALUES), sort="events", key="k").estimate == pytest.approx(np.median(VALUES))


def test_events_are_redrawn_one_by_one_and_a_series_in_its_blocks() -> None:
    persistent = np.convolve(np.random.default_rng(2).standard_normal(400), np.ones(12), mode="valid")
    series = estimated(mean_of(persistent), sort="series", key="k")
    events = estimated(mean_of(persistent), sort="events", key="k")
    assert series.block_length == pytest.approx(automatic_block_length(persistent), rel=1e-5)
    assert series.block_length > 5.0
    assert events.block_length == 1.0
    assert series.draws.std() > 1.5 * events.draws.std()


def test_draws_of_events_have_the_spread_of_their_mean() -> None:
    draws = estimated(mean_of(VALUES), sort="events", key="k").draws
    assert len(draws) == 5_000
    assert draws.std() == pytest.approx(VALUES.std() / np.sqrt(len(VALUES)), rel=0.04)
    assert draws.mean() == pytest.approx(VALUES.mean(), abs=0.01)


def test_a_mean_over_chosen_rows_counts_those_rows() -> None:
    chosen = (np.arange(300) % 3 == 0).astype(float)
    found = estimated(mean_where(VALUES, chosen), sort="series", key="k")
    assert found.n == 100
    assert found.estimate == pytest.approx(VALUES[::3].mean())


def test_draws_depend_on_the_key_alone() -> None:
    first, again, other = (estimated(mean_of(VALUES), sort="series", key=key).draws for key in ("a", "a", "b"))
    assert (first == again).all()
    assert (first != other).any()


def test_without_rows_or_a_finite_statistic_there_is_no_estimate() -> None:
    assert estimated(mean_of(np.empty(0)), sort="series", key="k").estimate is None
    nothing_chosen = estimated(mean_where(VALUES, np.zeros(300)), sort="series", key="k")
    assert (nothing_chosen.estimate, nothing_chosen.n, nothing_chosen.interval()) == (None, 0, None)


def test_a_statistic_undefined_in_many_resamples_has_no_interval() -> None:
    # One chosen row of 300: a third of the resamples do not hold it.
    rare = np.zeros(300)
    rare[7] = 1.0
    found = estimated(mean_where(VALUES, rare), sort="events", key="k")
    assert found.estimate == pytest.approx(VALUES[7])
    assert found.interval() is None


def test_a_quotient_by_nothing_is_not_a_number() -> None:
    assert np.isnan(quotient(np.array([1.0, 0.0])))
    assert quotient(np.array([[1.0, 4.0], [6.0, 3.0]])).tolist() == [0.25, 2.0]


def test_a_statistic_of_rows_sees_whole_samples() -> None:
    ordered = Observations(VALUES[:, None], 300, lambda rows: rows[..., 0].max(axis=-1), of="rows")
    found = estimated(ordered, sort="events", key="k", n_draws=500)
    assert found.estimate == VALUES.max()
    # The largest value is missing from a resample with chance (1 - 1/300)^300.
    assert (found.draws < VALUES.max()).mean() == pytest.approx(np.exp(-1.0), abs=0.07)
