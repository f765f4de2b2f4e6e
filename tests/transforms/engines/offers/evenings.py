"""Evenings for the offers: sessions of known truth with disturbed quotes, books, and limits by brute force."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from tests.transforms.engines.chains import SESSION, VIX, Chain, spx_chain, vix_chain, vx_term_structure
from transforms.book.position import OpenLeg, OpenPosition
from transforms.engines.iron_condor import CondorSettings, condor_candidates
from transforms.engines.offers.standing import Standing
from transforms.engines.priced_chain import priced_chain
from transforms.engines.ratio_spread import RatioSpreadSettings, ratio_spread_candidates
from transforms.rules.decisions import Offer

SPX_EXPIRATION = date(2024, 4, 19)
VIX_MONTHS = (date(2024, 3, 20), date(2024, 4, 17), date(2024, 5, 22))
N_MARKETS = 6


@dataclass(frozen=True)
class Evening:
    """Quotes of both chains as one, and the candidates they give."""

    chain: pl.DataFrame
    condors: pl.DataFrame
    layers: pl.DataFrame


@cache
def _sessions() -> tuple[Chain, Chain]:
    return spx_chain(low=4300.0, high=5600.0), vix_chain()


@cache
def evening(seed: int = 0, *, structure: str = "backspread") -> Evening:
    """The session; from seed 1 on with wider quotes, small, missing and unknown sizes, and options without a bid."""
    spx, vix = _sessions()
    quotes = [_disturbed(chain.quotes, seed) if seed else chain.quotes for chain in (spx, vix)]
    layers = RatioSpreadSettings(
        structure=structure,
        acknowledged=(structure,),
        months=(1, 2, 3),
        min_break_even_above_future=2.0,
        max_break_even_above_future=20.0,
        credit_rule="mid",
    )
    return Evening(
        chain=pl.concat(
            priced_chain(own, chain.analytics, slices=chain.slices)
            for own, chain in zip(quotes, (spx, vix), strict=True)
        ),
        condors=condor_candidates(
            quotes[0], spx.analytics, slices=spx.slices, settings=CondorSettings(max_kept=40)
        ).candidates,
        layers=ratio_spread_candidates(
            quotes[1],
            vix.analytics,
            slices=vix.slices,
            term_structure=vx_term_structure(),
            vix=VIX,
            settings=layers,
        ).candidates,
    )


def _disturbed(quotes: pl.DataFrame, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    n, tick = quotes.height, 0.01 if quotes["root"][0] == "VIX" else 0.05
    ticks = rng.integers(0, 4, (2, n))
    bid_size, ask_size = rng.integers(0, 30, (2, n))
    unquoted = rng.random(n) < 0.03
    unknown_size = pl.Series(rng.random(n) < 0.05)
    ordered = quotes.sort("expiration", "option_type", "strike")
    return ordered.with_columns(
        bid=(pl.col("bid") - pl.Series(tick * ticks[0])).clip(lower_bound=0.0).round(2) * pl.Series(~unquoted),
        ask=(pl.col("ask") + pl.Series(tick * ticks[1])).round(2),
        bid_size=pl.when(~unknown_size).then(pl.Series(bid_size)),
        ask_size=pl.when(~unknown_size).then(pl.Series(ask_size)),
    )


def condor(
    name: str = "c", n: int = 1, *, strikes: Sequence[float] = (4700.0, 4750.0, 5150.0, 5200.0), credit: float = 12.5,
    opened_on: date = SESSION, expiration: date = SPX_EXPIRATION, fees: float | None = None,
) -> OpenPosition:  # fmt: skip
    """An open SPXW condor, credit in points."""
    paid = 6.0 * n if fees is None else fees
    kinds = (("put", n), ("put", -n), ("call", -n), ("call", n))
    legs = (
        OpenLeg("SPXW", expiration, float(strike), kind, q) for strike, (kind, q) in zip(strikes, kinds, strict=True)
    )
    return OpenPosition(
        name, "condor", "iron_condor", n, tuple(legs), opened_on, expiration, credit, 100.0 * credit * n - paid, paid
    )


def layer(
    name: str = "l", n: int = 1, *, strikes: tuple[float, float] = (14.0, 17.0), ratio: int = 2, credit: float = 0.1,
    opened_on: date = SESSION, expiration: date = VIX_MONTHS[0],
) -> OpenPosition:  # fmt: skip
    """An open VIX backspread, credit in points."""
    fees = 1.5 * n * (1 + ratio)
    short, long = strikes
    legs = (OpenLeg("VIX", expiration, short, "call", -n), OpenLeg("VIX", expiration, long, "call", ratio * n))
    return OpenPosition(
        name, "second", "backspread", n, legs, opened_on, expiration, credit, 100.0 * credit * n - fees, fees
    )


def quote(chain: pl.DataFrame, leg: OpenLeg) -> tuple[float, float]:
    """Bid and ask of an option, points."""
    row = chain.row(
        by_predicate=(pl.col("root") == leg.root)
        & (pl.col("expiration") == leg.expiration)
        & (pl.col("strike") == leg.strike)
        & (pl.col("option_type") == leg.option_type),
        named=True,
    )
    return row["bid"], row["ask"]


def trade(offer: Offer) -> list[OpenLeg]:
    """The contracts an offer trades in all, positive where bought; of one package where it offers none."""
    n = max(offer.contracts, 1)
    return [
        OpenLeg(leg.root, leg.expiration, leg.strike, leg.option_type, (n if leg.side == "buy" else -n) * leg.quantity)
        for leg in offer.legs
    ]


def limit_of_legs(offer: Offer) -> float:
    """What the legs' limit prices come to, points a package, positive if received."""
    return math.fsum((1 if leg.side == "sell" else -1) * leg.quantity * leg.limit_price for leg in offer.legs)


