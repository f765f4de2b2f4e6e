"""RSI and MACD against TA-Lib, gap by gap, and the state read off the histogram."""

from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from transforms.errors import UsageError
from transforms.indicators.momentum import (
    momentum_daily,
    moving_average_convergence,
    relative_strength_index,
)
from transforms.schemas import BY_NAME

CALENDAR = trading_calendar()
SESSIONS = CALENDAR.between(date(2019, 1, 2), date(2020, 12, 31))
NO_BREADTH = pl.LazyFrame(
    schema={"session_date": pl.Date(), "advance_decline_line": pl.Float64(), "restarts": pl.Boolean()}
)
Floats = npt.NDArray[np.float64]


def curve(
    levels: list[float | None], *, gaps: list[bool] | None = None, contango: list[float | None] | None = None
) -> pl.LazyFrame:
    """A curve whose front index is `levels`; the 60-day price is 1 + level/1000 times the 30-day one."""
    ratios = [None if level is None else 20.0 * (1.0 + level / 1000.0) for level in levels]
    return pl.LazyFrame(
        {
            "session_date": SESSIONS[: len(levels)],
            "front_index": [0.0 if level is None else level for level in levels],
            "front_index_gap": gaps or [False] * len(levels),
            "constant_maturity_30d": [20.0] * len(levels),
            "constant_maturity_60d": ratios,
            "contango_ratio": contango or [None] * len(levels),
        },
        schema={
            "session_date": pl.Date(),
            "front_index": pl.Float64(),
            "front_index_gap": pl.Boolean(),
            "constant_maturity_30d": pl.Float64(),
            "constant_maturity_60d": pl.Float64(),
            "contango_ratio": pl.Float64(),
        },
    )


def series(frame: pl.LazyFrame, name: str, breadth: pl.LazyFrame = NO_BREADTH) -> pl.DataFrame:
    table = BY_NAME["feature.momentum_daily"].conform(momentum_daily(frame, breadth).collect())
    return table.filter(pl.col("series") == name)


def walk(seed: int, n_rows: int, start: float = 20.0) -> Floats:
    return start + np.random.default_rng(seed).normal(size=n_rows).cumsum()


def assert_same(ours: Floats, theirs: Floats) -> None:
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    # Levels reach 1e5, where the sum of 26 of them carries 1e-10.
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(2, 400), start=st.sampled_from([0.0, 20.0, 1e5]))
def test_rsi_and_macd_equal_ta_lib_with_the_same_warm_up(seed: int, n_rows: int, start: float) -> None:
    levels = walk(seed, n_rows, start)
    assert_same(relative_strength_index(levels), talib.RSI(levels, timeperiod=14))
    for ours, theirs in zip(moving_average_convergence(levels), talib.MACD(levels, 12, 26, 9), strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("levels", [np.full(40, 20.0), np.arange(40.0), -np.arange(40.0)])
def test_rsi_of_a_series_that_stands_still_or_only_rises_or_falls_is_that_of_ta_lib(levels: Floats) -> None:
    assert_same(relative_strength_index(levels), talib.RSI(levels, timeperiod=14))


def test_every_indicator_starts_again_at_a_gap_of_the_front_index() -> None:
    levels = walk(5, 150)
    gap_rows = [60, 61, 70, 140]
    gaps = [row in gap_rows for row in range(len(levels))]
    frame = series(curve(levels.tolist(), gaps=gaps), "vx_front")
    expected = {name: np.full(len(levels), np.nan) for name in ("rsi", "line", "signal", "histogram")}
    for start, stop in ((0, 60), (70, 140)):
        part = levels[start:stop].copy()
        expected["rsi"][start:stop] = talib.RSI(part, 14)
        for name, values in zip(("line", "signal", "histogram"), talib.MACD(part, 12, 26, 9), strict=True):
            expected[name][start:stop] = values
    for name, values in expected.items():
        assert_same(frame[name].to_numpy(), values)


def test_a_missing_figure_of_the_curve_is_null_and_starts_the_warm_up_again() -> None:
    levels: list[float | None] = [*walk(6, 100).tolist(), None, *walk(7, 50).tolist()]
    frame = series(curve(levels), "curve")
    assert frame["level"][100] is None
    assert frame["rsi"].is_null().to_numpy().nonzero()[0].tolist() == [*range(14), *range(100, 115)]
    assert frame["signal"].is_null().to_numpy().nonzero()[0].tolist() == [*range(33), *range(100, 134)]


def test_breadth_restarts_where_its_line_does() -> None:
    levels = walk(8, 80, 5000.0)
    breadth = pl.LazyFrame(
        {
            "session_date": SESSIONS[:80],
            "advance_decline_line": levels,
            "restarts": [row in (0, 40) for row in range(80)],
        }
    )
    frame = series(curve([]), "breadth", breadth)
    assert_same(frame["rsi"].to_numpy()[40:], talib.RSI(levels[40:].copy(), 14))
    assert_same(frame["line"].to_numpy()[40:], talib.MACD(levels[40:].copy(), 12, 26, 9)[0])


def test_the_state_is_the_sign_of_the_histogram_and_its_age_counts_from_the_last_change() -> None:
    gaps = [row == 120 for row in range(260)]
    frame = series(curve(walk(9, 260).tolist(), gaps=gaps), "vx_front")
    state: str | None = None
    age: int | None = None
    for histogram, got_state, got_age in frame.select("histogram", "state", "sessions_since_cross").iter_rows():
        previous = state
        state = None if histogram is None else "bullish" if histogram > 0.0 else "bearish"
        if state is None:
            age = None
        elif previous is not None and state != previous:
            age = 0
        elif age is not None:
            age += 1
        assert (got_state, got_age) == (state, age)
    assert frame["sessions_since_cross"].max() is not None


def test_the_raw_curve_series_is_the_contango_ratio() -> None:
    contango: list[float | None] = [0.01 * row for row in range(5)]
    frame = momentum_daily(curve([1.0] * 5, contango=contango), NO_BREADTH, curve_series="raw").collect()
    assert frame.filter(pl.col("series") == "curve")["level"].to_list() == contango


def test_an_unknown_curve_series_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match='curve_series = "slope"'):
        momentum_daily(curve([]), NO_BREADTH, curve_series="slope")  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_known=st.integers(1, 299))
def test_later_rows_and_row_order_change_no_row_of_the_past(seed: int, n_known: int) -> None:
    rng = np.random.default_rng(seed)
    levels = [level if rng.uniform() > 0.01 else None for level in walk(seed, 300).tolist()]
    gaps = (rng.uniform(size=300) < 0.01).tolist()
    frame = curve(levels, gaps=gaps).collect()
    last = SESSIONS[n_known - 1]
    past = momentum_daily(frame.head(n_known).lazy(), NO_BREADTH).collect()
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed % 1000).lazy()
    whole = momentum_daily(shuffled, NO_BREADTH).collect()
    assert whole.filter(pl.col("session_date") <= last).equals(past)
