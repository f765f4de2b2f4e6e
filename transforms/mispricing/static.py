"""Complete static arbitrage of one slice: calls, puts and cash together, over all strikes.

Let a = D*F and b = D be what the index and a unit of cash at settlement cost today; neither is quoted. Put-call parity
turns every put into a call: c = p + a - b*K. The prices of a slice allow no arbitrage exactly when some (a, b) admits a
convex curve c(K) with c(0) = a and slopes in [-b, 0] between the bids and the asks of calls and turned puts (Davis and
Hobson 2007, The range of traded option prices; Cousot 2007, with bid and ask): when every bid lies on or below the
lower convex hull of the asks. A bid above the hull sells there and buys the hull's ends, which is one linear inequality
on (a, b), a *cut*. Cuts found at one (a, b) hold at all; the search moves to the point that satisfies the cuts best
until a point satisfies all (a witness: there is no arbitrage) or three cuts at most contradict each other, and their
multipliers are the locking portfolio. In two unknowns this cutting-plane method (Kelley 1960) takes a few rounds.
"""

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from transforms.mispricing.parity import parity_region, synthetic_bounds, upper_hull

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Rounding in sums of prices and of strikes times discount factors stays below 1e-9 points; no lock of quotes in cents
# on listed strikes is smaller than this.
LOCK_TOLERANCE = 1e-7
# Cuts taken from each point, for each sign of their slope in a; and kept, beside those that bind, between rounds.
CUTS_PER_SIGN = 3
CUTS_KEPT = 9
MAX_ROUNDS = 200
# A cut is named by the quotes it sells and buys; these stand for b >= 0, a >= 0 and the walls of the search.
DISCOUNT_POSITIVE, FORWARD_POSITIVE, WALL = -1, -2, -3


@dataclass(frozen=True)
class SliceQuotes:
    """Quotes of one slice, arrays of shape (n,), index points.

    Strikes increase, positive. A bid of 0 is no bid and an ask of infinity no offer.
    """

    strike: Floats
    call_bid: Floats
    call_ask: Floats
    put_bid: Floats
    put_ask: Floats

    @staticmethod
    def of(strike: Floats, call_bid: Floats, *, call_ask: Floats, put_bid: Floats, put_ask: Floats) -> "SliceQuotes":
        """Return quotes from columns in which NaN marks padding (no strike) and missing bids and asks.

        A quote whose bid is above its ask is no quote: neither side of it can be had.
        """
        listed = np.isfinite(strike)

        def side(bid: Floats, ask: Floats) -> tuple[Floats, Floats]:
            low = np.nan_to_num(bid[listed], nan=0.0)
            high = np.where(ask[listed] > 0.0, ask[listed], np.inf)
            crossed = low > high
            return np.where(crossed, 0.0, low), np.where(crossed, np.inf, high)

        return SliceQuotes(strike[listed], *side(call_bid, call_ask), *side(put_bid, put_ask))

    def after_fees(self, fee_points: float) -> "SliceQuotes":
        """Return what is paid and received after a fee a contract (points): asks raised, bids lowered to 0 at least."""
        return replace(
            self,
            call_bid=np.maximum(self.call_bid - fee_points, 0.0),
            call_ask=self.call_ask + fee_points,
            put_bid=np.maximum(self.put_bid - fee_points, 0.0),
            put_ask=self.put_ask + fee_points,
        )

    def bids(self) -> Floats:
        """Return bids by code: 0 for a put struck at 0, then call and put of each strike in turn."""
        return np.concatenate(([0.0], np.column_stack((self.call_bid, self.put_bid)).ravel()))

    def asks(self) -> Floats:
        """Return asks by code, as `bids`."""
        return np.concatenate(([0.0], np.column_stack((self.call_ask, self.put_ask)).ravel()))

    def at(self, places: Indices) -> "SliceQuotes":
        """Return the quotes of some strikes."""
        return SliceQuotes(*(getattr(self, field.name)[places] for field in fields(self)))

    def without(self, codes: Indices, *, bids: bool) -> "SliceQuotes":
        """Return quotes without the bids, or without the asks, of some codes."""
        values = self.bids() if bids else self.asks()
        values[codes] = 0.0 if bids else np.inf
        call, put = values[1::2], values[2::2]
        return replace(self, call_bid=call, put_bid=put) if bids else replace(self, call_ask=call, put_ask=put)


