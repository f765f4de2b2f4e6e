"""Calendar crossings: those of a brute-force search, safe at every kink, none on a clean market."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.residual_recall import session_quotes
from flows.calendar import trading_calendar
from transforms.mispricing.calendar import calendar_crossings, calendar_findings, value_at_near_expiration
from transforms.pricing.analytics import session_pricing
from transforms.pricing.slice_grid import slice_grid
from transforms.sample_market.market import SampleMarket, simulate_market
from transforms.sample_market.planted_sessions import session_versions
from transforms.sample_market.plants import Plant
from transforms.sample_market.quotes import Quotes
from transforms.sessions import option_close

SESSION = date(2026, 1, 5)
FEE = 0.65


def random_market(seed: int, *, n_slices: int = 5, n_strikes: int = 9) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Quotes of slices whose prices have nothing to do with each other, and their slice rows."""
    rng = np.random.default_rng(seed)
    quotes, slices = [], []
    for number in range(n_slices):
        key = {"root": ("SPX", "SPXW")[number % 2], "expiration": SESSION + timedelta(days=7 * number + 7)}
        forward = 100.0 * (1.0 + 0.01 * rng.normal())
        slices.append(
            {
                **key,
                "session_date": SESSION,
                "time_to_expiry": (7 * number + 7) / 365.0 if rng.random() > 0.1 else -0.01,
                "forward": forward if rng.random() > 0.1 else None,
                "forward_error": 0.0,
                "discount_factor": float(np.exp(-0.001 * number)),
                "discount_error": None,
            }
        )
        for strike in np.unique(rng.integers(80, 120, n_strikes)).astype(float):
            for kind, sign in (("call", 1.0), ("put", -1.0)):
                value = max(sign * (forward - strike), 0.0) + 3.0 * rng.random()
                half = 0.4 * rng.random()
                quotes.append(
                    {
                        "session_date": SESSION,
                        **key,
                        "strike": strike,
                        "option_type": kind,
                        "bid": max(value - half, 0.0) if rng.random() > 0.1 else 0.0,
                        "ask": value + half if rng.random() > 0.1 else None,
                        "bid_size": 10,
                        "ask_size": 20,
                        "snapshot_kind": "close",
                    }
                )
    types = {"forward": pl.Float64(), "discount_error": pl.Float64()}
    return pl.DataFrame(quotes, schema_overrides={"ask": pl.Float64()}), pl.DataFrame(slices, schema_overrides=types)


def brute_force(quotes: pl.DataFrame, slices: pl.DataFrame) -> dict[tuple[object, ...], float]:
    """The largest edge over all far options of each near quote, by trying every pair."""
    facts = {(row["root"], row["expiration"]): row for row in slices.iter_rows(named=True)}
    rows = quotes.to_dicts()
    best: dict[tuple[object, ...], float] = {}
    for near in rows:
        for far in rows:
            one, two = (facts[quote["root"], quote["expiration"]] for quote in (near, far))
            if (near["root"], near["option_type"]) != (far["root"], far["option_type"]) or not near["bid"]:
                continue
            if not (one["forward"] and two["forward"] and far["ask"]):
                continue
            if not 0.0 < one["time_to_expiry"] < two["time_to_expiry"]:
                continue
            limit = near["strike"] * two["forward"] / one["forward"]
            if far["strike"] > limit if near["option_type"] == "call" else far["strike"] < limit:
                continue
            ratio = one["discount_factor"] * one["forward"] / (two["discount_factor"] * two["forward"])
            edge = near["bid"] - ratio * far["ask"]
            key = tuple(near[name] for name in ("root", "expiration", "strike", "option_type"))
            if edge > 0.0:
                best[key] = max(edge, best.get(key, 0.0))
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_crossings_are_those_of_a_search_over_all_pairs(seed: int) -> None:
    quotes, slices = random_market(seed)
    grid = slice_grid(quotes)
    facts = grid.slices.join(slices, on=["root", "expiration"], how="left", maintain_order="left")

    found = calendar_crossings(grid, facts)

    keys = grid.quotes.select("root", "expiration", "strike", "option_type")[found.near].rows()
    assert dict(zip(keys, found.edge.tolist(), strict=True)) == pytest.approx(brute_force(quotes, slices), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_no_crossing_loses_at_any_kink_of_the_near_expiration(seed: int) -> None:
    quotes, slices = random_market(seed)
    facts = {(row["root"], row["expiration"]): row for row in slices.iter_rows(named=True)}
    found = calendar_findings(quotes, slices, fee_per_contract=FEE)

    for _, legs in found.legs.group_by("finding_id"):
        near, far = (legs.row(by_predicate=pl.col("side") == side, named=True) for side in ("sell", "buy"))
        one, two = (facts[leg["root"], leg["expiration"]] for leg in (near, far))
        forward_ratio = two["forward"] / one["forward"]
        levels = np.array([0.0, near["strike"], far["strike"] / forward_ratio, 1e3, 1e6])
        value = value_at_near_expiration(
            levels,
            strikes=(near["strike"], far["strike"]),
            ratio=far["quantity"],
            is_call=near["option_type"] == "call",
            scale=(two["discount_factor"] / one["discount_factor"], forward_ratio),
        )
        assert value.min() >= -1e-9 * levels.max()
        assert near["price"] - far["quantity"] * far["price"] > 0.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_widening_every_spread_raises_no_pairs_edge(seed: int) -> None:
    quotes, slices = random_market(seed)
    wider = quotes.with_columns((pl.col("bid") - 0.1).clip(lower_bound=0.0), pl.col("ask") + 0.1)

    before, after = (brute_force(rows, slices) for rows in (quotes, wider))
    best = calendar_findings(wider, slices, fee_per_contract=0.0).findings["edge_points"].max() or 0.0

    assert best == pytest.approx(max(after.values(), default=0.0), abs=1e-9)
    assert best <= max(before.values(), default=0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 2.0, 10.0]))
