"""VX contract files of the legacy layout: expiration from the label, the old price scale, ragged lines."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import vx_contract_current as current
from flows.sources import vx_contract_legacy as source
from flows.sources.vx_contract import labelled_month, monthly_expiration
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

HEADER = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"


def read(*lines: str, calendar: TradingCalendar, preamble: str = "") -> Reading:
    delivery = open_delivery("CFE_F14_VX.csv", "\n".join([*([preamble] if preamble else []), HEADER, *lines]).encode())
    assert source.recognizes(delivery)
    assert not current.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_the_label_decides_the_expiration(calendar: TradingCalendar) -> None:
    reading = read("04/22/2013,F (Jan 14),19.65,19.70,19.55,19.55,19.70,19.70,4,0,4", calendar=calendar)
    row = reading.frames["core.futures_settlement"].row(0, named=True)
    assert (row["session_date"], row["expiration"], row["is_monthly"]) == (date(2013, 4, 22), date(2014, 1, 22), True)
    assert (row["open"], row["settle"], row["open_interest"]) == (19.65, 19.7, 4)


def test_a_disclaimer_a_twelfth_field_and_unpadded_dates_do_not_matter(calendar: TradingCalendar) -> None:
    reading = read(
        "1/24/2005,H (Mar 05),145.9,146.1,144.5,145.5,144.5,,94,0,63",
        "01/25/2005,H (Mar 05),145.9,146.1,144.5,145.5,144.5,0.4,94,0,63,",
        calendar=calendar,
        preamble="Exchange data is furnished without responsibility, on the condition that, and so on",
    )
    rows = reading.frames["core.futures_settlement"]
    assert rows["session_date"].to_list() == [date(2005, 1, 24), date(2005, 1, 25)]
    assert rows["open"].to_list() == [14.59, 14.59]
    assert reading.rejected.is_empty()


def test_the_price_scale_changes_on_2007_03_26(calendar: TradingCalendar) -> None:
    reading = read(
        "03/23/2007,K (May 07),140.1,141.0,139.5,140.0,140.3,0,7,0,9",
        "03/26/2007,K (May 07),14.01,14.10,13.95,14.00,14.03,-126.27,7,0,9",
        calendar=calendar,
    )
    rows = reading.frames["core.futures_settlement"].select("open", "high", "low", "close", "settle")
    assert rows.row(0) == rows.row(1) == (14.01, 14.1, 13.95, 14.0, 14.03)


def test_the_last_session_gives_the_settlement_value_in_points(calendar: TradingCalendar) -> None:
    reading = read("1/19/2005,F (Jan 05),0,0,0,0,127.72,4.52,0,0,1534", calendar=calendar)
    values = reading.frames["core.settlement_value"]
    assert values.select("root", "expiration", "value").rows() == [
        (root, date(2005, 1, 19), 12.772) for root in ("VX", "VIX", "VIXW")
    ]


def test_a_first_session_without_settle_or_trade_is_rejected(calendar: TradingCalendar) -> None:
    reading = read(
        "8/20/2004,V (Oct 04),0,0,0,0,0,0,0,0,0",
        "8/23/2004,V (Oct 04),175,176,174,175.5,0,0,12,0,9",
        calendar=calendar,
    )
    assert reading.rejected["rule"].to_list() == ["no_value"]
    rows = reading.frames["core.futures_settlement"]
    assert rows.select("settle", "settle_source").rows() == [(17.55, "close")]


def test_a_file_without_any_label_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="none of 1 lines has a label"):
        read("04/22/2013,January,19.65,19.70,19.55,19.55,19.70,19.70,4,0,4", calendar=calendar)


@pytest.mark.parametrize(
    ("label", "month"),
    [
        ("F (Jan 14)", date(2014, 1, 1)),
        ("Z (Dec 2021)", date(2021, 12, 1)),
        (" G  (Feb 05) ", date(2005, 2, 1)),
        ("G (Jan 14)", None),
        ("F (Jan)", None),
        ("F", None),
        ("", None),
        ("F (Jan xx)", None),
    ],
)
def test_a_label_names_its_month(label: str, month: date | None) -> None:
    assert labelled_month(label) == month


@pytest.mark.parametrize(
    ("month", "expiration"),
    [
        # Last sessions of CFE_N04_VX.csv and CFE_V04_VX.csv: the Wednesday before the month's own third Friday.
        (date(2004, 7, 1), date(2004, 7, 14)),
        (date(2004, 10, 1), date(2004, 10, 13)),
        # Last session of CFE_Z05_VX.csv, the first contract under today's rule.
        (date(2005, 12, 1), date(2005, 12, 21)),
        # Good Friday 2008-03-21 moves the Wednesday 2008-02-20 to the Tuesday.
        (date(2008, 2, 1), date(2008, 2, 19)),
    ],
)
def test_monthly_expirations_follow_the_rule_of_their_time(
    month: date, expiration: date, calendar: TradingCalendar
) -> None:
    assert monthly_expiration(month, calendar=calendar) == expiration
