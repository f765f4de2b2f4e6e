"""Recall and precision of every detector but residuals on a sample market with planted mispricings, sort by sort.

Run from the checkout: python -m benchmarks.mispricing_recall [sessions] [--write docs/mispricing_recall.md]

A plant counts as found when a finding of one of its kinds, in its slice, trades one of its legs (any leg where a whole
slice is out of line); a finding counts as false when it finds no plant. The sorts of locks are confirmed by linear
programs on calls alone, on puts alone and on all quotes, and by the region of the synthetics.
"""

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from benchmarks.planted_sessions import (
    LOCK_KINDS,
    VX_SORTS,
    PlantedMispricing,
    PlantedSession,
    all_plants,
    closing_quotes,
    planted_in_vix,
    planted_sessions,
    treasury_rates,
)
from flows.calendar import trading_calendar
from transforms.mispricing.findings import Leg, legs_income, worst_payoff
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.session import SessionMispricings, session_mispricings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import fallback_curve
from transforms.sample_market.market import SampleMarket, simulate_market
from transforms.sessions import TradingCalendar

LAST_SESSION = date(2026, 1, 23)
SEED = 5
FEE_PER_CONTRACT = 1.0
EDGES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.15)


@dataclass(frozen=True)
class SessionRecord:
    """What became of one session: each plant with the number of findings that find it, and the findings by kind.

    `n_false` counts the findings by kind that find no plant, `n_losing` the locks whose legs could lose: fees not
    earned, or a negative payoff somewhere.
    """

    plants: list[tuple[PlantedMispricing, int]]
    n_found: Counter[str]
    n_false: Counter[str]
    n_losing: int


def session_record(session: PlantedSession, *, rates: pl.DataFrame, calendar: TradingCalendar) -> SessionRecord:
    """Return what the detectors make of one session."""
    pricing = session_pricing(session.quotes, calendar=calendar)
    made = session_mispricings(
        session.quotes,
        pricing.slices,
        pricing.options,
        futures=session.futures,
        rates=fallback_curve(rates, session.quotes["session_date"][0]),
        calendar=calendar,
        fee_per_contract=FEE_PER_CONTRACT,
    )
    plants = [*session.plants, *_above_the_bound(session.plants, made)]
    n_of_plant = [0] * len(plants)
    n_found: Counter[str] = Counter()
    n_false: Counter[str] = Counter()
    n_losing = 0
    for finding in made.found.findings.rows(named=True):
        rows = made.found.legs.filter(pl.col("finding_id") == finding["finding_id"])
        kind = finding["kind"]
        n_found[kind] += 1
        hit = [number for number, plant in enumerate(plants) if finds(plant, kind, rows)]
        for number in hit:
            n_of_plant[number] += 1
        n_false[kind] += not hit
        n_losing += kind in LOCK_KINDS and could_lose(rows_as_legs(rows))
    return SessionRecord(list(zip(plants, n_of_plant, strict=True)), n_found, n_false, n_losing)


def finds(plant: PlantedMispricing, kind: str, legs: pl.DataFrame) -> bool:
    """Return whether a finding of a kind with these legs finds a plant."""
    if kind not in plant.found_as:
        return False
    own = legs.filter((pl.col("root") == plant.root) & (pl.col("expiration") == plant.expiration))
    traded = set(own.select("strike", "option_type").rows())
    return bool(plant.legs & traded if plant.legs else traded)


def could_lose(legs: list[Leg]) -> bool:
    """Return whether a package of locked legs does not earn its fees today or costs something at some settlement."""
    fees = sum(leg.quantity for leg in legs) * FEE_PER_CONTRACT
    return worst_payoff(legs) < 0.0 or 100.0 * legs_income(legs) <= fees


def rows_as_legs(rows: pl.DataFrame) -> list[Leg]:
    """Return rows of mart.mispricing_leg as legs."""
    names = ("root", "expiration", "strike", "option_type", "side", "quantity", "price", "size")
    return [Leg(**{name: row[name] for name in names}, half_spread=None) for row in rows.rows(named=True)]


def _above_the_bound(plants: Iterable[PlantedMispricing], made: SessionMispricings) -> list[PlantedMispricing]:
    """Return VX plants above the bound once more, as violations of it, where SPX states one for their expiration."""
    stated = made.variance_triangle.filter(
        pl.col("spx_forward_variance").is_not_null() & (pl.col("days_to_expiry") >= 7)
    )["expiration"].to_list()
    return [
        replace(plant, sort=VX_SORTS["bound"], found_as=frozenset({"forward_variance"}))
        for plant in plants
        if plant.kind == "vx_rich" and plant.expiration in stated
    ]


def market_records(market: SampleMarket, *, beside: bool = True) -> list[SessionRecord]:
    """Return the record of every chain session of a market; `beside` as in `planted_sessions`."""
    rates = treasury_rates(market)
    return [
        session_record(session, rates=rates, calendar=market.calendar)
        for session in planted_sessions(market, beside=beside)
    ]


