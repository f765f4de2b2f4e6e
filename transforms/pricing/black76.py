"""Black-76 prices and Greeks of European options on a forward, accurate in the far wings.

A price is the discounted intrinsic value plus an out-of-the-money value that is computed without
subtracting large numbers (Black 1976, "The pricing of commodity contracts", Journal of Financial Economics
3, 167-179; the Greeks as in Haug 2007, "The Complete Guide to Option Pricing Formulas", 2nd ed., chapter 2,
for the generalized model with cost of carry 0).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, ndtr

from transforms.pricing.mills_ratio import mills_difference

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAYS_PER_YEAR = 365.0
VOL_POINT = 0.01
_ROOT_HALF = float(np.sqrt(0.5))
_ROOT_HALF_PI = float(np.sqrt(0.5 * np.pi))
_ROOT_TWO_PI = float(np.sqrt(2.0 * np.pi))
# From here on the density is zero in double precision; a larger distance would only overflow.
_FARTHEST = 1e10


@dataclass(frozen=True)
class BlackGreeks:
    """Sensitivities of each option, arrays of shape (n,), index points per one option on one index point.

    NaN in every field where forward, strike, vol, time or discount factor is not positive or is NaN.
    """

    delta: Floats
    """dV/dF: the forward delta times the discount factor."""
    gamma: Floats
    """d delta/dF, per index point."""
    vega: Floats
    """Change of V per 0.01 of vol."""
    theta: Floats
    """V(a calendar day later) - V at fixed forward, vol and zero rate; the payoff less V on the last day."""
    vanna: Floats
    """Change of delta per 0.01 of vol."""
    volga: Floats
    """Change of vega per 0.01 of vol."""
    extrinsic: Floats
    """V less the discounted intrinsic value of the forward, never negative."""
    theta_per_gamma: Floats
    """theta/gamma, squared index points per day; NaN where gamma is 0."""


def black_price(
    forward: ArrayLike,
    strike: ArrayLike,
    *,
    time_to_expiry: ArrayLike,
    implied_vol: ArrayLike,
    discount_factor: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Return the Black-76 price of each option, index points.

    Element-wise over arrays of shape (n,) or scalars: forward and strike in index points, time in years,
    vol in decimals per square root of a year. The discounted intrinsic value where time or vol is 0; NaN
    where either is negative, where another input is not positive, or where any is NaN.
    """
    f, k, time, vol, discount, call = _columns(forward, strike, time_to_expiry, implied_vol, discount_factor, is_call)
    with np.errstate(all="ignore"):
        return discount * (_intrinsic(f, k, call) + _otm_value(f, k, vol * np.sqrt(time)))


def black_greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    *,
    time_to_expiry: ArrayLike,
    implied_vol: ArrayLike,
    discount_factor: ArrayLike,
    is_call: ArrayLike,
) -> BlackGreeks:
    """Return the Greeks of each option: units and bumps as in `BlackGreeks`, inputs as in `black_price`.

    Theta lets the discount factor of a day less follow from the rate in it, D(time) = exp(-rate*time). A
    row with at most one day left goes to its payoff.
    """
    f, k, time, vol, discount, call = _columns(forward, strike, time_to_expiry, implied_vol, discount_factor, is_call)
    with np.errstate(all="ignore"):
        s = vol * np.sqrt(time)
        is_priced = (s > 0.0) & (f > 0.0) & (k > 0.0) & (discount > 0.0)
        s = np.where(is_priced, s, np.nan)
        d1 = _signed_log_ratio(f, k) / s + 0.5 * s
        d2 = d1 - s
        density = discount * np.exp(-0.5 * d1 * d1) / _ROOT_TWO_PI
        sign = np.where(call, 1.0, -1.0)

        intrinsic = _intrinsic(f, k, call)
        extrinsic = discount * _otm_value(f, k, s)
        value = discount * intrinsic + extrinsic
        day_later = np.maximum(time - 1.0 / DAYS_PER_YEAR, 0.0)
        # The payoff itself where no time is left: D is then 1 and the out-of-the-money value 0.
        value_day_later = discount ** (day_later / time) * (
            intrinsic + _otm_value(f, k, np.where(is_priced, vol * np.sqrt(day_later), np.nan))
        )
        gamma = density / (f * s)
        theta = value_day_later - value
        vega = VOL_POINT * f * density * np.sqrt(time)
        return BlackGreeks(
            delta=sign * discount * ndtr(sign * d1),
            gamma=gamma,
            vega=vega,
            theta=theta,
            vanna=-VOL_POINT * density * d2 / vol,
            volga=VOL_POINT * vega * d1 * d2 / vol,
            extrinsic=extrinsic,
            theta_per_gamma=np.where(gamma > 0.0, theta / gamma, np.nan),
        )


def delta_spot(delta: ArrayLike, forward: ArrayLike, spot: ArrayLike) -> Floats:
    """Return dV/dS from `BlackGreeks.delta`, for a forward proportional to the spot: delta*F/S.

    Element-wise; NaN where an input is NaN or the spot is not positive.
    """
    spots = np.asarray(spot, np.float64)
    with np.errstate(all="ignore"):
        return np.where(spots > 0.0, np.asarray(delta) * np.asarray(forward) / spots, np.nan)


def _columns(
    forward: ArrayLike,
    strike: ArrayLike,
    time: ArrayLike,
    vol: ArrayLike,
    discount: ArrayLike,
    is_call: ArrayLike,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Bools]:
    """Return the inputs in one shape, NaN for a forward, strike or discount factor that is not positive."""
    f, k, t, v, d = (np.atleast_1d(np.asarray(c, np.float64)) for c in (forward, strike, time, vol, discount))
    f, k, d = (np.where(column > 0.0, column, np.nan) for column in (f, k, d))
    f, k, t, v, d, call = np.broadcast_arrays(f, k, t, v, d, np.asarray(is_call, np.bool_))
    return f, k, t, v, d, call


def _intrinsic(forward: Floats, strike: Floats, is_call: Bools) -> Floats:
    return np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)


def _signed_log_ratio(forward: Floats, strike: Floats) -> Floats:
    """Return ln(F/K), exact to the last digits near the money, where the rounded ratio would lose them."""
    distance = forward - strike
    return np.asarray(np.copysign(np.log1p(np.abs(distance) / np.minimum(forward, strike)), distance))


def _otm_value(forward: Floats, strike: Floats, total_vol: Floats) -> Floats:
    """Return the undiscounted value of the out-of-the-money one of call and put; 0 at a total vol of 0.

    With z = |ln(F/K)|/s and t = s/2: min(F, K)*phi(z - t)*(Y(z - t) - Y(z + t)), Y being the Mills ratio;
    where z - t is below -1 the first term is written as Phi(t - z), which loses nothing there.
    """
    x = np.abs(_signed_log_ratio(forward, strike))
    z = np.where(x > 0.0, np.minimum(x / total_vol, _FARTHEST), x)
    near = z - 0.5 * total_vol
    far = z + 0.5 * total_vol
    density = np.exp(-0.5 * near * near) / _ROOT_TWO_PI
    by_difference = density * mills_difference(near, far, total_vol)
    by_terms = ndtr(-near) - density * _ROOT_HALF_PI * erfcx(_ROOT_HALF * far)
    value = np.minimum(forward, strike) * np.where(near < -1.0, by_terms, by_difference)
    return np.where(total_vol >= 0.0, value, np.nan)
