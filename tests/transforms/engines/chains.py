"""Chains of known truth for the engines: an SPX session of three expirations and a VIX session of three months."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from flows.calendar import trading_calendar
from transforms.pricing.analytics import session_pricing, time_to_expiry
from transforms.pricing.black76 import black_price
from transforms.pricing.forward import RateCurve
from transforms.sessions import option_close

SESSION = date(2024, 3, 4)
SPX_EXPIRATIONS = (date(2024, 4, 12), date(2024, 4, 19), date(2024, 4, 30), date(2024, 5, 31))
VX_SETTLES = {date(2024, 3, 20): 14.4, date(2024, 4, 17): 15.6, date(2024, 5, 22): 16.4}
VIX = 13.5
RATE = 0.05


@dataclass(frozen=True)
class Chain:
    """A session's core.option_quote, feature.option_analytics and feature.slice."""

    quotes: pl.DataFrame
    analytics: pl.DataFrame
    slices: pl.DataFrame


def spx_chain(*, spacing: float = 25.0, low: float = 4000.0, high: float = 5600.0) -> Chain:
    """An SPXW session with an SSVI smile, forward 5000*exp(0.036*tau), quotes a little wider than the tick."""
    strikes = np.arange(low, high + spacing, spacing)
    return _chain("SPXW", {day: strikes for day in SPX_EXPIRATIONS}, level=5000.0, tick=0.05)


def vix_chain() -> Chain:
    """A VIX session: each expiration has its own future, upward-sloping smiles."""
    strikes = np.concatenate((np.arange(10.0, 20.0, 0.5), np.arange(20.0, 40.0, 1.0), [42.5, 45.0, 50.0, 55.0, 60.0]))
    return _chain("VIX", {day: strikes for day in VX_SETTLES}, level=VIX, tick=0.01)


def vx_term_structure() -> pl.DataFrame:
    """feature.term_structure of the VIX session."""
    return pl.DataFrame(
        {
            "session_date": [SESSION] * len(VX_SETTLES),
            "rank": list(range(1, len(VX_SETTLES) + 1)),
            "expiration": list(VX_SETTLES),
            "days_to_expiry": [(day - SESSION).days for day in VX_SETTLES],
            "settle": list(VX_SETTLES.values()),
        },
        schema_overrides={"rank": pl.Int64, "days_to_expiry": pl.Int64},
    )


def _chain(root: str, listed: dict[date, NDArray[np.float64]], *, level: float, tick: float) -> Chain:
    calendar = trading_calendar()
    close = pl.lit(option_close(SESSION, calendar=calendar)).cast(pl.Datetime("us"))
    key = pl.DataFrame({"root": root, "expiration": list(listed)}).with_columns(quote_ts=close)
    tau = time_to_expiry(key, calendar=calendar)["time_to_expiry"].to_numpy()
    frames = []
    for row, (expiration, strikes) in enumerate(listed.items()):
        forward = VX_SETTLES[expiration] if root == "VIX" else level * np.exp(0.036 * tau[row])
        variance = _total_variance(root, np.log(strikes / forward), tau[row])
        for kind in ("call", "put"):
            price = black_price(
                forward,
                strikes,
                time_to_expiry=tau[row],
                implied_vol=np.sqrt(variance / tau[row]),
                discount_factor=np.exp(-RATE * tau[row]),
                is_call=kind == "call",
            )
            half = 0.5 * tick + 0.005 * np.minimum(price, 20.0)
            frames.append(
                pl.DataFrame(
                    {
                        "strike": strikes,
                        "bid": np.maximum(np.floor((price - half) / tick) * tick, 0.0).round(2),
                        "ask": (np.ceil((price + half) / tick) * tick).round(2),
                    }
                ).with_columns(
                    pl.lit(expiration).alias("expiration"),
                    pl.lit(kind).alias("option_type"),
                    (pl.col("strike").rank("ordinal") % 7 + 5).cast(pl.Int64).alias("bid_size"),
                    (pl.col("strike").rank("ordinal") % 5 + 8).cast(pl.Int64).alias("ask_size"),
                )
            )
    quotes = pl.concat(frames).with_columns(
        session_date=pl.lit(SESSION), root=pl.lit(root), quote_ts=close, spot=pl.lit(level)
    )
    # The rate is needed only by the VIX slices: too short and too few to determine their own.
    known = RateCurve("treasury", np.array([0.1, 1.0]), np.array([RATE, RATE]))
    priced = session_pricing(quotes, calendar=calendar, fallback=known)
    return Chain(quotes=quotes, analytics=priced.options, slices=priced.slices)


def _total_variance(root: str, k: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    """SSVI with a falling smile for the SPX, a rising one for the VIX."""
    vol, rho, steepness = (0.80 - 0.4 * min(tau, 0.5), 0.55, 0.9) if root == "VIX" else (0.14, -0.65, 0.95)
    theta = vol**2 * tau
    phi = steepness / np.sqrt(theta * (1.0 + theta))
    return np.asarray(0.5 * theta * (1.0 + rho * phi * k + np.sqrt((phi * k + rho) ** 2 + 1.0 - rho**2)))


def shuffled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The same rows in another order."""
    return frame.sample(fraction=1.0, shuffle=True, seed=seed)


def later(days: int) -> date:
    """A day after the session."""
    return SESSION + timedelta(days=days)
