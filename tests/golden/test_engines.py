"""Published outcomes of the two engines' structures."""

import numpy as np
import pytest

from transforms.engines.margin import backspread_margin, condor_margin, expiration_loss_before_credit
from transforms.engines.payoff import Structures, expiration_outcome, option_payoff

PUTS_THEN_CALLS = np.array([False, False, True, True])


@pytest.mark.parametrize(
    ("put_wing", "call_wing", "dollars"),
    # Gross expiration loss before credit of two SPXW condors, as the project's issue gives it.
    [(95.0, 95.0, 19_000.0), (50.0, 160.0, 32_000.0), (145.0, 95.0, 29_000.0)],
)
def test_gross_expiration_loss_of_two_condors(put_wing: float, call_wing: float, dollars: float) -> None:
    strikes = np.array([[5800.0 - put_wing, 5800.0, 6135.0, 6135.0 + call_wing]])
    condor = Structures(np.array([1.0, -1.0, -1.0, 1.0]), strikes, PUTS_THEN_CALLS, np.array([12.5]))
    assert 2 * expiration_loss_before_credit(condor)[0] == dollars
    assert 2 * condor_margin(put_wing, call_wing) == dollars


def test_a_call_vertical_settles_by_one_print() -> None:
    # 6135/6145 at a settlement of 6142.62, as the project's issue gives it.
    paid = option_payoff(np.array([6142.62]), np.array([6135.0, 6145.0]), is_call=np.array([True, True]))
    assert paid == pytest.approx([7.62, 0.0], abs=1e-9)


def test_mcmillans_backspread() -> None:
    # VX at 20.25: short one 25 call at 1.60, long two 32.5 calls at 0.80 (McMillan, as the project's issue gives it).
    credit = 1.60 - 2 * 0.80
    outcome = expiration_outcome(
        Structures(np.array([-1.0, 2.0]), np.array([[25.0, 32.5]]), np.array([True, True]), np.array([credit]))
    )
    assert outcome.lowest_edge[0] == 25.0
    assert (outcome.worst[0], outcome.worst_level[0]) == (-7.5, 32.5)
    assert outcome.highest_edge[0] == 40.0
    assert outcome.best[0] == np.inf
    assert backspread_margin(25.0, 32.5) == 750.0
