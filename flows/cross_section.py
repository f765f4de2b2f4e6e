"""Price a session: forwards, smiles, vols, Greeks, the replicated VIX of its quotes; no memory between sessions."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from flows.warehouse import Warehouse
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import fallback_curve
from transforms.pricing.vix_replication import replicated_vix, variance_daily
from transforms.schemas import INDEX_LEVEL, OPTION_ANALYTICS, OPTION_QUOTE, SLICE, TREASURY_RATE, VARIANCE_DAILY
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

CROSS_SECTION_TABLES = (SLICE, OPTION_ANALYTICS, VARIANCE_DAILY)


def price_sessions(warehouse: Warehouse, *, sessions: Sequence[date], calendar: TradingCalendar) -> list[date]:
    """Compute the cross-section of each session that has quotes, write what differs, return the sessions changed.

    A session that lost its quotes loses its rows. Each session is a transaction of its own.
    """
    rates = warehouse.read(TREASURY_RATE)
    levels = warehouse.read(INDEX_LEVEL)
    changed = set()
    for session in sessions:
        quotes = warehouse.read(OPTION_QUOTE, sessions=[session])
        frames = cross_section(quotes, rates=rates, levels=levels, session=session, calendar=calendar)
        with warehouse.transaction():
            for table, frame in frames.items():
                if warehouse.write_changes(table, frame, sessions=[session]):
                    changed.add(session)
    return sorted(changed)


def cross_section(
    quotes: pl.DataFrame, *, rates: pl.DataFrame, levels: pl.DataFrame, session: date, calendar: TradingCalendar
) -> dict[Table, pl.DataFrame]:
    """Return the rows of one session from its quotes, the rates known by then and the index levels."""
    if quotes.is_empty():
        return {table: table.empty() for table in CROSS_SECTION_TABLES}
    fallback = fallback_curve(rates, session)
    pricing = session_pricing(quotes, calendar=calendar, fallback=fallback)
    curve = fallback or pricing.implied_curve
    replicated = replicated_vix(quotes, calendar=calendar, rates=curve) if curve else None
    variance = variance_daily([replicated] if replicated else [], levels)
    return {
        SLICE: _as(SLICE, pricing.slices),
        OPTION_ANALYTICS: _as(OPTION_ANALYTICS, pricing.options),
        VARIANCE_DAILY: _as(VARIANCE_DAILY, variance),
    }


def _as(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame's columns of the table, in its types; NaN, which computations use for missing, becomes null."""
    typed = frame.select(table.column_names).cast(dict(table.polars_schema))  # type: ignore[arg-type]
    return table.conform(typed.fill_nan(None))
