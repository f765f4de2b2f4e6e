"""The layer profits from volatility that contracts faster than the skew implies."""

import polars as pl

from transforms.evidence.claims.claim import ENGINE_COLUMNS, Claim, Frames, columns_of, engine_sessions
from transforms.evidence.estimate import Observations, mean_where
from transforms.evidence.verdicts import Claimed


def profit_on_falls(engines: pl.DataFrame, curve_daily: pl.DataFrame) -> Observations:
    """Return observations of the layer's mean P&L less theta per dollar of margin, over sessions on which VX fell.

    Parameters
    ----------
    engines : `engine_sessions`
    curve_daily : session_date, front_index (points), front_index_gap
        The contract held; a session over a gap of it is left out.
    """
    change = (
        curve_daily.sort("session_date")
        .with_columns(pl.col("front_index").diff().alias("vx_change"))
        .filter(~pl.col("front_index_gap"))
        .select("session_date", (pl.col("vx_change") < 0.0).alias("is_fall"))
    )
    rows = (
        engines.join(change, on="session_date", how="inner", validate="1:1")
        .filter(pl.col("second_margin") > 0.0)
        .sort("session_date")
        .select("is_fall", profit=(pl.col("second_pnl") - pl.col("second_theta")) / pl.col("second_margin"))
    )
    profit, is_fall = columns_of(rows, "profit", "is_fall").T
    return mean_where(profit, is_fall)


def _observations(frames: Frames) -> Observations:
    return profit_on_falls(engine_sessions(frames["mart.engine_daily"]), frames["feature.curve_daily"])


CLAIM = Claim(
    name="layer_gains_as_vol_falls",
    statement="the layer profits from volatility contracting faster than skew implies",
    measure="mean P&L of the layer less its theta over sessions on which VX fell, decimal of its margin a session",
    sort="series",
    claimed=Claimed(low=0.0),
    needs={
        "mart.engine_daily": ENGINE_COLUMNS,
        "feature.curve_daily": ("session_date", "front_index", "front_index_gap"),
    },
    observations=_observations,
)
