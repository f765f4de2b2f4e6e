"""Every real vendor file through the whole pipeline, against counts typed from MANIFEST.md."""

import gzip
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows import night
from flows.home import Home
from flows.settings import Settings
from flows.sources import SOURCE_MODULES
from tests.flows.small_home import new_home, published_rows
from tests.real_data.imported_home import NIGHT, NOW, imported_home, outcomes  # noqa: F401
from transforms.schemas import BOX_CURVE, BY_NAME, CURVE_DAILY, LANDED_FILE, OPTION_QUOTE, REJECTED_ROW, SIGNAL_DAILY

pytestmark = pytest.mark.real_data

# A chain: its source, session, lines, and of its quotes (two a line) those with bid 0, with ask 0, and with both 0.
CHAINS = {
    "spx_quotedata_20190513T0447ET.dat.gz": ("cboe_quotedata_dat", date(2019, 5, 10), 6972, 1263, 0, 0),
    "spx_quotedata_20200904T2049ET.dat.gz": ("cboe_quotedata_dat", date(2020, 9, 4), 9369, 925, 0, 0),
    "vix_quotedata_20190829T0928ET.dat": ("cboe_quotedata_dat", date(2019, 8, 28), 380, 197, 19, 19),
    "spx_quotedata_20220205T2009EST.csv.gz": ("cboe_quotedata_csv", date(2022, 2, 4), 10257, 921, 12, 11),
    "spx_quotedata_20220611T2047EDT.csv.gz": ("cboe_quotedata_csv", date(2022, 6, 10), 9835, 1287, 102, 102),
    "spx_quotedata_20230414T1912EDT.csv.gz": ("cboe_quotedata_csv", date(2023, 4, 14), 9048, 1146, 164, 152),
    "spx_quotedata_20230417T2253EDT.csv.gz": ("cboe_quotedata_csv", date(2023, 4, 17), 8971, 1277, 289, 289),
    "spx_quotedata_20230506T2040EDT.csv.gz": ("cboe_quotedata_csv", date(2023, 5, 5), 8680, 699, 8, 0),
    "spx_quotedata_20230520T1133EDT.csv.gz": ("cboe_quotedata_csv", date(2023, 5, 19), 8963, 1728, 858, 858),
    "spx_quotedata_20230523T1939EDT.csv.gz": ("cboe_quotedata_csv", date(2023, 5, 23), 8670, 974, 192, 192),
    "spx_quotedata_20230914T1631EDT.csv.gz": ("cboe_quotedata_csv", date(2023, 9, 14), 9960, 1480, 229, 228),
    "spx_quotedata_20240107T1052EST.csv.gz": ("cboe_quotedata_csv", date(2024, 1, 5), 10519, 1328, 132, 130),
    "spx_quotedata_20250106T2126EST.csv.gz": ("cboe_quotedata_csv", date(2025, 1, 6), 4242, 925, 0, 0),
}
ROOTS = {
    date(2019, 5, 10): {"SPXW": 5082, "SPX": 1890},
    date(2020, 9, 4): {"SPXW": 6519, "SPX": 2850},
    date(2019, 8, 28): {"VIXW": 160, "VIX": 220},
    date(2022, 2, 4): {"SPXW": 6489, "SPX": 3768},
    date(2023, 4, 14): {"SPXW": 6137, "SPX": 2911},
    date(2023, 5, 23): {"SPXW": 5986, "SPX": 2684},
    date(2023, 9, 14): {"SPXW": 6817, "SPX": 3143},
    date(2025, 1, 6): {"SPXW": 3809, "SPX": 433},
}
# Everything else but the VX contracts: source, lines, rows of core tables in them, rows rejected (None: counted below).
OTHERS = {
    "spx_quotedata_20230416T2259EDT.csv.gz": ("cboe_quotedata_csv", 9048, 2 * 9048, 0),
    "UnderlyingOptionsEODQuotes_2016-06-01.zip": ("datashop_eod", 724, 2 * 724, 0),
    "test_cboe_20160104.csv": ("datashop_eod", 2, 2, 0),
    "test_cboe_20160105.csv": ("datashop_eod", 2, 2, 0),
    "test_data_options.csv": ("deltaneutral_eod", 392, 392, 0),
    "spx_sample_ivolatility.csv.gz": ("ivolatility_eod", 9832, 9832, None),
    # 1,644 series had not traded for a month (counted by hand of csv); among them the one crossed quote.
    "SPX_all_20260130.csv.gz": ("yahoo_chain", 17107, 17107, 1644),
    # 104 VX rows, each the settlement of the future and of its options; the other products are not this program's.
    "CFE_FinalSettlement_Archive.csv": ("cfe_final_settlement", 696, 2 * 104, 0),
    "VIX_FUTURES_CURVE_fetched2026-07-15.csv": ("vx_settlement_curve", 14, 14, 0),
    "VIX_FUTURES_CURVE_fetched2026-07-17a.csv": ("vx_settlement_curve", 14, 14, 0),
    "VIX_FUTURES_CURVE_fetched2026-07-23a.csv": ("vx_settlement_curve", 14, 14, 0),
    "VIX_History.csv.gz": ("index_history", 9234, 9234, None),
    "VVIX_History.csv": ("index_history", 5066, 5066, None),
    "VIX9D_History.csv": ("index_history", 3909, 3909, 0),
    "VIX3M_History.csv": ("index_history", 4235, 4235, 0),
    "SKEW_History.csv": ("index_history", 9189, 9189, 0),
    "VIX6M_History.csv": ("index_history", 4607, 4607, 0),
    "SPX_History_yahoo_in_cboe_layout.csv.gz": ("index_history", 24746, 24746, 0),
    "spx_daily_2019_2026.csv": ("index_history", 1909, 1909, 0),
    "legacy_vixcurrent.csv": ("index_history", 3941, 3941, 0),
    "advance_decline.csv.gz": ("constituent_breadth", 752, 752, 1),
    "nyse_breadth_first9.csv": ("nyse_breadth", 9, 9, 0),
    # One row a cell: 12 tenors in 2021; the thirteenth, 4 months, on the last 50 sessions of 2022 and all of 2023.
    "daily-treasury-rates_2021.csv": ("treasury_par_yield", 251, 251 * 12, None),
    "daily-treasury-rates_2022.csv": ("treasury_par_yield", 249, 249 * 12 + 50, 0),
    "daily-treasury-rates_2023.csv": ("treasury_par_yield", 250, 250 * 13, None),
    "tbill13week.csv": ("bill_13_week", 2419, 2419, 0),
    "DGS2.csv": ("fred_series", 8409, 8409, None),
    "DFF.csv": ("fred_series", 11773, 11773, None),
    # cpi, ppi and nfp 323 each, 223 decisions, 9 intermeeting, 211 minutes; expiries and the like are not events here.
    "macro_events.csv": ("macro_events", 2237, 3 * 323 + 223 + 9 + 211, None),
    "fomc_days_2019_2026.csv": ("fomc_list", 66, 66, 0),
}
RANGES = {
    "VIX_History.csv.gz": (date(1990, 1, 2), date(2026, 7, 22)),
    "VVIX_History.csv": (date(2006, 3, 6), date(2026, 7, 22)),
    "VIX9D_History.csv": (date(2011, 1, 4), date(2026, 7, 22)),
    "VIX3M_History.csv": (date(2009, 9, 18), date(2026, 7, 22)),
    "SKEW_History.csv": (date(1990, 1, 2), date(2026, 7, 22)),
    "VIX6M_History.csv": (date(2008, 1, 2), date(2026, 4, 24)),
    "SPX_History_yahoo_in_cboe_layout.csv.gz": (date(1927, 12, 30), date(2026, 7, 9)),
    "legacy_vixcurrent.csv": (date(2004, 1, 2), date(2019, 8, 28)),
    "spx_daily_2019_2026.csv": (date(2019, 1, 2), date(2026, 8, 6)),
    # Its last line, 2026-06-18, is a partial session.
    "advance_decline.csv.gz": (date(2023, 6, 21), date(2026, 6, 17)),
    "nyse_breadth_first9.csv": (date(2026, 9, 25), date(2026, 10, 7)),
    "daily-treasury-rates_2021.csv": (date(2021, 1, 4), date(2021, 12, 31)),
    "daily-treasury-rates_2022.csv": (date(2022, 1, 3), date(2022, 12, 30)),
    "daily-treasury-rates_2023.csv": (date(2023, 1, 3), date(2023, 12, 29)),
    "tbill13week.csv": (date(2005, 1, 3), date(2014, 8, 15)),
    "DGS2.csv": (date(1994, 1, 3), date(2026, 3, 26)),
    "spx_sample_ivolatility.csv.gz": (date(2011, 1, 3), date(2011, 1, 7)),
    "test_data_options.csv": (date(2017, 1, 3), date(2017, 5, 19)),
    "UnderlyingOptionsEODQuotes_2016-06-01.zip": (date(2016, 6, 1), date(2016, 6, 1)),
    "SPX_all_20260130.csv.gz": (date(2026, 1, 30), date(2026, 1, 30)),
}
# What cannot serve, and what its refusal must say.
REFUSED = {
    "spy_quotedata_20250508T1657EDT.csv": "quotes of SPY",
    "spy_quotedata_20250925T2105EDT.csv": "quotes of SPY",
    "spy_quotedata_20200622T2042ET.dat.gz": "quotes of SPY",
    "rut_quotedata_20230921T0317.json.gz": "quotes of RUT",
    "SPX_snapshot_2026-05-04.parquet": "29,948 options with no quotes",
    "us_options_day_aggs_2022-05-06.csv.gz": "no bid and no ask",
    "snapshot_2482_input.csv.gz": "no column names the root or the session",
    "snapshot_2482_meta.txt": "nothing to import",
    "OptionEODSummary_Sample_Description.txt": "nothing to import",
    "VIX_sample_data_2019paper.xlsx": "Excel workbook",
    "cfevoloi.csv.gz": "no prices",
    "stockcharts_NYAD_NYMO.csv.gz": "not counts of advances and declines",
    "lean_interest-rate.csv": "dates of change only",
    "symbol-properties-database.csv.gz": "no prices",
    "VX.csv": "margin requirements",
    "VXM.csv": "margin requirements",
    "MANIFEST.md": "",
    "LAYOUTS.md": "",
}
N_LEAN_FILES = 34 + 1
N_FILES = 486 + 2
ZEROED = "spx_quotedata_20230405T1941EDT.csv.gz"
DOWNLOADED_AGAIN = "spx_quotedata_20230416T2259EDT.csv.gz"
# The manifest: settle 0 on every line, and a line without volume; that is the last one, so nothing is left of it.
WITHOUT_LAST_LINE = {"VX_2013-01-16.csv", "VX_2013-03-20.csv", "VX_2013-04-17.csv"}
MANIFEST_LINE = re.compile(r"^\| ((?:VX_|CFE_)\S+\.csv) \| (\d+) \| (\d{4}-\d\d-\d\d) \.\. (\d{4}-\d\d-\d\d) \|")


