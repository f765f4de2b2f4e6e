"""FRED series as index closes and as rates."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import fred_series as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar


def read(*lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("fredgraph.csv", "\n".join(lines).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


@pytest.mark.parametrize("header", ["observation_date,VIXCLS", "DATE,VIXCLS"])
def test_vixcls_is_the_close_of_vix(header: str, calendar: TradingCalendar) -> None:
    reading = read(header, "2024-01-02,13.20", calendar=calendar)
    assert reading.frames["core.index_level"].rows() == [(date(2024, 1, 2), "VIX", None, None, None, 13.2, 1)]


@pytest.mark.parametrize(
    ("series", "tenor", "kind"),
    [("dgs2", 730, "treasury"), ("DGS3MO", 91, "treasury"), ("dff", 1, "fed_funds"), ("DGS30", 10_950, "treasury")],
)
def test_a_rate_series_is_a_decimal_yield_of_its_tenor(
    series: str, tenor: int, kind: str, calendar: TradingCalendar
) -> None:
    reading = read(f"date,{series}", "2024-01-02,4.33", calendar=calendar)
    assert reading.frames["core.treasury_rate"].rows() == [(date(2024, 1, 2), tenor, 0.0433, kind, 1)]


@pytest.mark.parametrize("blank", ["", "."])
def test_a_holiday_without_value_is_rejected_with_its_line(blank: str, calendar: TradingCalendar) -> None:
    reading = read("date,dgs2", "2024-01-01," + blank, "2024-01-02,4.33", calendar=calendar)
    assert reading.rejected.select("source_row_number", "rule").rows() == [(1, "no_value")]
    assert reading.rejected["session_date"].to_list() == [date(2024, 1, 1)]
    assert reading.n_rows == reading.n_lines == 2


@pytest.mark.parametrize(("line", "rule"), [("2024-01-32,4.3", "bad_date"), ("2024-01-03,4..3", "bad_number")])
def test_a_line_that_is_no_observation_is_rejected(line: str, rule: str, calendar: TradingCalendar) -> None:
    assert read("date,dgs2", line, calendar=calendar).rejected["rule"].to_list() == [rule]


def test_days_without_a_session_are_left_to_validation(calendar: TradingCalendar) -> None:
    reading = read("date,dff", "1994-01-01,2.85", "1994-01-02,2.85", calendar=calendar)
    assert reading.frames["core.treasury_rate"].height == 2


def test_several_series_in_one_file_are_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=r"2 series in one file \(dgs2, dgs10\)"):
        read("observation_date,DGS2,DGS10", "2024-01-02,4.33,3.95", calendar=calendar)


def test_an_unknown_series_is_not_recognized() -> None:
    assert not source.recognizes(open_delivery("x.csv", b"observation_date,UNRATE\n2024-01-01,3.7\n"))
