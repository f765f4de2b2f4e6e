"""Payoffs at expiration: kinks, break-evens, worst and best outcome against evaluation point by point."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.engines.payoff import Structures, expiration_outcome, option_payoff, profit_at

N_STRUCTURES = 3000


def random_structures(seed: int, *, n_legs: int) -> Structures:
    """Structures of calls and puts with equal strikes, zero quantities and even trades among them."""
    rng = np.random.default_rng(seed)
    shape = (N_STRUCTURES, n_legs)
    return Structures(
        quantity=rng.integers(-3, 4, shape).astype(float),
        strike=rng.integers(20, 60, shape) * 0.5,
        is_call=rng.random(shape) < 0.5,
        credit=rng.integers(-60, 61, N_STRUCTURES) * 0.05,
    )


def brute_profit(structures: Structures, row: int, levels: np.ndarray) -> np.ndarray:
    """The profit of one structure, leg by leg."""
    total = np.full(levels.shape, structures.credit[row])
    for quantity, strike, is_call in zip(
        structures.quantity[row], structures.strike[row], structures.is_call[row], strict=True
    ):
        total += quantity * np.maximum(levels - strike if is_call else strike - levels, 0.0)
    return total


@pytest.mark.parametrize("n_legs", [1, 2, 4])
def test_worst_and_best_bound_every_settlement_and_are_reached(n_legs: int) -> None:
    structures = random_structures(n_legs, n_legs=n_legs)
    outcome = expiration_outcome(structures)
    levels = np.arange(0.0, 90.0, 0.125)
    for row in range(N_STRUCTURES):
        profit = brute_profit(structures, row, levels)
        # The grid holds 0 and every strike; the last step shows where it goes from there.
        step = profit[-1] - profit[-2]
        if step < -1e-9:
            assert outcome.worst[row] == -np.inf
            assert outcome.worst_level[row] == np.inf
        else:
            assert outcome.worst[row] == pytest.approx(profit.min(), abs=1e-9)
            assert brute_profit(structures, row, outcome.worst_level[row : row + 1])[0] == pytest.approx(profit.min())
        if step > 1e-9:
            assert outcome.best[row] == np.inf
        else:
            assert outcome.best[row] == pytest.approx(profit.max(), abs=1e-9)
            assert brute_profit(structures, row, outcome.best_level[row : row + 1])[0] == pytest.approx(profit.max())


@pytest.mark.parametrize("n_legs", [1, 2, 4])
def test_profit_turns_from_loss_to_no_loss_exactly_at_the_edges(n_legs: int) -> None:
    structures = random_structures(10 + n_legs, n_legs=n_legs)
    outcome = expiration_outcome(structures)
    seen = set()
    for row in range(N_STRUCTURES):
        edges = outcome.loss_edge[row][np.isfinite(outcome.loss_edge[row])]
        bounds = np.concatenate(([0.0], edges, [edges.max(initial=0.0) + 90.0]))
        # A stretch of no length lies between two edges at one strike or before an edge at 0: nothing to sample there.
        losing = []
        for low, high in pairwise(bounds):
            inside = low + (high - low) * np.linspace(0.001, 0.999, 41)
            loses = brute_profit(structures, row, inside) < -1e-9
            assert high - low < 1e-9 or loses.all() or not loses.any(), (row, low, high)
            losing.append(bool(loses[20]))
        wide = np.diff(bounds) >= 1e-9
        if wide.all():
            assert all(a != b for a, b in pairwise(losing)), row
        seen.add(edges.size)
    assert {0, 1, 2} <= seen or n_legs == 1


def test_profit_does_not_depend_on_the_order_of_legs() -> None:
    structures = random_structures(5, n_legs=4)
    order = [2, 0, 3, 1]
    other = Structures(
        structures.quantity[:, order], structures.strike[:, order], structures.is_call[:, order], structures.credit
    )
    one, two = expiration_outcome(structures), expiration_outcome(other)
    np.testing.assert_array_equal(one.worst, two.worst)
    np.testing.assert_array_equal(one.loss_edge, two.loss_edge)


def test_an_even_trade_is_even_up_to_its_strike() -> None:
    # 0.7 + 0.1 - 0.8 is not 0 in binary; the break-even still is the strike and not 0.
    structures = Structures(
        np.array([-1.0, 2.0]), np.array([[25.0, 32.5]]), np.array([True, True]), np.array([0.7 + 0.1 - 0.8])
    )
    assert structures.credit[0] != 0.0
    assert expiration_outcome(structures).lowest_edge[0] == 25.0


@given(
    level=st.floats(0.0, 10_000.0),
    strike=st.floats(0.5, 10_000.0),
)
@settings(max_examples=100, deadline=None)
def test_call_less_put_is_the_forward_payoff(level: float, strike: float) -> None:
    at, k = np.array([level]), np.array([strike])
    call, put = (option_payoff(at, k, is_call=np.array([kind])) for kind in (True, False))
    assert call[0] - put[0] == pytest.approx(level - strike, abs=1e-9)


def test_profit_includes_the_credit_at_every_level() -> None:
    structures = Structures(np.array([-1.0]), np.array([[100.0], [90.0]]), np.array([True]), np.array([2.0, 1.0]))
    np.testing.assert_allclose(profit_at(structures, np.array([80.0, 105.0])), [[2.0, -3.0], [1.0, -14.0]])


def test_a_structure_without_a_price_is_refused() -> None:
    structures = Structures(np.array([-1.0]), np.array([[100.0]]), np.array([True]), np.array([np.nan]))
    with pytest.raises(ValueError, match="drop unquoted structures"):
        expiration_outcome(structures)