@pytest.fixture(scope="module")
def landed(imported_home: Home) -> dict[str, dict[str, Any]]:  # noqa: F811
    rows = published_rows(imported_home.published, LANDED_FILE).to_dicts()
    assert len({row["name"] for row in rows}) == len(rows)
    return {row["name"]: row for row in rows}


@pytest.fixture(scope="module")
def rejected(imported_home: Home) -> pl.DataFrame:  # noqa: F811
    names = published_rows(imported_home.published, LANDED_FILE).select(pl.col("sha256").alias("source_sha256"), "name")
    return published_rows(imported_home.published, REJECTED_ROW).join(names, on="source_sha256", validate="m:1")


@pytest.fixture(scope="module")
def quotes(imported_home: Home) -> pl.DataFrame:  # noqa: F811
    return published_rows(imported_home.published, OPTION_QUOTE)


def test_every_file_is_accounted_for(
    landed: dict[str, dict[str, Any]],
    outcomes: list[dict[str, Any]],  # noqa: F811
    shared_data: Path,
) -> None:
    assert len(outcomes) == N_FILES == sum(path.is_file() for path in shared_data.rglob("*"))
    contracts = {name for name in landed if re.fullmatch(r"(VX_.+|CFE_.\d\d_VX)\.csv", name)}
    assert len(contracts) == 290 + 104
    assert landed.keys() - contracts == {*CHAINS, *OTHERS, ZEROED}
    for row in landed.values():
        assert row["n_rows"] == row["n_loaded"] + row["n_rejected"], row["name"]
        assert row["n_loaded"] >= row["n_superseded"], row["name"]


