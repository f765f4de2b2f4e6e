"""What a structure of options is worth when it settles: exact kinks, break-evens, worst and best outcome.

The profit of options of one expiration is piecewise linear in the settlement value, so everything follows from its
values at 0 and at the strikes and from its slope beyond the last one: nothing is searched on a grid.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Prices lie on a grid of half a cent; sums of them are brought back to it so that an even trade is exactly even.
PRICE_DECIMALS = 9


@dataclass(frozen=True)
class Structures:
    """n structures with the same number of legs, all of one expiration each.

    quantity: contracts, negative where sold, shape (legs,) or (n, legs). strike: index points, shape (n, legs).
    is_call: shape (legs,) or (n, legs). credit: index points received at entry, negative if paid, shape (n,).
    """

    quantity: Floats
    strike: Floats
    is_call: Bools
    credit: Floats

    def __len__(self) -> int:
        return int(self.strike.shape[0])


@dataclass(frozen=True)
class ExpirationOutcome:
    """The profit at settlement of n structures, index points before fees.

    kink_level, kink_profit: 0 and the strikes in increasing order, and the profit there, shape (n, legs + 1).
    slope_above: points per point beyond the last strike. worst and best: -inf and inf where unlimited; worst_level and
    best_level the lowest settlement value that brings them, inf where unlimited. loss_edge: settlement values between
    which it passes from no loss to loss or back, increasing, NaN-padded, shape (n, legs + 1): the break-evens, and the
    ends of a stretch where it is exactly even.
    """

    kink_level: Floats
    kink_profit: Floats
    slope_above: Floats
    worst: Floats
    worst_level: Floats
    best: Floats
    best_level: Floats
    loss_edge: Floats

    @classmethod
    def on_a_line(cls, level: Floats, profit: Floats, *, slope_above: Floats) -> "ExpirationOutcome":
        """Return the outcome of profits at increasing levels, both (n, kinks), straight between and beyond them."""
        worst, worst_level = _extreme(level, profit, slope_above=slope_above)
        best, best_level = _extreme(level, -profit, slope_above=-slope_above)
        return cls(
            kink_level=level,
            kink_profit=profit,
            slope_above=slope_above,
            worst=worst,
            worst_level=worst_level,
            best=0.0 - best,
            best_level=best_level,
            loss_edge=_loss_edges(level, profit, slope_above=slope_above),
        )

    @property
    def lowest_edge(self) -> Floats:
        """Return the lowest break-even, shape (n,), NaN where the sign never changes."""
        return self.loss_edge[:, 0]

    @property
    def highest_edge(self) -> Floats:
        """Return the highest break-even, shape (n,), NaN where the sign never changes."""
        n_edges = np.isfinite(self.loss_edge).sum(axis=1)
        last = np.maximum(n_edges - 1, 0)
        return np.asarray(np.take_along_axis(self.loss_edge, last[:, None], axis=1)[:, 0])


def option_payoff(level: Floats, strike: Floats, *, is_call: Bools) -> Floats:
    """Return what one option pays if it settles at `level`, index points; element-wise, arguments broadcast."""
    return np.maximum(np.where(is_call, level - strike, strike - level), 0.0)


def profit_at(structures: Structures, level: Floats) -> Floats:
    """Return the profit of each structure at settlement values of shape (width,) or (n, width): shape (n, width).

    Index points for one structure, credit included, before fees.
    """
    profit = np.tile(structures.credit[:, None], (1, level.shape[-1]))
    quantity = np.broadcast_to(structures.quantity, structures.strike.shape)
    is_call = np.broadcast_to(structures.is_call, structures.strike.shape)
    for leg in range(structures.strike.shape[1]):
        own = option_payoff(level, structures.strike[:, leg : leg + 1], is_call=is_call[:, leg : leg + 1])
        profit += quantity[:, leg : leg + 1] * own
    return profit.round(PRICE_DECIMALS)


def expiration_outcome(structures: Structures) -> ExpirationOutcome:
    """Return kinks, worst and best outcome and break-evens of each structure at settlement.

    Raises
    ------
    ValueError
        If a strike or a credit is NaN, or a strike is negative.
    """
    if not (np.isfinite(structures.credit).all() and (structures.strike >= 0.0).all()):
        raise ValueError(
            "expiration_outcome needs finite credits and strikes from 0 up; drop unquoted structures first"
        )
    level = np.concatenate((np.zeros((len(structures), 1)), np.sort(structures.strike, axis=1)), axis=1)
    profit = profit_at(structures, level)
    calls = np.where(structures.is_call, structures.quantity, 0.0)
    slope = np.broadcast_to(calls, structures.strike.shape).sum(axis=1)
    return ExpirationOutcome.on_a_line(level, profit, slope_above=slope)


def _extreme(level: Floats, profit: Floats, *, slope_above: Floats) -> tuple[Floats, Floats]:
    """Return the least profit and the lowest settlement value that brings it."""
    at = profit.argmin(axis=1)[:, None]
    falls = slope_above < 0.0
    return (
        np.where(falls, -np.inf, np.take_along_axis(profit, at, axis=1)[:, 0]),
        np.where(falls, np.inf, np.take_along_axis(level, at, axis=1)[:, 0]),
    )


def _loss_edges(level: Floats, profit: Floats, *, slope_above: Floats) -> Floats:
    """Return the ends of the losing stretches, sorted, NaN-padded, shape (n, kinks)."""
    loses = profit < 0.0
    edges = np.full(level.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = profit[:, :-1] / (profit[:, :-1] - profit[:, 1:])
        crossing = level[:, :-1] + share * (level[:, 1:] - level[:, :-1])
        beyond = level[:, -1] - profit[:, -1] / slope_above
    edges[:, :-1] = np.where(loses[:, :-1] != loses[:, 1:], crossing, np.nan)
    turns = np.where(loses[:, -1], slope_above > 0.0, slope_above < 0.0)
    edges[:, -1] = np.where(turns, beyond, np.nan)
    return np.sort(edges, axis=1)
