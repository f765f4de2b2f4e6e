"""VX contract files of the current layout: which contract, what a price of 0 means, what is refused."""

import gzip
from datetime import date

import polars as pl
import pytest

from flows.sources import Reading, open_delivery
from flows.sources import vx_contract_current as source
from flows.sources import vx_contract_legacy as legacy
from transforms.errors import RefusedFile
from transforms.schemas import FUTURES_SETTLEMENT, SETTLEMENT_VALUE
from transforms.sessions import TradingCalendar

HEADER = "Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"
TRADED = "2022-01-14,F (Jan 2022),20.1,21.3,19.9,20.8,20.75,0.4,1200,3,4500"
EXPIRY = "2022-01-19,F (Jan 2022),0,0,0,0,22.81,1.1,0,0,4400"


def read(*lines: str, calendar: TradingCalendar, name: str = "VX_2022-01-19.csv", header: str = HEADER) -> Reading:
    delivery = open_delivery(name, "\r\n".join([header, *lines, ""]).encode())
    assert source.recognizes(delivery)
    assert not legacy.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def settlements(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.futures_settlement"]


def test_a_traded_session_is_a_row(calendar: TradingCalendar) -> None:
    reading = read(TRADED, calendar=calendar)
    assert settlements(reading).rows(named=True) == [
        {
            "session_date": date(2022, 1, 14),
            "root": "VX",
            "expiration": date(2022, 1, 19),
            "is_monthly": True,
            "open": 20.1,
            "high": 21.3,
            "low": 19.9,
            "close": 20.8,
            "settle": 20.75,
            "settle_source": "settle",
            "volume": 1200,
            "open_interest": 4500,
            "source_row_number": 1,
        }
    ]
    assert reading.n_rows == reading.n_lines == 1


def test_frames_have_the_columns_and_types_of_their_tables(calendar: TradingCalendar) -> None:
    frames = read(TRADED, EXPIRY, calendar=calendar).frames
    for table in (FUTURES_SETTLEMENT, SETTLEMENT_VALUE):
        schema = {name: dtype for name, dtype in table.polars_schema.items() if name != "source_sha256"}
        assert frames[table.full_name].drop("source_row_number").schema == pl.Schema(schema)


def test_the_expiration_day_gives_what_vx_and_the_vix_options_settled_to(calendar: TradingCalendar) -> None:
    reading = read(TRADED, EXPIRY, calendar=calendar)
    values = reading.frames["core.settlement_value"]
    assert values.select("root", "expiration", "value", "source", "exact").rows() == [
        (root, date(2022, 1, 19), 22.81, "vx_file", True) for root in ("VX", "VIX", "VIXW")
    ]
    assert values["source_row_number"].n_unique() == 3
    assert reading.n_rows == 5


def test_a_weekly_settles_no_monthly_vix_options(calendar: TradingCalendar) -> None:
    line = "2020-03-25,H (Mar 2020),0,0,0,0,64.2,0,0,0,10"
    reading = read(line, calendar=calendar, name="VX_2020-03-25.csv")
    assert settlements(reading)["is_monthly"].to_list() == [False]
    assert reading.frames["core.settlement_value"]["root"].to_list() == ["VX", "VIXW"]


@pytest.mark.parametrize(
    ("expiration", "label", "is_monthly"),
    [
        ("2018-02-21", "G (Feb 2018)", False),
        ("2018-02-14", "G (Feb 2018)", True),
        ("2019-05-15", "K (May 2019)", False),
        ("2024-06-18", "M (Jun 2024)", True),
        ("2022-03-15", "H (Mar 2022)", True),
    ],
)
def test_the_date_in_the_name_tells_monthly_from_weekly(
    expiration: str, label: str, is_monthly: bool, calendar: TradingCalendar
) -> None:
    line = f"2018-01-03,{label},12,13,11,12,12.5,0,5,0,10"
    reading = read(line, calendar=calendar, name=f"VX_{expiration}.csv")
    assert settlements(reading)["is_monthly"].to_list() == [is_monthly]


def test_a_session_without_trades_has_no_traded_prices(calendar: TradingCalendar) -> None:
    reading = read("2021-11-04,F (Jan 2022),0.0000,18.9,19.4,0.0000,18.80,0,0,0,7", calendar=calendar)
    row = settlements(reading).row(0, named=True)
    assert [row[name] for name in ("open", "high", "low", "close", "settle")] == [None, None, None, None, 18.8]
    assert row["volume"] == 0


def test_a_zero_open_on_a_traded_session_is_none(calendar: TradingCalendar) -> None:
    row = settlements(read(TRADED.replace("20.1,", "0,"), calendar=calendar)).row(0, named=True)
    assert (row["open"], row["high"]) == (None, 21.3)


def test_the_close_stands_in_for_a_settle_of_zero(calendar: TradingCalendar) -> None:
    reading = read(TRADED.replace("20.75", "0"), calendar=calendar)
    assert settlements(reading).select("settle", "settle_source").row(0) == (20.8, "close")
    assert any("the close stands in" in note for note in reading.notes)


def test_a_close_on_the_expiration_day_is_no_settlement_value(calendar: TradingCalendar) -> None:
    reading = read("2022-01-19,F (Jan 2022),20,21,19,20.5,0,0,9,0,1", calendar=calendar)
    assert "core.settlement_value" not in reading.frames


@pytest.mark.parametrize(
    ("line", "rule", "quoted"),
    [
        ("2021-11-04,F (Jan 2022),0,18.9,19.4,0,0,0,0,0,7", "no_value", "settle 0"),
        ("2021-11-04,F (Jan 2022),0,18.9,19.4,0,,0,0,0,7", "no_value", "settle blank"),
        ("2021-11-04,F (Jan 2022),1,2,3,4,abc,0,9,0,7", "bad_number", "settle abc"),
        ("2021-11-04,F (Jan 2022),1,2,3,4,5,0,9.5,0,7", "bad_number", "volume 9.5"),
        ("2021-13-04,F (Jan 2022),1,2,3,4,5,0,9,0,7", "bad_date", "2021-13-04"),
        ("2021-11-04,G (Feb 2022),1,2,3,4,5,0,9,0,7", "label_mismatch", "G (Feb 2022)"),
        ("2021-11-04,G (Jan 2022),1,2,3,4,5,0,9,0,7", "label_mismatch", "G (Jan 2022)"),
        ("2022-01-20,F (Jan 2022),1,2,3,4,5,0,9,0,7", "label_mismatch", "after the expiration 2022-01-19"),
        ("2021-11-04,F (Jan 2022),1,2,3", "unparseable_line", "2021-11-04,F (Jan 2022),1,2,3"),
    ],
)
def test_a_line_that_cannot_be_a_settlement_is_rejected(
    line: str, rule: str, quoted: str, calendar: TradingCalendar
) -> None:
    reading = read(TRADED, line, calendar=calendar)
    assert reading.rejected.select("source_row_number", "table_name", "rule").rows() == [
        (2, "core.futures_settlement", rule)
    ]
    assert quoted in reading.rejected["reason"][0]
    assert reading.n_lines == reading.n_rows == 2


def test_without_a_date_in_the_name_the_last_session_decides_for_a_monthly(calendar: TradingCalendar) -> None:
    reading = read(TRADED, EXPIRY, calendar=calendar, name="vx_january.csv")
    assert settlements(reading)["expiration"].unique().to_list() == [date(2022, 1, 19)]


def test_without_a_date_in_the_name_an_unexpired_contract_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=r"rename the file to VX_YYYY-MM-DD\.csv"):
        read(TRADED, calendar=calendar, name="vx_january.csv")


