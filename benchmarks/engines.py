"""Time all candidates of both engines on an SPX session of 20,000 quotes and on a VIX session.

Run from the checkout: python -m benchmarks.engines [chain file]. Without a file a chain of known truth is made: 50
expirations of 200 strikes 5 points apart, seven of them between 45 and 60 days. The file is any download that
flows/sources reads as SPX option quotes. Pricing the chain is not part of the time. Target: 0.2 s.
"""

import argparse
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.session_pricing import best_of, read_chain
from flows.calendar import trading_calendar
from transforms.engines.iron_condor import CondorSettings, condor_candidates
from transforms.engines.priced_chain import PricedLegs, priced_chain
from transforms.engines.ratio_spread import (
    CondorProfile,
    RatioSpreadSettings,
    ratio_spread_candidates,
    ratio_spread_scenarios,
)
from transforms.engines.tail import scenario_profile, tail_scenarios
from transforms.engines.vix_curve import VixCurve
from transforms.pricing.analytics import session_pricing, time_to_expiry
from transforms.pricing.black76 import black_price
from transforms.pricing.forward import RateCurve
from transforms.sessions import option_close

SESSION = date(2024, 3, 4)
SPX_LEVEL, VIX_LEVEL, RATE = 5000.0, 13.5, 0.05
VX_SETTLES = {date(2024, 3, 20): 14.4, date(2024, 4, 17): 15.6, date(2024, 5, 22): 16.4}
RATES = RateCurve("treasury", np.array([0.1, 1.0]), np.array([RATE, RATE]))
WING_WIDTHS = (25.0, 50.0, 100.0)


def spx_expirations() -> list[date]:
    """Return 50 sessions, denser between 45 and 60 days."""
    calendar = trading_calendar()
    near = [SESSION + timedelta(days=days) for days in (45, 46, 50, 52, 53, 57, 59)]
    others = [SESSION + timedelta(days=int(days)) for days in [*range(1, 43, 2), *np.linspace(63, 700, 22)]]
    return sorted({calendar.on_or_before(day) for day in near + others})


def made_chain(root: str, forwards: dict[date, float], *, strikes: dict[date, np.ndarray]) -> pl.DataFrame:
    """Return core.option_quote rows of SSVI slices, quotes rounded outward."""
    calendar = trading_calendar()
    close = pl.lit(option_close(SESSION, calendar=calendar)).cast(pl.Datetime("us"))
    key = pl.DataFrame({"root": root, "expiration": list(forwards)}).with_columns(quote_ts=close)
    tau = dict(time_to_expiry(key, calendar=calendar).select("expiration", "time_to_expiry").iter_rows())
    vol, rho, tick = (0.7, 0.55, 0.01) if root == "VIX" else (0.15, -0.65, 0.05)
    frames = []
    for expiration, forward in forwards.items():
        years, strike = tau[expiration], strikes[expiration]
        theta = vol**2 * years
        scaled = 0.95 / np.sqrt(theta * (1.0 + theta)) * np.log(strike / forward)
        variance = 0.5 * theta * (1.0 + rho * scaled + np.sqrt((scaled + rho) ** 2 + 1.0 - rho**2))
        for kind in ("call", "put"):
            price = black_price(
                forward,
                strike,
                time_to_expiry=years,
                implied_vol=np.sqrt(variance / years),
                discount_factor=np.exp(-RATE * years),
                is_call=kind == "call",
            )
            half = 0.5 * tick + 0.002 * price
            frames.append(
                pl.DataFrame(
                    {
                        "strike": strike,
                        "bid": np.maximum(np.floor((price - half) / tick) * tick, 0.0),
                        "ask": np.ceil((price + half) / tick) * tick,
                    }
                ).with_columns(expiration=pl.lit(expiration), option_type=pl.lit(kind))
            )
    return pl.concat(frames).with_columns(
        session_date=pl.lit(SESSION),
        root=pl.lit(root),
        quote_ts=close,
        spot=pl.lit(SPX_LEVEL),
        bid_size=pl.lit(20, pl.Int64),
        ask_size=pl.lit(20, pl.Int64),
    )


