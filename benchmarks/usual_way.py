"""A session the usual way (pandas, vollib, SciPy) and ours, side by side in one run, at equal output.

    pip install vollib
    POLARS_MAX_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.usual_way [--sessions 3]

Both read a vendor's end-of-day file of a sample market (about 20,000 options at the close) and give, for every
expiration, forward, discount factor and an SVI smile, and for every option the implied vols of bid, mid and ask and
delta, gamma, vega and theta. The usual way is what a notebook does: `pandas.read_csv`, a regression of C - P on the
strike, `vollib` row by row, `scipy.optimize.least_squares` for each smile. It does not care for arbitrage between
slices, which ours does. Processor seconds of all threads, so that other work on the machine hardly counts.
The last columns say how far the two agree.
"""

import argparse
import io
import time
import zipfile
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy.optimize import least_squares
from vollib.black.greeks import analytical
from vollib.black.implied_volatility import implied_volatility

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.pricing.analytics import SessionPricing, session_pricing
from transforms.sample_market.market import session_files, simulate_market
from transforms.sessions import option_close, settlement_instant

LAST_SESSION, SEED, TARGET = date(2026, 10, 30), 1, 20.0
MINUTES_PER_YEAR = 365 * 24 * 60
GREEKS = ("delta", "gamma", "theta", "vega")
SLICE = ["root", "expiration"]


def ours(name: str, payload: bytes) -> SessionPricing:
    """Return the session's slices and options from a vendor's file, as a worker computes them."""
    calendar = trading_calendar()
    delivery = open_delivery(name, payload)
    quotes = recognize(delivery).read(delivery, calendar=calendar).frames["core.option_quote"]
    return session_pricing(quotes.filter(pl.col("snapshot_kind") == "close"), calendar=calendar, n_threads=1)


