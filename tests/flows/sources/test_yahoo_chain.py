"""Yahoo Finance chains: the session is that of the newest trade in the file."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery
from flows.sources import yahoo_chain as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

HEADER = (
    "contractSymbol,lastTradeDate,strike,lastPrice,bid,ask,change,percentChange,volume,openInterest,impliedVolatility,"
    "inTheMoney,contractSize,currency,option_type,expiration"
)
NEW = (
    "SPXW260202C06900000,2026-01-30 21:14:02+00:00,6900.0,51.3,50.1,51.0,-4.0,-0.1,6.0,31.0,0.1466,True,REGULAR,USD,"
    "call,2026-02-02"
)
OLD = (
    "SPX260320P04000000,2026-01-12 15:30:00+00:00,4000.0,2.5,0.0,0.0,0.0,0.0,,0.0,1.0000000000000003e-05,False,REGULAR,"
    "USD,put,2026-03-20"
)


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER) -> Reading:
    delivery = open_delivery("SPX_all.csv", "\r\n".join([header, *lines, ""]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"]


def test_all_lines_are_of_the_session_of_the_newest_trade(calendar: TradingCalendar) -> None:
    reading = read(OLD, NEW, calendar=calendar)
    columns = ["session_date", "quote_ts", "snapshot_kind", "root", "expiration", "strike", "option_type"]
    snapshot = (date(2026, 1, 30), datetime(2026, 1, 30, 21, 15), "close")
    assert quotes(reading).select(columns).rows() == [
        (*snapshot, "SPX", date(2026, 3, 20), 4000.0, "put"),
        (*snapshot, "SPXW", date(2026, 2, 2), 6900.0, "call"),
    ]
    figures = ["last", "bid", "ask", "volume", "open_interest", "spot", "vendor_implied_vol", "vendor_delta"]
    assert quotes(reading).select(figures).rows() == [
        (2.5, 0.0, None, None, 0, None, None, None),
        (51.3, 50.1, 51.0, 6, 31, None, 0.1466, None),
    ]
    assert reading.stamped_at is None
    assert "2026-01-30 21:14:02 UTC" in reading.notes[0]


def test_a_series_not_traded_for_a_month_is_not_taken_as_quoted_in_the_session(calendar: TradingCalendar) -> None:
    month, longer, never = (OLD.replace("2026-01-12", day) for day in ("2025-12-31", "2025-12-30", ""))
    reading = read(NEW, month, longer, never, calendar=calendar)

    assert quotes(reading).height == 2
    assert reading.rejected.select(ROW_NUMBER, "rule", "session_date").rows() == [
        (3, "dormant_series", date(2026, 1, 30)),
        (4, "dormant_series", date(2026, 1, 30)),
    ]
    assert reading.rejected["reason"][0] == (
        "last traded 2025-12-30 15:30:00+00:00, more than 30 days before the session 2026-01-30: the quote is probably "
        "as old"
    )
    assert (reading.n_lines, reading.n_rows) == (4, 4)


@pytest.mark.parametrize(
    ("newest", "session", "quote_ts", "kind"),
    [
        ("2026-01-30 16:00:00", date(2026, 1, 30), datetime(2026, 1, 30, 16, 0), "intraday"),  # 11:00 New York
        ("2026-01-30 20:59:59", date(2026, 1, 30), datetime(2026, 1, 30, 20, 59, 59), "intraday"),
        ("2026-01-30 21:00:00", date(2026, 1, 30), datetime(2026, 1, 30, 21, 15), "close"),  # 16:00
        ("2026-01-30 21:59:00", date(2026, 1, 30), datetime(2026, 1, 30, 21, 15), "close"),  # curb session
        ("2026-01-30 02:30:00", date(2026, 1, 29), datetime(2026, 1, 30, 2, 30), "non_regular"),  # overnight
        ("2025-11-28 18:10:00", date(2025, 11, 28), datetime(2025, 11, 28, 18, 15), "close"),  # half day
    ],
)
def test_the_newest_trade_says_whether_the_quotes_are_of_the_close(
    newest: str, session: date, quote_ts: datetime, kind: str, calendar: TradingCalendar
) -> None:
    frame = quotes(read(NEW.replace("2026-01-30 21:14:02", newest), calendar=calendar))
    assert frame.select("session_date", "quote_ts", "snapshot_kind").rows() == [(session, quote_ts, kind)]


def test_an_index_column_of_pandas_is_kept_out(calendar: TradingCalendar) -> None:
    reading = read("0," + NEW, calendar=calendar, header="," + HEADER)
    assert quotes(reading).height == 1


def test_lines_that_cannot_be_rows_are_rejected(calendar: TradingCalendar) -> None:
    reading = read(NEW, NEW.replace("50.1", "?"), NEW.replace(",6900.0", ",6901.0"), NEW[:50], calendar=calendar)
    assert reading.rejected.select(ROW_NUMBER, "rule", "session_date").rows() == [
        (2, "bad_number", date(2026, 1, 30)),
        (3, "symbol_mismatch", date(2026, 1, 30)),
        (4, "unparseable_line", date(2026, 1, 30)),
    ]
    assert (reading.n_lines, reading.n_rows) == (4, 4)


def test_files_that_cannot_serve_are_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="none of 1 lines has a lastTradeDate"):
        read(NEW.replace("2026-01-30 21:14:02+00:00", ""), calendar=calendar)
    with pytest.raises(RefusedFile, match="none of 1 lines has a lastTradeDate"):
        read(NEW.replace("2026-01-30 21:14:02", "0001-01-01 00:00:00"), calendar=calendar)
    with pytest.raises(RefusedFile, match="has no session"):
        read(NEW.replace("2026-01-30 21:14:02", "2056-01-31 21:14:02"), calendar=calendar)
    with pytest.raises(RefusedFile, match="quotes of AAPL"):
        read(NEW.replace("SPXW", "AAPL"), calendar=calendar)
    with pytest.raises(RefusedFile, match=r"missing \(option_type\)"):
        read(NEW, calendar=calendar, header=HEADER.replace("option_type", "kind"))
