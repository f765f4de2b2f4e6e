"""The exchange's own count of advances and declines."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import nyse_breadth as source
from transforms.sessions import TradingCalendar

HEADER = "Date,Issues,Adv,Dec,Unch,NewHighs,NewLows,AdvVol,DecVol,TotalVol"
LINE = "2026-09-25,2830,1520,1220,90,13,317,2472,1887,4359"


def read(*lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("breadth.csv", "\n".join([HEADER, *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_a_line_is_the_breadth_of_a_session(calendar: TradingCalendar) -> None:
    reading = read(LINE, calendar=calendar)
    assert reading.frames["core.market_breadth"].rows() == [(date(2026, 9, 25), "NYSE", 1520, 1220, 90, 1)]
    assert reading.unknown_columns == ()


def test_thousands_separators_in_quotes_are_read(calendar: TradingCalendar) -> None:
    reading = read('2026-09-25,"2,830","1,520","1,220",90,13,317,2472,1887,4359', calendar=calendar)
    assert reading.frames["core.market_breadth"].row(0)[2:5] == (1520, 1220, 90)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (LINE.replace("2830", "2831"), "counts_do_not_add"),
        (LINE.replace("1520", ""), "no_value"),
        (LINE.replace("1520", "many"), "bad_number"),
        (LINE.replace("2026-09-25", "09-25"), "bad_date"),
    ],
)
def test_a_count_that_contradicts_itself_is_rejected(line: str, rule: str, calendar: TradingCalendar) -> None:
    reading = read(line, calendar=calendar)
    assert reading.rejected["rule"].to_list() == [rule]
    assert reading.n_rows == 1
