"""Every real file of the futures, index, rates, breadth and calendar layouts, against the counts of its manifest."""

import json
import re
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.sources import (
    ROW_NUMBER,
    Delivery,
    Reading,
    Source,
    bill_13_week,
    cfe_final_settlement,
    constituent_breadth,
    fomc_list,
    fred_series,
    index_history,
    macro_events,
    nyse_breadth,
    open_delivery,
    treasury_par_yield,
    vx_contract_current,
    vx_contract_legacy,
    vx_settlement_curve,
)
from transforms.schemas import BY_NAME
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.real_data

SOURCES: tuple[Source, ...] = (
    vx_contract_current,
    vx_contract_legacy,
    cfe_final_settlement,
    vx_settlement_curve,
    index_history,
    fred_series,
    treasury_par_yield,
    bill_13_week,
    nyse_breadth,
    constituent_breadth,
    fomc_list,
    macro_events,
)

# A line of the manifest's tables: file, rows, first and last session, what was seen.
MANIFEST_LINE = re.compile(r"^\| (\S+\.csv) \| (\d+) \| (\d{4}-\d\d-\d\d) \.\. (\d{4}-\d\d-\d\d) \|(.*)\|$")

# Both files print a settlement of 1.00 on this session, between settlements of 23 and 24; bounds are for validation.
PLACEHOLDERS = {"CFE_F09_VX.csv": [date(2008, 4, 21)], "CFE_G09_VX.csv": [date(2008, 4, 21)]}


@cache
def reading(path: Path) -> Reading:
    delivery = open_delivery(path.name, path.read_bytes())
    source = recognizer(delivery)
    return source.read(delivery, calendar=trading_calendar())


def recognizer(delivery: Delivery) -> Source:
    found = [source for source in SOURCES if source.recognizes(delivery)]
    assert len(found) == 1, f"{delivery.name}: recognized by {[source.NAME for source in found]}"
    return found[0]


def rows(path: Path, table: str) -> pl.DataFrame:
    return reading(path).frames[table]


def manifest_lines(shared_data: Path, pattern: str) -> list[tuple[str, int, date, date, str]]:
    text = (shared_data / "MANIFEST.md").read_text()
    found = [match.groups() for line in text.splitlines() if (match := MANIFEST_LINE.match(line))]
    return [
        (name, int(n_rows), date.fromisoformat(first), date.fromisoformat(last), seen)
        for name, n_rows, first, last, seen in found
        if re.match(pattern, name)
    ]


def seen_count(seen: str, what: str) -> int:
    found = re.search(rf"{what}\D{{0,2}}(\d+)", seen)
    return int(found.group(1)) if found else 0


def claimed(read: Reading) -> pl.DataFrame:
    """Session and raw volume of every line of a contract file, loaded or rejected."""
    loaded = read.frames["core.futures_settlement"].select(ROW_NUMBER, "session_date", "volume")
    volumes = [int(float(json.loads(text)["total volume"])) for text in read.rejected["row_json"]]
    refused = read.rejected.select(ROW_NUMBER, "session_date").with_columns(
        pl.Series("volume", volumes, dtype=pl.Int64)
    )
    return pl.concat([loaded, refused]).sort(ROW_NUMBER)


@pytest.mark.parametrize(
    ("folder", "pattern", "n_files", "n_lines"),
    [("current", r"VX_\d{4}-\d\d-\d\d\.csv", 290, 27_573), ("legacy", r"CFE_[A-Z]\d\d_VX\.csv", 104, 16_538)],
)
def test_every_vx_contract_has_the_lines_and_gaps_of_the_manifest(
    folder: str, pattern: str, n_files: int, n_lines: int, shared_data: Path
) -> None:
    listed = manifest_lines(shared_data, pattern)
    assert len(listed) == n_files
    assert sum(line[1] for line in listed) == n_lines
    for name, n_rows, first, last, seen in listed:
        read = reading(shared_data / "vx_futures" / folder / name)
        frame, lines = read.frames["core.futures_settlement"], claimed(read)
        assert read.n_lines == n_rows, name
        assert lines[ROW_NUMBER].to_list() == list(range(1, n_rows + 1)), name
        assert (lines["session_date"].min(), lines["session_date"].max()) == (first, last), name
        assert (lines["volume"] == 0).sum() == seen_count(seen, "zero-volume rows"), name
        assert set(read.rejected["rule"]) <= {"no_value", "spike"}, name
        without_settle = (
            read.rejected.filter(pl.col("rule") == "no_value").height + (frame["settle_source"] == "close").sum()
        )
        assert without_settle == seen_count(seen, "settle=0 x"), name
        duplicates = lines.height - lines["session_date"].n_unique()
        assert duplicates == seen_count(seen, "duplicate dates x"), name
        spikes = read.rejected.filter(pl.col("rule") == "spike")["session_date"]
        implausible = frame.filter(~pl.col("settle").is_between(8.0, 100.0))["session_date"]
        assert [*spikes, *implausible] == PLACEHOLDERS.get(name, []), name
        assert read.unknown_columns == (), name


