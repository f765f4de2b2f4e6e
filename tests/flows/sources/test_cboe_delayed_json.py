"""Cboe's delayed quotes as JSON."""

import json
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery, unusable
from flows.sources import cboe_delayed_json as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

CALL: dict[str, Any] = {
    "option": "SPXW230922C04400000", "bid": 21.4, "bid_size": 7.0, "ask": 21.9, "ask_size": 11.0, "iv": 0.1305,
    "open_interest": 812.0, "volume": 95.0, "delta": 0.4812, "gamma": 0.004, "theta": -1.2, "rho": 0.1, "vega": 1.7,
    "theo": 21.6, "change": 0.0, "open": 20.0, "high": 25.0, "low": 18.0, "tick": "up", "last_trade_price": 21.5,
    "last_trade_time": "2023-09-20T15:59:12", "percent_change": 0.0, "prev_day_close": 30.1,
}  # fmt: skip
PUT: dict[str, Any] = CALL | {
    "option": "SPXW230922P03000000", "bid": 0.0, "bid_size": 0.0, "ask": 0.0, "ask_size": 0.0, "iv": 0.0, "delta": 0.0,
    "open_interest": 3.0, "volume": 0.0, "last_trade_price": 0.0, "last_trade_time": None,
}  # fmt: skip


def payload(
    *options: object, timestamp: object = "2023-09-20 21:30:00", price: object = 4402.2, **data: object
) -> bytes:
    answer = {
        "timestamp": timestamp,
        "data": {"options": list(options), "symbol": "^SPX", "current_price": price} | data,
        "symbol": "_SPX",
    }
    return json.dumps(answer).encode()


def read(content: bytes, *, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("_SPX.json", content)
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"]


def test_a_record_is_a_row_with_sizes_and_the_index(calendar: TradingCalendar) -> None:
    reading = read(payload(CALL, PUT), calendar=calendar)
    assert (reading.n_lines, reading.n_rows, reading.unknown_columns) == (2, 2, ())
    call, put = quotes(reading).rows(named=True)
    assert call == {
        "session_date": date(2023, 9, 20),
        "root": "SPXW",
        "expiration": date(2023, 9, 22),
        "strike": 4400.0,
        "option_type": "call",
        "quote_ts": datetime(2023, 9, 20, 20, 15),
        "snapshot_kind": "close",
        "settlement_style": "pm",
        "bid": 21.4,
        "ask": 21.9,
        "bid_size": 7,
        "ask_size": 11,
        "last": 21.5,
        "volume": 95,
        "open_interest": 812,
        "spot": 4402.2,
        "vendor_implied_vol": 0.1305,
        "vendor_delta": 0.4812,
        ROW_NUMBER: 1,
    }
    assert (put["option_type"], put["strike"], put["bid"]) == ("put", 3000.0, 0.0)
    assert [put[name] for name in ("ask", "last", "vendor_implied_vol", "vendor_delta")] == [None] * 4


@pytest.mark.parametrize(
    ("timestamp", "session", "kind"),
    [
        ("2023-09-20 21:30:00", date(2023, 9, 20), "close"),  # 17:30 New York
        ("2023-09-20 15:00:00", date(2023, 9, 20), "intraday"),  # 11:00
        ("2023-09-21 03:17:42", date(2023, 9, 20), "non_regular"),  # 23:17 the day before, options trade overnight
        ("2023-09-23T12:00:00Z", date(2023, 9, 22), "close"),  # Saturday
    ],
)
def test_the_timestamp_is_utc_and_decides_the_session(
    timestamp: str, session: date, kind: str, calendar: TradingCalendar
) -> None:
    frame = quotes(read(payload(CALL | {"option": "VIX231018C00020000"}, timestamp=timestamp), calendar=calendar))
    assert frame.select("session_date", "snapshot_kind").rows() == [(session, kind)]


def test_vix_and_its_weeklies_are_read(calendar: TradingCalendar) -> None:
    weekly, monthly = CALL | {"option": "VIXW230927P00014500"}, CALL | {"option": "VIX231018C00020000"}
    frame = quotes(read(payload(weekly, monthly, price=15.14), calendar=calendar))
    assert frame.select("root", "strike", "option_type", "settlement_style", "spot").rows() == [
        ("VIXW", 14.5, "put", "am", 15.14),
        ("VIX", 20.0, "call", "am", 15.14),
    ]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        (CALL | {"option": "SPXW23"}, "bad_symbol"),
        (CALL | {"option": None}, "no_value"),
        ({}, "no_value"),
        ("SPXW230922C04400000", "no_value"),
        (CALL | {"bid": "many"}, "bad_number"),
        (CALL | {"bid": [1]}, "bad_number"),
        (CALL | {"volume": 1.5}, "bad_number"),
        (CALL | {"option": "NDX230922C04400000"}, "root_out_of_scope"),
        (CALL | {"option": "SPXW230919C04400000"}, "expired_before_session"),
    ],
)
def test_a_record_that_cannot_be_a_row_is_rejected(record: object, rule: str, calendar: TradingCalendar) -> None:
    reading = read(payload(CALL, record), calendar=calendar)
    assert (reading.n_lines, reading.n_rows, quotes(reading).height) == (2, 2, 1)
    assert reading.rejected.select(ROW_NUMBER, "rule").rows() == [(2, rule)]


def test_figures_given_as_text_or_as_no_number_are_read_alike(calendar: TradingCalendar) -> None:
    record = CALL | {"bid": "21.4", "volume": float("nan"), "delta": None}
    reading = read(payload(record), calendar=calendar)
    assert quotes(reading).select("bid", "volume", "vendor_delta").rows() == [(21.4, None, None)]


def test_an_unknown_key_is_kept_out_and_reported(calendar: TradingCalendar) -> None:
    reading = read(payload(CALL, CALL | {"exercise": "european"}), calendar=calendar)
    assert reading.unknown_columns == ("exercise",)


def test_without_the_index_spot_is_null_and_said(calendar: TradingCalendar) -> None:
    reading = read(payload(CALL, price=None), calendar=calendar)
    assert quotes(reading)["spot"].to_list() == [None]
    assert "spot is null" in " ".join(reading.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (payload(CALL)[:-40], "does not parse"),
        (payload(CALL, timestamp="yesterday"), "'yesterday' is no date and time"),
        (payload(CALL, timestamp=None), "None is no date and time"),
        (payload(CALL, timestamp="2050-01-01 00:00:00"), "has no session"),
        (payload(CALL, timestamp="0001-01-01 00:00:00"), "has no session"),
        (payload(CALL, timestamp="9999-12-31 23:59:59-05:00"), "is no date and time"),
        (payload(CALL | {"option": "RUT231020C01000000"}), "quotes of RUT; this program reads SPX, SPXW, VIX and VIXW"),
        (payload({key: value for key, value in CALL.items() if key != "bid"}), "none of 1 options has bid"),
        (b'{"data": {"options": []}, "note": {"option": 1}}', "no options under data.options"),
        (b'{"data": [], "options": {"option": 1}}', "no options under data.options"),
    ],
)
def test_an_answer_that_cannot_serve_is_refused(content: bytes, message: str, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=message):
        read(content, calendar=calendar)


def test_only_answers_with_options_are_recognized() -> None:
    assert not source.recognizes(open_delivery("error.json", b'{"error": "rate limit"}'))
    assert not unusable.recognizes(open_delivery("_SPX.json", payload(CALL)))
