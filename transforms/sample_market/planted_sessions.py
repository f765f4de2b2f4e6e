"""The order in which a session's plants do their work: dislocated slices, quotes, then faults of the file."""

import numpy as np

from transforms.sample_market.arrays import Floats
from transforms.sample_market.chain import true_chain
from transforms.sample_market.daily import VxContract
from transforms.sample_market.path import MarketPath
from transforms.sample_market.planted_faults import late_file, plant_fault, plant_stale_chain
from transforms.sample_market.planted_mispricings import plant_calendar, plant_in_quotes
from transforms.sample_market.plants import CALENDAR_KIND, FAULT_KINDS, KINDS, QUOTE_KINDS, Plant, PlantedEvent, Version
from transforms.sample_market.quotes import quoted_chain
from transforms.sessions import Days, TradingCalendar

# A VX contract is displaced for one session, by this many points beyond its bound (rich) or below fair (cheap).
VX_DISPLACEMENT = 1.5


def session_versions(
    path: MarketPath, row: int, *, calendar: TradingCalendar, plants: tuple[Plant, ...]
) -> tuple[list[Version], list[PlantedEvent]]:
    """Return the session's quotes as delivered, each with the sessions it comes late, and the planted events.

    One version, on time, unless a late or restated file is planted. Without plants the market is clean.
    """
    chain = true_chain(path, row, calendar=calendar)
    events: list[PlantedEvent] = []
    taken: set[int] = set()
    wanted = sorted(plants, key=lambda plant: KINDS.index(plant.kind))
    dislocations = []
    for _ in [plant for plant in wanted if plant.kind == CALENDAR_KIND]:
        chain, dislocation = plant_calendar(path, row, chain=chain, calendar=calendar, taken=taken)
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
        elif plant.kind == "late_file":
            versions = [(version, late + 1) for version, late in versions]
            events.append(late_file(quotes))
            continue
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
    contracts: tuple[VxContract, ...], days: Days, *, plants: list[tuple[int, Plant]]
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
            if contract.is_monthly and row in contract.rows and np.datetime64(contract.expiration) > days[row]
        ]
        number = monthlies[1]
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