def test_no_vx_row_keeps_bid_and_ask_as_high_and_low(shared_data: Path) -> None:
    frames = [rows(path, "core.futures_settlement") for path in sorted((shared_data / "vx_futures").glob("*/*VX*.csv"))]
    frame = pl.concat([frame for frame in frames if frame["settle_source"].ne("curve").all()])
    assert frame.filter(pl.col("high") < pl.col("low")).is_empty()
    untraded = frame.filter(pl.col("volume") == 0)
    assert untraded.select(pl.col("open", "high", "low", "close").count()).row(0) == (0, 0, 0, 0)
    assert untraded.height > 4000


def test_vx_levels_do_not_jump_where_the_scale_changes(shared_data: Path) -> None:
    paths = sorted((shared_data / "vx_futures/legacy").glob("*.csv"))
    settles = pl.concat([rows(path, "core.futures_settlement") for path in paths]).sort("expiration", "session_date")
    across = settles.filter(pl.col("session_date").is_in([date(2007, 3, 23), date(2007, 3, 26)]))
    change = across.group_by("expiration").agg(pl.col("settle").max() / pl.col("settle").min(), pl.len())
    both = change.filter(pl.col("len") == 2)
    assert both.height >= 5
    assert both["settle"].max() < 1.05  # type: ignore[operator]


def test_the_archive_agrees_with_the_contract_files(shared_data: Path) -> None:
    archive = reading(shared_data / "vx_futures/CFE_FinalSettlement_Archive.csv")
    assert archive.n_lines == 696
    assert archive.n_rows == 2 * 104
    values = archive.frames["core.settlement_value"].filter(pl.col("root") == "VX")
    paths = sorted((shared_data / "vx_futures/legacy").glob("*.csv"))
    printed = pl.concat(
        [frame for path in paths if (frame := reading(path).frames.get("core.settlement_value")) is not None]
    ).filter(pl.col("root") == "VX")
    both = values.join(printed, on="expiration", validate="1:1", suffix="_of_file")
    assert both.height == 100
    apart = both.filter((pl.col("value") - pl.col("value_of_file")).abs() > 1e-9)
    # The archive prints 120.34 where the contract's file prints 120.43.
    assert apart.select("expiration", "value", "value_of_file").rows() == [(date(2006, 2, 15), 12.034, 12.043)]


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("VIX_FUTURES_CURVE_fetched2026-07-15.csv", date(2026, 7, 15)),
        ("VIX_FUTURES_CURVE_fetched2026-07-17a.csv", date(2026, 7, 17)),
        ("VIX_FUTURES_CURVE_fetched2026-07-23a.csv", date(2026, 7, 22)),
    ],
)
def test_settlement_curves_hold_14_contracts_of_one_session(name: str, session: date, shared_data: Path) -> None:
    read = reading(shared_data / "vx_futures/daily_settlement" / name)
    frame = read.frames["core.futures_settlement"]
    assert (frame.height, read.n_lines, read.rejected.height) == (14, 14, 0)
    assert frame["session_date"].unique().to_list() == [session]
    assert frame["is_monthly"].sum() == 9


@pytest.mark.parametrize(
    ("name", "symbol", "n_rows", "first", "last"),
    [
        ("VIX_History.csv.gz", "VIX", 9234, date(1990, 1, 2), date(2026, 7, 22)),
        ("VVIX_History.csv", "VVIX", 5066, date(2006, 3, 6), date(2026, 7, 22)),
        ("VIX9D_History.csv", "VIX9D", 3909, date(2011, 1, 4), date(2026, 7, 22)),
        ("VIX3M_History.csv", "VIX3M", 4235, date(2009, 9, 18), date(2026, 7, 22)),
        ("SKEW_History.csv", "SKEW", 9189, date(1990, 1, 2), date(2026, 7, 22)),
        ("VIX6M_History.csv", "VIX6M", 4607, date(2008, 1, 2), date(2026, 4, 24)),
        ("SPX_History_yahoo_in_cboe_layout.csv.gz", "SPX", 24_746, date(1927, 12, 30), date(2026, 7, 9)),
        ("spx_daily_2019_2026.csv", "SPX", 1909, date(2019, 1, 2), date(2026, 8, 6)),
        ("legacy_vixcurrent.csv", "VIX", 3941, date(2004, 1, 2), date(2019, 8, 28)),
    ],
)
def test_index_histories_are_read_whole(
    name: str, symbol: str, n_rows: int, first: date, last: date, shared_data: Path
) -> None:
    read = reading(shared_data / "index_history" / name)
    frame = read.frames["core.index_level"]
    assert (frame.height, read.n_lines, read.rejected.height) == (n_rows, n_rows, 0)
    assert frame["symbol"].unique().to_list() == [symbol]
    assert (frame["session_date"].min(), frame["session_date"].max()) == (first, last)
    assert frame["close"].null_count() == 0