def test_what_cannot_serve_is_refused_with_what_is_missing(outcomes: list[dict[str, Any]]) -> None:  # noqa: F811
    refused = [(entry["name"], entry["reason"]) for entry in outcomes if entry["outcome"] == "refused"]
    reasons = {name: reason for name, reason in refused if name in REFUSED}
    assert reasons.keys() == REFUSED.keys()
    assert all(REFUSED[name] in reason for name, reason in reasons.items()), reasons
    assert all(len(reason) > 30 for _, reason in refused)
    others = [(name, reason) for name, reason in refused if name not in {*REFUSED, ZEROED}]
    # Three of Lean's files are named above.
    assert len(others) == N_LEAN_FILES - 3
    assert all("Lean" in reason or "data files, expected 1" in reason for _, reason in others), others


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_loaded_whole_into_the_session_it_belongs_to(
    name: str, landed: dict[str, dict[str, Any]], quotes: pl.DataFrame
) -> None:
    source, session, n_lines, n_zero_bid, n_zero_ask, n_both_zero = CHAINS[name]
    row = landed[name]
    assert (row["source"], row["outcome"]) == (source, "loaded")
    assert (row["first_session"], row["last_session"]) == (session, session)
    assert (row["n_lines"], row["n_rows"], row["n_loaded"], row["n_superseded"]) == (
        n_lines,
        2 * n_lines,
        2 * n_lines,
        0,
    )
    own = quotes.filter(pl.col("source_sha256") == row["sha256"])
    assert own.height == 2 * n_lines
    assert own.filter(pl.col("bid") == 0).height == n_zero_bid
    assert own["ask"].null_count() == n_zero_ask
    assert own.filter(pl.col("bid") == 0, pl.col("ask").is_null()).height == n_both_zero
    assert own.filter(pl.col("bid") > pl.col("ask")).is_empty()
    if session in ROOTS:
        counts = dict(own.group_by("root").len().rows())
        assert counts == {root: 2 * n for root, n in ROOTS[session].items()}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_hold_the_lines_of_the_manifest(name: str, landed: dict[str, dict[str, Any]]) -> None:
    source, n_lines, n_rows, n_rejected = OTHERS[name]
    row = landed[name]
    assert (row["source"], row["n_lines"], row["n_rows"]) == (source, n_lines, n_rows)
    if n_rejected is not None:
        assert row["n_rejected"] == n_rejected
    if name in RANGES:
        assert (row["first_session"], row["last_session"]) == RANGES[name]


