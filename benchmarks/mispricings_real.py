"""Run every detector on every real chain at hand and write what they find, finding by finding, with its explanation.

Run from the checkout: python -m benchmarks.mispricings_real FOLDER. FOLDER holds vendor files in spx_options/,
vix_options/, vx_futures/ and rates/. Writes docs/mispricings_real.md.
"""

import argparse
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.errors import DataError
from transforms.mispricing.box import box_curve, box_findings
from transforms.mispricing.calendar import calendar_findings
from transforms.mispricing.finding_frames import FindingFrames
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.residual import (
    residual_baseline,
    residual_bucket_daily,
    residuals,
    surface_residual_findings,
)
from transforms.mispricing.vix import forward_variance_findings, variance_triangle, vix_parity_findings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import fallback_curve
from transforms.schemas import MISPRICING_KINDS

FEE = 0.65
REPORT = Path("docs/mispricings_real.md")


@dataclass(frozen=True)
class Chain:
    """One session of one file: its quotes, what was found in them and the variance triangle."""

    name: str
    session: date
    kind: str
    quotes: pl.DataFrame
    found: FindingFrames
    triangle: pl.DataFrame
    n_outside: int


def read_table(folder: Path, table: str) -> pl.DataFrame:
    """Return the rows of a core table that the files of a folder hold; the later file of two with one key."""
    frames = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            delivery = open_delivery(path.name, path.read_bytes())
            try:
                reading = recognize(delivery).read(delivery, calendar=trading_calendar())
            except DataError:
                continue
            if table in reading.frames:
                frames.append(reading.frames[table])
    return pl.concat(frames, how="diagonal")


def chains_of(path: Path, *, futures: pl.DataFrame, rates: pl.DataFrame) -> list[Chain]:
    """Return the chains of one file, one per session and kind of snapshot."""
    calendar = trading_calendar()
    delivery = open_delivery(path.name, path.read_bytes())
    quotes = recognize(delivery).read(delivery, calendar=calendar).frames["core.option_quote"]
    key = ["root", "expiration", "strike", "option_type"]
    chains = []
    for (session, kind), own in quotes.group_by("session_date", "snapshot_kind", maintain_order=True):
        rows = own.unique(key, keep="first", maintain_order=True).filter(
            pl.col("ask").is_null() | (pl.col("ask") >= pl.col("bid").fill_null(0.0)) | (pl.col("ask") == 0.0)
        )
        assert isinstance(session, date)
        curve = fallback_curve(rates, session)
        pricing = session_pricing(rows, calendar=calendar, fallback=curve)
        settles = futures.filter(pl.col("session_date") == session)
        triangle = variance_triangle(rows, pricing.slices, futures=settles, calendar=calendar)
        misfits = residuals(pricing.options, rows)
        baseline = residual_baseline(residual_bucket_daily(misfits), calendar=calendar)
        boxes = box_curve(pricing.slices, treasury=curve)
        clocks = triangle.select("session_date", "clock_gap_minutes").unique()
        found = [
            executable_findings(rows, pricing.slices, fee_per_contract=FEE),
            box_findings(rows, boxes, fee_per_contract=FEE),
            calendar_findings(rows, pricing.slices, fee_per_contract=FEE),
            surface_residual_findings(misfits, baseline, fee_per_contract=FEE),
            vix_parity_findings(pricing.slices, futures=settles, clocks=clocks),
            forward_variance_findings(triangle),
        ]
        chains.append(
            Chain(
                path.name, session, str(kind), rows, FindingFrames.concat(found), triangle, misfits["side"].count()
            )
        )
    return chains


def main() -> None:
    """Run all files and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    futures = read_table(folder / "vx_futures", "core.futures_settlement").unique(
        ["session_date", "root", "expiration"], keep="last", maintain_order=True
    )
    rates = read_table(folder / "rates", "core.treasury_rate")
    chains, refused = [], []
    for path in sorted([*(folder / "spx_options").rglob("*"), *(folder / "vix_options").rglob("*")]):
        if path.is_file():
            try:
                chains += chains_of(path, futures=futures, rates=rates)
            except (DataError, KeyError) as error:
                refused.append((path.name, str(error)))
    for chain in chains:
        counts = Counter(chain.found.findings["kind"].to_list())
        print(chain.name, chain.session, chain.kind, chain.quotes.height, chain.n_outside, dict(counts))
    print(refused)


if __name__ == "__main__":
    main()
