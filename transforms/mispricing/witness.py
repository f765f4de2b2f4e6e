"""Which slices of a session show at a glance that they allow no static arbitrage, all of them in a few array passes.

A slice allows none when one point (a, b) = (D*F, D) admits a curve between its bids and asks (`static.py`). Here only
the point in the middle of what put-call parity leaves is tried: the curve that passes there proves the slice sound;
where none does, nothing is said, and the exact search has to decide.
"""

import numpy as np
from numpy.typing import NDArray

from transforms.mispricing.static import LOCK_TOLERANCE
from transforms.pricing.slice_grid import SliceGrid

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Discount factors looked at; twenty halvings of them leave less than a hundredth of a point at any strike.
HIGHEST_DISCOUNT = 2.0
HALVINGS = 20
# Rounds of pruning, each of all slices; real slices take about ten.
MOST_ROUNDS = 60


def is_sound(grid: SliceGrid, *, fee_points: float) -> Flags:
    """Return whether each slice is shown to allow no static arbitrage at prices a fee worse, shape (n_slices,).

    Element-wise over slices. Asks are raised and bids lowered by `fee_points`, as `SliceQuotes.after_fees` does.
    """
    strike = grid.strike
    if grid.n_slices == 0:
        return np.zeros(0, dtype=np.bool_)
    call_bid, call_ask = _tradable(grid.call_bid, grid.call_ask, fee_points=fee_points)
    put_bid, put_ask = _tradable(grid.put_bid, grid.put_ask, fee_points=fee_points)
    listed = np.isfinite(strike)
    at = np.where(listed, strike, 0.0)
    lower = np.where(listed, call_bid - put_ask, -np.inf)
    upper = np.where(listed, call_ask - put_bid, np.inf)
    a, b, has_point = _middle(at, lower, upper=upper)
    line = a[:, None] - b[:, None] * at
    ask = np.where(listed, np.minimum(call_ask, put_ask + line), np.inf)
    bid = np.where(listed, np.maximum(call_bid, put_bid + line), -np.inf)
    # A strike 0, whose call is the index: worth a.
    ask, bid = np.column_stack((a, ask)), np.column_stack((a, bid))
    at, listed = np.column_stack((np.zeros(len(a)), at)), np.column_stack((np.ones(len(a), np.bool_), listed))
    # No curve falls where it may not rise, nor faster than b: what an ask allows its strike, it allows no other more.
    ask = np.minimum.accumulate(ask, axis=1)
    rising = np.where(listed, ask + b[:, None] * at, np.inf)
    ask = np.minimum.accumulate(rising[:, ::-1], axis=1)[:, ::-1] - b[:, None] * at
    under = _under_hull(at[listed], bid[listed], ask=ask[listed], row=np.nonzero(listed)[0], n_rows=len(a))
    return np.asarray(has_point & under)


def _tradable(bid: Floats, ask: Floats, *, fee_points: float) -> tuple[Floats, Floats]:
    """Return bids (none: 0) and asks (none: infinite) after a fee; of a crossed quote there is neither."""
    low, high = np.nan_to_num(bid, nan=0.0), np.where(ask > 0.0, ask, np.inf)
    crossed = low > high
    return np.maximum(np.where(crossed, 0.0, low) - fee_points, 0.0), np.where(crossed, np.inf, high) + fee_points


def _middle(strike: Floats, lower: Floats, *, upper: Floats) -> tuple[Floats, Floats, Flags]:
    """Return a and b of each slice where lower <= a - b*strike <= upper is kept by most, and whether it is kept.

    The room left to a is concave in b; its slope is the strike of the bound that binds below less that above.
    """
    rows = np.arange(len(strike))
    low, high = np.zeros(len(strike)), np.full(len(strike), HIGHEST_DISCOUNT)
    for _ in range(HALVINGS):
        b = 0.5 * (low + high)
        shift = b[:, None] * strike
        room_widens = strike[rows, (upper + shift).argmin(axis=1)] > strike[rows, (lower + shift).argmax(axis=1)]
        low, high = np.where(room_widens, b, low), np.where(room_widens, high, b)
    b = 0.5 * (low + high)
    shift = b[:, None] * strike
    floor, cap = np.maximum((lower + shift).max(axis=1), 0.0), (upper + shift).min(axis=1)
    has_point = (cap >= floor) & np.isfinite(cap)
    return np.where(has_point, 0.5 * (floor + cap), 0.0), b, has_point


def _under_hull(strike: Floats, bid: Floats, *, ask: Floats, row: NDArray[np.int64], n_rows: int) -> Flags:
    """Return whether all bids of each row lie on or under the lower convex hull of its asks, shape (n_rows,).

    Points by row and increasing strike. False too where the hull is not reached in MOST_ROUNDS.
    """
    kept = np.arange(len(strike))
    for _ in range(MOST_ROUNDS):
        x, y, own = strike[kept], ask[kept], row[kept]
        inner = (own[:-2] == own[1:-1]) & (own[1:-1] == own[2:])
        # On or above the segment between its neighbors: no vertex, whatever else is dropped at the same time.
        above = (y[1:-1] - y[:-2]) * (x[2:] - x[1:-1]) >= (y[2:] - y[1:-1]) * (x[1:-1] - x[:-2])
        dropped = np.concatenate(([False], inner & above, [False]))
        if not dropped.any():
            break
        kept = kept[~dropped]
    else:
        return np.zeros(n_rows, dtype=np.bool_)
    before = np.searchsorted(kept, np.arange(len(strike)), side="right") - 1
    left = kept[before]
    right = kept[np.minimum(before + 1, len(kept) - 1)]
    right = np.where((row[right] == row[left]) & (left != np.arange(len(strike))), right, left)
    width = strike[right] - strike[left]
    share = np.divide(strike - strike[left], width, out=np.zeros_like(width), where=width > 0.0)
    hull = (1.0 - share) * ask[left] + share * ask[right]
    broken = row[~(hull - bid >= -LOCK_TOLERANCE)]
    return np.asarray(np.bincount(broken, minlength=n_rows) == 0)
