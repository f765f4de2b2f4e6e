"""What is particular to one rule; what all owe is in test_contract.py."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.rules import BY_NAME
from transforms.rules.exit import ExitParameters
from transforms.rules.layer_share import LayerShareParameters, largest_layer_share
from transforms.rules.roll_due import sessions_until
from transforms.rules.rule import turning_point, turning_value
from transforms.sessions import TradingCalendar

PASSED = {"layer_share": "passed", "book_risk": "passed", "quick_ratio": "passed"}


def test_without_vvix_the_stance_is_unknown_and_steward_stays_in_force() -> None:
    stance = BY_NAME["stance"]({})
    assert (stance.outcome, stance.state) == ("unknown", "steward")


def test_a_promoter_may_hold_a_larger_layer_than_a_steward() -> None:
    risks = {"layer_capital_at_risk": 350.0, "condor_capital_at_risk": 1000.0}
    assert BY_NAME["layer_share"]({**risks, "stance": "steward"}).outcome == "failed"
    assert BY_NAME["layer_share"]({**risks, "stance": "promoter"}).outcome == "passed"
    limits = LayerShareParameters()
    assert [largest_layer_share(stance, limits) for stance in ("promoter", "steward", None)] == [0.40, 0.30, 0.30]


@pytest.mark.parametrize("basis", ["capital_at_risk", "margin", "notional"])
def test_the_basis_decides_what_is_compared(basis: str) -> None:
    values = {"stance": "steward", f"layer_{basis}": 30.0, f"condor_{basis}": 100.0}
    evaluation = BY_NAME["layer_share"](values, LayerShareParameters(layer_share_basis=basis))
    assert evaluation.measured == 0.3
    assert set(evaluation.inputs) == set(values)


def test_no_layer_needs_no_condor_but_a_layer_does() -> None:
    rule = BY_NAME["layer_share"]
    none = {"stance": "steward", "condor_capital_at_risk": 0.0, "layer_capital_at_risk": 0.0}
    assert rule(none).outcome == "passed"
    alone = rule({**none, "layer_capital_at_risk": 500.0})
    assert (alone.outcome, alone.measured, alone.flip) == ("failed", None, {"layer_capital_at_risk": 0.0})


def test_with_nothing_due_the_quick_ratio_passes_as_infinite() -> None:
    account = dict.fromkeys(("marketable_securities", "receivables", "current_liabilities", "margin_after_trade"), 0.0)
    evaluation = BY_NAME["quick_ratio"]({**account, "cash": 100.0})
    assert (evaluation.outcome, evaluation.measured, evaluation.distance) == ("passed", None, None)
    assert "infinite" in evaluation.reason


@pytest.mark.parametrize("equity", [0.0, -500.0])
def test_without_equity_no_risk_is_small(equity: float) -> None:
    assert BY_NAME["book_risk"]({"open_max_loss": 0.0, "equity": equity}).outcome == "failed"


def test_an_unlimited_loss_is_not_a_small_one() -> None:
    values = {"week_condor_max_loss": 100.0, "week_layer_max_loss": None, "equity": 1e9}
    assert BY_NAME["trade_risk"](values).outcome == "unknown"


def test_where_the_layer_alone_is_too_much_only_equity_helps() -> None:
    values = {"week_condor_max_loss": 100.0, "week_layer_max_loss": 700.0, "equity": 10_000.0}
    (name,) = BY_NAME["trade_risk"](values).flip
    assert name == "equity"


@pytest.mark.parametrize(
    ("spx", "call", "outcome"),
    [
        (4080.0, 4200.0, "passed"),  # 2% up, 280 from the put and 120 from the call
        (4079.9, 4200.0, "failed"),  # not quite 2%
        (4080.0, 4360.0, "failed"),  # as far from the call as from the put
        (4080.1, 4360.0, "passed"),
    ],
)
def test_a_rally_needs_the_return_and_the_call_side(spx: float, call: float, outcome: str) -> None:
    values = {"n_open_condors": 1, "spx": spx, "spx_5_sessions_ago": 4000.0}
    strikes = {"short_put_strike": 3800.0, "short_call_strike": call}
    assert BY_NAME["rally"]({**values, **strikes}).outcome == outcome


def test_a_roll_decided_on_the_first_due_session_fills_on_the_last_before_expiration(calendar: TradingCalendar) -> None:
    expiration = date(2024, 6, 18)
    rolls = {
        day: BY_NAME["roll_due"](
            {"n_open_layers": 1, "sessions_to_layer_expiration": sessions_until(expiration, day, calendar=calendar)}
        ).outcome
        for day in calendar.between(date(2024, 6, 10), expiration)
    }
    first_due = min(day for day, outcome in rolls.items() if outcome == "passed")
    assert first_due == date(2024, 6, 14)
    assert calendar.after(calendar.after(first_due)) == expiration


def test_by_default_a_condor_is_held_to_settlement_whatever_it_earns() -> None:
    values = {**PASSED, "n_open_condors": 1, "profit_share": 0.99, "days_to_expiry": 0, "loss_multiple": 9.0}
    evaluation = BY_NAME["exit"](values)
    assert (evaluation.outcome, evaluation.state) == ("failed", "hold")
    assert set(evaluation.inputs) == set(PASSED)


@pytest.mark.parametrize(
    ("values", "state", "flip"),
    [
        ({"profit_share": 0.5}, "close", {"profit_share"}),
        ({"days_to_expiry": 21}, "close", {"days_to_expiry"}),
        ({"loss_multiple": 2.0, "book_risk": "failed"}, "close", {"loss_multiple", "book_risk"}),
        ({"quick_ratio": "failed"}, "reduce", {"quick_ratio"}),
        ({"profit_share": 0.49}, "hold", {"profit_share"}),
        ({"days_to_expiry": 22}, "hold", {"days_to_expiry"}),
    ],
)
def test_an_exit_closes_reduces_or_holds(values: dict[str, Any], state: str, flip: set[str]) -> None:
    parameters = ExitParameters(take_profit_share=0.5, exit_dte=21, stop_loss_multiple=2.0)
    calm = {**PASSED, "n_open_condors": 1, "profit_share": 0.0, "days_to_expiry": 45, "loss_multiple": 0.0}
    evaluation = BY_NAME["exit"]({**calm, **values}, parameters)
    assert evaluation.state == state
    assert set(evaluation.flip) == flip


FINITE = st.floats(-1e6, 1e6)


@given(measured=FINITE, threshold=FINITE, comparison=st.sampled_from((">", "<", ">=", "<=")))
def test_the_turning_value_is_the_nearest_that_gives_the_other_answer(
    measured: float, threshold: float, comparison: Any
) -> None:
    python = {">": float.__gt__, "<": float.__lt__, ">=": float.__ge__, "<=": float.__le__}[comparison]
    turned = turning_value(measured, comparison, threshold)
    assert python(turned, threshold) is not python(measured, threshold)
    assert abs(turned - threshold) <= 2e-10


@given(root=st.floats(-1e6, 1e6), error=st.floats(-1e-3, 1e-3), upward=st.booleans())
def test_the_turning_point_is_found_from_a_guess_on_either_side(root: float, error: float, upward: bool) -> None:
    toward = float("inf") if upward else -float("inf")
    turned = turning_point(root + error, toward=toward, turns=lambda x: x >= root if upward else x <= root)
    assert turned == root