def test_every_vx_contract_has_the_lines_of_the_manifest(landed: dict[str, dict[str, Any]], shared_data: Path) -> None:
    lines = (shared_data / "MANIFEST.md").read_text().splitlines()
    listed = [match.groups() for line in lines if (match := MANIFEST_LINE.match(line))]
    assert len(listed) == 290 + 104
    for name, n_lines, first, last in listed:
        row = landed[name]
        assert row["source"] == ("vx_contract_current" if name.startswith("VX_") else "vx_contract_legacy")
        assert row["n_lines"] == int(n_lines), name
        # Beyond one row a line, an expired contract gives the settlement values of the future and its options.
        assert row["n_rows"] - row["n_lines"] in {0, 2, 3}, name
        assert date.fromisoformat(first) <= row["first_session"] <= date.fromisoformat(first) + timedelta(days=40), name
        if name in WITHOUT_LAST_LINE:
            assert row["last_session"] == date.fromisoformat(last) - timedelta(days=1), name
            continue
        assert row["last_session"] == date.fromisoformat(last), name
        if name.startswith("VX_"):
            expired = name.removeprefix("VX_").removesuffix(".csv") == last
            assert (row["n_rows"] > row["n_lines"]) == expired, name


def test_rows_are_rejected_for_the_reasons_the_manifest_names(rejected: pl.DataFrame, shared_data: Path) -> None:
    counts = {
        (name, rule): n
        for name, rule, n in rejected.group_by("name", "rule").agg(pl.col("source_row_number").n_unique()).rows()
    }
    assert counts["DGS2.csv", "no_value"] == 347
    assert counts["VX_2020-03-25.csv", "duplicate_row"] == 2
    assert counts["SPX_all_20260130.csv.gz", "dormant_series"] == 1644
    assert counts["advance_decline.csv.gz", "partial_session"] == 1
    bad_vvix = rejected.filter(pl.col("name") == "VVIX_History.csv")
    assert date(2006, 3, 15) in bad_vvix["session_date"]
    with gzip.open(shared_data / "spx_options/ivolatility/spx_sample_ivolatility.csv.gz", "rt") as stream:
        n_other_root = sum(",SPXPM" in line for line in stream)
    assert counts["spx_sample_ivolatility.csv.gz", "root_out_of_scope"] == n_other_root > 1000
    early = rejected.filter(pl.col("rule") == "ref_period_mismatch")["session_date"]
    assert {date(2000, 1, 5), date(2000, 1, 12), date(2000, 1, 17)} <= set(early)


