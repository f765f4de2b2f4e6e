"""Raw SVI slices and their exact arbitrage checks.

Total implied variance of a slice at log-moneyness k = ln(K/F) is w(k) = a + b*(rho*(k - m) + sqrt((k - m)^2 + sigma^2))
(Gatheral 2004). With k = m + sigma*sinh(u) and t = exp(u) both the butterfly condition on one slice and the crossing of
two slices become polynomial equations, so "on the whole line" is decided by roots and not by a grid.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SviSlices:
    """Parameters of n slices, arrays of shape (n,): a in total variance, b per unit k, rho, m in k, sigma in k."""

    a: Floats
    b: Floats
    rho: Floats
    m: Floats
    sigma: Floats

    def __len__(self) -> int:
        return self.a.size

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "SviSlices":
        """Return the chosen slices."""
        return SviSlices(self.a[rows], self.b[rows], self.rho[rows], self.m[rows], self.sigma[rows])

    def total_variance(self, log_moneyness: Floats) -> Floats:
        """Return w(k), shape (n, width), for k of shape (width,) or (n, width)."""
        off = log_moneyness - self.m[:, None]
        root = np.sqrt(off * off + self.sigma[:, None] ** 2)
        return np.asarray(self.a[:, None] + self.b[:, None] * (self.rho[:, None] * off + root))

    def derivatives(self, log_moneyness: Floats) -> tuple[Floats, Floats, Floats]:
        """Return w, dw/dk and d2w/dk2, each of shape (n, width)."""
        off = log_moneyness - self.m[:, None]
        square = self.sigma[:, None] ** 2
        root = np.sqrt(off * off + square)
        b, rho = self.b[:, None], self.rho[:, None]
        return (
            self.a[:, None] + b * (rho * off + root),
            b * (rho + off / root),
            b * square / (root * root * root),
        )

    @property
    def minimum_variance(self) -> Floats:
        """Return min over k of w(k): a + b*sigma*sqrt(1 - rho^2)."""
        return np.asarray(self.a + self.b * self.sigma * np.sqrt(1.0 - self.rho**2))

    @property
    def steepest_wing(self) -> Floats:
        """Return b*(1 + |rho|): below 2 by Lee (2004), else the wing allows arbitrage."""
        return np.asarray(self.b * (1.0 + np.abs(self.rho)))


def durrleman_g(slices: SviSlices, log_moneyness: Floats) -> Floats:
    """Return g(k), shape (n, width): the risk-neutral density is positive exactly where g is.

    g = (1 - k*w'/(2w))^2 - w'^2/4*(1/w + 1/4) + w''/2 (Gatheral and Jacquier 2014, equation 2.1). It is not the
    convexity of w.
    """
    w, slope, curvature = slices.derivatives(log_moneyness)
    return np.asarray(
        (1.0 - 0.5 * log_moneyness * slope / w) ** 2 - 0.25 * slope**2 * (1.0 / w + 0.25) + 0.5 * curvature
    )


def minimum_g(slices: SviSlices) -> tuple[Floats, Floats]:
    """Return (min g, k at which it is reached) over the whole line, each of shape (n,).

    k is infinite where g approaches its infimum in a wing: there it tends to (4 - slope^2)/16.
    """
    sigma, m = slices.sigma[:, None], slices.m[:, None]
    u = np.broadcast_to(np.linspace(-14.0, 14.0, 561), (len(slices), 561))
    half_width = 0.05
    best_u = np.zeros(len(slices))
    for _ in range(6):
        g = durrleman_g(slices, m + sigma * np.sinh(u))
        best = np.argmin(g, axis=1)[:, None]
        best_u = np.take_along_axis(u, best, axis=1)
        u = best_u + half_width * np.linspace(-1.0, 1.0, 21)[None, :]
        half_width *= 0.1
    k = m + sigma * np.sinh(best_u)
    lowest, at = durrleman_g(slices, k)[:, 0], k[:, 0]
    for wing in (-1.0, 1.0):
        limit = (4.0 - (slices.b * (1.0 + wing * slices.rho)) ** 2) / 16.0
        at = np.where(limit < lowest, wing * np.inf, at)
        lowest = np.minimum(limit, lowest)
    return lowest, at


def _product(left: Floats, right: Floats) -> Floats:
    """Return products of polynomials, coefficients along the last axis by rising power."""
    result = np.zeros((left.shape[0], left.shape[1] + right.shape[1] - 1))
    for power in range(right.shape[1]):
        result[:, power : power + left.shape[1]] += left * right[:, power : power + 1]
    return result


def _g_polynomial(slices: SviSlices) -> Floats:
    """Return the coefficients, shape (n, 11), of a polynomial in t = exp(u) with the sign of g on t > 0.

    With s = (t^2 - 1)/2 and c = (t^2 + 1)/2: t*w = a*t + b*sigma*(rho*s + c), t*k = m*t + sigma*s and
    w' = b*(rho*c + s)/c. The polynomial is g*w^2 times t^2*c^3.
    """
    n = len(slices)
    c = np.tile([0.5, 0.0, 0.5], (n, 1))
    s = np.tile([-0.5, 0.0, 0.5], (n, 1))
    t = np.tile([0.0, 1.0, 0.0], (n, 1))
    a, b, rho, m, sigma = (x[:, None] for x in (slices.a, slices.b, slices.rho, slices.m, slices.sigma))
    variance = a * t + b * sigma * (rho * s + c)
    moneyness = m * t + sigma * s
    slope = b * (rho * c + s)
    first = _product(variance, c) - 0.5 * _product(moneyness, slope)
    variance_squared = _product(variance, variance)
    second = 0.25 * _product(_product(slope, slope), _product(t, variance) + 0.25 * variance_squared)
    polynomial = _product(c, _product(first, first) - second)
    polynomial[:, 3:8] += 0.5 * b / sigma * variance_squared
    return polynomial


def _real_roots(coefficients: Floats) -> Floats:
    """Return the real parts of nearly real roots of one polynomial (rising powers), sorted."""
    largest = np.abs(coefficients).max(initial=0.0)
    significant = np.flatnonzero(np.abs(coefficients) > 1e-14 * largest)
    if significant.size == 0 or significant[-1] == 0:
        return np.empty(0)
    roots = np.roots(coefficients[significant[-1] :: -1])
    # A double root (g touching zero) splits into a conjugate pair by the square root of the rounding error.
    return np.sort(roots.real[np.abs(roots.imag) <= 1e-6 * np.abs(roots)])


def _sign_changes(candidates: Floats, function: Callable[[Floats], Floats]) -> Floats:
    """Return where `function` changes sign, given candidates that include every root; polished to 1e-12."""
    if candidates.size == 0:
        return candidates
    reach = 1.0 + np.abs(candidates[[0, -1]])
    middles = np.concatenate(
        (
            [candidates[0] - reach[0]],
            0.5 * (candidates[1:] + candidates[:-1]),
            [candidates[-1] + reach[1]],
        )
    )
    negative = function(middles) < 0.0
    found = [
        brentq(lambda k: float(function(np.array([k]))[0]), middles[i], middles[i + 1], xtol=1e-14)
        for i in np.flatnonzero(negative[1:] != negative[:-1])
    ]
    return np.array(found, dtype=np.float64)


def g_sign_changes(slices: SviSlices) -> list[Floats]:
    """Return, per slice, every k at which g changes sign, increasing; empty where there is no butterfly arbitrage."""
    changes = []
    for row, coefficients in enumerate(_g_polynomial(slices)):
        one = slices.take(np.array([row]))
        t = _real_roots(coefficients)
        k = one.m + one.sigma * np.sinh(np.log(t[t > 0.0]))
        changes.append(_sign_changes(np.unique(k), lambda at, one=one: durrleman_g(one, at[None, :])[0]))  # type: ignore[misc]
    return changes


def calendar_crossings(near: SviSlices, far: SviSlices) -> list[Floats]:
    """Return, per pair of slices, every k at which w_far - w_near changes sign, increasing.

    Squaring twice turns the equality of two hyperbolas into a quartic; its real roots that solve the equation itself
    are the crossings (Gatheral and Jacquier 2014, lemma 3.1). No crossing does not yet mean far lies above near:
    `least_gap` tells.
    """
    crossings = []
    for row in range(len(near)):
        one, two = near.take(np.array([row])), far.take(np.array([row]))
        line = np.array(
            [
                float(one.a[0] - two.a[0] - one.b[0] * one.rho[0] * one.m[0] + two.b[0] * two.rho[0] * two.m[0]),
                float(one.b[0] * one.rho[0] - two.b[0] * two.rho[0]),
            ]
        )
        near_root, far_root = (
            s.b[0] ** 2 * np.array([s.m[0] ** 2 + s.sigma[0] ** 2, -2.0 * s.m[0], 1.0]) for s in (one, two)
        )
        line_squared = np.convolve(line, line)
        difference = far_root - near_root - line_squared
        quartic = 4.0 * np.convolve(line_squared, near_root) - np.convolve(difference, difference)
        crossings.append(
            _sign_changes(
                np.unique(_real_roots(quartic)),
                lambda at, one=one, two=two: two.total_variance(at[None, :])[0] - one.total_variance(at[None, :])[0],  # type: ignore[misc]
            )
        )
    return crossings


def least_gap(near: SviSlices, far: SviSlices) -> Floats:
    """Return how far w_far stays above w_near, shape (n,), in total variance; negative exactly where they cross.

    Without a crossing it is the gap at k = 0; with one, the lowest difference at the middles between the crossings
    and within one unit of k beyond the outermost.
    """
    gaps = (far.total_variance(np.zeros(1)) - near.total_variance(np.zeros(1)))[:, 0]
    for row, crossings in enumerate(calendar_crossings(near, far)):
        if crossings.size:
            k = np.concatenate(
                (crossings[:1] - 1.0, 0.5 * (crossings[1:] + crossings[:-1]), crossings[-1:] + 1.0, [0.0])
            )
            one, two = near.take(np.array([row])), far.take(np.array([row]))
            gaps[row] = (two.total_variance(k) - one.total_variance(k)).min()
    return np.asarray(gaps)
