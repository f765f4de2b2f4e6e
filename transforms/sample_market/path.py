"""The state of the sample market at the open, through the day and at the close of every session.

Spot follows stochastic volatility with jumps, driven by the two factors of the forward variance curve; the shape of the
smile, the volatility of volatility and rates are slower processes of their own.
"""

import math
from dataclasses import dataclass

import numpy as np

from transforms.sample_market.arrays import Floats
from transforms.sample_market.clock import VarianceClock
from transforms.sample_market.model import MarketModel

# States of a session: the open, then equal steps to a quarter of an hour before the close, then the close.
N_STATES = 26
OPEN, QUARTER_BEFORE_CLOSE, CLOSE = 0, N_STATES - 2, N_STATES - 1
PATH_STREAM = 0


@dataclass(frozen=True)
class MarketPath:
    """The simulated state; row i is session `first + i` of `clock`.

    `spot` (points), `fast`, `slow` (log variance factors) and `vol_of_vol` (log multiplier) are (n, N_STATES); the
    smile's `rho` and `eta`, `level_rate` and `short_rate` (decimals, continuous) and `breadth_noise` (standard normal)
    are (n).
    """

    model: MarketModel
    clock: VarianceClock
    first: int
    seed: int
    spot: Floats
    fast: Floats
    slow: Floats
    vol_of_vol: Floats
    rho: Floats
    eta: Floats
    level_rate: Floats
    short_rate: Floats
    breadth_noise: Floats

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.rho)


def simulated_path(clock: VarianceClock, first: int, *, last: int, model: MarketModel, seed: int) -> MarketPath:
    """Return the path over sessions [first, last] of the clock; one seed gives one path.

    The start is drawn from the stationary law of the factors. Later sessions never change earlier ones.
    """
    n = last - first + 1
    # One stream per quantity: a longer path then only appends draws.
    streams = [
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(PATH_STREAM, stream))) for stream in range(5)
    ]
    shocks = streams[0].standard_normal((n * N_STATES, 4))
    jump_draws = streams[1].random(n * N_STATES)
    jump_sizes = streams[2].standard_normal(n * N_STATES)
    daily = streams[3].standard_normal((n, 5))
    start = streams[4].standard_normal(2)
    steps = _clock_steps(clock, first, last=last)
    spot, fast, slow, vol_of_vol = _states(
        model, steps, shocks=shocks, jump_draws=jump_draws, jump_sizes=jump_sizes, start=start
    )
    shape = (n, N_STATES)
    rho_shift = _autoregression(daily[:, 0], reversion=model.smile_reversion)
    share_shift = _autoregression(daily[:, 1], reversion=model.smile_reversion)
    rho = np.clip(model.smile_correlation + model.smile_correlation_deviation * rho_shift, -0.85, -0.60)
    odds = math.log(model.smile_share / (1 - model.smile_share))
    # A logistic keeps eta * (1 + |rho|) below 2, the bound of Gatheral and Jacquier (2014), section 4.
    share = 1.0 / (1.0 + np.exp(-(odds + model.smile_share_deviation * share_shift)))
    rate_scale = model.rate_volatility / math.sqrt(2.0 * model.rate_reversion)
    level_rate = model.long_rate + rate_scale * _autoregression(daily[:, 2], reversion=model.rate_reversion, start=0.0)
    short_rate = model.short_rate + rate_scale * _autoregression(daily[:, 3], reversion=model.rate_reversion, start=0.0)
    return MarketPath(
        model=model,
        clock=clock,
        first=first,
        seed=seed,
        spot=spot.reshape(shape),
        fast=fast.reshape(shape),
        slow=slow.reshape(shape),
        vol_of_vol=vol_of_vol.reshape(shape),
        rho=rho,
        eta=share * 2.0 / (1.0 + np.abs(rho)),
        level_rate=level_rate,
        short_rate=short_rate,
        breadth_noise=daily[:, 4],
    )


