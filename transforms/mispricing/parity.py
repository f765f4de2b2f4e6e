"""Put-call parity as a region: every pair (D*F, D) that no strike of a slice contradicts at executable prices.

Write a = D*F and b = D. Buying a call and selling its put costs C_ask - P_bid and is worth a - b*K; the opposite trade
pays C_bid - P_ask. So each strike bounds the line a - b*K from both sides, and the pairs left form a convex polygon. A
lock exists exactly when the polygon is empty, and the inequalities that empty it are the locking portfolio.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Prices are multiples of a cent and strikes at most 1e5, so rounding in the solver stays below 1e-10 points.
SLACK_TOLERANCE = 1e-9
# Kinks are differences of prices over differences of strikes, near 1.
KINK_ROUNDING = 1e-12


@dataclass(frozen=True)
class Inequality:
    """One strike's bound in the proof that the region is empty, with its multiplier.

    `side` is `sell` for a - b*K >= C_bid - P_ask (the synthetic is sold at it) and `buy` for
    a - b*K <= C_ask - P_bid. `weight` is in units of synthetics; the weights of each side sum to 1. The strike 0 with
    side `sell` stands for a >= 0 (the forward is worth nothing or more) and needs no trade in options.
    """

    strike: float
    side: Literal["sell", "buy"]
    weight: float


@dataclass(frozen=True)
class ParityRegion:
    """The pairs (a, b) = (D*F, D) that executable prices of one slice allow.

    `slack` is the largest distance, in index points, between the tightest upper and lower bounds over all b: negative
    means the region is empty and a lock earns -slack points a unit. The four bounds are null (None) where the region
    is empty or unbounded on that side. `vertices` holds rows (b, a) in order of b along the lower chain, then back
    along the upper one. `proof` is empty unless the region is.
    """

    slack: float
    forward_low: float | None
    forward_high: float | None
    discount_low: float | None
    discount_high: float | None
    vertices: Floats
    proof: tuple[Inequality, ...]

    @property
    def is_empty(self) -> bool:
        return self.slack < -SLACK_TOLERANCE


def synthetic_bounds(call_bid: Floats, call_ask: Floats, *, put_bid: Floats, put_ask: Floats) -> tuple[Floats, Floats]:
    """Return the executable bounds of a - b*K at each strike: (C_bid - P_ask, C_ask - P_bid), index points.

    Element-wise over any shape; prices in index points, NaN or an ask of 0 where there is no quote. A missing bid
    counts as 0, which is exact: an option can always be kept instead of sold. A bound whose ask is missing is infinite.
    """
    lower = np.nan_to_num(call_bid, nan=0.0) - np.where(put_ask > 0.0, put_ask, np.inf)
    upper = np.where(call_ask > 0.0, call_ask, np.inf) - np.nan_to_num(put_bid, nan=0.0)
    return lower, upper


def parity_region(strike: Floats, lower: Floats, *, upper: Floats) -> ParityRegion:
    """Return the region lower <= a - b*strike <= upper, b > 0, a >= 0 of one slice.

    Parameters
    ----------
    strike : array of shape (n,)
        Strikes, index points, positive, in any order.
    lower, upper : arrays of shape (n,)
        Bounds of a - b*strike, index points; minus or plus infinity where a strike gives none.

    Notes
    -----
    For fixed b the strikes allow a from floor(b) = max(lower + b*K) to cap(b) = min(upper + b*K). These are a convex
    and a concave piecewise linear function whose pieces are the vertices of the upper hull of (K, lower) and of the
    lower hull of (K, upper). Their difference is concave: its zeros are the extremes of b, and a/b is extreme at a
    vertex of the polygon. O(n log n), dominated by the sort.
    """
    sell, buy = np.isfinite(lower), np.isfinite(upper)
    if not buy.any():
        return ParityRegion(np.inf, None, None, None, None, np.empty((0, 2)), ())
    # a >= 0 is the bound of a strike 0 whose synthetic sells at 0.
    floor = _Envelope.of(np.append(strike[sell], 0.0), np.append(lower[sell], 0.0), concave=False)
    cap = _Envelope.of(strike[buy], upper[buy], concave=True)
    kinks = np.union1d(np.append(floor.kinks, 0.0), cap.kinks)
    kinks = kinks[kinks >= 0.0]
    gap = cap.value(kinks) - floor.value(kinks)
    best = int(np.argmax(gap))
    # Past the last kink the gap widens for ever if no strike bounds b from above.
    slack = np.inf if cap.strike[-1] > floor.strike[-1] else float(gap[best])
    if slack < -SLACK_TOLERANCE:
        proof = _emptiness_proof(floor, cap, discount=float(kinks[best]))
        return ParityRegion(slack, None, None, None, None, np.empty((0, 2)), proof)
    return _nonempty_region(floor, cap, kinks=kinks, gap=gap, best=best, slack=slack)


@dataclass(frozen=True)
class _Envelope:
    """Upper (convex) or lower (concave) envelope of the lines y + b*K over b >= 0.

    `strike` and `level` are the lines in the order in which they are active as b grows; line i is active between
    kinks[i - 1] and kinks[i].
    """

    strike: Floats
    level: Floats
    kinks: Floats

    @staticmethod
    def of(strike: Floats, level: Floats, *, concave: bool) -> "_Envelope":
        sign = -1.0 if concave else 1.0
        x, y = upper_hull(strike, sign * level)
        y = sign * y
        if concave:
            x, y = x[::-1], y[::-1]
        kinks = -np.diff(y) / np.diff(x)
        return _Envelope(x, y, kinks)

    def active(self, discount: Floats, *, side: Literal["left", "right"]) -> NDArray[np.int64]:
        """Return the line active just below (`left`) or just above (`right`) each b."""
        return np.searchsorted(self.kinks, discount, side=side)

    def value(self, discount: Floats) -> Floats:
        line = self.active(discount, side="left")
        return np.asarray(self.level[line] + discount * self.strike[line], dtype=np.float64)


def upper_hull(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the vertices of the upper convex hull of points, by increasing x (Andrew 1979, monotone chain)."""
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    highest = np.append(x[1:] != x[:-1], True)
    x, y = x[highest], y[highest]
    # A point on or below the segment between its neighbors is no vertex whatever else is dropped at the same time, so
    # whole rounds can be pruned at once; the exact chain then sees few points.
    for _ in range(8):
        if x.size < 3:
            break
        rise = (y[1:-1] - y[:-2]) * (x[2:] - x[1:-1]) > (y[2:] - y[1:-1]) * (x[1:-1] - x[:-2])
        if rise.all():
            break
        keep = np.concatenate(([True], rise, [True]))
        x, y = x[keep], y[keep]
    hull: list[tuple[float, float]] = []
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2], hull[-1]
            if (by - ay) * (px - bx) > (py - by) * (bx - ax):
                break
            hull.pop()
        hull.append((px, py))
    vertices = np.array(hull, dtype=np.float64)
    return vertices[:, 0], vertices[:, 1]


