"""A value many times its neighbours: a lost decimal point or an old price scale on a line of a history."""

import polars as pl

SESSIONS_BEFORE = 5
MIN_SESSIONS_BEFORE = 3
# The largest rise of any series read is that of VIX9D on 2018-02-05, 4.0 times the median of the five before.
SPIKE_FACTOR = 5.0


def is_spike(value: str, *, session: str, ceiling: float, series: str | None = None) -> pl.Expr:
    """Return whether a value is above five times, or below a fifth of, the median of the five rows before it.

    Element-wise over rows in any order; the rows before are those of earlier sessions (of one `series`), so that a
    later row changes no earlier verdict. Null where fewer than three of them hold a value above 0 and up to `ceiling`:
    what no market has seen is no neighbour, or several such lines would condemn the sound one after them.
    """
    positive = pl.when(pl.col(value) > 0).then(pl.col(value))
    usual = (
        pl.when(positive <= ceiling)
        .then(positive)
        .shift(1)
        .rolling_median(SESSIONS_BEFORE, min_samples=MIN_SESSIONS_BEFORE)
        .over(series or pl.lit(0), order_by=session)
    )
    return (positive > SPIKE_FACTOR * usual) | (positive < usual / SPIKE_FACTOR)