def test_the_known_contradictions_of_the_index_histories_are_null(shared_data: Path) -> None:
    vix = rows(shared_data / "index_history/VIX_History.csv.gz", "core.index_level")
    assert vix["open"].null_count() == 47
    opens = vix.filter(pl.col("session_date").is_in([date(2004, 11, 8), date(2006, 2, 8)]))
    assert opens["open"].to_list() == [None, None]
    vix6m = rows(shared_data / "index_history/VIX6M_History.csv", "core.index_level")
    assert vix6m.filter(pl.col("high").is_null())["session_date"].to_list() == [date(2019, 7, 5)]
    vvix = rows(shared_data / "index_history/VVIX_History.csv", "core.index_level")
    assert vvix.filter(pl.col("session_date") == date(2006, 3, 15))["close"].to_list() == [15.71]


def test_two_vendors_agree_on_vix_and_on_spx(shared_data: Path) -> None:
    folder = shared_data / "index_history"
    for one, other, n_common in (
        ("VIX_History.csv.gz", "legacy_vixcurrent.csv", 3900),
        ("SPX_History_yahoo_in_cboe_layout.csv.gz", "spx_daily_2019_2026.csv", 1880),
    ):
        both = rows(folder / one, "core.index_level").join(
            rows(folder / other, "core.index_level"), on="session_date", validate="1:1", suffix="_other"
        )
        assert both.height >= n_common
        near = ((pl.col("close") / pl.col("close_other") - 1).abs() < 1e-4).mean()
        assert both.select(near).item() > 0.99


@pytest.mark.parametrize(
    ("name", "n_lines", "n_rejected"), [("DGS2.csv", 8409, 347), ("DFF.csv", 11_773, 0), ("tbill13week.csv", 2419, 0)]
)
def test_rate_series_have_the_lines_and_blanks_of_the_manifest(
    name: str, n_lines: int, n_rejected: int, shared_data: Path
) -> None:
    read = reading(shared_data / "rates" / name)
    assert (read.n_lines, read.n_rows, read.rejected.height) == (n_lines, n_lines, n_rejected)
    assert read.frames["core.treasury_rate"]["par_yield"].is_between(-0.001, 0.08).all()


@pytest.mark.parametrize(("year", "n_lines", "n_tenors"), [(2021, 251, 12), (2022, 249, 13), (2023, 250, 13)])
def test_par_yield_curves_have_a_row_a_cell(year: int, n_lines: int, n_tenors: int, shared_data: Path) -> None:
    read = reading(shared_data / f"rates/daily-treasury-rates_{year}.csv")
    frame = read.frames["core.treasury_rate"]
    assert (read.n_lines, read.rejected.height, frame["tenor_days"].n_unique()) == (n_lines, 0, n_tenors)
    four_months = frame.filter(pl.col("tenor_days") == 122)
    if year == 2022:
        assert four_months["session_date"].min() == date(2022, 10, 19)
    assert frame.height == n_lines * (n_tenors - (n_tenors == 13)) + four_months.height


def test_fred_and_the_treasury_agree_on_the_two_year_yield(shared_data: Path) -> None:
    fred = rows(shared_data / "rates/DGS2.csv", "core.treasury_rate")
    curve = rows(shared_data / "rates/daily-treasury-rates_2023.csv", "core.treasury_rate")
    both = fred.join(curve, on=["session_date", "tenor_days"], validate="1:1", suffix="_curve")
    assert both.height == 250
    assert (both["par_yield"] == both["par_yield_curve"]).all()


def test_the_exchange_count_of_breadth(shared_data: Path) -> None:
    read = reading(shared_data / "nyse_breadth/nyse_breadth_first9.csv")
    frame = read.frames["core.market_breadth"]
    assert (frame.height, read.rejected.height) == (9, 0)
    issues = frame.select(pl.sum_horizontal("advances", "declines", "unchanged").alias("issues"))["issues"]
    assert dict(zip(frame["session_date"], issues, strict=True))[date(2026, 9, 30)] == 2697


