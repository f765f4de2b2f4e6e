"""Price a session and find what is mispriced in it: everything that needs no other session.

A worker prices a session from its rows of core.option_quote and the session's rows of the daily tables; one writer
loads what workers staged, in the order of the sessions. A night and a backfill differ in how many sessions they name.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from flows.calendar import trading_calendar
from flows.headline import settings_by_night
from flows.internal_tables import MADE_FROM_SCHEMA
from flows.map_sessions import LOADED_TOGETHER, Progress, Runner, batched, map_sessions
from flows.object_store import Store
from flows.partition_files import PartitionFile, hand_over, read_partition, shared_partitions, write_partition
from flows.settings import MispricingSettings, Settings
from flows.staging import PRICED, stage, staged, staged_name
from flows.warehouse import Warehouse
from transforms.book.account import Statement, statement_in_force
from transforms.mispricing.residual import residual_bucket_daily, residual_candidates
from transforms.mispricing.session import session_mispricings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import OLDEST, fallback_curve
from transforms.pricing.vix_replication import replicated_vix, variance_daily
from transforms.schemas import (
    ACCOUNT_STATE,
    BOX_CURVE,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    RESIDUAL_BUCKET_DAILY,
    SLICE,
    TREASURY_RATE,
    VARIANCE_DAILY,
    VARIANCE_TRIANGLE,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

CROSS_SECTION_TABLES = (SLICE, OPTION_ANALYTICS, VARIANCE_DAILY)
SMALL_TABLES = (SLICE, VARIANCE_DAILY, BOX_CURVE, VARIANCE_TRIANGLE, RESIDUAL_BUCKET_DAILY)
FINDINGS, LEGS, CANDIDATES = "findings", "legs", "candidates"


@dataclass(frozen=True)
class SessionInputs:
    """What a session is priced from: its quotes (None: it has none) and the rows of daily tables known by then."""

    session_date: date
    quotes: PartitionFile | None
    rates: pl.DataFrame
    levels: pl.DataFrame
    futures: pl.DataFrame
    loan_rate: float | None
    settings: MispricingSettings
    staging: Store
    partitions: Store

    @property
    def name(self) -> str:
        """The name under which its pricing is staged: a hash of everything it is made from."""
        digest = hashlib.sha256()
        for frame in (self.rates, self.levels, self.futures):
            digest.update(frame.write_json().encode())
        quotes = self.quotes.sha256 if self.quotes else ""
        settings = json.dumps([self.loan_rate, self.settings.model_dump()])
        return staged_name(PRICED, str(self.session_date), quotes, digest.hexdigest(), settings)


@dataclass(frozen=True)
class PricedSession:
    """The rows of one session: `frames` by table name and the findings; the analytics of its options are in a file."""

    session_date: date
    name: str
    analytics: PartitionFile | None
    frames: dict[str, pl.DataFrame]


def price_sessions(
    warehouse: Warehouse,
    *,
    staging: Store,
    sessions: Sequence[date],
    settings: Settings,
    runner: Runner,
    progress: Progress | None = None,
) -> list[date]:
    """Compute the cross-section of each session, write what differs, and return the sessions changed.

    A session without quotes loses its rows. One that was made from the same inputs by the same code is left alone.
    """
    inputs = list(_session_inputs(warehouse, staging=staging, sessions=sessions, settings=settings))
    before = dict(warehouse.read_meta("meta.priced").iter_rows())
    due = [item for item in inputs if before.get(item.session_date) != item.name]
    shared = shared_partitions(warehouse.partitions, staging)
    hand_over((item.quotes for item in due if item.quotes), source=warehouse.partitions, target=shared)
    found = map_sessions(
        price_session,
        due,
        runner=runner,
        name=lambda item: f"pricing {item.session_date}",
        progress=progress,
    )
    changed: set[date] = set()
    for some in batched(found, LOADED_TOGETHER):
        changed |= _load(warehouse, some, staging=staging)
    return sorted(changed)


def price_session(inputs: SessionInputs) -> PricedSession:
    """Return the cross-section of a session: what is staged of it, else computed and staged."""
    kept = staged(inputs.staging, inputs.name)
    if kept is not None:
        frames, facts = kept
        analytics = PartitionFile(**facts["analytics"], session_date=inputs.session_date)
        if inputs.partitions.exists(analytics.name):
            return PricedSession(inputs.session_date, inputs.name, analytics, frames)
    calendar = trading_calendar()
    if inputs.quotes is None:
        empty = {table.full_name: table.empty() for table in SMALL_TABLES}
        return PricedSession(inputs.session_date, inputs.name, None, empty)
    quotes = read_partition(inputs.partitions, inputs.quotes)
    priced = cross_section(
        quotes, rates=inputs.rates, levels=inputs.levels, session=inputs.session_date, calendar=calendar
    )
    options = priced[OPTION_ANALYTICS]
    frames = {table.full_name: frame for table, frame in priced.items() if table is not OPTION_ANALYTICS}
    frames |= _mispriced(quotes, options, slices=priced[SLICE], inputs=inputs, calendar=calendar)
    analytics = write_partition(inputs.partitions, OPTION_ANALYTICS, options)
    stage(inputs.staging, inputs.name, frames=frames, facts={"analytics": analytics.facts})
    return PricedSession(inputs.session_date, inputs.name, analytics, frames)


def cross_section(
    quotes: pl.DataFrame, *, rates: pl.DataFrame, levels: pl.DataFrame, session: date, calendar: TradingCalendar
) -> dict[Table, pl.DataFrame]:
    """Return the priced rows of one session from its quotes, the rates known by then and the index levels."""
    if quotes.is_empty():
        return {table: table.empty() for table in CROSS_SECTION_TABLES}
    fallback = fallback_curve(rates, session)
    pricing = session_pricing(quotes, calendar=calendar, fallback=fallback, n_threads=1)
    curve = fallback or pricing.implied_curve
    replicated = replicated_vix(quotes, calendar=calendar, rates=curve) if curve else None
    variance = variance_daily([replicated] if replicated else [], levels)
    return {
        SLICE: _as(SLICE, pricing.slices),
        OPTION_ANALYTICS: _as(OPTION_ANALYTICS, pricing.options),
        VARIANCE_DAILY: _as(VARIANCE_DAILY, variance),
    }


def _mispriced(
    quotes: pl.DataFrame,
    analytics: pl.DataFrame,
    *,
    slices: pl.DataFrame,
    inputs: SessionInputs,
    calendar: TradingCalendar,
) -> dict[str, pl.DataFrame]:
    """Return what every detector finds in a session; misfits to the smile only so far as they can be findings."""
    own = inputs.settings
    found = session_mispricings(
        quotes,
        slices,
        analytics,
        futures=inputs.futures,
        rates=fallback_curve(inputs.rates, inputs.session_date),
        calendar=calendar,
        fee_per_contract=own.option_fee_per_contract,
        loan_rate=inputs.loan_rate,
        box_threshold=own.box_threshold,
        vx_bound_tolerance=own.vx_bound_tolerance,
    )
    return {
        BOX_CURVE.full_name: _as(BOX_CURVE, found.box_curve),
        VARIANCE_TRIANGLE.full_name: _as(VARIANCE_TRIANGLE, found.variance_triangle),
        RESIDUAL_BUCKET_DAILY.full_name: _as(RESIDUAL_BUCKET_DAILY, residual_bucket_daily(found.misfits)),
        CANDIDATES: residual_candidates(found.misfits),
        FINDINGS: found.found.findings,
        LEGS: found.found.legs,
    }


def _session_inputs(
    warehouse: Warehouse, *, staging: Store, sessions: Sequence[date], settings: Settings
) -> Iterator[SessionInputs]:
    files = warehouse.files_of(OPTION_QUOTE, sessions=sessions)
    rates = warehouse.read(TREASURY_RATE)
    # A frame a session of all of history would take longer than a night's pricing.
    wanted = pl.col("session_date").is_in(list(sessions))
    levels = warehouse.read(INDEX_LEVEL).filter(wanted).partition_by("session_date", as_dict=True)
    futures = warehouse.read(FUTURES_SETTLEMENT).filter(wanted).partition_by("session_date", as_dict=True)
    accounts = warehouse.read(ACCOUNT_STATE)
    by_night = settings_by_night(warehouse, sessions, settings)
    for session in sorted(sessions):
        own = by_night[session]
        default = Statement(margin_loan_rate=own.account.margin_loan_rate)
        yield SessionInputs(
            session_date=session,
            quotes=files.get(session),
            rates=rates.filter(pl.col("session_date").is_between(session - OLDEST, session)),
            levels=levels.get((session,), INDEX_LEVEL.empty()),
            futures=futures.get((session,), FUTURES_SETTLEMENT.empty()),
            loan_rate=statement_in_force(accounts, session, default=default).margin_loan_rate,
            settings=own.mispricing,
            staging=staging,
            partitions=shared_partitions(warehouse.partitions, staging),
        )


def _load(warehouse: Warehouse, priced: Sequence[PricedSession], *, staging: Store) -> set[date]:
    """Load the cross-sections of some sessions in one transaction; return the sessions that differ."""
    sessions = [one.session_date for one in priced]
    changed: set[date] = set()

    def together(name: str, empty: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([empty, *(one.frames[name] for one in priced if name in one.frames)])

    files = [one.analytics for one in priced if one.analytics]
    hand_over(files, source=shared_partitions(warehouse.partitions, staging), target=warehouse.partitions)
    with warehouse.transaction():
        for table in SMALL_TABLES:
            changed |= set(warehouse.write_changes(table, together(table.full_name, table.empty()), sessions=sessions))
        changed |= set(warehouse.write_partition_files(OPTION_ANALYTICS, files, sessions=sessions))
        warehouse.replace_findings(
            together(FINDINGS, warehouse.read_meta("meta.finding").clear()),
            together(LEGS, warehouse.read_meta("meta.finding_leg").clear()),
            sessions=sessions,
            residual=False,
        )
        warehouse.replace_meta(
            "meta.residual_candidate",
            together(CANDIDATES, warehouse.read_meta("meta.residual_candidate").clear()),
            sessions=sessions,
        )
        marks = pl.DataFrame([(one.session_date, one.name) for one in priced], schema=MADE_FROM_SCHEMA, orient="row")
        warehouse.replace_meta("meta.priced", marks, sessions=sessions)
    for one in priced:
        staging.remove(one.name)
    return changed


def _as(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame's columns of the table, in its types; NaN, which computations use for missing, becomes null."""
    typed = frame.select(table.column_names).cast(dict(table.polars_schema))  # type: ignore[arg-type]
    return table.conform(typed.fill_nan(None))
