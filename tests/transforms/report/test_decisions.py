"""Decisions, rules and limits as a reader meets them."""

import json
from typing import Any

import pytest

from tests.transforms.report.nights import night_of
from transforms.report.decisions import engine_documents, limit_documents, rule_documents
from transforms.report.phrases import rule_words
from transforms.schemas import DECISION, LIMIT_SLACK, RULE_EVALUATION


def rule_row(rule: str, **given: Any) -> dict[str, Any]:
    row = {
        "rule": rule, "rule_version": "v", "comparison": ">", "outcome": "passed", "holds": True, "advisory": False,
        "inputs": "{}", "reason": "because", **given,
    }  # fmt: skip
    return row


CONTANGO = rule_row(
    "contango_scan", measured=0.05, threshold=0.08, distance=-0.03, outcome="failed", holds=False,
    flip=json.dumps({"contango_ratio": 0.08}), inputs=json.dumps({"contango_ratio": 0.05}),
)  # fmt: skip


def test_a_rule_is_read_with_its_bound_its_distance_and_what_turns_it_over() -> None:
    (rule,) = rule_documents(night_of({RULE_EVALUATION: [CONTANGO]}))
    assert (rule["measured_text"], rule["asked_text"]) == ("5.00%", "above 8.00%")
    assert rule["distance_text"] == "misses by 3.00 pp"
    assert rule["flip_text"] == "contango ratio = 8.00%"
    assert rule["said"] == "failed"
    assert rule["dial"] == {
        "threshold": 0.6, "value": 0.5, "beyond": None, "holds_above": True,
        "low_text": "-10.00%", "high_text": "20.00%",
    }  # fmt: skip


@pytest.mark.parametrize(("measured", "place", "beyond"), [(0.9, 1.0, "high"), (-0.9, 0.0, "low"), (None, None, None)])
def test_a_reading_beyond_the_dial_stands_at_its_end_and_one_that_is_missing_nowhere(
    measured: float | None, place: float | None, beyond: str | None
) -> None:
    (rule,) = rule_documents(night_of({RULE_EVALUATION: [{**CONTANGO, "measured": measured}]}))
    assert rule["dial"]["value"] == place
    assert rule["dial"]["beyond"] == beyond


@pytest.mark.parametrize(("threshold", "high"), [(0.95, "100.00%"), (1.2, "150.00%")])
def test_only_a_bound_beyond_the_dial_moves_its_end(threshold: float, high: str) -> None:
    row = rule_row("dislocation", measured=0.5, threshold=threshold, distance=-0.1, outcome="failed", holds=False)
    (rule,) = rule_documents(night_of({RULE_EVALUATION: [row]}))
    assert rule["dial"]["high_text"] == high


def test_an_unknown_rule_says_why_and_shows_no_distance() -> None:
    row = rule_row("contango_scan", threshold=0.08, outcome="unknown", holds=None, reason="missing: contango_ratio",
                   inputs=json.dumps({"contango_ratio": None}))  # fmt: skip
    (rule,) = rule_documents(night_of({RULE_EVALUATION: [row]}))
    assert rule["said"] == rule["measured_text"] == "unknown"
    assert rule["distance_text"] == rule["flip_text"] == ""
    assert rule["inputs_text"] == ["contango ratio = missing"]
    assert rule_words(rule) == rule["reason"] == "missing: contango ratio"


def test_a_rule_that_only_advises_says_whether_it_holds() -> None:
    row = rule_row(
        "breadth_momentum", measured=12.0, threshold=0.0, distance=12.0, outcome="informational", advisory=True
    )
    (rule,) = rule_documents(night_of({RULE_EVALUATION: [row]}))
    assert (rule["said"], rule["outcome"]) == ("passed", "informational")


@pytest.mark.parametrize(
    ("name", "outcome", "mark"),
    [("rally", "failed", "quiet"), ("rally", "passed", "passed"), ("contango_scan", "failed", "failed")],
)
def test_a_rule_that_watches_what_is_open_gives_no_warning_when_it_calls_for_nothing(
    name: str, outcome: str, mark: str
) -> None:
    row = rule_row(name, measured=1.0, threshold=2.0, distance=-1.0, outcome=outcome, holds=outcome == "passed")
    (rule,) = rule_documents(night_of({RULE_EVALUATION: [row]}))
    assert (rule["said"], rule["mark"]) == (outcome, mark)
    assert (rule["said_words"] == "calls for nothing") == (mark == "quiet")


def test_an_engine_says_what_was_called_for_and_cites_its_rules() -> None:
    decision = {
        "decision_id": "d", "decision": "stay_dormant", "engine": "second", "contracts": 0, "rules": "contango_scan",
        "reason": "activate_second_engine at 0 contracts by trade_risk (rank 1): contango_scan failed (because)",
    }  # fmt: skip
    first, second = engine_documents(night_of({DECISION: [decision], RULE_EVALUATION: [CONTANGO]}))
    (said,) = second["decisions"]
    assert said["lead"] == "activate_second_engine at 0 contracts by trade_risk (rank 1)"
    assert [rule["rule"] for rule in said["cited"]] == ["contango_scan"]
    assert first["idle"] == "Nothing was called for."


def test_a_night_between_the_weeks_says_that_no_condor_is_due() -> None:
    week = rule_row("weekly_session", measured=0.0, threshold=1.0, distance=-1.0, outcome="failed", holds=False,
                    reason="orders fill in the same week")  # fmt: skip
    first, _ = engine_documents(night_of({RULE_EVALUATION: [week]}))
    assert first["idle"] == "No condor is due tonight: orders fill in the same week."
    first, _ = engine_documents(night_of({}))
    assert "was not decided" in first["idle"]


@pytest.mark.parametrize(
    ("limit", "measured", "threshold", "used"),
    [("book_risk", 0.125, 0.25, 0.5), ("quick_ratio", 4.0, 1.0, 0.25), ("size_at_touch", 4.0, None, None)],
)
def test_a_limit_says_how_much_of_it_is_taken_up(
    limit: str, measured: float, threshold: float | None, used: float | None
) -> None:
    row = {"engine": "condor", "limit_name": limit, "contracts": 2, "measured": measured, "threshold": threshold,
           "is_binding": False}  # fmt: skip
    (found,) = limit_documents(night_of({LIMIT_SLACK: [row]}))
    assert found["used"] == used
