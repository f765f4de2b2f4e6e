"""Where VX futures go when the VIX moves and time passes, and which SPX move goes with a VIX move.

A scenario moves the VIX by so many points. A future feels the share of it that its days to expiration leave; as time
passes it slides along today's curve, and on its expiration day it is the VIX itself.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# 1/(1 + days/36) is within 0.06 of the regression of daily VX changes on daily VIX changes in every bucket of days from
# 21 to 270 (2013-2026, tests/real_data/test_ratio_spread_2016.py). Nearer to expiration it tends to 1: the opening
# quotation imposes it, though closes at two clocks do not show it.
HALF_BETA_DAYS = 36.0
# The lowest VIX close on record is 9.14 (2017-11-03); a scenario never takes a future below this.
LOWEST_FUTURE = 5.0
# Whaley (2009), "Understanding the VIX", Journal of Portfolio Management 35(3): a fall of the SPX by 1 % goes with a
# rise of the VIX by 4.493 % of its level, a rise of 1 % with a fall by 2.990 %.
VIX_PERCENT_PER_SPX_FALL = 4.493
VIX_PERCENT_PER_SPX_RISE = 2.990


def vx_beta(days_to_expiry: ArrayLike, *, half_beta_days: float = HALF_BETA_DAYS) -> Floats:
    """Return the points a VX future moves per point of VIX: 1 at expiration, 1/2 at `half_beta_days` calendar days."""
    return np.asarray(half_beta_days / (half_beta_days + np.maximum(np.asarray(days_to_expiry, np.float64), 0.0)))


def spx_return_for(vix_move: ArrayLike, *, vix: float) -> Floats:
    """Return the SPX return, decimal, that goes with a VIX move in points from `vix` (Whaley 2009)."""
    relative = np.asarray(vix_move, np.float64) / vix
    return np.where(relative > 0.0, -relative / VIX_PERCENT_PER_SPX_FALL, -relative / VIX_PERCENT_PER_SPX_RISE)


@dataclass(frozen=True)
class VixCurve:
    """Tonight's VIX and monthly VX settlements, points, by calendar days to expiration (increasing)."""

    vix: float
    days: Floats
    settle: Floats
    half_beta_days: float = HALF_BETA_DAYS

    @classmethod
    def of(cls, term_structure: pl.DataFrame, *, vix: float) -> "VixCurve":
        """Return the curve of one session's feature.term_structure; months without a settlement are left out."""
        known = term_structure.drop_nulls("settle").sort("days_to_expiry")
        return cls(vix, known["days_to_expiry"].cast(pl.Float64).to_numpy(), known["settle"].to_numpy())

    def level(self, days_to_expiry: ArrayLike) -> Floats:
        """Return the curve at so many days: linear between the VIX at 0 and the settlements, flat beyond the last."""
        days = np.asarray(days_to_expiry, np.float64)
        return np.interp(days, np.concatenate(([0.0], self.days)), np.concatenate(([self.vix], self.settle)))

    def future(self, days_to_expiry: ArrayLike, *, days_later: ArrayLike, vix_move: ArrayLike) -> Floats:
        """Return a future some days later with the VIX moved, points; arguments broadcast.

        `days_to_expiry` counts from tonight. At or after its expiration the future is the VIX of the scenario.
        """
        left = np.asarray(np.maximum(np.subtract(days_to_expiry, days_later), 0.0), np.float64)
        moved = self.level(left) + vx_beta(left, half_beta_days=self.half_beta_days) * np.asarray(vix_move)
        return np.asarray(np.maximum(moved, LOWEST_FUTURE))
