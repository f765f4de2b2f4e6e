"""docs/faults.md says what the campaigns measured and names tests that exist."""

from benchmarks.faults_table import CHECKOUT, PAGE, TESTED, page


def test_the_page_is_the_one_the_figures_make() -> None:
    assert PAGE.read_text() == page(), "run python -m benchmarks.faults_table"


def test_every_test_it_names_exists() -> None:
    assert [where for _, _, where in TESTED if not (CHECKOUT / where).exists()] == []
