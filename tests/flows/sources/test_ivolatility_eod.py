"""iVolatility end-of-day chains: ask before bid, padded symbols, Saturdays in symbols."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery
from flows.sources import ivolatility_eod as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

HEADER = (
    "symbol,exchange,company_name,date,stock_price_close,option_symbol,option_expiration,strike,call/put,style,ask,bid,"
    "mean_price,settlement,iv,volume,open_interest,stock_price_for_iv,forward_price,isinterpolated,delta,vega,gamma,"
    "theta,rho"
)
WEEKLY = (
    "SPX,CBOE,S&P 500 Index (SPX),01/03/2011,1271.87,SPXW  110107C01270000,01/07/2011,1270.0,C,E,11.4,10.1,10.75,0.0,"
    "0.151,40,512,1271.87,1271.629,,0.54,0.5,0.01,-0.9,0.1"
)
MONTHLY = (
    "SPX,CBOE,S&P 500 Index (SPX),01/04/2011,1270.2,SPX   110122P01000000,01/21/2011,1000.0,P,E,0.05,0.0,0.0,0.0,"
    "-1.0,0,6454,1270.2,1269.9,*,0.0,0.0,0.0,0.0,0.0"
)


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER, end: str = "\n", mark: str = "") -> Reading:
    delivery = open_delivery("chain.csv", (mark + end.join([header, *lines, ""])).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"]


def test_the_ask_stands_before_the_bid(calendar: TradingCalendar) -> None:
    assert quotes(read(WEEKLY, calendar=calendar)).row(0, named=True) == {
        "session_date": date(2011, 1, 3),
        "root": "SPXW",
        "expiration": date(2011, 1, 7),
        "strike": 1270.0,
        "option_type": "call",
        "quote_ts": datetime(2011, 1, 3, 21, 15),
        "snapshot_kind": "close",
        "settlement_style": "pm",
        "bid": 10.1,
        "ask": 11.4,
        "bid_size": None,
        "ask_size": None,
        "last": None,
        "volume": 40,
        "open_interest": 512,
        "spot": 1271.87,
        "vendor_implied_vol": 0.151,
        "vendor_delta": 0.54,
        ROW_NUMBER: 1,
    }


def test_the_printed_expiration_counts_and_not_the_saturday_of_the_symbol(calendar: TradingCalendar) -> None:
    row = quotes(read(MONTHLY, calendar=calendar)).row(0, named=True)
    assert (row["root"], row["expiration"], row["settlement_style"]) == ("SPX", date(2011, 1, 21), "am")
    assert (row["bid"], row["vendor_implied_vol"], row["vendor_delta"]) == (0.0, None, None)


def test_one_file_holds_several_sessions(calendar: TradingCalendar) -> None:
    frame = quotes(read(WEEKLY, MONTHLY, calendar=calendar))
    assert frame["quote_ts"].to_list() == [datetime(2011, 1, 3, 21, 15), datetime(2011, 1, 4, 21, 15)]


def test_the_quarterly_class_is_rejected_line_by_line(calendar: TradingCalendar) -> None:
    quarterly = WEEKLY.replace("SPXW  110107C01270000,01/07/2011", "SPXPM 110331C01270000,03/31/2011")
    reading = read(WEEKLY, quarterly, calendar=calendar)
    assert (reading.n_lines, reading.n_rows, quotes(reading).height) == (2, 2, 1)
    assert reading.rejected.select(ROW_NUMBER, "rule", "session_date").rows() == [
        (2, "root_out_of_scope", date(2011, 1, 3))
    ]


def test_short_dates_a_byte_order_mark_and_lone_carriage_returns_are_read(calendar: TradingCalendar) -> None:
    short = WEEKLY.replace("01/03/2011", "1/3/11").replace("01/07/2011", "1/7/11")
    assert quotes(read(short, calendar=calendar, end="\r", mark="\ufeff")).equals(
        quotes(read(WEEKLY, calendar=calendar))
    )


def test_bid_and_ask_are_found_by_name_in_any_order(calendar: TradingCalendar) -> None:
    fields = list(zip(HEADER.split(","), WEEKLY.split(","), strict=True))[::-1]
    reading = read(",".join(v for _, v in fields), calendar=calendar, header=",".join(n for n, _ in fields))
    assert quotes(reading).select("bid", "ask").row(0) == (10.1, 11.4)


def test_a_bad_day_and_a_cut_line_are_rejected(calendar: TradingCalendar) -> None:
    reading = read(WEEKLY, WEEKLY.replace("01/03/2011", "13/13/2011"), WEEKLY[:80], calendar=calendar)
    assert reading.rejected.select(ROW_NUMBER, "rule", "session_date").rows() == [
        (2, "bad_date", date(1900, 1, 1)),
        (3, "unparseable_line", date(1900, 1, 1)),
    ]
    assert reading.n_rows == 3


def test_another_underlying_and_a_missing_column_are_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="quotes of SPY"):
        read(WEEKLY.replace("SPXW  ", "SPY   "), calendar=calendar)
    with pytest.raises(RefusedFile, match=r"missing \(ask\)"):
        read(WEEKLY, calendar=calendar, header=HEADER.replace(",ask,", ",offer,"))
