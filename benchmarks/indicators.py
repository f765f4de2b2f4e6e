"""Time the daily indicators on 22 years of sessions, beside TA-Lib and beside pandas written the obvious way.

Run: python -m benchmarks.indicators
The market is a random walk with gaps, so that no vendor file is needed. Each time is the best of one to
five runs.
"""

import time
from collections.abc import Callable
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import talib

from flows.calendar import trading_calendar
from transforms.indicators.mean_reversion import mean_reversion_daily
from transforms.indicators.momentum import momentum_daily
from transforms.indicators.term_structure import curve_daily, term_structure
from transforms.indicators.vol_of_vol import vol_of_vol_daily
from transforms.sessions import vix_monthly_expirations

CALENDAR = trading_calendar()
SESSIONS = CALENDAR.between(date(2004, 3, 26), date(2026, 1, 7))
N_GAPS = 40
N_MONTHS = 9
Floats = npt.NDArray[np.float64]


def sample_futures(rng: np.random.Generator) -> pl.LazyFrame:
    """Return a VX history of nine monthlies a session, 0.2 % of the rows absent."""
    expirations = np.array(
        vix_monthly_expirations(SESSIONS[0], date(2028, 1, 1), calendar=CALENDAR), dtype="datetime64[D]"
    )
    sessions = np.array(SESSIONS, dtype="datetime64[D]")
    nearest = np.searchsorted(expirations, sessions)[:, None] + np.arange(N_MONTHS)
    level = 20.0 * np.exp(0.2 * np.tanh(rng.normal(size=len(sessions)).cumsum() / 30.0))
    settles = level[:, None] + 0.3 * np.arange(N_MONTHS)
    frame = pl.DataFrame(
        {
            "session_date": np.repeat(sessions, N_MONTHS),
            "expiration": expirations[nearest].ravel(),
            "settle": settles.round(4).ravel(),
        }
    )
    is_kept = rng.uniform(size=frame.height) > 0.002
    return frame.filter(is_kept).with_columns(root=pl.lit("VX"), is_monthly=pl.lit(True)).lazy()


def sample_index(rng: np.random.Generator, symbol: str, level: float) -> pl.LazyFrame:
    """Return closes that revert to `level` with a half-life of about two weeks."""
    logs = np.zeros(len(SESSIONS))
    for row in range(1, len(logs)):
        logs[row] = 0.95 * logs[row - 1] + 0.06 * rng.normal()
    return pl.LazyFrame({"session_date": SESSIONS, "symbol": symbol, "close": level * np.exp(logs)})


def segments(gaps: npt.NDArray[np.bool_]) -> list[slice]:
    """Return the runs of rows between the gaps."""
    edges = [0, *np.flatnonzero(gaps).tolist(), len(gaps)]
    return [slice(start, stop) for start, stop in pairwise(edges) if stop - start > 1]


def talib_by_segment(levels: Floats, gaps: npt.NDArray[np.bool_]) -> None:
    """Compute RSI and MACD with one call of TA-Lib for each run between gaps: no frame, no state."""
    for segment in segments(gaps):
        talib.RSI(levels[segment], 14)
        talib.MACD(levels[segment], 12, 26, 9)


def talib_every_night(levels: Floats, gaps: npt.NDArray[np.bool_]) -> None:
    """Compute each session's last value from its own history: what a backfill by nights costs with TA-Lib."""
    for segment in segments(gaps):
        part = levels[segment]
        for stop in range(2, len(part) + 1):
            talib.RSI(part[:stop], 14)
            talib.MACD(part[:stop], 12, 26, 9)


def pandas_row_by_row(levels: Floats, gaps: npt.NDArray[np.bool_]) -> None:
    """Compute RSI and MACD with pandas series filled row by row."""
    for segment in segments(gaps):
        part = pd.Series(levels[segment])
        change = part.diff()
        for moves in (change.clip(lower=0.0), (-change).clip(lower=0.0)):
            average = moves.rolling(14).mean()
            for row in range(15, len(part)):
                average.iloc[row] = (average.iloc[row - 1] * 13 + moves.iloc[row]) / 14
        for period in (12, 26, 9):
            average = part.rolling(period).mean()
            for row in range(period, len(part)):
                average.iloc[row] = average.iloc[row - 1] + 2 / (period + 1) * (part.iloc[row] - average.iloc[row - 1])


def seconds(work: Callable[[], object], *, repeats: int = 5) -> float:
    """Return the shortest of `repeats` runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print one line per computation: sessions, milliseconds."""
    rng = np.random.default_rng(1)
    futures, vix = sample_futures(rng), sample_index(rng, "VIX", 20.0)
    vvix = sample_index(rng, "VVIX", 90.0)
    curve = curve_daily(futures, vix, calendar=CALENDAR).collect().lazy()
    levels = 20.0 + rng.normal(size=len(SESSIONS)).cumsum()
    gaps = np.zeros(len(SESSIONS), dtype=np.bool_)
    gaps[rng.choice(np.arange(1, len(SESSIONS)), size=N_GAPS, replace=False)] = True
    walk = pl.LazyFrame(
        {
            "session_date": SESSIONS,
            "front_index": levels,
            "front_index_gap": gaps,
            "constant_maturity_30d": 20.0,
            "constant_maturity_60d": 20.0 + levels / 100.0,
            "contango_ratio": 0.0,
        }
    )
    breadth = pl.LazyFrame({"session_date": SESSIONS, "advance_decline_line": levels * 100.0, "restarts": gaps})

    def mean_reversion(only: list[date] | None) -> Callable[[], object]:
        return lambda: mean_reversion_daily(
            curve, vix, calendar=CALENDAR, n_draws=200, seed=1, only_sessions=only
        ).collect()

    works: dict[str, tuple[Callable[[], object], int]] = {
        "term_structure": (lambda: term_structure(futures, calendar=CALENDAR).collect(), 5),
        "curve_daily": (lambda: curve_daily(futures, vix, calendar=CALENDAR).collect(), 5),
        "vol_of_vol_daily": (lambda: vol_of_vol_daily(vvix, calendar=CALENDAR).collect(), 5),
        "momentum_daily (3 series)": (lambda: momentum_daily(walk, breadth).collect(), 5),
        "TA-Lib, one call a segment (1 series)": (lambda: talib_by_segment(levels, gaps), 5),
        "TA-Lib, one call a night (1 series)": (lambda: talib_every_night(levels, gaps), 2),
        "pandas, row by row (1 series)": (lambda: pandas_row_by_row(levels, gaps), 1),
        "mean_reversion_daily, 200 draws, one night": (mean_reversion([SESSIONS[-1]]), 5),
        "mean_reversion_daily, 200 draws, all": (mean_reversion(None), 1),
    }
    print(f"{len(SESSIONS)} sessions")
    for name, (work, repeats) in works.items():
        print(f"{name:44s} {1000.0 * seconds(work, repeats=repeats):10.2f} ms")


if __name__ == "__main__":
    main()
