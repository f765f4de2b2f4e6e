"""OCC symbols taken apart, and options assembled into rows of core.option_quote."""

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources import ROW_NUMBER, no_rejections
from flows.sources.delimited import Lines
from flows.sources.option_symbols import QUOTE_COLUMNS, quote_rows, stamped, symbol_parts
from transforms.errors import RefusedFile
from transforms.schemas import OPTION_QUOTE

GOOD: dict[str, str | None] = {
    "symbol": "SPXW230523C04150000",
    "expiration": "2023-05-23",
    "strike": "4150",
    "option_type": "C",
    "bid": "7.1",
    "ask": "7.4",
    "bid_size": "12",
    "ask_size": "9",
    "last": "7.2",
    "volume": "310",
    "open_interest": "44",
    "spot": "4145.5801",
    "vendor_implied_vol": "0.14",
    "vendor_delta": "0.46",
}


def assemble(
    *rows: dict[str, str | None], session: date | None = date(2023, 5, 23)
) -> tuple[pl.DataFrame, pl.DataFrame]:
    texts = pl.DataFrame(list(rows), schema={name: pl.String() for name in rows[0]}, orient="row")
    numbered = texts.with_columns(pl.Series(ROW_NUMBER, range(1, len(rows) + 1), dtype=pl.Int64()))
    lines = Lines(numbered, numbered, no_rejections(), len(rows), ())
    options = numbered.with_columns(
        pl.lit(session, dtype=pl.Date()).alias("session_date"),
        pl.lit(datetime(2023, 5, 23, 20, 15), dtype=pl.Datetime("us")).alias("quote_ts"),
        pl.lit("close").alias("snapshot_kind"),
    )
    return quote_rows(options, lines=lines, file_name="chain.csv", expiration_formats=("%Y-%m-%d",))


def test_an_option_becomes_a_typed_row_of_the_table() -> None:
    frame, rejected = assemble(GOOD)
    assert rejected.is_empty()
    assert frame.schema == {
        **{name: dtype for name, dtype in OPTION_QUOTE.polars_schema.items() if name != "source_sha256"},
        ROW_NUMBER: pl.Int64(),
    }
    assert frame.row(0, named=True) == {
        "session_date": date(2023, 5, 23),
        "root": "SPXW",
        "expiration": date(2023, 5, 23),
        "strike": 4150.0,
        "option_type": "call",
        "quote_ts": datetime(2023, 5, 23, 20, 15),
        "snapshot_kind": "close",
        "settlement_style": "pm",
        "bid": 7.1,
        "ask": 7.4,
        "bid_size": 12,
        "ask_size": 9,
        "last": 7.2,
        "volume": 310,
        "open_interest": 44,
        "spot": 4145.5801,
        "vendor_implied_vol": 0.14,
        "vendor_delta": 0.46,
        ROW_NUMBER: 1,
    }


@pytest.mark.parametrize(("root", "style"), [("SPX", "am"), ("SPXW", "pm"), ("VIX", "am"), ("VIXW", "am")])
def test_the_settlement_style_follows_the_root(root: str, style: str) -> None:
    frame, _ = assemble(GOOD | {"symbol": f"{root}230523C04150000"})
    assert frame["settlement_style"].to_list() == [style]


def test_zeros_that_mean_nothing_are_null_and_a_bid_of_zero_stays() -> None:
    nothing = {"bid": "0", "ask": "0.00", "last": "0", "spot": "0", "vendor_implied_vol": "0", "vendor_delta": "0"}
    frame, rejected = assemble(GOOD | nothing | {"volume": "0", "open_interest": "0", "bid_size": "0"})
    row = frame.row(0, named=True)
    assert rejected.is_empty()
    assert row["bid"] == 0.0
    assert (row["volume"], row["open_interest"], row["bid_size"]) == (0, 0, 0)
    for name in ("ask", "last", "spot", "vendor_implied_vol", "vendor_delta"):
        assert row[name] is None


def test_a_delta_of_zero_beside_a_vol_and_a_delta_beside_no_vol_are_kept() -> None:
    frame, _ = assemble(GOOD | {"vendor_delta": "0"}, GOOD | {"vendor_implied_vol": "-1", "strike": "4150.000"})
    assert frame["vendor_delta"].to_list() == [0.0, 0.46]
    assert frame["vendor_implied_vol"].to_list() == [0.14, None]


def test_figures_that_are_not_given_are_null() -> None:
    blank = dict.fromkeys(("bid", "ask", "bid_size", "last", "volume", "open_interest", "spot"))
    frame, rejected = assemble(GOOD | blank)
    assert rejected.is_empty()
    assert frame.select(list(blank)).row(0) == (None,) * len(blank)


@pytest.mark.parametrize("printed", ["nan", "NaN", "NULL", "None", "N/A"])
def test_a_printed_sign_of_a_missing_number_is_null(printed: str) -> None:
    frame, rejected = assemble(GOOD | {"volume": printed}, GOOD)
    assert rejected.is_empty()
    assert frame["volume"].to_list() == [None, 310]


