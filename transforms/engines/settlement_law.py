"""The law of the index at an expiration: as the smile has it, and with its variance scaled by the trailing premium.

Implied variance is on average above what is realized. The physical law is the smile's own with X = ln(S_T/F) replaced
by c*X + m: c squared is the trailing ratio of realized to implied variance, and m keeps the mean at the forward. No
drift is estimated, and the skew keeps its shape.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.indicators.surface import window_statistic
from transforms.pricing.density import density_nodes, probability_below
from transforms.pricing.svi import SviSlices

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SVI_COLUMNS = ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")
TRAILING_SESSIONS = 252
TENOR_DAYS = 30


def trailing_variance_ratio(surface_daily: pl.LazyFrame, *, window: int = TRAILING_SESSIONS) -> pl.LazyFrame:
    """Return realized over implied variance of the trailing sessions: one row per session_date, `variance_ratio`.

    Mean of realized_vol_21d squared over mean of atm_vol squared at 30 days, over the `window` sessions up to and
    including the row's own, decimal; null until there are so many sessions that have both.
    """
    return (
        surface_daily.filter(pl.col("tenor_days") == TENOR_DAYS)
        .sort("session_date")
        .with_columns(both=pl.col("realized_vol_21d") + pl.col("atm_vol"))
        .select(
            "session_date",
            realized=pl.when(pl.col("both").is_not_null()).then(pl.col("realized_vol_21d") ** 2),
            implied=pl.when(pl.col("both").is_not_null()).then(pl.col("atm_vol") ** 2),
        )
        .filter(pl.col("realized").is_not_null())
        .select(
            "session_date",
            variance_ratio=window_statistic(pl.col("realized"), "mean", window=window)
            / window_statistic(pl.col("implied"), "mean", window=window),
        )
    )


@dataclass(frozen=True)
class SettlementLaw:
    """The law of S_T on n slices: ln(S_T/forward) = scale*X + shift, X by the smile. Arrays of shape (n,)."""

    smile: SviSlices
    forward: Floats
    scale: Floats
    shift: Floats

    def probability_below(self, level: Floats, *, slice_row: Indices) -> Floats:
        """Return P(S_T < level) for levels (points) of the given slices, shape (width,); NaN where a level is NaN."""
        k = (np.log(level / self.forward[slice_row]) - self.shift[slice_row]) / self.scale[slice_row]
        return np.asarray(probability_below(self.smile.take(slice_row), k[:, None])[:, 0])

    def expected_payoff(self, strike: Floats, *, is_call: NDArray[np.bool_], slice_row: Indices) -> Floats:
        """Return E[payoff at settlement] of options of the given slices, points, undiscounted, shape (width,)."""
        k, mass = density_nodes(self.smile)
        level = np.where(mass == 0.0, 0.0, np.exp(self.scale[:, None] * k + self.shift[:, None]))
        zero = np.zeros((k.shape[0], 1))
        below = np.concatenate((zero, np.cumsum(mass, axis=1)), axis=1)
        level_below = np.concatenate((zero, np.cumsum(mass * level, axis=1)), axis=1)
        own = (np.log(strike / self.forward[slice_row]) - self.shift[slice_row]) / self.scale[slice_row]
        payoff = np.empty(strike.size)
        for row in range(k.shape[0]):
            at = slice_row == row
            nodes = np.searchsorted(k[row], own[at])
            payoff[at] = strike[at] * below[row, nodes] - self.forward[row] * level_below[row, nodes]
        # A call is the put plus forward - strike: the mean of the law is the forward.
        return payoff + np.where(is_call, self.forward[slice_row] - strike, 0.0)


def smile_law(slices: pl.DataFrame) -> SettlementLaw:
    """Return the risk-neutral law of each feature.slice row; every row must have a smile."""
    smile = SviSlices(*(slices[name].to_numpy() for name in SVI_COLUMNS))
    n = slices.height
    return SettlementLaw(smile, slices["forward"].to_numpy(), scale=np.ones(n), shift=np.zeros(n))


def physical_law(slices: pl.DataFrame, *, variance_ratio: float) -> SettlementLaw:
    """Return the law with each slice's variance times `variance_ratio` (decimal) and its mean at the forward."""
    law = smile_law(slices)
    scale = float(np.sqrt(variance_ratio))
    k, mass = density_nodes(law.smile)
    with np.errstate(over="ignore"):
        mean = np.where(mass == 0.0, 0.0, mass * np.exp(scale * k)).sum(axis=1)
    return SettlementLaw(law.smile, law.forward, scale=scale * law.scale, shift=-np.log(mean))
