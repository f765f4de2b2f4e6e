"""The layer and box rates lower the cost of capital."""

import polars as pl

from transforms.evidence.claims.claim import Claim, Frames, columns_of
from transforms.evidence.estimate import Observations, mean_of
from transforms.evidence.verdicts import Claimed


def cost_change(engine_statistics: pl.DataFrame) -> Observations:
    """Return observations of the mean of wacc less wacc_alternative over sessions that have both, decimal a year."""
    rows = engine_statistics.sort("session_date").select(change=pl.col("wacc") - pl.col("wacc_alternative"))
    return mean_of(columns_of(rows, "change")[:, 0])


def _observations(frames: Frames) -> Observations:
    return cost_change(frames["mart.engine_statistics"])


CLAIM = Claim(
    name="lowers_cost_of_capital",
    statement="premium and box rates lower the cost of capital",
    measure="mean weighted cost of capital less the same capital and debt at the loan rate, decimal a year",
    sort="series",
    claimed=Claimed(high=0.0),
    needs={"mart.engine_statistics": ("session_date", "wacc", "wacc_alternative")},
    observations=_observations,
)
