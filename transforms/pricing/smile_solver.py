"""Least squares for all SVI slices of a session at once, inside the no-arbitrage constraints.

Slices are scaled by their at-the-money total variance w0: x = k/sqrt(w0), y = w/w0. The unknowns of a slice are
(log of the minimum of y, log slope of the left wing, log slope of the right wing, vertex, log width); in them raw SVI's
own bounds are a box. The other constraints are g >= 0 along each slice and w_far > w_near between neighbors. A
primal-dual interior-point method starts from a surface that satisfies them all and never leaves them; only neighbors
are coupled, so a Newton step is one banded solve.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from transforms.pricing.svi import SviSlices

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

N_PARAMETERS = 5
# Wing slopes stay this far below Lee's bound of 2, so that g stays positive at both ends of the line.
STEEPEST_WING = 1.98
# g and ln(w_far/w_near) are held above these on the grid, which keeps them above 0 between its points.
G_MARGIN = 4e-3
CALENDAR_MARGIN = 2e-3
# Where the constraints are held, in at-the-money standard deviations: dense at the money, 200 at the ends, beyond
# which a slice is as good as its straight wings, whose slopes are constrained themselves.
CONSTRAINT_X = np.sinh(np.linspace(-6.0, 6.0, 81))
# Barrier weights, in squared half-spreads a constraint: the first, the last, and the factor from step to step. A larger
# first one drives a surface away from its quotes, a smaller one lets it run into a constraint: both cost many steps.
FIRST_BARRIER, LAST_BARRIER, BARRIER_DECAY = 1.0, 1e-3, 0.2
MOST_STEPS = 40
# A group that gains no more by a step, at the last barrier, has its fit: squared half-spreads, and share of its misfit.
LEAST_GAIN, LEAST_GAIN_SHARE = 1e-2, 1e-4


@dataclass(frozen=True)
class Problem:
    """Scaled quotes of n slices, ordered by (group, time).

    x, y, weight of shape (n, width): k/sqrt(w0), w/w0 and weight of the residual (0 where unused); scale: w0, shape
    (n,); linked: shape (n - 1,), True where a slice and the next must not cross.
    """

    x: Floats
    y: Floats
    weight: Floats
    scale: Floats
    linked: NDArray[np.bool_]

    def rows(self, chosen: Indices) -> "Problem":
        """Return the problem of some slices, ascending, whole groups of them."""
        linked = np.concatenate((self.linked, [False]))
        together = linked[chosen[:-1]] & (np.diff(chosen) == 1)
        return Problem(self.x[chosen], self.y[chosen], self.weight[chosen], self.scale[chosen], together)

    def cost(self, theta: Floats) -> Floats:
        """Return each slice's weighted sum of squares, shape (n,)."""
        residual = (total_variance(theta, self.x) - self.y) * self.weight
        return np.asarray((residual * residual).sum(axis=1))


def total_variance(theta: Floats, x: Floats) -> Floats:
    """Return scaled total variance y(x), shape (n, width)."""
    return _variance(theta, _pieces(theta, x))


def _variance(theta: Floats, pieces: tuple[Floats, Floats, Floats, Floats, Floats]) -> Floats:
    p, q, s, off, root = pieces
    return np.asarray(np.exp(theta[:, :1]) + 0.5 * (q - p) * off + 0.5 * (p + q) * root - s * np.sqrt(p * q))


def raw_svi(theta: Floats, scale: Floats) -> SviSlices:
    """Return raw SVI parameters in units of k and total variance."""
    unit = np.sqrt(scale)
    p, q, s = np.exp(theta[:, 1]), np.exp(theta[:, 2]), np.exp(theta[:, 4])
    return SviSlices(
        a=scale * (np.exp(theta[:, 0]) - s * np.sqrt(p * q)),
        b=unit * 0.5 * (p + q),
        rho=(q - p) / (q + p),
        m=unit * theta[:, 3],
        sigma=unit * s,
    )