def _clock_steps(clock: VarianceClock, first: int, *, last: int) -> Floats:
    """Return the clock that passes before each state, flattened (n * N_STATES)."""
    rows = slice(first, last + 1)
    opens, closes = clock.at_open[rows], clock.at_close[rows]
    previous = clock.at_close[first - 1 : last] if first > 0 else np.concatenate([opens[:1], closes[:-1]])
    session = closes - opens
    minutes = (clock.closes[rows] - clock.opens[rows]).astype(np.float64)
    final = session * 15.0 / minutes
    steps = np.empty((last - first + 1, N_STATES))
    steps[:, OPEN] = opens - previous
    steps[:, 1:CLOSE] = ((session - final) / (N_STATES - 2))[:, None]
    steps[:, CLOSE] = final
    return steps.ravel()


def _states(
    model: MarketModel, steps: Floats, *, shocks: Floats, jump_draws: Floats, jump_sizes: Floats, start: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return spot, fast, slow and vol_of_vol after each step: a recursion, hence a plain loop over floats."""
    fast_shock = _correlated(shocks[:, 1], shocks[:, 0], correlation=model.spot_fast_correlation)
    slow_shock = _correlated(shocks[:, 2], shocks[:, 0], correlation=model.spot_slow_correlation)
    vol_shock = _correlated(shocks[:, 3], fast_shock, correlation=model.vol_of_vol_fast_correlation)
    root = np.sqrt(steps)
    fast_decay = np.exp(-model.fast_reversion * steps).tolist()
    slow_decay = np.exp(-model.slow_reversion * steps).tolist()
    vol_decay = np.exp(-model.vol_of_vol_reversion * steps).tolist()
    fast_move = (model.fast_volatility * root * fast_shock).tolist()
    slow_move = (model.slow_volatility * root * slow_shock).tolist()
    vol_move = (model.vol_of_vol_volatility * root * vol_shock).tolist()
    spot_shock = (root * shocks[:, 0]).tolist()
    jumps = np.where(
        jump_draws < model.jump_rate * steps, model.jump_mean + model.jump_deviation * jump_sizes, 0.0
    ).tolist()
    drift = (model.spot_drift * steps).tolist()
    elapsed = steps.tolist()
    # surface.spot_variance, unrolled over floats.
    floor = model.realized_share * model.variance_floor
    lift = model.realized_share * (model.near_variance - model.variance_floor)
    log_spot = math.log(model.start_spot)
    fast = float(start[0]) * model.fast_volatility / math.sqrt(2.0 * model.fast_reversion)
    slow = float(start[1]) * model.slow_volatility / math.sqrt(2.0 * model.slow_reversion)
    vol = 0.0
    out = np.empty((len(elapsed), 4))
    for step, passed in enumerate(elapsed):
        variance = floor + lift * math.exp(fast + slow)
        jump = jumps[step]
        log_spot += drift[step] - 0.5 * variance * passed + math.sqrt(variance) * spot_shock[step] + jump
        fast = fast * fast_decay[step] + math.exp(vol) * fast_move[step]
        if jump:
            fast -= model.jump_fast_lift * jump / abs(model.jump_mean)
        slow = slow * slow_decay[step] + slow_move[step]
        vol = vol * vol_decay[step] + vol_move[step]
        out[step] = (log_spot, fast, slow, vol)
    return np.exp(out[:, 0]), out[:, 1], out[:, 2], out[:, 3]


def _correlated(own: Floats, driver: Floats, *, correlation: float) -> Floats:
    return correlation * driver + math.sqrt(1.0 - correlation**2) * own


def _autoregression(shocks: Floats, *, reversion: float, start: float | None = None) -> Floats:
    """Return a daily Ornstein-Uhlenbeck series of unit stationary variance; `reversion` per year."""
    decay = math.exp(-reversion / 252.0)
    scale = math.sqrt(1.0 - decay**2)
    values = np.empty_like(shocks)
    value = float(shocks[0]) if start is None else start
    for index, shock in enumerate(shocks.tolist()):
        value = decay * value + scale * shock
        values[index] = value
    return values
