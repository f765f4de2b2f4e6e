"""The layer offsets 60 to 80 % of the condor's loss in FOMC volatility spikes."""

import polars as pl

from transforms.book.offset import fomc_spikes
from transforms.evidence.claims.claim import Claim, Frames, columns_of
from transforms.evidence.estimate import Observations, median_of
from transforms.evidence.verdicts import Claimed


def spike_offsets(spikes: pl.DataFrame) -> Observations:
    """Return observations of the median offset, a ratio: one per FOMC spike with a layer open on which the condor lost.

    `spikes` has event_date, layers_open and offset_ratio (transforms/book/offset.py).
    """
    held = spikes.filter(pl.col("layers_open") > 0).sort("event_date")
    return median_of(columns_of(held, "offset_ratio")[:, 0])


def _observations(frames: Frames) -> Observations:
    return spike_offsets(
        fomc_spikes(frames["core.economic_event"], frames["core.index_level"], frames["mart.engine_daily"])
    )


CLAIM = Claim(
    name="layer_offsets_spikes",
    statement="the layer offsets 60-80% of the condor's loss in FOMC volatility spikes",
    measure="median of -P&L(layer)/P&L(condor) over decisions on which VIX rose by a tenth, ratio",
    sort="events",
    claimed=Claimed(0.60, 0.80),
    needs={
        "core.economic_event": ("event_date", "event", "event_ts"),
        "core.index_level": ("session_date", "symbol", "close"),
        "mart.engine_daily": ("session_date", "engine", "equity", "n_open"),
    },
    observations=_observations,
)