def scaled_parameters(raw: SviSlices, scale: Floats) -> Floats:
    """Return the unknowns of raw SVI slices, shape (n, 5): the inverse of `raw_svi`."""
    unit = np.sqrt(scale)
    return np.stack(
        [
            np.log(raw.minimum_variance / scale),
            np.log(raw.b * (1.0 - raw.rho) / unit),
            np.log(raw.b * (1.0 + raw.rho) / unit),
            raw.m / unit,
            np.log(raw.sigma / unit),
        ],
        axis=1,
    )


def parameter_box(scale: Floats) -> tuple[Floats, Floats]:
    """Return lower and upper bounds of the unknowns, shape (n, 5)."""
    low, high = np.empty((scale.size, N_PARAMETERS)), np.empty((scale.size, N_PARAMETERS))
    steepest = np.log(STEEPEST_WING / np.sqrt(scale))
    low[:, 0], high[:, 0] = np.log(1e-4), np.log(4.0)
    low[:, 1:3] = np.minimum(np.log(1e-4), steepest - 1.0)[:, None]
    high[:, 1:3] = steepest[:, None]
    low[:, 3], high[:, 3] = -20.0, 20.0
    low[:, 4], high[:, 4] = np.log(0.01), np.log(60.0)
    return low, high


def _pieces(theta: Floats, x: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    p, q, s = np.exp(theta[:, 1:2]), np.exp(theta[:, 2:3]), np.exp(theta[:, 4:5])
    off = x - theta[:, 3:4]
    return p, q, s, off, np.sqrt(off * off + s * s)


def _variance_jacobian(theta: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return y and its derivatives by unknown, shapes (n, width) and (n, 5, width)."""
    p, q, s, off, root = _pieces(theta, x)
    low = np.exp(theta[:, :1])
    mean = s * np.sqrt(p * q)
    by = np.empty((x.shape[0], N_PARAMETERS, x.shape[1]))
    by[:, 0] = low
    by[:, 1] = 0.5 * (p * (root - off) - mean)
    by[:, 2] = 0.5 * (q * (root + off) - mean)
    by[:, 3] = -0.5 * (q - p) - 0.5 * (p + q) * off / root
    by[:, 4] = 0.5 * (p + q) * s * s / root - mean
    return low + 0.5 * (q - p) * off + 0.5 * (p + q) * root - mean, by


@dataclass(frozen=True)
class _Convexity:
    """g and what it is made of: in scaled terms g = (1 - x*y'/2y)^2 - y'^2/4*(1/y + w0/4) + y''/2."""

    g: Floats
    slope: Floats
    bend: Floats
    curvature: Floats
    inner: Floats
    level: Floats

    @staticmethod
    def of(
        pieces: tuple[Floats, Floats, Floats, Floats, Floats], x: Floats, *, y: Floats, scale: Floats
    ) -> "_Convexity":
        p, q, s, off, root = pieces
        mean_slope = 0.5 * (p + q)
        slope = 0.5 * (q - p) + mean_slope * off / root
        bend = s * s / (root * root * root)
        curvature = mean_slope * bend
        inner = 1.0 - 0.5 * x * slope / y
        level = 1.0 / y + 0.25 * scale[:, None]
        g = inner * inner - 0.25 * slope * slope * level + 0.5 * curvature
        return _Convexity(g, slope, bend, curvature, inner, level)


def _g_jacobian(theta: Floats, x: Floats, *, y: Floats, y_by: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Return g and its derivatives by unknown."""
    pieces = p, q, s, off, root = _pieces(theta, x)
    mean_slope = 0.5 * (p + q)
    square = s * s
    at = _Convexity.of(pieces, x, y=y, scale=scale)
    slope, bend, curvature, inner, level = at.slope, at.bend, at.curvature, at.inner, at.level
    by_y = (inner * x * slope + 0.25 * slope * slope) / (y * y)
    by_slope = -inner * x / y - 0.5 * slope * level
    slope_by = np.zeros_like(y_by)
    slope_by[:, 1] = 0.5 * p * (off / root - 1.0)
    slope_by[:, 2] = 0.5 * q * (off / root + 1.0)
    slope_by[:, 3] = -curvature
    slope_by[:, 4] = -mean_slope * off * bend
    curvature_by = np.zeros_like(y_by)
    curvature_by[:, 1] = 0.5 * p * bend
    curvature_by[:, 2] = 0.5 * q * bend
    curvature_by[:, 3] = 3.0 * curvature * off / (root * root)
    curvature_by[:, 4] = curvature * (2.0 - 3.0 * square / (root * root))
    return at.g, by_y[:, None, :] * y_by + by_slope[:, None, :] * slope_by + 0.5 * curvature_by


@dataclass(frozen=True)
class _Slack:
    """How far each constraint is from breaking, positive where it holds.

    own: shape (n, m1): g on the grid and the box. pair: shape (n - 1, m2): log of w_far/w_near on the near slice's
    grid and of their wing slopes; 1 for pairs that are not linked.
    """

    own: Floats
    pair: Floats


def _slack(problem: Problem, theta: Floats) -> _Slack:
    n, scale = theta.shape[0], problem.scale
    x = np.broadcast_to(CONSTRAINT_X, (n, CONSTRAINT_X.size))
    pieces = _pieces(theta, x)
    y = _variance(theta, pieces)
    g = _Convexity.of(pieces, x, y=y, scale=scale).g
    low, high = parameter_box(scale)
    ratio = np.sqrt(scale[:-1] / scale[1:])[:, None]
    far = _variance(theta[1:], _pieces(theta[1:], x[:-1] * ratio))
    return _Slack(
        np.concatenate((g - G_MARGIN, theta - low, high - theta), axis=1),
        _pair_slack(problem, theta, near=y[:-1] * ratio * ratio, far=far),
    )


def _pair_slack(problem: Problem, theta: Floats, *, near: Floats, far: Floats) -> Floats:
    log_slopes = theta[:, 1:3] + 0.5 * np.log(problem.scale)[:, None]
    pair = np.concatenate((np.log(far / near) - CALENDAR_MARGIN, np.diff(log_slopes, axis=0)), axis=1)
    pair[~problem.linked] = 1.0
    return np.asarray(pair)


@dataclass(frozen=True)
class _Constraints:
    """Slacks as `_Slack`, with their derivatives by the slice's own and the next one's unknowns.

    own_by: shape (n, 5, m1). pair_by_near, pair_by_far: shape (n - 1, 5, m2).
    """

    own: Floats
    own_by: Floats
    pair: Floats
    pair_by_near: Floats
    pair_by_far: Floats


def _constraints(problem: Problem, theta: Floats) -> _Constraints:
    n, scale = theta.shape[0], problem.scale
    x = np.broadcast_to(CONSTRAINT_X, (n, CONSTRAINT_X.size))
    y, y_by = _variance_jacobian(theta, x)
    g, g_by = _g_jacobian(theta, x, y=y, y_by=y_by, scale=scale)
    low, high = parameter_box(scale)
    identity = np.broadcast_to(np.eye(N_PARAMETERS), (n, N_PARAMETERS, N_PARAMETERS))
    own = np.concatenate((g - G_MARGIN, theta - low, high - theta), axis=1)
    own_by = np.concatenate((g_by, identity, -identity), axis=2)
    ratio = np.sqrt(scale[:-1] / scale[1:])[:, None]
    far, far_by = _variance_jacobian(theta[1:], x[:-1] * ratio)
    pair = _pair_slack(problem, theta, near=y[:-1] * ratio * ratio, far=far)
    wings = identity[:-1, :, 1:3]
    near_by = np.concatenate((-y_by[:-1] / y[:-1, None, :], -wings), axis=2)
    far_by = np.concatenate((far_by / far[:, None, :], wings), axis=2)
    # An unlinked pair is no constraint: a constant slack with no derivative.
    free = ~problem.linked
    near_by[free], far_by[free] = 0.0, 0.0
    return _Constraints(own, own_by, pair, near_by, far_by)


def _newton_step(hessian: Floats, coupling: Floats, gradient: Floats) -> Floats:
    """Return the solution, shape (n, 5), of the block tridiagonal system hessian*step = -gradient.

    hessian: diagonal blocks (n, 5, 5); coupling: blocks (n - 1, 5, 5) of rows of a slice and columns of the next.
    """
    n = hessian.shape[0]
    size = N_PARAMETERS * n
    bands = np.zeros((2 * N_PARAMETERS, size))
    for i in range(N_PARAMETERS):
        for j in range(N_PARAMETERS):
            if j >= i:
                bands[2 * N_PARAMETERS - 1 - (j - i), j::N_PARAMETERS] = hessian[:, i, j]
            bands[N_PARAMETERS - 1 - (j - i), N_PARAMETERS + j :: N_PARAMETERS] = coupling[:, i, j]
    return np.asarray(solveh_banded(bands, -gradient.ravel())).reshape(n, N_PARAMETERS)


def least_squares_surface(problem: Problem, theta: Floats) -> Floats:
    """Return the unknowns of least cost that keep every constraint.

    Parameters
    ----------
    theta : array of shape (n, 5)
        A start that satisfies every constraint.

    Raises
    ------
    ValueError
        If the start does not: the method has no way back in.

    Notes
    -----
    Primal-dual interior point (Nocedal and Wright 2006, chapter 19) with the Gauss-Newton Hessian. Groups of linked
    slices are independent problems: each has its own step length, so that one hard slice holds up its group alone.
    """
    group = np.concatenate(([0], np.cumsum(~problem.linked))).astype(np.int64)
    pair_group = group[:-1]
    n_groups = int(group[-1]) + 1
    barrier = FIRST_BARRIER
    at = _constraints(problem, theta)
    outside = np.flatnonzero((at.own <= 0.0).any(axis=1))
    if outside.size or (at.pair <= 0.0).any():
        raise ValueError(f"the start breaks constraints of slices {outside.tolist()} or between slices")
    dual_own, dual_pair = barrier / at.own, barrier / at.pair
    damping = np.full(n_groups, 1e-3)

    def merit(cost: Floats, found: _Slack | _Constraints) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            own = np.where(found.own > 0.0, -np.log(found.own), np.inf).sum(axis=1)
            pair = np.where(found.pair > 0.0, -np.log(found.pair), np.inf).sum(axis=1)
        total = np.bincount(group, weights=0.5 * cost + barrier * own, minlength=n_groups)
        return np.asarray(total + barrier * np.bincount(pair_group, weights=pair, minlength=n_groups))

    cost = problem.cost(theta)
    for _ in range(MOST_STEPS):
        step = _direction(problem, theta, at=at, dual=(dual_own, dual_pair), barrier=barrier, damping=damping[group])
        own_change = (step[:, None, :] @ at.own_by)[:, 0, :]
        pair_change = (step[:-1, None, :] @ at.pair_by_near + step[1:, None, :] @ at.pair_by_far)[:, 0, :]
        length = np.ones(n_groups)
        np.minimum.at(length, group, _reach(at.own, own_change))
        np.minimum.at(length, pair_group, _reach(at.pair, pair_change))
        value = merit(cost, at)
        trial = theta + length[group, None] * step
        slack, trial_cost = _slack(problem, trial), problem.cost(trial)
        trial_value = merit(trial_cost, slack)
        worse = ~(trial_value <= value)
        for _ in range(2):
            if not worse.any():
                break
            # Only groups that a step made worse are tried again, nearer; the others have what they need.
            length = np.where(worse, 0.3 * length, length)
            again = np.flatnonzero(worse[group])
            trial[again] = theta[again] + length[group[again], None] * step[again]
            part = problem.rows(again)
            _replaced(slack, _slack(part, trial[again]), rows=again, linked=part.linked)
            trial_cost[again] = part.cost(trial[again])
            trial_value = merit(trial_cost, slack)
            worse = ~(trial_value <= value)
        length = np.where(worse, 0.0, length)
        damping = np.clip(np.where(worse, damping * 10.0, damping * 0.3), 1e-8, 1e6)
        kept, is_last = worse[group], barrier == LAST_BARRIER
        theta = np.where(kept[:, None], theta, trial)
        at = _constraints(problem, theta)
        cost = np.where(kept, cost, trial_cost)
        own_step = length[group, None] * own_change
        pair_step = length[pair_group, None] * pair_change
        barrier = max(LAST_BARRIER, BARRIER_DECAY * barrier)
        dual_own = _dual(dual_own, at.own, change=own_step, barrier=barrier)
        dual_pair = _dual(dual_pair, at.pair, change=pair_step, barrier=barrier)
        gains = value - trial_value > LEAST_GAIN + LEAST_GAIN_SHARE * np.abs(value)
        if is_last and not (worse | gains).any():
            break
    return theta


def _direction(
    problem: Problem,
    theta: Floats,
    *,
    at: _Constraints,
    dual: tuple[Floats, Floats],
    barrier: float,
    damping: Floats,
) -> Floats:
    """Return the Newton direction of every slice, shape (n, 5)."""
    y, by = _variance_jacobian(theta, problem.x)
    by *= problem.weight[:, None, :]
    residual = (y - problem.y) * problem.weight
    own_scale, pair_scale = dual[0] / at.own, dual[1] / at.pair
    hessian = by @ by.transpose(0, 2, 1)
    hessian += (at.own_by * own_scale[:, None, :]) @ at.own_by.transpose(0, 2, 1)
    near_scaled = at.pair_by_near * pair_scale[:, None, :]
    hessian[:-1] += near_scaled @ at.pair_by_near.transpose(0, 2, 1)
    hessian[1:] += (at.pair_by_far * pair_scale[:, None, :]) @ at.pair_by_far.transpose(0, 2, 1)
    coupling = near_scaled @ at.pair_by_far.transpose(0, 2, 1)
    gradient = (by @ residual[:, :, None])[:, :, 0]
    gradient -= (at.own_by @ (barrier / at.own)[:, :, None])[:, :, 0]
    gradient[:-1] -= (at.pair_by_near @ (barrier / at.pair)[:, :, None])[:, :, 0]
    gradient[1:] -= (at.pair_by_far @ (barrier / at.pair)[:, :, None])[:, :, 0]
    diagonal = np.arange(N_PARAMETERS)
    hessian[:, diagonal, diagonal] *= 1.0 + damping[:, None]
    hessian[:, diagonal, diagonal] += 1e-9
    return _newton_step(hessian, coupling, gradient)


def _reach(slack: Floats, change: Floats) -> Floats:
    """Return the share of a step that uses up at most 95 % of any slack, by row."""
    share = np.where(change < 0.0, -0.95 * slack / np.minimum(change, -1e-300), np.inf)
    return np.asarray(share.min(axis=1))


def _dual(dual: Floats, slack: Floats, *, change: Floats, barrier: float) -> Floats:
    """Return multipliers after a step, kept within a factor of 100 of the central path's barrier/slack."""
    central = barrier / slack
    return np.clip(dual * (1.0 - change / slack), 0.01 * central, 100.0 * central)


def _replaced(found: _Slack, part: _Slack, *, rows: Indices, linked: NDArray[np.bool_]) -> None:
    """Put the slacks of some slices, whole groups of them, in their places."""
    found.own[rows] = part.own
    found.pair[rows[:-1][linked]] = part.pair[linked]
