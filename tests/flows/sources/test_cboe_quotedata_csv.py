"""Cboe's quotedata CSV: date lines, sessions, damaged and foreign files."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery
from flows.sources import cboe_quotedata_csv as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

INDEX_LINE = "Standard & Poors 500 Index,Last: 4145.5801,Change:  -47.0499"
DATE_LINE = '"Date: May 23, 2023 at 7:39 PM EDT",Bid: 4133.9502,Ask: 4162.5498,Size: 1*1,Volume: 0'
HEADER = (
    "Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,"
    "Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest"
)
NEAR = (
    "Tue May 23 2023,SPXW230523C04150000,6.1,0.2,5.5,5.8,210,0.11,0.44,0.002,33,4150.00,"
    "SPXW230523P04150000,9.9,0,9.6,10.1,180,0.12,-0.55,0.002,61"
)
FAR = (
    "Fri Jun 16 2023,SPX230616C04200000,0,0,44.2,45.1,0,0.14,0.43,0.001,5000,4200.00,"
    "SPX230616P04200000,88.1,0,90.3,0,12,0,0,0,4100"
)


def payload(*lines: str, above: tuple[str, ...] = ("", INDEX_LINE, DATE_LINE), header: str = HEADER) -> bytes:
    return "\n".join([*above, header, *lines, ""]).encode()


def read(content: bytes, *, calendar: TradingCalendar, name: str = "quotedata.csv") -> Reading:
    delivery = open_delivery(name, content)
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"].sort(ROW_NUMBER)


def test_a_line_gives_a_call_and_a_put(calendar: TradingCalendar) -> None:
    reading = read(payload(NEAR, FAR), calendar=calendar)
    frame = quotes(reading)
    assert (reading.n_lines, reading.n_rows, reading.rejected.height) == (2, 4, 0)
    assert frame[ROW_NUMBER].to_list() == [2, 3, 4, 5]
    columns = ["root", "expiration", "strike", "option_type", "settlement_style", "last", "bid", "ask", "volume"]
    assert frame.select(columns).rows() == [
        ("SPXW", date(2023, 5, 23), 4150.0, "call", "pm", 6.1, 5.5, 5.8, 210),
        ("SPXW", date(2023, 5, 23), 4150.0, "put", "pm", 9.9, 9.6, 10.1, 180),
        ("SPX", date(2023, 6, 16), 4200.0, "call", "am", None, 44.2, 45.1, 0),
        ("SPX", date(2023, 6, 16), 4200.0, "put", "am", 88.1, 90.3, None, 12),
    ]
    assert frame.select("vendor_implied_vol", "vendor_delta", "open_interest").rows() == [
        (0.11, 0.44, 33),
        (0.12, -0.55, 61),
        (0.14, 0.43, 5000),
        (None, None, 4100),
    ]
    assert frame.select("bid_size", "ask_size").unique().rows() == [(None, None)]


def test_an_evening_download_holds_the_close(calendar: TradingCalendar) -> None:
    reading = read(payload(NEAR), calendar=calendar)
    stamps = quotes(reading).select("session_date", "quote_ts", "snapshot_kind", "spot").unique().rows()
    assert stamps == [(date(2023, 5, 23), datetime(2023, 5, 23, 20, 15), "close", 4145.5801)]
    assert reading.stamped_at == datetime(2023, 5, 23, 23, 39)


@pytest.mark.parametrize(
    ("date_line", "session", "kind"),
    [
        ('"Date: May 20, 2023 at 11:33 AM EDT",Bid: 1,Ask: 2', date(2023, 5, 19), "close"),  # Saturday
        ('"Date: May 29, 2023 at 11:33 AM EDT",Bid: 1,Ask: 2', date(2023, 5, 26), "close"),  # Memorial Day
        ("Date: 23 May 2023, 10:00 UTC\u22124,Bid: 1,Ask: 2", date(2023, 5, 23), "intraday"),
        ("Date: 23 May 2023, 16:31 GMT-4,Bid: 1,Ask: 2", date(2023, 5, 23), "non_regular"),  # curb
        ("Date: 23 мая 2023 г. в 19:39 GMT-4,Bid: 1,Ask: 2", date(2023, 5, 23), "close"),
        ('"Date: 23 de mayo de 2023, 07:10 GMT-4",Bid: 1,Ask: 2', date(2023, 5, 22), "non_regular"),
        ('"Date: 23.05.2023, 19:39",Bid: 1,Ask: 2', date(2023, 5, 23), "close"),
        ("Date: 24 May 2023, 01:39 GMT+2,Bid: 1,Ask: 2", date(2023, 5, 23), "close"),
    ],
)
def test_the_stamp_decides_the_session_and_the_kind(
    date_line: str, session: date, kind: str, calendar: TradingCalendar
) -> None:
    frame = quotes(read(payload(FAR, above=("", INDEX_LINE, date_line)), calendar=calendar))
    assert frame.select("session_date", "snapshot_kind").unique().rows() == [(session, kind)]


@pytest.mark.parametrize(
    "above",
    [
        ("", INDEX_LINE, DATE_LINE),
        ("---Example Data---", INDEX_LINE, DATE_LINE),
        ("," * 21, INDEX_LINE + "," * 19, DATE_LINE + "," * 17),
        (INDEX_LINE, DATE_LINE),
        ("", '"S&P 500 INDEX","Last: 4,145.5801",Change: -47', DATE_LINE),
        ("", "SP 500 INDEX,Last: 4145.5801,Change: 1", '"Date: May 23, 2023 at 7:39 PM EDT",Bid: 1,"Volume: 55,613"'),
    ],
)
def test_preambles_differ_and_say_the_same(above: tuple[str, ...], calendar: TradingCalendar) -> None:
    frame = quotes(read(payload(NEAR, above=above), calendar=calendar))
    assert frame.equals(quotes(read(payload(NEAR), calendar=calendar)))


def test_a_header_and_lines_padded_with_commas_by_excel_are_read(calendar: TradingCalendar) -> None:
    padded = payload(NEAR + ",,", FAR + ",,", "," * 23, header=HEADER + ",,")
    reading = read(padded, calendar=calendar)
    assert quotes(reading).height == 4


def test_an_index_level_that_is_missing_is_null_and_said(calendar: TradingCalendar) -> None:
    reading = read(payload(NEAR, above=("", "Standard & Poors 500 Index", DATE_LINE)), calendar=calendar)
    assert quotes(reading)["spot"].to_list() == [None, None]
    assert "spot is null" in " ".join(reading.notes)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(end: str, mark: bytes, calendar: TradingCalendar) -> None:
    content = mark + payload(NEAR, FAR).replace(b"\n", end.encode()) + end.encode() * 3
    assert quotes(read(content, calendar=calendar)).equals(quotes(read(payload(NEAR, FAR), calendar=calendar)))


def test_a_line_cut_in_the_middle_is_two_rejected_rows(calendar: TradingCalendar) -> None:
    reading = read(payload(NEAR, FAR[:40]), calendar=calendar)
    assert (reading.n_lines, reading.n_rows, quotes(reading).height) == (2, 4, 2)
    assert reading.rejected.select(ROW_NUMBER, "rule", "session_date").rows() == [
        (4, "unparseable_line", date(2023, 5, 23)),
        (5, "unparseable_line", date(2023, 5, 23)),
    ]


def test_series_that_expired_before_the_session_are_rejected(calendar: TradingCalendar) -> None:
    expired = NEAR.replace("Tue May 23 2023", "Mon May 22 2023").replace("230523", "230522")
    reading = read(payload(expired, FAR), calendar=calendar)
    assert reading.rejected["rule"].to_list() == ["expired_before_session"] * 2
    assert reading.rejected[ROW_NUMBER].to_list() == [2, 3]
    assert quotes(reading).height == 2


def test_a_bad_call_does_not_take_its_put_with_it(calendar: TradingCalendar) -> None:
    reading = read(payload(NEAR.replace("5.5,5.8", "5.5,?")), calendar=calendar)
    assert quotes(reading)["option_type"].to_list() == ["put"]
    assert reading.rejected.select(ROW_NUMBER, "rule", "reason").rows() == [
        (2, "bad_number", "ask '?' is not a number")
    ]
    assert reading.rejected["row_json"].item().startswith('{"expiration date":"Tue May 23 2023"')


def test_numeric_expirations_are_read_where_they_agree_with_the_symbol(calendar: TradingCalendar) -> None:
    reading = read(payload(FAR.replace("Fri Jun 16 2023", "16-06-23")), calendar=calendar)
    assert quotes(reading)["expiration"].unique().to_list() == [date(2023, 6, 16)]


def test_an_unknown_column_is_kept_out_and_reported(calendar: TradingCalendar) -> None:
    reading = read(payload(NEAR + ",7", header=HEADER + ",My Notes"), calendar=calendar)
    assert reading.unknown_columns == ("my notes",)
    assert quotes(reading).height == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (payload(NEAR.replace("SPXW23", "SPY23")), "quotes of SPY; this program reads SPX, SPXW, VIX and VIXW"),
        (payload(NEAR, above=()), "no line above the header gives the date"),
        (payload(NEAR, above=("", INDEX_LINE)), "no line above the header gives the date"),
        (payload(NEAR, above=("", INDEX_LINE, '"Date: 09/05/2023 4:31 PM EDT",Bid: 1')), "09/05/2023 4:31 PM EDT"),
        (payload(NEAR, above=("", INDEX_LINE, "Date: 23 wekhani 2023, 19:39,Bid: 1")), "23 wekhani 2023"),
        (payload(NEAR, above=("", INDEX_LINE, "Date: May 23 2050 7:39 PM,Bid: 1")), "has no session"),
        (payload(), "a header and no data lines"),
        (payload(NEAR, header=HEADER.replace("Bid", "Bidding", 1)), "bid of the calls"),
        (payload(NEAR, header=HEADER[: HEADER.rindex("IV")] + "X,Delta,Gamma,Open Interest"), "iv of the puts"),
        (payload(NEAR, header=HEADER.replace("Calls,Last Sale", "Calls,Sold", 1)), "last sale of the calls"),
    ],
)
def test_a_file_that_cannot_serve_is_refused(content: bytes, message: str, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=message) as refusal:
        read(content, calendar=calendar)
    assert str(refusal.value).startswith("quotedata.csv: ")


def test_the_name_of_a_file_does_not_replace_its_stamp(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match="session of its quotes is"):
        read(payload(NEAR, above=()), calendar=calendar, name="spx_quotedata_20230523T1939EDT.csv")


def test_other_layouts_are_not_recognized() -> None:
    for content in (
        HEADER.replace("Volume", "Vol").replace("Open Interest", "Open Int"),
        "expiration date,strike",
        '{"a":1}',
    ):
        assert not source.recognizes(open_delivery("x.csv", content.encode()))
