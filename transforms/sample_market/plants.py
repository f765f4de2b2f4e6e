"""What is planted in a sample market, when, and what the files then say: the kinds.

`planted_mispricings` and `planted_faults` make them, `planted_sessions` puts them in order. Mispricings change true
prices or quotes; faults change what a file says after that. Several plants may fall on one session: each takes a slice
of its own.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from transforms.errors import DataError
from transforms.sample_market.arrays import Integers
from transforms.sample_market.chain import Chain
from transforms.sample_market.quotes import Quotes

QUOTE_KINDS = (
    "conversion",
    "reversal",
    "box",
    "vertical_calls",
    "vertical_puts",
    "butterfly_calls",
    "butterfly_puts",
    "calls_puts_cash",
    "rich_quote",
    "cheap_quote",
)
CALENDAR_KIND = "calendar"
VX_KINDS = ("vx_rich", "vx_cheap")
FAULT_KINDS = (
    "crossed",
    "duplicated",
    "shifted_strike",
    "missing_expiration",
    "zeroed_chain",
    "stale_chain",
    "restated_file",
    "late_file",
)
KINDS = (*QUOTE_KINDS, CALENDAR_KIND, *VX_KINDS, *FAULT_KINDS)


@dataclass(frozen=True)
class Plant:
    """One thing to plant: a kind of `KINDS` on the n-th chain session (0 the first)."""

    kind: str
    session: int

    def __post_init__(self) -> None:
        """Refuse a kind that does not exist."""
        if self.kind not in KINDS:
            raise DataError(f"nothing of kind {self.kind!r} can be planted: choose from {', '.join(KINDS)}")

    @property
    def is_on_futures(self) -> bool:
        """Return whether it changes VX settlements rather than an option chain."""
        return self.kind in VX_KINDS


@dataclass(frozen=True)
class PlantedEvent:
    """What was planted: where, how large, and what can see it.

    `legs` are dicts of strike (points), option_type, side and price as printed (for a lock, what earns `edge_points`);
    `n_rows` counts the file's rows concerned; `seen_by` names the quotes that suffice to see a lock: calls, puts,
    parity (synthetic forwards), combined (all of them and cash), or the table concerned.
    """

    kind: str
    session_date: date
    root: str
    expiration: date | None
    n_rows: int
    edge_points: float | None = None
    legs: tuple[dict[str, Any], ...] = ()
    seen_by: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


Version = tuple[Quotes, int]


def one_of_each(n_chain_sessions: int) -> tuple[Plant, ...]:
    """Return every kind once, spread evenly over the chain sessions but the first and last two."""
    sessions = np.linspace(2, max(n_chain_sessions - 3, 2), len(KINDS)).round().astype(int)
    return tuple(Plant(kind, int(session)) for kind, session in zip(KINDS, sessions, strict=True))


def free_slices(chain: Chain, taken: set[int], *, root: str, days: tuple[int, int], dense: bool) -> Integers:
    """Return the numbers of slices still free for a plant, by expiration."""
    found = [
        number
        for number, item in enumerate(chain.slices)
        if number not in taken
        and item.root == root
        and item.is_dense == dense
        and days[0] <= (item.expiration - chain.session_date).days <= days[1]
    ]
    if not found:
        raise DataError(
            f"no {root} slice {days[0]} to {days[1]} days out is left to plant in on {chain.session_date}: "
            "plant fewer kinds on this session"
        )
    return np.array(found, dtype=np.int64)
