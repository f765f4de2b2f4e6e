"""Files that cannot serve are recognized by their content and refused with what is missing."""

import io
import zipfile

import polars as pl
import pytest

from flows.sources import open_delivery, recognize
from flows.sources import unusable as source
from transforms.errors import RefusedFile, UnrecognizedFile
from transforms.sessions import TradingCalendar


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


NO_QUOTES = pl.DataFrame(
    {"occ_ticker": ["O:SPXW260504C05000000"], "last_quote_bid": [None], "last_quote_ask": [None]},
    schema={"occ_ticker": pl.String(), "last_quote_bid": pl.Float64(), "last_quote_ask": pl.Float64()},
)

CASES = [
    (
        "aggs.csv",
        b"ticker,volume,open,close,high,low,window_start,transactions\nO:SPX220617C04000000,2,9,8,9,8,165180960000,2\n",
        "no bid and no ask",
    ),
    (
        "snapshot.parquet",
        parquet(NO_QUOTES),
        "1 options with no quotes: every last_quote_bid and last_quote_ask is null",
    ),
    (
        "snapshot.parquet",
        parquet(NO_QUOTES.with_columns(last_quote_bid=pl.lit(1.0))),
        "parquet snapshots are not read",
    ),
    ("other.parquet", parquet(pl.DataFrame({"a": [1]})), "a parquet file of no vendor layout"),
    ("cut.parquet", parquet(NO_QUOTES)[:60], "the parquet file is damaged"),
    (
        "input.csv",
        b"id,snapshot_id,expiry,dte,strike,right,bid,ask,mark,last,iv\r\n1,9,2026-07-23,0,7210.0,C,1,2,1.5,,11\r\n",
        "no column names the root or the session",
    ),
    (
        "VIX_History.csv",
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        r"error answer .*AccessDenied",
    ),
    ("_SPX.json", b"\n<html><head><title>503 Service Unavailable</title></head></html>", "503 Service Unavailable"),
    ("_SPX.json", b'{"error": "rate limit exceeded"}', "rate limit exceeded"),
    (
        "VX.csv",
        b"# we have no history\ndate,initial,maintenance\n19900101,12000,9600\n",
        "margins are computed by rule",
    ),
    ("interest-rate.csv", b"DATE,PCREDIT8\n2003-01-09,2.25\n", "discount window rate"),
    (
        "symbols.csv",
        b"market,symbol,type,description,quote_currency,contract_multiplier\n\n#\ncfe,VX,future,x,USD,1000\n",
        "no prices",
    ),
    (
        "cfevoloi.csv",
        b"CFE data is compiled\nDate,VOLATILITY INDEX VOLUME,VOLATILITY INDEX OI\n\n3/26/2004,461,368\n",
        "volume and open interest",
    ),
    (
        "nyad.csv",
        b"Date,Open_NYMO,Close_NYMO,Open_NYAD,Close_NYAD\n2005-01-03,,,182.49,182.49\n",
        "not counts of advances and declines",
    ),
    (
        "20201230.csv",
        b"#expiry,strike,right,open,high,low,close,open_interest,implied_volatility\n20210115,3200,C,1,1,1,1,1,1\n",
        "no bid, no ask and no root",
    ),
    ("spx.csv", b"20210104 00:00,3764.61,3769.99,3662.71,3700.65,24599\n", "headless Lean series"),
    (
        "quote.csv",
        b"34200000,5649000,5668000,5629000,5641000,115,5708000,5710000,5683000,5691000,115\n",
        "times 10,000",
    ),
    ("openinterest.csv", b"23400000,1732\n", "headless Lean series"),
    ("sheet.xlsx", archive({"a.xml": b"<x/>", "b.xml": b"<y/>"}), "an Excel workbook"),
    ("outer.zip", archive({"inner.zip": archive({"a.csv": b"1", "b.csv": b"2"})}), "archive inside an archive"),
    (
        "notes.txt",
        b"Below is a list of files,\r\none with Calcs (IVs, Greeks)\r\n1) see: Sample_2016-06-01.zip\r\n",
        "without figures",
    ),
    ("meta.txt", b"snapshot_id      = 2482\nsnapshot_time    = 2026-07-23 19:59:32\n", "without figures"),
]


@pytest.mark.parametrize(("name", "content", "message"), CASES, ids=[f"{name}: {what}" for name, _, what in CASES])
def test_a_file_that_cannot_serve_is_refused_with_what_is_missing(
    name: str, content: bytes, message: str, calendar: TradingCalendar
) -> None:
    delivery = open_delivery(name, content)
    assert recognize(delivery) is source
    with pytest.raises(RefusedFile, match=message) as refusal:
        source.read(delivery, calendar=calendar)
    assert str(refusal.value).startswith(f"{delivery.name}: ")


def test_a_table_of_no_known_layout_is_left_unrecognized() -> None:
    for content in (b"when,level\n2020-01-02,5\n", b"a,b,c\n1,2,3\n", bytes(range(1, 256)) * 4):
        delivery = open_delivery("data.csv", content)
        assert not source.recognizes(delivery)
        with pytest.raises(UnrecognizedFile):
            recognize(delivery)
