"""Figures of the market: the VX curve then and now, contango and RSI with their thresholds, the variance triangle."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from transforms.report.figure import Axis, Drawable, Figure, Level, Missing, Panel, Series, Tone
from transforms.report.night import Night
from transforms.report.words import COMPARISONS, day_words
from transforms.schemas import (
    CURVE_DAILY,
    MOMENTUM_DAILY,
    RULE_EVALUATION,
    SIGNAL_DAILY,
    TERM_STRUCTURE,
    VARIANCE_TRIANGLE,
)

WEEK, MONTH = timedelta(days=7), timedelta(days=28)
HISTORY_SESSIONS = 252
BY_SESSION = Axis("session", "date")


def curve_figure(night: Night) -> Drawable:
    """Return the monthly VX settlements by expiration: tonight, and at the last session a week and four weeks before.

    Against the expiration and not the days left, so that one contract stands above itself.
    """
    title, source = "VX curve", "feature.term_structure"
    rows = night.rows(TERM_STRUCTURE).drop_nulls("settle").sort("session_date", "expiration")
    days: list[tuple[date, str, Tone]] = [(night.session, "tonight", "first")]
    for span, label, tone in ((WEEK, "a week before", "second"), (MONTH, "four weeks before", "muted")):
        before = rows.filter(pl.col("session_date") <= night.session - span)["session_date"]
        if before.len():
            days.append((before.max(), label, tone))  # type: ignore[arg-type]
    series = []
    for day, label, tone in days:
        own = rows.filter(pl.col("session_date") == day)
        if own.height:
            name = f"{label}, {day_words(day)}" if day != night.session else f"tonight, {day_words(day)}"
            dashed = tone != "first"
            series.append(Series(name, own["expiration"].to_list(), own["settle"].to_list(), tone=tone, dashed=dashed))
    if not series or days[0][0] not in set(rows["session_date"].to_list()):
        reason = night.lacks("vx_futures") or "no monthly VX settlement"
        return Missing(title, source, f"{reason}: no settlement of {day_words(night.session)} is landed")
    vix = night.row(SIGNAL_DAILY)["vix"]
    levels = [] if vix is None else [Level(vix, f"VIX {vix:.2f}")]
    panel = Panel(Axis("settlement, points", "number2"), series, levels)
    return Figure(title, source, Axis("expiration", "date"), [panel], note="Dots are the monthly contracts.")


def contango_figure(night: Night) -> Drawable:
    """Return the contango ratio of the last year against the threshold of `contango_scan`."""
    rows = night.rows(CURVE_DAILY).sort("session_date").tail(HISTORY_SESSIONS)
    return _history(
        night,
        title="Contango",
        source="feature.curve_daily",
        rows=rows,
        column="contango_ratio",
        axis=Axis("VX2/VX1 - 1, percent", "percent1"),
        rule="contango_scan",
        inputs=("vx_futures",),
    )


def rsi_figure(night: Night) -> Drawable:
    """Return the RSI of the continuous front VX of the last year against the threshold of `vx_oversold`."""
    rows = night.rows(MOMENTUM_DAILY).filter(pl.col("series") == "vx_front").sort("session_date")
    return _history(
        night,
        title="RSI of the front VX",
        source="feature.momentum_daily",
        rows=rows.tail(HISTORY_SESSIONS),
        column="rsi",
        axis=Axis("RSI(14), 0 to 100", "number0"),
        rule="vx_oversold",
        inputs=("vx_futures",),
    )


def triangle_figure(night: Night) -> Drawable:
    """Return SPX forward variance, VIX options' second moment and VX by expiration, as vols; and VX's room below both.

    Jensen's bound: a VX future is at most the root of the forward variance it settles on.
    """
    title, source = "SPX-VIX variance triangle", "feature.variance_triangle"
    rows = night.tonight(VARIANCE_TRIANGLE).sort("expiration")
    rows = rows.filter(pl.col("vx").is_not_null() | pl.col("vix_second_moment").is_not_null())
    if rows.is_empty():
        reason = night.lacks("spx_options", "vix_options", "vx_futures") or "no VIX expiration has both sides"
        return Missing(title, source, reason)
    when = rows["expiration"].to_list()
    spx = rows["spx_forward_variance"].to_list()
    spx_points = [None if value is None else 100.0 * value**0.5 if value >= 0.0 else None for value in spx]
    moment = [None if value is None else value**0.5 for value in rows["vix_second_moment"].to_list()]
    upper = Panel(
        Axis("vol points", "number2"),
        [
            Series("root of SPX forward variance", when, spx_points, mark="points", tone="first"),
            Series("root of E[VIX squared], VIX options", when, moment, tone="second", dashed=True),
            Series("VX settlement", when, rows["vx"].to_list(), tone="third"),
        ],
    )
    lower = Panel(
        Axis("bound less VX, vol points", "number2"),
        [Series("SPX bound less VX", when, rows["gap_vol_points"].to_list(), mark="bars", tone="first")],
        [Level(0.0, "Jensen's bound")],
        share=0.45,
    )
    n_without = sum(value is None for value in spx)
    note = (
        f"{n_without} of {rows.height} expirations have no SPX bound: no SPX expiration is listed 30 days later, or the"
        " slices around it are more than 3 days apart."
        if n_without
        else ""
    )
    return Figure(title, source, Axis("VIX expiration", "date"), [upper, lower], note=note)


def _history(
    night: Night,
    *,
    title: str,
    source: str,
    rows: pl.DataFrame,
    column: str,
    axis: Axis,
    rule: str,
    inputs: Sequence[str],
) -> Drawable:
    known = rows.drop_nulls(column)
    if known.height < 2:
        why = night.lacks(*inputs) or f"fewer than two sessions have a {column.replace('_', ' ')} (warm-up)"
        return Missing(title, source, why)
    judged = night.tonight(RULE_EVALUATION).filter(pl.col("rule") == rule, pl.col("threshold").is_not_null())
    levels = [
        Level(row["threshold"], f"asked {COMPARISONS[row['comparison']]} {_short(row['threshold'], axis)}")
        for row in judged.to_dicts()
    ]
    # Floats of a frame, not of Python: a null stays a gap in the line.
    values = [None if value is None or not np.isfinite(value) else value for value in rows[column].to_list()]
    series = [Series(title, rows["session_date"].to_list(), values, tone="first")]
    lacking = "" if values[-1] is not None else f"Tonight's value is missing: {night.lacks(*inputs) or 'no input'}."
    return Figure(title, source, BY_SESSION, [Panel(axis, series, levels)], note=lacking)


def _short(value: float, axis: Axis) -> str:
    return f"{100.0 * value:g}%" if axis.form.startswith("percent") else f"{value:g}"
