"""Black-76 implied vol of many quotes at once, and a status for every quote that has none.

Everything happens in units of D*min(F, K): x = |ln(F/K)|, s = vol*sqrt(time), z = x/s, t = s/2. With the
Mills ratio Y the out-of-the-money value is b = phi(z - t)*(Y(z - t) - Y(z + t)), between 0 and 1, and its
vega, db/ds, is phi(z - t). Below one half the equation solved is ln b(s) = ln b, above it
ln(1 - b(s)) = ln(1 - b): the objectives of Jaeckel ("Let's be rational", Wilmott 2016) in other units. Each
third-order Householder step takes the relative error e of s to about e^4, so that two suffice from a guess
within a few per cent.
"""

from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, ndtri

from transforms.pricing.mills_ratio import FULL_FIT, SHORT_FIT, MillsFit, mills_difference

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Statuses = NDArray[np.int8]

# Rows per pass. Fewer, and two threads queue for the interpreter lock between array operations; more, and
# the arrays of a pass leave the caches. 16k to 64k rows are within 15% of each other on the machine it was
# tuned on.
CHUNK_ROWS = 24576
# From this many chunks on, a second thread is worth its start.
_CHUNKS_FOR_TWO_THREADS = 4
# Above it one unit in the last place of the price moves the vol in its eighth digit.
MAX_PRICE_OVER_VOL_VEGA = 1e8
# A last step below it leaves a fourth power of it, less than one unit in the last place.
_CONVERGED_STEP = 3e-5
# Four were the most that any of 600,000 prices between 1e-300 and 1 - 1e-15 took, at any ratio F/K.
_MAX_STEPS = 12
_ROUNDING = 4.0 * float(np.finfo(np.float64).eps)
_HALF_LOG_TWO_PI = 0.5 * float(np.log(2.0 * np.pi))
_ROOT_HALF = float(np.sqrt(0.5))
_ROOT_HALF_PI = float(np.sqrt(0.5 * np.pi))

# With l = ln(1 + x/b) the vol of the normal model is (x + 2b)*sqrt(pi/2)/sqrt(G(l)); G fitted as a ratio of
# these, by ascending power, over all prices down to 1e-315: the vol is within 0.7% of the normal model's.
_GUESS_NUMERATOR = (1.0, 0.22016868, 0.11575718, 0.07418786)
_GUESS_DENOMINATOR = (1.0, 0.19731916, 0.02409119)


class IvStatus(IntEnum):
    """Why a quote has or lacks an implied vol."""

    OK = 0
    NO_BID = 1
    CROSSED = 2
    BELOW_INTRINSIC = 3
    ABOVE_MAXIMUM = 4
    EXPIRED = 5
    PRICE_DETERMINES_NO_VOL = 6
    MISSING = 7

    @property
    def label(self) -> str:
        """Return the text that tables carry: the name in lower case."""
        return self.name.lower()


def quote_status(bid: ArrayLike, ask: ArrayLike) -> Statuses:
    """Return what bid and ask alone say about a quote: OK, NO_BID, CROSSED or MISSING.

    Element-wise, index points. A bid that is NaN or not positive is NO_BID, an ask that is NaN is MISSING
    and goes first, an ask below the bid is CROSSED; equal prices (a locked quote) are OK.
    """
    bids, asks = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, np.float64)) for c in (bid, ask)))
    status = np.full(bids.shape, IvStatus.OK, np.int8)
    status[asks < bids] = IvStatus.CROSSED
    status[~(bids > 0.0)] = IvStatus.NO_BID
    status[np.isnan(asks)] = IvStatus.MISSING
    return status


