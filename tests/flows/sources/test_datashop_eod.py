"""DataShop Option EOD Summary: two snapshots a line, with and without calculated columns, and the old variant."""

from datetime import date, datetime

import polars as pl
import pytest

from flows.sources import ROW_NUMBER, Reading, open_delivery
from flows.sources import datashop_eod as source
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

CONTRACT = "underlying_symbol,quote_date,root,expiration,strike,option_type,open,high,low,close,trade_volume"
EARLY = "bid_size_1545,bid_1545,ask_size_1545,ask_1545,underlying_bid_1545,underlying_ask_1545"
CALCS = (
    "implied_underlying_price_1545,active_underlying_price_1545,implied_volatility_1545,delta_1545,gamma_1545,"
    "theta_1545,vega_1545,rho_1545"
)
CLOSE = (
    "bid_size_eod,bid_eod,ask_size_eod,ask_eod,underlying_bid_eod,underlying_ask_eod,vwap,open_interest,delivery_code"
)
QUOTES_HEADER = f"{CONTRACT},{EARLY},{CLOSE}"
CALCS_HEADER = f"{CONTRACT},{EARLY},{CALCS},{CLOSE}"
CONTRACT_CALL = "^VIX,2016-06-01,VIX,2016-06-15,15.000,C,0.9,1.1,0.8,1.0500,4100"
EARLY_CALL = "210,0.9500,330,1.0000,14.2400,14.2400"
CALCS_CALL = "0,15.05,0.9120,0.5010,0.1,-0.05,0.01,0.0"
CLOSE_CALL = "180,1.0000,90,1.1000,14.2000,14.2000,1.01,52000,"
CALL = f"{CONTRACT_CALL},{EARLY_CALL},{CLOSE_CALL}"
OLD_HEADER = ",".join(
    f'"{name}"' for name in [*f"{CONTRACT},{EARLY}".split(","), *CALCS.split(",")[1:], "open_interest"]
)
OLD_CALL = (
    '"^SPX",1/4/2016 0:00:00,"SPXW",1/8/2016 0:00:00,2000.00,"c",0.00,0.00,0.00,31.2,17,'
    "100,29.60,90,30.30,2003.82,2003.82,0.00,0.1510,0.5301,0.00,0.00,0.00,0.00,750"
)


