"""VX futures and VIX options consistent with SPX forward variance.

At an expiration T the law of VIX is VX times a two-lognormal mixture M with E[M] = 1, and VX is set so that
E[VIX^2] = VX^2 * E[M^2] is exactly the SPX variance between T and 30 days later. Volatility of M comes from the two
factors of the variance curve, so it falls with the time to T as theirs does.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from transforms.sample_market.arrays import Booleans, Floats, Integers
from transforms.sample_market.clock import MINUTES_PER_YEAR, VarianceClock, minute_of
from transforms.sample_market.model import MarketModel
from transforms.sample_market.path import MarketPath
from transforms.sample_market.surface import at_the_money_variance, black_price, cumulative_variance, swap_variance
from transforms.sessions import OPTION_OPEN

VIX_DAYS = 30
VIX_YEARS = VIX_DAYS / 365.0


@dataclass(frozen=True)
class VixLaw:
    """Law of VIX at one expiration, one entry per state or expiration.

    `future` is E[VIX] (points), `second_moment` E[VIX^2] (points squared), `up_mean`, `down_mean` the means of the two
    lognormals relative to `future`, `up_deviation`, `down_deviation` their log standard deviations.
    """

    future: Floats
    second_moment: Floats
    up_mean: Floats
    down_mean: Floats
    up_deviation: Floats
    down_deviation: Floats
    up_weight: float


def forward_variance(path: MarketPath, rows: Integers, *, state: int, expirations: list[date]) -> Floats:
    """Return annualized SPX variance over the 30 days after each expiration, shape (rows, expirations).

    `rows` are path rows and `state` the moment of the day. Zero distance (the opening of the expiration day itself)
    gives the final settlement's square.
    """
    cumulative = cumulative_variance(path.model, path.fast[rows, state], slow=path.slow[rows, state])
    now = clock_of_state(path, rows, state=state)
    variances = []
    for shift in (0, VIX_DAYS):
        instants = np.array([minute_of(day + timedelta(days=shift), OPTION_OPEN) for day in expirations])
        theta = at_the_money_variance(cumulative, path.clock.at(instants)[None, :] - now[:, None])
        swaps = swap_variance(
            np.maximum(theta, 1e-12),
            rho=path.rho[rows][:, None],
            eta=path.eta[rows][:, None],
            gamma=path.model.smile_gamma,
        )
        variances.append(np.where(theta > 0.0, swaps, 0.0))
    return np.asarray((variances[1] - variances[0]) / VIX_YEARS)


def clock_of_state(path: MarketPath, rows: Integers, *, state: int) -> Floats:
    """Return the variance clock at a state of the day, for path rows."""
    index = path.first + rows
    clock: VarianceClock = path.clock
    if state == 0:
        return clock.at_open[index]
    if state == path.spot.shape[1] - 1:
        return clock.at_close[index]
    session = clock.at_close[index] - clock.at_open[index]
    final = session * 15.0 / (clock.closes[index] - clock.opens[index])
    return np.asarray(clock.at_open[index] + (session - final) * state / (path.spot.shape[1] - 2))


def vix_law(path: MarketPath, rows: Integers, *, state: int, expirations: list[date]) -> VixLaw:
    """Return the law of VIX at each expiration, arrays of shape (rows, expirations)."""
    model = path.model
    second_moment = 1e4 * forward_variance(path, rows, state=state, expirations=expirations)
    instants = np.array([minute_of(day, OPTION_OPEN) for day in expirations])
    horizon = np.maximum(path.clock.at(instants)[None, :] - clock_of_state(path, rows, state=state)[:, None], 0.0)
    deviation = mixture_deviation(model, horizon, vol_of_vol=path.vol_of_vol[rows, state][:, None])
    weight = model.vix_up_weight
    up_mean = 1.0 + model.vix_up_shift * np.minimum(deviation, 1.0)
    down_mean = (1.0 - weight * up_mean) / (1.0 - weight)
    up_deviation = model.vix_up_scale * deviation
    down_deviation = model.vix_down_scale * deviation
    relative = weight * up_mean**2 * np.exp(up_deviation**2) + (1 - weight) * down_mean**2 * np.exp(down_deviation**2)
    return VixLaw(
        future=np.sqrt(second_moment / relative),
        second_moment=second_moment,
        up_mean=up_mean,
        down_mean=down_mean,
        up_deviation=up_deviation,
        down_deviation=down_deviation,
        up_weight=weight,
    )


def mixture_deviation(model: MarketModel, horizon: Floats, *, vol_of_vol: Floats) -> Floats:
    """Return the log standard deviation of VIX over a horizon (clock years) implied by the factor dynamics.

    Half the integral of the squared volatility of 30-day forward variance; the state of the volatility of volatility
    counts less the longer the horizon, as it reverts.
    """
    window = VIX_YEARS
    fast = model.fast_volatility * -np.expm1(-model.fast_reversion * window) / (model.fast_reversion * window)
    slow = model.slow_volatility * -np.expm1(-model.slow_reversion * window) / (model.slow_reversion * window)
    common = model.spot_fast_correlation * model.spot_slow_correlation
    total = np.zeros_like(horizon)
    for first, second, rate in (
        (fast, fast, 2.0 * model.fast_reversion),
        (slow, slow, 2.0 * model.slow_reversion),
        (2.0 * common * fast, slow, model.fast_reversion + model.slow_reversion),
    ):
        total += first * second * -np.expm1(-rate * horizon) / rate
    fading = np.maximum(0.5 * model.vol_of_vol_reversion * horizon, 1e-9)
    multiplier = np.exp(2.0 * vol_of_vol * -np.expm1(-fading) / fading)
    return np.asarray(0.5 * model.vix_volatility_premium * np.sqrt(total * multiplier))


def vix_option_price(
    law: VixLaw, position: tuple[int, int], *, strike: Floats, is_call: Booleans, future: float
) -> Floats:
    """Return undiscounted prices (points) of VIX options at one (row, expiration); `future` is VX as printed."""
    parts = (
        (law.up_weight, law.up_mean[position], law.up_deviation[position]),
        (1.0 - law.up_weight, law.down_mean[position], law.down_deviation[position]),
    )
    price = np.zeros_like(strike)
    for weight, mean, deviation in parts:
        price += weight * black_price(
            np.full_like(strike, future * mean),
            strike,
            total_variance=np.full_like(strike, deviation**2),
            is_call=is_call,
        )
    return price


def years_between(start: Integers | int, end: Integers) -> Floats:
    """Return ACT/365 years between UTC minutes."""
    return np.asarray((end - start) / MINUTES_PER_YEAR)
