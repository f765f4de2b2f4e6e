import json
from datetime import date

import polars as pl
import pytest

from transforms.errors import UsageError
from transforms.rules import RULES
from transforms.rules.decisions import ACTIONS
from transforms.rules.exit import ExitParameters
from transforms.rules.night import Positions, evaluate_rules, rule_evaluation
from transforms.rules.rule import OUTCOMES
from transforms.schemas import TABLES
from transforms.tables.rule import DECISION_KINDS, RULE_EVALUATION, RULE_OUTCOMES, RULE_TABLES

NOTHING_OPEN = Positions()
VERSIONS = {rule.name: "0123456789abcdef" for rule in RULES}


def test_a_night_without_any_value_is_unknown_in_every_rule_but_names_what_is_missing() -> None:
    night = evaluate_rules({}, {}, positions=None)
    assert [row.outcome for row in night.rows.values()] == ["unknown"] * len(RULES)
    assert all(row.reason.startswith("missing: ") for row in night.rows.values())


def test_a_rule_hands_its_outcome_to_the_rules_that_read_it() -> None:
    risks = {"layer_capital_at_risk": 350.0, "condor_capital_at_risk": 1000.0}
    calm = evaluate_rules({**risks, "sessions_below_30": 5}, {}, positions=NOTHING_OPEN).rows
    assert (calm["stance"].state, calm["layer_share"].outcome) == ("promoter", "passed")
    nervous = evaluate_rules({**risks, "sessions_below_30": 0}, {}, positions=NOTHING_OPEN).rows
    assert (nervous["stance"].state, nervous["layer_share"].outcome) == ("steward", "failed")
    assert nervous["exit"].inputs["layer_share"] == "failed"


def test_without_vvix_the_layer_is_held_to_the_stewards_share() -> None:
    risks = {"layer_capital_at_risk": 350.0, "condor_capital_at_risk": 1000.0}
    rows = evaluate_rules(risks, {}, positions=NOTHING_OPEN).rows
    assert rows["stance"].outcome == "unknown"
    assert (rows["layer_share"].outcome, rows["layer_share"].threshold) == ("failed", 0.30)


def test_limits_judged_on_marks_outrank_those_judged_after_the_trade() -> None:
    values = {"open_max_loss": 0.0, "equity": 1000.0, "book_risk": "failed"}
    rows = evaluate_rules(values, {}, positions=NOTHING_OPEN).rows
    assert rows["book_risk"].outcome == "passed"
    assert rows["exit"].inputs["book_risk"] == "failed"


def test_the_row_of_a_rule_on_positions_is_that_of_the_nearest() -> None:
    market = {"spx": 4090.0, "spx_5_sessions_ago": 4000.0}
    condors = {
        "far": {"short_put_strike": 3900.0, "short_call_strike": 4500.0},
        "near": {"short_put_strike": 3800.0, "short_call_strike": 4200.0},
        "unmarked": {"short_put_strike": 3800.0},
    }
    night = evaluate_rules(market, {}, positions=Positions(condors=condors))
    outcomes = {name: found["rally"].outcome for name, found in night.of_position.items()}
    assert outcomes == {"far": "failed", "near": "passed", "unmarked": "unknown"}
    assert night.rows["rally"].reason.startswith("near: ")
    del condors["near"]
    cannot_be_ruled_out = evaluate_rules(market, {}, positions=Positions(condors=condors))
    assert cannot_be_ruled_out.rows["rally"].reason.startswith("unmarked: ")
    del condors["unmarked"]
    condors["farther"] = condors["a_last"] = {"short_put_strike": 3900.0, "short_call_strike": 4700.0}
    by_distance = evaluate_rules(market, {}, positions=Positions(condors=condors))
    assert by_distance.rows["rally"].reason.startswith("far: ")


def test_the_order_of_positions_and_values_changes_nothing() -> None:
    condors = {
        name: {"profit_share": share, "short_put_strike": 3800.0, "short_call_strike": 4200.0}
        for name, share in (("a", 0.2), ("b", 0.2), ("c", 0.1))
    }
    values = {"spx": 4000.0, "spx_5_sessions_ago": 4000.0, "layer_share": "passed", "book_risk": "passed"}
    values["quick_ratio"] = "passed"
    settings = {"exit": ExitParameters(take_profit_share=0.5)}
    forward = evaluate_rules(values, settings, positions=Positions(condors=condors))
    backward = evaluate_rules(
        dict(reversed(values.items())), settings, positions=Positions(condors=dict(reversed(condors.items())))
    )
    assert forward.rows == backward.rows
    assert forward.rows["exit"].reason.startswith("a: ")


@pytest.mark.parametrize(
    ("values", "parameters", "positions"),
    [
        ({"contango": 0.1}, {}, None),
        ({}, {}, Positions(condors={"x": {"strike": 1.0}})),
        ({}, {"contango": ExitParameters()}, None),
    ],
)
def test_a_misspelled_name_is_refused_rather_than_missing(values, parameters, positions) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=r"contango|strike"):
        evaluate_rules(values, parameters, positions=positions)


def test_a_night_is_one_row_a_rule_with_inputs_and_flip_as_json() -> None:
    values = {"contango_ratio": 0.05, "session_date": date(2024, 3, 8), "next_session": date(2024, 3, 11)}
    night = evaluate_rules(values, {}, positions=NOTHING_OPEN)
    frame = rule_evaluation(date(2024, 3, 8), night.rows.values(), versions=VERSIONS)
    assert frame.height == len(RULES)
    scan = frame.row(by_predicate=pl.col("rule") == "contango_scan", named=True)
    assert json.loads(scan["inputs"]) == {"contango_ratio": 0.05}
    assert json.loads(scan["flip"])["contango_ratio"] > 0.08
    assert scan["distance"] == pytest.approx(-0.03)
    weekly = frame.row(by_predicate=pl.col("rule") == "weekly_session", named=True)
    assert json.loads(weekly["inputs"]) == {"session_date": "2024-03-08", "next_session": "2024-03-11"}
    unknown = frame.filter(pl.col("outcome") == "unknown")
    assert unknown["flip"].null_count() == unknown.height
    assert unknown["measured"].null_count() == unknown.height


def test_the_tables_allow_what_rules_and_decisions_say() -> None:
    assert RULE_OUTCOMES == OUTCOMES
    assert DECISION_KINDS == ACTIONS
    assert RULE_EVALUATION in RULE_TABLES
    names = [table.full_name for table in RULE_TABLES]
    assert len({*names, *(table.full_name for table in TABLES)}) >= len(names)
