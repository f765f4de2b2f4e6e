"""The search for static arbitrage against a linear program, by hand and by its invariances."""

from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.mispricing.noisy_slices import START, least_payoff, noisy_slice, seeded_slice
from transforms.mispricing.linear_program import best_static_income
from transforms.mispricing.static import SliceQuotes, parity_lock, static_check


@cache
def income_by_program(seed):
    return best_static_income(seeded_slice(seed))


def mapped(quotes, change):
    return SliceQuotes(**{field.name: change(field.name, getattr(quotes, field.name)) for field in fields(quotes)})


def legs(lock, quotes):
    return {
        (float(quotes.strike[(code - 1) // 2]), "call" if code % 2 else "put"): quantity
        for code, quantity in zip(lock.codes, lock.quantities, strict=True)
    }


@pytest.mark.parametrize("seed", range(150))
def test_a_lock_is_found_exactly_when_the_linear_program_finds_one_and_it_cannot_lose(seed):
    quotes = seeded_slice(seed)
    check = static_check(quotes, **START)
    assert (check.lock is not None) == (income_by_program(seed) > 1e-6)
    if check.lock is not None:
        assert check.margin < 0.0
        assert check.lock.income(quotes) > 0.0
        assert least_payoff(check.lock, quotes) >= 0.0


def test_the_seeds_above_hold_both_kinds_of_slices_in_number():
    n_locked = sum(income_by_program(seed) > 1e-6 for seed in range(150))
    assert 40 <= n_locked <= 110


@pytest.mark.parametrize("seed", range(60))
def test_a_parity_lock_cannot_lose_and_is_never_found_in_a_slice_without_arbitrage(seed):
    quotes = noisy_slice(np.random.default_rng(seed), n_strikes=30, n_displaced=4)
    lock = parity_lock(quotes)
    if lock is None:
        return
    assert best_static_income(quotes) > 0.0
    assert lock.is_parity
    assert lock.income(quotes) > 0.0
    assert least_payoff(lock, quotes) >= 0.0


@pytest.mark.parametrize("start", [(4900.0, 0.98), (4000.0, 0.5), (100.0, 3.0)])
def test_the_start_changes_no_verdict(start):
    for seed in range(12):
        quotes = seeded_slice(seed)
        check = static_check(quotes, discounted_forward=start[0], discount_factor=start[1])
        usual = static_check(quotes, **START)
        assert (check.lock is None) == (usual.lock is None)
        if usual.lock is not None:
            assert check.margin == pytest.approx(usual.margin, abs=2e-7)


def quotes_of(strike, call, put):
    """Quotes from (bid, ask) pairs; None for no quote."""
    sides = [np.array([pair or (0.0, np.inf) for pair in side], dtype=float).T for side in (call, put)]
    return SliceQuotes(np.array(strike, dtype=float), *sides[0], *sides[1])


def test_calls_alone_cross_as_a_vertical():
    quotes = quotes_of([100, 110], [(3.0, 3.1), (3.3, 3.4)], [None, None])
    check = static_check(quotes, discounted_forward=100.0, discount_factor=1.0)
    assert check.margin == pytest.approx(-0.2)
    assert legs(check.lock, quotes) == {(100.0, "call"): 1, (110.0, "call"): -1}


def test_strikes_that_are_no_neighbors_make_the_butterfly():
    # Between the wings the lock uses lie quotes that are worth nothing to it.
    strike = [80, 85, 100, 115, 120]
    quotes = quotes_of(strike, [(21, 21.2), (18, 19), (13.6, 14), (5, 9), (5.8, 6.0)], [None] * 5)
    check = static_check(quotes, discounted_forward=100.0, discount_factor=1.0)
    assert legs(check.lock, quotes) == {(85.0, "call"): 4, (100.0, "call"): -7, (120.0, "call"): 3}
    assert check.margin == pytest.approx((4 * 19 + 3 * 6.0) / 7 - 13.6)


def test_a_put_above_its_discounted_strike_needs_cash_made_of_a_box():
    # Synthetics at 90 and 110 pin D at 0.9 and D*F at 90: the put struck at 100 is worth 90 at most.
    quotes = quotes_of([90, 100, 110], [(20, 20), None, (5, 5)], [(11, 11), (91, 92), (14, 14)])
    assert static_check(quotes_of([100], [None], [(91, 92)]), discounted_forward=90.0, discount_factor=0.9).lock is None
    check = static_check(quotes, discounted_forward=90.0, discount_factor=0.9)
    assert least_payoff(check.lock, quotes) >= 0.0
    assert (100.0, "put") in legs(check.lock, quotes)


def test_quotes_that_touch_are_no_lock():
    quotes = quotes_of([100, 110], [(3.0, 3.1), (3.1, 3.4)], [None, None])
    assert static_check(quotes, discounted_forward=100.0, discount_factor=1.0).lock is None


def test_a_crossed_quote_is_no_quote():
    bid, ask = np.array([9.0, 8.0]), np.array([9.5, 7.0])
    quotes = SliceQuotes.of(np.array([100.0, 110.0]), bid, call_ask=ask, put_bid=np.full(2, np.nan), put_ask=ask * 0)
    np.testing.assert_array_equal(quotes.call_bid, [9.0, 0.0])
    np.testing.assert_array_equal(quotes.call_ask, [9.5, np.inf])


def test_fees_take_small_locks_away():
    quotes = quotes_of([100, 110], [(3.0, 3.1), (3.3, 3.4)], [None, None])
    start = {"discounted_forward": 100.0, "discount_factor": 1.0}
    assert static_check(quotes.after_fees(0.09), **start).lock is not None
    assert static_check(quotes.after_fees(0.10), **start).lock is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 2.0), st.integers(0, 3))
def test_widening_a_spread_never_raises_the_best_edge(seed, by, side):
    rng = np.random.default_rng(seed)
    quotes = noisy_slice(rng, n_strikes=20, n_displaced=2)
    name = ("call_bid", "call_ask", "put_bid", "put_ask")[side]
    place = int(rng.integers(20))
    change = by if name.endswith("ask") else -by

    def widened(field, values):
        moved = values.copy()
        if field == name:
            moved[place] = max(values[place] + change, 0.0)
        return moved

    wider = mapped(quotes, widened)
    edge = -min(static_check(quotes, **START).margin, 0.0)
    assert -min(static_check(wider, **START).margin, 0.0) <= edge + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 2.0, 10.0]))
def test_scaling_prices_and_strikes_scales_the_edge_and_keeps_the_portfolio(seed, factor):
    quotes = noisy_slice(np.random.default_rng(seed), n_strikes=20, n_displaced=2)
    scaled = mapped(quotes, lambda _, values: values * factor)
    check = static_check(quotes, **START)
    again = static_check(
        scaled, discounted_forward=factor * START["discounted_forward"], discount_factor=START["discount_factor"]
    )
    assert (again.lock is None) == (check.lock is None)
    if check.lock is not None:
        assert again.margin == pytest.approx(factor * check.margin, abs=1e-6)


@pytest.mark.parametrize("start", [(100.0, 1.0), (1.0, 0.001), (5000.0, 20.0)])
def test_one_strike_far_from_the_start_is_judged_all_the_same(start):
    sound = quotes_of([100], [(3.0, 4.0)], [(2.0, 3.0)])
    crossed = quotes_of([100], [None], [(1000.0, 1001.0)])
    far = {"discounted_forward": start[0], "discount_factor": start[1]}
    assert static_check(sound, **far).lock is None
    # A put bid at ten times its strike is only dear if the discount factor is below ten, which nothing says.
    assert static_check(crossed, **far).lock is None
