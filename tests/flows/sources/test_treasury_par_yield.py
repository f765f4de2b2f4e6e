"""Treasury par yields: one row a cell, tenors that come and go, blank cells."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import treasury_par_yield as source
from transforms.sessions import TradingCalendar

HEADER = 'Date,"1 Mo","2 Mo","3 Mo","6 Mo","1 Yr","30 Yr"'


def read(header: str, *lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("daily-treasury-rates.csv", "\n".join([header, *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_every_cell_is_a_decimal_yield_of_its_tenor(calendar: TradingCalendar) -> None:
    reading = read(HEADER, "12/31/2021,0.06,0.05,0.06,0.19,0.39,1.90", calendar=calendar)
    rows = reading.frames["core.treasury_rate"]
    assert rows.select("tenor_days", "par_yield").rows() == [
        (30, 0.0006),
        (61, 0.0005),
        (91, 0.0006),
        (182, 0.0019),
        (365, 0.0039),
        (10_950, 0.019),
    ]
    assert rows["session_date"].unique().to_list() == [date(2021, 12, 31)]
    assert rows["rate_kind"].unique().to_list() == ["treasury"]
    assert (reading.n_lines, reading.n_rows) == (1, 6)


@pytest.mark.parametrize("blank", ["", "N/A"])
def test_a_tenor_that_was_not_published_is_no_row(blank: str, calendar: TradingCalendar) -> None:
    header = 'Date,"1 Mo","4 Mo","1 Yr"'
    reading = read(header, "10/19/2022,3.5,4.2,4.6", f"10/18/2022,3.5,{blank},4.5", calendar=calendar)
    assert reading.frames["core.treasury_rate"].height == reading.n_rows == 5
    assert reading.rejected.is_empty()
    assert reading.notes == ("1 cells are blank: no yield of that tenor was published",)


@pytest.mark.parametrize("name", ["1.5 Month", "1.5 Mo"])
def test_the_six_week_tenor_has_46_days(name: str, calendar: TradingCalendar) -> None:
    reading = read(f'Date,"1 Mo","{name}"', "01/02/2026,3.7,3.68", calendar=calendar)
    assert reading.frames["core.treasury_rate"]["tenor_days"].to_list() == [30, 46]


def test_a_new_tenor_is_reported(calendar: TradingCalendar) -> None:
    assert read('Date,"1 Mo","2 Mo","50 Yr"', "01/02/2026,3.7,3.6,5", calendar=calendar).unknown_columns == ("50 yr",)


def test_one_bad_cell_does_not_cost_the_line(calendar: TradingCalendar) -> None:
    reading = read('Date,"1 Mo","2 Mo","1 Yr"', "01/02/2026,3.7,x,y", calendar=calendar)
    assert reading.frames["core.treasury_rate"].height == 1
    assert reading.rejected["reason"].to_list() == ["2 mo yield x is no number", "1 yr yield y is no number"]
    assert reading.rejected["source_row_number"].n_unique() == 2
    assert reading.n_rows == 3


def test_a_line_without_a_date_is_rejected_cell_by_cell(calendar: TradingCalendar) -> None:
    reading = read('Date,"1 Mo","2 Mo"', "total,3.7,3.6", calendar=calendar)
    assert reading.rejected["rule"].to_list() == ["bad_date", "bad_date"]
    assert reading.n_rows == 2
