"""DeltaNeutral (historicaloptiondata.com) end-of-day chains."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery
from flows.sources import deltaneutral_eod as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

HEADER = (
    "underlying,underlying_last, exchange,optionroot,optionext,type,expiration,quotedate,strike,last,bid,ask,volume,"
    "openinterest,impliedvol,delta,gamma,theta,vega,optionalias"
)
CALL = (
    "SPX,2257.83,*,SPX170317C02250000,,call,2017-03-17,2017-01-03,2250,48.1,45.3,46.1,7,1200,0.1144,0.5267,0.0,34.0,"
    "0.0,SPX170317C02250000"
)
PUT = (
    "SPX,2270.75,*,SPX170317P00300000,,put,2017-03-17,2017-01-04,300,0.0,0.0,0.25,0,0,0.2327,0.0,0.0,0.0,0.0,"
    "SPX170317P00300000"
)


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER) -> Reading:
    delivery = open_delivery("options.csv", "\n".join([header, *lines, ""]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"]


def test_lines_of_several_sessions_are_closing_quotes(calendar: TradingCalendar) -> None:
    reading = read(CALL, PUT, calendar=calendar)
    columns = ["session_date", "quote_ts", "snapshot_kind", "root", "expiration", "strike", "option_type"]
    assert quotes(reading).select(columns).rows() == [
        (date(2017, 1, 3), datetime(2017, 1, 3, 21, 15), "close", "SPX", date(2017, 3, 17), 2250.0, "call"),
        (date(2017, 1, 4), datetime(2017, 1, 4, 21, 15), "close", "SPX", date(2017, 3, 17), 300.0, "put"),
    ]
    figures = ["last", "bid", "ask", "volume", "open_interest", "spot", "vendor_implied_vol", "vendor_delta"]
    assert quotes(reading).select(figures).rows() == [
        (48.1, 45.3, 46.1, 7, 1200, 2257.83, 0.1144, 0.5267),
        (None, 0.0, 0.25, 0, 0, 2270.75, 0.2327, 0.0),
    ]
    assert (reading.n_lines, reading.n_rows, reading.unknown_columns) == (2, 2, ())


def test_columns_of_the_user_are_reported(calendar: TradingCalendar) -> None:
    reading = read(CALL + ",73", calendar=calendar, header=HEADER + ",dte")
    assert reading.unknown_columns == ("dte",)


def test_slashed_dates_are_month_first(calendar: TradingCalendar) -> None:
    slashed = CALL.replace("2017-03-17", "3/17/2017").replace("2017-01-03", "01/03/2017")
    assert quotes(read(slashed, calendar=calendar)).equals(quotes(read(CALL, calendar=calendar)))


def test_lines_that_cannot_be_rows_are_rejected(calendar: TradingCalendar) -> None:
    late = CALL.replace("2017-01-03", "2017-03-20")
    reading = read(CALL, late, CALL.replace("45.3", "-"), CALL[:33], calendar=calendar)
    assert reading.rejected.select(ROW_NUMBER, "rule").rows() == [
        (2, "expired_before_session"),
        (3, "bad_number"),
        (4, "unparseable_line"),
    ]
    assert (reading.n_lines, reading.n_rows) == (4, 4)


def test_another_underlying_and_a_missing_column_are_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="quotes of AAPL"):
        read(CALL.replace("SPX", "AAPL"), calendar=calendar)
    with pytest.raises(RefusedFile, match=r"missing \(bid\)"):
        read(CALL, calendar=calendar, header=HEADER.replace(",bid,", ",buy,"))
