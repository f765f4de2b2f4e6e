"""Cboe's quotedata.dat of 2018 to 2021, and the layout before."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery, recognize
from flows.sources import cboe_quotedata_csv as later
from flows.sources import cboe_quotedata_dat as source
from transforms.errors import RefusedFile, UnrecognizedFile
from transforms.sessions import TradingCalendar

ABOVE = ("^VIX (CBOE Volatility Index),19.35,-1.01", "Aug 28 2019 @ 17:10 ET,Bid,0,Ask,0,Size,0x0,Vol,")
HEADER = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Vol,IV,Delta,Gamma,Open Int,Strike,"
    "Puts,Last Sale,Net,Bid,Ask,Vol,IV,Delta,Gamma,Open Int"
)
WEEKLY = "09/04/2019,VIXW190904C00018500,2.1,0,1.9,2.2,4,1.1,0.6,0.1,30,18.500,VIXW190904P00018500,0,0,0,0,0,0,0,0,0"
MONTHLY = (
    "09/18/2019,VIX190918C00018000,2.5,0,2.4,2.6,900,1,0.6,0.1,80,18.000,VIX190918P00018000,1,0,0.9,1,5,1,-0.4,0,7"
)


def payload(*lines: str, above: tuple[str, ...] = ABOVE, header: str = HEADER) -> bytes:
    return "\r\n".join([*above, header, *lines, ""]).encode()


def read(content: bytes, *, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("quotedata.dat", content)
    assert source.recognizes(delivery)
    assert not later.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"].sort(ROW_NUMBER)


def test_weekly_and_monthly_vix_roots_stand_in_one_file(calendar: TradingCalendar) -> None:
    frame = quotes(read(payload(WEEKLY, MONTHLY), calendar=calendar))
    assert frame.select("root", "expiration", "strike", "option_type", "bid", "ask", "volume").rows() == [
        ("VIXW", date(2019, 9, 4), 18.5, "call", 1.9, 2.2, 4),
        ("VIXW", date(2019, 9, 4), 18.5, "put", 0.0, None, 0),
        ("VIX", date(2019, 9, 18), 18.0, "call", 2.4, 2.6, 900),
        ("VIX", date(2019, 9, 18), 18.0, "put", 0.9, 1.0, 5),
    ]
    assert frame["settlement_style"].unique().to_list() == ["am"]
    assert frame["spot"].unique().to_list() == [19.35]


@pytest.mark.parametrize(
    ("stamp", "session", "quote_ts", "kind"),
    [
        ("Aug 28 2019 @ 17:10 ET", date(2019, 8, 28), datetime(2019, 8, 28, 20, 15), "close"),
        ("Aug 29 2019 @ 09:28 ET", date(2019, 8, 28), datetime(2019, 8, 29, 13, 28), "non_regular"),
        ("Aug 29 2019 @ 11:00 ET", date(2019, 8, 29), datetime(2019, 8, 29, 15, 0), "intraday"),
        ("Sep 02 2019 @ 12:00 ET", date(2019, 8, 30), datetime(2019, 8, 30, 20, 15), "close"),
    ],
)
def test_the_stamp_decides_the_session(
    stamp: str, session: date, quote_ts: datetime, kind: str, calendar: TradingCalendar
) -> None:
    reading = read(payload(WEEKLY, above=(ABOVE[0], f"{stamp},Bid,0,Ask,0,Size,0x0,Vol,")), calendar=calendar)
    assert quotes(reading).select("session_date", "quote_ts", "snapshot_kind").unique().rows() == [
        (session, quote_ts, kind)
    ]


def test_an_index_name_with_a_comma_does_not_hide_the_level(calendar: TradingCalendar) -> None:
    above = ("^SPX (Standard, Poors 500 Index),3426.96,-28.1", ABOVE[1])
    assert quotes(read(payload(WEEKLY, above=above), calendar=calendar))["spot"].unique().to_list() == [3426.96]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (payload(WEEKLY.replace("VIXW", "SPY")), "quotes of SPY"),
        (payload(WEEKLY, above=(ABOVE[0],)), "no line above the header gives the date"),
        (payload(WEEKLY, above=(ABOVE[0], "Foo 28 2019 @ 17:10 ET,Bid,0")), "Foo 28 2019 @ 17:10 ET"),
        (payload(WEEKLY, header=HEADER.replace("IV", "Vola", 1)), "iv of the calls"),
    ],
)
def test_a_file_that_cannot_serve_is_refused(content: bytes, message: str, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=message):
        read(content, calendar=calendar)


def test_the_layout_before_2018_is_refused_for_its_missing_expirations(calendar: TradingCalendar) -> None:
    content = (
        b"SPX (S&P 500 INDEX),2663.42,+2.1\r\nDec 19 2017 @ 13:05 ET\r\n"
        b"Calls,Last Sale,Net,Bid,Ask,Vol,Open Int,Puts,Last Sale,Net,Bid,Ask,Vol,Open Int,\r\n"
        b"18 Dec 1325.00 (SPX1821L1325),0,0,1300.1,1310.4,0,12,18 Dec 1325.00 (SPX1821X1325),9,0,8,10,0,40,\r\n"
    )
    with pytest.raises(RefusedFile, match="layout before 2018 has no expiration column"):
        read(content, calendar=calendar)


def test_a_later_header_that_lost_its_expirations_is_told_what_it_lacks() -> None:
    content = payload(MONTHLY, header=HEADER.removeprefix("Expiration Date,"))
    with pytest.raises(UnrecognizedFile, match="cboe_quotedata_dat, of which it lacks expiration date"):
        recognize(open_delivery("vix_quotedata.dat", content))


def test_a_cut_last_line_is_two_rejected_rows(calendar: TradingCalendar) -> None:
    reading = read(payload(MONTHLY, WEEKLY[:30]), calendar=calendar)
    assert (reading.n_lines, reading.n_rows) == (2, 4)
    assert reading.rejected[ROW_NUMBER].to_list() == [4, 5]
