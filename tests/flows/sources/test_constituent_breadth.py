"""Breadth counted from constituents: another exchange, and a last session that may be incomplete."""

from datetime import date

from flows.sources import Reading, open_delivery
from flows.sources import constituent_breadth as source
from transforms.sessions import TradingCalendar

HEADER = "date,nyse_advancers,nyse_decliners,nyse_ad,sp500_advancers,broad_pct_above_20d"
FULL = ("2026-06-15,800,850,-50.0,210,41.5", "2026-06-16,900,760,140.0,260,42.5", "2026-06-17,360,1320,-960.0,90,40.1")


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER) -> Reading:
    delivery = open_delivery("breadth.csv", "\n".join([header, *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_a_line_is_the_breadth_of_the_constituents(calendar: TradingCalendar) -> None:
    reading = read(*FULL, calendar=calendar)
    assert reading.frames["core.market_breadth"].row(2) == (date(2026, 6, 17), "NYSE_CONSTITUENTS", 360, 1320, None, 3)
    assert reading.unknown_columns == ()


def test_an_incomplete_last_session_is_rejected(calendar: TradingCalendar) -> None:
    reading = read(*FULL, "2026-06-18,208,166,42.0,300,40.0", calendar=calendar)
    assert reading.rejected.select("session_date", "rule").rows() == [(date(2026, 6, 18), "partial_session")]
    assert "374 issues" in reading.rejected["reason"][0]
    assert reading.n_rows == 4


def test_few_issues_on_an_earlier_session_are_no_sign_of_incompleteness(calendar: TradingCalendar) -> None:
    assert read("2026-06-12,208,166,42.0,300,40.0", *FULL, calendar=calendar).rejected.is_empty()


def test_a_single_session_has_nothing_to_be_judged_by(calendar: TradingCalendar) -> None:
    assert read(FULL[0], calendar=calendar).rejected.is_empty()


def test_a_line_without_counts_is_rejected(calendar: TradingCalendar) -> None:
    reading = read(FULL[0], "2026-06-16,,760,,,", "2026-06-17,9.5,760,,,", calendar=calendar)
    assert reading.rejected["rule"].to_list() == ["no_value", "bad_number"]
