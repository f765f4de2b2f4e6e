"""Margin and capital at risk of the two engines: strategy-based before credit, and a portfolio-margin estimate.

Strategy-based margin (Cboe margin manual; FINRA rule 4210(f)) of a structure whose long options cover its short ones
is the most it can pay out at expiration, before any credit. Nothing nets across engines.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transforms.engines.payoff import Structures, expiration_outcome

Floats = NDArray[np.float64]

MULTIPLIER = 100.0
# Uncovered VIX call, Cboe VIX options specification, "customer strategy-based margin": the option's proceeds, plus 20 %
# of the index less what it is out of the money, and at least 10 % of the index.
NAKED_BASIC_SHARE = 0.20
NAKED_LEAST_SHARE = 0.10
# FINRA rule 4210(g): a high-capitalization broad index is moved by -8 % to +6 % at ten equidistant points.
SPX_MOVES = tuple(np.linspace(-0.08, 0.06, 10).round(12).tolist())
# An estimate: brokers and the clearing house set their own range for volatility products, and raise it at will.
VIX_MOVES = tuple(np.linspace(-0.20, 0.20, 10).round(12).tolist())
# FINRA rule 4210(g): at least $0.375 times the multiplier for each contract.
LEAST_PER_CONTRACT = 37.5


def condor_margin(put_width: ArrayLike, call_width: ArrayLike) -> Floats:
    """Return the strategy-based margin of one iron condor, dollars: 100 times the wider wing (widths in points)."""
    return MULTIPLIER * np.maximum(put_width, call_width)


def backspread_margin(short_strike: ArrayLike, long_strike: ArrayLike) -> Floats:
    """Return the strategy-based margin of one call backspread or diagonal, dollars, before its credit.

    100 x (K2 - K1), 0 where the long strike is not above the short one; strikes in points. One long call covers the
    short one; the premium of the long calls is paid in full and is no margin.
    """
    return MULTIPLIER * np.maximum(np.subtract(long_strike, short_strike), 0.0)


def naked_call_margin(strike: ArrayLike, price: ArrayLike, *, index_level: ArrayLike) -> Floats:
    """Return the margin of one uncovered VIX call, dollars: its price, and 20 % or 10 % of the index beside it.

    `strike`, `price` (of the short call, its proceeds) and `index_level` (the cash index) in points.
    """
    index = np.asarray(index_level, np.float64)
    out_of_the_money = np.maximum(np.asarray(strike) - index, 0.0)
    beside = np.maximum(NAKED_BASIC_SHARE * index - out_of_the_money, NAKED_LEAST_SHARE * index)
    return np.asarray(MULTIPLIER * (np.asarray(price) + beside))


def front_ratio_margin(
    short_strike: ArrayLike, short_price: ArrayLike, *, n_short: ArrayLike, index_level: ArrayLike
) -> Floats:
    """Return the margin of long 1 call, short N at a higher strike, dollars: N - 1 of the short calls are uncovered."""
    naked = naked_call_margin(short_strike, short_price, index_level=index_level)
    return np.asarray((np.asarray(n_short) - 1.0) * naked)


def expiration_loss_before_credit(structures: Structures) -> Floats:
    """Return the most each structure can pay out at expiration, dollars for one structure, shape (n,).

    inf where it is unlimited; 0 where it never pays out. The credit of the structures is left out.
    """
    gross = Structures(structures.quantity, structures.strike, structures.is_call, np.zeros(len(structures)))
    return np.asarray(MULTIPLIER * np.maximum(-expiration_outcome(gross).worst, 0.0))


def capital_at_risk(max_loss: ArrayLike, *, fees: ArrayLike) -> Floats:
    """Return 100 x max_loss (points, NaN where unlimited) plus the fees of opening it, dollars for one structure."""
    return np.asarray(MULTIPLIER * np.maximum(max_loss, 0.0) + np.asarray(fees))


def portfolio_margin_estimate(scenario_profit: Floats, *, n_contracts: float | Sequence[float] | Floats) -> Floats:
    """Return the largest loss over the moves of a portfolio-margin account, dollars, shape (n,).

    `scenario_profit`: profit of each structure at each move, index points, shape (n, moves); NaN where it cannot be
    priced, which makes the estimate NaN. `n_contracts`: option contracts of one structure, long and short, whose number
    sets the least requirement (FINRA rule 4210(g)).
    """
    return np.asarray(
        np.maximum(-MULTIPLIER * scenario_profit.min(axis=1), LEAST_PER_CONTRACT * np.asarray(n_contracts))
    )
