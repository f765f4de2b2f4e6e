"""Settlement values copied from the exchange."""

from datetime import date

from flows.sources import Reading, open_delivery, registry
from flows.sources import settlement_value as source
from tests.flows.sources.judged import judged
from transforms.schemas import SETTLEMENT_VALUE
from transforms.sessions import TradingCalendar

HEADER = "root,expiration,value"


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER) -> Reading:
    delivery = open_delivery("set.csv", "\n".join([header, *lines]).encode())
    assert [name for name, module in registry().items() if module.recognizes(delivery)] == [source.NAME]
    return source.read(delivery, calendar=calendar)


def test_a_line_is_an_exact_value_and_says_what_it_is_of(calendar: TradingCalendar) -> None:
    reading = read('SPX,2024-03-15,"5,119.05"', "spxw,2024-03-15,5117.09", "VIX,2024-03-20,13.85", calendar=calendar)
    assert reading.frames["core.settlement_value"].drop("source_row_number").rows() == [
        ("SPX", date(2024, 3, 15), 5119.05, "set", True),
        ("SPXW", date(2024, 3, 15), 5117.09, "index_close", True),
        ("VIX", date(2024, 3, 20), 13.85, "archive", True),
    ]
    assert (reading.n_rows, reading.rejected.height) == (3, 0)


def test_bad_lines_go_to_quarantine(calendar: TradingCalendar) -> None:
    lines = ("SPX,15.03.2024,5119.05", "SPX,2024-03-15,many", "SPY,2024-03-15,511.9", "SPX,2024-04-19,")
    accepted, rejected = judged(read(*lines, calendar=calendar), SETTLEMENT_VALUE, calendar)
    assert accepted.is_empty()
    assert sorted((line, rule) for rule, _, line in rejected) == [
        (1, "bad_date"),
        (2, "bad_number"),
        (3, "root_not_allowed"),
        (4, "value_missing"),
    ]


def test_a_table_of_options_is_not_taken_for_it() -> None:
    chain = b"root,expiration,strike,value\nSPX,2024-03-15,5000,119\n"
    assert not source.recognizes(open_delivery("chain.csv", chain))
