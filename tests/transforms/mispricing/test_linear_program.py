"""The two programs are each other's dual; the minimal set to doubt mends the slice."""

import numpy as np
import pytest

from tests.transforms.mispricing.noisy_slices import START, seeded_slice
from transforms.mispricing.linear_program import best_static_income, minimal_doubt
from transforms.mispricing.static import SliceQuotes, static_check


@pytest.mark.parametrize("seed", range(40))
def test_the_least_change_of_quotes_equals_the_largest_income(seed):
    quotes = seeded_slice(seed)
    assert minimal_doubt(quotes).total == pytest.approx(best_static_income(quotes), abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_without_the_doubted_sides_nothing_is_left_to_lock(seed):
    quotes = seeded_slice(seed)
    doubt = minimal_doubt(quotes)
    mended = quotes.without(np.flatnonzero(doubt.bid > 1e-6), bids=True)
    mended = mended.without(np.flatnonzero(doubt.ask > 1e-6), bids=False)
    assert static_check(mended, **START).lock is None


def test_one_displaced_bid_is_the_one_in_doubt():
    strike = np.array([90.0, 100.0, 110.0, 120.0])
    call = np.array([14.0, 9.5, 5.0, 1.0])
    ask = call + 0.1
    bid = call - 0.1
    bid[2] = 8.0
    quotes = SliceQuotes(strike, bid, np.maximum(ask, bid), np.zeros(4), np.full(4, np.inf))
    doubt = minimal_doubt(quotes)
    # The hull from the asks at 100 and 120 allows 5.35; only the bid at 110 is above it.
    assert doubt.bid[5] == pytest.approx(8.0 - 5.35)
    assert doubt.total == pytest.approx(8.0 - 5.35)


def test_a_slice_without_bids_has_no_income():
    none = np.zeros(3)
    quotes = SliceQuotes(np.array([90.0, 100.0, 110.0]), none, np.ones(3), none, np.ones(3))
    assert best_static_income(quotes) == 0.0
