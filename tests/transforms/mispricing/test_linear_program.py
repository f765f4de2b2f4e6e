"""The two programs are each other's dual; the minimal set to doubt mends the slice."""

import numpy as np
import pytest

from tests.transforms.mispricing.noisy_slices import START, least_payoff, seeded_slice
from transforms.mispricing.linear_program import best_static_income, minimal_doubt, whole_lock
from transforms.mispricing.static import SliceQuotes, parity_lock, static_check


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


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("synthetics", [False, True])
def test_a_whole_lock_cannot_lose_and_keeps_within_the_sizes(seed, synthetics):
    quotes = seeded_slice(seed)
    doubt = minimal_doubt(quotes)
    size = np.full(doubt.bid.size, 3.0)
    lock = whole_lock(quotes, doubt, bid_size=size, ask_size=size, synthetics=synthetics)
    if doubt.total < 1e-6 or (synthetics and parity_lock(quotes) is None):
        assert lock is None
    if lock is not None:
        assert lock.income(quotes) > 0.0
        assert least_payoff(lock, quotes) >= 0.0
        assert max(abs(quantity) for quantity in lock.quantities) <= 3
        assert np.gcd.reduce(lock.quantities) == 1


def test_whole_locks_are_found_in_most_slices_that_hold_a_lock():
    held = [quotes for quotes in map(seeded_slice, range(12)) if best_static_income(quotes) > 0.05]
    size = [np.full(2 * quotes.strike.size + 1, 20.0) for quotes in held]
    found = [
        whole_lock(quotes, minimal_doubt(quotes), bid_size=each, ask_size=each, synthetics=False)
        for quotes, each in zip(held, size, strict=True)
    ]
    assert len(held) >= 5
    assert sum(lock is not None for lock in found) >= 0.9 * len(held)
