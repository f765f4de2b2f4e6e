"""Index histories: which index a file is of, contradictory ranges, every layout."""

from datetime import date

import polars as pl
import pytest

from flows.sources import Reading, open_delivery
from flows.sources import index_history as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

OHLC = "DATE,OPEN,HIGH,LOW,CLOSE"
VIX_LINE = "01/02/2024,13.10,13.90,12.80,13.20"


def read(*lines: str, calendar: TradingCalendar, name: str = "VIX_History.csv", header: str = OHLC) -> Reading:
    delivery = open_delivery(name, "\n".join([header, *lines, ""]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def levels(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.index_level"]


def test_an_ohlc_line_is_a_level_of_the_index_in_the_name(calendar: TradingCalendar) -> None:
    assert levels(read(VIX_LINE, calendar=calendar)).rows() == [(date(2024, 1, 2), "VIX", 13.1, 13.9, 12.8, 13.2, 1)]


@pytest.mark.parametrize(
    ("name", "close", "symbol"),
    [
        ("VIX9D_History.csv", 14, "VIX9D"),
        ("VIX3M_History.csv", 16, "VIX3M"),
        ("VIX6M_History.csv", 18, "VIX6M"),
        ("SPX_History_saved_again.csv", 4750, "SPX"),
        ("spx_daily_2019_2026.csv", 4750, "SPX"),
        ("my-vix.csv", 14, "VIX"),
    ],
)
def test_the_name_says_which_index_an_ohlc_file_holds(
    name: str, close: float, symbol: str, calendar: TradingCalendar
) -> None:
    line = f"01/02/2024,{close},{close},{close},{close}"
    assert levels(read(line, calendar=calendar, name=name))["symbol"].to_list() == [symbol]


@pytest.mark.parametrize(("header", "close"), [("DATE,VVIX", 92.5), ("DATE,SKEW", 146.25)])
def test_a_single_column_names_its_index(header: str, close: float, calendar: TradingCalendar) -> None:
    reading = read(f"03/06/2006,{close}", calendar=calendar, name="download.csv", header=header)
    symbol = header.removeprefix("DATE,")
    assert levels(reading).rows() == [(date(2006, 3, 6), symbol, None, None, None, close, 1)]


def test_the_legacy_layout_names_the_index_in_its_columns(calendar: TradingCalendar) -> None:
    text = (
        "Data is furnished without responsibility, on the condition that, and so on\r\n"
        "Date,VIX Open,VIX High,VIX Low,VIX Close\r\n"
        "1/2/2004,17.9,18.6,17.5,18.2\r\n08/28/2019, 20.5, 21.6, 19.1, 19.3\r\n"
    )
    delivery = open_delivery("current.csv", text.encode())
    assert source.recognizes(delivery)
    rows = levels(source.read(delivery, calendar=calendar))
    assert rows.select("session_date", "symbol", "open", "close").rows() == [
        (date(2004, 1, 2), "VIX", 17.9, 18.2),
        (date(2019, 8, 28), "VIX", 20.5, 19.3),
    ]


def test_iso_dates_and_a_prior_close_are_known(calendar: TradingCalendar) -> None:
    header = "date,open,high,low,close,prior_close"
    reading = read("2019-01-02,2476.9,2519.4,2467.4,2510.0,", calendar=calendar, name="spx_daily.csv", header=header)
    assert levels(reading)["session_date"].to_list() == [date(2019, 1, 2)]
    assert reading.unknown_columns == ()


@pytest.mark.parametrize("name", ["history.csv", "SPX_and_VIX.csv", "SPXL.csv"])
def test_a_name_that_does_not_say_which_index_is_refused(name: str, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=r"rename it to SYMBOL_History\.csv"):
        read(VIX_LINE, calendar=calendar, name=name)


@pytest.mark.parametrize(("name", "close"), [("SPX_History.csv", 18.0), ("VIX_History.csv", 4750.0)])
def test_closes_of_another_order_of_magnitude_are_refused(name: str, close: float, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="the file is another index's"):
        read(f"01/02/2024,{close},{close},{close},{close}", calendar=calendar, name=name)


def test_early_closes_do_not_speak_against_spx(calendar: TradingCalendar) -> None:
    lines = ("12/30/1927,17.66,17.66,17.66,17.66", "01/02/2024,4745,4754,4722,4742")
    assert levels(read(*lines, calendar=calendar, name="SPX_History.csv")).height == 2


def test_an_open_outside_the_range_is_none_and_counted(calendar: TradingCalendar) -> None:
    reading = read("11/08/2004,2.58,14.1,13.5,13.8", "11/09/2004,14.104,14.1,13.5,13.8", VIX_LINE, calendar=calendar)
    assert levels(reading)["open"].to_list() == [None, 14.104, 13.1]
    assert levels(reading)["close"].to_list() == [13.8, 13.8, 13.2]
    assert reading.notes == ("1 opens outside the day's range are null",)


def test_a_high_below_the_low_makes_both_none_and_keeps_the_close(calendar: TradingCalendar) -> None:
    reading = read("07/05/2019,16.0,15.5,16.25,15.75", calendar=calendar, name="VIX6M_History.csv")
    assert levels(reading).select("open", "high", "low", "close").rows() == [(16.0, None, None, 15.75)]
    assert reading.notes == ("1 sessions with a high below the low: both are null",)


def test_a_zero_is_no_price(calendar: TradingCalendar) -> None:
    reading = read("01/02/2024,0,0,0,13.2", calendar=calendar)
    assert levels(reading).select("open", "high", "low", "close").rows() == [(None, None, None, 13.2)]


def test_float32_noise_is_rounded_away(calendar: TradingCalendar) -> None:
    line = "01/02/2024,17.65999984741211,17.65999984741211,17.65999984741211,17.65999984741211"
    assert levels(read(line, calendar=calendar)).select("open", "close").rows() == [(17.66, 17.66)]


def test_levels_out_of_bounds_are_left_to_validation(calendar: TradingCalendar) -> None:
    lines = ("03/15/2006,15.71", *(f"03/{day}/2006,90.5" for day in (16, 17, 20)))
    assert levels(read(*lines, calendar=calendar, header="DATE,VVIX"))["close"].min() == 15.71


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("13/02/2024,1,1,1,13.2", "bad_date"),
        ("01/03/2024,1,1,x,13.2", "bad_number"),
        ("01/03/2024,1,1,1,", "no_value"),
        ("01/03/2024,1,1,1,0", "no_value"),
        ("01/03/2024,1,1", "unparseable_line"),
    ],
)
def test_a_line_without_date_or_close_is_rejected(line: str, rule: str, calendar: TradingCalendar) -> None:
    reading = read(VIX_LINE, line, calendar=calendar)
    assert reading.rejected.select("source_row_number", "rule").rows() == [(2, rule)]
    assert reading.n_rows == reading.n_lines == 2


@pytest.mark.parametrize("header", ["Date,Value", "observation_date,VIXCLS", "DATE,PCREDIT8", "date,open,close"])
def test_other_layouts_are_not_recognized(header: str) -> None:
    assert not source.recognizes(open_delivery("VIX.csv", f"{header}\n2024-01-02,1\n".encode()))
