"""Write docs/pricing.md: what the pricing makes of every real chain, and of a sample market whose truth is known.

Run from the checkout: python -m benchmarks.pricing_report [--sessions N] [--write docs/pricing.md]
Real: the option files in ../shared/data, each snapshot priced as a night prices it, with the rates and the VIX closes
beside them. Simulated: `--sessions` chains of a sample market, read back from the vendor files it prints.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.pricing_recovery import (
    QUOTE_KEY,
    SLICE_KEY,
    error_distribution,
    read_table,
    recovered,
    recovery_errors,
)
from flows.calendar import trading_calendar
from flows.cross_section import cross_section
from transforms.errors import DataError
from transforms.pricing.variance import MINUTES_365_DAYS, vix_level
from transforms.quality import session_gates, snapshot_summary
from transforms.sample_market.market import simulate_market
from transforms.schemas import (
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    SLICE,
    TREASURY_RATE,
    VARIANCE_DAILY,
)
from transforms.session_checks import VIX_GAP_TOLERANCE, vix_gap_check
from transforms.sessions import vix_monthly_expirations
from transforms.table_schema import Table

CHECKOUT = Path(__file__).resolve().parents[1]
REAL = CHECKOUT.parent / "shared" / "data"
# Vendors' samples of two or four strikes price nothing.
MIN_QUOTES = 500
# A smile of five parameters takes six quotes.
MIN_SLICE_QUOTES = 6
LAST_SESSION, SEED = date(2026, 1, 23), 20260123


@dataclass(frozen=True)
class Priced:
    """One snapshot of a real file and the rows a night makes of it; `refusal` names the gates that refuse it."""

    file: str
    session: date
    kind: str
    quotes: pl.DataFrame
    refusal: str | None
    frames: dict[Table, pl.DataFrame]


def read_folder(folder: Path, table: Table) -> pl.DataFrame:
    """Return the rows of one table that the files of a folder hold, those that no source reads left out."""
    frames = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            frames.append(read_table(path.name, path.read_bytes(), table))
        except DataError:
            continue
    return pl.concat([frame.select(frames[0].columns) for frame in frames if frame.height])


def priced_files(folder: Path, *, rates: pl.DataFrame, levels: pl.DataFrame) -> Iterator[Priced]:
    """Yield every snapshot of every option file below a folder, in order of file, session and kind."""
    calendar = trading_calendar()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            quotes = read_table(path.name, path.read_bytes(), OPTION_QUOTE)
        except DataError:
            continue
        for (session, kind), own in sorted(quotes.partition_by("session_date", "snapshot_kind", as_dict=True).items()):
            if own.height < MIN_QUOTES:
                continue
            named = own.with_columns(pl.lit(path.name).alias("source_sha256"))
            gates = session_gates(snapshot_summary(named), calendar=calendar)
            refused = gates.filter(pl.col("outcome") == "failed")["gate"].unique().sort()
            frames = cross_section(own, rates=rates, levels=levels, session=session, calendar=calendar)
            yield Priced(path.name, session, kind, own, ", ".join(refused) or None, frames)


def rounded(value: float | None, digits: int) -> str | None:
    """Return a figure as text, None where it is missing."""
    return None if value is None or np.isnan(value) else f"{value:.{digits}f}"


def quantile(values: pl.Series, share: float) -> float | None:
    """Return a quantile of the values that are there, None without any."""
    found = values.drop_nulls().to_numpy()
    return float(np.quantile(found, share)) if found.size else None


def markdown(rows: list[dict[str, object]]) -> str:
    """Return rows as a Markdown table; a missing value is a dash."""
    names = list(rows[0])
    cells = [["-" if row[name] is None else str(row[name]) for name in names] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [names, ["---"] * len(names), *cells])


def vix_row(one: Priced) -> dict[str, object]:
    """Return the replicated and the published VIX and what the gates say."""
    variance = one.frames[VARIANCE_DAILY]
    levels = variance.row(0, named=True) if variance.height else {}
    return {
        "session": one.session,
        "file": one.file.removesuffix(".gz"),
        "quotes of (UTC)": f"{one.quotes.item(0, 'quote_ts'):%m-%d %H:%M} {one.kind}",
        "quotes": f"{one.quotes.height:,}",
        "replicated": rounded(levels.get("vix_replicated"), 3),
        "published": rounded(levels.get("vix_published"), 2),
        "gap": rounded(levels.get("vix_gap"), 3),
        "gate vix_gap": vix_gap_check(variance, one.session)["outcome"].item(),
        "refused by": one.refusal,
    }


def vix_sentence(spx: list[Priced]) -> str:
    """Return how many full Cboe chains of 2022 on agree with the published VIX, and how well."""
    sessions = {one.session: one for one in spx if one.file.startswith("spx_") and one.session.year >= 2022}
    gaps = pl.concat([one.frames[VARIANCE_DAILY] for one in sessions.values()])["vix_gap"].drop_nulls().abs()
    within = {limit: gaps.filter(gaps <= limit).len() for limit in (0.05, 0.01)}
    return (
        f"Of the {gaps.len()} sessions from 2022 on with a full Cboe chain,\n{within[0.05]} agree with the published "
        f"close within 0.05 points and {within[0.01]} within 0.01."
    )


def live_slices(one: Priced) -> pl.DataFrame:
    """Return the slices that have not expired and have quotes enough for a smile."""
    return one.frames[SLICE].filter((pl.col("time_to_expiry") > 0.0) & (pl.col("n_quotes") >= MIN_SLICE_QUOTES))


def smile_row(one: Priced) -> dict[str, object]:
    """Return how many slices have a forward in its interval and a smile, and how good the smiles are."""
    live = live_slices(one)
    n_own = live.filter(pl.col("rate_source") == "parity").height
    smiles = live.filter(pl.col("svi_a").is_not_null())
    flawed = smiles.filter(pl.col("status") != "fitted")
    bounded = live.filter(pl.col("parity_slack") >= 0.0)
    inside = (pl.col("forward") >= pl.col("forward_low")) & (pl.col("forward") <= pl.col("forward_high"))
    return {
        "session": one.session,
        "quotes of": one.kind,
        "slices": live.height,
        "own rate": f"{n_own / max(live.height, 1):.0%}",
        "forward in its interval": f"{bounded.filter(inside).height} of {bounded.height}",
        "fitted": f"{smiles.height / max(live.height, 1):.1%}",
        "calendar left": (flawed["status"] == "calendar").sum(),
        "butterfly left": (flawed["status"] == "butterfly").sum(),
        "RMSE median": rounded(quantile(smiles["rmse_vol_points"], 0.5), 2),
        "RMSE p95": rounded(quantile(smiles["rmse_vol_points"], 0.95), 2),
        "inside spread, median slice": rounded(quantile(smiles["share_inside_spread"], 0.5), 2),
        "condor strikes inside": rounded(condor_share(one), 2),
    }


def condor_share(one: Priced) -> float | None:
    """Return the share of out-of-the-money quotes with |delta| from 0.05 to 0.55 whose fitted vol is in the spread."""
    central = one.frames[OPTION_ANALYTICS].filter(
        (pl.col("iv_status") == "ok")
        & pl.col("delta").abs().is_between(0.05, 0.55)
        & ((pl.col("log_moneyness") >= 0.0) == (pl.col("option_type") == "call"))
    )
    inside = central.filter(pl.col("fitted_vol").is_between("implied_vol_bid", "implied_vol_ask"))
    return inside.height / central.height if central.height else None


def vendor_row(one: Priced) -> dict[str, object] | None:
    """Return the distances of our vols and deltas from the vendor's, 7 days to a year out; None without a vendor's."""
    vendor = one.quotes.select(*QUOTE_KEY, "vendor_implied_vol", "vendor_delta")
    years = one.frames[SLICE].select(*SLICE_KEY, "time_to_expiry")
    compared = (
        one.frames[OPTION_ANALYTICS]
        .join(vendor, on=QUOTE_KEY, validate="1:1")
        .join(years, on=SLICE_KEY, validate="m:1")
        .filter(
            pl.col("time_to_expiry").is_between(7 / 365, 1.0)
            & pl.col("delta").abs().is_between(0.1, 0.9)
            & (pl.col("vendor_implied_vol") > 0.0)
            & (pl.col("iv_status") == "ok")
        )
    )
    if compared.is_empty():
        return None
    vol = 100.0 * (compared["implied_vol_mid"] - compared["vendor_implied_vol"])
    # The vendor's delta is that of the spot.
    delta = compared["delta_spot"] - compared["vendor_delta"]
    calls = compared["option_type"] == "call"
    return {
        "session": one.session,
        "quotes of": one.kind,
        "compared": f"{compared.height:,}",
        "vol: median": rounded(quantile(vol.abs(), 0.5), 3),
        "p95": rounded(quantile(vol.abs(), 0.95), 3),
        "calls, theirs - ours": rounded(quantile(-vol.filter(calls), 0.5), 3),
        "puts, theirs - ours": rounded(quantile(-vol.filter(~calls), 0.5), 3),
        "delta: median": rounded(quantile(delta.abs(), 0.5), 4),
        "delta: p95": rounded(quantile(delta.abs(), 0.95), 4),
    }


def future_rows(one: Priced, futures: pl.DataFrame) -> list[dict[str, object]]:
    """Return each VIX slice beside the settlement of the future with its expiration."""
    settles = futures.filter(pl.col("session_date") == one.session).select("expiration", "settle")
    joined = live_slices(one).join(settles, on="expiration", how="left", validate="1:1").sort("expiration")
    return [
        {
            "quotes of": one.kind,
            "expiration": row["expiration"],
            "forward": rounded(row["forward"], 3),
            "interval": f"{row['forward_low']:.2f} to {row['forward_high']:.2f}",
            "VX settle": rounded(row["settle"], 3),
            "forward - VX": None if row["settle"] is None else rounded(row["forward"] - row["settle"], 3),
            "pairs": row["n_pairs"],
            "smile": row["status"],
            "RMSE, vol points": rounded(row["rmse_vol_points"], 2),
            "inside spread": rounded(row["share_inside_spread"], 2),
        }
        for row in joined.iter_rows(named=True)
    ]


def vvix_sentence(one: Priced, levels: pl.DataFrame) -> str:
    """Return VVIX from the two monthly VIX slices around 30 days beside the published close.

    VVIX is the VIX's method on VIX options.
    """
    monthly = vix_monthly_expirations(one.session, one.session + timedelta(days=80), calendar=trading_calendar())
    slices = one.frames[SLICE].filter(pl.col("expiration").is_in(monthly) & (pl.col("time_to_expiry") > 0.0))
    near, following = slices.sort("expiration").head(2).select("model_free_variance", "time_to_expiry").rows()
    minutes = near[1] * MINUTES_365_DAYS, following[1] * MINUTES_365_DAYS
    own = levels.filter((pl.col("session_date") == one.session) & (pl.col("symbol") == "VVIX"))
    level = vix_level((near[0], following[0]), minutes)
    return (
        f"\nVVIX of {one.session} from the monthly slices around 30 days is {level:.2f}, "
        f"published was {own['close'].item():.2f}."
    )


def sample_section(n_sessions: int) -> str:
    """Return the recovery of a sample market's truth, over `n_sessions` chains."""
    market = simulate_market(
        calendar=trading_calendar(),
        last_session=LAST_SESSION,
        seed=SEED,
        n_chain_sessions=n_sessions,
        n_history_sessions=25,
    )
    sessions = [recovered(market, row) for row in market.chain_rows]
    distribution = error_distribution(pl.concat([recovery_errors(found) for found in sessions]))
    slices = pl.concat([found.slices for found in sessions])
    bounded = slices.filter(pl.col("forward_low").is_not_null() & pl.col("forward_high").is_not_null())
    inside = bounded.filter(pl.col("forward_true").is_between("forward_low", "forward_high")).height
    refused = slices.filter((pl.col("n_quotes") >= MIN_SLICE_QUOTES) & pl.col("svi_a").is_null()).height
    rows: list[dict[str, object]] = [
        {
            "underlying": row["kind"],
            "quantity": row["quantity"],
            "n": f"{row['n']:,}",
            **{name: f"{row[name]:.3g}" for name in ("median", "p95", "max")},
        }
        for row in distribution.iter_rows(named=True)
    ]
    return SAMPLE.format(
        n=n_sessions,
        first=sessions[0].session,
        last=sessions[-1].session,
        seed=SEED,
        inside=f"{inside:,} of {bounded.height:,}",
        refused=f"{refused} of {slices.height:,}",
        table=markdown(rows),
    )


