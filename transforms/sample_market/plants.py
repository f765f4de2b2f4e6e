"""What is planted in a sample market, when, and what the files then say: the kinds and their order of work.

`planted_mispricings` and `planted_faults` hold the kinds themselves. Mispricings change true prices or quotes; faults
change what a file says after that. Several plants may fall on one session: each takes a slice of its own.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from transforms.errors import DataError
from transforms.sample_market.arrays import Floats, Integers
from transforms.sample_market.chain import Chain, true_chain
from transforms.sample_market.daily import VxContract
from transforms.sample_market.path import MarketPath
from transforms.sample_market.quotes import Quotes, quoted_chain
from transforms.sessions import Days, TradingCalendar

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
    "late_file",
    "restated_file",
)
KINDS = (*QUOTE_KINDS, CALENDAR_KIND, *VX_KINDS, *FAULT_KINDS)
# A VX contract is displaced for one session, by this many points beyond its bound (rich) or below fair (cheap).
VX_DISPLACEMENT = 1.5


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


def session_versions(
    path: MarketPath, row: int, *, calendar: TradingCalendar, plants: tuple[Plant, ...]
) -> tuple[list[Version], list[PlantedEvent]]:
    """Return the session's quotes as delivered, each with the sessions it comes late, and the planted events.

    One version, on time, unless a late or restated file is planted. Without plants the market is clean.
    """
    from transforms.sample_market.planted_faults import plant_fault, plant_stale_chain
    from transforms.sample_market.planted_mispricings import plant_calendar, plant_in_quotes

    chain = true_chain(path, row, calendar=calendar)
    events: list[PlantedEvent] = []
    taken: set[int] = set()
    wanted = sorted(plants, key=lambda plant: KINDS.index(plant.kind))
    calendars = [plant for plant in wanted if plant.kind == CALENDAR_KIND]
    dislocations = []
    for _ in calendars:
        chain, dislocation = plant_calendar(path, row, chain, calendar=calendar, taken=taken)
        dislocations.append(dislocation)
    quotes = quoted_chain(chain, seed=path.seed)
    events += [dislocation(quotes) for dislocation in dislocations]
    versions: list[Version] = [(quotes, 0)]
    for plant in wanted:
        if plant.kind in QUOTE_KINDS:
            quotes, event = plant_in_quotes(plant.kind, quotes, taken=taken)
        elif plant.kind == "stale_chain":
            previous = quoted_chain(true_chain(path, row - 1, calendar=calendar), seed=path.seed)
            quotes, event = plant_stale_chain(quotes, previous)
        elif plant.kind in FAULT_KINDS:
            versions, event = plant_fault(plant.kind, quotes, taken=taken)
            quotes = versions[-1][0]
            events.append(event)
            continue
        else:
            continue
        versions = [(quotes, 0)]
        events.append(event)
    return versions, events


def planted_settlements(
    contracts: tuple[VxContract, ...], days: Days, plants: list[tuple[int, Plant]]
) -> tuple[list[Floats], list[PlantedEvent]]:
    """Return each contract's printed settlements with the displaced ones, and the events; plants come with path rows.

    The contract is the second monthly of the session. `edge_points` is the displacement from fair; a rich settlement
    stands `VX_DISPLACEMENT` above the bound sqrt(E[VIX^2]), a cheap one that far below fair.
    """
    printed = [contract.settle.copy() for contract in contracts]
    events = []
    for row, plant in plants:
        monthlies = [
            number
            for number, contract in enumerate(contracts)
            if contract.is_monthly and row in contract.rows and contract.rows[-1] > row
        ]
        live = [number for number in monthlies if _expires_after(contracts[number], days[row])]
        number = live[1]
        contract = contracts[number]
        place = int(np.flatnonzero(contract.rows == row)[0])
        fair = float(contract.settle[place])
        bound = float(np.sqrt(contract.fair_variance[place]))
        value = bound + VX_DISPLACEMENT if plant.kind == "vx_rich" else fair - VX_DISPLACEMENT
        printed[number][place] = round(value, 4)
        events.append(
            PlantedEvent(
                kind=plant.kind,
                session_date=days[row].astype(object),
                root="VX",
                expiration=contract.expiration,
                n_rows=1,
                edge_points=round(float(printed[number][place]) - fair, 4),
                seen_by="futures",
                detail={"fair": fair, "bound": bound, "printed": float(printed[number][place])},
            )
        )
    return printed, events


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


def _expires_after(contract: VxContract, day: np.datetime64) -> bool:
    return bool(np.datetime64(contract.expiration) > day)
