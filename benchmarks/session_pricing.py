"""Time one full SPX session through forwards, vols of bid, mid and ask, Greeks and smiles.

Run from the checkout: python -m benchmarks.session_pricing [chain file] [--density 1 2 4 8]. Without a file a chain of
known truth is made: 50 slices, 18,000 quotes. The file is any download that flows/sources reads as option quotes.
With `--density` only the whole is timed, of chains with so many times the strikes between the same ends.
"""

import argparse
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.pricing.analytics import session_pricing, time_to_expiry
from transforms.pricing.black76 import black_price
from transforms.pricing.forward import implied_forwards
from transforms.pricing.slice_grid import SliceGrid, slice_grid
from transforms.pricing.smile import fit_smiles
from transforms.sessions import option_close

N_SLICES = 50
STRIKES_PER_SLICE = 180
REPEATS = 7


def synthetic_chain(*, density: int = 1) -> pl.DataFrame:
    """Return core.option_quote rows of a chain of SSVI slices, quotes rounded outward to 0.05.

    `density` times as many strikes are listed between the same ends.
    """
    calendar = trading_calendar()
    session = date(2024, 3, 4)
    days = calendar.between(session + timedelta(days=1), session + timedelta(days=800))
    listed = np.unique(np.geomspace(1, len(days) - 1, 100).astype(int))
    chosen = [days[i] for i in listed[np.linspace(0, listed.size - 1, N_SLICES).astype(int)]]
    key = pl.DataFrame({"root": "SPXW", "expiration": chosen})
    close = pl.lit(option_close(session, calendar=calendar)).cast(pl.Datetime("us"))
    tau = time_to_expiry(key.with_columns(close.alias("quote_ts")), calendar=calendar)["time_to_expiry"].to_numpy()
    theta = (0.13 + 0.04 * np.sqrt(np.minimum(tau, 1.0))) ** 2 * tau
    frames = []
    for row, expiration in enumerate(chosen):
        unit = np.sqrt(theta[row])
        k = np.linspace(-7.0 * unit, 3.5 * unit, density * STRIKES_PER_SLICE)
        forward = 5000.0 * np.exp(0.036 * tau[row])
        strike = np.unique(np.round(forward * np.exp(k), 0 if density == 1 else 2))
        k = np.log(strike / forward)
        phi = 0.95 / np.sqrt(theta[row] * (1.0 + theta[row]))
        variance = 0.5 * theta[row] * (1.0 - 0.65 * phi * k + np.sqrt((phi * k - 0.65) ** 2 + 1.0 - 0.65**2))
        for kind in ("call", "put"):
            price = black_price(
                forward,
                strike,
                time_to_expiry=tau[row],
                implied_vol=np.sqrt(variance / tau[row]),
                discount_factor=np.exp(-0.05 * tau[row]),
                is_call=kind == "call",
            )
            half = 0.05 + 0.001 * price
            frames.append(
                pl.DataFrame(
                    {
                        "strike": strike,
                        "bid": np.maximum(np.floor((price - half) / 0.05) * 0.05, 0.0),
                        "ask": np.ceil((price + half) / 0.05) * 0.05,
                    }
                ).with_columns(
                    pl.lit("SPXW").alias("root"),
                    pl.lit(expiration).alias("expiration"),
                    pl.lit(kind).alias("option_type"),
                )
            )
    return pl.concat(frames).with_columns(
        pl.lit(session).alias("session_date"), close.alias("quote_ts"), pl.lit(5000.0).alias("spot")
    )


def read_chain(path: Path) -> pl.DataFrame:
    """Return the option quotes of a vendor file, as of the close of their session."""
    calendar = trading_calendar()
    delivery = open_delivery(path.name, path.read_bytes())
    quotes = recognize(delivery).read(delivery, calendar=calendar).frames["core.option_quote"]
    close = option_close(quotes["session_date"][0], calendar=calendar)
    return quotes.with_columns(pl.lit(close).cast(pl.Datetime("us")).alias("quote_ts"))


def best_of(work: Callable[[], object]) -> str:
    """Return the least wall-clock and processor seconds of REPEATS calls (the latter ignores what else is running)."""
    wall, processor = [], []
    for _ in range(REPEATS):
        started, started_processor = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started)
        processor.append(time.process_time() - started_processor)
    return f"{min(wall):.3f} s (processor {min(processor):.3f} s)"


def growth(densities: list[int]) -> None:
    """Print the seconds of whole sessions with ever more quotes,."""
    for density in densities:
        quotes = synthetic_chain(density=density)
        took = best_of(partial(session_pricing, quotes, calendar=trading_calendar(), n_threads=1))
        print(f"{quotes.height:,} quotes: {took}")


def main() -> None:
    """Print the seconds of the whole and of its two largest parts, and the quality of the smiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chain", nargs="?", type=Path)
    parser.add_argument("--density", type=int, nargs="+")
    arguments = parser.parse_args()
    if arguments.density:
        growth(arguments.density)
        return
    path = arguments.chain
    quotes = read_chain(path) if path else synthetic_chain()
    calendar = trading_calendar()
    priced = session_pricing(quotes, calendar=calendar)
    slices = priced.slices
    print(f"{quotes.height:,} quotes, {slices.height} slices")
    for threads in (1, 2):
        took = best_of(partial(session_pricing, quotes, calendar=calendar, n_threads=threads))
        print(f"whole session, {threads} thread(s) for vols: {took}; target 0.5 s")
    grid = slice_grid(quotes)
    tau = time_to_expiry(quotes, calendar=calendar)["time_to_expiry"].to_numpy()
    forwards = partial(
        implied_forwards,
        grid.strike,
        grid.call_bid,
        call_ask=grid.call_ask,
        put_bid=grid.put_bid,
        put_ask=grid.put_ask,
        time_to_expiry=tau,
    )
    print(f"forwards and no-arbitrage intervals: {best_of(forwards)}")
    k, bid, mid, ask = smile_inputs(grid, priced.options)
    group = (slices["root"] == "SPX").to_numpy().astype(np.int64)
    smiles = partial(fit_smiles, k, bid, vol_mid=mid, vol_ask=ask, time_to_expiry=tau, settlement_group=group)
    print(f"smiles: {best_of(smiles)}")
    print("status:", dict(slices["status"].value_counts().sort("status").iter_rows()))
    print("vega-weighted rmse, vol points: median slice", round(float(np.nanmedian(smiles().rmse_vol_points)), 3))
    print(
        "share of quotes inside the spread: median slice", round(float(np.nanmedian(smiles().share_inside_spread)), 3)
    )


def smile_inputs(grid: SliceGrid, options: pl.DataFrame) -> list[NDArray[np.float64]]:
    """Return padded k and vols of bid, mid and ask of the out-of-the-money quotes."""
    otm = (pl.col("log_moneyness") >= 0.0) == (pl.col("option_type") == "call")
    padded = []
    for name in ("log_moneyness", "implied_vol_bid", "implied_vol_mid", "implied_vol_ask"):
        values = options.select(pl.when(otm & (pl.col("iv_status") == "ok")).then(name)).to_series()
        column = values.fill_null(np.nan).to_numpy()
        calls, puts = grid.padded(column, calls=True), grid.padded(column, calls=False)
        padded.append(np.where(np.isnan(calls), puts, calls))
    return padded


if __name__ == "__main__":
    main()
