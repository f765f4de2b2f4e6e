"""Warnings of a session: a VX curve or an index that did not move, contracts missing, a VIX our quotes do not give."""

from datetime import date

import numpy as np
import polars as pl

from transforms.schemas import DATA_QUALITY, FUTURES_SETTLEMENT, INDEX_LEVEL, VARIANCE_DAILY
from transforms.sessions import TradingCalendar

WarningRow = tuple[date, str, str, str, str, int, int, str | None]

# Two contracts can settle unchanged by chance (ticks of 0.05 points); a curve hardly can.
MIN_CONTRACTS_OF_A_CURVE = 3
# Points of VIX. Real closing chains replicate to 0.06 at worst; quotes of another hour are off by tenths and more.
VIX_GAP_TOLERANCE = 0.10


def curve_gates(
    futures: pl.DataFrame,
    index_level: pl.DataFrame,
    *,
    session: date,
    calendar: TradingCalendar,
    min_contract_share: float = 0.60,
    history_sessions: int = 20,
    min_history: int = 5,
    unchanged_sessions: int = 3,
) -> pl.DataFrame:
    """Warn of a VX curve or an index level that did not move, or a curve with contracts missing.

    Parameters
    ----------
    futures, index_level
        core.futures_settlement and core.index_level, of any span; rows after `session` are not read.

    Returns
    -------
    pl.DataFrame
        mart.data_quality: the checks `stale_curve`, `contract_count`, `vix_unchanged` and `spx_unchanged`,
        severity warn; skipped where the session or the sessions before are missing.
    """
    days = [session]
    for _ in range(max(history_sessions, unchanged_sessions - 1)):
        days.append(calendar.before(days[-1]))
    curve = futures.filter(pl.col("session_date").is_in(days[: history_sessions + 1]))
    levels = index_level.filter(pl.col("session_date").is_in(days[:unchanged_sessions]))
    rows = [
        _stale_curve(curve, session, days[1]),
        _contract_count(curve, session, share=min_contract_share, n=(history_sessions, min_history)),
        *(_unchanged_level(levels, session, symbol=name, n=unchanged_sessions) for name in ("VIX", "SPX")),
    ]
    return _as_rows(rows)


def vix_gap_check(variance_daily: pl.DataFrame, session: date, *, tolerance: float = VIX_GAP_TOLERANCE) -> pl.DataFrame:
    """Warn where the VIX replicated from a session's chain is not the one published: its quotes are of another time.

    Parameters
    ----------
    variance_daily, tolerance
        feature.variance_daily, of which only the row of `session` is read; largest |vix_gap| that passes, points.

    Returns
    -------
    pl.DataFrame
        mart.data_quality: the check `vix_gap`, severity warn; skipped where one of the two levels is missing.
    """
    row = variance_daily.filter(pl.col("session_date") == session)
    replicated, published = (row[name].drop_nulls() for name in ("vix_replicated", "vix_published"))
    skipped = failed = None
    if replicated.is_empty():
        skipped = f"no VIX can be replicated from the quotes of {session}: its two terms are not listed or not quoted"
    elif published.is_empty():
        skipped = f"no published VIX close of {session} to compare with"
    elif abs(gap := replicated[0] - published[0]) > tolerance:
        failed = (
            f"the VIX replicated from the quotes of {session} is {replicated[0]:.2f}, published was "
            f"{published[0]:.2f}: {abs(gap):.2f} points apart, more than {tolerance:g}. The quotes are probably not "
            "those of the close. Import a chain downloaded after the close and run the session again."
        )
    return _as_rows([_warning(VARIANCE_DAILY.full_name, "vix_gap", session, row.height, failed, skipped)])


def _as_rows(warnings: list[WarningRow]) -> pl.DataFrame:
    # Conformed when a batch of sessions is written: for a handful of rows it would take longer than the check.
    return pl.DataFrame(sorted(warnings), schema=DATA_QUALITY.polars_schema, orient="row")


def _warning(table: str, check: str, session: date, n_rows: int, failed: str | None, skipped: str | None) -> WarningRow:
    outcome = "skipped" if skipped else "failed" if failed else "passed"
    return (session, table, check, "warn", outcome, n_rows, n_rows if failed else 0, skipped or failed)


def _stale_curve(curve: pl.DataFrame, session: date, before: date) -> WarningRow:
    live = curve.filter(pl.col("session_date") == session, pl.col("expiration") > session)
    earlier = curve.filter(pl.col("session_date") == before).select("root", "expiration", "settle")
    common = live.join(earlier, on=["root", "expiration"], suffix="_before")
    moved = common.filter(pl.col("settle") != pl.col("settle_before")).height
    skipped = failed = None
    if common.height < MIN_CONTRACTS_OF_A_CURVE:
        skipped = f"{common.height} VX contracts settled on both {before} and {session}"
    elif not moved and common.height == live.height:
        failed = (
            f"all {common.height} VX settlements of {session} equal those of {before}: the feed probably "
            "did not move on. Import the session's own files and run the session again."
        )
    return _warning(FUTURES_SETTLEMENT.full_name, "stale_curve", session, live.height, failed, skipped)


def _contract_count(curve: pl.DataFrame, session: date, *, share: float, n: tuple[int, int]) -> WarningRow:
    n_contracts = curve.filter(pl.col("session_date") == session).height
    earlier = curve.filter(pl.col("session_date") < session).group_by("session_date").len()["len"].to_numpy()
    skipped = failed = None
    if not n_contracts or len(earlier) < n[1]:
        skipped = f"{n_contracts} contracts on {session}; {len(earlier)} of the {n[0]} sessions before hold any"
    elif n_contracts < share * np.median(earlier):
        failed = (
            f"futures_settlement for {session} has {n_contracts} contracts, fewer than "
            f"{share * 100:g} % of the {n[0]}-session median {np.median(earlier):g}: "
            "files of some contracts are probably missing. Import them and run the session again."
        )
    return _warning(FUTURES_SETTLEMENT.full_name, "contract_count", session, n_contracts, failed, skipped)


def _unchanged_level(levels: pl.DataFrame, session: date, *, symbol: str, n: int) -> WarningRow:
    closes = levels.filter(pl.col("symbol") == symbol)["close"]
    check = f"{symbol.lower()}_unchanged"
    skipped = failed = None
    if closes.len() < n:
        skipped = f"{closes.len()} of the last {n} sessions hold a close of {symbol}"
    elif closes.n_unique() == 1:
        failed = (
            f"{symbol} closed at {closes[0]} on each of the {n} sessions to {session}: the feed probably "
            "repeats itself. Compare with another source."
        )
    return _warning(INDEX_LEVEL.full_name, check, session, closes.len(), failed, skipped)
