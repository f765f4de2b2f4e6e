"""Quotes of a snapshot that no one market can have shown together.

A live market holds a lock or two at most; a file that mixes quotes of different times holds hundreds. The quotes in a
slice's minimal set to doubt are counted for the session gate, which refuses the file before anything is made of it.
"""

import numpy as np
import polars as pl

from transforms.mispricing.linear_program import minimal_doubt
from transforms.mispricing.locks import DOUBT_TOLERANCE, slice_quotes
from transforms.mispricing.parity import parity_region, synthetic_bounds
from transforms.mispricing.static import SliceQuotes, static_check
from transforms.mispricing.witness import is_sound
from transforms.pricing.slice_grid import slice_grid

# Points by which each side gives way before it counts: a tick, within which closing quotes of real chains do cross.
TICK = 0.05


def contradicting_quotes(quotes: pl.DataFrame, *, key: list[str]) -> pl.DataFrame:
    """Return `key` and `n_contradicting` of each snapshot: how many of its quotes must be wrong by more than a tick.

    Parameters
    ----------
    quotes : core.option_quote rows of one or more snapshots, in any order
    key : columns that tell snapshots apart
        Within a snapshot no option repeats. Series that expire with the session are not judged.
    """
    counts = []
    snapshots = quotes.partition_by(key, as_dict=True)
    for name in sorted(snapshots):
        grid = slice_grid(snapshots[name].filter(pl.col("expiration") > pl.col("session_date")))
        doubtful = np.flatnonzero(~is_sound(grid, fee_points=TICK)).tolist()
        n = sum(_n_doubted(slice_quotes(grid, row).after_fees(TICK)) for row in doubtful)
        counts.append((*name, n))
    schema = {**quotes.select(key).schema, "n_contradicting": pl.Int64()}
    return pl.DataFrame(counts, schema=schema, orient="row")


def _n_doubted(quotes: SliceQuotes) -> int:
    lower, upper = synthetic_bounds(quotes.call_bid, quotes.call_ask, put_bid=quotes.put_bid, put_ask=quotes.put_ask)
    region = parity_region(quotes.strike, lower, upper=upper)
    if not region.is_empty:
        start = region.vertices.mean(axis=0) if region.vertices.size else np.array([1.0, np.median(quotes.strike)])
        if static_check(quotes, discounted_forward=start[1], discount_factor=start[0]).lock is None:
            return 0
    doubt = minimal_doubt(quotes)
    return int(((doubt.bid > DOUBT_TOLERANCE) | (doubt.ask > DOUBT_TOLERANCE)).sum())
