"""Every option-quote layout under damage: a file is read, refused or not recognized, and no row gets lost."""

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from flows.sources import ROW_NUMBER, Reading, Source, open_delivery, registry
from transforms.errors import RefusedFile
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import TradingCalendar

CHAIN_SIDE = "Last Sale,Net,Bid,Ask,{volume},IV,Delta,Gamma,{interest}"
SAMPLES: dict[str, str] = {
    "cboe_quotedata_csv": "\nS&P 500 INDEX,Last: 4145.58,Change: -47.0\n"
    '"Date: May 23, 2023 at 7:39 PM EDT",Bid: 4133.9,Ask: 4162.5,Size: 1*1,Volume: 0\n'
    f"Expiration Date,Calls,{CHAIN_SIDE},Strike,Puts,{CHAIN_SIDE}\n".format(volume="Volume", interest="Open Interest")
    + "Fri Jun 16 2023,SPX230616C04200000,1,0,44.2,45.1,0,0.14,0.43,0.001,50,4200.00,"
    "SPX230616P04200000,88.1,0,90.3,91,12,0.15,-0.5,0.001,41\n"
    "Fri Jun 16 2023,SPX230616C04300000,1,0,14.2,15.1,0,0.14,0.23,0.001,60,4300.00,"
    "SPX230616P04300000,98.1,0,99.3,99.9,12,0.15,-0.7,0.001,42\n",
    "cboe_quotedata_dat": "^VIX (CBOE Volatility Index),19.35,-1.01\nAug 28 2019 @ 17:10 ET,Bid,0,Ask,0,Size,0x0,Vol,\n"
    f"Expiration Date,Calls,{CHAIN_SIDE},Strike,Puts,{CHAIN_SIDE}\n".format(volume="Vol", interest="Open Int")
    + "09/04/2019,VIXW190904C00018500,2.1,0,1.9,2.2,4,1.1,0.6,0.1,30,18.500,VIXW190904P00018500,0,0,0,0,0,0,0,0,0\n",
    "cboe_delayed_json": '{"timestamp":"2023-09-20 21:30:00","data":{"options":[{"option":"SPXW230922C04400000",'
    '"bid":21.4,"bid_size":7.0,"ask":21.9,"ask_size":1.0,"iv":0.13,"open_interest":8.0,"volume":9.0,"delta":0.5,'
    '"last_trade_price":21.5,"last_trade_time":null}],"current_price":4402.2},"symbol":"_SPX"}\n',
    "datashop_eod": "underlying_symbol,quote_date,root,expiration,strike,option_type,open,high,low,close,trade_volume,"
    "bid_size_1545,bid_1545,ask_size_1545,ask_1545,underlying_bid_1545,underlying_ask_1545,bid_size_eod,bid_eod,"
    "ask_size_eod,ask_eod,underlying_bid_eod,underlying_ask_eod,vwap,open_interest,delivery_code\n"
    "^VIX,2016-06-01,VIX,2016-06-15,15.000,C,0.9,1.1,0.8,1.05,4100,210,0.95,330,1.0,14.24,14.24,180,1.0,90,1.1,14.2,"
    "14.2,1.01,52000,\n",
    "ivolatility_eod": "symbol,exchange,company_name,date,stock_price_close,option_symbol,option_expiration,strike,"
    "call/put,style,ask,bid,mean_price,settlement,iv,volume,open_interest,delta\n"
    "SPX,CBOE,S&P 500 Index (SPX),01/03/2011,1271.87,SPXW  110107C01270000,01/07/2011,1270.0,C,E,11.4,10.1,10.75,0.0,"
    "0.151,40,512,0.54\n",
    "deltaneutral_eod": "underlying,underlying_last, exchange,optionroot,optionext,type,expiration,quotedate,strike,"
    "last,bid,ask,volume,openinterest,impliedvol,delta\n"
    "SPX,2257.83,*,SPX170317C02250000,,call,2017-03-17,2017-01-03,2250,48.1,45.3,46.1,7,1200,0.1144,0.5267\n",
    "yahoo_chain": "contractSymbol,lastTradeDate,strike,lastPrice,bid,ask,volume,openInterest,impliedVolatility,"
    "option_type,expiration\n"
    "SPXW260202C06900000,2026-01-30 21:14:02+00:00,6900.0,51.3,50.1,51.0,6.0,31.0,0.1466,call,2026-02-02\n",
}
ROWS_PER_LINE = {"cboe_quotedata_csv": 2, "cboe_quotedata_dat": 2, "datashop_eod": 2}
BY_NAME_ONLY = ("datashop_eod", "ivolatility_eod", "deltaneutral_eod", "yahoo_chain")
SPOILERS = ('"', ",", "\n", "\r", "\x00", "\ufeff", "é", "1e999", "-", " ", "nan", "99999999999999999999", ";")


