"""What no executable kind may depend on: the order of rows, the unit of price; and wider quotes that never help."""

from dataclasses import fields, replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.mispricing.noisy_slices import DISCOUNT_FACTOR, FORWARD, START, noisy_slice
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.parity import parity_region, synthetic_bounds
from transforms.mispricing.static import SliceQuotes, static_check

SESSION, EXPIRATIONS = date(2026, 1, 5), (date(2026, 3, 20), date(2026, 6, 18))
SIDES = ("call_bid", "call_ask", "put_bid", "put_ask")


def quotes_of(slices: tuple[SliceQuotes, ...]) -> pl.DataFrame:
    """Rows of core.option_quote of some slices, one an expiration."""
    frames = [
        pl.DataFrame({"strike": own.strike, "bid": bid, "ask": np.where(np.isfinite(ask), ask, np.nan)})
        .with_columns(
            pl.lit(SESSION).alias("session_date"),
            pl.lit("SPX").alias("root"),
            pl.lit(expiration).alias("expiration"),
            pl.lit(option_type).alias("option_type"),
            pl.lit("close").alias("snapshot_kind"),
            pl.lit(10).alias("bid_size"),
            pl.lit(10).alias("ask_size"),
        )
        .with_columns(pl.col("ask").fill_nan(None))
        for own, expiration in zip(slices, EXPIRATIONS, strict=False)
        for option_type, bid, ask in (("call", own.call_bid, own.call_ask), ("put", own.put_bid, own.put_ask))
    ]
    return pl.concat(frames)


def facts(factor: float = 1.0) -> pl.DataFrame:
    """Rows of feature.slice."""
    return pl.DataFrame(
        {
            "session_date": SESSION,
            "root": "SPX",
            "expiration": EXPIRATIONS,
            "time_to_expiry": 1.0,
            "forward": factor * FORWARD,
            "discount_factor": DISCOUNT_FACTOR,
        }
    )


def noisy(seed: int) -> SliceQuotes:
    return noisy_slice(np.random.default_rng(seed), n_strikes=20, n_displaced=2)


def scaled(quotes: SliceQuotes, factor: float) -> SliceQuotes:
    return SliceQuotes(*(factor * getattr(quotes, field.name) for field in fields(quotes)))


def best_edge(quotes: SliceQuotes) -> float:
    """The largest income of a lock of a slice, points a unit; 0 if there is none."""
    return -min(static_check(quotes, **START).margin, 0.0)


def parity_edge(quotes: SliceQuotes) -> float:
    """What a conversion or reversal earns, points a synthetic; 0 if there is none."""
    lower, upper = synthetic_bounds(quotes.call_bid, quotes.call_ask, put_bid=quotes.put_bid, put_ask=quotes.put_ask)
    return -min(parity_region(quotes.strike, lower, upper=upper).slack, 0.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_permuting_rows_changes_nothing(seed: int, order: int) -> None:
    quotes = quotes_of((noisy(seed), noisy(seed + 1)))
    found = executable_findings(quotes, facts(), fee_per_contract=1.0)

    again = executable_findings(
        quotes.sample(fraction=1.0, shuffle=True, seed=order), facts().reverse(), fee_per_contract=1.0
    )

    assert again.findings.equals(found.findings)
    assert again.legs.equals(found.legs)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.tuples(st.sampled_from(SIDES), st.integers(0, 19), st.floats(0.0, 3.0)), max_size=8),
)
def test_widening_any_spreads_never_raises_the_best_gross_edge(
    seed: int, changes: list[tuple[str, int, float]]
) -> None:
    quotes = wider = noisy(seed)
    for side, place, by in changes:
        moved = getattr(wider, side).copy()
        moved[place] = moved[place] + by if side.endswith("ask") else max(moved[place] - by, 0.0)
        wider = replace(wider, **{side: moved})

    assert best_edge(wider) <= best_edge(quotes) + 1e-6
    assert parity_edge(wider) <= parity_edge(quotes) + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.25, 0.5, 2.0, 10.0]))
def test_scaling_prices_and_strikes_scales_every_edge(seed: int, factor: float) -> None:
    quotes = noisy(seed)
    larger = scaled(quotes, factor)

    assert parity_edge(larger) == pytest.approx(factor * parity_edge(quotes), abs=1e-8)
    found = executable_findings(quotes_of((quotes,)), facts(), fee_per_contract=0.0)
    again = executable_findings(quotes_of((larger,)), facts(factor), fee_per_contract=0.0)
    assert edges(again) == pytest.approx(factor * np.array(edges(found)), abs=1e-6)


def edges(found) -> list[float]:
    return sorted(found.findings["edge_points"].to_list())