def test_the_constituent_count_loses_its_partial_session(shared_data: Path) -> None:
    read = reading(shared_data / "nyse_breadth/advance_decline.csv.gz")
    assert (read.n_lines, read.n_rows) == (752, 752)
    assert read.rejected.select("session_date", "rule").rows() == [(date(2026, 6, 18), "partial_session")]
    assert read.frames["core.market_breadth"]["session_date"].min() == date(2023, 6, 21)
    assert read.unknown_columns == ()


def test_the_macro_calendar_loses_the_releases_filed_a_year_early(shared_data: Path) -> None:
    read = reading(shared_data / "calendars/macro_events.csv")
    frame = read.frames["core.economic_event"]
    assert read.n_lines == 2237
    assert read.n_rows == 3 * 323 + 223 + 9 + 211
    rejected = read.rejected
    assert set(rejected["rule"]) == {"ref_period_mismatch"}
    assert {date(2000, 1, 5), date(2000, 1, 12), date(2000, 1, 17)} <= set(rejected["session_date"])
    assert all(json.loads(text)["ref_period"].startswith("December") for text in rejected["row_json"])
    counts = dict(frame["event"].value_counts().rows())
    assert (counts["fomc_decision"], counts["fomc_intermeeting"], counts["fomc_minutes"]) == (223, 9, 211)
    releases = frame.filter(pl.col("event").is_in(["cpi", "ppi", "nfp"]))
    assert releases.group_by("event").agg(pl.col("event_date").n_unique() == pl.len())["event_date"].all()
    assert releases["event_ts"].dt.time().is_in([datetime(2000, 1, 1, h, 30).time() for h in (12, 13)]).all()
    assert frame.filter(pl.col("event_ts").is_null())["event"].unique().to_list() == ["fomc_intermeeting"]


def test_the_fomc_list_agrees_with_the_macro_calendar(shared_data: Path) -> None:
    listed = rows(shared_data / "calendars/fomc_days_2019_2026.csv", "core.economic_event")
    assert listed.height == 66
    macro = rows(shared_data / "calendars/macro_events.csv", "core.economic_event")
    listed_years = pl.col("event_date").dt.year().is_between(2019, 2026)
    decisions = macro.filter((pl.col("event") == "fomc_decision") & listed_years)
    ours = set(listed.filter(pl.col("event") == "fomc_decision")["event_date"])
    assert ours == set(decisions["event_date"])


def test_every_reading_fits_its_tables_and_loses_no_line(shared_data: Path, calendar: TradingCalendar) -> None:
    paths = [
        path
        for folder in ("vx_futures", "index_history", "rates", "nyse_breadth", "calendars")
        for path in sorted((shared_data / folder).rglob("*.csv*"))
    ]
    n_read = 0
    for path in paths:
        delivery = open_delivery(path.name, path.read_bytes())
        if not any(source.recognizes(delivery) for source in SOURCES):
            assert path.name in {"cfevoloi.csv.gz", "lean_interest-rate.csv", "stockcharts_NYAD_NYMO.csv.gz"}
            continue
        read = reading(path)
        for name, frame in read.frames.items():
            schema = {c: dtype for c, dtype in BY_NAME[name].polars_schema.items() if c != "source_sha256"}
            assert frame.schema == pl.Schema({**schema, ROW_NUMBER: pl.Int64()}), path.name
            required = [c.name for c in BY_NAME[name].columns if not c.nullable and c.name != "source_sha256"]
            assert sum(frame.select(required).null_count().row(0)) == 0, path.name
            numbers = frame.select(pl.col(pl.Float64))
            assert not any(numbers[column].is_nan().any() for column in numbers.columns), path.name
        n_read += 1
    assert n_read == 290 + 104 + 1 + 3 + 9 + 6 + 2 + 2


def test_a_contract_read_backwards_holds_the_same_rows(shared_data: Path, calendar: TradingCalendar) -> None:
    path = shared_data / "vx_futures/current/VX_2020-03-25.csv"
    header, *lines = path.read_text().splitlines()
    backwards = open_delivery(path.name, "\n".join([header, *reversed(lines)]).encode())
    read = vx_contract_current.read(backwards, calendar=calendar)
    key = ["session_date", "settle", "volume"]
    expected = rows(path, "core.futures_settlement").drop(ROW_NUMBER).sort(key)
    assert read.frames["core.futures_settlement"].drop(ROW_NUMBER).sort(key).equals(expected)
    assert expected.height - expected["session_date"].n_unique() == 2


def test_no_contract_trades_after_its_expiration(shared_data: Path) -> None:
    for path in sorted((shared_data / "vx_futures/current").glob("*.csv")):
        frame = rows(path, "core.futures_settlement")
        expiration = frame["expiration"].unique().item()
        assert frame["session_date"].max() <= expiration
        assert expiration - frame["session_date"].min() < timedelta(days=400)
