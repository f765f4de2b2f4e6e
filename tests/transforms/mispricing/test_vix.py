"""SPX against VIX: wings and second moments in closed form, forward variance of a known surface, what is found."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from benchmarks.residual_recall import session_quotes
from flows.calendar import trading_calendar
from transforms.mispricing.vix import (
    forward_variance_findings,
    variance_triangle,
    vix_parity_findings,
    vix_second_moments,
    wing_integrals,
)
from transforms.pricing.analytics import session_pricing, time_to_expiry
from transforms.pricing.black76 import black_price
from transforms.pricing.density import log_contract_variance
from transforms.pricing.slice_grid import slice_grid
from transforms.pricing.svi import SviSlices
from transforms.sample_market.market import SampleMarket, simulate_market
from transforms.sample_market.planted_sessions import planted_settlements
from transforms.sample_market.plants import Plant
from transforms.schemas import VARIANCE_TRIANGLE
from transforms.sessions import TradingCalendar, option_close

SESSION = date(2024, 3, 4)
VX_EXPIRATION = date(2024, 4, 17)
FAR = date(2024, 5, 17)


def smiles(*rows: tuple[float, float, float, float, float]) -> SviSlices:
    return SviSlices(*np.array(rows).T)


def flat(total_variance: float) -> SviSlices:
    return smiles((total_variance, 0.0, 0.0, 0.0, 0.1))


def test_all_wings_together_are_the_log_contract() -> None:
    two = smiles((0.004, 0.08, -0.6, 0.02, 0.1), (0.01, 0.2, -0.4, 0.0, 0.2))

    whole = wing_integrals(two, np.zeros(2), high=np.zeros(2), power=-1.0)

    assert whole == pytest.approx(log_contract_variance(two), rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.0004, 0.6))
def test_the_second_moment_of_a_lognormal_is_exp_of_its_variance(variance: float) -> None:
    whole = wing_integrals(flat(variance), np.zeros(1), high=np.zeros(1), power=1.0)

    assert whole[0] == pytest.approx(np.expm1(variance), rel=1e-6)


def test_wings_beyond_given_strikes_agree_with_adaptive_quadrature() -> None:
    variance, low, high = 0.04, -0.5, 0.3

    def integrand(k: float) -> float:
        price = black_price(
            1.0,
            np.array([np.exp(k)]),
            time_to_expiry=1.0,
            implied_vol=variance**0.5,
            discount_factor=1.0,
            is_call=k > 0.0,
        )
        return 2.0 * float(price[0]) * float(np.exp(-k))

    expected = quad(integrand, -3.0, low, epsabs=1e-14)[0] + quad(integrand, high, 3.0, epsabs=1e-14)[0]
    found = wing_integrals(flat(variance), np.array([low]), high=np.array([high]), power=-1.0)
    assert found[0] == pytest.approx(expected, rel=1e-6)


def priced(
    root: str,
    expiration: date,
    *,
    forward: float,
    total_variance: float,
    strikes: np.ndarray,
    calendar: TradingCalendar,
) -> pl.DataFrame:
    """Quotes of one slice at a single vol, half a cent wide."""
    close = option_close(SESSION, calendar=calendar)
    frames = []
    for kind in ("call", "put"):
        price = black_price(
            forward,
            strikes,
            time_to_expiry=1.0,
            implied_vol=total_variance**0.5,
            discount_factor=0.99,
            is_call=kind == "call",
        )
        frames.append(
            pl.DataFrame({"strike": strikes, "bid": np.maximum(price - 0.005, 0.0), "ask": price + 0.005}).with_columns(
                pl.lit(kind).alias("option_type")
            )
        )
    return pl.concat(frames).with_columns(
        pl.lit(root).alias("root"),
        pl.lit(expiration).alias("expiration"),
        pl.lit(SESSION).alias("session_date"),
        pl.lit(close).cast(pl.Datetime("us")).alias("quote_ts"),
    )


def slices_of(
    quotes: pl.DataFrame, variances: dict[tuple[str, date], float], *, calendar: TradingCalendar
) -> pl.DataFrame:
    """feature.slice rows of slices at a single vol."""
    times = time_to_expiry(quotes, calendar=calendar)
    variance = [variances[key] for key in times.select("root", "expiration").rows()]
    return times.with_columns(
        pl.lit(SESSION).alias("session_date"),
        (-np.log(0.99) / pl.col("time_to_expiry")).alias("zero_rate"),
        pl.when(pl.col("root") == "VIX").then(20.0).otherwise(5000.0).alias("forward"),
        pl.Series("svi_a", variance),
        pl.lit(0.0).alias("svi_b"),
        pl.lit(0.0).alias("svi_rho"),
        pl.lit(0.0).alias("svi_m"),
        pl.lit(0.1).alias("svi_sigma"),
        (pl.Series(variance) / pl.col("time_to_expiry")).alias("model_free_variance"),
    )


def surface(near: tuple[date, date], *, calendar: TradingCalendar) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return quotes and slices of two SPXW slices around the VX expiration and the SPX one 30 days after it.

    Total variance is 0.04 a year to the VX expiration and 0.09 a year from then on.
    """
    instant = datetime(2024, 4, 17, 13, 30)
    close = option_close(SESSION, calendar=calendar)
    keys = [("SPXW", near[0]), ("SPXW", near[1]), ("SPX", FAR)]
    blank = pl.DataFrame(keys, schema=["root", "expiration"], orient="row").with_columns(
        pl.lit(close).cast(pl.Datetime("us")).alias("quote_ts")
    )
    until = (instant - close) / timedelta(days=365)
    variances = {
        (root, expiration): 0.04 * min(tau, until) + 0.09 * max(tau - until, 0.0)
        for root, expiration, _, tau in time_to_expiry(blank, calendar=calendar).rows()
    }
    strikes = np.arange(4000.0, 5800.0, 5.0)
    quotes = pl.concat(
        [
            priced(*key, forward=5000.0, total_variance=variances[key], strikes=strikes, calendar=calendar)
            for key in keys
        ]
    )
    return quotes, slices_of(quotes, variances, calendar=calendar)


