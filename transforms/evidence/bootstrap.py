"""Intervals of statistics of dependent observations: the stationary bootstrap with an automatic block length.

A series is redrawn in blocks of geometric length around the circle of its sessions (Politis and Romano 1994, JASA 89,
1303); events are redrawn one by one, which is the same with blocks of one. Rows are in time order and draws depend on
the key and the number of rows only, so nothing here depends on the clock, on threads or on how rows were ordered before
they were sorted.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from transforms.errors import UsageError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

N_DRAWS = 5_000
CONFIDENCE = 0.95
# Draws made at a time: the indices of 250 draws of 5,000 sessions are 10 MB.
DRAWS_A_BATCH = 250
# Politis and White (2004), section 3.2: lags looked at for a run of insignificant ones, and what is insignificant.
FEWEST_LAGS = 5
SIGNIFICANCE = 2.0
# Relative step of the numerical gradient: the cube root of the machine's precision, best for central differences.
GRADIENT_STEP = float(np.finfo(np.float64).eps) ** (1.0 / 3.0)

Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Blocks:
    """Resamples of n rows as blocks around the circle of rows, one resample a row of both arrays.

    `start` (draws, blocks) is the first row of a block and `length` the rows in it; the lengths of a resample sum to n,
    and blocks of length 0 fill it up.
    """

    start: Integers
    length: Integers

    def rows(self) -> Integers:
        """Return the row numbers of each resample, shape (draws, n)."""
        n = int(self.length[0].sum())
        lengths = self.length.ravel()
        first = np.repeat(self.start.ravel(), lengths)
        ends = np.cumsum(lengths)
        within = np.arange(len(first)) - np.repeat(ends - lengths, lengths)
        return np.asarray((first + within) % n).reshape(len(self.length), n)


def seeded_generator(key: str) -> np.random.Generator:
    """Return the generator that a text seeds: one text, one stream, on every machine."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(sha256(key.encode()).digest()[:16])))


def automatic_block_length(series: Floats) -> float:
    """Return the expected block length that is best for the mean of a series, at least 1 session.

    Politis and White (2004, Econometric Reviews 23, 53) as corrected by Patton, Politis and White (2009, Econometric
    Reviews 28, 372): (2 G²/D)^(1/3) n^(1/3) with D = 2 g(0)², G and g(0) by the flat-top lag window over twice the lag
    from which five autocorrelations in a row are insignificant; at most min(3 √n, n/3). A constant series, and one of
    fewer than 9 rows, has blocks of 1. `series` has no NaN.
    """
    n = len(series)
    if n < 9 or series.min() == series.max():
        return 1.0
    deviations = series - series.mean()
    run = max(FEWEST_LAGS, math.ceil(math.sqrt(math.log10(n))))
    most_lags = min(math.ceil(math.sqrt(n)) + run, n - 1)
    lags = np.arange(most_lags + 1)
    covariance = np.array([deviations[lag:] @ deviations[: n - lag] for lag in lags]) / n
    bandwidth = _bandwidth(np.abs(covariance / covariance[0]), n=n, run=run)
    share = lags[1 : bandwidth + 1] / bandwidth
    window = np.clip(2.0 * (1.0 - share), 0.0, 1.0)
    weighted = 2.0 * window * covariance[1 : bandwidth + 1]
    spectrum = covariance[0] + weighted.sum()
    curvature = (lags[1 : bandwidth + 1] * weighted).sum()
    if spectrum == 0.0:
        return 1.0
    best = (curvature**2 / spectrum**2) ** (1.0 / 3.0) * n ** (1.0 / 3.0)
    return float(min(max(best, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3.0))))


def stationary_blocks(n: int, *, block_length: float, n_draws: int, generator: np.random.Generator) -> Iterator[Blocks]:
    """Yield resamples of n rows in batches, `n_draws` in all; block lengths are geometric with mean `block_length`.

    Raises
    ------
    UsageError
        If the block length is below 1 or there is nothing to draw from.
    """
    if n < 1 or block_length < 1.0:
        raise UsageError(f"blocks of {block_length} rows of {n}: a resample needs rows and blocks of at least one")
    ends_a_block = 1.0 / block_length
    expected = 1.0 + (n - 1) * ends_a_block
    n_blocks = min(n, math.ceil(expected + 4.0 * math.sqrt(expected)) + 8)
    for first in range(0, n_draws, DRAWS_A_BATCH):
        shape = (min(DRAWS_A_BATCH, n_draws - first), n_blocks)
        if ends_a_block == 1.0:
            yield Blocks(generator.integers(0, n, size=shape), np.ones(shape, dtype=np.int64))
            continue
        lengths = generator.geometric(ends_a_block, size=shape)
        ends = np.cumsum(lengths, axis=1)
        while ends[:, -1].min() < n:
            more = ends[:, -1:] + np.cumsum(generator.geometric(ends_a_block, size=shape), axis=1)
            ends = np.concatenate([ends, more], axis=1)
        ends = np.minimum(ends, n)
        length = ends.copy()
        length[:, 1:] -= ends[:, :-1]
        yield Blocks(generator.integers(0, n, size=ends.shape), length)


def resampled_means(columns: Floats, batches: Iterator[Blocks]) -> Floats:
    """Return the mean of each column in each resample, shape (draws, columns).

    Sums of blocks are differences of running sums, so a resample costs its blocks and not its rows; of columns of whole
    numbers they are exact, so that a count of none is 0.
    """
    n = len(columns)
    running = np.zeros((columns.shape[1], 2 * n + 1))
    np.cumsum(np.concatenate([columns, columns]).T, axis=1, out=running[:, 1:])
    means = []
    for blocks in batches:
        stop = blocks.start + blocks.length
        # Column by column: a gather from one running sum is much faster than one of short rows.
        sums = [(own[stop] - own[blocks.start]).sum(axis=1) for own in running]
        means.append(np.stack(sums, axis=1) / n)
    return np.concatenate(means)


def influence(columns: Floats, statistic: Statistic) -> Floats:
    """Return what each row adds to a statistic of column means, to first order, shape (n): its mean is 0.

    The block length that suits this series suits the statistic. The gradient is by central differences.
    """
    center = columns.mean(axis=0)
    scale = np.maximum(np.abs(center), columns.std(axis=0))
    step = GRADIENT_STEP * np.where(scale > 0.0, scale, 1.0)
    moved = np.diag(step)
    gradient = (statistic(center + moved) - statistic(center - moved)) / (2.0 * step)
    return np.asarray((columns - center) @ gradient)


def percentile_interval(draws: Floats, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval between the quantiles that leave out half of 1 − confidence on each side.

    (Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3)
    """
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail])
    return float(low), float(high)


def _bandwidth(autocorrelation: Floats, *, n: int, run: int) -> int:
    """Return twice the first lag of `run` insignificant ones in a row, at most the lags at hand (all if none is).

    The first lag of the run and not the one before it, as in the authors' own program and those made after it.
    """
    most_lags = len(autocorrelation) - 1
    is_small = autocorrelation[1:] < SIGNIFICANCE * math.sqrt(math.log10(n) / n)
    if len(is_small) >= run:
        runs = np.lib.stride_tricks.sliding_window_view(is_small, run).all(axis=1)
        if runs.any():
            return min(2 * (int(np.argmax(runs)) + 1), most_lags)
    return most_lags
