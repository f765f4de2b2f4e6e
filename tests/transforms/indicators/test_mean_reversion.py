"""AR(1) half-lives: estimates against least squares, intervals against loops and their coverage."""

import math
from datetime import date
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from transforms.errors import UsageError
from transforms.indicators.mean_reversion import (
    autoregression,
    bootstrap_quantiles,
    half_life,
    mean_reversion_daily,
)
from transforms.schemas import BY_NAME

CALENDAR = trading_calendar()
SESSIONS = CALENDAR.between(date(2018, 1, 2), date(2020, 12, 31))
WINDOW = 60
NO_INDEX = pl.LazyFrame(schema={"session_date": pl.Date(), "symbol": pl.String(), "close": pl.Float64()})
Floats = npt.NDArray[np.float64]


def reverting(seed: int, n_rows: int, phi: float = 0.9, sigma: float = 0.05) -> Floats:
    rng = np.random.default_rng(seed)
    logs = np.empty(n_rows)
    logs[0] = 3.0
    for row in range(1, n_rows):
        logs[row] = 3.0 + phi * (logs[row - 1] - 3.0) + sigma * rng.normal()
    return np.exp(logs)


def curve(levels: list[float | None]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"session_date": SESSIONS[: len(levels)], "constant_maturity_30d": levels},
        schema={"session_date": pl.Date(), "constant_maturity_30d": pl.Float64()},
    )


def vix(levels: list[float]) -> pl.LazyFrame:
    return pl.LazyFrame({"session_date": SESSIONS[: len(levels)], "symbol": "VIX", "close": levels})


def table(
    curve_frame: pl.LazyFrame,
    index_level: pl.LazyFrame = NO_INDEX,
    *,
    only_sessions: list[date] | None = None,
    surface: pl.LazyFrame | None = None,
    n_draws: int = 40,
    seed: int = 1,
) -> pl.DataFrame:
    frame = mean_reversion_daily(
        curve_frame,
        index_level,
        calendar=CALENDAR,
        n_draws=n_draws,
        seed=seed,
        window=WINDOW,
        only_sessions=only_sessions,
        surface=surface,
    )
    return BY_NAME["feature.mean_reversion_daily"].conform(frame.collect())


def of_series(frame: pl.DataFrame, series: str) -> pl.DataFrame:
    return frame.filter(pl.col("series") == series)


def test_the_coefficient_is_least_squares_with_kendalls_correction() -> None:
    logs = np.log(reverting(1, WINDOW))
    slope = np.polyfit(logs[:-1], logs[1:], deg=1)[0]
    expected = slope + (1.0 + 3.0 * slope) / (WINDOW - 1)
    assert autoregression(logs[None, :])[0] == pytest.approx(expected, rel=1e-12)


def test_the_correction_removes_most_of_the_bias_of_least_squares() -> None:
    # Kendall (1954): least squares falls short by about (1 + 3 x 0.9)/59 = 0.063 on 60 observations.
    logs = np.log(np.array([reverting(seed, WINDOW) for seed in range(1500)]))
    corrected = autoregression(logs)
    plain = (corrected * (WINDOW - 1) - 1.0) / (WINDOW - 1 + 3.0)
    assert plain.mean() == pytest.approx(0.9 - 0.063, abs=0.02)
    assert abs(corrected.mean() - 0.9) < 0.25 * abs(plain.mean() - 0.9)


@pytest.mark.parametrize(("phi", "expected"), [(0.5, 1.0), (0.9, 6.578813478960585)])
def test_half_life_is_the_time_to_half_a_deviation(phi: float, expected: float) -> None:
    got = pl.select(half_life(pl.lit(phi))).item()
    assert got == pytest.approx(expected, rel=1e-14)
    assert phi**expected == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("phi", [-0.2, 0.0, 1.0, 1.1])
def test_a_series_that_does_not_revert_has_no_half_life(phi: float) -> None:
    assert pl.select(half_life(pl.lit(phi))).item() is None


def test_a_window_with_a_missing_session_has_no_estimate() -> None:
    levels: list[float | None] = reverting(2, 200).tolist()
    levels[100] = None
    estimated = of_series(table(curve(levels)), "vx_30d")["phi"].is_not_null().to_numpy().nonzero()[0]
    assert estimated.tolist() == [*range(WINDOW - 1, 100), *range(100 + WINDOW, 200)]


def test_the_quantiles_are_those_of_series_rebuilt_value_by_value_from_the_same_draws() -> None:
    logs = np.log(reverting(3, WINDOW))
    phi = float(autoregression(logs[None, :])[0])
    n_pairs, n_draws = WINDOW - 1, 50
    low, high = bootstrap_quantiles(logs[None, :], np.array([phi]), keys=["any"], n_draws=n_draws)

    generator = np.random.Generator(np.random.PCG64(int.from_bytes(sha256(b"any").digest()[:16], "big")))
    picks = generator.integers(0, n_pairs, size=(n_pairs, n_draws), dtype=np.uint16)
    intercept = logs[1:].mean() - phi * logs[:-1].mean()
    residuals = [logs[row + 1] - intercept - phi * logs[row] for row in range(n_pairs)]
    coefficients = []
    for draw in range(n_draws):
        rebuilt = [logs[0]]
        for row in range(n_pairs):
            rebuilt.append(intercept + phi * rebuilt[-1] + residuals[picks[row, draw]])
        slope = np.polyfit(rebuilt[:-1], rebuilt[1:], deg=1)[0]
        coefficients.append(slope + (1.0 + 3.0 * slope) / n_pairs)
    assert low[0] == pytest.approx(np.quantile(coefficients, 0.025), abs=1e-11)
    assert high[0] == pytest.approx(np.quantile(coefficients, 0.975), abs=1e-11)


