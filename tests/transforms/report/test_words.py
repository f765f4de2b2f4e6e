"""Numbers and names as people read them."""

from dataclasses import fields
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.report.words import (
    DECISIONS,
    GROUPS,
    LIMIT_UNITS,
    RULE_WORDS,
    dollars,
    input_words,
    measure,
    number,
    percent,
)
from transforms.rules import BY_NAME, RULES
from transforms.tables.rule import DECISION_KINDS


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (number(1234567.891), "1,234,567.89"),
        (number(-0.0001), "0.00"),
        (number(None), "unknown"),
        (dollars(-2405.4), "-$2,405"),
        (dollars(-0.3), "$0"),
        (dollars(0.0), "$0"),
        (dollars(7.5, 2), "$7.50"),
        (percent(0.0722694), "7.23%"),
        (measure(5.0, "sessions"), "5"),
        (measure(1.0, "yes"), "yes"),
    ],
)
def test_values_are_written_as_people_read_them(text: str, wanted: str) -> None:
    assert text == wanted


@given(st.floats(-1e12, 1e12), st.integers(0, 3))
def test_what_is_written_reads_back_as_the_value(value: float, digits: int) -> None:
    assert float(number(value, digits).replace(",", "")) == pytest.approx(value, abs=0.50001 * 10.0**-digits, rel=1e-12)
    written = dollars(value, digits).replace("$", "").replace(",", "")
    assert float(written) == pytest.approx(value, abs=0.50001 * 10.0**-digits, rel=1e-12)


def test_every_rule_and_decision_has_words() -> None:
    assert set(RULE_WORDS) == set(BY_NAME)
    assert set(DECISIONS) == set(DECISION_KINDS)
    assert {words.group for words in RULE_WORDS.values()} == set(GROUPS)
    assert set(LIMIT_UNITS) == {"layer_share", "trade_risk", "book_risk", "quick_ratio", "size_at_touch"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_input_of_a_rule_can_be_said(rule: object) -> None:
    name = rule.name  # type: ignore[attr-defined]
    for declared in fields(rule.inputs):  # type: ignore[attr-defined]
        for value in (None, 3, 0.25, "passed", date(2026, 10, 30).isoformat()):
            said = input_words(name, declared.name, value)
            assert said.startswith(declared.name.replace("_", " ") + " = ")
            assert "None" not in said