def vx(settle: float) -> pl.DataFrame:
    return pl.DataFrame({"session_date": [SESSION], "root": ["VX"], "expiration": [VX_EXPIRATION], "settle": [settle]})


def test_forward_variance_is_that_of_the_thirty_days_and_the_strip_falls_short_of_it(calendar: TradingCalendar) -> None:
    quotes, slices = surface((date(2024, 4, 16), date(2024, 4, 17)), calendar=calendar)

    row = variance_triangle(quotes, slices, futures=vx(28.0), calendar=calendar).row(0, named=True)

    # Linear interpolation over the kink at the expiration adds at most half a day of 0.05 to the near leg.
    assert row["spx_forward_variance"] == pytest.approx(0.09, abs=0.05 * 0.2 / 30.0)
    assert row["spx_forward_variance_strip"] < row["spx_forward_variance"]
    assert row["truncation_estimate"] == pytest.approx(
        100.0 * (row["spx_forward_variance"] ** 0.5 - row["spx_forward_variance_strip"] ** 0.5)
    )
    assert row["gap_vol_points"] == pytest.approx(100.0 * row["spx_forward_variance"] ** 0.5 - 28.0)
    assert row["convexity"] == pytest.approx(1e4 * row["spx_forward_variance"] - 28.0**2)
    assert row["bracket_days"] == pytest.approx(6.5 / 24.0)
    assert (row["days_to_expiry"], row["clock_gap_minutes"]) == (44, 15.0)


def test_a_bracket_too_wide_leaves_the_variance_null_and_its_width_in_the_row(calendar: TradingCalendar) -> None:
    quotes, slices = surface((date(2024, 4, 12), date(2024, 4, 22)), calendar=calendar)

    row = variance_triangle(quotes, slices, futures=vx(28.0), calendar=calendar).row(0, named=True)
    wide = variance_triangle(quotes, slices, futures=vx(28.0), calendar=calendar, max_bracket_days=5.0)

    assert row["bracket_days"] == pytest.approx(4.0 + 17.5 / 24.0)
    assert row["spx_forward_variance"] is None
    assert row["gap_vol_points"] is None
    assert wide["spx_forward_variance"].null_count() == 0


def test_row_order_changes_nothing_and_an_expiration_without_legs_keeps_its_future(calendar: TradingCalendar) -> None:
    quotes, slices = surface((date(2024, 4, 16), date(2024, 4, 17)), calendar=calendar)
    weekly = vx(26.0).with_columns(pl.lit(date(2024, 3, 27)).alias("expiration"))
    futures = pl.concat([vx(28.0), weekly])

    rows = variance_triangle(quotes, slices, futures=futures, calendar=calendar)
    shuffled = variance_triangle(
        quotes.sample(fraction=1.0, shuffle=True, seed=2),
        slices.reverse(),
        futures=futures.reverse(),
        calendar=calendar,
    )

    assert rows.equals(shuffled)
    assert rows.select("vx", pl.col("spx_forward_variance").is_null()).rows() == [(26.0, True), (28.0, False)]


def test_the_second_moment_of_vix_options_is_that_of_their_law(calendar: TradingCalendar) -> None:
    variance = 0.16
    strikes = np.concatenate([np.arange(8.0, 30.0, 0.5), np.arange(30.0, 61.0, 1.0)])
    quotes = priced("VIX", VX_EXPIRATION, forward=20.0, total_variance=variance, strikes=strikes, calendar=calendar)
    slices = slices_of(quotes, {("VIX", VX_EXPIRATION): variance}, calendar=calendar)

    row = vix_second_moments(slice_grid(quotes), slices).row(0, named=True)

    assert row["vix_forward"] == pytest.approx(20.0, abs=0.02)
    assert row["vix_second_moment"] == pytest.approx(400.0 * np.exp(variance), rel=2e-3)


