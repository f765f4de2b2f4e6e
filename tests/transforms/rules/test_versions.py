import inspect
import re
import sys
from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest

from transforms.rules import RULES
from transforms.rules.document import rules_document
from transforms.rules.rule import Rule
from transforms.rules.versions import rule_label, rule_version, rule_versions
from transforms.tables.rule import RULE_VERSION

RULES_PAGE = Path(__file__).resolve().parents[3] / "docs" / "rules.md"
EVERY_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def source_of(rule: Rule) -> str:
    return inspect.getsource(sys.modules[rule.module])


@EVERY_RULE
def test_a_version_changes_with_the_source_and_with_each_parameter_and_with_nothing_else(rule: Rule) -> None:
    source, parameters = source_of(rule), rule.parameters()
    version = rule_version(rule, parameters, source=source)
    assert re.fullmatch("[0-9a-f]{16}", version)
    assert rule_version(rule, rule.parameters(), source=source.replace("\n", "\r\n")) == version
    versions = {version, rule_version(rule, parameters, source=source + "# another word\n")}
    for declared in fields(parameters):
        allowed, high = declared.metadata["allowed"], declared.metadata["high"]
        other = next(choice for choice in allowed if choice != declared.default) if allowed else high
        versions.add(rule_version(rule, replace(parameters, **{declared.name: other}), source=source))
    assert len(versions) == 2 + len(fields(parameters))


def test_no_two_rules_share_a_version() -> None:
    versions = {rule_version(rule, rule.parameters(), source="the same") for rule in RULES}
    assert len(versions) == len(RULES)


def test_a_version_is_valid_from_the_first_session_it_judged() -> None:
    def judged(known, day, version, label):  # type: ignore[no-untyped-def]
        return rule_versions(known, date(2024, 1, day), versions={"rally": version}, labels={"rally": label})

    first = judged(RULE_VERSION.empty(), 5, "aa", "rally_return = 0.02")
    again = judged(first, 8, "aa", "rally_return = 0.02")
    assert again.equals(first)
    changed = judged(again, 9, "bb", "rally_return = 0.03")
    back = judged(changed, 10, "aa", "rally_return = 0.02")
    assert back.equals(changed)
    assert changed.rows() == [
        ("rally", "aa", "rally_return = 0.02", date(2024, 1, 5)),
        ("rally", "bb", "rally_return = 0.03", date(2024, 1, 9)),
    ]


@EVERY_RULE
def test_a_label_names_every_parameter(rule: Rule) -> None:
    label = rule_label(rule.parameters())
    assert all(f"{declared.name} = " in label for declared in fields(rule.parameters))
    assert label


def test_the_page_of_the_rules_is_what_they_declare() -> None:
    assert RULES_PAGE.read_text() == rules_document()
