"""How fast the VX curve and SPX implied vol revert: half-lives with bootstrap intervals (METHOD §2)."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.errors import UsageError
from transforms.indicators.session_grid import session_grid
from transforms.schemas import MEAN_REVERSION_DAILY
from transforms.sessions import TradingCalendar

Floats = npt.NDArray[np.float64]

IMPLIED_VOL_TENOR = 30
LOW_TAIL, HIGH_TAIL = 0.025, 0.975
# A tail of 2.5 % of fewer draws than these holds none.
FEWEST_DRAWS = 40
# Series rebuilt together: their levels at one step (51 KB an array) stay in a second-level cache.
SERIES_A_BLOCK = 6_400
ESTIMATE_FIELDS = pl.Struct({name: pl.Float64() for name in ("phi", "phi_low", "phi_high")})


@dataclass(frozen=True)
class _Fit:
    """The settings of an estimate: sessions in a window, bootstrap draws a row, seed of the draws."""

    window: int
    n_draws: int
    seed: int


def mean_reversion_daily(
    curve: pl.LazyFrame,
    index_level: pl.LazyFrame,
    *,
    calendar: TradingCalendar,
    n_draws: int,
    seed: int,
    window: int = 252,
    only_sessions: Collection[date] | None = None,
    surface: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Return feature.mean_reversion_daily: one row per session of the curve and series.

    The model is x[t] = c + φ x[t−1] + e[t] on logs, fitted to the `window` sessions that end with the row's;
    a window with a missing session has no estimate. The interval is the 2.5 to 97.5 % range of half-lives
    re-estimated on `n_draws` series rebuilt from resampled residuals. The draws of a row depend on `seed`,
    series and session only, never on which other rows are computed.

    Parameters
    ----------
    curve
        feature.curve_daily: its rows give the sessions, constant_maturity_30d the series `vx_30d`.
    index_level
        core.index_level: the VIX close stands in for the implied vol; its history before the curve serves as
        warm-up.
    calendar
        New York sessions.
    n_draws
        Bootstrap draws a row, at least 40.
    seed
        Seed of the draws.
    window
        Sessions in a window.
    only_sessions
        Sessions to compute intervals for; all by default. Point estimates are always of every session.
    surface
        feature.surface_daily: the at-the-money vol at 30 days is the series `spx_iv_30d` where a whole window
        of it exists; elsewhere, and by default, the VIX is, and the row says so. The two never share a
        window.

    Returns
    -------
    pl.LazyFrame
        `half_life`, `low_95` and `high_95` in sessions; each is null where its φ is not inside (0, 1), and
        both bounds where the half-life is.

    Raises
    ------
    UsageError
        If `n_draws` or `window` is too small to estimate anything.
    """
    if n_draws < FEWEST_DRAWS:
        raise UsageError(f"n_draws = {n_draws}: a 95 % interval needs at least {FEWEST_DRAWS} draws")
    if window < 4:
        raise UsageError(f"mean_reversion_window = {window}: two coefficients need a window of at least 4 sessions")

    wants_interval = pl.lit(True) if only_sessions is None else pl.col("session_date").is_in(list(only_sessions))
    sessions = curve.select("session_date", wants_interval.alias("wants_interval"))
    fit = _Fit(window=window, n_draws=n_draws, seed=seed)
    maturity = curve.select("session_date", level="constant_maturity_30d")
    vx = _estimated(maturity, "vx_30d", sessions=sessions, calendar=calendar, fit=fit)
    vix_closes = index_level.filter(pl.col("symbol") == "VIX").select("session_date", level="close")
    stand_in = _estimated(vix_closes, "spx_iv_30d", sessions=sessions, calendar=calendar, fit=fit)
    estimates = [vx, stand_in.with_columns(stand_in=pl.lit("vix"))]
    if surface is not None:
        at_the_money = surface.filter(pl.col("tenor_days") == IMPLIED_VOL_TENOR)
        implied_vol = at_the_money.select("session_date", level="atm_vol")
        of_chain = _estimated(implied_vol, "spx_iv_30d", sessions=sessions, calendar=calendar, fit=fit)
        of_chain = of_chain.filter(pl.col("phi").is_not_null())
        estimates = [vx, estimates[1].join(of_chain, on="session_date", how="anti"), of_chain]
    reverts = half_life(pl.col("phi")).is_not_null()
    return (
        pl.concat(estimates, how="diagonal")
        .with_columns(
            half_life(pl.col("phi")).alias("half_life"),
            pl.when(reverts).then(half_life(pl.col("phi_low"))).alias("low_95"),
            pl.when(reverts).then(half_life(pl.col("phi_high"))).alias("high_95"),
        )
        .select(MEAN_REVERSION_DAILY.column_names)
        .sort("session_date", "series")
    )


