"""What positions and candidates are worth when VIX and SPX move together: the tail table (METHOD section 7).

Two horizons. `instant`: now, each option at the vol of its strike, each VX future moved by its beta. `expiration`: on
the day the VIX layer settles, VIX options of that day at their payoff on a VIX that is the opening quotation, all
others revalued with less time left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.engines.margin import MULTIPLIER
from transforms.engines.priced_chain import PricedLegs
from transforms.engines.vix_curve import LOWEST_FUTURE, VixCurve
from transforms.tables.engine import TAIL_SCENARIO

Floats = NDArray[np.float64]

TAIL_PAIRS = ((30.0, -0.05), (40.0, -0.10), (60.0, -0.20), (80.0, -0.30))
GRID_VIX = (10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 80.0)
GRID_SPX = (-0.30, -0.20, -0.10, -0.05, 0.0, 0.05, 0.10)
VIX_ROOTS = ("VIX", "VIXW")
LEG_KEY = ["session_date", "root", "expiration", "strike", "option_type"]


@dataclass(frozen=True)
class TailGrid:
    """The joint moves: every VIX level (points) with every SPX return (decimal), the four pairs among them."""

    vix: tuple[float, ...] = GRID_VIX
    spx_return: tuple[float, ...] = GRID_SPX

    def levels(self) -> tuple[Floats, Floats]:
        """Return VIX levels and SPX returns, increasing, those of the pairs included."""
        vix = sorted({*self.vix, *(level for level, _ in TAIL_PAIRS)})
        returns = sorted({*self.spx_return, *(move for _, move in TAIL_PAIRS)})
        return np.array(vix), np.array(returns)


def tail_scenarios(
    legs: pl.DataFrame,
    chain: pl.DataFrame,
    *,
    curve: VixCurve,
    layer_expiration: date | None,
    grid: TailGrid | None = None,
) -> pl.DataFrame:
    """Return mart.tail_scenario of one session: the change in value of every subject at every joint move, dollars.

    Parameters
    ----------
    legs : one row per subject and option: subject, root, expiration, strike, option_type, quantity (contracts,
        negative where sold). A book is one subject with all its legs.
    chain : `priced_chain` rows of the session, SPX and VIX, that hold the legs
    layer_expiration : day of the second horizon; None leaves it out

    Notes
    -----
    A leg that is not in the chain or has no vol makes its subject's values null. Values are against tonight's value by
    the same model, so that no move is no change. SPX options do not feel the VIX level: the smile is sticky by strike.
    """
    vix, returns = (grid or TailGrid()).levels()
    session = chain["session_date"][0] if chain.height else None
    priced = legs.with_columns(pl.lit(session, dtype=pl.Date).alias("session_date")).join(
        chain.select(*LEG_KEY, "days_to_expiry", "time_to_expiry", "forward", "discount_factor", "pricing_vol"),
        on=LEG_KEY, how="left", validate="m:1",
    ).sort("subject", *LEG_KEY)  # fmt: skip
    subjects = priced["subject"].unique().sort()
    row_of = priced["subject"].rank("dense").to_numpy().astype(np.int64) - 1
    options = PricedLegs.of(priced)
    dollars = (MULTIPLIER * priced["quantity"].cast(pl.Float64)).to_numpy()[:, None]
    is_vix = priced["root"].is_in(VIX_ROOTS).to_numpy()
    days = priced["days_to_expiry"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    horizons = {"instant": 0.0}
    if layer_expiration is not None and session is not None:
        horizons["expiration"] = float((layer_expiration - session).days)
    frames = []
    now = options.value(options.forward[:, None])
    for horizon, days_later in horizons.items():
        futures = shifted_futures(options.forward, days, curve=curve, days_later=days_later, vix=vix)
        by_vix = dollars * (settled_or_priced(options, futures, days=days, days_later=days_later) - now)
        spx = options.forward[:, None] * (1.0 + returns)
        by_spx = dollars * (settled_or_priced(options, spx, days=days, days_later=days_later) - now)
        total = (
            _sum_by(row_of, np.where(is_vix[:, None], by_vix, 0.0), n=subjects.len())[:, :, None]
            + _sum_by(row_of, np.where(is_vix[:, None], 0.0, by_spx), n=subjects.len())[:, None, :]
        )
        frames.append(_rows(total, subjects=subjects, horizon=horizon, vix=vix, returns=returns))
    frame = pl.concat(frames).with_columns(session_date=pl.lit(session, dtype=pl.Date))
    return TAIL_SCENARIO.conform(frame.filter(pl.col("session_date").is_not_null()))


def shifted_futures(
    forward: Floats, days_to_expiry: Floats, *, curve: VixCurve, days_later: float, vix: Floats
) -> Floats:
    """Return each VIX option's forward some days later at VIX levels of shape (width,): points, shape (n, width).

    The gap between the options' parity forward and the curve (clocks, weeklies between the monthlies) is kept in
    proportion to the days left, so that nothing moved and no time passed is today's forward.
    """
    days = days_to_expiry[:, None]
    gap = forward[:, None] - curve.level(days)
    left = np.maximum(days - days_later, 0.0)
    moved = curve.future(days, days_later=days_later, vix_move=vix[None, :] - curve.vix)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(days > 0.0, left / days, 0.0)
    return np.maximum(moved + gap * share, LOWEST_FUTURE)


def settled_or_priced(options: PricedLegs, forward: Floats, *, days: Floats, days_later: float) -> Floats:
    """Return option values some calendar days later, points: the payoff from the expiration day on."""
    # An AM-settled option is fixed hours before the day is over: the calendar day decides, not the minute.
    passed = np.where(days <= days_later, np.inf, days_later)
    return options.value(forward, days_later=passed)


def scenario_profile(options: PricedLegs, quantity: Floats, *, spx_return: Sequence[float] | Floats) -> Floats:
    """Return the instant profit of one SPX structure at SPX returns (decimal), index points, shape (width,).

    `quantity`: contracts of each leg, negative where sold, shape (n,).
    """
    moves = np.asarray(spx_return, np.float64)
    change = options.value(options.forward[:, None] * (1.0 + moves)) - options.value(options.forward[:, None])
    return np.asarray((quantity[:, None] * change).sum(axis=0))


def _sum_by(row_of: NDArray[np.int64], values: Floats, *, n: int) -> Floats:
    """Return sums of the rows of each subject, shape (n, width), added in the order of the legs' key."""
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, row_of, values)
    return total


def _rows(total: Floats, *, subjects: pl.Series, horizon: str, vix: Floats, returns: Floats) -> pl.DataFrame:
    names = subjects.gather(np.repeat(np.arange(subjects.len()), vix.size * returns.size))
    level = np.tile(np.repeat(vix, returns.size), subjects.len())
    move = np.tile(returns, subjects.len() * vix.size)
    is_pair = np.zeros(level.size, dtype=np.bool_)
    for pair_vix, pair_move in TAIL_PAIRS:
        is_pair |= (level == pair_vix) & (move == pair_move)
    return pl.DataFrame(
        {
            "subject": names.alias("subject").cast(pl.String),
            "vix": level,
            "spx_return": move,
            "is_pair": is_pair,
            "value": pl.Series(total.ravel(), nan_to_null=True),
        }
    ).with_columns(pl.lit(horizon).alias("horizon"))
