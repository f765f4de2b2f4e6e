"""The 13-week bill rate as a decimal fraction."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import bill_13_week as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar


def read(*lines: str, calendar: TradingCalendar, name: str = "tbill13week.csv") -> Reading:
    delivery = open_delivery(name, "\n".join(["Date,Value", *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_a_value_is_a_rate_of_91_days(calendar: TradingCalendar) -> None:
    reading = read("2005-01-04,0.0229", "2005-01-03,0.0222", calendar=calendar)
    assert reading.frames["core.treasury_rate"].rows() == [
        (date(2005, 1, 4), 91, 0.0229, "bill_13_week", 1),
        (date(2005, 1, 3), 91, 0.0222, "bill_13_week", 2),
    ]


@pytest.mark.parametrize(
    ("line", "rule"), [("2005-01-04,", "no_value"), ("x,0.02", "bad_date"), ("2005-01-04,x", "bad_number")]
)
def test_a_line_that_is_no_rate_is_rejected(line: str, rule: str, calendar: TradingCalendar) -> None:
    assert read(line, calendar=calendar).rejected["rule"].to_list() == [rule]


def test_percentages_are_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=r"1 of 2 values are above 0\.3"):
        read("2005-01-04,2.29", "2005-01-03,0.22", calendar=calendar)


def test_a_name_that_speaks_of_no_bill_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=r"rename the file to tbill13week\.csv"):
        read("2005-01-04,0.0229", calendar=calendar, name="export.csv")


def test_further_columns_are_another_layout() -> None:
    assert not source.recognizes(open_delivery("bill.csv", b"Date,Value,Volume\n2005-01-04,0.02,3\n"))