def triangle_row(days: int, gap: float | None, truncation: float) -> pl.DataFrame:
    row = {
        "session_date": SESSION,
        "expiration": SESSION + timedelta(days=days),
        "days_to_expiry": days,
        "vx": 20.0,
        "gap_vol_points": gap,
        "truncation_estimate": truncation,
        "bracket_days": 0.3,
        "clock_gap_minutes": 15.0,
    }
    schema = VARIANCE_TRIANGLE.polars_schema
    return pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)


@pytest.mark.parametrize(
    ("days", "gap", "truncation", "found"),
    [
        (30, -0.36, 0.05, True),
        (30, -0.34, 0.05, False),
        (30, -0.29, 0.0, False),
        (30, 2.0, 0.0, False),
        (30, None, 0.0, False),
        (7, -0.5, 0.0, True),
        (6, -5.0, 0.0, False),
    ],
)
def test_a_violation_exceeds_tolerance_and_truncation_a_week_or_more_ahead(
    days: int, gap: float | None, truncation: float, found: bool
) -> None:
    rows = forward_variance_findings(triangle_row(days, gap, truncation))

    assert rows.findings.height == found
    if found:
        assert rows.findings["edge_points"].item() == pytest.approx(-(gap or 0.0))
        assert rows.legs.select("instrument", "side").rows() == [("forward", "buy"), ("future", "sell")]


@pytest.mark.parametrize(
    ("settle", "edge", "sides"),
    [(20.30, 0.2, ("buy", "sell")), (19.60, 0.3, ("sell", "buy")), (20.14, None, ()), (20.0, None, ())],
)
def test_a_settlement_outside_the_options_interval_is_traded_against_ten_synthetics(
    settle: float, edge: float | None, sides: tuple[str, ...]
) -> None:
    slices = pl.DataFrame(
        {
            "session_date": [SESSION] * 2,
            "root": ["SPX", "VIX"],
            "expiration": [VX_EXPIRATION] * 2,
            "time_to_expiry": [0.1] * 2,
            "forward_low": [5000.0, 19.9],
            "forward_high": [5001.0, 20.1],
        }
    )
    clocks = pl.DataFrame({"session_date": [SESSION], "clock_gap_minutes": [15.0]})

    found = vix_parity_findings(slices, futures=vx(settle), clocks=clocks)

    assert found.findings["edge_points"].to_list() == ([] if edge is None else [pytest.approx(edge)])
    # Legs stand in the order forward, future.
    assert tuple(found.legs["side"]) == sides
    if edge is not None:
        assert found.legs["quantity"].to_list() == [10.0, 1.0]
        assert "15 minutes" in found.findings["note"].item()


def test_quotes_an_hour_from_the_settlement_are_flagged() -> None:
    row = triangle_row(30, -0.9, 0.0)
    later = row.with_columns(pl.lit(61.0).alias("clock_gap_minutes"))

    assert forward_variance_findings(row).findings["from_flagged_quotes"].to_list() == [False]
    assert forward_variance_findings(later).findings["from_flagged_quotes"].to_list() == [True]


@pytest.fixture(scope="module")
def market() -> SampleMarket:
    return simulate_market(
        calendar=trading_calendar(),
        last_session=date(2026, 1, 23),
        seed=20260123,
        n_chain_sessions=40,
        n_history_sessions=20,
    )


@pytest.mark.parametrize(("number", "kind"), [(2, "vx_rich"), (12, "vx_rich"), (25, "vx_cheap"), (12, None)])
def test_displaced_futures_of_the_sample_market_are_found_and_clean_ones_are_not(
    number: int, kind: str | None, market: SampleMarket
) -> None:
    row = market.chain_rows[number]
    plants = [(row, Plant(kind, number))] if kind else []
    printed, events = planted_settlements(market.contracts, market.days, plants=plants)
    day = market.session_date(row)
    settles = [
        (day, "VX", contract.expiration, float(settle[contract.rows == row][0]))
        for contract, settle in zip(market.contracts, printed, strict=True)
        if row in contract.rows
    ]
    futures = pl.DataFrame(settles, schema=["session_date", "root", "expiration", "settle"], orient="row")
    quotes = session_quotes(market, row)
    slices = session_pricing(quotes, calendar=market.calendar).slices

    triangle = variance_triangle(quotes, slices, futures=futures, calendar=market.calendar)
    bound = forward_variance_findings(triangle).findings["expiration"].to_list()
    clocks = triangle.select("session_date", "clock_gap_minutes").unique()
    parity = vix_parity_findings(slices, futures=futures, clocks=clocks).findings["expiration"].to_list()

    planted = [event.expiration for event in events]
    assert parity == planted
    assert bound == (planted if kind == "vx_rich" else [])
