"""Find what is mispriced: each session by itself, then what became of it through time.

The findings of a session without their life are kept in the warehouse (`meta.finding`, `meta.finding_leg`); first seen,
sessions open, outcomes and the detectors' records are computed over all of them each time. A quote's misfit is judged
against the sessions before it, so a session priced anew is followed by those after it that look back on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from flows.headline import settings_by_night
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.book.account import Statement, statement_in_force
from transforms.mispricing.lifecycle import detector_record, mispricing_outcome, with_life
from transforms.mispricing.residual import (
    FITTED_COLUMNS,
    residual_baseline,
    residual_bucket_daily,
    residuals,
    surface_residual_findings,
)
from transforms.mispricing.session import QUOTE_COLUMNS, session_mispricings
from transforms.pricing.forward import RateCurve
from transforms.pricing.rates import fallback_curve
from transforms.schemas import (
    ACCOUNT_STATE,
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

# A night and its catch-up keep what they have read; a longer backfill reads it again rather than hold it all.
SESSIONS_KEPT = 20
PRICES = [*OPTION_QUOTE.key, "bid", "ask"]


@dataclass
class _Kept:
    """By session: misfits, and the prices of its quotes, of sessions read a moment ago."""

    misfits: dict[date, pl.DataFrame] = field(default_factory=dict)
    prices: dict[date, pl.DataFrame] = field(default_factory=dict)


def find_mispricings(
    warehouse: Warehouse, *, sessions: Sequence[date], settings: Settings, calendar: TradingCalendar
) -> None:
    """Find the mispricings of `sessions`, which have just been priced, and bring the marts up to date.

    A night that was published keeps the settings it was published with.
    """
    sessions = sorted(sessions)
    nights = warehouse.sessions_of(SLICE)
    by_night = settings_by_night(warehouse, {*sessions, *nights}, settings)
    rates, accounts = warehouse.read(TREASURY_RATE), warehouse.read(ACCOUNT_STATE)
    _restate_loan_rates(warehouse, accounts)
    kept = _Kept()
    for session in sessions:
        quotes = warehouse.read(OPTION_QUOTE, sessions=[session], columns=QUOTE_COLUMNS)
        misfits = _find_in_session(
            warehouse,
            quotes,
            session=session,
            settings=by_night[session],
            calendar=calendar,
            rates=fallback_curve(rates, session),
            accounts=accounts,
        )
        if session in sessions[-SESSIONS_KEPT:]:
            kept.misfits[session], kept.prices[session] = misfits, quotes.select(PRICES)
    judged = _with_those_looking_back(sessions, nights, by_night, calendar)
    _judge_residuals(warehouse, judged, kept=kept, settings=by_night, calendar=calendar)
    _follow(warehouse, sessions=sessions, nights=set(nights), kept=kept, settings=by_night, calendar=calendar)


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


def _find_in_session(
    warehouse: Warehouse,
    quotes: pl.DataFrame,
    *,
    session: date,
    settings: Settings,
    calendar: TradingCalendar,
    rates: RateCurve | None,
    accounts: pl.DataFrame,
) -> pl.DataFrame:
    """Write what one session's detectors find but residuals; return its misfits."""
    own = settings.mispricing
    default = Statement(margin_loan_rate=settings.account.margin_loan_rate)
    found = session_mispricings(
        quotes,
        warehouse.read(SLICE, sessions=[session]),
        warehouse.read(OPTION_ANALYTICS, sessions=[session], columns=FITTED_COLUMNS),
        futures=warehouse.read(FUTURES_SETTLEMENT, sessions=[session]),
        rates=rates,
        calendar=calendar,
        fee_per_contract=own.option_fee_per_contract,
        loan_rate=statement_in_force(accounts, session, default=default).margin_loan_rate,
        box_threshold=own.box_threshold,
        vx_bound_tolerance=own.vx_bound_tolerance,
    )
    tables = (
        (BOX_CURVE, found.box_curve),
        (VARIANCE_TRIANGLE, found.variance_triangle),
        (RESIDUAL_BUCKET_DAILY, residual_bucket_daily(found.misfits)),
    )
    with warehouse.transaction():
        for table, frame in tables:
            warehouse.write_changes(table, _as(table, frame), sessions=[session])
        warehouse.replace_findings(found.found.findings, found.found.legs, sessions=[session], residual=False)
    return found.misfits


def _judge_residuals(
    warehouse: Warehouse,
    sessions: Sequence[date],
    *,
    kept: _Kept,
    settings: Mapping[date, Settings],
    calendar: TradingCalendar,
) -> None:
    buckets = warehouse.read(RESIDUAL_BUCKET_DAILY)
    baselines = {
        window: residual_baseline(buckets, calendar=calendar, residual_window=window)
        for window in {settings[session].mispricing.residual_window for session in sessions}
    }
    for session in sessions:
        own = settings[session].mispricing
        rows = kept.misfits.get(session)
        if rows is None:
            analytics = warehouse.read(OPTION_ANALYTICS, sessions=[session], columns=FITTED_COLUMNS)
            rows = residuals(analytics, warehouse.read(OPTION_QUOTE, sessions=[session], columns=QUOTE_COLUMNS))
        found = surface_residual_findings(
            rows, baselines[own.residual_window], fee_per_contract=own.option_fee_per_contract, min_z=own.min_z
        )
        with warehouse.transaction():
            warehouse.replace_findings(found.findings, found.legs, sessions=[session], residual=True)


def _follow(
    warehouse: Warehouse,
    *,
    sessions: Sequence[date],
    nights: set[date],
    kept: _Kept,
    settings: Mapping[date, Settings],
    calendar: TradingCalendar,
) -> None:
    findings, legs = warehouse.read_findings()
    lived = with_life(findings, calendar=calendar)
    legs = MISPRICING_LEG.conform(legs)
    judged = sorted({day for session in sessions for day in (session, calendar.after(session))})
    values = warehouse.read(SETTLEMENT_VALUE)
    with warehouse.transaction():
        warehouse.write_changes(MISPRICING, lived)
        warehouse.write_changes(MISPRICING_LEG, legs)
        for session in judged:
            if session not in nights:
                continue
            both = [calendar.before(session), session]
            prices = kept.prices.get(session)
            outcomes = mispricing_outcome(
                lived.filter(pl.col("session_date").is_in(both)),
                legs.filter(pl.col("session_date").is_in(both)),
                quotes=warehouse.read(OPTION_QUOTE, sessions=[session], columns=PRICES) if prices is None else prices,
                slices=warehouse.read(SLICE, sessions=both),
                futures=warehouse.read(FUTURES_SETTLEMENT, sessions=both),
                settlement_value=values,
                calendar=calendar,
                fee_per_contract=settings[session].mispricing.option_fee_per_contract,
            ).filter(pl.col("session_date") == session)
            warehouse.write_changes(MISPRICING_OUTCOME, _as(MISPRICING_OUTCOME, outcomes), sessions=[session])
        record = detector_record(lived, warehouse.read(MISPRICING_OUTCOME), calendar=calendar)
        warehouse.write_changes(DETECTOR_RECORD, _as(DETECTOR_RECORD, record))


def _as(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    typed = frame.select(table.column_names).cast(dict(table.polars_schema))  # type: ignore[arg-type]
    return table.conform(typed)
