"""An unrecognized file is told which layout it comes nearest to, and what it lacks of it."""

import pytest

from flows.sources import SOURCE_MODULES, open_delivery, recognize
from flows.sources.likeness import LAYOUT_COLUMNS, likeness
from transforms.errors import UnrecognizedFile


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Date,Adv,Dec,Unch", "it looks like nyse_breadth, of which it lacks issues"),
        (
            "DATE;OPEN;HIGH;LOW;CLOSE",
            "its columns are those of index_history, separated by semicolons; save it separated",
        ),
        ("Date\tIssues\tAdv\tDec\tUnch", "separated by tabs"),
        ('"Trade Date",Futures,Open,High,Low,Close,Settle,"Total Volume","Open Interest"', "lacks the data lines"),
        ("VVIX", "it looks like index_history, of which it lacks date"),
        (
            "DATE,col_x",
            "fred_series, of which it lacks dff or dgs2 or vixcls; or index_history, of which it lacks skew or vvix",
        ),
        ("col_x,VIXCLS", "it looks like fred_series, of which it lacks date or observation_date"),
        ("notice\n\ndate,meeting_end\n2024-01-31,2024-01-31", "it looks like fomc_list, of which it lacks kind"),
    ],
)
def test_the_nearest_layout_is_named_with_what_is_missing(header: str, told: str) -> None:
    assert told in (likeness(header) or "")


@pytest.mark.parametrize("text", ["", "hello, world", "a,b,c\n1,2,3", "\x00\x01,\x02"])
def test_what_is_like_nothing_is_said_to_be_like_nothing(text: str) -> None:
    assert likeness(text) is None


def test_the_refusal_carries_the_likeness() -> None:
    with pytest.raises(UnrecognizedFile, match=r"breadth\.csv: no known .*lacks adv, issues"):
        recognize(open_delivery("breadth.csv", b"Date,Advances,Dec,Unch,Total Issues\n2024-01-31,1500,1200,9,2709\n"))


def test_every_layout_that_is_named_exists() -> None:
    for name, _ in LAYOUT_COLUMNS:
        assert any(module.startswith(name) for module in SOURCE_MODULES), name
