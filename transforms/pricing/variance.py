"""Variance from option strips: Cboe's VIX, term by term as published, and the replicated variance swap.

Cboe's strip (`cboe_strip`) is what the index is computed from. The piecewise linear replication (`variance_swap`) is
the cost of the portfolio that a seller of variance would hold. Both price E[-2 ln(S_T/F)]/tau up to the strikes listed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from transforms.sessions import TradingCalendar, next_month, third_friday

Floats = NDArray[np.float64]

MINUTES_30_DAYS = 43_200.0
MINUTES_365_DAYS = 525_600.0
# Cboe added weeklys to the index on this day; before, only standard monthly expirations entered.
WEEKLY_TERMS_FROM = date(2014, 10, 6)


@dataclass(frozen=True)
class Strip:
    """Cboe's strip of one slice.

    variance: annualized, decimal squared (sigma^2 of the white paper). forward and at_the_money_strike (K0): index
    points. strikes, prices, weights: the options used, by increasing strike; prices are mids, at K0 the mean of call
    and put; weights are delta_K/K^2.
    """

    variance: float
    forward: float
    at_the_money_strike: float
    strikes: Floats
    prices: Floats
    weights: Floats


@dataclass(frozen=True)
class VixTerm:
    """One of the two expirations of the index."""

    root: str
    expiration: date


def cboe_strip(
    strike: Floats,
    call_bid: Floats,
    *,
    call_ask: Floats,
    put_bid: Floats,
    put_ask: Floats,
    time_to_expiry: float,
    rate: float,
) -> Strip | None:
    """Return the variance of one slice by the method of the VIX.

    Parameters
    ----------
    strike, call_bid, call_ask, put_bid, put_ask : arrays of shape (n,)
        Index points, strikes increasing. NaN or 0 where there is no quote.
    time_to_expiry : float
        Years of 525,600 minutes.
    rate : float
        Continuously compounded, decimal a year, to this expiration.

    Returns
    -------
    Strip or None
        None if no strike has both mids, or fewer than two options are left.

    Notes
    -----
    Cboe Volatility Index Methodology, steps 1 and 2. The forward comes from the strike of least |C - P| (the lower of
    two that tie); K0 is the strike at or below it. From K0 outward every option with a bid is taken until two strikes
    in a row have none. delta_K is half the distance between the neighbors used, at the ends the distance to the one
    neighbor.
    """
    growth = np.exp(rate * time_to_expiry)
    call_mid, put_mid = 0.5 * (call_bid + call_ask), 0.5 * (put_bid + put_ask)
    difference = call_mid - put_mid
    two_sided = (call_bid > 0.0) & (put_bid > 0.0) & np.isfinite(difference)
    if not two_sided.any() or not time_to_expiry > 0.0:
        return None
    nearest = int(np.argmin(np.where(two_sided, np.abs(difference), np.inf)))
    forward = float(strike[nearest] + growth * difference[nearest])
    center = int(np.searchsorted(strike, forward, side="right")) - 1
    if center < 0:
        return None
    puts = (center - 1 - _bid_run(put_bid[:center][::-1]))[::-1]
    calls = center + 1 + _bid_run(call_bid[center + 1 :])
    straddle = 0.5 * (call_mid[center] + put_mid[center])
    strikes = strike[np.concatenate((puts, [center], calls))]
    prices = np.concatenate((put_mid[puts], [straddle], call_mid[calls]))
    priced = np.isfinite(prices)
    strikes, prices = strikes[priced], prices[priced]
    if strikes.size < 2:
        return None
    weights = _strike_widths(strikes) / strikes**2
    at_the_money = float(strike[center])
    variance = (2.0 * growth * float(np.dot(weights, prices)) - (forward / at_the_money - 1.0) ** 2) / time_to_expiry
    return Strip(variance, forward, at_the_money, strikes, prices, weights)


def _bid_run(bids: Floats) -> NDArray[np.int64]:
    """Return the positions with a bid, outward from K0, before the first two in a row without one."""
    none = ~(bids > 0.0)
    stops = np.flatnonzero(none[:-1] & none[1:])
    end = int(stops[0]) if stops.size else bids.size
    return np.flatnonzero(~none[:end])


def _strike_widths(strikes: Floats) -> Floats:
    """Return delta_K of each strike: half the distance between its neighbors, at the ends the distance to the next."""
    gaps = np.diff(strikes)
    return np.concatenate(([gaps[0]], 0.5 * (gaps[1:] + gaps[:-1]), [gaps[-1]]))


def vix_level(variances: tuple[float, float], minutes: tuple[float, float]) -> float:
    """Return the VIX, in points, from the variances of the near and the next term and their minutes to settlement.

    The total variances are interpolated, or extrapolated, linearly to 30 days. NaN if that is negative. (Cboe
    Volatility Index Methodology, step 3)
    """
    near, following = (v * m / MINUTES_365_DAYS for v, m in zip(variances, minutes, strict=True))
    share = (MINUTES_30_DAYS - minutes[0]) / (minutes[1] - minutes[0])
    total = near + share * (following - near)
    return 100.0 * float(np.sqrt(total * MINUTES_365_DAYS / MINUTES_30_DAYS)) if total >= 0.0 else float("nan")


def vix_terms(
    session_date: date, listed: Collection[tuple[str, date]], *, calendar: TradingCalendar
) -> tuple[VixTerm, VixTerm] | None:
    """Return the two expirations of the VIX on a session, or None if the chain does not list both.

    Parameters
    ----------
    listed : pairs (root, expiration)
        What the chain holds, roots SPX and SPXW.
    calendar : TradingCalendar
        An expiration on an exchange holiday is moved to the session before.

    Notes
    -----
    Since 2014-10-06 the terms are the two Friday expirations that bracket 30 days: the last at or under 30 days, and
    the one a week later, so both lie between 23 and 37 days. On third Fridays the term is the AM-settled SPX series,
    on other Fridays the PM-settled SPXW. Before, the terms were the first two standard months with at least 8 days to
    the Saturday on which they then expired, 7 to the Friday opening that settles them.
    """
    if session_date >= WEEKLY_TERMS_FROM:
        latest = session_date + timedelta(days=30)
        friday = latest - timedelta(days=(latest.weekday() - 4) % 7)
        fridays = [friday, friday + timedelta(days=7)]
    else:
        month = session_date.year, session_date.month
        months = [month, next_month(*month), next_month(*next_month(*month))]
        fridays = [day for day in (third_friday(*m) for m in months) if (day - session_date).days >= 7][:2]
    terms = []
    for friday in fridays:
        root = "SPX" if friday == third_friday(friday.year, friday.month) else "SPXW"
        printed = [calendar.on_or_before(friday), friday + timedelta(days=1)]
        found = [day for day in printed if (root, day) in listed]
        if not found:
            return None
        terms.append(VixTerm(root, found[0]))
    return terms[0], terms[1]


def variance_swap(
    put_strike: Floats,
    put_price: Floats,
    *,
    call_strike: Floats,
    call_price: Floats,
    forward: float,
    discount_factor: float,
    time_to_expiry: float,
) -> float:
    """Return the fair annualized variance (decimal squared) of a variance swap replicated by listed options.

    Parameters
    ----------
    put_strike, call_strike : arrays, index points
        Each increasing; the largest put strike and the smallest call strike are the same strike S*, where puts end
        and calls begin.
    put_price, call_price : arrays, index points
    forward, discount_factor : of this expiration, index points and factor
    time_to_expiry : years

    Raises
    ------
    ValueError
        If the two strips do not meet at one strike.

    Notes
    -----
    Demeterfi, Derman, Kamal and Zou (1999), "More than you ever wanted to know about volatility swaps", equations
    A4-A9: the log payoff beyond S* is replaced by line segments between listed strikes, the last one extended by one
    strike step, and a segment's change of slope is the number of options held.
    """
    if put_strike[-1] != call_strike[0]:
        raise ValueError(
            f"puts end at strike {put_strike[-1]}, calls begin at {call_strike[0]}; give both strips the strike "
            "at which puts end and calls begin"
        )
    center = float(call_strike[0])
    calls = np.dot(_segment_slopes(call_strike, center), call_price)
    puts = np.dot(_segment_slopes(put_strike[::-1], center), put_price[::-1])
    moneyness = forward / center
    payoffs = float(calls + puts) / discount_factor
    return 2.0 / time_to_expiry * (float(np.log(moneyness)) - (moneyness - 1.0) + payoffs)


def _segment_slopes(outward: Floats, center: float) -> Floats:
    """Return the options held at each strike, going outward from `center`, per unit of payoff K/S* - 1 - ln(K/S*)."""
    beyond = np.append(outward, 2.0 * outward[-1] - outward[-2])
    payoff = beyond / center - 1.0 - np.log(beyond / center)
    slopes = np.abs(np.diff(payoff) / np.diff(beyond))
    return np.diff(slopes, prepend=0.0)
