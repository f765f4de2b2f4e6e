"""Find what is mispriced through time: misfits against the sessions before, and what became of every finding.

The findings of a session without their life are kept in the warehouse (`meta.finding`, `meta.finding_leg`), beside the
quotes that may prove misfits (`meta.residual_candidate`); first seen, sessions open, outcomes and the detectors'
records are computed over all of them each time. A quote's misfit is judged against the sessions before it, so a session
priced anew is followed by those after it that look back on it.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from flows.headline import settings_by_night
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.mispricing.finding_frames import FindingFrames
from transforms.mispricing.lifecycle import detector_record, mispricing_outcome, with_life
from transforms.mispricing.residual import candidate_findings, residual_baseline
from transforms.schemas import (
    ACCOUNT_STATE,
    BOX_CURVE,
    DETECTOR_RECORD,
    FUTURES_SETTLEMENT,
    MISPRICING,
    MISPRICING_LEG,
    MISPRICING_OUTCOME,
    OPTION_QUOTE,
    RESIDUAL_BUCKET_DAILY,
    SETTLEMENT_VALUE,
    SLICE,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

# Sessions whose quotes are in memory at once while outcomes are looked up.
FOLLOWED_TOGETHER = 20
PRICES = [*OPTION_QUOTE.key, "bid", "ask"]


def follow_mispricings(
    warehouse: Warehouse, *, sessions: Sequence[date], settings: Settings, calendar: TradingCalendar
) -> None:
    """Judge the misfits of `sessions`, which have just been priced, and bring the marts of findings up to date.

    A night that was published keeps the settings it was published with.
    """
    sessions = sorted(sessions)
    nights = warehouse.sessions_of(SLICE)
    by_night = settings_by_night(warehouse, {*sessions, *nights}, settings)
    _restate_loan_rates(warehouse, warehouse.read(ACCOUNT_STATE))
    judged = _with_those_looking_back(sessions, nights, by_night, calendar)
    _judge_residuals(warehouse, judged, settings=by_night, calendar=calendar)
    _follow(warehouse, sessions=sessions, nights=set(nights), settings=by_night, calendar=calendar)


def _with_those_looking_back(
    sessions: Sequence[date], nights: Sequence[date], settings: Mapping[date, Settings], calendar: TradingCalendar
) -> list[date]:
    """Return the sessions and every night whose residual window holds one of them."""
    windows = {night: settings[night].mispricing.residual_window for night in nights}
    last_of = {window: [calendar.after(session, window) for session in sessions] for window in set(windows.values())}
    later = {
        night
        for night, window in windows.items()
        if any(session < night <= last for session, last in zip(sessions, last_of[window], strict=True))
    }
    return sorted({*sessions, *later})


def _restate_loan_rates(warehouse: Warehouse, accounts: pl.DataFrame) -> None:
    """Put a loan rate stated since the last night beside the boxes of the sessions from then on."""
    first = min(warehouse.dirty_sessions(ACCOUNT_STATE), default=None)
    if first is None:
        return
    stated = accounts.select("session_date", pl.col("margin_loan_rate").alias("stated_rate")).sort("session_date")
    curve = warehouse.read(BOX_CURVE).filter(pl.col("session_date") >= first)
    restated = curve.sort("session_date").join_asof(stated, on="session_date", strategy="backward")
    with warehouse.transaction():
        warehouse.write_changes(
            BOX_CURVE,
            _as(BOX_CURVE, restated.with_columns(pl.coalesce("stated_rate", "loan_rate").alias("loan_rate"))),
            sessions=curve["session_date"].unique().to_list(),
        )


def _judge_residuals(
    warehouse: Warehouse, sessions: Sequence[date], *, settings: Mapping[date, Settings], calendar: TradingCalendar
) -> None:
    candidates = warehouse.read_meta("meta.residual_candidate")
    found = []
    for own, alike in _alike(sessions, settings).items():
        window, fee, min_z = own
        # Calendar days that surely span the window before the first of them.
        reach = timedelta(days=2 * window + 14)
        buckets = warehouse.read(RESIDUAL_BUCKET_DAILY, first=min(alike) - reach, last=max(alike))
        found.append(
            candidate_findings(
                candidates.filter(pl.col("session_date").is_in(alike)),
                residual_baseline(buckets, calendar=calendar, residual_window=window),
                fee_per_contract=fee,
                min_z=min_z,
            )
        )
    if found:
        together = FindingFrames.concat(found)
        with warehouse.transaction():
            warehouse.replace_findings(together.findings, together.legs, sessions=sessions, residual=True)


def _alike(sessions: Sequence[date], settings: Mapping[date, Settings]) -> dict[tuple[int, float, float], list[date]]:
    """Return the sessions by what their settings say of residuals: window, fee and least z-score."""
    found: dict[tuple[int, float, float], list[date]] = {}
    for session in sessions:
        own = settings[session].mispricing
        found.setdefault((own.residual_window, own.option_fee_per_contract, own.min_z), []).append(session)
    return found


def _follow(
    warehouse: Warehouse,
    *,
    sessions: Sequence[date],
    nights: set[date],
    settings: Mapping[date, Settings],
    calendar: TradingCalendar,
) -> None:
    findings, legs = warehouse.read_findings()
    lived = with_life(findings, calendar=calendar)
    legs = MISPRICING_LEG.conform(legs)
    judged = sorted({day for session in sessions for day in (session, calendar.after(session))} & nights)
    before = {day: calendar.before(day) for day in judged}
    eventful = set(lived["session_date"].to_list())
    values = warehouse.read(SETTLEMENT_VALUE)
    outcomes = [MISPRICING_OUTCOME.empty()]
    followed = [day for day in judged if before[day] in eventful]
    by_fee: dict[float, list[date]] = {}
    for day in followed:
        by_fee.setdefault(settings[day].mispricing.option_fee_per_contract, []).append(day)
    for fee, days in by_fee.items():
        for start in range(0, len(days), FOLLOWED_TOGETHER):
            some = days[start : start + FOLLOWED_TOGETHER]
            both = sorted({*some, *(before[day] for day in some)})
            rows = mispricing_outcome(
                lived.filter(pl.col("session_date").is_in(both)),
                legs.filter(pl.col("session_date").is_in(both)),
                quotes=warehouse.read(OPTION_QUOTE, sessions=some, columns=PRICES),
                slices=warehouse.read(SLICE, sessions=both),
                futures=warehouse.read(FUTURES_SETTLEMENT, sessions=both),
                settlement_value=values,
                calendar=calendar,
                fee_per_contract=fee,
            )
            outcomes.append(_as(MISPRICING_OUTCOME, rows.filter(pl.col("session_date").is_in(some))))
    with warehouse.transaction():
        warehouse.write_changes(MISPRICING, lived)
        warehouse.write_changes(MISPRICING_LEG, legs)
        warehouse.write_changes(MISPRICING_OUTCOME, pl.concat(outcomes), sessions=judged)
        record = detector_record(lived, warehouse.read(MISPRICING_OUTCOME), calendar=calendar)
        warehouse.write_changes(DETECTOR_RECORD, _as(DETECTOR_RECORD, record))


def _as(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    typed = frame.select(table.column_names).cast(dict(table.polars_schema))  # type: ignore[arg-type]
    return table.conform(typed)
