"""A chain whose forwards, discount factors and smiles are known."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from transforms.pricing.black76 import black_price
from transforms.pricing.svi import SviSlices

SESSION = date(2024, 3, 4)
QUOTE_TS = datetime(2024, 3, 4, 21, 15)
# Fridays and the Thursday before Good Friday; SPX fixes at 09:30, SPXW at 16:00 New York.
EXPIRATIONS = (
    ("SPXW", date(2024, 3, 8)),
    ("SPXW", date(2024, 3, 22)),
    ("SPXW", date(2024, 3, 28)),
    ("SPXW", date(2024, 4, 5)),
    ("SPX", date(2024, 4, 19)),
    ("SPX", date(2024, 6, 21)),
    ("SPX", date(2024, 12, 20)),
    ("SPX", date(2025, 3, 21)),
)


@dataclass(frozen=True)
class KnownChain:
    """quotes: core.option_quote columns; the rest one element per slice in order of (root, expiration)."""

    quotes: pl.DataFrame
    slices: pl.DataFrame
    smiles: SviSlices


def ssvi(theta: np.ndarray, *, rho: float, eta: float) -> SviSlices:
    """Power-law SSVI, free of arbitrage for eta*(1 + |rho|) <= 2 (Gatheral and Jacquier 2014)."""
    phi = eta / np.sqrt(theta * (1.0 + theta))
    return SviSlices(
        a=0.5 * theta * (1.0 - rho**2),
        b=0.5 * theta * phi,
        rho=np.full_like(theta, rho),
        m=-rho / phi,
        sigma=np.sqrt(1.0 - rho**2) / phi,
    )


def settlement(root: str, day: date) -> datetime:
    """09:30 or 16:00 New York in UTC; New York is on summer time from 2024-03-10 to 11-03 and from 2025-03-09."""
    summer = date(2024, 3, 10) <= day < date(2024, 11, 3) or day >= date(2025, 3, 9)
    clock = timedelta(hours=9, minutes=30) if root == "SPX" else timedelta(hours=16)
    return datetime(day.year, day.month, day.day) + clock + timedelta(hours=4 if summer else 5)


def known_chain(*, tick: float = 0.05, half_spread: float = 0.02) -> KnownChain:
    """Return a chain around 5,000 points: rate 5 %, dividend yield 1.4 %, at-the-money vol 13 to 17 %.

    Quotes are the true price less and plus `half_spread` of the extrinsic value and a tick, rounded outward to ticks
    (tick 0: no rounding), so that truth lies within bid and ask.
    """
    ordered = sorted(EXPIRATIONS)
    tau = np.array([(settlement(root, day) - QUOTE_TS) / timedelta(days=365) for root, day in ordered])
    theta = (0.13 + 0.04 * np.sqrt(np.minimum(tau, 1.0))) ** 2 * tau
    smiles = ssvi(theta, rho=-0.65, eta=0.95)
    forward, discount = 5000.0 * np.exp(0.036 * tau), np.exp(-0.05 * tau)
    frames = []
    for row, (root, day) in enumerate(ordered):
        reach = 8.0 * np.sqrt(theta[row])
        strike = np.arange(5.0 * np.ceil(1000.0 * np.exp(-reach)), 5000.0 * np.exp(0.5 * reach), 25.0)
        k = np.log(strike / forward[row])
        vol = np.sqrt(smiles.take(np.array([row])).total_variance(k)[0] / tau[row])
        for kind in ("call", "put"):
            price = black_price(
                np.full_like(strike, forward[row]),
                strike,
                time_to_expiry=np.full_like(strike, tau[row]),
                implied_vol=vol,
                discount_factor=np.full_like(strike, discount[row]),
                is_call=np.full(strike.shape, kind == "call"),
            )
            sign = 1.0 if kind == "call" else -1.0
            intrinsic = np.maximum(sign * discount[row] * (forward[row] - strike), 0.0)
            half = tick + half_spread * (price - intrinsic)
            bid, ask = price - half, price + half
            if tick:
                bid, ask = np.floor(bid / tick + 1e-9) * tick, np.ceil(ask / tick - 1e-9) * tick
            frames.append(
                pl.DataFrame({"strike": strike, "bid": np.maximum(bid, 0.0), "ask": ask, "true_vol": vol}).with_columns(
                    pl.lit(root).alias("root"),
                    pl.lit(day).alias("expiration"),
                    pl.lit(kind).alias("option_type"),
                )
            )
    quotes = pl.concat(frames).with_columns(
        pl.lit(SESSION).alias("session_date"),
        pl.lit(QUOTE_TS).cast(pl.Datetime("us")).alias("quote_ts"),
        pl.lit(5000.0).alias("spot"),
    )
    slices = pl.DataFrame(
        {
            "root": [root for root, _ in ordered],
            "expiration": [day for _, day in ordered],
            "time_to_expiry": tau,
            "forward": forward,
            "discount_factor": discount,
        }
    )
    return KnownChain(quotes, slices, smiles)


@pytest.fixture(scope="session")
def chain() -> KnownChain:
    """A chain with rounded quotes."""
    return known_chain()