def test_scaling_prices_and_strikes_scales_every_crossing(seed: int, factor: float) -> None:
    quotes, slices = random_market(seed)
    found = calendar_findings(quotes, slices, fee_per_contract=0.0)
    again = calendar_findings(
        quotes.with_columns(pl.col("strike", "bid", "ask") * factor),
        slices.with_columns(pl.col("forward", "forward_error") * factor),
        fee_per_contract=0.0,
    )

    edges, scaled = (sorted(part.findings["edge_points"].to_list()) for part in (found, again))
    assert scaled == pytest.approx(factor * np.array(edges), abs=1e-9)


def test_a_pair_of_slices_is_one_finding_and_row_order_changes_nothing() -> None:
    quotes, slices = random_market(7)
    found = calendar_findings(quotes, slices, fee_per_contract=FEE)
    shuffled = calendar_findings(quotes.sample(fraction=1.0, shuffle=True, seed=1), slices, fee_per_contract=FEE)

    pairs = found.legs.group_by("finding_id").agg(pl.col("root").first(), pl.col("expiration").sort())
    assert pairs.select("root", "expiration").n_unique() == found.findings.height > 0
    assert shuffled.findings.equals(found.findings)
    assert shuffled.legs.equals(found.legs)


def test_an_edge_within_the_errors_of_the_forwards_is_no_finding() -> None:
    quotes, slices = random_market(7)
    unsure = slices.with_columns(pl.lit(50.0).alias("forward_error"))

    assert calendar_findings(quotes, slices, fee_per_contract=FEE).findings.height > 0
    assert calendar_findings(quotes, unsure, fee_per_contract=FEE).findings.is_empty()


@pytest.fixture(scope="module")
def market() -> SampleMarket:
    return simulate_market(
        calendar=trading_calendar(),
        last_session=date(2026, 1, 23),
        seed=20260123,
        n_chain_sessions=40,
        n_history_sessions=20,
    )


def frame_of(quotes: Quotes, market: SampleMarket) -> pl.DataFrame:
    """Return the closing SPXW quotes of a session, planted or not."""
    chain = quotes.chain
    of_slice = pl.Series(chain.slice_index)
    close = option_close(chain.session_date, calendar=market.calendar)
    return (
        pl.DataFrame(
            {
                "root": pl.Series([item.root for item in chain.slices]).gather(of_slice),
                "expiration": pl.Series([item.expiration for item in chain.slices]).gather(of_slice),
                "strike": quotes.strike / 1_000.0,
                "option_type": pl.Series(np.where(chain.is_call, "call", "put")),
                "bid": quotes.bid_eod / 100.0,
                "ask": quotes.ask_eod / 100.0,
                "bid_size": quotes.bid_size_eod,
                "ask_size": quotes.ask_size_eod,
            }
        )
        .with_columns(
            pl.lit(chain.session_date).alias("session_date"),
            pl.lit("close").alias("snapshot_kind"),
            pl.lit(close).cast(pl.Datetime("us")).alias("quote_ts"),
            pl.lit(chain.spot_eod).alias("spot"),
        )
        .filter((pl.col("root") == "SPXW") & (pl.col("ask") > 0.0))
    )


@pytest.mark.parametrize("number", [1, 5, 9, 13, 17, 21, 25, 29, 33, 37])
def test_every_planted_crossing_is_found_and_nothing_else(number: int, market: SampleMarket) -> None:
    versions, events = session_versions(
        market.path, market.chain_rows[number], calendar=market.calendar, plants=(Plant("calendar", number),)
    )
    quotes = frame_of(versions[-1][0], market)
    slices = session_pricing(quotes, calendar=market.calendar).slices

    found = calendar_findings(quotes, slices, fee_per_contract=FEE)

    (event,) = events
    assert set(found.findings["expiration"]) == {event.expiration}
    assert found.findings["edge_points"].max() >= 0.98 * (event.edge_points or 0.0) > 0.0


def test_a_clean_session_has_no_crossing(market: SampleMarket) -> None:
    quotes = session_quotes(market, market.chain_rows[3])
    slices = session_pricing(quotes, calendar=market.calendar).slices

    assert calendar_findings(quotes, slices, fee_per_contract=0.0).findings.is_empty()
