"""The layout all pricing works on: one row per slice, one column per strike, padded.

A session's quotes are ragged (12 to 600 strikes a slice). Padding them once lets forwards, smiles and strips of all
slices be computed by the same array operations, in an order that does not depend on the order of the rows.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

QUOTE_KEY = ("root", "expiration", "strike", "option_type")
SLICE_KEY = ("root", "expiration")


@dataclass(frozen=True)
class SliceGrid:
    """One session's quotes as padded arrays of shape (n_slices, width); prices and strikes in index points.

    Strikes increase along a row and end in NaN padding. A missing quote is NaN: a null ask, an ask of 0, or a side
    that is not listed. A bid of 0 (no bid) stays 0, a null bid is NaN. `slices` holds root, expiration and
    `quotes` the sorted rows; `slice_of` and `column_of` give each quote's place, `is_call` its side.
    """

    slices: pl.DataFrame
    quotes: pl.DataFrame
    strike: Floats
    call_bid: Floats
    call_ask: Floats
    put_bid: Floats
    put_ask: Floats
    slice_of: Indices
    column_of: Indices
    is_call: NDArray[np.bool_]

    @property
    def n_slices(self) -> int:
        return int(self.strike.shape[0])

    def of_quotes(self, padded: Floats) -> Floats:
        """Return the value of each quote's strike from an array of shape (n_slices, width)."""
        return padded[self.slice_of, self.column_of]

    def padded(self, values: Floats, *, calls: bool) -> Floats:
        """Return per-quote values of one option type as an array of shape (n_slices, width), NaN elsewhere."""
        placed = np.full(self.strike.shape, np.nan)
        chosen = self.is_call if calls else ~self.is_call
        placed[self.slice_of[chosen], self.column_of[chosen]] = values[chosen]
        return placed


def slice_grid(quotes: pl.DataFrame) -> SliceGrid:
    """Return the padded layout of one session's quotes.

    Parameters
    ----------
    quotes : frame, one row per option
        Columns root, expiration, strike, option_type (call, put), bid, ask; others are carried along. The key must
        not repeat.
    """
    quotes = quotes.sort(QUOTE_KEY)
    slices = quotes.select(SLICE_KEY).unique(maintain_order=True)
    placed = quotes.select(
        slice_of=pl.struct(SLICE_KEY).rle_id().cast(pl.Int64),
        strike_of=pl.struct(*SLICE_KEY, "strike").rle_id().cast(pl.Int64),
    )
    slice_of = placed["slice_of"].to_numpy()
    strike_of = placed["strike_of"].to_numpy()
    first_strike = np.zeros(slices.height, dtype=np.int64)
    starts = np.flatnonzero(np.diff(slice_of, prepend=-1))
    first_strike[slice_of[starts]] = strike_of[starts]
    column_of = strike_of - first_strike[slice_of]
    width = int(column_of.max()) + 1 if quotes.height else 0
    is_call = (quotes["option_type"] == "call").to_numpy()
    values = {name: quotes[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("strike", "bid", "ask")}
    values["ask"] = np.where(values["ask"] > 0.0, values["ask"], np.nan)
    shape = (slices.height, width)
    padded = {name: np.full(shape, np.nan) for name in ("strike", "call_bid", "call_ask", "put_bid", "put_ask")}
    padded["strike"][slice_of, column_of] = values["strike"]
    for side, chosen in (("call", is_call), ("put", ~is_call)):
        at = slice_of[chosen], column_of[chosen]
        padded[f"{side}_bid"][at] = values["bid"][chosen]
        padded[f"{side}_ask"][at] = values["ask"][chosen]
    return SliceGrid(slices=slices, quotes=quotes, slice_of=slice_of, column_of=column_of, is_call=is_call, **padded)
