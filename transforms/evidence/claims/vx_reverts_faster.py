"""VX reverts faster than SPX implied vol."""

import numpy as np
import polars as pl

from transforms.evidence.bootstrap import Floats
from transforms.evidence.claims.claim import Claim, Frames, columns_of
from transforms.evidence.estimate import Observations
from transforms.evidence.verdicts import Claimed

IMPLIED_VOL_TENOR = 30
# A draw that does not revert counts as one that takes millions of sessions.
SLOWEST = 1.0 - 1e-7
FEWEST_PAIRS = 3
PAIR = ("vx", "vx_before", "vol", "vol_before")


def half_life_ratio(curve_daily: pl.DataFrame, implied_vol: pl.DataFrame) -> Observations:
    """Return observations of the half-life of 30-day VX over that of 30-day SPX implied vol, a ratio.

    Both are AR(1) on logs, corrected for bias as each night's are (Kendall 1954), but over the whole history: the
    nightly windows of 252 sessions share 251 with their neighbours, and no resampling of them has an honest interval.
    An observation is a session and the one before it, both with both series; over a gap there is none.

    Parameters
    ----------
    curve_daily : session_date, constant_maturity_30d (points; null where missing); a row for every session
    implied_vol : session_date, level (of any constant unit)
    """
    logs = (
        curve_daily.select("session_date", vx="constant_maturity_30d")
        .join(implied_vol.select("session_date", vol="level"), on="session_date", how="left", validate="1:1")
        .sort("session_date")
        .select(pl.when(pl.col(name) > 0.0).then(pl.col(name).log()).alias(name) for name in ("vx", "vol"))
    )
    pairs = columns_of(logs.with_columns(vx_before=pl.col("vx").shift(1), vol_before=pl.col("vol").shift(1)), *PAIR)
    if len(pairs) < FEWEST_PAIRS:
        return Observations(np.empty((0, 4)), 0, lambda means: means[..., 0])
    vx, vx_before, vol, vol_before = (pairs - pairs.mean(axis=0)).T
    rows = np.stack([vx * vx_before, vx_before**2, vol * vol_before, vol_before**2], axis=1)
    n_pairs = len(rows)

    def ratio(means: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            vx, vol = (_log_coefficient(means[..., k : k + 2], n_pairs=n_pairs) for k in (0, 2))
            return np.asarray(vol / vx)

    return Observations(rows, n_pairs, ratio)


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
