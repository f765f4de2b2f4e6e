"""Forward and discount factor of every slice of a session, from put-call parity at mid prices.

C_mid - P_mid = D*(F - K) is a line in the strike. It is fitted with weights that fall with the synthetic's spread and
with strikes that disagree dropped smoothly, so that a stale quote moves nothing. The slope of a short or thin slice
says little about its rate; such a slice takes the rate of the curve that the others imply.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transforms.mispricing.parity import parity_region, synthetic_bounds

Floats = NDArray[np.float64]

# Tukey's bisquare constant for 95 % efficiency under normal errors (Holland and Welsch 1977).
BISQUARE = 4.685
# Median absolute deviation of a standard normal.
NORMAL_MAD = 0.6744897501960817


@dataclass(frozen=True)
class RateCurve:
    """Continuously compounded zero rates (decimals) at increasing times (years); `name` says where they come from."""

    name: str
    time: Floats = field(repr=False)
    zero_rate: Floats = field(repr=False)

    def rate(self, time_to_expiry: Floats) -> Floats:
        """Return zero rates at `time_to_expiry` (years): linear in time, flat beyond the ends."""
        return np.interp(time_to_expiry, self.time, self.zero_rate)


@dataclass(frozen=True)
class ForwardSettings:
    """When a slice's own discount factor is trusted.

    `max_rate_error` is the largest error of its zero rate (decimal a year) and `min_pairs` the fewest strikes quoted
    on both sides. The error is the regression's standard error and, in quadrature, `interval_share` of the width of
    the no-arbitrage interval: mids of wide quotes err together, which no regression sees.
    """

    max_rate_error: float = 0.0015
    min_pairs: int = 8
    interval_share: float = 0.1


@dataclass(frozen=True)
class ForwardFit:
    """Parity fits of a session, one element per slice; NaN where a slice has no usable pair.

    forward, forward_error, discount_factor, discount_error: estimate and standard error (index points; factor).
    The error of a discount factor taken from a curve is NaN. zero_rate: -ln(D)/tau, decimal a year.
    n_pairs: strikes used, both sides two-sided. rate_source: `parity` (the slice's own), `implied_curve` (of the
    session's other slices) or the name of the fallback curve; `none` where no rate was to be had.
    *_low, *_high: the no-arbitrage intervals of the executable quotes, NaN where the region is empty or open on that
    side. parity_slack: width of the region in points, negative if it is empty (a lock).
    """

    forward: Floats
    forward_error: Floats
    discount_factor: Floats
    discount_error: Floats
    zero_rate: Floats
    n_pairs: NDArray[np.int64]
    rate_source: NDArray[np.str_]
    forward_low: Floats
    forward_high: Floats
    discount_low: Floats
    discount_high: Floats
    parity_slack: Floats
    implied_curve: RateCurve | None


def par_yield_curve(name: str, tenor_days: Floats, *, par_yield: Floats) -> RateCurve:
    """Return the curve 2*ln(1 + y/2) of semiannual bond-equivalent yields (decimals), by increasing tenor (days)."""
    order = np.argsort(tenor_days, kind="stable")
    return RateCurve(name, tenor_days[order] / 365.0, 2.0 * np.log1p(par_yield[order] / 2.0))


def implied_forwards(
    strike: Floats,
    call_bid: Floats,
    *,
    call_ask: Floats,
    put_bid: Floats,
    put_ask: Floats,
    time_to_expiry: Floats,
    fallback: RateCurve | None = None,
    settings: ForwardSettings | None = None,
) -> ForwardFit:
    """Return forward and discount factor of every slice, with their no-arbitrage intervals.

    Parameters
    ----------
    strike, call_bid, call_ask, put_bid, put_ask : arrays of shape (n_slices, width)
        Index points; strikes increase along a row, NaN where padded or unquoted, a bid of 0 is no bid.
    time_to_expiry : array of shape (n_slices,)
        Years from the snapshot to settlement.
    fallback : RateCurve, optional
        Rates for a session in which no slice determines its own.
    """
    chosen = settings or ForwardSettings()
    synthetic = 0.5 * (call_bid + call_ask - put_bid - put_ask)
    half_spread = 0.5 * (call_ask - call_bid + put_ask - put_bid)
    two_sided = (call_bid > 0.0) & (put_bid > 0.0) & (call_ask > call_bid) & (put_ask > put_bid)
    usable = two_sided & (time_to_expiry > 0.0)[:, None]
    columns = np.argsort(~usable, axis=1, kind="stable")[:, : max(1, int(usable.sum(axis=1).max(initial=0)))]
    pairs = _Pairs(
        strike=np.take_along_axis(np.where(usable, strike, np.nan), columns, axis=1),
        synthetic=np.take_along_axis(np.where(usable, synthetic, np.nan), columns, axis=1),
        half_spread=np.take_along_axis(np.where(usable, half_spread, np.nan), columns, axis=1),
        count=usable.sum(axis=1),
    )
    intervals = _intervals(strike, call_bid, call_ask=call_ask, put_bid=put_bid, put_ask=put_ask)
    discount_low, discount_high = intervals[:, 2], intervals[:, 3]
    discount_factor, regression_error = _robust_line(pairs)
    # An empty region has no width to take a share of; the stale quote that emptied it does not enter the regression.
    width = np.where(intervals[:, 4] < 0.0, 0.0, discount_high - discount_low)
    discount_error = np.hypot(regression_error, chosen.interval_share * width)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate_error = discount_error / (discount_factor * time_to_expiry)
        own = (
            (discount_factor > 0.0)
            & (rate_error <= chosen.max_rate_error)
            & (pairs.count >= chosen.min_pairs)
            & (time_to_expiry > 0.0)
        )
        own_rate = -np.log(discount_factor) / time_to_expiry
    curve = _implied_curve(time_to_expiry[own], own_rate[own], error=rate_error[own])
    source = np.where(own, "parity", "none").astype("U16")
    for replacement in (curve, fallback):
        missing = source == "none"
        if replacement is not None and missing.any():
            discount_factor = np.where(
                missing, np.exp(-replacement.rate(time_to_expiry) * time_to_expiry), discount_factor
            )
            source[missing] = replacement.name
    known = source != "none"
    discount_factor = np.where(known, discount_factor, np.nan)
    forward, forward_error = _forward_given_discount(pairs, discount_factor)
    known &= np.isfinite(forward)
    with np.errstate(invalid="ignore", divide="ignore"):
        zero_rate = -np.log(discount_factor) / time_to_expiry
    return ForwardFit(
        forward=forward,
        forward_error=forward_error,
        discount_factor=np.where(known, discount_factor, np.nan),
        discount_error=np.where(own, discount_error, np.nan),
        zero_rate=np.where(known, zero_rate, np.nan),
        n_pairs=pairs.count.astype(np.int64),
        rate_source=source,
        forward_low=intervals[:, 0],
        forward_high=intervals[:, 1],
        discount_low=discount_low,
        discount_high=discount_high,
        parity_slack=intervals[:, 4],
        implied_curve=curve,
    )


@dataclass(frozen=True)
class _Pairs:
    """Strikes quoted on both sides, packed to the left of rows of shape (n_slices, most pairs), NaN behind."""

    strike: Floats
    synthetic: Floats
    half_spread: Floats
    count: NDArray[np.int64]


def _median(values: Floats) -> Floats:
    """Return the median of each row's non-NaN values; NaN for a row without any."""
    ordered = np.sort(values, axis=1)
    last = np.maximum(np.isfinite(values).sum(axis=1) - 1, 0)
    rows = np.arange(values.shape[0])
    return np.asarray(0.5 * (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]), dtype=np.float64)


