"""Quotes around true prices: spreads, ticks, sizes, trades and open interest.

Bids are rounded down and asks up, so the true price is always between them and a clean market holds no executable
arbitrage.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transforms.sample_market.arrays import Floats, Integers
from transforms.sample_market.chain import Chain
from transforms.sample_market.noise import QUOTE_STREAM, STATIC_STREAM, normal_noise, uniform_noise

# Cboe's minimum increments in cents: 0.05 below 3.00, 0.10 from there on, for SPX and VIX series alike.
SMALL_TICK, LARGE_TICK, TICK_BOUND = 5, 10, 300
CENTS = 100.0
MEDIAN_SIZE = 45.0


@dataclass(frozen=True)
class Quotes:
    """What the vendor's file says of each row of a chain: prices in cents, sizes and counts in contracts.

    `copies` is how many times a row is written and `strike` the strike printed (thousandths); other than 1 and the
    chain's only under planted faults. A series past its last trade has 0 everywhere but open interest.
    """

    chain: Chain
    strike: Integers
    bid_1545: Integers
    ask_1545: Integers
    bid_eod: Integers
    ask_eod: Integers
    bid_size_1545: Integers
    ask_size_1545: Integers
    bid_size_eod: Integers
    ask_size_eod: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers
    open_interest: Integers
    copies: Integers


def quoted_chain(chain: Chain, *, seed: int) -> Quotes:
    """Return clean quotes of a chain; they depend on the seed, the session and each series alone."""
    day = chain.session_date
    bid_eod, ask_eod = two_sides(chain, chain.true_eod, seed=seed)
    bid_1545, ask_1545 = two_sides(chain, chain.true_1545, seed=seed)
    sizes = []
    for number, live in enumerate((bid_1545 > 0, ask_1545 > 0, bid_eod > 0, ask_eod > 0), start=10):
        noise = normal_noise(chain.keys, seed=seed, stream=QUOTE_STREAM, day=day, draw=number)
        sizes.append(np.where(live, np.ceil(MEDIAN_SIZE * np.exp(1.1 * noise)), 0).astype(np.int64))
    volume, open_interest = _activity(chain, seed=seed)
    volume = np.where(ask_eod > 0, volume, 0)
    prints = _trade_prices(chain, bid_eod, ask=ask_eod, volume=volume, seed=seed)
    return Quotes(
        chain=chain,
        strike=chain.strike.copy(),
        bid_1545=bid_1545,
        ask_1545=ask_1545,
        bid_eod=bid_eod,
        ask_eod=ask_eod,
        bid_size_1545=sizes[0],
        ask_size_1545=sizes[1],
        bid_size_eod=sizes[2],
        ask_size_eod=sizes[3],
        open=prints[0],
        high=prints[1],
        low=prints[2],
        close=prints[3],
        volume=volume,
        open_interest=open_interest,
        copies=np.ones(len(chain.strike), dtype=np.int64),
    )


def two_sides(chain: Chain, true_price: Floats, *, seed: int) -> tuple[Integers, Integers]:
    """Return bid and ask in cents around true prices (points); 0 and 0 where the series no longer trades (price 0).

    The same noise serves both snapshots of a session, so that only the market moves between them.
    """
    place, breadth = (
        uniform_noise(chain.keys, seed=seed, stream=QUOTE_STREAM, day=chain.session_date, draw=draw) for draw in (0, 1)
    )
    level = _spread_level(chain)
    pairs = true_price.reshape(-1, 2)
    small = np.repeat(pairs.min(axis=1), 2)
    intrinsic = true_price - small
    scale = np.where(chain.is_vix(), 10.0, 1.0)
    # Against real closing chains: 1.4 points wide at a price of 70, 0.6 at 15, 0.15 at 1, 2.5 deep in the money.
    width = 0.02 + 0.050 * (small * scale) ** 0.75 / scale * level
    width += (1.1 * level * np.minimum(intrinsic / 60.0, 1.0) + 0.0005 * intrinsic) / scale**0.6
    width *= 0.8 + 0.4 * breadth
    below = width * (0.3 + 0.4 * place)
    bid = rounded_down(CENTS * (true_price - below))
    ask = rounded_up(CENTS * (true_price - below + width))
    live = np.repeat(pairs.max(axis=1) > 0.0, 2)
    return np.where(live, bid, 0), np.where(live, ask, 0)


def rounded_down(cents: Floats | Integers) -> Integers:
    """Return prices in cents rounded down to the tick, at least 0."""
    tick = np.where(cents >= TICK_BOUND, LARGE_TICK, SMALL_TICK)
    return np.maximum((np.floor(cents / tick) * tick).astype(np.int64), 0)


def rounded_up(cents: Floats | Integers) -> Integers:
    """Return prices in cents rounded up to the tick, at least one tick."""
    tick = np.where(cents >= TICK_BOUND, LARGE_TICK, SMALL_TICK)
    return np.maximum((np.ceil(cents / tick) * tick).astype(np.int64), SMALL_TICK)


def with_prices(quotes: Quotes, rows: Integers, *, bid: Floats | Integers, ask: Floats | Integers) -> Quotes:
    """Return quotes with bids and asks (cents) of some rows replaced at both snapshots, rounded outward."""
    low, high = rounded_down(bid), rounded_up(ask)
    changed: dict[str, Any] = {}
    for name, values in (("bid_1545", low), ("ask_1545", high), ("bid_eod", low), ("ask_eod", high)):
        column = getattr(quotes, name).copy()
        column[rows] = values
        changed[name] = column
    for name in ("bid_size_1545", "ask_size_1545", "bid_size_eod", "ask_size_eod"):
        column = getattr(quotes, name).copy()
        column[rows] = np.maximum(column[rows], 1)
        changed[name] = column
    return replace(quotes, **changed)


def _spread_level(chain: Chain) -> Floats:
    """Return the width factor of each row: wider far out in time, in high volatility and for VIX's smaller numbers."""
    truth = chain.truth_eod
    years = np.maximum(truth.years, 1e-4)
    is_vix = np.isnan(truth.theta)
    volatility = np.sqrt(np.where(is_vix, 0.03, truth.theta) / years)
    by_slice = (0.85 + 0.30 * np.sqrt(years)) * np.sqrt(np.clip(volatility / 0.16, 0.6, 4.0))
    return np.where(is_vix, 0.9 + 0.3 * np.sqrt(years), by_slice)[chain.slice_index]


