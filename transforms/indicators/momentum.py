"""RSI and MACD as TA-Lib computes them, on series that may have gaps (METHOD §3)."""

import math
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.errors import UsageError
from transforms.indicators.term_structure import relative_difference
from transforms.schemas import MOMENTUM_DAILY

Floats = npt.NDArray[np.float64]

RSI_PERIOD = 14
MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
# TA-Lib calls a sum of average gain and loss below this zero, and the RSI of a series that stands still 0.
NO_MOVEMENT = 1e-14
MOMENTUM_FIELDS = pl.Struct({name: pl.Float64() for name in ("line", "signal", "histogram", "rsi")})


def momentum_daily(
    curve: pl.LazyFrame, breadth: pl.LazyFrame, *, curve_series: Literal["ratio", "raw"] = "ratio"
) -> pl.LazyFrame:
    """Return feature.momentum_daily: one row per session and series.

    Parameters
    ----------
    curve
        feature.curve_daily: its rows give the sessions of `vx_front` and `curve`.
    breadth
        `advance_decline_line`: its rows give the sessions of `breadth`.
    curve_series
        What `curve` follows: "ratio", 60-day/30-day constant maturity − 1, or "raw", VX2/VX1 − 1, which jumps
        at every roll. Decimals.

    Returns
    -------
    pl.LazyFrame
        MACD (12, 26, 9) in the units of the series and RSI (14), 0 to 100. Over a gap of a series
        (front_index_gap, a missing figure, a session without a count) every indicator starts its warm-up
        again; warm-up rows are null. The state is bullish where the histogram is above 0, else bearish.

    Raises
    ------
    UsageError
        If `curve_series` is neither of the two.
    """
    constant_maturity_ratio = relative_difference(pl.col("constant_maturity_60d"), pl.col("constant_maturity_30d"))
    curve_levels = {"ratio": constant_maturity_ratio, "raw": pl.col("contango_ratio")}
    if curve_series not in curve_levels:
        raise UsageError(f'curve_series = "{curve_series}" is unknown; set it to one of {", ".join(curve_levels)}')
    front = curve.select("session_date", level="front_index", restarts="front_index_gap")
    curve_level = curve.select("session_date", level=curve_levels[curve_series], restarts=pl.lit(False))
    advances = breadth.select("session_date", "restarts", level="advance_decline_line")
    return pl.concat(
        _momentum_rows(series, frame)
        for series, frame in (("vx_front", front), ("breadth", advances), ("curve", curve_level))
    ).sort("session_date", "series")


def relative_strength_index(levels: Floats, period: int = RSI_PERIOD) -> Floats:
    """Return Wilder's RSI of an unbroken series, 0 to 100; NaN on the first `period` rows.

    The averages of gains and losses start as simple means of the first `period` changes. A series that has
    not moved at all has RSI 0, as in TA-Lib. (Wilder 1978, New Concepts in Technical Trading Systems, section
    VI)
    """
    changes = np.diff(levels)
    gains = _wilder_average(np.maximum(changes, 0.0), period)
    losses = _wilder_average(np.maximum(-changes, 0.0), period)
    movement = gains + losses
    has_moved = movement >= NO_MOVEMENT
    strength = np.zeros_like(movement)
    np.divide(gains, movement, out=strength, where=has_moved)
    return _after_warm_up(100.0 * strength, n_rows=len(levels))


def moving_average_convergence(
    levels: Floats, fast: int = MACD_FAST, slow: int = MACD_SLOW, signal: int = MACD_SIGNAL
) -> tuple[Floats, Floats, Floats]:
    """Return MACD line, signal and histogram of an unbroken series, in its units; NaN in the joint warm-up.

    Both averages of the line take their first value on row slow − 1, each the simple mean of as many rows as
    its own period; the signal starts as the mean of the first `signal` values of the line. All three are NaN
    until the signal exists, on row slow + signal − 2, as in TA-Lib. (Appel 1979, The Moving Average
    Convergence-Divergence Method)
    """
    line = _exponential_average(levels[slow - fast :], fast) - _exponential_average(levels, slow)
    smoothed = _exponential_average(line, signal)
    line = line[len(line) - len(smoothed) :]
    n_rows = len(levels)
    return (
        _after_warm_up(line, n_rows=n_rows),
        _after_warm_up(smoothed, n_rows=n_rows),
        _after_warm_up(line - smoothed, n_rows=n_rows),
    )


