"""Compute the feature tables: cross-section per session, and through time from the first session on."""

import json
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from flows.settings import IndicatorSettings, Settings, settings_from
from flows.warehouse import Warehouse
from transforms.indicators.breadth import advance_decline_line
from transforms.indicators.mean_reversion import mean_reversion_daily
from transforms.indicators.momentum import momentum_daily
from transforms.indicators.term_structure import curve_daily, term_structure
from transforms.indicators.vol_of_vol import vol_of_vol_daily
from transforms.schemas import BY_NAME
from transforms.sessions import TradingCalendar

MEAN_REVERSION_SEED = 20040326


@dataclass
class Analyzed:
    """Sessions whose feature rows changed, by table."""

    changed: dict[str, list[date]] = field(default_factory=dict)

    @property
    def sessions(self) -> set[date]:
        return {day for days in self.changed.values() for day in days}


def analyze_through_time(warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar) -> Analyzed:
    """Compute the daily features over the whole history and write the rows that differ.

    A session that was published keeps the settings it was published with: a changed setting acts from the next night on.
    """
    inputs = _inputs(warehouse)
    frames = daily_features(inputs, indicators=settings.indicators, calendar=calendar)
    nights = warehouse.read_meta("meta.night")
    for (text,), rows in nights.group_by("settings"):
        then = settings_from({"indicators": settings_of(text)["indicators"]}, where="a published night").indicators
        if then != settings.indicators:
            own = daily_features(inputs, indicators=then, calendar=calendar)
            frames = {name: _spliced(frame, own[name], rows["session_date"]) for name, frame in frames.items()}
    result = Analyzed()
    with warehouse.transaction():
        for name, frame in frames.items():
            changed = warehouse.write_changes(BY_NAME[name], frame)
            if changed:
                result.changed[name] = changed
    return result


def daily_features(
    inputs: dict[str, pl.DataFrame], *, indicators: IndicatorSettings, calendar: TradingCalendar
) -> dict[str, pl.DataFrame]:
    """Return the daily feature tables by name, from the core tables by name."""
    futures, levels = inputs["core.futures_settlement"].lazy(), inputs["core.index_level"].lazy()
    curve = curve_daily(
        futures, levels, calendar=calendar, roll_days_before_expiry=indicators.roll_days_before_expiry
    ).collect()
    line = advance_decline_line(
        inputs["core.market_breadth"].lazy(), calendar=calendar, breadth_exchange=indicators.breadth_exchange
    )
    mean_reversion = mean_reversion_daily(
        curve.lazy(),
        levels,
        calendar=calendar,
        n_draws=indicators.mean_reversion_draws,
        seed=MEAN_REVERSION_SEED,
        window=indicators.mean_reversion_window,
    )
    return {
        "feature.term_structure": term_structure(futures, calendar=calendar).collect(),
        "feature.curve_daily": curve,
        "feature.momentum_daily": momentum_daily(
            curve.lazy(), line, curve_series=indicators.curve_series
        ).collect(),
        "feature.mean_reversion_daily": mean_reversion.collect(),
        "feature.vol_of_vol_daily": vol_of_vol_daily(levels, calendar=calendar).collect(),
    }


def settings_of(text: str) -> dict[str, dict[str, object]]:
    """Return recorded settings from their JSON text."""
    parsed: dict[str, dict[str, object]] = json.loads(text)
    return parsed


def _inputs(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    names = ("core.futures_settlement", "core.index_level", "core.market_breadth")
    return {name: warehouse.read(BY_NAME[name]) for name in names}


def _spliced(now: pl.DataFrame, then: pl.DataFrame, sessions: pl.Series) -> pl.DataFrame:
    kept = now.filter(~pl.col("session_date").is_in(sessions.implode()))
    own = then.filter(pl.col("session_date").is_in(sessions.implode()))
    return pl.concat([kept, own.select(kept.columns)])
