"""Validation of the vendors' own files: known defects are refused, everything else passes."""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from flows.expectations import Judgement, judge
from flows.sources import open_delivery, recognize, yahoo_chain
from transforms.quality import select_snapshots, session_gates, snapshot_summary
from transforms.schemas import BY_NAME, INDEX_LEVEL
from transforms.session_checks import curve_gates
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.real_data

CHAINS = (
    "spx_options/cboe_quotedata_csv/spx_*.csv.gz",
    "spx_options/cboe_quotedata_dat/spx_*.dat.gz",
    "spx_options/datashop/*.csv",
    "spx_options/historicaloptiondata/*.csv",
    "spx_options/ivolatility/*.csv.gz",
    "spx_options/yahoo/*.csv.gz",
    "vix_options/cboe_quotedata_dat/*.dat",
    "vix_options/datashop/*.zip",
)
Judged = tuple[Judgement, dict[str, str]]


def judged(table_name: str, paths: Iterable[Path], calendar: TradingCalendar) -> Judged:
    """Judge all rows of the files together; also return each file's name by its hash."""
    table, frames, names = BY_NAME[table_name], [], {}
    for path in sorted(paths):
        payload = path.read_bytes()
        delivery = open_delivery(path.name, payload)
        reading = recognize(delivery).read(delivery, calendar=calendar)
        sha256 = hashlib.sha256(payload).hexdigest()
        names[sha256] = path.name
        if table_name in reading.frames:
            frame = reading.frames[table_name].with_columns(pl.lit(sha256).alias("source_sha256"))
            frames.append(frame.select(*table.column_names, "source_row_number"))
    return judge(table, pl.concat(frames), sessions=calendar.sessions), names


@pytest.fixture(scope="module")
def chains(shared_data: Path, calendar: TradingCalendar) -> Judged:
    return judged("core.option_quote", [p for mask in CHAINS for p in shared_data.glob(mask)], calendar)


@pytest.fixture(scope="module")
def summaries(chains: Judged) -> pl.DataFrame:
    return snapshot_summary(chains[0].accepted)


@pytest.fixture(scope="module")
def futures(shared_data: Path, calendar: TradingCalendar) -> Judged:
    contracts = [path for path in (shared_data / "vx_futures").rglob("*VX*.csv*") if path.is_file()]
    return judged("core.futures_settlement", [p for p in contracts if _holds_settlements(p)], calendar)


def _holds_settlements(path: Path) -> bool:
    delivery = open_delivery(path.name, path.read_bytes())
    return recognize(delivery).NAME in ("vx_contract_current", "vx_contract_legacy")


def test_no_real_quote_that_a_source_takes_breaks_a_rule(chains: Judged) -> None:
    judgement, _ = chains

    # MANIFEST: the one crossed quote is in the Yahoo chain, of a series that its source takes for dormant.
    assert judgement.rejected.is_empty()
    assert judgement.accepted.height > 250_000


def test_the_zeroed_chain_is_refused_and_every_other_real_chain_passes(
    chains: Judged, summaries: pl.DataFrame, calendar: TradingCalendar
) -> None:
    _, names = chains

    gates = session_gates(summaries, calendar=calendar)

    failed = gates.filter(pl.col("outcome") == "failed")
    assert failed.select(pl.col("source_sha256").replace_strict(names), "root", "gate").rows() == [
        ("spx_quotedata_20230405T1941EDT.csv.gz", "SPX", "two_sided_share"),
        ("spx_quotedata_20230405T1941EDT.csv.gz", "SPXW", "two_sided_share"),
    ]
    assert set(summaries["root"]) == {"SPX", "SPXW", "VIX", "VIXW"}


def test_of_the_real_chains_none_contradicts_itself_but_the_one_with_quotes_of_dormant_series(
    summaries: pl.DataFrame, shared_data: Path, calendar: TradingCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yahoo_chain, "DORMANT_DAYS", 10_000)
    whole, _ = judged("core.option_quote", [shared_data / "spx_options/yahoo/SPX_all_20260130.csv.gz"], calendar)

    # The sample of 2011-01-03 has a put quoted a tick too dear.
    doubted = summaries.filter(pl.col("n_contradicting") > 0)
    assert doubted.select("session_date", "root", "n_contradicting").rows() == [(date(2011, 1, 3), "SPX", 1)]
    mixed = snapshot_summary(whole.accepted)
    assert mixed.select("root", "n_contradicting").rows() == [("SPX", 798), ("SPXW", 336)]
    failed = session_gates(mixed, calendar=calendar).filter(pl.col("outcome") == "failed")
    assert failed.select("root", "gate").rows() == [
        ("SPX", "contradicting_quotes"),
        ("SPXW", "contradicting_quotes"),
    ]


