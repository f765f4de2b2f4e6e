"""VX reverts faster than SPX implied vol."""

import numpy as np
import polars as pl

from transforms.evidence.bootstrap import Floats
from transforms.evidence.claims.claim import Claim, Frames
from transforms.evidence.estimate import Observations
from transforms.evidence.verdicts import Claimed

IMPLIED_VOL_TENOR = 30
# A draw that does not revert counts as one that takes millions of sessions.
SLOWEST = 1.0 - 1e-7


def half_life_ratio(curve_daily: pl.DataFrame, implied_vol: pl.DataFrame) -> Observations:
    """Return observations of the half-life of 30-day VX over that of 30-day SPX implied vol, a ratio.

    Both are AR(1) on logs, corrected for bias as each night's are (Kendall 1954), but over the whole history: the
    nightly windows of 252 sessions share 251 with their neighbours, and no resampling of them has an honest interval.
    A row is a session and the one before it, both with both series; rows are redrawn with their two coefficients' sums.

    Parameters
    ----------
    curve_daily : session_date, constant_maturity_30d (points)
    implied_vol : session_date, level (of any constant unit)
    """
    levels = (
        curve_daily.select("session_date", vx="constant_maturity_30d")
        .join(implied_vol.select("session_date", vol="level"), on="session_date", how="inner", validate="1:1")
        .filter((pl.col("vx") > 0.0) & (pl.col("vol") > 0.0))
        .sort("session_date")
        .with_columns(pl.col("vx", "vol").log())
    )
    if levels.height < 3:
        return Observations(np.empty((0, 4)), 0, lambda means: means[..., 0])
    products = [_products(levels[name].to_numpy()) for name in ("vx", "vol")]
    rows = np.concatenate(products, axis=1)
    n_pairs = len(rows)

    def ratio(means: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            vx, vol = (_log_coefficient(means[..., k : k + 2], n_pairs=n_pairs) for k in (0, 2))
            return np.asarray(vol / vx)

    return Observations(rows, n_pairs, ratio)


def _products(logs: Floats) -> Floats:
    before, after = logs[:-1] - logs[:-1].mean(), logs[1:] - logs[1:].mean()
    return np.stack([before * after, before * before], axis=1)


def _log_coefficient(means: Floats, *, n_pairs: int) -> Floats:
    """Return ln of the corrected coefficient, −ln 2 over the half-life; NaN where the coefficient is not above 0."""
    phi = means[..., 0] / means[..., 1]
    corrected = phi + (1.0 + 3.0 * phi) / n_pairs
    return np.asarray(np.where(corrected > 0.0, np.log(np.clip(corrected, 1e-300, SLOWEST)), np.nan))


def _observations(frames: Frames) -> Observations:
    surface = frames["feature.surface_daily"]
    at_the_money = surface.filter(pl.col("tenor_days") == IMPLIED_VOL_TENOR)
    return half_life_ratio(frames["feature.curve_daily"], at_the_money.select("session_date", level="atm_vol"))


CLAIM = Claim(
    name="vx_reverts_faster",
    statement="VX reverts faster than SPX implied vol",
    measure="half-life of 30-day VX over that of 30-day SPX implied vol, ratio",
    sort="series",
    claimed=Claimed(high=1.0),
    needs={
        "feature.curve_daily": ("session_date", "constant_maturity_30d"),
        "feature.surface_daily": ("session_date", "tenor_days", "atm_vol"),
    },
    observations=_observations,
)
