"""Static arbitrage of one slice as linear programs (HiGHS): an independent verdict, and the quotes to doubt.

The first program chooses a portfolio, the second prices; each is the other's dual, written down on its own. A third
chooses whole contracts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, eye_array, hstack, vstack

from transforms.mispricing.static import LOCK_TOLERANCE, Lock, SliceQuotes

Floats = NDArray[np.float64]

# Branches of the search for whole contracts, enough for the handful of legs a lock needs and the same on any machine;
# and the share of the best income that it may leave.
NODE_LIMIT = 40
INCOME_GAP = 0.02
MAX_ROUNDS, ROWS_ADDED = 40, 6
# Contracts of a package one would not call large: two synthetics sold against one at either side.
FEW = 8


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
    At most FEW contracts are tried first, then twice as many and so on to 16 times.
    """
    trades = _Trades.synthetics(quotes) if synthetics else _Trades.options(quotes)
    loss = trades.holding @ doubt.fair + trades.income
    gain = max(float(doubt.bid.max()), float(doubt.ask.max()))
    limit = trades.limits(bid_size, ask_size)
    trades = trades.take((-loss <= gain) & (limit >= 1.0) & np.isfinite(trades.income))
    limit = trades.limits(bid_size, ask_size)
    if not limit.size:
        return None
    # Strikes in their common step keep the rows whole numbers, which the program's tolerances then cannot blur.
    payoff = _payoffs(quotes, unit=_common_step(quotes.strike)) @ trades.holding.T
    contracts = np.abs(trades.holding).sum(axis=1)
    for most in FEW * np.array([1.0, 2.0, 4.0, 8.0, 16.0]):
        taken = _best_package(trades.income, payoff, contracts=contracts, limit=np.minimum(limit, most), most=most)
        if taken is not None:
            holding = np.round(taken @ trades.holding).astype(np.int64)
            codes = np.flatnonzero(holding)
            whole = holding[codes] // np.gcd.reduce(holding[codes])
            return Lock(tuple(codes.tolist()), tuple(whole.tolist()), synthetics)
    return None


def _best_package(income: Floats, payoff: Floats, *, contracts: Floats, limit: Floats, most: float) -> Floats | None:
    """Return how often to make each trade for the most income with at most `most` contracts; None if none pays.

    `payoff` (n_levels, m) must nowhere sum to less than 0. It is demanded at the ends at first and then at the levels
    where the answer falls short most, since a package has kinks at a few strikes only.
    """
    demanded = np.zeros(len(payoff), dtype=np.bool_)
    demanded[[0, -1]] = True
    for _ in range(MAX_ROUNDS):
        solved = milp(
            -income,
            integrality=np.ones_like(limit),
            bounds=Bounds(0.0, limit),
            constraints=[
                LinearConstraint(payoff[demanded], 0.0, np.inf),
                LinearConstraint(contracts[None, :], 0.0, most),
            ],
            options={"node_limit": NODE_LIMIT, "mip_rel_gap": INCOME_GAP},
        )
        if solved.x is None or -solved.fun <= LOCK_TOLERANCE:
            return None
        taken = np.round(solved.x)
        level = payoff @ taken
        if level.min() >= 0.0:
            return np.asarray(taken, dtype=np.float64)
        worst = np.argsort(level, kind="stable")[:ROWS_ADDED]
        demanded[worst[level[worst] < 0.0]] = True
    return None


def _common_step(strike: Floats) -> float:
    """Return the largest step, in thousandths of a point, that all strikes are multiples of; points."""
    return float(np.gcd.reduce(np.round(strike * 1_000.0).astype(np.int64))) / 1_000.0


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


def _payoffs(quotes: SliceQuotes, *, unit: float) -> Floats:
    """Return payoffs (n + 2, 2n + 1) by code at 0, at each strike, and the slope beyond the last; strikes in `unit`s."""
    strike = np.round(quotes.strike / unit)
    level = np.concatenate(([0.0], strike))[:, None]
    found = np.zeros((strike.size + 2, 2 * strike.size + 1))
    found[:-1, 1::2], found[:-1, 2::2] = np.maximum(level - strike, 0.0), np.maximum(strike - level, 0.0)
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
