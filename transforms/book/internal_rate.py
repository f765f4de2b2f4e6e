"""Internal rate of return of dated cash flows (XIRR, ACT/365), and of what an engine's margin and options have paid.

With x = ln(1 + rate) the present value is a sum of exponentials, smooth in x. The range of x is cut into cells so short
that on each a Chebyshev series of low degree is the present value to rounding; the real eigenvalues of the series'
colleague matrix are then all its roots (Boyd 2002, "Computing zeros on a real interval through Chebyshev expansion and
polynomial rootfinding"; Trefethen 2013, Approximation Theory and Approximation Practice, chapter 18), those without a
change of sign too. A search for sign changes on a grid would miss roots in pairs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# No investment loses more than all of it; beyond 1e6 a figure of a few days' gain says nothing a year.
LOWEST_RATE, HIGHEST_RATE = -0.9999, 1e6
DAYS_A_YEAR = 365.0
# Cash is in cents: what sums of it leave behind is no flow.
CASH_DECIMALS = 6

# Over a cell exp(-x t) varies by e^(+-HALF_RANGE) around its middle, which NODES points resolve to 1e-16.
HALF_RANGE = 0.5
NODES = 16
# Cells that share their exponentials.
CELLS = 4
NOISE = 1e-14
# Roots nearer to each other, or to the real line, than this in x are one root.
RESOLUTION = 2.0**-20
ZERO = 1e-11


def internal_rates(days: Integers, cash: Floats) -> Floats:
    """Return every rate at which dated cash flows are worth nothing, ascending; empty if there is none.

    Parameters
    ----------
    days : shape (flows,), day numbers in any order
        Flows of one day are added up.
    cash : shape (flows,), dollars, positive where received

    Returns
    -------
    Decimals a year compounded once a year, in (-0.9999, 1e6). Rates whose ln(1 + rate) are within 1e-6 of each other
    are one. Without both a payment and a receipt there is none.

    Raises
    ------
    ValueError
        If a flow is NaN or infinite.
    """
    if not np.isfinite(cash).all():
        raise ValueError(f"{int((~np.isfinite(cash)).sum())} of {cash.size} cash flows are no finite numbers")
    day, own = np.unique(days, return_inverse=True)
    net = np.bincount(own, weights=cash, minlength=day.size).round(CASH_DECIMALS)
    day, net = day[net != 0.0], net[net != 0.0]
    if not ((net > 0.0).any() and (net < 0.0).any()):
        return np.empty(0)
    time = (day - day[0]) / DAYS_A_YEAR
    log_rates = np.array(_polished(time, net, _candidates(time, net)))
    rates: Floats = np.expm1(log_rates)
    return rates[(rates > LOWEST_RATE) & (rates < HIGHEST_RATE)]


def rates_to_date(
    days: Integers, *, margin: Floats, cash: Floats, mark: Floats, at: Sequence[int]
) -> list[Floats | None]:
    """Return the internal rates of an engine up to each session asked for, open positions closed at their marks.

    Parameters
    ----------
    days : shape (sessions,), day numbers, ascending
    margin : shape (sessions,), dollars at the end of the session, NaN where unknown
    cash : shape (sessions,), dollars of every option cash flow of the session, fees taken off
    mark : shape (sessions,), dollars, value of the open legs at the end of the session
    at
        Positions of the sessions asked for.

    Returns
    -------
    For each session asked for, every rate; None where its margin is unknown. What is posted on a session is the change
    of margin since the last session on which it was known; on the session itself all margin comes back, and the marks
    are paid out.
    """
    known = np.maximum.accumulate(np.where(np.isnan(margin), -1, np.arange(margin.size)))
    held = np.where(known >= 0, margin[known], 0.0)
    flow = cash - np.diff(held, prepend=0.0)
    found: list[Floats | None] = []
    for position in at:
        if np.isnan(margin[position]):
            found.append(None)
            continue
        flows = flow[: position + 1].copy()
        flows[position] += held[position] + mark[position]
        found.append(internal_rates(days[: position + 1], flows))
    return found


def _candidates(time: Floats, net: Floats) -> list[float]:
    """Return where ln(1 + rate) may be a root: the (nearly) real eigenvalues of the cells' colleague matrices."""
    low, high = np.log1p(LOWEST_RATE), np.log1p(HIGHEST_RATE)
    n_groups = int(np.ceil((high - low) * time[-1] / (4.0 * HALF_RANGE * CELLS))) + 1
    half = (high - low) / (2.0 * CELLS * n_groups)
    middle = low + CELLS * half * (2.0 * np.arange(n_groups) + 1.0)
    cell = half * (2.0 * np.arange(CELLS) + 1.0 - CELLS)
    angle = np.pi * (np.arange(NODES) + 0.5) / NODES
    node = (cell[:, None] + half * np.cos(angle)).ravel()
    term = net * np.exp(_exponent(middle[:, None], time))
    # A cell's middle and its nodes are the group's middle and an offset: far fewer exponentials than their product.
    value, size = (
        amount @ np.exp(-np.outer(time - 0.5 * time[-1], offset))
        for amount, offset in ((term, node), (np.abs(term), cell))
    )
    size = size.ravel()
    series = 2.0 / NODES * value.reshape(-1, NODES) @ np.cos(np.outer(angle, np.arange(NODES)))
    series[:, 0] *= 0.5
    center = (middle[:, None] + cell).ravel()
    may_vanish = np.abs(series[:, 0]) <= np.abs(series[:, 1:]).sum(axis=1) + NOISE * size
    found: list[float] = []
    for at in np.flatnonzero(may_vanish):
        kept = np.flatnonzero(np.abs(series[at]) > NOISE * size[at])
        if kept.size == 0 or kept[-1] == 0:
            continue
        roots = chebyshev.chebroots(series[at, : kept[-1] + 1])
        near = (np.abs(roots.imag) * half <= RESOLUTION) & (np.abs(roots.real) <= 1.0 + RESOLUTION / half)
        found += (center[at] + half * roots.real[near]).tolist()
    return sorted(found)


def _polished(time: Floats, net: Floats, candidates: list[float]) -> list[float]:
    """Return the roots near candidates, ascending, each once.

    A change of sign is searched between multiples of RESOLUTION and narrowed from there, so that a root depends on the
    flows alone and not on the cells. Where the sign does not change but the value vanishes to rounding, the root is
    double and stays as it was found.
    """

    def worth(x: float, amounts: Floats = net) -> float:
        return float((amounts * np.exp(_exponent(x, time))).sum())

    crossings: set[float] = set()
    touching: list[float] = []
    for candidate in candidates:
        edges = RESOLUTION * (np.floor(candidate / RESOLUTION) + np.arange(-1.0, 3.0))
        positive = np.array([worth(edge) >= 0.0 for edge in edges])
        changes = np.flatnonzero(positive[1:] != positive[:-1])
        crossings |= {float(brentq(worth, edges[i], edges[i + 1], xtol=1e-15, rtol=1e-15)) for i in changes}
        if changes.size == 0 and abs(worth(candidate)) <= ZERO * worth(candidate, np.abs(net)):
            touching.append(candidate)
    found = sorted(crossings)
    for candidate in touching:
        if all(abs(candidate - other) > 2.0 * RESOLUTION for other in found):
            found.append(candidate)
    return sorted(found)


def _exponent(x: Floats | float, time: Floats) -> Floats:
    """Return -x*time, shifted so that the largest is 0: the sign of a sum of its exponentials is the same."""
    return np.asarray(-x * (time - np.where(np.less(x, 0.0), time[-1], 0.0)))