def test_the_interval_covers_the_true_coefficient_about_as_often_as_it_says() -> None:
    logs = np.log(np.array([reverting(seed, 253, phi=0.9) for seed in range(300)]))
    phi = autoregression(logs)
    keys = [str(seed) for seed in range(300)]
    low, high = bootstrap_quantiles(logs, phi, keys=keys, n_draws=200)
    covered = np.mean((low <= 0.9) & (high >= 0.9))
    # 95 % less what a percentile interval of 200 draws loses; 300 trials have a standard error of 1.5 %.
    assert 0.88 <= covered <= 0.985


def test_the_bounds_surround_the_half_life_and_depend_on_the_seed() -> None:
    frame = table(curve(reverting(4, 150, phi=0.7).tolist()))
    other = table(curve(reverting(4, 150, phi=0.7).tolist()), seed=2)
    rows = of_series(frame, "vx_30d").drop_nulls(["low_95", "half_life", "high_95"])
    assert rows.height > 50
    assert (rows["low_95"] < rows["half_life"]).all()
    assert (rows["half_life"] < rows["high_95"]).all()
    assert not frame["low_95"].equals(other["low_95"])
    assert frame["half_life"].equals(other["half_life"])


def test_a_row_never_depends_on_which_rows_are_computed() -> None:
    levels = reverting(5, 200, phi=0.8).tolist()
    whole = table(curve(levels), vix(levels))
    asked = [SESSIONS[150], SESSIONS[199]]
    only = table(curve(levels), vix(levels), only_sessions=asked)
    is_asked = pl.col("session_date").is_in(asked)
    assert only.filter(is_asked).equals(whole.filter(is_asked))
    assert only.filter(~is_asked)["low_95"].null_count() == only.height - 4
    assert only["half_life"].equals(whole["half_life"])


def test_vix_stands_in_with_its_history_before_the_curve_and_the_row_says_so() -> None:
    levels = reverting(6, 120).tolist()
    late_curve = curve(list(levels)).filter(pl.col("session_date") >= SESSIONS[100])
    rows = of_series(table(late_curve, vix(levels)), "spx_iv_30d")
    assert rows["session_date"].to_list() == SESSIONS[100:120]
    assert rows["phi"].null_count() == 0
    assert rows["stand_in"].unique().to_list() == ["vix"]


def test_the_chains_vol_replaces_vix_where_a_whole_window_of_it_exists() -> None:
    closes, vols = reverting(7, 200).tolist(), (reverting(8, 200) / 100.0).tolist()
    surface = pl.LazyFrame(
        {"session_date": SESSIONS[50:200], "tenor_days": [30] * 150, "atm_vol": vols[50:]},
        schema={"session_date": pl.Date(), "tenor_days": pl.Int64(), "atm_vol": pl.Float64()},
    )
    frame = of_series(table(curve(list(closes)), vix(closes), surface=surface), "spx_iv_30d")
    first_whole = 50 + WINDOW - 1
    assert frame["stand_in"].to_list() == ["vix"] * first_whole + [None] * (200 - first_whole)
    expected = autoregression(np.log(np.array(vols[first_whole - WINDOW + 1 : first_whole + 1]))[None, :])
    assert frame["phi"][first_whole] == pytest.approx(expected[0], rel=1e-12)
    on_vix = autoregression(np.log(np.array(closes[first_whole - WINDOW : first_whole]))[None, :])
    assert frame["phi"][first_whole - 1] == pytest.approx(on_vix[0], rel=1e-12)


def test_too_few_draws_or_sessions_are_refused() -> None:
    with pytest.raises(UsageError, match="n_draws = 39"):
        table(curve([]), n_draws=39)
    with pytest.raises(UsageError, match="mean_reversion_window = 3"):
        mean_reversion_daily(curve([]), NO_INDEX, calendar=CALENDAR, n_draws=40, seed=1, window=3)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_known=st.integers(1, 180))
def test_later_rows_and_row_order_change_no_row_of_the_past(seed: int, n_known: int) -> None:
    rng = np.random.default_rng(seed)
    levels = [level if rng.uniform() > 0.003 else None for level in reverting(seed, 180).tolist()]
    closes = reverting(seed + 1, 180).tolist()
    past = table(curve(levels[:n_known]), vix(closes[:n_known]))
    shuffled = curve(levels).collect().sample(fraction=1.0, shuffle=True, seed=seed % 1000).lazy()
    whole = table(shuffled, vix(closes[::-1]).with_columns(session_date=pl.Series(SESSIONS[:180][::-1])))
    assert whole.filter(pl.col("session_date") <= SESSIONS[n_known - 1]).equals(past)


def test_a_constant_series_has_no_coefficient() -> None:
    frame = of_series(table(curve([20.0] * (WINDOW + 1))), "vx_30d")
    assert frame["phi"].null_count() == frame.height
    assert math.isnan(autoregression(np.full((1, WINDOW), 3.0))[0])
