"""The layer's credit finances the condor's adjustments."""

import polars as pl

from transforms.evidence.claims.claim import Claim, Frames, columns_of
from transforms.evidence.estimate import Observations, mean_of
from transforms.evidence.verdicts import Claimed

ADJUSTMENTS = ("widen_condor", "tighten_condor")
# Dollars: sums of cents differ from each other by rounding only.
NOTHING = 0.005
# What the claim needs is not said by those who make it; here, that most adjustments are paid in full.
MOST = 0.50


def share_funded(decision: pl.DataFrame) -> Observations:
    """Return observations of the share of adjustments with a cost that the layer's ledger could pay in full, a decimal.

    Parameters
    ----------
    decision : session_date, decision_id, decision, funded and unfunded (dollars; null where not known)
    """
    proposed = (
        decision.filter(pl.col("decision").is_in(ADJUSTMENTS))
        .filter(pl.col("funded") + pl.col("unfunded") > NOTHING)
        .sort("session_date", "decision_id")
    )
    return mean_of(columns_of(proposed.select(is_paid=pl.col("unfunded") <= NOTHING), "is_paid")[:, 0])


def _observations(frames: Frames) -> Observations:
    return share_funded(frames["mart.decision"])


CLAIM = Claim(
    name="credit_finances_adjustments",
    statement="the layer's credit finances adjustments",
    measure="share of proposed adjustments with a cost that its ledger pays in full, decimal",
    sort="events",
    claimed=Claimed(low=MOST),
    needs={"mart.decision": ("session_date", "decision_id", "decision", "funded", "unfunded")},
    observations=_observations,
)
