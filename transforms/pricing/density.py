"""The risk-neutral law of the index at an expiration, read off its SVI slice.

With X = ln(S_T/F) the density of X is g(k)/sqrt(2*pi*w)*exp(-d2^2/2), d2 = -k/sqrt(w) - sqrt(w)/2: everything here is
closed form in the slice's parameters, no finite differences of prices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

from transforms.pricing.svi import SviSlices, durrleman_g

Floats = NDArray[np.float64]

# Nodes k = 0.4*sqrt(w0)*sinh(u): 0.004 standard deviations apart at the money, 600 standard deviations at the ends.
# The trapezoid rule then converges geometrically, the integrand falling off like a double exponential.
NODE_U = np.linspace(-8.0, 8.0, 1601)
# Lee's moment formula for p = 1: beyond this slope of the right wing E[S^2] is infinite.
STEEPEST_FOR_VARIANCE = 2.0 - 4.0 * (2.0**0.5 - 1.0)
SQRT_TWO = float(np.sqrt(2.0))
SQRT_TWO_PI = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True)
class DensityChecks:
    """What the density of each slice must satisfy, arrays of shape (n,).

    integral: 1. mean: E[S_T/F], 1. variance: Var[S_T/F] by the density, and strip_variance the same from
    out-of-the-money prices, 2*integral of V(K)/F^2 dK (Carr and Madan 1998), both NaN
    where the right wing is so steep that the variance is infinite (Lee 2004). log_variance: E[-2*ln(S_T/F)], the total
    variance of the log contract, and strip_log_variance the same as 2*integral of V(K)/K^2 dK. lowest: the least
    density relative to its largest value; negative where there is butterfly arbitrage.
    """

    integral: Floats
    mean: Floats
    variance: Floats
    strip_variance: Floats
    log_variance: Floats
    strip_log_variance: Floats
    lowest: Floats


def log_density(slices: SviSlices, log_moneyness: Floats) -> Floats:
    """Return the density of ln(S_T/F) at k, per unit of k, shape (n, width); negative where g is.

    Gatheral and Jacquier (2014), equation 2.2.
    """
    w = slices.total_variance(log_moneyness)
    root = np.sqrt(w)
    d2 = -log_moneyness / root - 0.5 * root
    return np.asarray(durrleman_g(slices, log_moneyness) / (SQRT_TWO_PI * root) * np.exp(-0.5 * d2 * d2))


def probability_below(slices: SviSlices, log_moneyness: Floats) -> Floats:
    """Return P(S_T < F*exp(k)), shape (n, width): the strike derivative of the undiscounted put."""
    w, slope, _ = slices.derivatives(log_moneyness)
    root = np.sqrt(w)
    d2 = -log_moneyness / root - 0.5 * root
    return np.asarray(ndtr(-d2) + np.exp(-0.5 * d2 * d2) / SQRT_TWO_PI * 0.5 * slope / root)


def density_nodes(slices: SviSlices) -> tuple[Floats, Floats]:
    """Return (k, probability mass), each of shape (n, 1601), for expectations of any payoff of F*exp(k).

    The expectation of a payoff is the sum of mass*payoff. Exact to rounding for smooth payoffs; a kinked payoff has an
    error of the order of the squared node distance at its kink, a few millionths of its value.
    """
    k, steps = _nodes(slices)
    return k, log_density(slices, k) * steps


def density_checks(slices: SviSlices) -> DensityChecks:
    """Return integral, mean and variances of each slice's density beside the same from its option prices."""
    k, steps = _nodes(slices)
    density = log_density(slices, k)
    mass = density * steps
    ratio = np.exp(k)
    # S_T/F has a finite mean for every slice below Lee's bound; far nodes carry no mass but overflow.
    tilted = np.where(mass == 0.0, 0.0, mass * ratio)
    prices = _otm_prices(slices, k)
    mean = tilted.sum(axis=1)
    finite = slices.b * (1.0 + slices.rho) < STEEPEST_FOR_VARIANCE
    variance = np.where(tilted == 0.0, 0.0, tilted * ratio).sum(axis=1) - mean**2
    strip_variance = 2.0 * np.where(prices == 0.0, 0.0, prices * ratio * steps).sum(axis=1)
    return DensityChecks(
        integral=mass.sum(axis=1),
        mean=mean,
        variance=np.where(finite, variance, np.nan),
        strip_variance=np.where(finite, strip_variance, np.nan),
        log_variance=-2.0 * (mass * k).sum(axis=1),
        strip_log_variance=2.0 * np.where(prices == 0.0, 0.0, prices / ratio * steps).sum(axis=1),
        lowest=density.min(axis=1) / density.max(axis=1),
    )


def log_contract_variance(slices: SviSlices) -> Floats:
    """Return E[-2*ln(S_T/F)], total variance of shape (n,): the fair variance times tau, wings by the slice itself."""
    k, steps = _nodes(slices)
    return np.asarray(-2.0 * (log_density(slices, k) * steps * k).sum(axis=1))


def _nodes(slices: SviSlices) -> tuple[Floats, Floats]:
    unit = 0.4 * np.sqrt(slices.total_variance(np.zeros(1)))
    step = NODE_U[1] - NODE_U[0]
    return unit * np.sinh(NODE_U)[None, :], unit * np.cosh(NODE_U)[None, :] * step


def _otm_prices(slices: SviSlices, k: Floats) -> Floats:
    """Return undiscounted out-of-the-money prices over F at the slice's own vols.

    N(d1) - exp(k)*N(d2) = phi(d1)*(M(-d1) - M(-d2)) with the Mills ratio M keeps its digits in the far wings, which
    exp(k) would else blow up.
    """
    root = np.sqrt(slices.total_variance(k))
    d1 = -k / root + 0.5 * root
    side = np.where(k >= 0.0, 1.0, -1.0)
    near, far = -side * d1, -side * (d1 - root)
    mills = 0.5 * side * (erfcx(near / SQRT_TWO) - erfcx(far / SQRT_TWO))
    return np.asarray(np.where(near > 38.0, 0.0, np.exp(-0.5 * d1 * d1) * mills))