def recall_table(records: list[SessionRecord]) -> pl.DataFrame:
    """Return one row per sort: plants, plants whose sort is confirmed, plants found, findings a plant found."""
    rows = [
        {"sort": plant.sort, "confirmed": plant.is_confirmed, "found": count > 0, "findings": count}
        for record in records
        for plant, count in record.plants
    ]
    return (
        pl.DataFrame(rows, schema_overrides={"confirmed": pl.Boolean()})
        .group_by("sort")
        .agg(
            pl.len().alias("planted"),
            pl.when(pl.col("confirmed").is_not_null().any()).then(pl.col("confirmed").sum()).alias("sort confirmed"),
            pl.col("found").sum(),
            (100.0 * pl.col("found").mean()).round(1).alias("recall, %"),
            (pl.col("findings").sum() / pl.col("found").sum()).round(2).alias("findings a plant"),
        )
        .sort("sort")
    )


def precision_table(planted: list[SessionRecord], clean: list[SessionRecord]) -> pl.DataFrame:
    """Return one row per kind: findings, false ones, precision, and findings on the market without plants."""
    found = sum((record.n_found for record in planted), Counter())
    false = sum((record.n_false for record in planted), Counter())
    unplanted = sum((record.n_found for record in clean), Counter())
    kinds = sorted({*found, *unplanted})
    return pl.DataFrame(
        {
            "kind": kinds,
            "findings": [found[kind] for kind in kinds],
            "false": [false[kind] for kind in kinds],
            "precision, %": [
                round(100.0 * (1.0 - false[kind] / found[kind]), 1) if found[kind] else None for kind in kinds
            ],
            "on the clean market": [unplanted[kind] for kind in kinds],
        }
    )


def edge_table(market: SampleMarket) -> pl.DataFrame:
    """Return recall and precision of locks in VIX slices by what they earn before fees, points."""
    n_found, n_false = Counter[float](), Counter[float]()
    for number, row in enumerate(market.chain_rows):
        clean = closing_quotes(market, row).filter(pl.col("root").is_in(["VIX", "VIXW"]))
        for edge in EDGES:
            quotes, plant = planted_in_vix(clean, number=number, edge=edge)
            slices = session_pricing(quotes, calendar=market.calendar).slices
            made = executable_findings(quotes, slices, fee_per_contract=FEE_PER_CONTRACT)
            hits = [finds(plant, next(iter(LOCK_KINDS)), legs) for legs in made.legs.partition_by("finding_id")]
            n_found[edge] += any(hits)
            n_false[edge] += hits.count(False)
    n = len(market.chain_rows)
    rows = [(edge, n, n_found[edge], 100.0 * n_found[edge] / n, n_false[edge]) for edge in EDGES]
    names = ["edge, points", "planted", "found", "recall, %", "false findings"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("recall, %").round(1))


def as_markdown(table: pl.DataFrame) -> list[str]:
    """Return a frame as the lines of a Markdown table."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * table.width]
    return lines + [
        "| " + " | ".join("" if value is None else str(value) for value in row) + " |" for row in table.rows()
    ]


def report(n_sessions: int) -> str:
    """Return the study as Markdown."""
    market_with = partial(
        simulate_market,
        calendar=trading_calendar(),
        last_session=LAST_SESSION,
        seed=SEED,
        n_chain_sessions=n_sessions,
    )
    planted = market_records(market_with(plants=all_plants(n_sessions)))
    unplanted = market_with(plants=())
    clean = market_records(unplanted, beside=False)
    return "\n".join(
        [
            "# Recall and precision of the detectors",
            "",
            f"`python -m benchmarks.mispricing_recall {n_sessions}`: {n_sessions} sessions of the sample market (seed "
            f"{SEED}), fee {FEE_PER_CONTRACT:.2f} dollars a contract, every detector but surface_residual "
            "(docs/residual_recall.md). A plant is found when a finding of one of its kinds in its slice trades one of "
            "its legs. *Sort confirmed*: linear programs see the lock in the quotes the sort names (calls alone, puts "
            "alone, synthetics alone) and in no other of these three sets, or, for the last sort, in none of them and "
            "only in all quotes together.",
            "",
            *as_markdown(recall_table(planted)),
            "",
            *as_markdown(precision_table(planted, clean)),
            "",
            "Locks in VIX slices by what they earn before fees. A vertical trades two contracts and pays "
            f"{2 * FEE_PER_CONTRACT / 100:.2f} points, a crossed synthetic four or more: what earns no more than its "
            "fees is none.",
            "",
            *as_markdown(edge_table(unplanted)),
            "",
            f"Locks whose legs could lose, at 0, at any strike or beyond: {sum(r.n_losing for r in planted)}.",
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