def implied_vol(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    *,
    time_to_expiry: ArrayLike,
    discount_factor: ArrayLike,
    is_call: ArrayLike,
    n_threads: int | None = None,
) -> tuple[Floats, Statuses]:
    """Return the Black-76 implied vol of each price and its `IvStatus`.

    Parameters
    ----------
    price, forward, strike
        Index points; arrays of shape (n,), or scalars that hold for all rows.
    time_to_expiry
        Years, ACT/365.
    discount_factor
        Price today of one point paid at settlement.
    is_call
        True for a call, False for a put.
    n_threads
        Threads among which the chunks are shared; None takes two for four chunks or more, else one. The
        chunks, and with them every bit of the result, are the same for any number.

    Returns
    -------
    tuple
        Vols, decimals per square root of a year, shape (n,), NaN wherever the status is not OK; statuses,
        shape (n,). MISSING: an input is NaN or infinite, or forward, strike or discount factor is not
        positive. EXPIRED: no time left. BELOW_INTRINSIC: under D*max(F - K, 0) (calls) by more than
        rounding. ABOVE_MAXIMUM: at or over D*F (calls), D*K (puts). PRICE_DETERMINES_NO_VOL:
        price/(vol*vega) above 1e8, and a price at intrinsic, 0 included: every small vol has it.

    Notes
    -----
    Rounding the price to a double moves the vol by up to 1.1e-16*price/(vol*vega), relative; no method can do
    better. This one stays within four times that plus 2e-14, most rows within an ulp or two.
    """
    columns = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(c, np.float64)) for c in (price, forward, strike, time_to_expiry, discount_factor)),
        np.asarray(is_call, np.bool_),
    )
    n_rows = columns[0].size
    vol = np.empty(n_rows)
    status = np.empty(n_rows, np.int8)
    starts = range(0, n_rows, CHUNK_ROWS)
    workers = n_threads or (2 if len(starts) >= _CHUNKS_FOR_TWO_THREADS else 1)

    def solve(own_starts: range) -> None:
        for start in own_starts:
            rows = slice(start, start + CHUNK_ROWS)
            with np.errstate(all="ignore"):
                vol[rows], status[rows] = _solve_chunk(*(column[rows] for column in columns))

    if workers == 1:
        solve(starts)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(solve, (starts[i::workers] for i in range(workers))))
    return vol, status


def _solve_chunk(
    price: Floats, forward: Floats, strike: Floats, time: Floats, discount: Floats, is_call: Bools
) -> tuple[Floats, Statuses]:
    """Return vols and statuses of one chunk: the common case at once, the rest by `_solve_rest`."""
    distance = forward - strike
    smaller = np.minimum(forward, strike)
    intrinsic = np.where(is_call, distance, -distance)
    np.maximum(intrinsic, 0.0, out=intrinsic)
    intrinsic *= discount
    otm_value = price - intrinsic
    b = otm_value / (discount * smaller)
    # F - K is exact near the money, where the logarithm of the rounded ratio would lose the digits of x.
    x = np.log1p(np.abs(distance, out=distance) / smaller)
    log_b = np.log(b) + _HALF_LOG_TWO_PI

    s = _initial_guess(x, b)
    step, _ = _lower_step(x, s, log_b, SHORT_FIT)
    s += s * step
    step, b_over_vol_vega = _lower_step(x, s, log_b, FULL_FIT)
    s += s * step

    vol = s / np.sqrt(time)
    solved = np.abs(step, out=step) < _CONVERGED_STEP
    solved &= b <= 0.5
    solved &= otm_value > _ROUNDING * price
    solved &= price * b_over_vol_vega <= MAX_PRICE_OVER_VOL_VEGA * otm_value
    solved &= (time > 0.0) & (discount > 0.0) & (vol < np.inf)
    status = np.zeros(price.size, np.int8)
    if not solved.all():
        rest = np.flatnonzero(~solved)
        maximum = discount * np.where(is_call, forward, strike)
        vol[rest], status[rest] = _solve_rest(
            *(column[rest] for column in (price, forward, strike, time, discount, otm_value, maximum, x))
        )
    return vol, status


def _solve_rest(
    price: Floats,
    forward: Floats,
    strike: Floats,
    time: Floats,
    discount: Floats,
    otm_value: Floats,
    maximum: Floats,
    x: Floats,
) -> tuple[Floats, Statuses]:
    """Return vols and statuses of rows that two steps did not settle: no vol, or one found by more steps."""
    unit = discount * np.minimum(forward, strike)
    b = otm_value / unit
    complement = (maximum - price) / unit
    usable = np.isfinite(price * time * x * unit) & (unit > 0.0) & (discount > 0.0)
    rounding = _ROUNDING * price

    status = np.full(price.size, IvStatus.OK, np.int8)
    status[complement <= 0.0] = IvStatus.ABOVE_MAXIMUM
    status[otm_value <= rounding] = IvStatus.PRICE_DETERMINES_NO_VOL
    status[otm_value < -np.abs(rounding)] = IvStatus.BELOW_INTRINSIC
    status[time <= 0.0] = IvStatus.EXPIRED
    status[~usable] = IvStatus.MISSING

    vol = np.full(price.size, np.nan)
    is_open = status == IvStatus.OK
    for upper, target in ((False, b), (True, complement)):
        rows = np.flatnonzero(is_open & ((b > 0.5) == upper))
        s, target_over_vol_vega = _iterate(x[rows], target[rows], upper=upper)
        is_determined = price[rows] * target_over_vol_vega <= MAX_PRICE_OVER_VOL_VEGA * target[rows] * unit[rows]
        status[rows[~is_determined]] = IvStatus.PRICE_DETERMINES_NO_VOL
        vol[rows] = np.where(is_determined, s / np.sqrt(time[rows]), np.nan)
    return vol, status


