"""What every rule owes: a rule added to the registry without these cases fails here."""

import ast
import inspect
import math
import sys
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import DataError, UsageError
from transforms.rules import BY_NAME, RULES
from transforms.rules.breadth_momentum import BreadthMomentumParameters
from transforms.rules.curve_momentum import CurveMomentumParameters
from transforms.rules.document import said_of
from transforms.rules.event_ahead import EventAheadParameters
from transforms.rules.exit import ExitParameters
from transforms.rules.layer_share import LayerShareParameters
from transforms.rules.rule import CENT, OUTCOMES, Parameters, Rule
from transforms.rules.vol_of_vol_low import VolOfVolLowParameters
from transforms.rules.weekly_session import WeeklySessionParameters

ON_MARKS = {"layer_share": "passed", "book_risk": "passed", "quick_ratio": "passed"}
ACCOUNT = {"cash": 60.0, "marketable_securities": 30.0, "receivables": 10.0, "current_liabilities": 20.0}
CLOSES = {"n_open_condors": 1, "spx_5_sessions_ago": 4000.0, "short_put_strike": 3800.0, "short_call_strike": 4200.0}
LAYER = {"stance": "steward", "condor_capital_at_risk": 1000.0}
CALM = {"sessions_to_cpi": 9, "sessions_to_ppi": 10, "sessions_to_fomc": 7}
USUAL = {
    "parity_width_percentile_252d": 0.5,
    "residual_dispersion_percentile_252d": 0.6,
    "n_executable_locks": 0,
}
FRIDAY = {"session_date": date(2024, 3, 8)}