def real_sections(folder: Path) -> str:
    """Return the tables of every real chain in the folder of vendor files."""
    levels = read_folder(folder / "index_history", INDEX_LEVEL).unique(["session_date", "symbol"], keep="first")
    rates = read_folder(folder / "rates", TREASURY_RATE)
    spx = sorted(priced_files(folder / "spx_options", rates=rates, levels=levels), key=lambda one: one.session)
    vix = sorted(
        priced_files(folder / "vix_options", rates=rates, levels=levels), key=lambda one: (one.session, one.kind)
    )
    futures = []
    for expiration in sorted({day for one in vix for day in one.quotes["expiration"]}):
        for path in sorted((folder / "vx_futures" / "current").rglob(f"VX_{expiration}.csv")):
            futures.append(read_table(path.name, path.read_bytes(), FUTURES_SETTLEMENT))
    sound = [one for one in spx if one.refusal is None]
    vendors = [row for one in sound if (row := vendor_row(one)) is not None]
    beside_futures = [{"session": one.session} | row for one in vix for row in future_rows(one, pl.concat(futures))]
    everything = pl.concat([live_slices(one) for one in sound])
    smiles = everything.filter(pl.col("svi_a").is_not_null())
    n_clean = smiles.filter(pl.col("status") == "fitted").height
    return CHAINS.format(
        near=vix_sentence(spx),
        tolerance=VIX_GAP_TOLERANCE,
        vix=markdown([vix_row(one) for one in spx]),
        n_slices=f"{everything.height:,}",
        fitted=f"{smiles.height / everything.height:.2%}",
        clean=f"{n_clean / smiles.height:.2%}",
        rmse=rounded(quantile(smiles["rmse_vol_points"], 0.5), 2),
        inside=rounded(quantile(smiles["share_inside_spread"], 0.5), 2),
        smiles=markdown([smile_row(one) for one in sound]),
        vendors=markdown(vendors),
        vvix=vvix_sentence(next(one for one in vix if one.kind == "close"), levels),
        futures=markdown(beside_futures),
    )