def _iterate(x: Floats, target: Floats, *, upper: bool) -> tuple[Floats, Floats]:
    """Return s and target/(s*vega), stepping until every row has converged.

    Both objectives are concave in s, so a tangent taken on the side of the guess (low for ln b, high for
    ln(1 - b)) never crosses the root.
    """
    log_target = np.log(target) + _HALF_LOG_TWO_PI
    s = _upper_guess(x, target) if upper else _initial_guess(x, target)
    target_over_vol_vega = np.empty_like(s)
    active = np.arange(s.size)
    for _ in range(_MAX_STEPS):
        if upper:
            step, ratio = _upper_step(x[active], s[active], log_target[active])
        else:
            step, ratio = _lower_step(x[active], s[active], log_target[active], FULL_FIT)
        s[active] += s[active] * np.clip(step, -0.5, 2.0)
        target_over_vol_vega[active] = ratio
        active = active[~(np.abs(step) < _CONVERGED_STEP)]
        if active.size == 0:
            return s, target_over_vol_vega
    target_over_vol_vega[active] = np.nan
    return s, target_over_vol_vega


def _initial_guess(x: Floats, b: Floats) -> Floats:
    """Return s by the normal (Bachelier) model, which prices higher: s is too low, by s^2/24 at the money."""
    # In that model the unit is sqrt(F*K) = min(F, K)*exp(x/2); the floor keeps x/b finite.
    b_normal = np.maximum(b * np.exp(-0.5 * x), 1e-300)
    logarithm = np.log1p(x / b_normal)
    s = x + 2.0 * b_normal
    s *= _ROOT_HALF_PI
    s *= np.sqrt(_polynomial(_GUESS_DENOMINATOR, logarithm) / _polynomial(_GUESS_NUMERATOR, logarithm))
    return s


def _upper_guess(x: Floats, complement: Floats) -> Floats:
    """Return an upper bound of s, exact at x = 0, from 1 - b <= 2*Phi(z - t)."""
    quantile = -ndtri(0.5 * complement)
    return np.asarray(quantile + np.sqrt(quantile * quantile + 2.0 * x))


def _polynomial(coefficients: tuple[float, ...], at: Floats) -> Floats:
    """Return the polynomial with these coefficients, ascending."""
    value = at * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        value += coefficient
        value *= at
    value += coefficients[0]
    return value


def _lower_step(x: Floats, s: Floats, log_b: Floats, fit: MillsFit) -> tuple[Floats, Floats]:
    """Return the relative step of s towards ln b(s) = ln b, and b(s)/(s*vega), `log_b` with ln(2*pi)/2."""
    z = x / s
    t = 0.5 * s
    near = z - t
    ratio = mills_difference(near, z + t, s, fit=fit)
    miss = np.log(ratio)
    near *= near
    near *= 0.5
    miss -= near
    miss -= log_b
    ratio /= s
    return _householder_step(miss, 1.0 / ratio, z, t), ratio


def _upper_step(x: Floats, s: Floats, log_complement: Floats) -> tuple[Floats, Floats]:
    """Return the relative step of s towards ln(1 - b(s)) = ln(1 - b), and (1 - b(s))/(s*vega)."""
    z = x / s
    t = 0.5 * s
    ratio = _ROOT_HALF_PI * (erfcx(_ROOT_HALF * (t - z)) + erfcx(_ROOT_HALF * (t + z)))
    miss = np.log(ratio) - 0.5 * (t - z) ** 2 - log_complement
    ratio /= s
    return _householder_step(miss, -1.0 / ratio, z, t), ratio


def _householder_step(miss: Floats, slope: Floats, z: Floats, t: Floats) -> Floats:
    """Return the third-order Householder step relative to s (Householder 1970, section 4.4).

    `slope` is d(miss)/d(ln s). As d(vega)/ds = vega*(z^2 - t^2)/s, each derivative of ln b and ln(1 - b) is a
    polynomial in slope, z^2 and t^2.
    """
    z2 = z * z
    t2 = t * t
    bend = z2 - t2
    second = bend - slope
    third = bend * bend - 3.0 * z2 - t2 - 3.0 * bend * slope + 2.0 * slope * slope
    newton = -miss / slope
    return np.asarray(newton * (1.0 + 0.5 * second * newton) / (1.0 + newton * (second + third * newton / 6.0)))
