"""Time-shifting: which candidate a layer moves to when its month rolls off, and with how many contracts (METHOD 7)."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

RollMatch = Literal["vega", "risk", "contracts"]
VEGA_TOLERANCE = 0.10


@dataclass(frozen=True)
class LayerUnit:
    """One contract of a layer: vega (points per 0.01 of vol) and capital at risk (dollars); None where unknown."""

    vega: float | None
    capital_at_risk: float | None


@dataclass(frozen=True)
class RolledSize:
    """Contracts of the new layer and what they keep.

    vega_ratio, risk_ratio: new over old of the whole layer, decimal, None where unknown. matches: for `vega`, whether
    the ratio is within 10 % of 1, which few contracts may not allow; for `risk`, whether it is not above 1.
    """

    contracts: int
    vega_ratio: float | None
    risk_ratio: float | None
    matches: bool


def next_layer(candidates: pl.DataFrame, *, held_expiration: date) -> pl.DataFrame:
    """Return the best-ranked candidate of the nearest expiration after the one held: one row, or none.

    `candidates` are mart.ratio_spread_candidate rows of the session.
    """
    later = candidates.filter(pl.col("expiration") > held_expiration)
    return later.filter(pl.col("expiration") == pl.col("expiration").min()).sort("rank").head(1)


def rolled_size(contracts: int, held: LayerUnit, *, chosen: LayerUnit, match: RollMatch = "vega") -> RolledSize:
    """Return how many contracts of `chosen` replace `contracts` of `held`.

    `vega`: the whole number whose vega is nearest, the smaller of two equally near. `risk`: the most whose capital at
    risk is not above the old. `contracts`: as many. 0 where the measure is unknown or not positive.
    """
    measures = {"vega": (held.vega, chosen.vega), "risk": (held.capital_at_risk, chosen.capital_at_risk)}
    if match == "contracts":
        rolled = contracts
    else:
        old, new = measures[match]
        exact = _exact(contracts, old, new=new)
        # An exact multiple must not be lost to the last bit of a division.
        rolled = math.floor(exact + 1e-9) if match == "risk" else math.ceil(exact - 0.5 - 1e-9)
    vega_ratio, risk_ratio = (_ratio(contracts, old, rolled=rolled, new=new) for old, new in measures.values())
    kept = {
        "vega": vega_ratio is not None and abs(vega_ratio - 1.0) <= VEGA_TOLERANCE,
        "risk": risk_ratio is not None and risk_ratio <= 1.0 + 1e-9 and rolled > 0,
        "contracts": True,
    }
    return RolledSize(rolled, vega_ratio, risk_ratio, kept[match])


def _exact(contracts: int, old: float | None, *, new: float | None) -> float:
    return contracts * old / new if old is not None and new is not None and old > 0.0 and new > 0.0 else 0.0


def _ratio(contracts: int, old: float | None, *, rolled: int, new: float | None) -> float | None:
    if old is None or new is None or contracts * old == 0.0:
        return None
    return rolled * new / (contracts * old)