def test_no_row_is_rejected_as_outside_a_session_on_a_day_the_index_traded(
    rejected: pl.DataFrame, shared_data: Path
) -> None:
    with gzip.open(shared_data / "index_history/SPX_History_yahoo_in_cboe_layout.csv.gz", "rt") as stream:
        traded = {f"{line[6:10]}-{line[:5].replace('/', '-')}" for line in stream}
    days = rejected.filter(pl.col("rule") == "not_a_session")["session_date"].unique()
    assert "2023-05-23" in traded
    assert len(days) > 3000
    assert not [day for day in days if day.isoformat() in traded]


def test_every_layout_loads_except_the_one_without_a_usable_real_file(landed: dict[str, dict[str, Any]]) -> None:
    loading = {row["source"] for row in landed.values() if row["n_loaded"] > 0}
    stated_by_the_user = {"account_state", "held_position", "settlement_value"}
    assert loading == set(SOURCE_MODULES) - {"cboe_delayed_json", "unusable"} - stated_by_the_user


def test_the_delayed_quotes_layout_loads_where_the_index_is_spx(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "spx_options/cboe_json/rut_quotedata_20230921T0317.json.gz", "rt") as stream:
        text = stream.read()
    path = tmp_path / "_SPX.json"
    path.write_text(
        text.replace('"RUTW2', '"SPXW2').replace('"RUT2', '"SPX2').replace("_RUT", "_SPX").replace("^RUT", "^SPX")
    )
    home = new_home(tmp_path / "home")
    result = night.import_files(home, paths=[path], settings=Settings(), now=NOW)
    (row,) = published_rows(home.published, LANDED_FILE).to_dicts()
    assert (row["source"], row["n_lines"], row["n_rows"]) == ("cboe_delayed_json", 6680, 6680), result.ingested
    own = published_rows(home.published, OPTION_QUOTE)
    assert own["session_date"].unique().to_list() == [date(2023, 9, 20)]
    assert own.filter(pl.col("bid") == 0).height == 1138
    assert own["ask"].null_count() == 0


