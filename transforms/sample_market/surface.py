"""SPX option truth: SSVI smiles on a forward variance curve, with a rate and a dividend curve.

w(k, theta) = theta/2 * (1 + rho*phi*k + sqrt((phi*k + rho)^2 + 1 - rho^2)),
phi(theta) = eta * theta^-gamma * (1 + theta)^(gamma - 1) with gamma <= 1/2 and eta * (1 + |rho|) <= 2 is free of
butterfly and calendar arbitrage for every increasing theta (Gatheral and Jacquier, "Arbitrage-free SVI volatility
surfaces", 2014, corollary 4.1 and remark 4.4).
"""

import numpy as np
from scipy.special import ndtr

from transforms.sample_market.arrays import Booleans, Floats
from transforms.sample_market.model import MarketModel

# Horizons (clock years) between which the forward variance is constant.
HORIZONS: Floats = np.concatenate([[0.0], np.geomspace(1.0 / 3000.0, 7.0, 160)])
# Abscissas of the variance-swap integral, in units of the at-the-money deviation before the sinh.
SWAP_NODES: Floats = np.linspace(-7.5, 7.5, 121)
NELSON_SIEGEL_YEARS = 1.5


def cumulative_variance(model: MarketModel, fast: Floats, *, slow: Floats) -> Floats:
    """Return at-the-money total variance at `HORIZONS`, shape (..., len(HORIZONS)), for states of any shape."""
    middle = 0.5 * (HORIZONS[1:] + HORIZONS[:-1])
    mean = model.far_variance + (model.near_variance - model.far_variance) * np.exp(-middle / model.variance_horizon)
    exponent = fast[..., None] * np.exp(-model.fast_reversion * middle)
    exponent += slow[..., None] * np.exp(-model.slow_reversion * middle)
    pieces = (model.variance_floor + (mean - model.variance_floor) * np.exp(exponent)) * np.diff(HORIZONS)
    start = np.zeros((*pieces.shape[:-1], 1))
    return np.concatenate([start, np.cumsum(pieces, axis=-1)], axis=-1)


def spot_variance(model: MarketModel, fast: Floats | float, *, slow: Floats | float) -> Floats:
    """Return the annual variance with which spot diffuses: `realized_share` of the forward variance at horizon 0."""
    lifted = (model.near_variance - model.variance_floor) * np.exp(np.asarray(fast) + slow)
    return np.asarray(model.realized_share * (model.variance_floor + lifted))


def at_the_money_variance(cumulative: Floats, horizons: Floats) -> Floats:
    """Return theta at clock distances: horizons (n, m) on n curves, or (m) on one.

    `cumulative` is (n, len(HORIZONS)) or (len(HORIZONS)). Zero at and before the present.
    """
    index = np.clip(np.searchsorted(HORIZONS, horizons, side="right") - 1, 0, len(HORIZONS) - 2)
    low = np.take_along_axis(cumulative, index, axis=-1)
    high = np.take_along_axis(cumulative, index + 1, axis=-1)
    share = np.maximum(horizons - HORIZONS[index], 0.0) / (HORIZONS[index + 1] - HORIZONS[index])
    return np.asarray(low + share * (high - low))


def smile_total_variance(k: Floats, theta: Floats, *, rho: Floats | float, eta: Floats | float, gamma: float) -> Floats:
    """Return SSVI total variance at log-moneyness k; null-free, element-wise, theta > 0."""
    phi = eta * theta**-gamma * (1.0 + theta) ** (gamma - 1.0)
    scaled = phi * k
    return np.asarray(0.5 * theta * (1.0 + rho * scaled + np.sqrt((scaled + rho) ** 2 + 1.0 - rho**2)))


def swap_variance(theta: Floats, *, rho: Floats | float, eta: Floats | float, gamma: float) -> Floats:
    """Return -2 E[ln(S_T / F)] of SSVI slices, the strip of all strikes; theta of any shape, rho and eta broadcast.

    The integral of w over the normal law of z = -d2 (Chriss and Morokoff, 1999; Gatheral, "The Volatility Surface",
    2006, equation 11.5).
    """
    theta = np.asarray(theta, dtype=np.float64)[..., None]
    rho, eta = np.asarray(rho)[..., None], np.asarray(eta)[..., None]
    scale = np.sqrt(theta)
    k = scale * np.sinh(SWAP_NODES)
    phi = eta * theta**-gamma * (1.0 + theta) ** (gamma - 1.0)
    root_term = np.sqrt((phi * k + rho) ** 2 + 1.0 - rho**2)
    w = 0.5 * theta * (1.0 + rho * phi * k + root_term)
    w_slope = 0.5 * theta * phi * (rho + (phi * k + rho) / root_term)
    deviation = np.sqrt(w)
    z = k / deviation + 0.5 * deviation
    z_slope = 1.0 / deviation - 0.5 * k * w_slope / (w * deviation) + 0.25 * w_slope / deviation
    # Even steps in an analytic integrand that vanishes at both ends: the trapezoid rule converges geometrically.
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi) * z_slope * scale * np.cosh(SWAP_NODES)
    return np.asarray((w * density).sum(axis=-1) * (SWAP_NODES[1] - SWAP_NODES[0]))


def black_price(forward: Floats, strike: Floats, *, total_variance: Floats, is_call: Booleans) -> Floats:
    """Return undiscounted Black (1976) prices in points, element-wise; intrinsic value where the variance is 0."""
    deviation = np.sqrt(np.maximum(total_variance, 1e-14))
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    sign = np.where(is_call, 1.0, -1.0)
    value = sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * (d1 - deviation)))
    return np.asarray(np.maximum(value, np.maximum(sign * (forward - strike), 0.0)))


def treasury_zero_rate(level_rate: Floats | float, short_rate: Floats | float, *, years: Floats) -> Floats:
    """Return continuously compounded Treasury zero rates (decimals) by a two-factor Nelson-Siegel curve (1987)."""
    scaled = np.maximum(years, 1e-9) / NELSON_SIEGEL_YEARS
    return np.asarray(level_rate + (short_rate - level_rate) * -np.expm1(-scaled) / scaled)


def option_zero_rate(model: MarketModel, level_rate: float, *, short_rate: float, years: Floats) -> Floats:
    """Return the zero rates (decimals) that discount SPX and VIX options: Treasury plus a constant spread."""
    return treasury_zero_rate(level_rate, short_rate, years=years) + model.option_rate_spread
