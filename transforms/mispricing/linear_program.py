"""Static arbitrage of one slice as linear programs (HiGHS): an independent verdict, and the quotes to doubt.

The first program chooses a portfolio, the second prices; each is the other's dual, written down on its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, eye_array, hstack, vstack

from transforms.mispricing.static import SliceQuotes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Doubt:
    """The least total change of quotes that leaves a slice without arbitrage, index points.

    `bid` and `ask` say by how much each quote must give way (a bid fall, an ask rise), by code as in
    `SliceQuotes.bids`. `discounted_forward` and `discount_factor` are a = D*F and b = D of the slice so mended.
    """

    total: float
    bid: Floats
    ask: Floats
    discounted_forward: float
    discount_factor: float


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
        discounted_forward=float(solved.x[0]),
        discount_factor=float(solved.x[1]) / scale,
    )


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
