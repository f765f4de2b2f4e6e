"""The archive of CFE final settlements: VX lines only, the old price scale, the expiration from the month."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import cfe_final_settlement as source
from transforms.sessions import TradingCalendar

HEADER = "Symbol,SettlementMonth,SettlementYear,ProductType,SettlementDate,SettlementPrice,ProductDescription"


def read(*lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("archive.csv", "\r\n".join([HEADER, *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_a_vx_line_gives_the_value_of_the_future_and_of_the_options(calendar: TradingCalendar) -> None:
    reading = read("VX,12,2012,Standard,,16.25,Volatility Futures", calendar=calendar)
    assert reading.frames["core.settlement_value"].drop("source_row_number").rows() == [
        (root, date(2012, 12, 19), 16.25, "archive", True) for root in ("VX", "VIX")
    ]
    assert reading.frames["core.settlement_value"]["source_row_number"].n_unique() == 2


@pytest.mark.parametrize(
    ("month", "printed", "value"),
    [("5,2004", "181.25", 18.125), ("2,2007", "98.75", 9.875), ("3,2007", "129.5", 12.95), ("4,2007", "12.25", 12.25)],
)
def test_values_before_april_2007_are_on_the_old_scale_even_below_100(
    month: str, printed: str, value: float, calendar: TradingCalendar
) -> None:
    reading = read(f"VX,{month},Standard,,{printed},Volatility Futures", calendar=calendar)
    assert reading.frames["core.settlement_value"]["value"].to_list() == [value, value]


def test_a_value_above_50_after_the_change_of_scale_is_kept(calendar: TradingCalendar) -> None:
    reading = read("VX,10,2008,Standard,,63.25,Volatility Futures", calendar=calendar)
    assert reading.frames["core.settlement_value"]["value"].to_list() == [63.25, 63.25]


def test_other_products_are_counted_and_kept_out(calendar: TradingCalendar) -> None:
    reading = read(
        "VX,12,2012,Standard,,16.25,Volatility Futures",
        "VM,12,2012,Standard,,16.25,Mini Futures",
        "VSW,12,2012,Weekly,,1,Another",
        calendar=calendar,
    )
    assert (reading.n_lines, reading.n_rows, reading.rejected.height) == (3, 2, 0)
    assert reading.notes == ("2 lines of other products kept out (VM, VSW)",)


def test_a_settlement_date_within_the_week_agrees(calendar: TradingCalendar) -> None:
    reading = read("VX,12,2012,Standard,12/18/2012,16.25,Volatility Futures", calendar=calendar)
    assert reading.frames["core.settlement_value"]["expiration"].unique().to_list() == [date(2012, 12, 19)]


@pytest.mark.parametrize(
    ("line", "rule", "quoted"),
    [
        ("VX,12,2012,Standard,11/21/2012,16.25,x", "label_mismatch", "11/21/2012"),
        ("VX,12,2012,Weekly,,16.25,x", "label_mismatch", "Weekly"),
        ("VX,13,2012,Standard,,16.25,x", "bad_date", "month 13"),
        ("VX,12,2012,Standard,soon,16.25,x", "bad_date", "soon"),
        ("VX,12,2012,Standard,,,x", "no_value", "no settlement price"),
        ("VX,12,2012,Standard,,n/a,x", "bad_number", "n/a"),
        ("VX,12,2012,Standard,,0,x", "bad_number", "0"),
        ("12,2012,Standard,,16.25,x,VX", "bad_symbol", "symbol 12"),
        (",12,2012,Standard,,16.25,x", "bad_symbol", "symbol blank"),
    ],
)
def test_a_line_that_gives_no_value_is_rejected(line: str, rule: str, quoted: str, calendar: TradingCalendar) -> None:
    reading = read(line, calendar=calendar)
    assert reading.rejected["rule"].to_list() == [rule]
    assert quoted in reading.rejected["reason"][0]
    assert reading.frames["core.settlement_value"].is_empty()
