"""Find what is mispriced: each session by itself, then what became of it through time.

The findings of a session without their life are kept in the warehouse (`meta.finding`, `meta.finding_leg`); first seen,
sessions open, outcomes and the detectors' records are computed over all of them each time. A quote's misfit is judged
against the sessions before it, so a session priced anew is followed by those after it that look back on it.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.mispricing.box import box_curve, box_findings
from transforms.mispricing.calendar import calendar_findings
from transforms.mispricing.finding_frames import FindingFrames
from transforms.mispricing.lifecycle import detector_record, mispricing_outcome, with_life
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.residual import (
    residual_baseline,
    residual_bucket_daily,
    residuals,
    surface_residual_findings,
)
from transforms.mispricing.vix import forward_variance_findings, variance_triangle, vix_parity_findings
from transforms.pricing.rates import fallback_curve
from transforms.schemas import (
    BOX_CURVE,
    DETECTOR_RECORD,
    FUTURES_SETTLEMENT,
    MISPRICING,
    MISPRICING_LEG,
    MISPRICING_OUTCOME,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    RESIDUAL_BUCKET_DAILY,
    SETTLEMENT_VALUE,
    SLICE,
    TREASURY_RATE,
    VARIANCE_TRIANGLE,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table


def find_mispricings(
    warehouse: Warehouse, *, sessions: Sequence[date], settings: Settings, calendar: TradingCalendar
) -> None:
    """Find the mispricings of `sessions`, which have just been priced, and bring the marts up to date."""
    nights = warehouse.sessions_of(SLICE)
    for session in sorted(sessions):
        _find_in_session(warehouse, session, settings=settings, calendar=calendar)
    looking_back = {later for session in sessions for later in _looking_back(session, nights, settings, calendar)}
    _judge_residuals(warehouse, sorted({*sessions, *looking_back}), settings=settings, calendar=calendar)
    _follow(warehouse, sessions=sessions, settings=settings, calendar=calendar)


def _looking_back(session: date, nights: Sequence[date], settings: Settings, calendar: TradingCalendar) -> list[date]:
    last = calendar.after(session, settings.mispricing.residual_window)
    return [night for night in nights if session < night <= last]


def _find_in_session(warehouse: Warehouse, session: date, *, settings: Settings, calendar: TradingCalendar) -> None:
    own = settings.mispricing
    quotes = warehouse.read(OPTION_QUOTE, sessions=[session])
    slices = warehouse.read(SLICE, sessions=[session])
    analytics = warehouse.read(OPTION_ANALYTICS, sessions=[session])
    futures = warehouse.read(FUTURES_SETTLEMENT, sessions=[session])
    treasury = fallback_curve(warehouse.read(TREASURY_RATE), session)
    triangle = variance_triangle(quotes, slices, futures=futures, calendar=calendar)
    curve = box_curve(slices, treasury=treasury if treasury and treasury.name == "treasury" else None)
    fee = own.option_fee_per_contract
    clocks = triangle.group_by("session_date").agg(pl.col("clock_gap_minutes").first())
    found = FindingFrames.concat(
        [
            executable_findings(quotes, slices, fee_per_contract=fee),
            box_findings(quotes, curve, box_threshold=own.box_threshold, fee_per_contract=fee),
            calendar_findings(quotes, slices, fee_per_contract=fee),
            forward_variance_findings(triangle, vx_bound_tolerance=own.vx_bound_tolerance),
            vix_parity_findings(slices, futures=futures, clocks=clocks),
        ]
    )
    buckets = residual_bucket_daily(residuals(analytics, quotes))
    with warehouse.transaction():
        for table, frame in ((BOX_CURVE, curve), (VARIANCE_TRIANGLE, triangle), (RESIDUAL_BUCKET_DAILY, buckets)):
            warehouse.write_changes(table, _as(table, frame), sessions=[session])
        warehouse.replace_findings(found.findings, found.legs, sessions=[session], residual=False)


def _judge_residuals(
    warehouse: Warehouse, sessions: Sequence[date], *, settings: Settings, calendar: TradingCalendar
) -> None:
    own = settings.mispricing
    baseline = residual_baseline(
        warehouse.read(RESIDUAL_BUCKET_DAILY), calendar=calendar, residual_window=own.residual_window
    )
    for session in sessions:
        quotes = warehouse.read(OPTION_QUOTE, sessions=[session])
        analytics = warehouse.read(OPTION_ANALYTICS, sessions=[session])
        found = surface_residual_findings(
            residuals(analytics, quotes), baseline, fee_per_contract=own.option_fee_per_contract, min_z=own.min_z
        )
        with warehouse.transaction():
            warehouse.replace_findings(found.findings, found.legs, sessions=[session], residual=True)


def _follow(warehouse: Warehouse, *, sessions: Sequence[date], settings: Settings, calendar: TradingCalendar) -> None:
    findings, legs = warehouse.read_findings()
    lived = with_life(findings, calendar=calendar)
    legs = MISPRICING_LEG.conform(legs)
    judged = sorted({day for session in sessions for day in (session, calendar.after(session))})
    priced = set(warehouse.sessions_of(SLICE))
    with warehouse.transaction():
        warehouse.write_changes(MISPRICING, lived)
        warehouse.write_changes(MISPRICING_LEG, legs)
        for session in judged:
            if session not in priced:
                continue
            both = [calendar.before(session), session]
            outcomes = mispricing_outcome(
                lived.filter(pl.col("session_date").is_in(both)),
                legs.filter(pl.col("session_date").is_in(both)),
                quotes=warehouse.read(OPTION_QUOTE, sessions=[session]),
                slices=warehouse.read(SLICE, sessions=both),
                futures=warehouse.read(FUTURES_SETTLEMENT, sessions=both),
                settlement_value=warehouse.read(SETTLEMENT_VALUE),
                calendar=calendar,
                fee_per_contract=settings.mispricing.option_fee_per_contract,
            ).filter(pl.col("session_date") == session)
            warehouse.write_changes(MISPRICING_OUTCOME, _as(MISPRICING_OUTCOME, outcomes), sessions=[session])
        record = detector_record(lived, warehouse.read(MISPRICING_OUTCOME), calendar=calendar)
        warehouse.write_changes(DETECTOR_RECORD, _as(DETECTOR_RECORD, record))


def _as(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    typed = frame.select(table.column_names).cast(dict(table.polars_schema))  # type: ignore[arg-type]
    return table.conform(typed)
