"""Recall and precision of the executable detectors on a sample market with planted locks.

Run from the checkout: python -m benchmarks.mispricing_recall [sessions] [--write docs/mispricing_recall.md]

Locks of eight kinds are planted in SPXW slices by the sample market and, after its files are read, three kinds more in
VIX slices by this script. A plant counts as found when an executable finding of its slice trades a leg of the plant; a
finding counts as false when nothing is planted in its slice.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.mispricing.findings import Leg, legs_income, worst_payoff
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.parity import parity_region, synthetic_bounds
from transforms.pricing.analytics import session_pricing
from transforms.pricing.slice_grid import slice_grid
from transforms.sample_market.market import SampleMarket, planted_events, session_files, simulate_market
from transforms.sample_market.plants import Plant

LAST_SESSION = date(2026, 1, 23)
SEED = 5
FEE_PER_CONTRACT = 1.0
SORTS = {
    "vertical_calls": "calls alone",
    "butterfly_calls": "calls alone",
    "vertical_puts": "puts alone",
    "butterfly_puts": "puts alone",
    "conversion": "parity alone: crossed synthetics",
    "reversal": "parity alone: crossed synthetics",
    "box": "parity alone: boxes",
    "calls_puts_cash": "calls, puts and cash together",
}
VIX_KINDS = ("vix_vertical_calls", "vix_vertical_puts", "vix_crossed_synthetic")
VIX_SORT = "VIX roots"
VIX_EDGE = 0.15


@dataclass(frozen=True)
class PlantedLock:
    """A lock planted in one slice: its sort and the (strike, option_type) of its legs."""

    session_date: date
    sort: str
    kind: str
    root: str
    expiration: date
    legs: frozenset[tuple[float, str]]


@dataclass(frozen=True)
class SessionRecord:
    """What became of one session: each plant with the number of its findings that trade a leg of it, and the rest.

    `n_false` counts findings in slices without a plant, `n_beside` those in a planted slice without a planted leg,
    `n_losing` those whose legs could lose: fees not earned or a negative payoff somewhere.
    """

    plants: list[tuple[PlantedLock, int]]
    n_findings: int
    n_false: int
    n_beside: int
    n_losing: int


def lock_plants(n_sessions: int, *, kinds_per_session: int = 2) -> tuple[Plant, ...]:
    """Return `kinds_per_session` locks on every session, the eight kinds in turn."""
    kinds = list(SORTS)
    return tuple(
        Plant(kinds[(session * kinds_per_session + number) % len(kinds)], session)
        for session in range(n_sessions)
        for number in range(kinds_per_session)
    )


def planted_in_vix(quotes: pl.DataFrame, *, number: int) -> tuple[pl.DataFrame, PlantedLock]:
    """Return a session's quotes with one lock in a VIX or VIXW slice, and the lock; kinds and slices take turns."""
    live = quotes.filter(pl.col("root").is_in(["VIX", "VIXW"]) & (pl.col("expiration") > pl.col("session_date")))
    slices = live.select("root", "expiration").unique().sort("root", "expiration")
    root, expiration = slices.row(number % slices.height)
    kind = VIX_KINDS[number % len(VIX_KINDS)]
    of_slice = (pl.col("root") == root) & (pl.col("expiration") == expiration)
    grid = slice_grid(quotes.filter(of_slice))
    strike = grid.strike[0]
    lower, upper = synthetic_bounds(grid.call_bid, grid.call_ask, put_bid=grid.put_bid, put_ask=grid.put_ask)
    middle = int(np.argmin(upper[0] - lower[0]))
    if kind == "vix_crossed_synthetic":
        others = np.arange(strike.size) != middle
        region = parity_region(strike[others], lower[0][others], upper=upper[0][others])
        dearest = (region.vertices[:, 1] - region.vertices[:, 0] * strike[middle]).max()
        place, option_type, bid = middle, "call", grid.put_ask[0, middle] + dearest + VIX_EDGE
    elif kind == "vix_vertical_calls":
        place, option_type, bid = middle + 2, "call", grid.call_ask[0, middle + 1] + VIX_EDGE
    else:
        place, option_type, bid = middle - 2, "put", grid.put_ask[0, middle - 1] + VIX_EDGE
    price = round(float(np.ceil(bid / 0.01 - 1e-9)) * 0.01, 2)
    moved = of_slice & (pl.col("strike") == strike[place]) & (pl.col("option_type") == option_type)
    planted = quotes.with_columns(
        pl.when(moved).then(price).otherwise("bid").alias("bid"),
        pl.when(moved).then(round(price + 0.05, 2)).otherwise("ask").alias("ask"),
    )
    legs = frozenset({(float(strike[place]), option_type)})
    return planted, PlantedLock(quotes["session_date"][0], VIX_SORT, kind, root, expiration, legs)


