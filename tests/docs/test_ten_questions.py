"""Every query of docs/ten_questions.md runs on published/ alone, and answers where the home has an answer."""

import re
from pathlib import Path

import pytest

from flows.home import Home
from flows.served_database import query_published
from flows.served_record import SERVED_FILE
from tests.conftest import CHECKOUT
from tests.docs.documents import blocks
from tests.flows.rich_home import PLANTS
from transforms.rules import RULES

PAGE = CHECKOUT / "docs" / "ten_questions.md"
QUERIES = blocks(PAGE, "sql")
# The small home is degraded by the lack of VIX options; the rich home lacks nothing.
ASKED_OF_A_DEGRADED_NIGHT = {"lacking"}


def heading(query: str) -> str:
    """The heading a query stands under."""
    before = PAGE.read_text().partition(query)[0]
    return re.findall(r"^## (.+)$", before, re.MULTILINE)[-1]


def test_there_are_ten_questions_each_with_a_query() -> None:
    numbers = [int(heading(query).split(".")[0]) for query in QUERIES]
    assert sorted(set(numbers)) == list(range(1, 11))


@pytest.mark.parametrize("query", QUERIES, ids=heading)
def test_a_question_is_answered_by_published_alone(
    query: str, rich_home: Home, base_home: Home, tmp_path: Path
) -> None:
    degraded = any(re.search(rf"\bwith {name}\b", query) for name in ASKED_OF_A_DEGRADED_NIGHT)
    alone = tmp_path / SERVED_FILE
    alone.write_bytes(((base_home if degraded else rich_home).published / SERVED_FILE).read_bytes())
    rows = query_published(alone, query)
    if not ("mart.data_quality" in query or "mart.detector_record" in query):
        assert rows.height > 0, heading(query)


def test_the_reasons_of_the_night_name_the_rules_cited(rich_home: Home) -> None:
    rows = query_published(rich_home.published / SERVED_FILE, QUERIES[0])
    named = "|".join(rule.name for rule in RULES)
    assert rows["reason"].str.contains(rf"({named}) (passed|failed|unknown)").all()


def test_the_planted_locks_are_among_the_executable_findings(rich_home: Home) -> None:
    found = next(query for query in QUERIES if "confidence = 'executable'" in query)
    rows = query_published(rich_home.published / SERVED_FILE, found)
    assert rows.height == len(PLANTS)
    assert "conversion" in set(rows["kind"])
    assert (rows["edge_dollars"].drop_nulls() > 0).all()
