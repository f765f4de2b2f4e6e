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
from transforms.mispricing.finding_frames import FindingFrames
from transforms.mispricing.residual import residual_baseline, residual_bucket_daily, surface_residual_findings
from transforms.mispricing.session import session_mispricings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import fallback_curve
from transforms.quality import session_gates, snapshot_summary
from transforms.schemas import MISPRICING_KINDS
from transforms.sessions import TradingCalendar

FEE = 0.65
REPORT = Path("docs/mispricings_real.md")
TICK = 0.05
# More findings than this in a session are told by kind; sessions of fewer quotes than that are told by file.
MOST_ROWS = 60
FEWEST_QUOTES = 50
QUOTE = ["root", "expiration", "strike", "option_type"]
ABOUT_FILES = {
    "SPX_all_20260130.csv.gz": "Yahoo shows each series' last bid and ask without their time, and leaves those of "
    "series that nobody trades as they were months ago. The 1,644 of 17,107 series that had not traded for a month are "
    "in quarantine (`dormant_series`). With them the chain would hold 60 locks, 114 calendars and 325 residuals, none "
    "of them tradable, and the gate `contradicting_quotes` would refuse it: 1,134 quotes contradict each other.",
    "spx_sample_ivolatility.csv.gz": "No sizes in the file, so no dollars. Deep puts worth a few ticks.",
    "vix_quotedata_20190829T0928ET.dat": "Quotes from before the opening, 17 hours after the settlement they are held "
    "against, by when the options' forwards had moved by up to 0.4 points.",
}
INTRODUCTION = """# What the detectors find on real chains

Every option file at hand through every detector, with 0.65 dollars a contract: locks (conversion, reversal, vertical,
butterfly), boxes against Treasury, calendars, residuals from the smile, VIX parity and the Jensen bound of forward
variance. Written by `python -m benchmarks.mispricings_real FOLDER`; the explanations of residuals follow from the
quote, its neighbors and its slice by the rules of that script, those of the files from what their vendors say.

The chains stand alone, without sessions before them, so residuals have no z-score here: a quote is listed if it stands
out from its bucket of the same session by five robust deviations and from its neighbors. *Outside* counts all quotes
that the smile leaves outside their bid and ask: thousands, nearly all of them where five parameters cannot follow the
far puts, and none of them a finding. Boxes are only held against a Treasury curve; files from years without one have
none.
"""


@dataclass(frozen=True)
class Chain:
    """One session of one file: its quotes, what was found in them and the variance triangle."""

    name: str
    session: date
    kind: str
    quotes: pl.DataFrame
    found: FindingFrames
    slices: pl.DataFrame
    misfits: pl.DataFrame


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
    """Return the chains of one file, one per session and kind of snapshot.

    Raises
    ------
    DataError
        If no source reads the file, or a gate refuses all its snapshots.
    """
    calendar = trading_calendar()
    delivery = open_delivery(path.name, path.read_bytes())
    reading = recognize(delivery).read(delivery, calendar=calendar)
    quotes = accepted(path.name, reading.frames["core.option_quote"], calendar=calendar)
    key = ["root", "expiration", "strike", "option_type"]
    chains = []
    for (session, kind), own in quotes.group_by("session_date", "snapshot_kind", maintain_order=True):
        rows = own.unique(key, keep="first", maintain_order=True).filter(
            pl.col("ask").is_null() | (pl.col("ask") >= pl.col("bid").fill_null(0.0)) | (pl.col("ask") == 0.0)
        )
        assert isinstance(session, date)
        curve = fallback_curve(rates, session)
        pricing = session_pricing(rows, calendar=calendar, fallback=curve)
        made = session_mispricings(
            rows,
            pricing.slices,
            pricing.options,
            futures=futures.filter(pl.col("session_date") == session),
            rates=curve,
            calendar=calendar,
            fee_per_contract=FEE,
        )
        baseline = residual_baseline(residual_bucket_daily(made.misfits), calendar=calendar)
        residual = surface_residual_findings(made.misfits, baseline, fee_per_contract=FEE)
        found = FindingFrames.concat([made.found, residual])
        chains.append(Chain(path.name, session, str(kind), rows, found, pricing.slices, made.misfits))
    return chains


