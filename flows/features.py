"""Compute the feature tables: cross-section per session, and through time from the first session on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from flows.candidates import rank_sessions
from flows.cross_section import price_sessions
from flows.headline import settings_by_night
from flows.map_sessions import Progress, Runner
from flows.mispricings import follow_mispricings
from flows.object_store import Store
from flows.provenance import code_version
from flows.settings import IndicatorSettings, Settings, settings_from
from flows.warehouse import Warehouse
from transforms.indicators.breadth import advance_decline_line
from transforms.indicators.dislocation import dislocation_daily
from transforms.indicators.mean_reversion import mean_reversion_daily
from transforms.indicators.momentum import momentum_daily
from transforms.indicators.surface import surface_daily, surface_summary
from transforms.indicators.term_structure import curve_daily, term_structure
from transforms.indicators.vol_of_vol import vol_of_vol_daily
from transforms.schemas import (
    BY_NAME,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    SLICE,
    SURFACE_DAILY,
    TERM_STRUCTURE,
    TREASURY_RATE,
)
from transforms.sessions import TradingCalendar

MEAN_REVERSION_SEED = 20040326
# A night whose rows of one of these have changed has its candidates ranked again.
RANKED_FROM = (OPTION_QUOTE, OPTION_ANALYTICS, SLICE, TERM_STRUCTURE, INDEX_LEVEL)
# A night whose rows of one of these have changed is priced again.
PRICED_FROM = (OPTION_QUOTE, FUTURES_SETTLEMENT, INDEX_LEVEL, TREASURY_RATE)


# Of slices, by far the widest and longest of what daily features read.
SURFACE_FROM = (
    "session_date", "root", "expiration", "time_to_expiry", "forward", "forward_low", "forward_high",
    "svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma",
)  # fmt: skip


@dataclass
class Analyzed:
    """Sessions whose feature rows changed, by table."""

    changed: dict[str, list[date]] = field(default_factory=dict)

    @property
    def sessions(self) -> set[date]:
        return {day for days in self.changed.values() for day in days}


def analyze_sessions(
    warehouse: Warehouse,
    *,
    staging: Store,
    sessions: Sequence[date],
    settings: Settings,
    calendar: TradingCalendar,
    runner: Runner,
    progress: Progress | None = None,
) -> Analyzed:
    """Compute the cross-section of `sessions` and of every published night whose quotes changed, then daily features.

    A cross-section made by other code than today's stays as it is until its session is run again.
    """
    nights = set(warehouse.read_meta("meta.night", ["session_date"])["session_date"].to_list())
    stale = warehouse.dirty_sessions(*PRICED_FROM) & nights
    due = sorted({*sessions, *stale})
    priced = price_sessions(
        warehouse, staging=staging, sessions=due, settings=settings, runner=runner, progress=progress
    )
    follow_mispricings(warehouse, sessions=due, settings=settings, calendar=calendar)
    result = analyze_through_time(warehouse, settings=settings, calendar=calendar)
    # The physical law rests on the year before, so a surface that changed touches every later night.
    moved = min(warehouse.dirty_sessions(SURFACE_DAILY), default=None)
    touched = warehouse.dirty_sessions(*RANKED_FROM) & nights
    touched |= {day for day in nights if moved is not None and day >= moved} | set(sessions)
    rank_sessions(
        warehouse,
        staging=staging,
        sessions=sorted(touched),
        settings=settings_by_night(warehouse, touched, settings),
        runner=runner,
        progress=progress,
    )
    if priced:
        result.changed["cross-section"] = priced
    return result


def analyze_through_time(warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar) -> Analyzed:
    """Compute the daily features over the whole history and write the rows that differ.

    A session that was published keeps the settings it was published with: a changed setting acts from the next night
    on.
    """
    inputs = _inputs(warehouse)
    drawn = _drawn_before(warehouse, settings.indicators)
    frames = daily_features(inputs, indicators=settings.indicators, calendar=calendar, drawn=drawn)
    nights = warehouse.read_meta("meta.night", ["session_date", "settings_sha256"])
    texts = warehouse.settings_texts()
    for (sha256,), rows in nights.group_by("settings_sha256"):
        text = texts[str(sha256)]
        then = settings_from({"indicators": json.loads(text)["indicators"]}, where="a published night").indicators
        if then != settings.indicators:
            own = daily_features(inputs, indicators=then, calendar=calendar, drawn=None)
            frames = {name: _spliced(frame, own[name], rows["session_date"]) for name, frame in frames.items()}
    result = Analyzed()
    with warehouse.transaction():
        for name, frame in frames.items():
            changed = warehouse.write_changes(BY_NAME[name], frame)
            if changed:
                result.changed[name] = changed
        warehouse.write_meta("meta.feature_origin", _origin(settings.indicators))
    return result


def daily_features(
    inputs: dict[str, pl.DataFrame],
    *,
    indicators: IndicatorSettings,
    calendar: TradingCalendar,
    drawn: pl.DataFrame | None,
) -> dict[str, pl.DataFrame]:
    """Return the daily feature tables by name, from the core tables by name.

    `drawn` is feature.mean_reversion_daily as the same code and settings made it before; None if there is none.
    """
    futures, levels = inputs["core.futures_settlement"].lazy(), inputs["core.index_level"].lazy()
    # Read twice below.
    summary = surface_summary(inputs["feature.slice"].lazy()).collect()
    # None of these reads another: they share the processors.
    curve, surface, structure, vol_of_vol, dislocation = pl.collect_all(
        [
            curve_daily(futures, levels, calendar=calendar, roll_days_before_expiry=indicators.roll_days_before_expiry),
            surface_daily(summary.lazy(), levels),
            term_structure(futures, calendar=calendar),
            vol_of_vol_daily(levels, calendar=calendar),
            dislocation_daily(
                inputs["feature.slice"].lazy(),
                inputs["feature.residual_bucket_daily"].lazy(),
                inputs["mart.mispricing"].lazy(),
            ),
        ]
    )
    line = advance_decline_line(
        inputs["core.market_breadth"].lazy(), calendar=calendar, breadth_exchange=indicators.breadth_exchange
    )
    return {
        "feature.term_structure": structure,
        "feature.curve_daily": curve,
        "feature.momentum_daily": momentum_daily(curve.lazy(), line, curve_series=indicators.curve_series).collect(),
        "feature.mean_reversion_daily": _mean_reversion(
            curve, levels, surface.lazy(), indicators=indicators, calendar=calendar, drawn=drawn
        ),
        "feature.vol_of_vol_daily": vol_of_vol,
        "feature.surface_daily": surface.select(SURFACE_DAILY.column_names),
        "feature.dislocation_daily": dislocation,
    }


def _mean_reversion(
    curve: pl.DataFrame,
    levels: pl.LazyFrame,
    surface: pl.LazyFrame,
    *,
    indicators: IndicatorSettings,
    calendar: TradingCalendar,
    drawn: pl.DataFrame | None,
) -> pl.DataFrame:
    """Return feature.mean_reversion_daily, drawing intervals only for rows whose estimate is not the one drawn before.

    The draws of a row depend on its seed, series, session and window alone, and two seconds of them a night are most of
    what a night would cost. A window that changed has another estimate.
    """

    def estimated(sessions: list[date] | None) -> pl.DataFrame:
        return mean_reversion_daily(
            curve.lazy(),
            levels,
            calendar=calendar,
            n_draws=indicators.mean_reversion_draws,
            seed=MEAN_REVERSION_SEED,
            window=indicators.mean_reversion_window,
            only_sessions=sessions,
            surface=surface,
        ).collect()

    if drawn is None or drawn.is_empty():
        return estimated(None)
    point = ["session_date", "series", "phi", "half_life", "stand_in"]
    fresh = estimated([]).join(drawn, on=point, how="anti", nulls_equal=True)["session_date"].unique().sort()
    own = estimated(fresh.to_list())
    redrawn = pl.col("session_date").is_in(fresh.implode())
    kept = (
        own.filter(~redrawn)
        .drop("low_95", "high_95")
        .join(drawn.select(*point, "low_95", "high_95"), on=point, how="left", nulls_equal=True, validate="1:1")
    )
    return pl.concat([own.filter(redrawn), kept.select(own.columns)])


def _origin(indicators: IndicatorSettings) -> pl.DataFrame:
    return pl.DataFrame({"code_version": [code_version()], "indicators": [indicators.model_dump_json()]})


def _drawn_before(warehouse: Warehouse, indicators: IndicatorSettings) -> pl.DataFrame | None:
    if not warehouse.read_meta("meta.feature_origin").equals(_origin(indicators)):
        return None
    return warehouse.read(BY_NAME["feature.mean_reversion_daily"])


def _inputs(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    names = (
        "core.futures_settlement", "core.index_level", "core.market_breadth", "feature.residual_bucket_daily",
        "mart.mispricing",
    )  # fmt: skip
    return {
        **{name: warehouse.read(BY_NAME[name]) for name in names},
        "feature.slice": warehouse.read(SLICE, columns=SURFACE_FROM),
    }


def _spliced(now: pl.DataFrame, then: pl.DataFrame, sessions: pl.Series) -> pl.DataFrame:
    kept = now.filter(~pl.col("session_date").is_in(sessions.implode()))
    own = then.filter(pl.col("session_date").is_in(sessions.implode()))
    return pl.concat([kept, own.select(kept.columns)])
