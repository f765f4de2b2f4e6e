"""Margin and capital at risk."""

import numpy as np
import pytest

from transforms.engines.margin import (
    LEAST_PER_CONTRACT,
    backspread_margin,
    capital_at_risk,
    condor_margin,
    expiration_loss_before_credit,
    front_ratio_margin,
    naked_call_margin,
    portfolio_margin_estimate,
)
from transforms.engines.payoff import Structures


def test_covered_structures_need_what_they_can_pay_out() -> None:
    rng = np.random.default_rng(1)
    low, width, ratio = rng.integers(10, 40, 500) * 0.5, rng.integers(1, 30, 500) * 0.5, rng.integers(2, 4, 500)
    strikes = np.column_stack((low, low + width))
    backspread = Structures(
        np.column_stack((-np.ones(500), ratio)), strikes, np.array([True, True]), rng.normal(size=500)
    )
    np.testing.assert_allclose(expiration_loss_before_credit(backspread), backspread_margin(low, low + width))
    put_width, call_width = width, rng.integers(1, 30, 500) * 0.5
    condor = Structures(
        np.array([1.0, -1.0, -1.0, 1.0]),
        np.column_stack((50.0 - put_width, np.full(500, 50.0), np.full(500, 55.0), 55.0 + call_width)),
        np.array([False, False, True, True]),
        np.ones(500),
    )
    np.testing.assert_allclose(expiration_loss_before_credit(condor), condor_margin(put_width, call_width))


def test_uncovered_calls_pay_out_without_limit() -> None:
    front = Structures(np.array([1.0, -2.0]), np.array([[20.0, 25.0]]), np.array([True, True]), np.zeros(1))
    assert expiration_loss_before_credit(front)[0] == np.inf


def test_an_uncovered_vix_call_follows_the_exchanges_formula() -> None:
    # Index 20, at 1.50: out of the money by 2 it needs 1.50 + 4 - 2; by 10 the floor of 10 % applies.
    assert naked_call_margin(22.0, 1.5, index_level=20.0) == pytest.approx(350.0)
    assert naked_call_margin(30.0, 1.5, index_level=20.0) == pytest.approx(350.0)
    assert naked_call_margin(18.0, 3.0, index_level=20.0) == pytest.approx(700.0)


def test_a_front_ratio_leaves_all_but_one_call_uncovered() -> None:
    one = naked_call_margin(25.0, 0.8, index_level=18.0)
    assert front_ratio_margin(25.0, 0.8, n_short=3.0, index_level=18.0) == pytest.approx(2 * one)


def test_capital_at_risk_adds_fees_and_is_unknown_where_the_loss_is_unlimited() -> None:
    np.testing.assert_array_equal(capital_at_risk([7.5, np.nan], fees=[4.5, 4.5]), [754.5, np.nan])


def test_portfolio_margin_is_the_largest_loss_but_never_below_the_least_per_contract() -> None:
    profit = np.array([[-3.0, 1.0, -7.0], [0.1, 0.2, 0.3], [np.nan, 1.0, 1.0]])
    np.testing.assert_array_equal(
        portfolio_margin_estimate(profit, n_contracts=4.0), [700.0, 4 * LEAST_PER_CONTRACT, np.nan]
    )