def test_the_counts_of_a_summary_are_those_of_the_manifest(chains: Judged, summaries: pl.DataFrame) -> None:
    named = summaries.with_columns(pl.col("source_sha256").replace_strict(chains[1]).alias("name"))

    def total(name: str, column: str) -> int:
        return int(named.filter(pl.col("name") == name)[column].sum())

    # MANIFEST: 18,420 quotes, 17,949 of them 0/0; 20,514 quotes, 11 of them 0/0.
    assert total("spx_quotedata_20230405T1941EDT.csv.gz", "n_rows") == 18_420
    assert total("spx_quotedata_20230405T1941EDT.csv.gz", "n_zero_zero") == 17_949
    assert total("spx_quotedata_20220205T2009EST.csv.gz", "n_rows") == 20_514
    assert total("spx_quotedata_20220205T2009EST.csv.gz", "n_zero_zero") == 11


def test_a_chain_downloaded_twice_enters_core_once(
    chains: Judged, summaries: pl.DataFrame, calendar: TradingCalendar
) -> None:
    _, names = chains
    gates = session_gates(summaries, calendar=calendar)
    files = pl.DataFrame(
        {
            "source_sha256": list(names),
            "source": ["cboe_quotedata_csv"] * len(names),
            "received_at": [datetime(2024, 1, 1)] * len(names),
        }
    )

    chosen = select_snapshots(summaries, gates, calendar=calendar, source_order=["cboe_quotedata_csv"], source_of=files)

    friday = chosen.filter(pl.col("session_date") == date(2023, 4, 14))
    assert friday["root"].to_list() == ["SPX", "SPXW"]
    both = summaries.filter(pl.col("session_date") == date(2023, 4, 14), pl.col("root") == "SPX")
    assert both.height == 2
    assert both["content_hash"].n_unique() == 1
    assert chosen.filter(pl.col("session_date") == date(2023, 4, 5)).height == 0
    assert chosen.select("session_date", "root").n_unique() == chosen.height


def test_known_defects_of_the_vx_files_are_refused(futures: Judged) -> None:
    judgement, names = futures
    rejected = judgement.rejected.with_columns(pl.col("source_sha256").replace_strict(names).alias("name"))

    repeated = rejected.filter(pl.col("rule") == "duplicate_row")
    assert repeated.height == 2
    assert all("2020-03-25" in name for name in repeated["name"])
    assert set(rejected["rule"]) <= {"duplicate_row", "not_a_session", "settle_out_of_range"}
    assert judgement.accepted.height > 40_000


def test_a_vx_curve_that_did_not_move_is_found_in_the_real_history(futures: Judged, calendar: TradingCalendar) -> None:
    curve = futures[0].accepted.unique(["session_date", "root", "expiration"], keep="first", maintain_order=True)

    def outcome(session: date) -> str:
        rows = curve_gates(curve, INDEX_LEVEL.empty(), session=session, calendar=calendar)
        found: str = rows.filter(pl.col("check_name") == "stale_curve")["outcome"].item()
        return found

    # The legacy files repeat the settlements of 2006-12-29 on 2007-01-03, all nine of them.
    assert outcome(date(2007, 1, 3)) == "failed"
    assert outcome(date(2006, 12, 29)) == "passed"
    assert outcome(date(2020, 3, 16)) == "passed"


def test_the_bad_value_of_vvix_is_refused(shared_data: Path, calendar: TradingCalendar) -> None:
    judgement, _ = judged("core.index_level", (shared_data / "index_history").glob("V*_History.csv*"), calendar)

    bad = judgement.rejected.filter(pl.col("rule") == "vvix_range")
    assert bad["session_date"].to_list() == [date(2006, 3, 15)]
    assert bad["reason"].item().startswith("close 15.71 of VVIX is outside")
