"""Compare the implied vol kernel with the published libraries: speed on 1 and 2 threads, accuracy by mpmath.

Run `python benchmarks/implied_vol.py [rows]`. Every library gets the same quotes, converted beforehand into
the form it wants, and is timed in turn, round by round, the best round counting; each thread count runs in
a process of its own because Numba, Polars and Rayon fix their pools at start. A library that is not
installed is named as skipped. Speeds are rows per second; errors are relative to the root of the Black-76
price in 50 digits, on quotes with price/(vol*vega) below 1e4.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import mpmath
import numpy as np
from numpy.typing import NDArray

from transforms.pricing.black76 import black_price
from transforms.pricing.implied_vol import implied_vol

Floats = NDArray[np.float64]
Solver = Callable[[], Floats]

ROUNDS = 5
PLAIN_PYTHON_ROWS = 20_000
EXACT_ROWS = 1_000
MAX_RATIO = 1e4


@dataclass(frozen=True)
class Quotes:
    """One option per row: index points, years, decimals."""

    price: Floats
    forward: Floats
    strike: Floats
    time: Floats
    discount: Floats
    is_call: NDArray[np.bool_]

    def head(self, n: int) -> "Quotes":
        """Return the first n rows."""
        return Quotes(*(getattr(self, name)[:n] for name in self.__dataclass_fields__))

    @property
    def rate(self) -> Floats:
        """Return the continuously compounded zero rate."""
        return np.asarray(-np.log(self.discount) / self.time)


def _priced(forward: Floats, strike: Floats, days: Floats, vol: Floats, is_call: NDArray[np.bool_]) -> Quotes:
    years = days / 365.0
    discount = np.exp(-0.04 * years)
    price = black_price(
        forward, strike, time_to_expiry=years, implied_vol=vol, discount_factor=discount, is_call=is_call
    )
    return Quotes(price, forward, strike, years, discount, is_call)


def listed_options(n: int) -> Quotes:
    """Return n quotes as chains have them: 1-730 days, vols 8-90%, within 5 deviations, 30% in the money."""
    rng = np.random.default_rng(20231)
    days = rng.integers(1, 731, n).astype(np.float64)
    forward = rng.uniform(1000.0, 6000.0, n)
    vol = rng.uniform(0.08, 0.90, n)
    deviation = rng.normal(0.0, 1.5, n).clip(-5.0, 5.0)
    strike = forward * np.exp(deviation * vol * np.sqrt(days / 365.0))
    return _priced(forward, strike, days, vol, (strike >= forward) ^ (rng.random(n) < 0.3))


def far_wings(n: int) -> Quotes:
    """Return n out-of-the-money quotes 5 to 33 deviations away, down to prices of 1e-237."""
    rng = np.random.default_rng(20232)
    days = rng.integers(1, 731, n).astype(np.float64)
    forward = rng.uniform(1000.0, 6000.0, n)
    vol = rng.uniform(0.08, 0.50, n)
    deviation = rng.uniform(5.0, 33.0, n) * rng.choice([-1.0, 1.0], n)
    strike = forward * np.exp(deviation * vol * np.sqrt(days / 365.0))
    return _priced(forward, strike, days, vol, strike >= forward)


def exact_vols(quotes: Quotes) -> tuple[list[mpmath.mpf], Floats]:
    """Return the vol that solves each price in 50 digits, and price/(vol*vega)."""
    vols, ratios = [], []
    with mpmath.workdps(50):
        for row in zip(*(getattr(quotes, name) for name in Quotes.__dataclass_fields__), strict=True):
            price, forward, strike, years, discount = (mpmath.mpf(float(v)) for v in row[:5])
            intrinsic = max(forward - strike if row[5] else strike - forward, mpmath.mpf(0))
            x = abs(mpmath.log(forward / strike))
            target = (price / discount - intrinsic) / min(forward, strike)
            s = _exact_total_vol(x, target)
            vega = mpmath.npdf(x / s - s / 2)
            vols.append(s / mpmath.sqrt(years))
            ratios.append(float(price / discount / min(forward, strike) / (s * vega)))
    return vols, np.array(ratios)


def _exact_total_vol(x: mpmath.mpf, target: mpmath.mpf) -> mpmath.mpf:
    # ln b is concave and rising in s: Newton from the left never crosses the root.
    s = target if x == 0 else x / mpmath.sqrt(2 * abs(mpmath.log(target)) + 2 * x + 10)
    for _ in range(200):
        value = mpmath.ncdf(s / 2 - x / s) - mpmath.exp(x) * mpmath.ncdf(-s / 2 - x / s)
        step = value * mpmath.log(target / value) / mpmath.npdf(x / s - s / 2)
        s += step
        if abs(step) < s * mpmath.mpf(10) ** -30:
            return s
    raise ArithmeticError(f"no root for ln(F/K) = {x}, value {target}")


def solvers(quotes: Quotes, threads: int) -> Iterator[tuple[str, int, Callable[[], Solver]]]:
    """Yield name, rows used and a maker of the solver, which raises ImportError without the library."""
    n = quotes.price.size
    yield "this kernel", n, lambda: partial(_ours, quotes, threads)
    yield "vanilla-option-pricers", n, lambda: _vanilla_option_pricers(quotes)
    yield "iv-engine", n, lambda: _iv_engine(quotes, threads)
    if threads == 1:
        yield "lbriv", n, lambda: _lbriv(quotes)
    yield "pyvolr", n, lambda: _pyvolr(quotes)
    yield "polars-vol", n, lambda: _polars_vol(quotes)
    yield "fast-vollib (default)", n, lambda: _fast_vollib(quotes)
    if threads == 1:
        few = min(n, PLAIN_PYTHON_ROWS)
        yield "vollib", few, lambda: _vollib(quotes.head(few))


def _ours(quotes: Quotes, threads: int) -> Floats:
    return implied_vol(
        quotes.price,
        quotes.forward,
        quotes.strike,
        time_to_expiry=quotes.time,
        discount_factor=quotes.discount,
        is_call=quotes.is_call,
        n_threads=threads,
    )[0]


def _vanilla_option_pricers(quotes: Quotes) -> Solver:
    import numba
    from vanilla_option_pricers import infer_bsm_implied_vol as solve

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator]
    def run(price: Floats, forward: Floats, strike: Floats, years: Floats, discount: Floats, call: Floats) -> Floats:
        vol = np.empty(price.size)
        for i in numba.prange(price.size):
            side = "C" if call[i] else "P"
            vol[i] = solve(forward[i], years[i], strike[i], price[i], discount[i], side, 1e-14, 1e-6, 50.0)
        return vol

    return lambda: run(quotes.price, quotes.forward, quotes.strike, quotes.time, quotes.discount, quotes.is_call)


def _iv_engine(quotes: Quotes, threads: int) -> Solver:
    from iv_engine import batch

    columns = quotes.price / quotes.discount, quotes.forward, quotes.strike, quotes.time
    return _by_side(
        quotes, columns, lambda inputs, call: batch.implied_volatilities(*inputs, call, parallel=threads > 1)
    )


def _lbriv(quotes: Quotes) -> Solver:
    from lbriv import vectorized_implied_vol

    # One strike a call, so prices per unit of strike; it returns total vols.
    columns = (
        quotes.price / quotes.discount / quotes.strike,
        quotes.forward / quotes.strike,
        np.sqrt(quotes.time),
    )
    return _by_side(
        quotes,
        columns,
        lambda inputs, call: np.divide(vectorized_implied_vol(inputs[0], inputs[1], 1.0, 1 if call else -1), inputs[2]),
    )


def _by_side(
    quotes: Quotes, columns: tuple[Floats, ...], solve: Callable[[tuple[Floats, ...], bool], Floats]
) -> Solver:
    """Return a solver for libraries that take calls and puts apart; the split is not timed, the merge is."""
    sides = [
        (rows, tuple(c[rows] for c in columns), call)
        for rows, call in ((np.flatnonzero(quotes.is_call), True), (np.flatnonzero(~quotes.is_call), False))
    ]

    def run() -> Floats:
        vol = np.empty(quotes.price.size)
        for rows, inputs, call in sides:
            vol[rows] = solve(inputs, call)
        return vol

    return run


def _pyvolr(quotes: Quotes) -> Solver:
    from pyvolr import black76

    flag = np.where(quotes.is_call, "c", "p")
    rate = quotes.rate
    return lambda: np.asarray(
        black76.implied_vol(quotes.price, flag, quotes.forward, quotes.strike, quotes.time, rate, on_error="ignore")
    )


def _polars_vol(quotes: Quotes) -> Solver:
    import polars as pl
    import polars_vol

    frame = pl.DataFrame(
        {
            "price": quotes.price,
            "strike": quotes.strike,
            "spot": quotes.forward * quotes.discount,
            "time": quotes.time,
            "rate": quotes.rate,
            "is_call": quotes.is_call,
        }
    )
    vol = polars_vol.implied_vol("price", "strike", "spot", "time", "rate", "is_call").alias("vol")
    return lambda: frame.select(vol)["vol"].to_numpy()


def _fast_vollib(quotes: Quotes) -> Solver:
    from fast_vollib import fast_implied_volatility_black

    flag = np.where(quotes.is_call, "c", "p")
    rate = quotes.rate
    return lambda: np.asarray(
        fast_implied_volatility_black(
            quotes.price,
            quotes.forward,
            quotes.strike,
            rate,
            quotes.time,
            flag,
            on_error="ignore",
            return_as="numpy",
        )
    )


def _vollib(quotes: Quotes) -> Solver:
    from vollib.black.implied_volatility import implied_volatility

    flags = np.where(quotes.is_call, "c", "p").tolist()
    columns = [c.tolist() for c in (quotes.price, quotes.forward, quotes.strike, quotes.rate, quotes.time)]
    return lambda: np.array([implied_volatility(*row) for row in zip(*columns, flags, strict=True)])


def measure(rows: int, threads: int) -> dict[str, float]:
    """Return rows per second of every library at hand, in one process."""
    quotes = listed_options(rows)
    made: dict[str, tuple[int, Solver]] = {}
    for name, used, make in solvers(quotes, threads):
        try:
            solver = make()
            solver()
        except ImportError:
            continue
        made[name] = used, solver
    best = dict.fromkeys(made, 0.0)
    for _ in range(ROUNDS):
        for name, (used, solver) in made.items():
            start = time.perf_counter()
            solver()
            best[name] = max(best[name], used / (time.perf_counter() - start))
    return best


def error_report(quotes: Quotes) -> dict[str, str | None]:
    """Return the relative errors of every library as text, None where it is not installed."""
    exact, ratio = exact_vols(quotes)
    judged = np.flatnonzero(ratio < MAX_RATIO)
    report: dict[str, str | None] = {}
    for name, _, make in solvers(quotes, 1):
        try:
            vol = make()()
        except ImportError:
            report[name] = None
            continue
        except Exception as failure:
            report[name] = f"raises {type(failure).__name__}"
            continue
        missing = ~np.isfinite(vol[judged])
        error = np.array([float(abs(vol[i] / exact[i] - 1)) for i in judged[~missing]])
        figures = "  ".join(f"{e:8.1e}" for e in (np.median(error), np.quantile(error, 0.99), error.max()))
        report[name] = f"{figures}  {int(missing.sum()):5d} of {judged.size}"
    return report


def _measure_in_own_process(rows: int, threads: int) -> dict[str, float]:
    pools = dict.fromkeys(("NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, "--threads", str(threads), str(rows)]
    answer = subprocess.run(command, env=os.environ | pools, check=True, stdout=subprocess.PIPE, text=True)
    speeds: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return speeds


def main(rows: int) -> None:
    """Print the speed table and the two accuracy tables."""
    one, two = (_measure_in_own_process(rows, threads) for threads in (1, 2))
    accuracy = {
        "listed options": error_report(listed_options(EXACT_ROWS)),
        "far wings, 5 to 33 deviations": error_report(far_wings(EXACT_ROWS)),
    }
    print(f"{rows:,} quotes, million solves a second, best of {ROUNDS}: one thread, two threads")
    for name in accuracy["listed options"]:
        speeds = (f"{each[name] / 1e6:13.2f}" if name in each else f"{'-':>13}" for each in (one, two))
        print(f"  {name:40s}" + "".join(speeds))
    for title, report in accuracy.items():
        print(f"{title}: relative error, median, 99%, maximum; quotes without a vol")
        for name, figures in report.items():
            print(f"  {name:40s}  {figures or 'skipped: not installed'}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--threads"]:
        print(json.dumps(measure(int(sys.argv[3]), int(sys.argv[2]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