def accepted(name: str, quotes: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return the quotes of a file's snapshots that no session gate refuses.

    Raises
    ------
    DataError
        With the gates' reasons, if none is left.
    """
    summaries = snapshot_summary(quotes.with_columns(pl.lit("file").alias("source_sha256")))
    failed = session_gates(summaries, calendar=calendar).filter(pl.col("outcome") == "failed")
    kept = quotes.join(failed, on=["session_date", "root", "snapshot_kind"], how="anti", maintain_order="left")
    if kept.is_empty():
        raise DataError(f"{name}: {' '.join(failed['reason'].unique().sort())}")
    return kept


def explanation(row: dict[str, object], leg: dict[str, object], chain: Chain) -> str:
    """Return why a finding is there; `leg` is the quote of a residual, with its misfit and its slice."""
    kind, note = row["kind"], str(row["note"] or "")
    if kind == "surface_residual":
        return _residual_explanation(leg)
    if kind == "forward_variance":
        return f"{note}; a straight line over a weekend puts too much variance before the expiration"
    if kind == "vix_parity":
        return f"{note}: the market moved"
    if kind in ("conversion", "reversal", "vertical", "butterfly"):
        return f"a lock at the prices printed; {note}"
    return note


def _residual_explanation(leg: dict[str, object]) -> str:
    number = {name: float(value) for name, value in leg.items() if isinstance(value, float | int)}
    misfit = number.get("local_misfit", 0.0)
    if abs(misfit) > 1.0:
        return f"the smile misses this stretch of strikes: the neighbors are off by {misfit:+.1f} half-spreads too"
    if number["price"] <= 5.0 * TICK or number["residual_points"] <= TICK:
        return f"a few ticks: the smile says {number['fitted_price']:.3f}, and a quote moves by 0.05"
    if number["vol_points"] <= number["rmse_vol_points"]:
        return f"within the smile's own error on the slice, {number['rmse_vol_points']:.2f} vol points rms"
    if not number.get("volume"):
        return "not traded that day: a quote left standing"
    return "stands alone among its neighbors, and traded: rich or cheap against the smile"


def finding_lines(chain: Chain) -> list[str]:
    """Return one table row per finding, by kind and size."""
    facts = chain.misfits.join(
        chain.slices.select("root", "expiration", "rmse_vol_points"), on=["root", "expiration"], how="left"
    ).select(*QUOTE, "local_misfit", "fitted_price", "residual_points", "rmse_vol_points")
    legs = (
        chain.found.legs.join(facts, on=QUOTE, how="left")
        .join(chain.quotes.select(*QUOTE, "volume"), on=QUOTE, how="left")
        .join(chain.found.findings.select("finding_id", "vol_points"), on="finding_id")
        .sort("finding_id", "leg")
    )
    lines = []
    for row in chain.found.findings.sort("kind", "edge_points", descending=[False, True]).iter_rows(named=True):
        own = legs.filter(pl.col("finding_id") == row["finding_id"]).to_dicts()
        what = "; ".join(_leg_text(leg) for leg in own)
        lines.append(f"| {row['kind']} | {what} | {row['edge_points']:.3f} | {explanation(row, own[0], chain)} |")
    return lines


def _leg_text(leg: dict[str, object]) -> str:
    option = f" {leg['strike']:g} {leg['option_type']}" if leg["instrument"] == "option" else f" {leg['instrument']}"
    return f"{leg['side']} {leg['quantity']:.4g} {leg['root']} {leg['expiration']}{option} at {leg['price']:g}"


def kind_lines(chain: Chain) -> list[str]:
    """Return one table row per kind of finding."""
    kinds = chain.found.findings.group_by("kind").agg(
        pl.len(), pl.col("edge_points").median().alias("median"), pl.col("edge_points").max().alias("largest")
    )
    return [
        f"| {kind} | {n} findings, median {median:.2f} points | {largest:.3f} | stale quotes, see above |"
        for kind, n, median, largest in kinds.sort("kind").iter_rows()
    ]


def report(chains: list[Chain], refused: list[tuple[str, str]]) -> str:
    """Return the page."""
    parts = [INTRODUCTION, "| file | session | snapshot | quotes | outside | findings |", "|---|---|---|---|---|---|"]
    large = [chain for chain in chains if chain.quotes.height >= FEWEST_QUOTES]
    for chain in large:
        counts = Counter(chain.found.findings["kind"].to_list())
        told = ", ".join(f"{kind} {counts[kind]}" for kind in MISPRICING_KINDS if counts[kind]) or "none"
        parts.append(
            f"| {chain.name} | {chain.session} | {chain.kind} | {chain.quotes.height:,} "
            f"| {chain.misfits['side'].count():,} | {told} |"
        )
    parts.append("\nFiles of a few quotes a session, too few for a smile:\n")
    small = Counter(chain.name for chain in chains if chain.quotes.height < FEWEST_QUOTES)
    for name, n in sorted(small.items()):
        n_found = sum(chain.found.findings.height for chain in chains if chain.name == name)
        parts.append(f"- {name}: {n} sessions, {n_found} findings")
    parts.append("\nFiles that are refused, by their source or by a gate, with the reason the program gives:\n")
    parts += [f"- {reason}" for _, reason in refused]
    told_files: set[str] = set()
    for chain in chains:
        if chain.found.findings.is_empty():
            continue
        parts.append(f"\n## {chain.name}, {chain.session}\n")
        if chain.name in ABOUT_FILES and chain.name not in told_files:
            parts.append(ABOUT_FILES[chain.name] + "\n")
        told_files.add(chain.name)
        parts += ["| kind | legs | points | explanation |", "|---|---|---|---|"]
        parts += kind_lines(chain) if chain.found.findings.height > MOST_ROWS else finding_lines(chain)
    return "\n".join(parts) + "\n"


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
            except DataError as error:
                refused.append((path.name, str(error)))
    REPORT.write_text(report(chains, refused))
    print(f"{len(chains)} chains, {sum(chain.found.findings.height for chain in chains)} findings: {REPORT}")


if __name__ == "__main__":
    main()
