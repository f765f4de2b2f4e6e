"""The pipeline finds the truth of a sample market again: from rounded quotes, and through every planted data fault.

docs/pricing.md holds the errors over more sessions; `benchmarks/pricing_recovery.py` measures both. The faults pass
through a home of their own as vendor files do, inbox to mart.data_quality.
"""

import os
import pickle
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

import polars as pl
import pytest

from benchmarks.pricing_recovery import Recovered, error_distribution, read_table, recovered, recovery_errors
from flows import night
from flows.home import Home, prepare_home
from flows.night import NightResult
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import built_once
from transforms.sample_market.market import (
    SampleMarket,
    daily_files,
    planted_events,
    session_files,
    simulate_market,
)
from transforms.sample_market.plants import FAULT_KINDS, Plant, PlantedEvent
from transforms.sample_market.vendor_files import VendorFile
from transforms.schemas import (
    BY_NAME,
    CURVE_DAILY,
    DATA_QUALITY,
    OPTION_QUOTE,
    SIGNAL_DAILY,
    TERM_STRUCTURE,
    VARIANCE_DAILY,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

N_RECOVERED = 4
# Chain sessions by number: 0 comes late but sound, 1 has four faults in four slices, 2 comes twice.
PLANTS = (
    Plant("late_file", 0),
    Plant("crossed", 1),
    Plant("duplicated", 1),
    Plant("shifted_strike", 1),
    Plant("missing_expiration", 1),
    Plant("restated_file", 2),
    Plant("stale_chain", 3),
    Plant("zeroed_chain", 4),
)
LANDED_FILE, REJECTED_ROW = BY_NAME["core.landed_file"], BY_NAME["quarantine.rejected_row"]
READ = (
    OPTION_QUOTE,
    LANDED_FILE,
    REJECTED_ROW,
    DATA_QUALITY,
    VARIANCE_DAILY,
    TERM_STRUCTURE,
    CURVE_DAILY,
    SIGNAL_DAILY,
)
# A line of the vendor's file gives two rows: the quotes of 15:45 and those of the close.
SNAPSHOTS = 2


@pytest.fixture(scope="module")
def sessions(market: SampleMarket) -> list[Recovered]:
    """Sessions spread over the market, priced from the files they print."""
    rows = list(market.chain_rows)
    return [recovered(market, row) for row in rows[:: len(rows) // N_RECOVERED][:N_RECOVERED]]


# Median, 95th percentile and maximum that |error| may have. Half a tick of rounding at both sides of a synthetic is
# 0.05 points; hundreds of pairs average it out. What is left is largest where quotes are few or a point wide.
@pytest.mark.parametrize(
    ("kind", "quantity", "limits"),
    [
        ("SPX", "forward, points", (0.05, 0.35, 2.0)),
        ("VIX", "forward, points", (0.01, 0.03, 0.05)),
        ("SPX", "discount factor", (5e-5, 2e-4, 5e-4)),
        ("VIX", "discount factor", (5e-5, 6e-4, 1e-3)),
        ("SPX", "zero rate, basis points", (2.0, 20.0, 40.0)),
        ("SPX", "smile at the money, vol points", (0.01, 0.04, 0.10)),
        ("SPX", "vol of the mid, 5 to 55 delta, vol points", (0.04, 0.10, 0.25)),
        ("SPX", "vol of the mid, out of the money, vol points", (0.04, 0.15, 2.0)),
        ("SPX", "vol of the smile, 5 to 55 delta, vol points", (0.01, 0.04, 0.15)),
        ("VIX", "vol of the mid, 5 to 55 delta, vol points", (0.6, 2.5, 10.0)),
        ("SPX", "SVI b, relative", (0.08, 0.25, 0.6)),
        ("SPX", "SVI rho", (0.10, 0.40, 0.7)),
        ("SPX", "SVI m, in sqrt(w(0))", (0.06, 0.25, 0.8)),
        ("SPX", "SVI sigma, relative", (0.06, 0.25, 0.7)),
    ],
)
def test_the_truth_is_recovered_within(
    sessions: list[Recovered], kind: str, quantity: str, limits: tuple[float, float, float]
) -> None:
    found = error_distribution(pl.concat([recovery_errors(one) for one in sessions])).filter(
        (pl.col("kind") == kind) & (pl.col("quantity") == quantity)
    )
    (row,) = found.rows(named=True)
    assert row["n"] >= N_RECOVERED * (50 if kind == "SPX" else 10)
    assert row["median"] <= limits[0]
    assert row["p95"] <= limits[1]
    assert row["max"] <= limits[2]


def test_no_arbitrage_intervals_hold_the_true_forward_and_discount_factor(sessions: list[Recovered]) -> None:
    # Bids are rounded down and asks up, so the truth can be executed nowhere.
    slices = pl.concat([one.slices for one in sessions])
    assert slices.height > N_RECOVERED * 60
    for name in ("forward", "discount"):
        true = pl.col("forward_true" if name == "forward" else "discount_factor_true")
        bounded = slices.filter(pl.col(f"{name}_low").is_not_null() & pl.col(f"{name}_high").is_not_null())
        assert bounded.height > 0.9 * slices.height
        assert bounded.filter(~true.is_between(pl.col(f"{name}_low"), pl.col(f"{name}_high"))).is_empty()
    assert (slices["parity_slack"] >= 0.0).all()


def test_true_vols_lie_between_those_of_bid_and_ask(sessions: list[Recovered]) -> None:
    options = pl.concat([one.options for one in sessions])
    out = options.filter((pl.col("log_moneyness") >= 0.0) == (pl.col("option_type") == "call"))
    central = out.filter(pl.col("delta").abs().is_between(0.05, 0.45))
    # Not all: vols of bid and ask are at the recovered forward, the true vol at the true one.
    inside = central.filter(pl.col("true_vol").is_between("implied_vol_bid", "implied_vol_ask"))
    assert central.height > N_RECOVERED * 4_000
    assert inside.height > 0.999 * central.height


def test_every_slice_with_quotes_has_a_smile_without_arbitrage(sessions: list[Recovered]) -> None:
    live = pl.concat([one.slices for one in sessions]).filter(pl.col("n_quotes") >= 6)
    assert live["status"].unique().to_list() == ["fitted"]
    assert (live["min_g"] >= 0.0).all()


@dataclass(frozen=True)
class FaultyHome:
    """What a home made of the faulty market: its tables, what its runs said, and the truth."""

    market: SampleMarket
    events: dict[str, PlantedEvent]
    tables: dict[Table, pl.DataFrame]
    first: NightResult
    rest: NightResult

    def day(self, number: int) -> date:
        return self.market.session_date(self.market.chain_rows[number])

    def failed(self, number: int) -> dict[str, dict[str, object]]:
        """The checks that failed on a chain session, by name."""
        rows = self.tables[DATA_QUALITY].filter(
            (pl.col("session_date") == self.day(number)) & (pl.col("outcome") == "failed")
        )
        return {row["check_name"]: row for row in rows.iter_rows(named=True)}

    def core(self, number: int) -> pl.DataFrame:
        """The quotes of a chain session that entered core."""
        return self.tables[OPTION_QUOTE].filter(pl.col("session_date") == self.day(number))

    def landed(self, number: int) -> pl.DataFrame:
        """The landed chain files of a chain session."""
        return self.tables[LANDED_FILE].filter(
            (pl.col("first_session") == self.day(number)) & (pl.col("source") == "datashop_eod")
        )


def deliver(home: Home, files: list[VendorFile], *, prefix: str = "") -> None:
    """Put files into the inbox, dated by the market's clock."""
    for file in files:
        path = home.inbox / f"{prefix}{file.name}"
        path.write_bytes(file.payload)
        received = datetime.combine(file.received, time(23), UTC).timestamp()
        os.utime(path, (received, received))


def run_both_nights(home: Home, market: SampleMarket) -> list[NightResult]:
    """Run the session whose chain is late, then all others with the late file and both versions of one."""
    rows, results = list(market.chain_rows), []
    for row, chains in ((rows[0], []), (rows[-1], rows)):
        deliver(home, daily_files(market, through=row))
        for chain_row in chains:
            # Versions of one file share its name.
            for number, file in enumerate(session_files(market, chain_row)):
                deliver(home, [file], prefix=f"{number}-")
        now = datetime.combine(market.session_date(row), time(23, 30))
        results.append(night.run_nights(home, asked=None, settings=Settings(), now=now, stages=night.plain_stages()))
    return results


@pytest.fixture(scope="module")
def faulty(calendar: TradingCalendar, tmp_path_factory: pytest.TempPathFactory) -> FaultyHome:
    """Five sessions with every kind of fault, run in two nights."""
    market = simulate_market(
        calendar=calendar,
        last_session=date(2026, 1, 23),
        seed=20260123,
        n_chain_sessions=5,
        n_history_sessions=25,
        plants=PLANTS,
    )
    with built_once(tmp_path_factory, "faulty-home") as (folder, fresh):
        home, kept = Home(folder / "home"), folder / "results.pickle"
        if fresh:
            prepare_home(home)
            kept.write_bytes(pickle.dumps(run_both_nights(home, market)))
        first, rest = pickle.loads(kept.read_bytes())
        with Warehouse(home.warehouse) as warehouse:
            tables = {table: warehouse.read(table) for table in READ}
    return FaultyHome(market, {event.kind: event for event in planted_events(market)}, tables, first, rest)


def test_every_kind_of_fault_is_planted(faulty: FaultyHome) -> None:
    assert set(faulty.events) == set(FAULT_KINDS)
    assert faulty.first.sessions == [faulty.day(0)]
    assert faulty.rest.sessions == [faulty.day(number) for number in range(1, 5)]


def test_crossed_and_duplicated_rows_are_quarantined_and_no_clean_row_is(faulty: FaultyHome) -> None:
    rejected = faulty.tables[REJECTED_ROW].with_columns(
        pl.col("row_json")
        .str.json_decode(pl.Struct({"root": pl.String, "expiration": pl.String, "strike": pl.Float64}))
        .struct.unnest()
    )
    assert rejected["session_date"].unique().to_list() == [faulty.day(1)]
    expected = {"crossed": faulty.events["crossed"], "duplicate_row": faulty.events["duplicated"]}
    assert set(rejected["rule"]) == set(expected)
    for rule, event in expected.items():
        own = rejected.filter(pl.col("rule") == rule)
        assert own.height == SNAPSHOTS * event.n_rows
        assert own.select("root", "expiration").unique().rows() == [(event.root, str(event.expiration))]
        assert set(own["strike"]) == set(event.detail["strikes"])
        judged = faulty.failed(1)[rule]
        assert (judged["severity"], judged["n_failed"]) == ("reject", own.height)


def test_a_missing_expiration_is_named(faulty: FaultyHome) -> None:
    event = faulty.events["missing_expiration"]
    judged = faulty.failed(1)[f"missing_expiration {event.root}"]
    assert judged["n_failed"] == 1
    assert str(event.expiration) in str(judged["detail"])
    (file,) = session_files(replace(faulty.market, plants=()), faulty.market.chain_rows[1])
    clean = read_table(file.name, file.payload, OPTION_QUOTE).filter(pl.col("snapshot_kind") == "close")
    in_core = faulty.core(1)
    lost = clean.join(in_core, on=["root", "expiration"], how="anti")
    assert lost.height == event.n_rows
    assert lost.select("root", "expiration").unique().rows() == [(event.root, event.expiration)]


def test_a_slice_of_shifted_strikes_is_named(faulty: FaultyHome) -> None:
    event = faulty.events["shifted_strike"]
    judged = faulty.failed(1)["forward_off_curve"]
    assert judged["n_failed"] == 1
    # Strikes five points too high make the forward five points too high.
    assert f"{event.root} {event.expiration} by +" in str(judged["detail"])
    named = faulty.core(1).filter((pl.col("root") == event.root) & (pl.col("expiration") == event.expiration))
    assert named.height == event.n_rows


def test_a_late_file_degrades_its_night_and_revises_it_when_it_comes(faulty: FaultyHome) -> None:
    assert faulty.first.status == "degraded"
    assert faulty.first.missing[faulty.day(0)] == ["spx_options", "vix_options"]
    assert faulty.rest.revised == [faulty.day(0)]
    assert faulty.failed(0) == {}
    chain = faulty.landed(0)
    assert chain["n_lines"].to_list() == [faulty.events["late_file"].n_rows]
    assert chain["received_at"].dt.date().to_list() == [faulty.day(1)]


def test_of_a_restated_file_the_one_received_last_enters_core_and_the_other_is_superseded(
    faulty: FaultyHome,
) -> None:
    delivered = session_files(faulty.market, faulty.market.chain_rows[2])
    first, second = (read_table(file.name, file.payload, OPTION_QUOTE) for file in delivered)
    key = ["snapshot_kind", "root", "expiration", "strike", "option_type"]
    both = first.select(*key, "bid", "ask").join(second.select(*key, "bid", "ask"), on=key, validate="1:1", suffix="_2")
    assert both.filter(pl.col("bid") != pl.col("bid_2")).height == faulty.events["restated_file"].n_rows
    landed = faulty.landed(2)
    assert sorted(landed["outcome"]) == ["loaded", "superseded"]
    superseded = landed.filter(pl.col("outcome") == "superseded")
    assert superseded["n_superseded"].to_list() == [first.height]
    loaded = landed.filter(pl.col("outcome") == "loaded")
    assert loaded["received_at"].item() > superseded["received_at"].item()
    assert faulty.core(2)["source_sha256"].unique().to_list() == loaded["sha256"].to_list()


@pytest.mark.parametrize(
    ("number", "kind", "gate"), [(3, "stale_chain", "stale_chain"), (4, "zeroed_chain", "two_sided_share")]
)
def test_a_chain_that_cannot_be_the_sessions_is_refused_whole(
    faulty: FaultyHome, number: int, kind: str, gate: str
) -> None:
    failed = faulty.failed(number)
    assert set(failed) == {f"{gate} SPX", f"{gate} SPXW"}
    assert {row["severity"] for row in failed.values()} == {"refuse"}
    assert sum(int(str(row["n_failed"])) for row in failed.values()) == SNAPSHOTS * faulty.events[kind].n_rows
    in_core = faulty.core(number)
    # The VIX options of the same file are sound.
    assert set(in_core["root"]) == {"VIX", "VIXW"}
    assert faulty.rest.missing[faulty.day(number)] == ["spx_options:refused"]


def test_nothing_else_fails_in_any_session(faulty: FaultyHome) -> None:
    assert set(faulty.failed(1)) == {"crossed", "duplicate_row", "forward_off_curve", "missing_expiration SPX"}
    assert faulty.failed(2) == {}
    # The replicated VIX of the sound sessions stands, faults in other slices or not.
    gaps = faulty.tables[VARIANCE_DAILY].sort("session_date")
    assert (gaps["vix_gap"].abs() < 0.02).all()
    assert gaps["session_date"].to_list()[0] == faulty.day(0)


def test_futures_and_contango_come_back_exactly_as_printed(faulty: FaultyHome) -> None:
    settled = {
        (contract.expiration, faulty.market.session_date(int(row))): float(settle)
        for contract in faulty.market.contracts
        for row, settle in zip(contract.rows, contract.settle, strict=True)
        if contract.is_monthly
    }
    days = [faulty.day(number) for number in range(5)]
    curve = faulty.tables[TERM_STRUCTURE].filter(pl.col("session_date").is_in(days))
    assert curve.height > 5 * 7
    for row in curve.iter_rows(named=True):
        assert row["settle"] == settled[row["expiration"], row["session_date"]]
    first_two = curve.filter(pl.col("rank") <= 2).sort("session_date", "rank").partition_by("session_date")
    daily = faulty.tables[CURVE_DAILY].filter(pl.col("session_date").is_in(days)).sort("session_date")
    printed = [(two["settle"][0], two["settle"][1]) for two in first_two]
    assert daily.select("vx1", "vx2").rows() == printed
    assert daily["contango_ratio"].to_list() == [second / first - 1.0 for first, second in printed]
    headline = faulty.tables[SIGNAL_DAILY].sort("session_date")
    assert headline["contango_ratio"].to_list() == daily["contango_ratio"].to_list()