def test_repeated_sessions_are_left_to_validation(calendar: TradingCalendar) -> None:
    assert settlements(read(TRADED, TRADED, calendar=calendar)).height == 2


def test_columns_may_come_in_another_order_and_a_new_one_is_reported(calendar: TradingCalendar) -> None:
    header = "Futures,Trade Date,Settle,Open,High,Low,Close,Change,Total Volume,EFP,Open Interest,Block"
    line = "F (Jan 2022),2022-01-14,20.75,20.1,21.3,19.9,20.8,0.4,1200,3,4500,1"
    moved = read(line, calendar=calendar, header=header)
    assert settlements(moved).equals(settlements(read(TRADED, calendar=calendar)))
    assert moved.unknown_columns == ("block",)


def test_a_missing_column_is_named(calendar: TradingCalendar) -> None:
    header = HEADER.replace(",Settle", "")
    with pytest.raises(RefusedFile, match=r"missing \(settle\)"):
        read("2022-01-14,F (Jan 2022),20.1,21.3,19.9,20.8,0.4,1200,3,4500", calendar=calendar, header=header)


def test_a_gzipped_file_keeps_the_expiration_of_its_name(calendar: TradingCalendar) -> None:
    payload = gzip.compress(f"{HEADER}\n{TRADED}\n".encode())
    reading = source.read(open_delivery("VX_2022-01-19.csv.gz", payload), calendar=calendar)
    assert settlements(reading)["expiration"].to_list() == [date(2022, 1, 19)]
