"""Static arbitrage of one slice as linear programs (HiGHS): an independent verdict, and the quotes to doubt.

The first program chooses a portfolio, the second prices; each is the other's dual, written down on its own. A third
chooses whole contracts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import block_diag, coo_array, csr_array, diags_array, eye_array, hstack, vstack

from transforms.mispricing.static import LOCK_TOLERANCE, Lock, SliceQuotes

Floats = NDArray[np.float64]

# Branches of the search for whole contracts; enough for the handful of legs a lock needs, and the same on any machine.
NODE_LIMIT = 400


@dataclass(frozen=True)
class Doubt:
    """The least total change of quotes that leaves a slice without arbitrage, index points.

    `bid` and `ask` say by how much each quote must give way (a bid fall, an ask rise), and `fair` is the price of the
    option in the slice so mended, by code as in `SliceQuotes.bids`.
    """

    total: float
    bid: Floats
    ask: Floats
    fair: Floats


def best_static_income(quotes: SliceQuotes) -> float:
    """Return the largest sure income of a portfolio with at most one unit of each quote, index points; 0 if none.

    Maximize today's income over purchases at asks and sales at bids, each in [0, 1], subject to a payoff of at least 0
    at an index level of 0, at every strike, and to a slope of at least 0 beyond the last. Dense: for tests and single
    slices.
    """
    n = quotes.strike.size
    level = np.concatenate(([0.0], quotes.strike))
    call = np.maximum(level[:, None] - quotes.strike, 0.0)
    put = np.maximum(quotes.strike - level[:, None], 0.0)
    payoff = np.vstack((np.hstack((call, put)), np.concatenate((np.ones(n), np.zeros(n)))))
    ask = np.concatenate((quotes.call_ask, quotes.put_ask))
    bid = np.concatenate((quotes.call_bid, quotes.put_bid))
    offered, wanted = np.isfinite(ask), bid > 0.0
    if not wanted.any():
        return 0.0
    matrix = np.hstack((-payoff[:, offered], payoff[:, wanted]))
    matrix[:-1] /= max(float(quotes.strike[-1]), 1.0)
    cost = np.concatenate((ask[offered], -bid[wanted]))
    solved = linprog(cost, A_ub=matrix, b_ub=np.zeros(matrix.shape[0]), bounds=(0.0, 1.0), method="highs")
    return max(0.0, -float(solved.fun))


def minimal_doubt(quotes: SliceQuotes) -> Doubt:
    """Return the least total amount by which bids must fall and asks rise until a slice holds no arbitrage.

    The unknowns are a = D*F, b = D, the call curve at each strike, and each quote's concession. The curve is convex,
    starts at a with slope -b or flatter, ends with a slope of 0 or less at 0 or more; calls lie between their quotes,
    and so do puts p = c - a + b*K. Sparse: 3 entries a row.
    """
    n = quotes.strike.size
    scale = float(np.median(quotes.strike))
    strike = quotes.strike / scale
    # Unknowns: u = a, v = b*scale, c (n), concessions of calls' and puts' bids and asks (4n).
    width = np.diff(np.concatenate(([0.0], strike)))
    shape_rows = _shape_rows(width)
    curve = hstack((csr_array((n, 2)), eye_array(n)), format="csr")
    turned = hstack((np.column_stack((-np.ones(n), strike)), eye_array(n)), format="csr")
    none = csr_array((n, n))
    one = eye_array(n, format="csr")
    blocks, right = [hstack((shape_rows, csr_array((shape_rows.shape[0], 4 * n))))], [np.zeros(shape_rows.shape[0])]
    for number, (side, bid, ask) in enumerate(
        ((curve, quotes.call_bid, quotes.call_ask), (turned, quotes.put_bid, quotes.put_ask))
    ):
        offered = np.flatnonzero(np.isfinite(ask))
        slack_bid = [none] * 4
        slack_ask = [none] * 4
        slack_bid[2 * number] = one
        slack_ask[2 * number + 1] = one
        blocks.append(hstack((-side, *(-block for block in slack_bid))))
        right.append(-bid)
        blocks.append(hstack((side, *(-block for block in slack_ask)), format="csr")[offered])
        right.append(ask[offered])
    cost = np.concatenate((np.zeros(n + 2), np.ones(4 * n)))
    concession_limits = [
        (0.0, limit)
        for side in (quotes.call_bid, None, quotes.put_bid, None)
        for limit in (np.full(n, np.inf) if side is None else side)
    ]
    solved = linprog(
        cost,
        A_ub=vstack(blocks, format="csr"),
        b_ub=np.concatenate(right),
        bounds=[(0.0, None)] * (n + 2) + concession_limits,
        method="highs",
    )
    call_bid, call_ask, put_bid, put_ask = solved.x[n + 2 :].reshape(4, n)
    return Doubt(
        float(solved.fun),
        np.concatenate(([0.0], np.column_stack((call_bid, put_bid)).ravel())),
        np.concatenate(([0.0], np.column_stack((call_ask, put_ask)).ravel())),
        np.concatenate(([0.0], np.column_stack((curve @ solved.x[: n + 2], turned @ solved.x[: n + 2])).ravel())),
    )


def whole_lock(
    quotes: SliceQuotes, doubt: Doubt, *, bid_size: Floats, ask_size: Floats, synthetics: bool
) -> Lock | None:
    """Return the lock of most income in few whole contracts within the sizes at the touch; None if there is none.

    Parameters
    ----------
    quotes : SliceQuotes
        Prices after fees.
    doubt : Doubt
        Of the same slice. Against its fair prices every trade loses a little but those in doubt, so a trade that loses
        more than the doubted ones gain together is left out.
    bid_size, ask_size : arrays by code
        Contracts at the touch, infinity where not given.
    synthetics
        Whether only synthetic forwards may be traded.

    Notes
    -----
    At most 8 contracts are tried first, then 16 and so on to 128.
    """
    trades = _Trades.synthetics(quotes) if synthetics else _Trades.options(quotes)
    loss = trades.holding @ doubt.fair + trades.income
    gain = max(float(doubt.bid.max()), float(doubt.ask.max()))
    limit = trades.limits(bid_size, ask_size)
    trades = trades.take((-loss <= gain) & (limit >= 1.0) & np.isfinite(trades.income))
    limit = trades.limits(bid_size, ask_size)
    if not limit.size:
        return None
    rows = _payoff_rows(quotes, trades.holding)
    contracts = np.abs(trades.holding).sum(axis=1)
    none = np.zeros(rows.shape[1] - limit.size)
    for most in (8.0, 16.0, 32.0, 64.0, 128.0):
        solved = milp(
            np.concatenate((-trades.income, none)),
            integrality=np.concatenate((np.ones_like(limit), none)),
            bounds=Bounds(0.0, np.concatenate((np.minimum(limit, most), none + np.inf))),
            constraints=[
                LinearConstraint(rows, 0.0, 0.0),
                LinearConstraint(csr_array(np.concatenate((contracts, none))[None, :]), 0.0, most),
            ],
            options={"node_limit": NODE_LIMIT},
        )
        if solved.x is None or -solved.fun <= LOCK_TOLERANCE:
            continue
        holding = np.round(np.round(solved.x[: limit.size]) @ trades.holding).astype(np.int64)
        if (_payoffs(quotes) @ holding).min() < 0.0:
            continue
        codes = np.flatnonzero(holding)
        whole = holding[codes] // np.gcd.reduce(holding[codes])
        return Lock(tuple(codes.tolist()), tuple(whole.tolist()), synthetics)
    return None


@dataclass(frozen=True)
class _Trades:
    """Trades one can make: contracts by code (m, 2n + 1), sales negative, and income (m,), index points."""

    holding: Floats
    income: Floats

    @staticmethod
    def options(quotes: SliceQuotes) -> "_Trades":
        each = np.eye(2 * quotes.strike.size + 1)[1:]
        bid, ask = quotes.bids()[1:], quotes.asks()[1:]
        return _Trades(np.vstack((each, -each)), np.concatenate((-ask, np.where(bid > 0.0, bid, -np.inf))))

    @staticmethod
    def synthetics(quotes: SliceQuotes) -> "_Trades":
        n = quotes.strike.size
        each = np.zeros((n, 2 * n + 1))
        each[np.arange(n), 2 * np.arange(n) + 1] = 1.0
        each[np.arange(n), 2 * np.arange(n) + 2] = -1.0
        bought = np.where(quotes.put_bid > 0.0, quotes.put_bid - quotes.call_ask, -np.inf)
        sold = np.where(quotes.call_bid > 0.0, quotes.call_bid - quotes.put_ask, -np.inf)
        return _Trades(np.vstack((each, -each)), np.concatenate((bought, sold)))

    def take(self, kept: NDArray[np.bool_]) -> "_Trades":
        return _Trades(self.holding[kept], self.income[kept])

    def limits(self, bid_size: Floats, ask_size: Floats) -> Floats:
        """Return how often each trade can be made at the sizes of its quotes."""
        size = np.where(self.holding > 0.0, ask_size, np.where(self.holding < 0.0, bid_size, np.inf))
        return np.asarray(size.min(axis=1, initial=np.inf), dtype=np.float64)


def _payoff_rows(quotes: SliceQuotes, holding: Floats) -> csr_array:
    """Return rows that are 0 when v is the payoff of x trades: columns x, v at 0 and each strike traded, last slope.

    The payoff's slope changes at a strike by what is held there, so that with v and the last slope kept nonnegative
    the rows say the payoff is, and stay sparse. v is in units of the central strike.
    """
    at = holding[:, 1:].reshape(len(holding), -1, 2)
    traded = np.abs(at).max(axis=(0, 2)) > 0.0
    scale = float(np.median(quotes.strike))
    strike = quotes.strike[traded] / scale
    puts, both = at[:, traded, 1], at[:, traded].sum(axis=2)
    width = np.diff(np.concatenate(([0.0], strike)))
    n = strike.size
    # Slopes left of each strike and beyond the last, from v and the last slope itself.
    slope = diags_array((-1.0 / width, 1.0 / width), offsets=(0, 1), shape=(n, n + 1))
    slopes = block_diag((slope, np.ones((1, 1))), format="csr")
    value_at_zero = np.concatenate((puts @ strike, -np.eye(1, n + 2)[0]))
    first_slope = hstack((csr_array(-puts.sum(axis=1)[None, :]), -slopes[:1]))
    changes = hstack((csr_array(both.T), slopes[:-1] - slopes[1:]))
    return csr_array(vstack((csr_array(value_at_zero[None, :]), first_slope, changes), format="csr"))


def _payoffs(quotes: SliceQuotes) -> Floats:
    """Return payoffs (n + 2, 2n + 1) by code at 0, at each strike, and the slope beyond the last."""
    level = np.concatenate(([0.0], quotes.strike))[:, None]
    call, put = np.maximum(level - quotes.strike, 0.0), np.maximum(quotes.strike - level, 0.0)
    found = np.zeros((quotes.strike.size + 2, 2 * quotes.strike.size + 1))
    found[:-1, 1::2], found[:-1, 2::2] = call, put
    found[-1, 1::2] = 1.0
    return found


def _shape_rows(width: Floats) -> csr_array:
    """Return rows r with r.(a, b, c) <= 0: slopes from -b up to 0, never falling, of a curve from a at strike 0.

    `width` are the distances between strikes, the first from 0.
    """
    n = width.size
    point = np.concatenate(([0], np.arange(2, n + 2)))
    rows, columns, values = [], [], []
    for i in range(n - 1):
        rows += [i, i, i]
        columns += [int(point[i]), int(point[i + 1]), int(point[i + 2])]
        near, far = width[i], width[i + 1]
        # Slope before less slope after, times the shorter width to keep entries near one.
        unit = min(near, far)
        values += [-unit / near, unit / near + unit / far, -unit / far]
    rows += [n - 1, n - 1, n - 1, n, n]
    columns += [0, 1, 2, n + 1 if n > 1 else 2, n if n > 1 else 0]
    values += [1.0, -width[0], -1.0, 1.0, -1.0]
    return csr_array(coo_array((values, (rows, columns)), shape=(n + 1, n + 2)))
