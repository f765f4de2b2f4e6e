"""What the rules read of the market, session by session, under the names their inputs have."""

from collections.abc import Iterable
from datetime import date

import polars as pl

from transforms.indicators.session_grid import numbered_sessions
from transforms.rules.event_ahead import sessions_to_events
from transforms.rules.rule import Value
from transforms.rules.weekly_session import week_timing
from transforms.sessions import TradingCalendar

RALLY_SESSIONS = 5
OF_CURVE = ("contango_ratio",)
OF_VOL_OF_VOL = ("sessions_below_30",)
OF_DISLOCATION = (
    "parity_width_percentile_252d",
    "residual_dispersion_percentile_252d",
    "n_executable_locks",
)


def market_value_daily(
    *,
    curve: pl.DataFrame,
    momentum: pl.DataFrame,
    vol_of_vol: pl.DataFrame,
    dislocation: pl.DataFrame,
    levels: pl.DataFrame,
    calendar: TradingCalendar,
) -> pl.DataFrame:
    """Return one row per session of any of the tables: session_date and the rules' inputs by name, null where missing.

    curve, momentum, vol_of_vol, dislocation: the feature tables of those names, all sessions; levels: core.index_level.
    `spx_5_sessions_ago` is the close five sessions of the calendar before, null where that session has none.
    """
    numbers = numbered_sessions(calendar).collect()
    closes = levels.filter(pl.col("symbol") == "SPX").select("session_date", spx="close")
    numbered = closes.join(numbers, on="session_date", how="inner", validate="1:1")
    earlier = numbered.select(pl.col("session_number") + RALLY_SESSIONS, spx_5_sessions_ago="spx")
    spx = numbered.join(earlier, on="session_number", how="left", validate="1:1").drop("session_number")
    vix = levels.filter(pl.col("symbol") == "VIX").select("session_date", vix="close")
    parts = [
        spx,
        vix,
        curve.select("session_date", *OF_CURVE),
        _of_series(momentum, "vx_front", vx_front_rsi="rsi"),
        _of_series(momentum, "breadth", breadth_histogram="histogram"),
        _of_series(momentum, "curve", curve_histogram="histogram"),
        vol_of_vol.select("session_date", *OF_VOL_OF_VOL),
        dislocation.select("session_date", *OF_DISLOCATION),
    ]
    rows = pl.concat([part.select("session_date") for part in parts]).unique()
    for part in parts:
        rows = rows.join(part, on="session_date", how="left", validate="1:1")
    return rows.sort("session_date")


def session_values(
    row: dict[str, Value], session_date: date, *, events: pl.DataFrame, calendar: TradingCalendar
) -> dict[str, Value]:
    """Return the market's values of one session for the rules: a row of `market_value_daily`, events and the calendar.

    `events` is core.economic_event; an event counts from the day it was known.
    """
    own = {name: value for name, value in row.items() if name not in ("session_date", "vix")}
    ahead: dict[str, Value] = dict(sessions_to_events(events, session_date, calendar=calendar))
    return {**own, **ahead, **week_timing(session_date, calendar=calendar)}


def rows_by_session(frame: pl.DataFrame, sessions: Iterable[date]) -> dict[date, dict[str, Value]]:
    """Return rows of a frame with one row a session, by session; a session without a row has only nulls."""
    wanted = list(sessions)
    found = {row["session_date"]: row for row in frame.filter(pl.col("session_date").is_in(wanted)).to_dicts()}
    nothing = dict.fromkeys(frame.columns)
    return {day: found.get(day, {**nothing, "session_date": day}) for day in wanted}


def _of_series(momentum: pl.DataFrame, series: str, **columns: str) -> pl.DataFrame:
    return momentum.filter(pl.col("series") == series).select("session_date", **columns)