def _robust_line(pairs: _Pairs) -> tuple[Floats, Floats]:
    """Return D and its standard error from synthetic = D*(F - K), by bisquare-weighted least squares.

    The start takes slopes between strikes half a slice apart: each strike enters one slope only and the median
    withstands a quarter of bad strikes. Errors are in units of the half-spread; their scale is kept above a twentieth
    of it, since printed prices are rounded.
    """
    strike, synthetic, half = pairs.strike, pairs.synthetic, pairs.half_spread
    n_slices, width = strike.shape
    reach = np.maximum(pairs.count // 2, 1)[:, None]
    partner = np.minimum(np.arange(width)[None, :] + reach, width - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = (np.take_along_axis(synthetic, partner, axis=1) - synthetic) / (
            np.take_along_axis(strike, partner, axis=1) - strike
        )
    discount_factor = -_median(slopes)
    level = _median(synthetic + discount_factor[:, None] * strike)
    error = np.full(n_slices, np.nan)
    weight_base = np.nan_to_num(half**-2.0)
    for _ in range(8):
        residual = (synthetic - level[:, None] + discount_factor[:, None] * strike) / half
        scale = np.maximum(_median(np.abs(residual)) / NORMAL_MAD, 0.05)
        weight = weight_base * _bisquare(residual / scale[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            total = weight.sum(axis=1)
            center_k = np.nansum(weight * strike, axis=1) / total
            center_y = np.nansum(weight * synthetic, axis=1) / total
            off = np.where(np.isnan(strike), 0.0, strike - center_k[:, None])
            spread = (weight * off * off).sum(axis=1)
            slope = (weight * off * np.where(np.isnan(synthetic), 0.0, synthetic)).sum(axis=1) / spread
            discount_factor = -slope
            level = center_y - slope * center_k
            error = scale / np.sqrt(spread)
    return discount_factor, error


def _bisquare(standardized: Floats) -> Floats:
    inside = np.abs(standardized) < BISQUARE
    return np.where(inside, (1.0 - (np.where(inside, standardized, 0.0) / BISQUARE) ** 2) ** 2, 0.0)


def _implied_curve(time: Floats, rate: Floats, *, error: Floats) -> RateCurve | None:
    """Return the curve through the rates of slices that determine theirs; None if there are none.

    Slices within a week of each other are averaged by their precision, so that one slice does not bend the curve.
    """
    if time.size == 0:
        return None
    order = np.lexsort((rate, time))
    time, rate, precision = time[order], rate[order], error[order] ** -2.0
    week = np.floor(time * 365.0 / 7.0).astype(np.int64)
    _, bucket = np.unique(week, return_inverse=True)
    total = np.bincount(bucket, weights=precision)
    return RateCurve(
        "implied_curve",
        np.bincount(bucket, weights=precision * time) / total,
        np.bincount(bucket, weights=precision * rate) / total,
    )


def _forward_given_discount(pairs: _Pairs, discount_factor: Floats) -> tuple[Floats, Floats]:
    """Return the forward and its standard error (index points) with the discount factor of each slice given.

    Weights fall with the fourth power of the spread: where a quote is wide its mid errs by a share of the spread, the
    same way at all deep strikes, and their number must not outvote the few tight strikes at the money.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        implied = pairs.strike + pairs.synthetic / discount_factor[:, None]
        half = pairs.half_spread / discount_factor[:, None]
        base = np.nan_to_num(half**-4.0)
        narrowest = np.where(np.isnan(half), np.inf, half).min(axis=1)
        forward = _median(np.where(half <= 2.0 * narrowest[:, None], implied, np.nan))
        variance = np.zeros_like(forward)
        for _ in range(6):
            residual = (implied - forward[:, None]) / half
            scale = np.maximum(_median(np.abs(residual)) / NORMAL_MAD, 0.05)
            weight = base * _bisquare(residual / scale[:, None])
            total = weight.sum(axis=1)
            forward = np.nansum(weight * implied, axis=1) / total
            variance = scale**2 * np.nansum((weight * half) ** 2, axis=1) / total**2
        return forward, np.sqrt(variance)


def _intervals(strike: Floats, call_bid: Floats, *, call_ask: Floats, put_bid: Floats, put_ask: Floats) -> Floats:
    """Return rows (forward_low, forward_high, discount_low, discount_high, slack) of every slice's parity region."""
    lower, upper = synthetic_bounds(call_bid, call_ask, put_bid=put_bid, put_ask=put_ask)
    found = np.full((strike.shape[0], 5), np.nan)
    for row in range(strike.shape[0]):
        listed = np.isfinite(strike[row])
        region = parity_region(strike[row, listed], lower[row, listed], upper=upper[row, listed])
        bounds = (
            region.forward_low,
            region.forward_high,
            region.discount_low,
            region.discount_high,
            region.slack,
        )
        found[row] = [np.nan if bound is None else bound for bound in bounds]
    return found
