"""The last night that the real VX, index, breadth and calendar files allow: what each rule says, and what it lacks.

Of the shared folder only those files are imported: option chains there are none of that night.
"""

from datetime import date
from pathlib import Path

import pytest

from flows import night
from flows.home import Home, prepare_home
from flows.settings import Settings
from tests.flows.small_home import built_once, published_rows, run_night
from tests.real_data.imported_home import NOW
from transforms.schemas import (
    DECISION,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    MARKET_BREADTH,
    RULE_EVALUATION,
    SIGNAL_DAILY,
)

pytestmark = pytest.mark.real_data

# Every VX file of the folder ends on this day; index, breadth and calendar files reach further.
LAST = date(2026, 1, 7)
FOLDERS = ("vx_futures/current", "index_history", "nyse_breadth", "calendars", "rates")


@pytest.fixture(scope="module")
def last_night(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    with built_once(tmp_path_factory, "last-night") as (folder, fresh):
        home = Home(folder / "home")
        if fresh:
            prepare_home(home)
            paths = [shared_data / name for name in FOLDERS]
            night.import_files(home, paths=paths, settings=Settings(), now=NOW)
            run_night(home, LAST, now=NOW)
    return home


def test_it_is_the_last_session_of_the_futures_and_the_other_files_reach_it(last_night: Home) -> None:
    newest = {
        table: published_rows(last_night.published, table)["session_date"].max()
        for table in (FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH)
    }
    assert min(newest, key=lambda table: newest[table]) is FUTURES_SETTLEMENT
    assert newest[FUTURES_SETTLEMENT] == LAST


# What the files do not hold: the account, which its owner states, and option chains.
ACCOUNT = "cash, marketable_securities, receivables, current_liabilities"
UNKNOWN = {
    "trade_risk": "missing: equity",
    "book_risk": "missing: equity",
    "quick_ratio": f"missing: {ACCOUNT}",
    "exit": "missing: book_risk, quick_ratio",
    "dislocation": "missing: parity_width_percentile_252d, residual_dispersion_percentile_252d, n_executable_locks",
}
ANSWERED = {
    "weekly_session": "failed", "contango_scan": "passed", "vx_oversold": "failed", "condor_in_zone": "failed",
    "breadth_momentum": "informational", "curve_momentum": "informational", "vol_of_vol_low": "passed",
    "stance": "passed", "layer_share": "passed", "event_ahead": "failed", "rally": "failed", "roll_due": "failed",
}  # fmt: skip


def test_every_rule_has_an_answer_or_names_what_it_lacks(last_night: Home) -> None:
    rows = published_rows(last_night.published, RULE_EVALUATION).filter(session_date=LAST)
    said = {row["rule"]: row for row in rows.to_dicts()}
    unknown = {name: row["reason"] for name, row in said.items() if row["outcome"] == "unknown"}
    assert unknown == UNKNOWN
    assert {name: row["outcome"] for name, row in said.items() if name not in UNKNOWN} == ANSWERED
    # VX_2026-01-21.csv and VX_2026-02-18.csv, Settle of 2026-01-07.
    first, second = (
        published_rows(last_night.published, FUTURES_SETTLEMENT)
        .filter(session_date=LAST, expiration=expiration)["settle"]
        .item()
        for expiration in (date(2026, 1, 21), date(2026, 2, 18))
    )
    assert said["contango_scan"]["measured"] == second / first - 1.0
    # The week began on Monday the 5th; CPI was due on Tuesday the 13th (macro_events.csv), four sessions ahead.
    assert said["event_ahead"]["measured"] == 4.0


def test_without_account_and_chain_nothing_is_done_and_the_reasons_are_on_record(last_night: Home) -> None:
    (decision,) = published_rows(last_night.published, DECISION).filter(session_date=LAST).to_dicts()
    assert (decision["decision"], decision["engine"]) == ("stay_dormant", "second")
    for text in ("vx_oversold failed", "condor_in_zone failed", "trade_risk unknown (missing: equity)"):
        assert text in decision["reason"]
    (signal,) = published_rows(last_night.published, SIGNAL_DAILY).filter(session_date=LAST).to_dicts()
    assert signal["data_status"] == "degraded"
    assert {"spx_options", "vix_options"} <= set(signal["missing_inputs"].split(", "))
