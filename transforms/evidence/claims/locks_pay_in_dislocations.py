"""Conversions and reversals pay in dislocations."""

import numpy as np
import polars as pl

from transforms.evidence.bootstrap import Floats
from transforms.evidence.claims.claim import Claim, Frames, columns_of
from transforms.evidence.estimate import Observations
from transforms.evidence.verdicts import Claimed

LOCKS = ("conversion", "reversal")


def dislocation_gain(
    mispricing: pl.DataFrame, mispricing_outcome: pl.DataFrame, dislocation: pl.DataFrame
) -> Observations:
    """Return observations of the mean outcome of locks found on dislocated sessions less that of the others, dollars.

    An event is a session on which locks were first seen, with the mean of what they would have earned at the next
    session's prices: findings of one session share its quotes. `n` is the smaller of the two groups.

    Parameters
    ----------
    mispricing : session_date, finding_id, kind, first_seen
    mispricing_outcome : session_date (of the observation), finding_id, exit_edge_dollars
    dislocation : session_date, holds (null where unknown)
    """
    found = mispricing.filter(pl.col("kind").is_in(LOCKS) & (pl.col("session_date") == pl.col("first_seen"))).select(
        "session_date", "finding_id"
    )
    outcomes = mispricing_outcome.select(pl.col("session_date").alias("observed_on"), "finding_id", "exit_edge_dollars")
    first_outcome = (
        found.join(outcomes, on="finding_id", how="inner")
        .filter(pl.col("observed_on") > pl.col("session_date"))
        .sort("session_date", "finding_id", "observed_on")
        .unique(["session_date", "finding_id"], keep="first", maintain_order=True)
        .drop_nulls("exit_edge_dollars")
    )
    sessions = (
        first_outcome.group_by("session_date", maintain_order=True)
        .agg(pl.col("exit_edge_dollars").mean().alias("outcome"))
        .join(dislocation.select("session_date", "holds"), on="session_date", how="inner", validate="1:1")
        .sort("session_date")
    )
    outcome, is_dislocated = columns_of(sessions, "outcome", "holds").T
    rows = np.stack([outcome * is_dislocated, is_dislocated, outcome, np.ones(len(outcome))], axis=1)
    n_dislocated = int(is_dislocated.sum())
    return Observations(rows, min(n_dislocated, len(rows) - n_dislocated), _gain)


def _gain(means: Floats) -> Floats:
    own_sum, own, every_sum, every = (means[..., column] for column in range(4))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = own_sum / own - (every_sum - own_sum) / (every - own)
    return np.where((own > 0.0) & (every - own > 1e-12), gain, np.nan)


def _observations(frames: Frames) -> Observations:
    rules = frames["mart.rule_evaluation"]
    return dislocation_gain(
        frames["mart.mispricing"],
        frames["mart.mispricing_outcome"],
        rules.filter(pl.col("rule") == "dislocation").select("session_date", "holds"),
    )


CLAIM = Claim(
    name="locks_pay_in_dislocations",
    statement="conversions and reversals pay in dislocations",
    measure="mean outcome of locks first seen on dislocated sessions less that on others, dollars",
    sort="events",
    claimed=Claimed(low=0.0),
    needs={
        "mart.mispricing": ("session_date", "finding_id", "kind", "first_seen"),
        "mart.mispricing_outcome": ("session_date", "finding_id", "exit_edge_dollars"),
        "mart.rule_evaluation": ("session_date", "rule", "holds"),
    },
    observations=_observations,
)