# rule: values for which it holds, values for which it does not, values exactly at the threshold and what it says there
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], bool]] = {
    "weekly_session": (
        {**FRIDAY, "next_session": date(2024, 3, 11)},
        {"session_date": date(2024, 3, 7), "next_session": date(2024, 3, 8)},
        {**FRIDAY, "next_session": date(2024, 3, 11)},
        True,
    ),
    "contango_scan": ({"contango_ratio": 0.09}, {"contango_ratio": 0.07}, {"contango_ratio": 0.08}, False),
    "vx_oversold": ({"vx_front_rsi": 29.9}, {"vx_front_rsi": 71.0}, {"vx_front_rsi": 30.0}, False),
    "condor_in_zone": (
        {"n_open_condors": 2, "newest_condor_zone": 0.9},
        {"n_open_condors": 2, "newest_condor_zone": -0.4},
        {"n_open_condors": 2, "newest_condor_zone": 0.25},
        True,
    ),
    "breadth_momentum": ({"breadth_histogram": 3.0}, {"breadth_histogram": -3.0}, {"breadth_histogram": 0.0}, False),
    "curve_momentum": ({"curve_histogram": 0.01}, {"curve_histogram": -0.01}, {"curve_histogram": 0.0}, False),
    "vol_of_vol_low": ({"sessions_below_30": 9}, {"sessions_below_30": 0}, {"sessions_below_30": 5}, True),
    "stance": ({"vol_of_vol_low": "passed"}, {"vol_of_vol_low": "failed"}, {"vol_of_vol_low": "passed"}, True),
    "layer_share": (
        {**LAYER, "layer_capital_at_risk": 299.0},
        {**LAYER, "layer_capital_at_risk": 301.0},
        {**LAYER, "layer_capital_at_risk": 300.0},
        True,
    ),
    "trade_risk": (
        {"week_condor_max_loss": 400.0, "week_layer_max_loss": 199.0, "equity": 10_000.0},
        {"week_condor_max_loss": 400.0, "week_layer_max_loss": 201.0, "equity": 10_000.0},
        {"week_condor_max_loss": 400.0, "week_layer_max_loss": 200.0, "equity": 10_000.0},
        True,
    ),
    "book_risk": (
        {"open_max_loss": 2499.0, "equity": 10_000.0},
        {"open_max_loss": 2501.0, "equity": 10_000.0},
        {"open_max_loss": 2500.0, "equity": 10_000.0},
        True,
    ),
    "quick_ratio": (
        {**ACCOUNT, "margin_after_trade": 79.0},
        {**ACCOUNT, "margin_after_trade": 81.0},
        {**ACCOUNT, "margin_after_trade": 80.0},
        True,
    ),
    "event_ahead": ({**CALM, "sessions_to_ppi": 1}, CALM, {**CALM, "sessions_to_ppi": 2}, True),
    "rally": ({**CLOSES, "spx": 4100.0}, {**CLOSES, "spx": 4079.0}, {**CLOSES, "spx": 4080.0}, True),
    "roll_due": (
        {"n_open_layers": 1, "sessions_to_layer_expiration": 1},
        {"n_open_layers": 1, "sessions_to_layer_expiration": 9},
        {"n_open_layers": 1, "sessions_to_layer_expiration": 2},
        True,
    ),
    "dislocation": (
        {**USUAL, "n_executable_locks": 1},
        USUAL,
        {**USUAL, "residual_dispersion_percentile_252d": 0.95},
        False,
    ),
    "exit": ({**ON_MARKS, "book_risk": "failed"}, ON_MARKS, {**ON_MARKS, "quick_ratio": "failed"}, True),
}
ALL_EXITS = ExitParameters(take_profit_share=0.5, exit_dte=21, stop_loss_multiple=2.0)
# parameters under which a rule reads or judges otherwise than by default
VARIANTS: dict[str, tuple[Parameters, ...]] = {
    "weekly_session": (WeeklySessionParameters(weekly_decision="day"),),
    "breadth_momentum": (BreadthMomentumParameters(mode="required"),),
    "curve_momentum": (CurveMomentumParameters(mode="required"),),
    "layer_share": (LayerShareParameters(layer_share_basis="margin"), LayerShareParameters(promoter_share=0.3)),
    "exit": (ALL_EXITS, ExitParameters(exit_dte=0)),
}
EVERY_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@st.composite
def values_of(draw: st.DrawFn, rule: Rule) -> dict[str, Any]:
    """Values of a rule's inputs, none missing, dollars and points in hundredths, days ascending."""
    drawn: dict[str, Any] = {}
    day = date(2024, 1, 1)
    for declared in fields(rule.inputs):
        low, high, allowed = (declared.metadata[key] for key in ("low", "high", "allowed"))
        kind = next(member for member in get_args(declared.type) if member is not type(None))
        if allowed:
            drawn[declared.name] = draw(st.sampled_from(allowed))
        elif kind is date:
            drawn[declared.name] = day = day + timedelta(days=draw(st.integers(1, 10)))
        elif kind is int:
            drawn[declared.name] = draw(st.integers(low, low + 12))
        else:
            # Values near the thresholds as well as anywhere.
            scale = draw(st.sampled_from((1, 3, 50_000)))
            least = -scale if low is None else low
            drawn[declared.name] = draw(st.integers(math.ceil(least * 100), int((high or scale) * 100))) / 100
    return drawn


@EVERY_RULE
def test_a_rule_has_cases_for_passing_failing_and_its_threshold(rule: Rule) -> None:
    holding, failing, at_threshold, holds_there = CASES[rule.name]
    for values, holds in ((holding, True), (failing, False), (at_threshold, holds_there)):
        evaluation = rule(values)
        assert evaluation.holds is holds
        assert evaluation.outcome == ("informational" if evaluation.advisory else "passed" if holds else "failed")
        assert evaluation.distance is not None
        assert (evaluation.distance >= 0) if holds else (evaluation.distance <= 0)
    if rule.name not in ("stance", "exit"):
        assert rule(at_threshold).distance == pytest.approx(0.0, abs=1e-12)


@EVERY_RULE
def test_a_missing_input_makes_the_outcome_unknown_and_is_named(rule: Rule) -> None:
    holding = CASES[rule.name][0]
    for parameters in (rule.parameters(), *VARIANTS.get(rule.name, ())):
        for name in rule({}, parameters).inputs:
            evaluation = rule({**holding, name: None}, parameters)
            assert evaluation.outcome == "unknown"
            assert evaluation.holds is None
            assert evaluation.measured is None
            assert name in evaluation.reason
            assert not evaluation.flip


