"""Slices of quotes around Black prices, some with quotes displaced, for the tests of static arbitrage."""

import numpy as np

from transforms.mispricing.static import Lock, SliceQuotes
from transforms.pricing.black76 import black_price

FORWARD, DISCOUNT_FACTOR = 5000.0, 0.98
START = {"discounted_forward": FORWARD * DISCOUNT_FACTOR, "discount_factor": DISCOUNT_FACTOR}


def noisy_slice(rng, *, n_strikes, n_displaced):
    """Quotes in ticks of 0.05 with the true price inside, but for those displaced by up to 3 points; some missing."""
    strike = np.sort(rng.choice(np.arange(3000, 7000, 25), n_strikes, replace=False)).astype(float)
    vol, looseness = rng.uniform(0.05, 0.3), rng.uniform(0.02, 1.0)
    sides = []
    for is_call in (True, False):
        price = black_price(
            FORWARD, strike, time_to_expiry=1.0, implied_vol=vol, discount_factor=DISCOUNT_FACTOR, is_call=is_call
        )
        half = looseness * (0.05 + 0.02 * price**0.7) * rng.uniform(0.3, 1.0, n_strikes)
        bid = np.maximum(np.floor((price - half * rng.random(n_strikes)) / 0.05) * 0.05, 0.0)
        ask = np.ceil((price + half * rng.random(n_strikes)) / 0.05) * 0.05
        ask = np.maximum(ask, 0.05)
        sides.append([bid, ask])
    for _ in range(n_displaced):
        side, place = sides[int(rng.integers(2))], int(rng.integers(n_strikes))
        by = rng.choice([-1.0, 1.0]) * rng.uniform(0.05, 3.0)
        side[0][place] = max(side[0][place] + by, 0.0)
        side[1][place] = max(side[1][place] + by, 0.05)
    for bid, ask in sides:
        bid[rng.random(n_strikes) < 0.1] = 0.0
        ask[rng.random(n_strikes) < 0.1] = np.inf
    (call_bid, call_ask), (put_bid, put_ask) = sides
    return SliceQuotes(strike, call_bid, call_ask, put_bid, put_ask)


def seeded_slice(seed):
    """Every third slice is left alone, the others have one or two quotes displaced."""
    rng = np.random.default_rng(seed)
    return noisy_slice(rng, n_strikes=int(rng.integers(2, 45)), n_displaced=seed % 3)


def least_payoff(lock: Lock, quotes: SliceQuotes) -> float:
    """The least payoff at 0 and at every strike, and the slope beyond the last; exact for whole strikes."""
    strike = np.concatenate(([0.0], np.repeat(quotes.strike, 2)))
    level = np.concatenate(([0.0], quotes.strike))
    payoff, slope = np.zeros_like(level), 0
    for code, quantity in zip(lock.codes, lock.quantities, strict=True):
        sign = 1.0 if code % 2 else -1.0
        payoff += quantity * np.maximum(sign * (level - strike[code]), 0.0)
        slope += quantity * (code % 2)
    return min(float(payoff.min()), float(slope))