def spx_chain() -> pl.DataFrame:
    """Return an SPXW session of 50 expirations of 200 strikes."""
    forwards = {day: SPX_LEVEL * np.exp(0.04 * (day - SESSION).days / 365.0) for day in spx_expirations()}
    strikes = np.arange(4450.0, 5450.0, 5.0)
    return made_chain("SPXW", forwards, strikes=dict.fromkeys(forwards, strikes))


def vix_chain() -> pl.DataFrame:
    """Return a VIX session of three monthly expirations of 45 strikes."""
    strikes = np.concatenate((np.arange(10.0, 20.0, 0.5), np.arange(20.0, 45.0, 1.0)))
    return made_chain("VIX", VX_SETTLES, strikes=dict.fromkeys(VX_SETTLES, strikes))


def main() -> None:
    """Print the seconds of each engine, of its scenarios and of the tail table, with the number of candidates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chain", nargs="?", type=Path)
    path = parser.parse_args().chain
    calendar = trading_calendar()
    quotes = read_chain(path) if path else spx_chain()
    priced = session_pricing(quotes, calendar=calendar, fallback=RATES)
    for widths in ((50.0,), WING_WIDTHS):
        settings = CondorSettings(wing_widths=widths)
        condors = partial(
            condor_candidates, quotes, priced.options, slices=priced.slices, variance_ratio=0.7, settings=settings
        )
        answer = condors()
        n = answer.funnel.filter(pl.col("filter") == "credit")["n_out"].item()
        print(f"iron condors, {quotes.height:,} quotes, wings {widths}: {n:,} candidates, {best_of(condors)}")
    best = answer.candidates.filter(pl.col("rank") == 1)
    vix_quotes = vix_chain()
    vix_priced = session_pricing(vix_quotes, calendar=calendar, fallback=RATES)
    months = pl.DataFrame(
        {
            "rank": range(1, len(VX_SETTLES) + 1),
            "expiration": list(VX_SETTLES),
            "days_to_expiry": [(day - SESSION).days for day in VX_SETTLES],
            "settle": list(VX_SETTLES.values()),
        }
    )
    legs = condor_legs(best)
    chain = pl.concat(
        [
            priced_chain(each.drop("source_sha256", strict=False), found.options, slices=found.slices)
            for each, found in ((quotes, priced), (vix_quotes, vix_priced))
        ],
        how="vertical_relaxed",
    )
    held = chain.join(legs, on=["root", "expiration", "strike", "option_type"])
    returns = np.linspace(-0.5, 0.3, 81)
    profile = CondorProfile(
        returns,
        scenario_profile(PricedLegs.of(held), held["quantity"].to_numpy(), spx_return=returns),
        max_loss=best["max_loss"].item(),
    )
    spreads = partial(
        ratio_spread_candidates, vix_quotes, vix_priced.options, slices=vix_priced.slices,
        term_structure=months, vix=VIX_LEVEL, condor=profile, settings=RatioSpreadSettings(),
    )  # fmt: skip
    found = spreads()
    print(f"ratio spreads, {vix_quotes.height} quotes: {found.candidates.height} candidates, {best_of(spreads)}")
    curve = VixCurve.of(months, vix=VIX_LEVEL)
    scenarios = partial(
        ratio_spread_scenarios, found.candidates, vix_quotes, vix_priced.options, slices=vix_priced.slices, curve=curve
    )
    print(f"their scenarios: {scenarios().height} rows, {best_of(scenarios)}")
    tail = partial(tail_scenarios, legs, chain, curve=curve, layer_expiration=list(VX_SETTLES)[1])
    print(f"tail table of one condor: {tail().height} rows, {best_of(tail)}")


def condor_legs(candidate: pl.DataFrame) -> pl.DataFrame:
    """Return the four legs of one mart.condor_candidate row."""
    sides = {"put_long": 1.0, "put_short": -1.0, "call_short": -1.0, "call_long": 1.0}
    return pl.concat(
        [
            candidate.select(
                "root",
                "expiration",
                subject=pl.col("candidate_id"),
                strike=pl.col(name),
                option_type=pl.lit(name.split("_")[0]),
                quantity=pl.lit(quantity),
            )
            for name, quantity in sides.items()
        ]
    )


if __name__ == "__main__":
    main()
