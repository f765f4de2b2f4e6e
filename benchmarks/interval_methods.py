"""Other intervals of a mean, beside the percentile interval, and how often each holds a mean that is known."""

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm, t

from transforms.evidence.bootstrap import (
    Blocks,
    percentile_interval,
    seeded_generator,
    stationary_blocks,
)

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
TAIL = 0.025


def mean_intervals(series: Floats, *, block_length: float, key: str, n_draws: int) -> dict[str, Interval]:
    """Return the 95 % intervals of a mean by name.

    percentile; the same with blocks twice as long; expanded percentile: its tails moved out as Student's t is from the
    normal, with n over the block length as the number of observations (Hesterberg 2015, American Statistician 69, 371,
    section 5.3); studentized: quantiles of (mean* - mean)/error*, the error of a resample from the sums of its blocks
    (Götze and Künsch 1996, Annals of Statistics 24, 1914).
    """
    mean, n = float(series.mean()), len(series)
    drawn, score = _redrawn(series, block_length=block_length, key=key, n_draws=n_draws)
    longer, _ = _redrawn(series, block_length=2.0 * block_length, key=key, n_draws=n_draws)
    effective = max(n / block_length, 2.0)
    out = float(norm.cdf(math.sqrt(effective / (effective - 1.0)) * t.ppf(TAIL, effective - 1.0)))
    low, high = np.quantile(score, [TAIL, 1.0 - TAIL])
    error = float(drawn.std())
    return {
        "percentile": percentile_interval(drawn),
        "percentile, double blocks": percentile_interval(longer),
        "expanded percentile": percentile_interval(drawn, confidence=1.0 - 2.0 * out),
        "studentized": (mean - high * error, mean - low * error),
    }


def _redrawn(series: Floats, *, block_length: float, key: str, n_draws: int) -> tuple[Floats, Floats]:
    """Return the means of the resamples, and their deviations from the mean in units of each one's own error."""
    mean, n = float(series.mean()), len(series)
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series]) - mean)])
    draws, scores = [], []
    blocks: Blocks
    for blocks in stationary_blocks(n, block_length=block_length, n_draws=n_draws, generator=seeded_generator(key)):
        sums = running[blocks.start + blocks.length] - running[blocks.start]
        shift = sums.sum(axis=1) / n
        error = np.sqrt(((sums - blocks.length * shift[:, None]) ** 2).sum(axis=1)) / n
        draws.append(mean + shift)
        scores.append(shift / np.maximum(error, 1e-300))
    return np.concatenate(draws), np.concatenate(scores)


def median_intervals(values: Floats, *, key: str, n_draws: int) -> dict[str, Interval]:
    """Return the 95 % intervals of a median of independent events by name.

    percentile and expanded percentile as above; order statistics: the widest pair that holds the median with 95 % by
    the binomial law (Conover 1999, Practical Nonparametric Statistics, 3rd ed., section 3.2).
    """
    n = len(values)
    picks = seeded_generator(key).integers(0, n, size=(n_draws, n))
    drawn = np.median(values[picks], axis=1)
    out = float(norm.cdf(math.sqrt(n / (n - 1.0)) * t.ppf(TAIL, n - 1.0)))
    rank = int(binom.ppf(TAIL, n, 0.5))
    ordered = np.sort(values)
    return {
        "percentile": percentile_interval(drawn),
        "expanded percentile": percentile_interval(drawn, confidence=1.0 - 2.0 * out),
        "order statistics": (float(ordered[max(rank - 1, 0)]), float(ordered[min(n - rank, n - 1)])),
    }