def _emptiness_proof(floor: _Envelope, cap: _Envelope, *, discount: float) -> tuple[Inequality, ...]:
    """Return at most three inequalities, with weights, that no (a, b) satisfies together.

    At the b of largest slack, zero lies between the slopes of cap - floor on both sides, so some strike is both a mean
    of the active floor strikes and a mean of the active cap strikes; sold and bought synthetics then cancel at every
    level of the index. At b = 0 the strikes sold may exceed the strike bought: the difference is paid to the holder.
    """
    # A kink of the floor and one of the cap may be the same number up to rounding: both are to be passed.
    around = discount + KINK_ROUNDING * np.array([-1.0, 1.0])
    sell = [int(line) for line in floor.active(around, side="left")]
    buy = [int(line) for line in cap.active(around, side="left")]
    if discount == 0.0:
        sell, buy = [sell[1]] * 2, [buy[1]] * 2
        pivot_sell, pivot_buy = floor.strike[sell[0]], cap.strike[buy[0]]
    else:
        pivot_sell = pivot_buy = max(floor.strike[sell[0]], cap.strike[buy[1]])
    proof = [Inequality(strike, "sell", weight) for strike, weight in _mean_weights(floor.strike[sell], pivot_sell)]
    proof += [Inequality(strike, "buy", weight) for strike, weight in _mean_weights(cap.strike[buy], pivot_buy)]
    return tuple(proof)


def _mean_weights(pair: Floats, mean: float) -> list[tuple[float, float]]:
    """Return weights, summing to 1 and none zero, that make the mean of two strikes equal `mean`."""
    low, high = float(min(pair)), float(max(pair))
    share = 0.0 if high == low else (float(mean) - low) / (high - low)
    return [(strike, weight) for strike, weight in ((low, 1.0 - share), (high, share)) if weight > 0.0]


def _nonempty_region(
    floor: _Envelope, cap: _Envelope, *, kinks: Floats, gap: Floats, best: int, slack: float
) -> ParityRegion:
    """Return the polygon between two envelopes whose gap is nonnegative at kinks[best] or grows without end."""
    feasible = np.flatnonzero(gap >= 0.0)
    if feasible.size:
        first, last = int(feasible[0]), int(feasible[-1])
    else:
        first = last = kinks.size if slack == np.inf else best
    low = 0.0 if first == 0 else _crossing(floor, cap, below=kinks[first - 1], above=_at(kinks, first))
    high = np.inf
    if slack < np.inf:
        high = _crossing(floor, cap, below=float(kinks[last]), above=_at(kinks, last + 1))
    if slack < 0.0:
        low = high = float(kinks[best])
    inner = kinks[(kinks > low) & (kinks < high)]
    ends = [low] if high == low or high == np.inf else [low, high]
    grid = np.union1d(inner, ends)
    grid = grid[grid > 0.0]
    bottom, top = floor.value(grid), cap.value(grid)
    ratio_low, ratio_high = bottom / grid, top / grid
    if high == np.inf:
        ratio_low, ratio_high = np.append(ratio_low, floor.strike[-1]), np.append(ratio_high, cap.strike[-1])
    chain = np.column_stack((np.append(grid, grid[::-1]), np.append(bottom, top[::-1])))
    return ParityRegion(
        slack=slack,
        forward_low=float(ratio_low.min()),
        forward_high=float(ratio_high.max()) if low > 0.0 else None,
        discount_low=low if low > 0.0 else None,
        discount_high=high if high < np.inf else None,
        vertices=chain,
        proof=(),
    )


def _at(kinks: Floats, index: int) -> float:
    return float(kinks[index]) if index < kinks.size else np.inf


def _crossing(floor: _Envelope, cap: _Envelope, *, below: float, above: float) -> float:
    """Return the b in [below, above] where the floor and cap lines active between them meet; infinity if never."""
    inside = np.array([below + 1.0 if above == np.inf else 0.5 * (below + above)])
    i = int(floor.active(inside, side="left")[0])
    j = int(cap.active(inside, side="left")[0])
    closing = floor.strike[i] - cap.strike[j]
    if closing == 0.0:
        return above
    return float(min(max((cap.level[j] - floor.level[i]) / closing, below), above))