def half_life(phi: pl.Expr) -> pl.Expr:
    """Return −ln 2/ln φ, the sessions in which half a deviation is gone; null unless 0 < φ < 1."""
    return pl.when((phi > 0.0) & (phi < 1.0)).then(-math.log(2.0) / phi.log())


def bias_corrected(phi: Floats, *, n_pairs: int) -> Floats:
    """Return AR(1) coefficients less their first-order bias −(1 + 3φ)/n. (Kendall 1954, Biometrika 41)"""
    corrected: Floats = phi + (1.0 + 3.0 * phi) / n_pairs
    return corrected


def autoregression(windows: Floats) -> Floats:
    """Return the bias-corrected AR(1) coefficient of each row of `windows`; NaN where a row is constant."""
    before, after = _deviations(windows)
    variation = (before * before).sum(axis=1)
    covariation = (before * after).sum(axis=1)
    # Equal values deviate from their rounded mean, so it is the values themselves that are compared.
    varies = windows[:, :-1].max(axis=1) > windows[:, :-1].min(axis=1)
    phi = np.full(len(windows), np.nan)
    np.divide(covariation, variation, out=phi, where=varies)
    return bias_corrected(phi, n_pairs=windows.shape[1] - 1)


def bootstrap_quantiles(windows: Floats, phi: Floats, *, keys: list[str], n_draws: int) -> tuple[Floats, Floats]:
    """Return the 2.5 and 97.5 % quantiles of the coefficient re-estimated on series rebuilt from residuals.

    Each draw starts at the window's first value and adds the window's centred residuals, drawn with
    replacement, to the fitted recursion; every re-estimate is bias-corrected like the estimate itself.
    (Freedman 1984, Annals of Statistics 12, 827; percentile interval)

    Parameters
    ----------
    windows
        One series per row, no NaN.
    phi
        Bias-corrected coefficient of each row.
    keys
        One text per row that seeds its draws.
    n_draws
        Draws per row.
    """
    quantiles = np.empty((2, len(windows)))
    rows_a_block = max(1, SERIES_A_BLOCK // n_draws)
    for start in range(0, len(windows), rows_a_block):
        block = slice(start, start + rows_a_block)
        draws = _redrawn_coefficients(windows[block], phi[block], keys=keys[block], n_draws=n_draws)
        quantiles[:, block] = np.quantile(draws, [LOW_TAIL, HIGH_TAIL], axis=1)
    return quantiles[0], quantiles[1]


def _redrawn_coefficients(windows: Floats, phi: Floats, *, keys: list[str], n_draws: int) -> Floats:
    """Return the coefficients of `n_draws` rebuilt series for each row, shape (rows, draws)."""
    n_rows, n_pairs = windows.shape[0], windows.shape[1] - 1
    slope = phi[:, None]
    before, after = _deviations(windows)
    residuals = after - slope * before
    # Measured from the mean of the lagged values, so that the sums of squares below lose no digits.
    center = windows[:, :-1].mean(axis=1)
    drift = windows[:, 1:].mean(axis=1) - center
    steps = np.empty((n_pairs, n_rows, n_draws))
    for row, key in enumerate(keys):
        picks = _generator(key).integers(0, n_pairs, size=(n_pairs, n_draws), dtype=np.uint16)
        steps[:, row, :] = residuals[row][picks] + drift[row]

    level = np.repeat((windows[:, 0] - center)[:, None], n_draws, axis=1)
    first, following, product = level.copy(), np.empty_like(level), np.empty_like(level)
    sum_before, sum_squares, sum_products = np.zeros_like(level), np.zeros_like(level), np.zeros_like(level)
    for step in steps:
        np.multiply(level, slope, out=following)
        following += step
        sum_before += level
        sum_squares += np.multiply(level, level, out=product)
        sum_products += np.multiply(level, following, out=product)
        level, following = following, level
    sum_after = sum_before - first + level
    covariation = sum_products - sum_before * sum_after / n_pairs
    return bias_corrected(covariation / (sum_squares - sum_before**2 / n_pairs), n_pairs=n_pairs)


def _deviations(windows: Floats) -> tuple[Floats, Floats]:
    """Return lagged and current values less their means; contiguous, so that a sum runs along its row."""
    before, after = windows[:, :-1], windows[:, 1:]
    return (
        np.ascontiguousarray(before - before.mean(axis=1)[:, None]),
        np.ascontiguousarray(after - after.mean(axis=1)[:, None]),
    )


def _generator(key: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(int.from_bytes(sha256(key.encode()).digest()[:16])))


def _estimated(
    levels: pl.LazyFrame, series: str, *, sessions: pl.LazyFrame, calendar: TradingCalendar, fit: _Fit
) -> pl.LazyFrame:
    """Return `phi`, `phi_low` and `phi_high` of one series, one row per session of `sessions`."""
    inputs = pl.struct("session_date", "level", "wants_interval")

    def estimates(rows: pl.Series) -> pl.Series:
        return _estimates_of_windows(rows.struct.unnest(), series=series, fit=fit).to_struct(rows.name)

    estimated = (
        session_grid(levels, calendar=calendar)
        .join(levels, on="session_date", how="left", validate="1:1")
        .join(sessions, on="session_date", how="left", validate="1:1")
        .sort("session_date")
        .with_columns(inputs.map_batches(estimates, return_dtype=ESTIMATE_FIELDS).alias("estimates"))
        .select("session_date", pl.lit(series).alias("series"), "estimates")
        .unnest("estimates")
    )
    of_sessions = sessions.select("session_date", pl.lit(series).alias("series"))
    return of_sessions.join(estimated, on=["session_date", "series"], how="left", validate="1:1")


def _estimates_of_windows(rows: pl.DataFrame, *, series: str, fit: _Fit) -> pl.DataFrame:
    """Estimate each full window that ends with a session of the table, and its interval where wanted."""
    logs = rows.select(pl.when(pl.col("level") > 0.0).then(pl.col("level").log()))["level"].to_numpy()
    estimates = {name: np.full(len(logs), np.nan) for name in ESTIMATE_FIELDS.to_schema()}
    if len(logs) >= fit.window:
        windows = np.lib.stride_tricks.sliding_window_view(logs, fit.window)
        last_row = np.arange(fit.window - 1, len(logs))
        is_session = rows["wants_interval"].is_not_null().to_numpy()[last_row]
        is_estimable = is_session & ~np.isnan(windows).any(axis=1)
        windows, last_row = windows[is_estimable], last_row[is_estimable]
        phi = autoregression(windows)
        estimates["phi"][last_row] = phi
        is_wanted = rows["wants_interval"].fill_null(False).to_numpy()[last_row] & (phi > 0.0) & (phi < 1.0)
        windows, phi, last_row = windows[is_wanted], phi[is_wanted], last_row[is_wanted]
        keys = [f"{fit.seed}|{series}|{session}" for session in rows["session_date"].to_numpy()[last_row]]
        low, high = bootstrap_quantiles(windows, phi, keys=keys, n_draws=fit.n_draws)
        estimates["phi_low"][last_row] = low
        estimates["phi_high"][last_row] = high
    return pl.DataFrame(estimates).fill_nan(None)