HEADER = """# Pricing: what it makes of real chains, and of a market whose truth is known

Written by `python -m benchmarks.pricing_report --write docs/pricing.md`; no figure is typed by hand. Every snapshot
is priced as a night prices it (`flows.cross_section`). What each figure means: the docstrings of
`transforms/pricing` and the column comments in [data_dictionary.md](data_dictionary.md).
"""

CHAINS = """
## Our own VIX beside the published close

Cboe's method on the session's own quotes, its terms discounted with Treasury yields where a file has them, else
with the rates the options imply. {near}

The data gate `vix_gap` warns beyond {tolerance} points; `skipped` means that a term or the published close is
missing. It warns where a download holds quotes of another hour: 2019-05-10 was downloaded before the next open. A
gate that refuses the chain (last column) keeps it out of the database altogether.

{vix}

## Forwards and smiles

Over the {n_slices} live slices with at least 6 usable quotes in chains that no gate refuses: {fitted} have a smile,
of which {clean} without any arbitrage left; the median slice has an RMSE of {rmse} vol points (weighted by vega)
and {inside} of its quotes inside the spread. `own rate` is the share of slices that determine their own discount
factor; the others take it from the curve of those that do, or from Treasury yields. `condor strikes inside` is the
share of out-of-the-money quotes with |delta| from 0.05 to 0.55 whose fitted vol lies between bid and ask vol.

{smiles}

## The vendor's vols and deltas

Quotes 7 days to a year out whose delta is 0.1 to 0.9 in size. Vols in vol points, deltas of the spot. Where calls
and puts lean to opposite sides, the vendor's forward is not the one the options imply at that instant.

{vendors}

## VIX options beside VX futures

Each VIX slice's forward by put-call parity and the settlement of the future that expires with it, which was of
16:15 New York then; `close` quotes are of that instant, `eod_1545` of half an hour before, `non_regular` of the
next morning. A dash: there is no file of that contract.{vvix}

{futures}
"""

SAMPLE = """
## A sample market: how near the truth

{n} sessions, {first} to {last}, seed {seed}, read back from the rounded quotes of the files it prints. Sizes of
errors. The true forward lies within the no-arbitrage interval in {inside} slices; {refused} slices have no smile
though they have 6 quotes or more. A VIX smile is a mixture's, not an SVI, so its parameters have no truth. The five
SVI parameters trade off against each other: smiles that agree to a hundredth of a vol point where quotes are can
differ visibly in `a`, `rho`.

{table}
"""


def main() -> None:
    """Print the report, or write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20, help="chains of the sample market")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    text = HEADER + (real_sections(REAL) if REAL.is_dir() else "") + sample_section(arguments.sessions)
    if arguments.write:
        arguments.write.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