def usual_way(payload: bytes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return slices and options of the file as a notebook would compute them."""
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        frame = pd.read_csv(archive.open(archive.namelist()[0]))
    frame["strike"] = frame["strike"].astype(float)
    options = frame[["root", "expiration", "strike", "option_type", "bid_eod", "ask_eod"]].rename(
        columns={"bid_eod": "bid", "ask_eod": "ask"}
    )
    options = options.drop_duplicates(["root", "expiration", "strike", "option_type"])
    options["mid"] = np.where(options["bid"] > 0, (options["bid"] + options["ask"]) / 2, np.nan)
    quoted_at = option_close(date.fromisoformat(frame["quote_date"][0]), calendar=trading_calendar())
    slices = pd.DataFrame([_slice(key, rows, quoted_at) for key, rows in options.groupby(SLICE)])
    options = options.merge(slices[[*SLICE, "forward", "discount", "years"]], on=SLICE)
    options = options[(options["years"] > 0) & options["forward"].notna()].reset_index(drop=True)
    options["flag"] = options["option_type"].str.lower()
    for price in ("bid", "mid", "ask"):
        options[f"vol_{price}"] = options.apply(lambda row, price=price: _vol(row, row[price]), axis=1)
    for greek in GREEKS:
        options[greek] = options.apply(lambda row, greek=greek: _greek(row, greek), axis=1)
    smiles = [{**dict(zip(SLICE, key, strict=True)), **_smile(rows)} for key, rows in options.groupby(SLICE)]
    return slices.merge(pd.DataFrame(smiles), on=SLICE, how="left"), options


def _slice(key: Any, rows: pd.DataFrame, quoted_at: datetime) -> dict[str, Any]:
    root, expiration = key
    instant = settlement_instant(root, date.fromisoformat(expiration), calendar=trading_calendar())
    found = {"root": root, "expiration": expiration, "forward": np.nan, "discount": np.nan}
    found["years"] = (instant - quoted_at).total_seconds() / 60 / MINUTES_PER_YEAR
    wide = rows.pivot(index="strike", columns="option_type", values="mid").dropna()
    if len(wide) >= 4:
        slope, level = np.polyfit(wide.index, wide["C"] - wide["P"], 1)
        found |= {"forward": -level / slope, "discount": -slope}
    return found


def _rate(row: Any) -> float:
    return float(-np.log(row["discount"]) / row["years"])


def _vol(row: Any, price: float) -> float:
    if not price > 0:
        return np.nan
    try:
        return float(implied_volatility(price, row["forward"], row["strike"], _rate(row), row["years"], row["flag"]))
    except Exception:
        return np.nan


def _greek(row: Any, name: str) -> float:
    if not row["vol_mid"] > 0:
        return np.nan
    measure = getattr(analytical, name)
    return float(measure(row["flag"], row["forward"], row["strike"], row["years"], _rate(row), row["vol_mid"]))


def _smile(rows: pd.DataFrame) -> dict[str, float]:
    k = np.log(rows["strike"] / rows["forward"]).to_numpy()
    otm = ((k >= 0) == (rows["flag"] == "c")) & rows["vol_mid"].notna()
    k, vol = k[otm], rows["vol_mid"].to_numpy()[otm]
    names = ("a", "b", "rho", "m", "sigma")
    if k.size < 6:
        return dict.fromkeys(names, np.nan)
    years = float(rows["years"].iloc[0])
    half = np.maximum((rows["vol_ask"] - rows["vol_bid"]).fillna(0.02).to_numpy()[otm] / 2, 0.001)
    total = vol * vol * years

    def misfit(p: Any) -> Any:
        w = p[0] + p[1] * (p[2] * (k - p[3]) + np.sqrt((k - p[3]) ** 2 + p[4] ** 2))
        return (np.sqrt(np.maximum(w, 1e-12) / years) - vol) / half

    start = [0.5 * total.min(), 0.1, -0.5, 0.0, 0.1]
    bounds = ([-1.0, 0.0, -0.999, -2.0, 1e-4], [2.0, 5.0, 0.999, 2.0, 5.0])
    return dict(zip(names, least_squares(misfit, start, bounds=bounds).x, strict=True))


def agreement(own: SessionPricing, theirs: tuple[pd.DataFrame, pd.DataFrame]) -> str:
    """Return how far forwards, vols and deltas of the two are apart, at the median."""
    slices = pl.from_pandas(theirs[0]).with_columns(pl.col("expiration").str.to_date())
    options = pl.from_pandas(theirs[1].drop(columns="flag")).with_columns(
        pl.col("expiration").str.to_date(),
        pl.col("option_type").replace_strict({"C": "call", "P": "put"}, return_dtype=pl.String),
    )
    forwards = own.slices.join(slices, on=SLICE, suffix="_usual")
    both = own.options.join(options, on=[*SLICE, "strike", "option_type"], suffix="_usual")
    vols = both.select((pl.col("implied_vol_mid") - pl.col("vol_mid")).abs().median() * 100).item()
    deltas = both.select((pl.col("delta") - pl.col("delta_usual")).abs().median()).item()
    points = forwards.select((pl.col("forward") - pl.col("forward_usual")).abs().median()).item()
    n = both.filter(pl.col("implied_vol_mid").is_not_null() & pl.col("vol_mid").is_finite()).height
    return f"{n:,} vols both; median apart: forward {points:.3f} points, vol {vols:.3f} vol points, delta {deltas:.5f}"


def main() -> None:
    """Print seconds of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=3)
    n = parser.parse_args().sessions
    market = simulate_market(calendar=trading_calendar(), last_session=LAST_SESSION, seed=SEED, n_chain_sessions=n)
    files = [session_files(market, row)[0] for row in market.chain_rows]
    ours(files[0].name, files[0].payload)
    total = np.zeros(2)
    for file in files:
        started = time.process_time()
        own = ours(file.name, file.payload)
        between = time.process_time()
        theirs = usual_way(file.payload)
        taken = np.array([between - started, time.process_time() - between])
        total += taken
        print(
            f"{file.session_date}: {own.options.height:,} options; ours {taken[0]:.2f} s, usual {taken[1]:.2f} s, "
            f"{taken[1] / taken[0]:.1f} times; {agreement(own, theirs)}",
            flush=True,
        )
    print(
        f"sessions per processor second: ours {n / total[0]:.2f}, usual {n / total[1]:.3f}: {total[1] / total[0]:.1f} "
        f"times as many (target {TARGET:.0f})"
    )


if __name__ == "__main__":
    main()
