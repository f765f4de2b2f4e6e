"""Noise that belongs to a series, not to its place in a list.

A quote's draws depend on the seed, the session and the series alone, so any session can be made by itself, in any
process, and listing one more strike changes no other quote.
"""

from datetime import date

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from transforms.sample_market.arrays import Booleans, Floats, Integers

Keys = npt.NDArray[np.uint64]

QUOTE_STREAM = 1
STATIC_STREAM = 2
ROOT_CODES = {"SPX": 0, "SPXW": 1, "VIX": 2, "VIXW": 3}
EPOCH = date(1970, 1, 1)


def series_keys(
    expirations: Integers,
    root_codes: Integers,
    *,
    strikes: Integers,
    is_call: Booleans,
) -> Keys:
    """Return one integer per option series; expirations in days since 1970, strikes in thousandths."""
    packed = ((expirations * 4 + root_codes) << 25) + (strikes << 1) + is_call
    return packed.astype(np.uint64)


def uniform_noise(keys: Keys, *, seed: int, stream: int, day: date | None, draw: int) -> Floats:
    """Return uniforms in (0, 1), one per key: a SplitMix64 hash of key and stream (Steele, Lea and Flood, 2014).

    `day` is the session, or None for noise that stays with a series through its life; `draw` numbers the quantity.
    """
    ordinal = 0 if day is None else (day - EPOCH).days
    root = np.random.SeedSequence(seed, spawn_key=(stream, ordinal, draw)).generate_state(1, np.uint64)[0]
    with np.errstate(over="ignore"):
        mixed = keys * np.uint64(0x9E3779B97F4A7C15) + root
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def normal_noise(keys: Keys, *, seed: int, stream: int, day: date | None, draw: int) -> Floats:
    """Return standard normals, one per key, as `uniform_noise`."""
    return np.asarray(ndtri(uniform_noise(keys, seed=seed, stream=stream, day=day, draw=draw)))
