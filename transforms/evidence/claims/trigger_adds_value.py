"""The trigger adds value: windows on which it activated the layer against windows like them on which it did not."""

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.evidence.bootstrap import Floats, Integers
from transforms.evidence.claims.claim import Claim, Frames
from transforms.evidence.estimate import Observations, mean_of
from transforms.evidence.verdicts import Claimed

COVARIATES = ("vix", "contango_ratio", "zone")
# Deviations: without a bound, claims planted false are supported in a third of the samples (docs/claim_power.md).
FARTHEST = 0.5
Booleans = npt.NDArray[np.bool_]
WINDOW_COLUMNS = ("session_date", "window_end", "is_activated", *COVARIATES, "outcome")


def matched_gain(windows: pl.DataFrame, *, farthest: float = FARTHEST) -> Observations:
    """Return observations of the mean outcome of activated windows less that of their matches, in the outcome's unit.

    Parameters
    ----------
    windows : one row per session on which the layer could have been opened
        session_date and window_end (first and last session of the window), is_activated, vix (points), contango_ratio,
        zone, outcome: what a layer opened then earned by window_end, whether or not it was; rows with a null are left
        out.
    farthest : deviations
        As for `matched_pairs`.
    """
    rows = windows.select(WINDOW_COLUMNS).drop_nulls().sort("session_date")
    start, end = (rows[name].to_physical().cast(pl.Int64).to_numpy() for name in ("session_date", "window_end"))
    outcome = rows["outcome"].cast(pl.Float64).to_numpy()
    pairs = matched_pairs(
        rows.select(pl.col(name).cast(pl.Float64) for name in COVARIATES).to_numpy(),
        rows["is_activated"].cast(pl.Boolean).to_numpy(),
        start=start,
        end=end,
        farthest=farthest,
    )
    return mean_of(outcome[pairs[:, 0]] - outcome[pairs[:, 1]])


def matched_pairs(
    covariates: Floats, is_activated: Booleans, *, start: Integers, end: Integers, farthest: float = FARTHEST
) -> Integers:
    """Return the row numbers of activated windows and of the windows matched to them, shape (pairs, 2).

    In order of time each activated window that begins after the last kept one has ended takes the nearest window
    without activation: the least root of the sum of squared differences in covariates, each in units of its deviation
    over all windows, the earlier of two as near. Further than `farthest` it takes none and is left out: pairs that
    differ in what the trigger looks at differ in outcome for that alone. No match is used twice, none overlaps another
    match or its own activated window, and none begins while an activated window lasts. A match may overlap an activated
    window that begins later: to leave those out would choose matches by what came after them.

    Parameters
    ----------
    covariates : shape (windows, covariates), rows in order of `start`
    start, end : shape (windows,), day numbers, both inside the window
    farthest : deviations
    """
    if not len(start):
        return np.empty((0, 2), dtype=np.int64)
    deviation = covariates.std(axis=0)
    scaled = covariates / np.where(deviation > 0.0, deviation, 1.0)
    activated = np.flatnonzero(is_activated)
    lasts = (start[:, None] >= start[activated]) & (start[:, None] <= end[activated])
    free = ~is_activated & ~lasts.any(axis=1)
    kept: list[tuple[int, int]] = []
    last_end = -1
    for row in activated.tolist():
        if kept and start[row] <= last_end:
            continue
        candidates = np.flatnonzero(free & ~_overlaps(start, end, row))
        distance = np.sqrt(((scaled[candidates] - scaled[row]) ** 2).sum(axis=1))
        if not (distance <= farthest).any():
            continue
        match = int(candidates[np.argmin(distance)])
        free &= ~_overlaps(start, end, match)
        kept.append((row, match))
        last_end = int(end[row])
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _overlaps(start: Integers, end: Integers, row: int) -> Booleans:
    """Return which windows share a day with the one of `row`."""
    return np.asarray((start <= end[row]) & (end >= start[row]))


def _observations(frames: Frames) -> Observations:
    return matched_gain(frames["mart.activation_window"])


CLAIM = Claim(
    name="trigger_adds_value",
    statement="the trigger adds value",
    measure="mean outcome of layers opened on the trigger less that of layers opened in matched windows, "
    "decimal of their margin",
    sort="events",
    claimed=Claimed(low=0.0),
    needs={"mart.activation_window": WINDOW_COLUMNS},
    observations=_observations,
)
