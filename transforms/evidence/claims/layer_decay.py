"""The layer's decay overlaps the condor's and lifts the internal rate of return."""

import polars as pl

from transforms.evidence.claims.claim import ENGINE_COLUMNS, Claim, columns_of, engine_sessions
from transforms.evidence.estimate import Observations, mean_of, quotient
from transforms.evidence.verdicts import Claimed

DAYS_A_YEAR = 365.0


def theta_while_open(engines: pl.DataFrame) -> Observations:
    """Return observations of the layer's mean theta per dollar of its margin a session, over sessions it was open."""
    held = engines.sort("session_date").filter(pl.col("second_margin") > 0.0)
    theta = columns_of(held.select(theta=pl.col("second_theta") / pl.col("second_margin")), "theta")
    return mean_of(theta[:, 0])


def internal_rate_gain(engines: pl.DataFrame) -> Observations:
    """Return observations of the internal rate of both engines at simple interest less the condor's, decimal a year.

    The rate at which margin, posted as long as it stood, is worth the P&L it made: sum of P&L over sum of margin times
    years. mart.engine_statistics dates the option cash flows and compounds; but a rate that compounds weighs the first
    years most and may have several roots, and cash flows cannot be redrawn: a margin posted in one block would be
    released in another. A session's margin and P&L can.
    """
    rows = columns_of(
        engines.sort("session_date")
        .filter(pl.col("condor_margin") > 0.0)
        .select(
            "condor_pnl",
            "both_pnl",
            condor_years=pl.col("condor_margin") * pl.col("days") / DAYS_A_YEAR,
            both_years=pl.col("both_margin") * pl.col("days") / DAYS_A_YEAR,
        ),
        "condor_pnl", "condor_years", "both_pnl", "both_years",
    )  # fmt: skip
    return Observations(rows, len(rows), lambda means: quotient(means[..., 2:]) - quotient(means[..., :2]))


CLAIMS = (
    Claim(
        name="layer_decay_earns",
        statement="the layer's decay overlaps the condor's",
        measure="mean theta of the layer while it is open, decimal of its margin a session",
        sort="series",
        claimed=Claimed(low=0.0),
        needs={"mart.engine_daily": ENGINE_COLUMNS},
        observations=lambda frames: theta_while_open(engine_sessions(frames["mart.engine_daily"])),
    ),
    Claim(
        name="layer_lifts_internal_rate",
        statement="the layer lifts the internal rate of return",
        measure="internal rate (P&L over margin and years, simple interest) of both engines less the condor's, "
        "decimal a year",
        sort="series",
        claimed=Claimed(low=0.0),
        needs={"mart.engine_daily": ENGINE_COLUMNS},
        observations=lambda frames: internal_rate_gain(engine_sessions(frames["mart.engine_daily"])),
    ),
)