def source_of(name: str) -> Source:
    return registry()[name]


def read(name: str, content: bytes, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("chain.csv", content)
    assert source_of(name).recognizes(delivery)
    return source_of(name).read(delivery, calendar=calendar)


def outcome(name: str, content: bytes, calendar: TradingCalendar) -> Reading | str | None:
    """Return what is read, the message of a refusal, or None where the layout is not recognized any more."""
    try:
        delivery = open_delivery("chain.csv", content)
        return source_of(name).read(delivery, calendar=calendar) if source_of(name).recognizes(delivery) else None
    except RefusedFile as refusal:
        return str(refusal)


def assert_books_close(name: str, reading: Reading) -> None:
    """Every line is accounted for once, and what is not rejected has the table's types."""
    frame = reading.frames["core.option_quote"]
    assert reading.n_rows == reading.n_lines * ROWS_PER_LINE.get(name, 1)
    assert frame[ROW_NUMBER].n_unique() == frame.height
    assert not set(frame[ROW_NUMBER]) & set(reading.rejected[ROW_NUMBER])
    assert {n: t for n, t in frame.schema.items() if n != ROW_NUMBER} == {
        n: t for n, t in OPTION_QUOTE.polars_schema.items() if n != "source_sha256"
    }
    required = [c.name for c in OPTION_QUOTE.columns if not c.nullable and c.name != "source_sha256"]
    assert sum(frame.select(required).null_count().row(0)) == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_whole_and_by_one_source_only(name: str, calendar: TradingCalendar) -> None:
    delivery = open_delivery("chain.csv", SAMPLES[name].encode())
    assert [n for n, source in registry().items() if source.recognizes(delivery)] == [name]
    reading = read(name, SAMPLES[name].encode(), calendar)
    assert reading.rejected.is_empty()
    assert_books_close(name, reading)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "dress",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text + "\n\n \n",
        lambda text: text.rstrip("\n"),
    ],
    ids=["CRLF", "CR", "byte order mark", "blank lines", "no last line end"],
)
def test_line_ends_and_marks_change_nothing(name: str, dress: Callable[[str], str], calendar: TradingCalendar) -> None:
    plain = read(name, SAMPLES[name].encode(), calendar)
    dressed = read(name, dress(SAMPLES[name]).encode(), calendar)
    assert dressed.frames["core.option_quote"].equals(plain.frames["core.option_quote"])
    assert dressed.n_lines == plain.n_lines


@pytest.mark.parametrize("name", BY_NAME_ONLY)
def test_the_order_of_columns_changes_nothing(name: str, calendar: TradingCalendar) -> None:
    plain = read(name, SAMPLES[name].encode(), calendar).frames["core.option_quote"]
    table = [line.split(",") for line in SAMPLES[name].splitlines()]
    for seed in range(5):
        order = random.Random(seed).sample(range(len(table[0])), len(table[0]))
        shuffled = "\n".join(",".join(line[position] for position in order) for line in table)
        assert read(name, shuffled.encode(), calendar).frames["core.option_quote"].equals(plain)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_rejected_or_refused_and_never_a_crash(name: str, data: st.DataObject) -> None:
    text = SAMPLES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:position] + data.draw(st.sampled_from(("", *SPOILERS))) + text[position + cut :]
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(1, max(1, len(text))))]
    result = outcome(name, text.encode(), trading_calendar())
    if isinstance(result, Reading):
        assert_books_close(name, result)
    else:
        assert result is None or result.startswith("chain.csv: ")


@pytest.mark.parametrize("name", SAMPLES)
def test_bytes_that_are_no_utf8_do_not_crash(name: str, calendar: TradingCalendar) -> None:
    lines = SAMPLES[name].encode().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b"2", b"\xff\xfe", 1)
    result = outcome(name, b"".join(lines), calendar)
    if isinstance(result, Reading):
        assert_books_close(name, result)
    else:
        assert result is not None
        assert result.startswith("chain.csv: ")