def test_the_zeroed_chain_is_refused_and_the_second_download_superseded(
    landed: dict[str, dict[str, Any]], quotes: pl.DataFrame
) -> None:
    zeroed, again = landed[ZEROED], landed[DOWNLOADED_AGAIN]
    assert (zeroed["outcome"], zeroed["n_lines"], zeroed["n_loaded"], zeroed["n_rejected"]) == (
        "refused",
        9210,
        0,
        18420,
    )
    assert "a bid and an offer" in zeroed["detail"]
    assert (again["outcome"], again["n_superseded"]) == ("superseded", 18096)
    assert again["first_session"] == date(2023, 4, 14)
    assert not quotes["source_sha256"].is_in([zeroed["sha256"], again["sha256"]]).any()
    assert date(2023, 4, 5) not in quotes["session_date"]


def test_contango_is_unknown_where_a_contract_has_no_file(imported_home: Home) -> None:  # noqa: F811
    curve = published_rows(imported_home.published, CURVE_DAILY)
    for session in (date(2018, 2, 5), date(2018, 12, 24), date(2022, 1, 24)):
        row = curve.filter(pl.col("session_date") == session).row(0, named=True)
        assert row["contango_ratio"] is None
        assert "missing_contract" in row["missing_reason"]
    assert curve["contango_ratio"].count() > 4000


def test_boxes_of_the_real_night_stand_beside_treasury_and_unusual_ones_are_flagged(
    imported_home: Home,  # noqa: F811
) -> None:
    boxes = published_rows(imported_home.published, BOX_CURVE).filter(pl.col("session_date") == NIGHT)
    beyond = pl.col("time_to_expiry") > 90 / 365
    assert boxes.filter(beyond & pl.col("mid_less_treasury").is_not_null()).height >= 15
    assert boxes.filter(~beyond)["is_unusual"].null_count() == boxes.filter(~beyond).height
    usual = pl.col("mid_less_treasury").is_between(-0.0010, 0.0060)
    judged = boxes.filter(beyond & pl.col("mid_less_treasury").is_not_null())
    assert judged.select((pl.col("is_unusual") == ~usual).all()).item()
    # Two to four and a half years out, and one slice whose few pairs say little of its rate.
    assert set(judged.filter("is_unusual").select("root", "expiration").rows()) == {
        ("SPX", date(2026, 12, 18)),
        ("SPX", date(2027, 12, 17)),
        ("SPXW", date(2023, 10, 31)),
    }


def test_the_real_night_is_published_with_what_it_lacks(imported_home: Home) -> None:  # noqa: F811
    (signal,) = published_rows(imported_home.published, SIGNAL_DAILY).to_dicts()
    assert signal["session_date"] == NIGHT
    assert signal["data_status"] == "degraded"
    # No VIX chain, no July contract and no exchange's count of that day are among the files.
    assert signal["missing_inputs"] == "vix_options, vx_futures, breadth"
    assert signal["n_spx_quotes"] == 2 * 8670
    assert signal["spx"] == pytest.approx(4145.58, abs=0.005)
    manifest = json.loads((imported_home.published / f"manifests/session_date={NIGHT}.json").read_text())
    assert manifest["validation"] in {"passed", "warned"}


def test_core_holds_one_row_a_key_of_what_was_loaded(
    imported_home: Home,  # noqa: F811
    landed: dict[str, dict[str, Any]],
) -> None:
    names = [table for table in BY_NAME.values() if table.schema == "core" and "source_sha256" in table.column_names]
    held = sum(published_rows(imported_home.published, table).height for table in names)
    assert held == sum(row["n_loaded"] - row["n_superseded"] for row in landed.values())
