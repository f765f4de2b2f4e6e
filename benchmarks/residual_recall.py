"""Measure how many mispriced quotes surface_residual finds, and how many of its findings are true, by their size.

Run from the checkout: python -m benchmarks.residual_recall; it writes docs/residual_recall.md. On each session of the
sample market 24 two-sided quotes are moved, their spread unchanged, until their mid lies `size` half-spreads
from the true price. A plant is found if a finding names its strike and side; a finding is true if it names a plant's.
The first sessions only carry the history and are left as they are; a judged session is history to those after it with
its plants, as it would be in a home.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from flows.calendar import trading_calendar
from transforms.mispricing.residual import (
    residual_baseline,
    residual_bucket_daily,
    residuals,
    surface_residual_findings,
)
from transforms.pricing.analytics import session_pricing
from transforms.sample_market.chain import true_chain
from transforms.sample_market.market import SampleMarket, simulate_market
from transforms.sample_market.quotes import quoted_chain
from transforms.sessions import option_close

LAST_SESSION = date(2026, 1, 23)
SEED = 20260123
FEE = 0.65
N_JUDGED, N_HISTORY = 60, 60
PLANTS_PER_SESSION = 24
SIZES = (1.1, 1.25, 1.5, 2.0, 3.0, 4.0)
REPORT = Path("docs/residual_recall.md")
INTRODUCTION = f"""# How well surface_residual finds mispriced quotes

Sample market, seed {SEED}, {N_HISTORY + N_JUDGED} sessions to {LAST_SESSION}. The first {N_HISTORY} are left clean and
carry the history (`residual_window`); on each of the {N_JUDGED} judged {PLANTS_PER_SESSION} quotes with a bid
and an ask, in or out of the money and of any price (SPX, SPXW, VIX and VIXW), are moved until their mid lies `size`
half-spreads from the true price, their own spread unchanged; so moved, they are part of the history of the sessions
after. At size 1 the true price is on the edge of the quote: there is nothing to find. Written by
`python -m benchmarks.residual_recall`.
"""
QUOTE = ["session_date", "root", "expiration", "strike"]


@dataclass
class Tally:
    """Plants, plants found, findings, and findings that are plants."""

    planted: int = 0
    recalled: int = 0
    found: int = 0
    true: int = 0


def session_quotes(market: SampleMarket, row: int) -> pl.DataFrame:
    """Return core.option_quote rows of one clean sample session at its close, and `true_price` (points)."""
    chain = true_chain(market.path, row, calendar=market.calendar)
    quotes = quoted_chain(chain, seed=market.path.seed)
    of_slice = pl.Series(chain.slice_index)
    close = pl.lit(option_close(chain.session_date, calendar=market.calendar)).cast(pl.Datetime("us"))
    return pl.DataFrame(
        {
            "root": pl.Series([item.root for item in chain.slices]).gather(of_slice),
            "expiration": pl.Series([item.expiration for item in chain.slices]).gather(of_slice),
            "strike": quotes.strike / 1_000.0,
            "option_type": pl.Series(np.where(chain.is_call, "call", "put")),
            "bid": quotes.bid_eod / 100.0,
            "ask": quotes.ask_eod / 100.0,
            "bid_size": quotes.bid_size_eod,
            "ask_size": quotes.ask_size_eod,
            "true_price": chain.true_eod,
        }
    ).with_columns(
        pl.lit(chain.session_date).alias("session_date"),
        pl.lit("close").alias("snapshot_kind"),
        close.alias("quote_ts"),
        pl.lit(chain.spot_eod).alias("spot"),
        pl.when(pl.col("ask") > 0.0).then("ask").alias("ask"),
    )


def planted(quotes: pl.DataFrame, *, size: float, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return quotes, some moved `size` half-spreads from their true price, and the keys of those with their side.

    Among all quotes with a bid and an ask; half are made rich, half cheap.
    """
    rng = np.random.default_rng(seed)
    rows = quotes.with_row_index("row")
    own = rows.filter((pl.col("bid") > 0.0) & pl.col("ask").is_not_null())
    chosen = own[np.sort(rng.choice(own.height, PLANTS_PER_SESSION, replace=False))]
    sign = np.where(np.arange(chosen.height) % 2 == 0, 1.0, -1.0)
    half = 0.5 * (chosen["ask"] - chosen["bid"]).to_numpy()
    # A cheap quote cannot be bid below nothing.
    middle = np.maximum(chosen["true_price"].to_numpy() + sign * size * half, half + 0.01)
    moved = chosen.with_columns(
        pl.Series("bid", middle - half),
        pl.Series("ask", middle + half),
        pl.Series("side", np.where(sign > 0.0, "sell", "buy")),
    )
    real = (moved["true_price"] - pl.Series(middle)).abs() >= 0.999 * size * half
    changed = rows.update(moved.select("row", "bid", "ask"), on="row", how="left").drop("row")
    return changed, moved.filter(real).select(*QUOTE, "side")


def recall_by_size(
    *, n_judged: int = N_JUDGED, n_history: int = N_HISTORY, sizes: tuple[float, ...] = SIZES
) -> dict[float, Tally]:
    """Return the tally of each size over `n_judged` sessions after `n_history` without plants."""
    calendar = trading_calendar()
    market = simulate_market(
        calendar=calendar,
        last_session=LAST_SESSION,
        seed=SEED,
        n_chain_sessions=n_history + n_judged,
        n_history_sessions=20,
    )
    tallies = {size: Tally() for size in sizes}
    clean = []
    for row in market.chain_rows[:n_history]:
        quotes = session_quotes(market, row)
        clean.append(residual_bucket_daily(residuals(session_pricing(quotes, calendar=calendar).options, quotes)))
    history = {size: list(clean) for size in sizes}
    for row in market.chain_rows[n_history:]:
        quotes = session_quotes(market, row)
        for size, tally in tallies.items():
            changed, plants = planted(quotes, size=size, seed=SEED + row)
            rows = residuals(session_pricing(changed, calendar=calendar).options, changed)
            history[size].append(residual_bucket_daily(rows))
            baseline = residual_baseline(pl.concat(history[size]), calendar=calendar)
            found = findings_frame(rows, baseline)
            true = found.join(plants, on=[*QUOTE, "side"], how="semi").height
            tally.planted += plants.height
            tally.recalled += plants.join(found, on=[*QUOTE, "side"], how="semi").height
            tally.found += found.height
            tally.true += true
    return tallies


def findings_frame(rows: pl.DataFrame, baseline: pl.DataFrame) -> pl.DataFrame:
    """Return session, slice, strike and side of every finding."""
    legs = surface_residual_findings(rows, baseline, fee_per_contract=FEE).legs
    return legs.select(*QUOTE, "side")


def main() -> None:
    """Print the table and write it to docs."""
    lines = [
        "| size, half-spreads | planted | found | recall | findings | true | precision |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, tally in recall_by_size().items():
        recall, precision = tally.recalled / tally.planted, tally.true / max(tally.found, 1)
        cells = (f"{size:.2f}", tally.planted, tally.recalled, f"{recall:.1%}", tally.found, tally.true)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + f" | {precision:.1%} |")
    table = "\n".join(lines)
    print(table)
    REPORT.write_text(f"{INTRODUCTION}\n{table}\n")


if __name__ == "__main__":
    main()