@pytest.mark.parametrize(
    ("change", "rule", "quoted"),
    [
        ({"symbol": "SPXW230523X04150000"}, "bad_symbol", "SPXW230523X04150000"),
        ({"symbol": "SPXW230231C04150000"}, "bad_symbol", "SPXW230231C04150000"),
        ({"symbol": "SPX1821L1325"}, "bad_symbol", "SPX1821L1325"),
        ({"symbol": None}, "no_value", "symbol blank"),
        ({"expiration": None}, "no_value", "expiration blank"),
        ({"strike": None}, "no_value", "strike blank"),
        ({"option_type": None}, "no_value", "option type blank"),
        ({"symbol": "SPXPM230523C04150000"}, "root_out_of_scope", "SPXPM"),
        ({"symbol": "RUT230523C04150000"}, "root_out_of_scope", "RUT"),
        ({"expiration": "soon"}, "bad_date", "soon"),
        ({"option_type": "straddle"}, "bad_option_type", "straddle"),
        ({"bid": "7.1x"}, "bad_number", "bid '7.1x'"),
        ({"ask": "inf"}, "bad_number", "ask 'inf'"),
        ({"volume": "3.5"}, "bad_number", "volume '3.5'"),
        ({"strike": "4,150"}, "bad_number", "strike '4,150'"),
        ({"open_interest": "1e300"}, "bad_number", "open_interest '1e300'"),
        ({"strike": "4155"}, "symbol_mismatch", "strike 4155.0"),
        ({"option_type": "put"}, "symbol_mismatch", "put"),
        ({"expiration": "2023-05-24"}, "symbol_mismatch", "2023-05-24"),
        (
            {"symbol": "SPXW230522C04150000", "expiration": "2023-05-22"},
            "expired_before_session",
            "expired on 2023-05-22",
        ),
    ],
)
def test_an_option_that_cannot_be_a_row_is_rejected_with_its_value(
    change: dict[str, str | None], rule: str, quoted: str
) -> None:
    frame, rejected = assemble(GOOD, GOOD | change)
    assert frame[ROW_NUMBER].to_list() == [1]
    assert rejected["rule"].to_list() == [rule]
    assert quoted in rejected["reason"].item()
    assert rejected[ROW_NUMBER].to_list() == [2]
    assert rejected["session_date"].to_list() == [date(2023, 5, 23)]
    assert rejected["table_name"].to_list() == ["core.option_quote"]
    assert '"last":"7.2"' in rejected["row_json"].item()


def test_bounds_and_crossed_quotes_are_left_to_validation() -> None:
    frame, rejected = assemble(GOOD | {"bid": "9", "ask": "-1", "volume": "-3"}, GOOD, GOOD)
    assert rejected.is_empty()
    assert frame.select("bid", "ask", "volume").row(0) == (9.0, -1.0, -3)
    assert frame.height == 3


def test_an_option_without_a_readable_session_is_rejected() -> None:
    frame, rejected = assemble(GOOD, session=None)
    assert frame.is_empty()
    assert rejected.select("rule", "session_date").row(0) == ("bad_date", date(1900, 1, 1))


@pytest.mark.parametrize(
    ("symbol_day", "printed", "is_kept"),
    [
        ("110122", "2011-01-21", True),  # Saturday after the Friday
        ("140419", "2014-04-17", True),  # Good Friday: the Thursday before the Saturday
        ("110121", "2011-01-20", False),  # a Friday
        ("110122", "2011-01-19", False),
        ("110122", "2011-01-23", False),
    ],
)
def test_a_saturday_in_the_symbol_stands_for_the_trading_day_before(
    symbol_day: str, printed: str, is_kept: bool
) -> None:
    option = GOOD | {"symbol": f"SPX{symbol_day}C04150000", "expiration": printed}
    frame, rejected = assemble(option, session=date(2011, 1, 3))
    assert frame["expiration"].to_list() == ([date.fromisoformat(printed)] if is_kept else [])
    assert rejected["rule"].to_list() == ([] if is_kept else ["symbol_mismatch"])


def test_a_chain_of_another_underlying_is_refused_by_name() -> None:
    with pytest.raises(RefusedFile, match="quotes of SPY; this program reads SPX, SPXW, VIX and VIXW"):
        assemble(GOOD | {"symbol": "SPY230523C00415000"})


def test_each_session_gets_its_own_instant() -> None:
    days = pl.DataFrame({"session_date": [date(2023, 5, 23), None, date(2023, 5, 24), date(2023, 5, 23)]})
    frame = stamped(days, kind="close", instant=lambda day: datetime(day.year, day.month, day.day, 20, 15))
    assert [ts.day if ts else None for ts in frame["quote_ts"]] == [23, None, 24, 23]
    assert frame["snapshot_kind"].to_list() == ["close"] * 4


@given(
    root=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=6),
    expiration=st.dates(date(2010, 1, 1), date(2069, 12, 31)),
    side=st.sampled_from(["call", "put"]),
    strike=st.integers(1, 99_999_999),
    is_padded=st.booleans(),
)
def test_a_symbol_is_taken_apart_into_what_it_was_made_from(
    root: str, expiration: date, side: str, strike: int, is_padded: bool
) -> None:
    padded = root.ljust(6) if is_padded else root
    symbol = f"{padded}{expiration:%y%m%d}{side[0].upper()}{strike:08d}"
    parts = pl.DataFrame({"symbol": [symbol]}).select(symbol_parts("symbol")).row(0)
    assert parts == (root, expiration, side, pytest.approx(strike / 1000.0))


@given(st.text(max_size=24))
def test_no_text_breaks_the_symbol_parser(text: str) -> None:
    parts = pl.DataFrame({"symbol": [text]}).select(symbol_parts("symbol")).row(0)
    assert len(parts) == 4


def test_permuting_the_options_permutes_the_rows() -> None:
    options = [GOOD | {"symbol": f"SPXW230523C0{k}000", "strike": str(k)} for k in (4150, 4155, 4160)]
    forward, _ = assemble(*options)
    backward, _ = assemble(*reversed(options))
    key = list(OPTION_QUOTE.key)
    columns = [name for name in QUOTE_COLUMNS if name != ROW_NUMBER]
    assert forward.select(columns).sort(key).equals(backward.select(columns).sort(key))