def closing_quotes(market: SampleMarket, row: int) -> pl.DataFrame:
    """Return core.option_quote rows of a session's close, read from its vendor file."""
    [file] = session_files(market, row)
    delivery = open_delivery(file.name, file.payload)
    frame = recognize(delivery).read(delivery, calendar=market.calendar).frames["core.option_quote"]
    return frame.filter(pl.col("snapshot_kind") == "close")


def session_records(market: SampleMarket, *, in_vix: bool = True) -> Iterator[SessionRecord]:
    """Yield the record of every chain session of a market with locks planted."""
    events = planted_events(market)
    for number, row in enumerate(market.chain_rows):
        session = market.session_date(row)
        plants = [
            PlantedLock(
                session,
                SORTS[event.kind],
                event.kind,
                event.root,
                event.expiration or session,
                frozenset((leg["strike"], leg["option_type"]) for leg in event.legs),
            )
            for event in events
            if event.session_date == session
        ]
        quotes = closing_quotes(market, row)
        if in_vix:
            quotes, planted = planted_in_vix(quotes, number=number)
            plants.append(planted)
        yield session_record(quotes, plants, market=market)


def session_record(quotes: pl.DataFrame, plants: list[PlantedLock], *, market: SampleMarket) -> SessionRecord:
    """Return what the detectors make of one session's quotes."""
    slices = session_pricing(quotes, calendar=market.calendar).slices
    found = executable_findings(quotes, slices, fee_per_contract=FEE_PER_CONTRACT)
    n_of_plant = [0] * len(plants)
    n_false = n_beside = n_losing = 0
    for finding in found.findings.rows(named=True):
        rows = found.legs.filter(pl.col("finding_id") == finding["finding_id"])
        legs = rows_as_legs(rows)
        fees = sum(leg.quantity for leg in legs) * FEE_PER_CONTRACT
        n_losing += worst_payoff(legs) < 0.0 or 100.0 * legs_income(legs) <= fees
        here = [
            number
            for number, plant in enumerate(plants)
            if (plant.root, plant.expiration) == (finding["root"], finding["expiration"])
        ]
        traded = {(leg.strike, leg.option_type) for leg in legs}
        hit = [number for number in here if plants[number].legs & traded]
        for number in hit:
            n_of_plant[number] += 1
        n_false += not here
        n_beside += bool(here) and not hit
    return SessionRecord(list(zip(plants, n_of_plant, strict=True)), found.findings.height, n_false, n_beside, n_losing)


def rows_as_legs(rows: pl.DataFrame) -> list[Leg]:
    """Return rows of mart.mispricing_leg as legs."""
    names = ("root", "expiration", "strike", "option_type", "side", "quantity", "price", "size")
    return [Leg(**{name: row[name] for name in names}, half_spread=None) for row in rows.rows(named=True)]


def recall_table(records: list[SessionRecord]) -> pl.DataFrame:
    """Return one row per sort: plants, plants found, findings per plant found."""
    rows = [
        {"sort": plant.sort, "kind": plant.kind, "found": count > 0, "findings": count}
        for record in records
        for plant, count in record.plants
    ]
    return (
        pl.DataFrame(rows)
        .group_by("sort")
        .agg(
            pl.len().alias("planted"),
            pl.col("found").sum(),
            (100.0 * pl.col("found").mean()).alias("recall, %"),
            (pl.col("findings").sum() / pl.col("found").sum()).round(2).alias("findings a plant"),
        )
        .sort("sort")
    )


def report(n_sessions: int) -> str:
    """Return the study as Markdown."""
    market_with = partial(
        simulate_market,
        calendar=trading_calendar(),
        last_session=LAST_SESSION,
        seed=SEED,
        n_chain_sessions=n_sessions,
    )
    planted = list(session_records(market_with(plants=lock_plants(n_sessions))))
    clean = list(session_records(market_with(plants=()), in_vix=False))
    table = recall_table(planted)
    n_findings = sum(record.n_findings for record in planted)
    n_false = sum(record.n_false + record.n_beside for record in planted)
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * table.width]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in table.rows()]
    precision = 100.0 * (n_findings - n_false) / n_findings
    return "\n".join(
        [
            "# Recall and precision of the executable detectors",
            "",
            f"`python -m benchmarks.mispricing_recall {n_sessions}`: {n_sessions} sessions of the sample market (seed "
            f"{SEED}), fee {FEE_PER_CONTRACT:.2f} dollars a contract. A plant is found when an executable finding of "
            "its slice trades one of its legs.",
            "",
            *lines,
            "",
            f"- {n_findings} findings, {n_false} without a plant: precision {precision:.1f} %.",
            f"- Findings whose legs could lose: {sum(record.n_losing for record in planted)}.",
            f"- The same {n_sessions} sessions without plants: {sum(r.n_findings for r in clean)} findings.",
            "",
        ]
    )


def main() -> None:
    """Print the study and, if asked, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sessions", nargs="?", type=int, default=60)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    text = report(arguments.sessions)
    print(text)
    if arguments.write:
        arguments.write.write_text(text)


if __name__ == "__main__":
    main()