@dataclass(frozen=True)
class Lock:
    """A portfolio that pays nothing or more at every level of the index, in whole contracts by code; sales negative.

    `codes` index `SliceQuotes.bids`: odd for calls, even for puts, of strike (code - 1) // 2. `is_parity` tells that
    synthetic forwards alone make it.
    """

    codes: tuple[int, ...]
    quantities: tuple[int, ...]
    is_parity: bool

    def moved(self, places: Indices) -> "Lock":
        """Return the lock of part of a slice as one of the whole; `places` are the part's strikes in it."""
        codes = tuple(2 * int(places[(code - 1) // 2]) + 2 - code % 2 for code in self.codes)
        return replace(self, codes=codes)

    def income(self, quotes: SliceQuotes) -> float:
        """Return what the portfolio pays today, index points."""
        codes, quantity = np.array(self.codes), np.array(self.quantities, dtype=np.float64)
        price = np.where(quantity > 0.0, quotes.asks()[codes], quotes.bids()[codes])
        return float(-(quantity * price).sum())


@dataclass(frozen=True)
class StaticCheck:
    """Whether one slice holds an arbitrage.

    `margin`: if negative, the least of all cuts at the best (a, b), index points a unit sold: the best lock earns
    -margin. With a witness, the least of all cuts there, which is not the best there is. `discounted_forward` and
    `discount_factor`: the last (a, b), a witness unless there is a lock. `lock` is None if there is none.
    """

    margin: float
    discounted_forward: float
    discount_factor: float
    lock: Lock | None


def static_check(quotes: SliceQuotes, *, discounted_forward: float, discount_factor: float) -> StaticCheck:
    """Return a witness against arbitrage or the best lock of one slice.

    Parameters
    ----------
    quotes : SliceQuotes
        Prices at which one can trade, fees included.
    discounted_forward, discount_factor
        Where to start, usually the fitted a = D*F and b = D; it changes the time taken, not the verdict.

    Notes
    -----
    The best lock is that of the largest income a unit of sum of cut multipliers; each cut sells one quote and buys the
    hull above it. Exact up to LOCK_TOLERANCE: a witness satisfies every inequality, multipliers prove a lock.
    """
    book = _Book.of(quotes)
    walls = 0.02 * book.center
    start = np.array([discounted_forward, discount_factor])
    point, model = start, None
    bound, support = np.inf, np.empty((0, 3), dtype=np.int64)
    for _ in range(MAX_ROUNDS):
        hull = book.hull(point)
        # The b >= 0 that no quote states.
        value = min(float(hull.gap.min()), float(point[1]) * book.center)
        if value >= -LOCK_TOLERANCE:
            return StaticCheck(value, float(point[0]), float(point[1]), None)
        # Most slices never come here: the fitted point is a witness.
        model = model or book.model(walls=walls, around=start)
        if value >= bound - LOCK_TOLERANCE:
            if (support[:, 0] != WALL).all():
                return StaticCheck(bound, float(point[0]), float(point[1]), _lock_of(support, quotes))
            walls *= 8.0
            if walls > 1e6 * book.center:
                break
            quoted = model.codes[model.codes[:, 0] >= 0]
            model = book.model(walls=walls, around=start).extended(book.coefficients(quoted), quoted)
        codes = book.cuts(hull)
        model = model.extended(book.coefficients(codes), codes)
        previous = bound
        bound, point, active = model.best_point()
        support = model.codes[active]
        # While the bound stands still the point moves along a face; a cut forgotten there could bring it back.
        if bound < previous - LOCK_TOLERANCE:
            model = model.pruned(point, active)
    return StaticCheck(0.0, float(point[0]), float(point[1]), None)


def parity_lock(quotes: SliceQuotes) -> Lock | None:
    """Return the lock that proves a slice's parity region empty; None if the region is not."""
    lower, upper = synthetic_bounds(quotes.call_bid, quotes.call_ask, put_bid=quotes.put_bid, put_ask=quotes.put_ask)
    region = parity_region(quotes.strike, lower, upper=upper)
    if region.slack >= -LOCK_TOLERANCE:
        return None
    codes = []
    for bound in region.proof:
        call = 2 * int(np.searchsorted(quotes.strike, bound.strike)) + 1
        put = call + 1
        if bound.strike == 0.0:
            codes.append((FORWARD_POSITIVE,) * 3)
        else:
            codes.append((call, put, put) if bound.side == "sell" else (put, call, call))
    return _lock_of(np.array(codes, dtype=np.int64), quotes, is_parity=True)


@dataclass(frozen=True)
class _Model:
    """Cuts value = constant + gradient . (a, b), each with the codes that name it, shape (m, 3): sold, left, right."""

    center: float
    constant: Floats
    gradient: Floats
    codes: Indices

    def extended(self, cuts: tuple[Floats, Floats], codes: Indices) -> "_Model":
        """Return the model with more cuts of quotes, each once."""
        constant, gradient = cuts
        # What holds at every (a, b), as an ask above its own bid, tells nothing about the best point.
        new = (codes[:, 0] >= 0) & ((constant < -LOCK_TOLERANCE) | (np.abs(gradient).max(axis=1) > 1e-12))
        new &= ~(codes[:, None, :] == self.codes[None, :, :]).all(axis=2).any(axis=1)
        return _Model(
            self.center,
            np.concatenate((self.constant, constant[new])),
            np.concatenate((self.gradient, gradient[new])),
            np.concatenate((self.codes, codes[new])),
        )

    def pruned(self, point: Floats, active: Indices) -> "_Model":
        """Return the cuts that bind at the best point, the tightest others, and those no quote states."""
        value = self.constant + self.gradient @ point
        value[self.codes[:, 0] < 0] = -np.inf
        value[active] = -np.inf
        n_fixed = int((value == -np.inf).sum())
        kept = np.sort(np.argsort(value, kind="stable")[: n_fixed + CUTS_KEPT])
        return _Model(self.center, self.constant[kept], self.gradient[kept], self.codes[kept])

    def best_point(self) -> tuple[float, Floats, Indices]:
        """Return the largest least value t over all (a, b), where it is taken, and the cuts whose multipliers prove it.

        The program max t subject to cuts >= t has three unknowns, so its optimum is one of the few triples of cuts
        that are equal at a point and whose gradients have a nonnegative combination of zero; all are tried at once.
        """
        # In units of index points: a is replaced by the synthetic at the central strike, b by b times that strike.
        g0 = self.gradient[:, 0]
        g1 = self.gradient[:, 1] / self.center + g0
        triples = _triples(len(g0))
        i, j, k = triples
        weights = np.stack(
            (g0[j] * g1[k] - g1[j] * g0[k], g0[k] * g1[i] - g1[k] * g0[i], g0[i] * g1[j] - g1[i] * g0[j])
        )
        weights[np.abs(weights) < 1e-13] = 0.0
        total = weights.sum(axis=0)
        sign = np.sign(total)
        usable = (weights * sign >= 0.0).all(axis=0) & (sign != 0.0)
        i, j, k, weights, total = i[usable], j[usable], k[usable], weights[:, usable], total[usable]
        constant = self.constant
        value = (weights[0] * constant[i] + weights[1] * constant[j] + weights[2] * constant[k]) / total
        t = float(value.min())
        best = value <= t + 1e-10
        i, j, k, weights, total = i[best], j[best], k[best], weights[:, best], total[best]
        # g_i.x + c_i = g_j.x + c_j = g_k.x + c_k; its determinant is the sum of the weights.
        right = constant[i] - constant[j], constant[i] - constant[k]
        u = (right[0] * (g1[k] - g1[i]) - right[1] * (g1[j] - g1[i])) / total
        v = (right[1] * (g0[j] - g0[i]) - right[0] * (g0[k] - g0[i])) / total
        least = (constant[:, None] + np.outer(g0, u) + np.outer(g1, v)).min(axis=0)
        chosen = int(np.argmax(least))
        b = v[chosen] / self.center
        point = np.array([u[chosen] + v[chosen], b])
        members = np.array([i[chosen], j[chosen], k[chosen]])
        return t, point, members[weights[:, chosen] != 0.0]


@cache
def _triples(n: int) -> tuple[Indices, Indices, Indices]:
    """Return all index triples i < j < k below n."""
    rows = np.array(list(combinations(range(n), 3)), dtype=np.int64).reshape(-1, 3)
    return rows[:, 0], rows[:, 1], rows[:, 2]


@dataclass(frozen=True)
class _Hull:
    """The lower convex hull of a slice's asks, calls and turned puts, at one (a, b), against the bids.

    `strike` are 0 and the slice's; `vertex` the strikes of the hull, of which `left` and `right` number those on either
    side of each strike. `gap` is the hull less the bid (points); `put_ask`, `put_bid` are the puts turned to calls.
    """

    strike: Floats
    vertex: Floats
    left: Indices
    right: Indices
    gap: Floats
    put_ask: Floats
    put_bid: Floats


@dataclass(frozen=True)
class _Book:
    """One slice's quotes by code, and the hull over its asks at a given (a, b)."""

    quotes: SliceQuotes
    strike: Floats
    bid: Floats
    ask: Floats
    center: float

    @staticmethod
    def of(quotes: SliceQuotes) -> "_Book":
        strike = np.concatenate(([0.0], np.repeat(quotes.strike, 2)))
        return _Book(quotes, strike, quotes.bids(), quotes.asks(), float(np.median(quotes.strike)))

    def model(self, *, walls: float, around: Floats) -> _Model:
        """Return the cuts that no quote states: a >= 0, b >= 0, and walls (points) around a point.

        The central synthetic a - b*center and the present value b*center stay within `walls` of those at the point.
        """
        gradient = np.array(
            [
                [1.0, 0.0],
                [0.0, self.center],
                [1.0, -self.center],
                [-1.0, self.center],
                [0.0, self.center],
                [0.0, -self.center],
            ]
        )
        constant = walls - gradient @ around
        constant[:2] = 0.0
        kinds = [FORWARD_POSITIVE, DISCOUNT_POSITIVE, *[WALL] * 4]
        codes = np.repeat(np.array(kinds, dtype=np.int64)[:, None], 3, axis=1)
        codes[2:, 1] = np.arange(4)
        return _Model(self.center, constant, gradient, codes)

    def hull(self, point: Floats) -> "_Hull":
        """Return the hull over the asks at a point (a, b)."""
        quotes = self.quotes
        line = point[0] - point[1] * quotes.strike
        put_ask, put_bid = quotes.put_ask + line, quotes.put_bid + line
        ask = np.concatenate(([point[0]], np.minimum(quotes.call_ask, put_ask)))
        bid = np.concatenate(([point[0]], np.maximum(quotes.call_bid, put_bid)))
        strike = np.concatenate(([0.0], quotes.strike))
        offered = np.isfinite(ask)
        x, y = upper_hull(strike[offered], -ask[offered])
        y = -y
        slope = np.diff(y) / np.diff(x)
        first = int(np.searchsorted(slope, -point[1], side="left"))
        last = max(int(np.searchsorted(slope, 0.0, side="right")), first)
        left = np.clip(np.searchsorted(x, strike, side="right") - 1, first, last)
        right = np.clip(np.searchsorted(x, strike, side="left"), first, last)
        width = x[right] - x[left]
        share = np.where(width > 0.0, (x[right] - strike) / np.where(width > 0.0, width, 1.0), 1.0)
        value = share * y[left] + (1.0 - share) * y[right] + point[1] * np.maximum(x[left] - strike, 0.0)
        return _Hull(strike, x, left, right, gap=value - bid, put_ask=put_ask, put_bid=put_bid)

    def cuts(self, hull: "_Hull") -> Indices:
        """Return the codes of the tightest cuts at the hull's point, of each sign of their slope in a."""
        # The code of a strike's better quote: a call's is odd, its put's the next; 0 is the put struck at 0.
        code = 2 * np.arange(len(hull.strike)) - 1
        buy = code + np.concatenate(([True], hull.put_ask < self.quotes.call_ask))
        sell = code + np.concatenate(([True], hull.put_bid > self.quotes.call_bid))
        at = np.searchsorted(hull.strike, hull.vertex)
        codes = np.column_stack((sell, buy[at][hull.left], buy[at][hull.right]))
        _, gradient = self.coefficients(codes)
        order = np.argsort(hull.gap, kind="stable")
        ordered = np.sign(np.round(gradient[order, 0], 12))
        chosen = np.concatenate([order[ordered == sign][:CUTS_PER_SIGN] for sign in (-1.0, 0.0, 1.0)])
        return np.asarray(codes[chosen])

    def coefficients(self, codes: Indices) -> tuple[Floats, Floats]:
        """Return constants (m,) and gradients (m, 2) of cuts named by codes (m, 3).

        A quote bought is worth its ask, and a put's is turned into a call's by a - b*K. Right of the hull's end the
        curve may go on level, left of it with slope -b.
        """
        sold, left, right = np.maximum(codes, 0).T
        width = self.strike[right] - self.strike[left]
        share = np.where(width > 0.0, (self.strike[right] - self.strike[sold]) / np.where(width > 0.0, width, 1.0), 1.0)
        constant = share * self.ask[left] - self.bid[sold]
        inner = share < 1.0
        constant[inner] += ((1.0 - share) * self.ask[right])[inner]
        turned = (np.arange(len(self.strike)) % 2 == 0).astype(np.float64)
        in_a = share * turned[left] + (1.0 - share) * turned[right] - turned[sold]
        in_b = (turned * self.strike)[sold] - share * (turned * self.strike)[left]
        in_b -= (1.0 - share) * (turned * self.strike)[right]
        in_b += np.where(width > 0.0, 0.0, np.maximum(self.strike[left] - self.strike[sold], 0.0))
        return constant, np.column_stack((in_a, in_b))


def _lock_of(support: Indices, quotes: SliceQuotes, *, is_parity: bool = False) -> Lock | None:
    """Return the portfolio of the cuts that contradict each other, in exact arithmetic.

    The multipliers make the coefficients of a and b vanish (or leave a nonnegative rest, which is more payoff). They
    and the hull's shares are ratios of strikes, so whole numbers of contracts hold them exactly. None if the cuts
    contradict each other by no more than rounding.
    """
    named = [tuple(int(code) for code in row) for row in support]
    known = [*named, (FORWARD_POSITIVE,) * 3, (DISCOUNT_POSITIVE,) * 3]
    exact = [_exact_cut(codes, quotes) for codes in dict.fromkeys(known)]
    ask, bid = quotes.asks(), quotes.bids()
    best: dict[int, Fraction] = {}
    best_income = 0.0
    for size in (1, 2, 3):
        for chosen in combinations(exact, size):
            weights = _multipliers([cut.gradient for cut in chosen])
            if weights is None:
                continue
            holding: dict[int, Fraction] = {}
            for cut, weight in zip(chosen, weights, strict=True):
                for code, quantity in cut.holding.items():
                    holding[code] = holding.get(code, Fraction(0)) + weight * quantity
            income = -sum(float(q) * (ask[code] if q > 0 else bid[code]) for code, q in holding.items())
            if income > best_income + 1e-9 * size:
                best, best_income = holding, income
    if not best:
        return None
    held = {code: q for code, q in sorted(best.items()) if q > 0 or (q < 0 and bid[code] > 0.0)}
    scale = lcm(*(q.denominator for q in held.values()))
    whole = {code: int(q * scale) for code, q in held.items()}
    divisor = gcd(*whole.values())
    return Lock(tuple(whole), tuple(q // divisor for q in whole.values()), is_parity)


@dataclass(frozen=True)
class _ExactCut:
    """A cut's options by code (sales negative) and its coefficients of a and b."""

    holding: dict[int, Fraction]
    gradient: tuple[Fraction, Fraction]


def _exact_cut(codes: tuple[int, ...], quotes: SliceQuotes) -> _ExactCut:
    sold, left, right = codes
    if sold == FORWARD_POSITIVE:
        return _ExactCut({}, (Fraction(1), Fraction(0)))
    if sold == DISCOUNT_POSITIVE:
        return _ExactCut({}, (Fraction(0), Fraction(1)))

    def strike(code: int) -> Fraction:
        return Fraction(float(quotes.strike[(code - 1) // 2])) if code else Fraction(0)

    low, high, at = strike(left), strike(right), strike(sold)
    share = (high - at) / (high - low) if high > low else Fraction(1)
    in_a, in_b = Fraction(0), max(low - at, Fraction(0)) if high == low else Fraction(0)
    holding: dict[int, Fraction] = {}
    for code, quantity in ((left, share), (right, 1 - share), (sold, Fraction(-1))):
        if quantity == 0:
            continue
        if code % 2 == 0:
            in_a += quantity
            in_b -= quantity * strike(code)
        if code > 0:
            holding[code] = holding.get(code, Fraction(0)) + quantity
    return _ExactCut(holding, (in_a, in_b))


def _multipliers(gradients: list[tuple[Fraction, Fraction]]) -> tuple[Fraction, ...] | None:
    """Return positive multipliers, summing to 1, under which one to three gradients vanish; None if there are none."""
    if len(gradients) == 1:
        weights: tuple[Fraction, ...] = (Fraction(int(not any(gradients[0]))),)
    elif len(gradients) == 2:
        (p0, p1), (q0, q1) = gradients
        if p0 * q1 != p1 * q0 or p0 * q0 + p1 * q1 >= 0:
            return None
        weights = (abs(q0) + abs(q1), abs(p0) + abs(p1))
    else:
        (p0, p1), (q0, q1), (r0, r1) = gradients
        weights = (q0 * r1 - q1 * r0, r0 * p1 - r1 * p0, p0 * q1 - p1 * q0)
        if sum(weights) < 0:
            weights = tuple(-weight for weight in weights)
    total = sum(weights)
    if any(weight <= 0 for weight in weights) or total == 0:
        return None
    return tuple(weight / total for weight in weights)
