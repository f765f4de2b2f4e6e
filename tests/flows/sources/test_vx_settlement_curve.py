"""Settlement curves: the session from the file name, the contract from symbol and expiration."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import vx_settlement_curve as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

LINES = ("2026-07-22,VX/N6,17.25", "2026-07-29,VX30/N6,18.5", "2026-08-19,VX/Q6,18.75")
ORIGINAL = "Product,Symbol,Expiration Date,Price"


def read(
    *lines: str,
    calendar: TradingCalendar,
    name: str = "settlement_2026-07-17.csv",
    header: str = "expiration_date,symbol,settlement",
) -> Reading:
    delivery = open_delivery(name, "\n".join([header, *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_a_curve_gives_monthlies_and_weeklies_of_one_session(calendar: TradingCalendar) -> None:
    frame = read(*LINES, calendar=calendar).frames["core.futures_settlement"]
    assert frame.select("session_date", "expiration", "is_monthly", "settle", "settle_source").rows() == [
        (date(2026, 7, 17), date(2026, 7, 22), True, 17.25, "curve"),
        (date(2026, 7, 17), date(2026, 7, 29), False, 18.5, "curve"),
        (date(2026, 7, 17), date(2026, 8, 19), True, 18.75, "curve"),
    ]
    assert frame.select("open", "high", "low", "close", "volume", "open_interest").null_count().row(0) == (3,) * 6


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("VIX_FUTURES_CURVE_fetched2026-07-17a.csv", date(2026, 7, 17)),
        ("settlement_2026-07-19.csv", date(2026, 7, 17)),  # a Sunday
        ("settlement_20260720.csv", date(2026, 7, 20)),
        ("settlement_2026-07-23.csv", date(2026, 7, 22)),  # after the first expiration
    ],
)
def test_the_session_is_the_last_not_after_the_name_and_the_first_expiration(
    name: str, session: date, calendar: TradingCalendar
) -> None:
    frame = read(*LINES, calendar=calendar, name=name).frames["core.futures_settlement"]
    assert frame["session_date"].unique().to_list() == [session]


def test_a_name_without_a_date_is_refused_with_the_name_to_give(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=r"rename the file to settlement_YYYY-MM-DD\.csv"):
        read(*LINES, calendar=calendar, name="curve.csv")


def test_the_original_layout_gives_its_vx_lines(calendar: TradingCalendar) -> None:
    reading = read(
        "VX,VX/N6,2026-07-22,17.25",
        "VXM,VXM/N6,2026-07-22,17.25",
        "VX,VX30/N6,2026-07-29,18.5",
        calendar=calendar,
        header=ORIGINAL,
    )
    assert reading.frames["core.futures_settlement"]["settle"].to_list() == [17.25, 18.5]
    assert (reading.n_lines, reading.n_rows) == (3, 2)
    assert reading.notes == ("1 lines of other products kept out",)


def test_a_line_whose_product_is_no_code_is_rejected_as_it_may_be_vx(calendar: TradingCalendar) -> None:
    reading = read("VX,VX/N6,2026-07-22,17.25", "18.75,VX/Q6,2026-08-19,18.75", calendar=calendar, header=ORIGINAL)
    assert (reading.n_rows, reading.rejected["rule"].to_list(), reading.notes) == (2, ["bad_symbol"], ())
    assert "product 18.75 of VX/Q6" in reading.rejected["reason"][0]


def test_a_curve_without_vx_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="none of 1 lines is a VX contract"):
        read("VXM,VXM/N6,2026-07-22,17.25", calendar=calendar, header=ORIGINAL)


def test_a_curve_with_a_name_too_many_in_its_header_is_told_so(calendar: TradingCalendar) -> None:
    with pytest.raises(
        RefusedFile, match=r"none of 3 lines is a VX contract .*3 cannot be read; the first: .*4 fields"
    ):
        read(*LINES, calendar=calendar, header="index,expiration_date,symbol,settlement")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("2026-07-29,VX/N6,18.5", "label_mismatch"),  # a monthly symbol on a weekly expiration
        ("2026-08-19,VX33/Q6,18.5", "label_mismatch"),  # a weekly symbol on the monthly expiration
        ("2026-08-19,VX/N6,18.5", "label_mismatch"),  # another month
        ("2027-08-18,VX/Q6,18.5", "label_mismatch"),  # another year
        ("2026-08-19,SPX/Q6,18.5", "bad_symbol"),
        ("2026-08-19,VX/Q6,", "no_value"),
        ("2026-08-19,VX/Q6,0", "no_value"),
        ("2026-08-19,VX/Q6,high", "bad_number"),
        ("soon,VX/Q6,18.5", "bad_date"),
    ],
)
def test_a_line_that_is_no_settlement_is_rejected(line: str, rule: str, calendar: TradingCalendar) -> None:
    reading = read(LINES[0], line, calendar=calendar)
    assert reading.rejected.select("source_row_number", "rule").rows() == [(2, rule)]
    assert reading.n_rows == reading.n_lines == 2
