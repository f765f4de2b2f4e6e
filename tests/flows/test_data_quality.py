"""What validation says of a night, and that it says the same whether later data came before or after."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from flows.data_quality import validate_nights
from flows.home import Home
from flows.partition_files import PartitionFile
from flows.rebuild import rebuild
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import (
    LATER,
    NIGHTS,
    import_paths,
    new_home,
    published_rows,
    run_night,
    snapshot_hashes,
    zeroed,
)
from tests.small_market import SmallMarket, chain_file, small_market
from transforms.schemas import DATA_QUALITY, FUTURES_SETTLEMENT, OPTION_QUOTE
from transforms.sessions import TradingCalendar

LAST = NIGHTS[-1]


def test_every_rule_gate_and_check_of_a_night_has_its_row(base_home: Home) -> None:
    rows = published_rows(base_home.published, DATA_QUALITY).filter(pl.col("session_date") == LAST)
    assert set(rows["severity"]) == {"reject", "refuse", "warn"}
    checks = set(rows.filter(pl.col("table_name") == "warehouse")["check_name"])
    assert checks == {path.stem for path in (Path(__file__).parents[2] / "sql" / "checks").glob("*.sql")}
    gates = set(rows.filter(pl.col("severity") == "refuse")["check_name"])
    assert {f"{gate} {root}" for gate in ("two_sided_share", "row_count") for root in ("SPX", "SPXW")} <= gates
    assert rows.filter(pl.col("outcome") == "failed", pl.col("severity") != "warn").is_empty()


def test_a_check_that_fails_is_a_warning_with_the_offending_key(home: Home, calendar: TradingCalendar) -> None:
    with Warehouse(home.warehouse) as warehouse:
        futures = warehouse.read(FUTURES_SETTLEMENT)
        first = futures.row(0, named=True)
        late = futures[:1].with_columns(session_date=pl.lit(LAST), expiration=pl.lit(date(2024, 2, 14)))
        warehouse.write_changes(FUTURES_SETTLEMENT, pl.concat([futures, late]))
        found = validate_nights(warehouse, sessions=[LAST], nights=[], settings=Settings(), calendar=calendar)[LAST]
        assert first["session_date"] < LAST
        assert found.outcome == "warned"
        assert any("2024, 2, 14" in reason for reason in found.reasons)


def test_a_refused_chain_refuses_the_night_and_is_kept_out(
    home: Home, calendar: TradingCalendar, tmp_path: Path
) -> None:
    session = date(2024, 2, 27)
    path = tmp_path / "chain.csv"
    path.write_bytes(zeroed(chain_file(session, calendar)))
    import_paths(home, [path], now=LATER)
    result = run_night(home, session, now=LATER)
    assert (result.status, result.exit_code) == ("refused", 3)
    assert "spx_options:refused" in result.missing[session]
    assert "Download it again" in result.reasons[0]


def test_a_night_is_judged_the_same_whenever_the_sessions_before_it_arrive(
    calendar: TradingCalendar, tmp_path: Path
) -> None:
    market = small_market(calendar, first=date(2024, 1, 2), last=LAST, n_chains=7)
    early = [f"spx_quotedata_{day}.csv" for day in market.chain_sessions[:-1]]
    rest = [name for name in market.files if name not in early]
    home = new_home(tmp_path / "home")
    import_paths(home, market.write(tmp_path / "rest", names=rest))
    run_night(home, LAST)
    before = row_count_outcomes(home)
    import_paths(home, market.write(tmp_path / "early", names=early), now=LATER)
    assert (before, row_count_outcomes(home)) == ({"skipped"}, {"passed"})
    published = snapshot_hashes(home.published)
    rebuild(home, settings=Settings(), now=LATER)
    assert snapshot_hashes(home.published) == published


def row_count_outcomes(home: Home) -> set[str]:
    rows = published_rows(home.published, DATA_QUALITY).filter(pl.col("session_date") == LAST)
    return set(rows.filter(pl.col("check_name").str.starts_with("row_count"))["outcome"])


def test_a_second_download_of_a_judged_chain_is_judged_too(
    home: Home, market: SmallMarket, calendar: TradingCalendar, tmp_path: Path
) -> None:
    path = tmp_path / "again.csv"
    path.write_bytes(market.files[f"spx_quotedata_{LAST}.csv"].replace(b"at 6:05 PM EST", b"at 6:35 PM EST"))
    import_paths(home, [path], now=LATER)
    published = snapshot_hashes(home.published)
    rebuild(home, settings=Settings(), now=LATER)
    assert snapshot_hashes(home.published) == published


def test_what_passed_is_not_checked_again_the_next_night(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[set[date]] = []
    real = Warehouse._show

    def show(self: Warehouse, by_session: Mapping[date, Sequence[PartitionFile]], sessions: set[date]) -> None:
        shown.append(sessions)
        real(self, by_session, sessions)

    monkeypatch.setattr(Warehouse, "_show", show)
    with Warehouse(home.warehouse) as warehouse:
        chains = warehouse.files_of(OPTION_QUOTE)
        warehouse.run_checks()
    assert len(chains) > 1
    assert shown == [{max(chains)}]