def _exponential_average(values: Floats, period: int) -> Floats:
    weight = 2.0 / (period + 1)
    return _recursive_average(values, period, lambda average, value: (value - average) * weight + average)


def _wilder_average(values: Floats, period: int) -> Floats:
    return _recursive_average(values, period, lambda average, value: (average * (period - 1) + value) / period)


def _recursive_average(values: Floats, period: int, step: Callable[[float, float], float]) -> Floats:
    """Return the average from row period − 1 on; empty if the series is shorter.

    `step` keeps TA-Lib's order of operations, so the two agree to the bit but for the seed. `fsum` because
    the sum of floats of Python 3.12 differs from that of 3.11.
    """
    if len(values) < period:
        return np.empty(0)
    seed = math.fsum(values[:period]) / period
    return np.fromiter(accumulate(values[period:].tolist(), step, initial=seed), dtype=np.float64)


def _after_warm_up(values: Floats, *, n_rows: int) -> Floats:
    """Return `values` as the last rows of a series of `n_rows`, NaN before them."""
    padded = np.full(n_rows, np.nan)
    padded[n_rows - len(values) :] = values
    return padded


def _momentum_rows(series: str, levels: pl.LazyFrame) -> pl.LazyFrame:
    momentum = pl.struct("level", "restarts").map_batches(_momentum_of_segments, return_dtype=MOMENTUM_FIELDS)
    histogram = pl.col("histogram")
    state = pl.when(histogram > 0).then(pl.lit("bullish")).when(histogram <= 0).then(pl.lit("bearish"))
    row = pl.int_range(pl.len(), dtype=pl.Int64)
    is_cross = pl.col("state") != pl.col("state").shift(1)
    # The row of the last cross counts only if no warm-up lies between it and the session.
    last_cross = pl.when(is_cross).then(row).forward_fill()
    last_warm_up = pl.when(pl.col("state").is_null()).then(row).forward_fill().fill_null(-1)
    since_cross = pl.when(last_cross > last_warm_up).then(row - last_cross)
    return (
        levels.sort("session_date")
        .with_columns(momentum.alias("momentum"))
        .unnest("momentum")
        .with_columns(pl.lit(series).alias("series"), state.alias("state"))
        .with_columns(since_cross.alias("sessions_since_cross"))
        .select(MOMENTUM_DAILY.column_names)
    )


def _momentum_of_segments(rows: pl.Series) -> pl.Series:
    fields = rows.struct.unnest()
    levels = fields["level"].to_numpy()
    restarts = fields["restarts"].to_numpy()
    columns = {name: np.full(len(levels), np.nan) for name in MOMENTUM_FIELDS.to_schema()}
    for segment in _unbroken_segments(levels, restarts):
        line, signal, histogram = moving_average_convergence(levels[segment])
        columns["line"][segment] = line
        columns["signal"][segment] = signal
        columns["histogram"][segment] = histogram
        columns["rsi"][segment] = relative_strength_index(levels[segment])
    return pl.DataFrame(columns).fill_nan(None).to_struct(rows.name)


def _unbroken_segments(levels: Floats, restarts: npt.NDArray[np.bool_]) -> Iterator[slice]:
    """Yield the runs of rows with a level, cut where a row restarts, that are long enough for an RSI."""
    is_present = ~np.isnan(levels)
    is_break = ~is_present | restarts
    is_break[1:] |= ~is_present[:-1]
    is_break[:1] = True
    starts = np.append(np.flatnonzero(is_break), len(levels))
    for start, stop in pairwise(starts.tolist()):
        if stop - start > RSI_PERIOD:
            yield slice(start, stop)
