"""What observations say of a claim: an estimate, what it could have been, and an interval."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from transforms.evidence.bootstrap import (
    N_DRAWS,
    Floats,
    Statistic,
    automatic_block_length,
    influence,
    percentile_interval,
    resampled_means,
    seeded_generator,
    stationary_blocks,
)

Sort = Literal["series", "events"]
# A statistic that more draws than these leave undefined has no interval.
MOST_UNDEFINED = 0.01


@dataclass(frozen=True)
class Observations:
    """The rows a statistic rests on, in time order, shape (rows, columns), without NaN.

    `statistic` maps column means (..., columns) to values (...), or, where `of` is "rows", whole samples
    (..., rows, columns) to values (...); NaN where it is not defined. `n` counts the observations that carry the claim,
    which may be fewer than the rows.
    """

    rows: Floats
    n: int
    statistic: Statistic
    of: Literal["means", "rows"] = "means"


@dataclass(frozen=True)
class Estimate:
    """A statistic and its bootstrap: `draws` without the undefined ones; `block_length` in rows, of `n_rows`."""

    n: int
    estimate: float | None
    draws: Floats
    block_length: float
    n_rows: int

    @property
    def n_blocks(self) -> float:
        """Return how many blocks the rows hold: about as many draws as independent rows would allow."""
        return self.n_rows / self.block_length

    def interval(self, *, confidence: float = 0.95) -> tuple[float, float] | None:
        """Return the percentile interval; None if the statistic or too many of its draws are undefined."""
        if self.estimate is None or not len(self.draws):
            return None
        return percentile_interval(self.draws, confidence=confidence)


NO_ESTIMATE = Estimate(0, None, np.empty(0), 1.0, 0)


def estimated(observations: Observations, *, sort: Sort, key: str, n_draws: int = N_DRAWS) -> Estimate:
    """Return the statistic of the observations with its bootstrap draws.

    A series is redrawn in blocks of the automatic length, events one by one. `key` seeds the draws.
    """
    rows, statistic = observations.rows, observations.statistic
    if not len(rows) or not observations.n:
        return replace(NO_ESTIMATE, n=observations.n)
    of_means = observations.of == "means"
    value = float(statistic(rows.mean(axis=0) if of_means else rows))
    if not np.isfinite(value):
        return replace(NO_ESTIMATE, n=observations.n)
    block_length = 1.0
    if sort == "series":
        # What a row adds to a statistic of means; a statistic of rows follows its first column.
        block_length = automatic_block_length(influence(rows, statistic) if of_means else rows[:, 0])
    batches = stationary_blocks(len(rows), block_length=block_length, n_draws=n_draws, generator=seeded_generator(key))
    if of_means:
        draws = statistic(resampled_means(rows, batches))
    else:
        draws = np.concatenate([statistic(rows[batch.rows()]) for batch in batches])
    defined = draws[~np.isnan(draws)]
    if len(defined) < (1.0 - MOST_UNDEFINED) * len(draws):
        defined = np.empty(0)
    return Estimate(observations.n, value, defined, block_length, len(rows))


def mean_of(values: Floats) -> Observations:
    """Return observations whose statistic is their mean."""
    return Observations(values[:, None], len(values), lambda means: means[..., 0])


def median_of(values: Floats) -> Observations:
    """Return observations whose statistic is their median."""
    return Observations(values[:, None], len(values), _median, of="rows")


def mean_where(values: Floats, chosen: Floats) -> Observations:
    """Return observations whose statistic is the mean of `values` on the rows where `chosen` is 1 and not 0.

    All rows are redrawn, in their order, so the chosen ones keep their distance in time.
    """
    return Observations(np.stack([values * chosen, chosen], axis=1), int(chosen.sum()), quotient)


def quotient(means: Floats) -> Floats:
    """Return the first column mean over the second; NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(means[..., 1] == 0.0, np.nan, means[..., 0] / means[..., 1])


def _median(samples: Floats) -> Floats:
    return np.asarray(np.median(samples[..., 0], axis=-1))