def read(header: str, *lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("UnderlyingOptionsEODQuotes.csv", "\r\n".join([header, *lines, ""]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def quotes(reading: Reading) -> pl.DataFrame:
    return reading.frames["core.option_quote"].sort(ROW_NUMBER)


def test_a_line_gives_the_snapshot_before_the_close_and_the_close(calendar: TradingCalendar) -> None:
    reading = read(QUOTES_HEADER, CALL, calendar=calendar)
    assert (reading.n_lines, reading.n_rows, reading.rejected.height) == (1, 2, 0)
    columns = [
        ROW_NUMBER, "session_date", "root", "expiration", "strike", "option_type", "quote_ts", "snapshot_kind",
        "settlement_style", "bid", "ask", "bid_size", "ask_size", "open_interest", "spot",
    ]  # fmt: skip
    contract = (date(2016, 6, 1), "VIX", date(2016, 6, 15), 15.0, "call")
    assert quotes(reading).select(columns).rows() == [
        (2, *contract, datetime(2016, 6, 1, 19, 45), "eod_1545", "am", 0.95, 1.0, 210, 330, 52000, 14.24),
        (3, *contract, datetime(2016, 6, 1, 20, 15), "close", "am", 1.0, 1.1, 180, 90, 52000, 14.2),
    ]


def test_figures_of_the_whole_day_are_not_known_before_the_close(calendar: TradingCalendar) -> None:
    frame = quotes(read(QUOTES_HEADER, CALL, calendar=calendar))
    assert frame.select("snapshot_kind", "last", "volume").rows() == [("eod_1545", None, None), ("close", 1.05, 4100)]


def test_calculated_columns_belong_to_the_earlier_snapshot(calendar: TradingCalendar) -> None:
    line = f"{CONTRACT_CALL},{EARLY_CALL},{CALCS_CALL},{CLOSE_CALL}"
    reading = read(CALCS_HEADER, line, calendar=calendar)
    assert quotes(reading).select("vendor_implied_vol", "vendor_delta").rows() == [(0.912, 0.501), (None, None)]
    assert reading.unknown_columns == ()


def test_half_days_have_their_own_clocks(calendar: TradingCalendar) -> None:
    line = CALL.replace("2016-06-01", "2016-11-25").replace("2016-06-15", "2016-12-21")
    frame = quotes(read(QUOTES_HEADER, line, calendar=calendar))
    assert frame["quote_ts"].to_list() == [datetime(2016, 11, 25, 17, 45), datetime(2016, 11, 25, 18, 15)]


def test_several_sessions_in_one_file_keep_their_own_clocks(calendar: TradingCalendar) -> None:
    winter = CALL.replace("2016-06-01", "2016-01-04")
    frame = quotes(read(QUOTES_HEADER, CALL, winter, calendar=calendar)).filter(pl.col("snapshot_kind") == "close")
    assert frame["quote_ts"].to_list() == [datetime(2016, 6, 1, 20, 15), datetime(2016, 1, 4, 21, 15)]


def test_series_of_the_expiration_day_stay_with_their_zeros(calendar: TradingCalendar) -> None:
    zeros = "0,0.0000,0,0.0000,14.2400,14.2400,0,0.0000,0,0.0000,14.2000,14.2000,0.0000,6,"
    reading = read(QUOTES_HEADER, f"^VIX,2016-06-01,VIX,2016-06-01,10.000,P,0,0,0,0,0,{zeros}", calendar=calendar)
    assert quotes(reading).select("bid", "ask", "last", "option_type").rows() == [(0.0, None, None, "put")] * 2


@pytest.mark.parametrize(
    ("index", "spot"), [("14.2000,14.2000", 14.2), ("14.1,14.3", 14.2), ("0,14.2", None), ("14.2,0", None), (",", None)]
)
def test_the_index_is_the_mean_of_its_bid_and_ask(index: str, spot: float | None, calendar: TradingCalendar) -> None:
    line = f"{CONTRACT_CALL},{EARLY_CALL},180,1.0000,90,1.1000,{index},1.01,52000,"
    assert quotes(read(QUOTES_HEADER, line, calendar=calendar))["spot"].to_list()[1] == (
        None if spot is None else pytest.approx(spot)
    )


def test_the_old_variant_has_the_earlier_snapshot_only(calendar: TradingCalendar) -> None:
    reading = read(OLD_HEADER, OLD_CALL, OLD_CALL.replace('"c"', '"p"'), calendar=calendar)
    columns = ["session_date", "expiration", "option_type", "snapshot_kind", "quote_ts", "bid", "ask", "spot"]
    day, expiration, instant = date(2016, 1, 4), date(2016, 1, 8), datetime(2016, 1, 4, 20, 45)
    assert quotes(reading).select(columns).rows() == [
        (day, expiration, side, "eod_1545", instant, 29.6, 30.3, 2003.82) for side in ("call", "put")
    ]
    assert quotes(reading)[ROW_NUMBER].to_list() == [1, 2]
    assert quotes(reading).select("vendor_implied_vol", "vendor_delta").row(0) == (0.151, 0.5301)
    assert (reading.n_lines, reading.n_rows, reading.unknown_columns) == (2, 2, ())


def test_only_the_snapshot_with_the_bad_number_is_rejected(calendar: TradingCalendar) -> None:
    reading = read(QUOTES_HEADER, CALL.replace("180,1.0000", "180,one"), calendar=calendar)
    assert quotes(reading)["snapshot_kind"].to_list() == ["eod_1545"]
    assert reading.rejected.select(ROW_NUMBER, "rule", "reason").rows() == [
        (3, "bad_number", "bid 'one' is not a number")
    ]
    assert reading.n_rows == 2


def test_a_cut_line_and_a_bad_day_cost_both_snapshots(calendar: TradingCalendar) -> None:
    reading = read(QUOTES_HEADER, CALL, CALL.replace("2016-06-01", "June 1st"), CALL[:30], calendar=calendar)
    assert (reading.n_lines, reading.n_rows, quotes(reading).height) == (3, 6, 2)
    assert sorted(reading.rejected.select("rule", ROW_NUMBER).rows()) == [
        ("bad_date", 4), ("bad_date", 5), ("unparseable_line", 6), ("unparseable_line", 7),
    ]  # fmt: skip


def test_columns_may_come_in_any_order_and_unknown_ones_are_reported(calendar: TradingCalendar) -> None:
    pairs = list(zip([*QUOTES_HEADER.split(","), "note"], [*CALL.split(","), "x"], strict=True))[::-1]
    reading = read(",".join(name for name, _ in pairs), ",".join(value for _, value in pairs), calendar=calendar)
    assert reading.unknown_columns == ("note",)
    assert quotes(reading).equals(quotes(read(QUOTES_HEADER, CALL, calendar=calendar)))


def test_other_underlyings_are_refused_or_rejected(calendar: TradingCalendar) -> None:
    spy = CALL.replace("^VIX", "SPY").replace(",VIX,", ",SPY,")
    with pytest.raises(RefusedFile, match="quotes of SPY"):
        read(QUOTES_HEADER, spy, calendar=calendar)
    assert read(QUOTES_HEADER, CALL, spy, calendar=calendar).rejected["rule"].to_list() == ["root_out_of_scope"] * 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (QUOTES_HEADER.replace(",ask_eod,", ",offer_eod,"), r"missing \(ask_eod\)"),
        (QUOTES_HEADER.replace("strike", "k"), r"missing \(strike\)"),
        (QUOTES_HEADER.replace(",bid_eod,", ",buy_eod,"), r"missing \(bid_eod\)"),
    ],
)
def test_a_missing_column_is_named(header: str, message: str, calendar: TradingCalendar) -> None:
    with pytest.raises(RefusedFile, match=message):
        read(header, CALL, calendar=calendar)