def summed(legs: Iterable[OpenLeg]) -> dict[tuple[str, date, float, str], int]:
    """Contracts by option, those that come to nothing left out."""
    total: dict[tuple[str, date, float, str], int] = {}
    for leg in legs:
        total[leg.name] = total.get(leg.name, 0) + leg.quantity
    return {name: quantity for name, quantity in total.items() if quantity}


def worst_payoff(contracts: dict[tuple[str, date, float, str], int]) -> float:
    """The least that options are worth at expiration, dollars, over a grid of all settlement values that matter."""
    worst = 0.0
    for root, expiration in sorted({name[:2] for name in contracts}):
        levels = np.arange(0.0, 9000.0, 25.0) if root.startswith("SPX") else np.arange(0.0, 200.0, 0.5)
        value = np.zeros(levels.size)
        for (own_root, own_expiration, strike, kind), quantity in contracts.items():
            if (own_root, own_expiration) == (root, expiration):
                value += 100.0 * quantity * np.maximum(levels - strike if kind == "call" else strike - levels, 0.0)
        worst += -math.inf if value[-1] < value[-2] - 1e-9 else value.min()
    return worst


def at_risk(legs: Iterable[OpenLeg], *, cash: float, fees: float) -> float:
    """Capital at risk by brute force, dollars: `cash` received less paid before `fees`."""
    return max(-(worst_payoff(summed(legs)) + cash), 0.0) + fees


def risk_of(position: OpenPosition) -> float:
    """Capital at risk of a position by brute force, dollars."""
    return at_risk(position.legs, cash=position.cash_so_far + position.fees_so_far, fees=position.fees_so_far)


def margin_of(legs: Iterable[OpenLeg]) -> float:
    """Margin before credit by brute force, dollars."""
    return max(-worst_payoff(summed(legs)), 0.0)


def standing(chain: pl.DataFrame, *positions: OpenPosition, **given: object) -> Standing:
    """A standing with the VIX of the session."""
    return Standing(chain, positions=positions, vix=VIX, **given)  # type: ignore[arg-type]
