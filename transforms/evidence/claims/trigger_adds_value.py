"""The trigger adds value: windows on which it activated the layer against windows like them on which it did not."""

import numpy as np
import polars as pl

from transforms.evidence.bootstrap import Floats, Integers
from transforms.evidence.claims.claim import Claim, Frames
from transforms.evidence.estimate import Observations, mean_of
from transforms.evidence.verdicts import Claimed

COVARIATES = ("vix", "contango_ratio", "zone")
WINDOW_COLUMNS = ("session_date", "window_end", "is_activated", *COVARIATES, "outcome")


def matched_gain(windows: pl.DataFrame) -> Observations:
    """Return observations of the mean outcome of activated windows less that of their matches, in the outcome's unit.

    Parameters
    ----------
    windows : one row per session on which the layer could have been opened
        session_date and window_end (first and last session of the window), is_activated, vix (points), contango_ratio,
        zone, outcome: what a layer opened then earned by window_end, whether or not it was; rows with a null are left
        out.
    """
    rows = windows.select(WINDOW_COLUMNS).drop_nulls().sort("session_date")
    start, end = (rows[name].to_physical().cast(pl.Int64).to_numpy() for name in ("session_date", "window_end"))
    outcome = rows["outcome"].cast(pl.Float64).to_numpy()
    pairs = matched_pairs(
        rows.select(pl.col(name).cast(pl.Float64) for name in COVARIATES).to_numpy(),
        rows["is_activated"].cast(pl.Boolean).to_numpy(),
        start=start,
        end=end,
    )
    return mean_of(outcome[pairs[:, 0]] - outcome[pairs[:, 1]])


def matched_pairs(covariates: Floats, is_activated: np.ndarray, *, start: Integers, end: Integers) -> Integers:
    """Return the row numbers of activated windows and of the windows matched to them, shape (pairs, 2).

    In order of time each activated window that begins after the last kept one has ended takes the nearest window
    without activation: the least sum of squared differences in covariates, each in units of its deviation over all
    windows, the earlier of two as near. No match is used twice, none overlaps another match or any activated window,
    so that no session's P&L is on both sides or counted twice.

    Parameters
    ----------
    covariates : shape (windows, covariates), rows in order of `start`
    start, end : shape (windows,), day numbers, both inside the window
    """
    if not len(start):
        return np.empty((0, 2), dtype=np.int64)
    deviation = covariates.std(axis=0)
    scaled = covariates / np.where(deviation > 0.0, deviation, 1.0)
    activated = np.flatnonzero(is_activated)
    free = ~is_activated & ~_overlaps(start, end, activated).any(axis=1)
    kept: list[tuple[int, int]] = []
    last_end = -1
    for row in activated.tolist():
        if kept and start[row] <= last_end:
            continue
        candidates = np.flatnonzero(free)
        if not len(candidates):
            break
        distance = ((scaled[candidates] - scaled[row]) ** 2).sum(axis=1)
        match = int(candidates[np.argmin(distance)])
        free &= ~_overlaps(start, end, np.array([match]))[:, 0]
        kept.append((row, match))
        last_end = int(end[row])
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _overlaps(start: Integers, end: Integers, others: Integers) -> np.ndarray:
    """Return whether each window shares a day with each of `others`, shape (windows, others)."""
    return np.asarray((start[:, None] <= end[others]) & (end[:, None] >= start[others]))


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