def _activity(chain: Chain, *, seed: int) -> tuple[Integers, Integers]:
    """Return volume and open interest: most near the money and at round strikes, more towards expiration."""
    truth = chain.truth_eod
    index = chain.slice_index
    strike = chain.strike / 1_000.0
    is_vix = chain.is_vix()
    years = np.maximum(truth.years, 1.0 / 365.0)
    deviation = np.where(np.isnan(truth.theta), 0.9 * np.sqrt(years), np.sqrt(np.nan_to_num(truth.theta, nan=1.0)))
    distance = np.log(strike / truth.forward[index]) / np.maximum(deviation[index], 0.003)
    side = np.where(chain.is_call, distance, -distance)
    # Out-of-the-money options trade, deep in-the-money ones hardly.
    appeal = -0.35 * side**2 / (1.0 + 0.25 * np.abs(side)) - 2.2 * np.maximum(-side - 0.5, 0.0)
    appeal += np.where(chain.strike % 100_000 == 0, 1.2, 0.0) + np.where(chain.strike % 25_000 == 0, 0.8, 0.0)
    lasting = normal_noise(chain.keys, seed=seed, stream=STATIC_STREAM, day=None, draw=0)
    fleeting = normal_noise(chain.keys, seed=seed, stream=QUOTE_STREAM, day=chain.session_date, draw=20)
    span = years[index]
    interest = np.exp(5.6 + np.where(is_vix, 2.0, 0.0) + 0.7 * appeal + 1.5 * lasting - 1.2 * np.sqrt(span))
    volume = np.exp(2.3 + np.where(is_vix, 1.5, 0.0) + appeal + 2.1 * fleeting + 0.4 * lasting - 2.2 * np.sqrt(span))
    return np.floor(volume).astype(np.int64), np.floor(interest).astype(np.int64)


def _trade_prices(
    chain: Chain, bid: Integers, *, ask: Integers, volume: Integers, seed: int
) -> tuple[Integers, Integers, Integers, Integers]:
    """Return open, high, low, close in cents, 0 where nothing traded."""
    traded = volume > 0
    last, travel = (
        uniform_noise(chain.keys, seed=seed, stream=QUOTE_STREAM, day=chain.session_date, draw=draw) for draw in (2, 3)
    )
    close = rounded_up(bid + last * (ask - bid))
    other = rounded_up(close * np.exp(0.5 * (travel - 0.5)))
    opening = np.where(volume > 1, other, close)
    high = np.maximum(opening, close)
    low = np.minimum(opening, close)
    return tuple(np.where(traded, prices, 0) for prices in (opening, high, low, close))  # type: ignore[return-value]