@EVERY_RULE
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_flip_turns_the_rule_over_and_nothing_less_does(rule: Rule, data: st.DataObject) -> None:
    values = data.draw(values_of(rule))
    parameters = data.draw(st.sampled_from((rule.parameters(), *VARIANTS.get(rule.name, ()))))
    evaluation = rule(values, parameters)
    assert evaluation.outcome in OUTCOMES
    assert evaluation.holds is not None
    assert evaluation.flip
    values = dict(evaluation.inputs)
    assert rule({**values, **evaluation.flip}, parameters).holds is (not evaluation.holds)
    for name in evaluation.flip:
        rest = {other: value for other, value in evaluation.flip.items() if other != name}
        assert rule({**values, **rest}, parameters).holds is not (not evaluation.holds)
    if len(evaluation.flip) == 1:
        ((name, turned),) = evaluation.flip.items()
        nearer = a_step_back(turned, values[name])
        if nearer is not None and nearer != values[name]:
            assert rule({**values, name: nearer}, parameters).holds is evaluation.holds


def a_step_back(turned: Any, current: Any) -> Any:
    """The next value from `turned` toward `current`; None for a choice, or for the least amount of money."""
    if isinstance(turned, str) or turned == CENT:
        return None
    if isinstance(turned, date):
        return turned + timedelta(days=1 if current > turned else -1)
    if isinstance(turned, int):
        return turned + (1 if current > turned else -1)
    return math.nextafter(turned, current)


@EVERY_RULE
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_rule_reads_what_it_says_and_says_the_same_twice(rule: Rule, data: st.DataObject) -> None:
    values = data.draw(values_of(rule))
    evaluation = rule(values)
    assert rule(dict(evaluation.inputs)) == evaluation
    assert rule({**values, "something_else": 1.0}) == evaluation


@EVERY_RULE
def test_a_rule_says_what_it_holds_on_and_where_it_comes_from(rule: Rule) -> None:
    holds, source = said_of(rule)
    assert holds.startswith("Hold ")
    assert source.startswith("METHOD section")
    assert all(declared.metadata["meaning"] for declared in (*fields(rule.inputs), *fields(rule.parameters)))


@EVERY_RULE
def test_a_rule_is_one_module_of_its_name_and_reads_no_clock(rule: Rule) -> None:
    module = sys.modules[rule.module]
    assert rule.module == f"transforms.rules.{rule.name}"
    assert module.RULE is rule
    called = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)
    }
    assert not {name for name in called if name.endswith((".today", ".now", "time.time"))}


def test_every_rule_of_the_method_is_registered_once_after_the_rules_it_reads() -> None:
    assert [rule.name for rule in RULES] == list(CASES)
    for place, rule in enumerate(RULES):
        read = {declared.name for declared in fields(rule.inputs)} & set(BY_NAME)
        assert read <= {earlier.name for earlier in RULES[:place]}


@pytest.mark.parametrize("value", [math.nan, math.inf, 101.0, "high"])
def test_a_value_that_cannot_be_is_refused_by_name(value: object) -> None:
    with pytest.raises(DataError, match="rule vx_oversold: input vx_front_rsi"):
        BY_NAME["vx_oversold"]({"vx_front_rsi": value})  # type: ignore[dict-item]


@EVERY_RULE
def test_a_parameter_outside_its_range_is_refused_by_name(rule: Rule) -> None:
    for declared in fields(rule.parameters):
        high = declared.metadata["high"]
        wrong = "sometimes" if declared.metadata["allowed"] else high + 1
        with pytest.raises(UsageError, match=f"{declared.name} = "):
            replace(rule.parameters(), **{declared.name: wrong})


def test_advice_becomes_a_condition_when_it_is_required() -> None:
    rule = BY_NAME["breadth_momentum"]
    assert rule({"breadth_histogram": -1.0}).outcome == "informational"
    assert rule({"breadth_histogram": -1.0}, BreadthMomentumParameters(mode="required")).outcome == "failed"


def test_a_longer_run_can_be_asked_for() -> None:
    rule = BY_NAME["vol_of_vol_low"]
    assert rule({"sessions_below_30": 9}, VolOfVolLowParameters(low_sessions=10)).flip == {"sessions_below_30": 10}
    assert rule({"sessions_below_30": 9}, VolOfVolLowParameters(low_sessions=9)).flip == {"sessions_below_30": 8}


def test_events_come_nearer_when_more_sessions_are_watched() -> None:
    assert BY_NAME["event_ahead"](CALM, EventAheadParameters(event_sessions=7)).state == "flagged"
