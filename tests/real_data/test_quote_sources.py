"""Every real option chain: rows, zero bids and sessions as the manifest of the vendor files states them.

The manifest counts quotes as calls plus puts, `zero bid` as bid = 0, `zero ask` as ask = 0 (null here: no offer) and
`both zero` as both; its counts were made by another parser.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows.sources import Reading, open_delivery, recognize
from transforms.errors import RefusedFile
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.real_data

OVERNIGHT = "non_regular"
CSV = "spx_options/cboe_quotedata_csv/spx_quotedata_{}.csv.gz"
DAT = "spx_options/cboe_quotedata_dat/spx_quotedata_{}.dat.gz"


@dataclass(frozen=True)
class Chain:
    """What the manifest says of a side-by-side chain; `lines` by root, a call and a put each."""

    path: str
    session: date
    lines: dict[str, int]
    zero_bid: int
    zero_ask: int
    both_zero: int
    kind: str = "close"


CHAINS = (
    Chain(CSV.format("20220205T2009EST"), date(2022, 2, 4), {"SPXW": 6489, "SPX": 3768}, 921, 12, 11),
    Chain(CSV.format("20220611T2047EDT"), date(2022, 6, 10), {"SPXW": 6382, "SPX": 3453}, 1287, 102, 102),
    Chain(CSV.format("20230405T1941EDT"), date(2023, 4, 5), {"SPXW": 6315, "SPX": 2895}, 17951, 17949, 17949),
    Chain(CSV.format("20230414T1912EDT"), date(2023, 4, 14), {"SPXW": 6137, "SPX": 2911}, 1146, 164, 152),
    Chain(CSV.format("20230416T2259EDT"), date(2023, 4, 14), {"SPXW": 6137, "SPX": 2911}, 1146, 164, 152, OVERNIGHT),
    Chain(CSV.format("20230417T2253EDT"), date(2023, 4, 17), {"SPXW": 6060, "SPX": 2911}, 1277, 289, 289, OVERNIGHT),
    Chain(CSV.format("20230506T2040EDT"), date(2023, 5, 5), {"SPXW": 5819, "SPX": 2861}, 699, 8, 0),
    Chain(CSV.format("20230520T1133EDT"), date(2023, 5, 19), {"SPX": 2875, "SPXW": 6088}, 1728, 858, 858),
    Chain(CSV.format("20230523T1939EDT"), date(2023, 5, 23), {"SPXW": 5986, "SPX": 2684}, 974, 192, 192),
    Chain(CSV.format("20230914T1631EDT"), date(2023, 9, 14), {"SPXW": 6817, "SPX": 3143}, 1480, 229, 228, OVERNIGHT),
    Chain(CSV.format("20240107T1052EST"), date(2024, 1, 5), {"SPXW": 7241, "SPX": 3278}, 1328, 132, 130),
    Chain(CSV.format("20250106T2126EST"), date(2025, 1, 6), {"SPXW": 3809, "SPX": 433}, 925, 0, 0, OVERNIGHT),
    Chain(DAT.format("20190513T0447ET"), date(2019, 5, 10), {"SPXW": 5082, "SPX": 1890}, 1263, 0, 0, OVERNIGHT),
    Chain(DAT.format("20200904T2049ET"), date(2020, 9, 4), {"SPXW": 6519, "SPX": 2850}, 925, 0, 0),
    Chain(
        "vix_options/cboe_quotedata_dat/vix_quotedata_20190829T0928ET.dat",
        date(2019, 8, 28), {"VIXW": 160, "VIX": 220},
        197, 19, 19, OVERNIGHT,
    ),
)  # fmt: skip


def read(path: Path, calendar: TradingCalendar) -> tuple[str, Reading]:
    delivery = open_delivery(path.name, path.read_bytes())
    source = recognize(delivery)
    return source.NAME, source.read(delivery, calendar=calendar)


def n_zero(frame: pl.DataFrame) -> tuple[int, int, int]:
    no_bid, no_ask = frame["bid"] == 0.0, frame["ask"].is_null()
    return int(no_bid.sum()), int(no_ask.sum()), int((no_bid & no_ask).sum())


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: Path(chain.path).name)
def test_a_chain_of_calls_and_puts_is_read_whole(chain: Chain, shared_data: Path, calendar: TradingCalendar) -> None:
    name, reading = read(shared_data / chain.path, calendar)
    frame = reading.frames["core.option_quote"]
    n_lines = sum(chain.lines.values())
    assert name == ("cboe_quotedata_dat" if ".dat" in chain.path else "cboe_quotedata_csv")
    assert (reading.n_lines, reading.n_rows, frame.height) == (n_lines, 2 * n_lines, 2 * n_lines)
    assert reading.rejected.is_empty()
    assert reading.unknown_columns == ()
    assert dict(frame.group_by("root").len().rows()) == {root: 2 * n for root, n in chain.lines.items()}
    assert dict(frame.group_by("option_type").len().rows()) == {"call": n_lines, "put": n_lines}
    assert n_zero(frame) == (chain.zero_bid, chain.zero_ask, chain.both_zero)
    assert frame.filter(pl.col("bid") > pl.col("ask")).is_empty()
    assert frame.select("root", "expiration", "strike", "option_type").is_duplicated().sum() == 0
    assert frame.select("session_date", "snapshot_kind").unique().rows() == [(chain.session, chain.kind)]


@pytest.mark.parametrize(
    ("path", "spot"),
    [
        (CSV.format("20230914T1631EDT"), 4505.1001),
        (CSV.format("20240107T1052EST"), 4697.2402),
        (DAT.format("20200904T2049ET"), 3426.96),
        ("vix_options/cboe_quotedata_dat/vix_quotedata_20190829T0928ET.dat", 18.34),
    ],
)
def test_the_index_is_the_one_of_the_preamble(
    path: str, spot: float, shared_data: Path, calendar: TradingCalendar
) -> None:
    frame = read(shared_data / path, calendar)[1].frames["core.option_quote"]
    assert frame["spot"].unique().to_list() == [spot]


def test_two_downloads_of_one_evening_differ_in_nothing_but_their_stamps(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    first, again = (
        read(shared_data / CSV.format(stamp), calendar)[1].frames["core.option_quote"]
        for stamp in ("20230414T1912EDT", "20230416T2259EDT")
    )
    assert first.drop("quote_ts", "snapshot_kind").equals(again.drop("quote_ts", "snapshot_kind"))


def test_an_am_and_a_pm_series_share_a_third_friday(shared_data: Path, calendar: TradingCalendar) -> None:
    frame = read(shared_data / CSV.format("20230914T1631EDT"), calendar)[1].frames["core.option_quote"]
    shared = frame.filter(pl.col("expiration") == date(2023, 10, 20))
    assert sorted(shared.group_by("root", "settlement_style").len().rows()) == [
        ("SPX", "am", 2 * 331),
        ("SPXW", "pm", 2 * 331),
    ]


def test_the_datashop_sample_gives_both_snapshots(shared_data: Path, calendar: TradingCalendar) -> None:
    path = shared_data / "vix_options/datashop/UnderlyingOptionsEODQuotes_2016-06-01.zip"
    name, reading = read(path, calendar)
    frame = reading.frames["core.option_quote"]
    assert name == "datashop_eod"
    assert (reading.n_lines, reading.n_rows, reading.rejected.height) == (724, 2 * 724, 0)
    assert frame["root"].unique().to_list() == ["VIX"]
    assert frame["expiration"].n_unique() == 10
    for kind, zero_bid, spot in (("eod_1545", 196, 14.24), ("close", 197, 14.2)):
        snapshot = frame.filter(pl.col("snapshot_kind") == kind)
        assert snapshot.height == 724
        assert n_zero(snapshot)[:2] == (zero_bid, 76)
        assert snapshot["spot"].unique().to_list() == [spot]


@pytest.mark.parametrize("day", [4, 5])
def test_the_old_livevol_samples_give_the_earlier_snapshot(
    day: int, shared_data: Path, calendar: TradingCalendar
) -> None:
    name, reading = read(shared_data / f"spx_options/datashop/test_cboe_2016010{day}.csv", calendar)
    frame = reading.frames["core.option_quote"]
    assert (name, reading.n_lines, reading.n_rows) == ("datashop_eod", 2, 2)
    assert frame.select("session_date", "root", "expiration", "strike", "snapshot_kind").unique().rows() == [
        (date(2016, 1, day), "SPXW", date(2016, 1, 8), 700.0, "eod_1545")
    ]


def test_the_ivolatility_sample_keeps_the_printed_expirations(shared_data: Path, calendar: TradingCalendar) -> None:
    name, reading = read(shared_data / "spx_options/ivolatility/spx_sample_ivolatility.csv.gz", calendar)
    frame = reading.frames["core.option_quote"]
    assert (name, reading.n_lines, reading.n_rows) == ("ivolatility_eod", 9832, 9832)
    assert sorted(frame["session_date"].unique()) == [date(2011, 1, day) for day in (3, 4, 5, 6, 7)]
    assert set(reading.rejected["rule"]) == {"root_out_of_scope"}
    assert reading.rejected["reason"].str.contains("SPXPM").all()
    assert frame.filter(pl.col("expiration").dt.weekday() == 6).is_empty()
    n_rejected_zero = reading.rejected["row_json"].str.contains('"bid":"0.0"').sum()
    n_rejected_without_ask = reading.rejected["row_json"].str.contains('"ask":"0.0"').sum()
    assert n_zero(frame)[0] + n_rejected_zero == 998
    assert n_zero(frame)[1] + n_rejected_without_ask == 1
    assert frame.filter(pl.col("bid") > pl.col("ask")).is_empty()


def test_the_deltaneutral_sample_holds_ninety_six_sessions(shared_data: Path, calendar: TradingCalendar) -> None:
    name, reading = read(shared_data / "spx_options/historicaloptiondata/test_data_options.csv", calendar)
    frame = reading.frames["core.option_quote"]
    assert (name, reading.n_lines, frame.height, reading.unknown_columns) == ("deltaneutral_eod", 392, 392, ("dte",))
    assert frame["session_date"].n_unique() == 96
    assert (frame["session_date"].min(), frame["session_date"].max()) == (date(2017, 1, 3), date(2017, 5, 19))
    assert frame["expiration"].n_unique() == 3
    assert n_zero(frame)[0] == 91


def test_the_yahoo_chain_is_of_its_newest_trade(shared_data: Path, calendar: TradingCalendar) -> None:
    name, reading = read(shared_data / "spx_options/yahoo/SPX_all_20260130.csv.gz", calendar)
    frame = reading.frames["core.option_quote"]
    assert (name, reading.n_lines, reading.n_rows) == ("yahoo_chain", 17107, 17107)
    # Counted in the file with the standard library: lines whose lastTradeDate is 2025-12-31 or later, and of those bid
    # or ask 0 and volume blank.
    assert frame.height == 15463 == 17107 - reading.rejected.height
    assert set(reading.rejected["rule"]) == {"dormant_series"}
    assert frame["expiration"].n_unique() == 54
    assert (frame["expiration"].min(), frame["expiration"].max()) == (date(2026, 2, 2), date(2031, 12, 19))
    assert n_zero(frame)[:2] == (794, 146)
    assert frame["volume"].null_count() == 1600
    # The one crossed quote of the manifest is of a series that last traded in November 2025.
    assert frame.filter(pl.col("bid") > pl.col("ask")).is_empty()
    assert frame.select("session_date", "snapshot_kind").unique().rows() == [(date(2026, 1, 30), "close")]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("spx_options/cboe_quotedata_csv/spy_quotedata_20250508T1657EDT.csv", "quotes of SPY"),
        ("spx_options/cboe_quotedata_csv/spy_quotedata_20250925T2105EDT.csv", "quotes of SPY"),
        ("spx_options/cboe_quotedata_dat/spy_quotedata_20200622T2042ET.dat.gz", "quotes of SPY"),
        ("spx_options/cboe_json/rut_quotedata_20230921T0317.json.gz", "quotes of RUT, RUTW"),
        ("spx_options/massive_polygon/SPX_snapshot_2026-05-04.parquet", "29,948 options with no quotes"),
        ("spx_options/massive_polygon/us_options_day_aggs_2022-05-06.csv.gz", "no bid and no ask"),
        ("spx_options/dashboard_snapshots/snapshot_2482_input.csv.gz", "no column names the root or the session"),
        ("spx_options/dashboard_snapshots/snapshot_2482_meta.txt", "a text without figures"),
        ("vix_options/datashop/OptionEODSummary_Sample_Description.txt", "a text without figures"),
        ("vix_white_paper/VIX_sample_data_2019paper.xlsx", "an Excel workbook"),
        ("vx_futures/cfevoloi.csv.gz", "no prices"),
        ("nyse_breadth/stockcharts_NYAD_NYMO.csv.gz", "not counts of advances and declines"),
        ("rates/lean_interest-rate.csv", "discount window rate"),
        ("lean/symbol-properties-database.csv.gz", "symbol properties"),
        ("lean/future/cfe/margins/VX.csv", "margin"),
        ("lean/future/cfe/margins/VXM.csv", "margin"),
    ],
)
def test_a_real_file_that_cannot_serve_is_refused_with_the_reason(
    path: str, message: str, shared_data: Path, calendar: TradingCalendar
) -> None:
    with pytest.raises(RefusedFile, match=message):
        read(shared_data / path, calendar)


def test_every_lean_sample_is_refused(shared_data: Path, calendar: TradingCalendar) -> None:
    files = sorted(path for path in (shared_data / "lean").rglob("*") if path.is_file())
    assert len(files) == 35
    for path in files:
        with pytest.raises(RefusedFile, match=r"Lean|data files|margin"):
            read(path, calendar)
