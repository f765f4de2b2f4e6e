"""All detectors together: every one of them speaks, and a session without quotes is no error."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks.planted_sessions import closing_quotes
from transforms.mispricing.residual import FITTED_COLUMNS
from transforms.mispricing.session import QUOTE_COLUMNS, session_mispricings
from transforms.pricing.analytics import session_pricing
from transforms.pricing.forward import RateCurve
from transforms.sample_market.market import simulate_market
from transforms.sample_market.plants import Plant
from transforms.schemas import FUTURES_SETTLEMENT

# Boxes of the sample market lend at 2 % or more: against 1 % they are findings.
LOW_TREASURY = RateCurve("treasury", np.array([0.02, 10.0]), np.array([0.01, 0.01]))
KINDS = ("vertical_calls", "conversion", "calendar")


@pytest.fixture(scope="module")
def session(calendar):
    """A session's quotes with two locks and a calendar crossing, its pricing, and VX a point above the VIX options."""
    market = simulate_market(
        calendar=calendar,
        last_session=date(2026, 1, 23),
        seed=7,
        n_chain_sessions=1,
        n_history_sessions=20,
        plants=tuple(Plant(kind, 0) for kind in KINDS),
    )
    quotes = closing_quotes(market, market.chain_rows[0])
    pricing = session_pricing(quotes, calendar=calendar)
    monthly = pricing.slices.filter((pl.col("root") == "VIX") & (pl.col("time_to_expiry") > 0.0))
    futures = monthly.select(
        "session_date", pl.lit("VX").alias("root"), "expiration", (pl.col("forward_high") + 1.0).alias("settle")
    )
    return quotes, pricing, futures


def test_each_detector_finds_its_own(session, calendar):
    quotes, pricing, futures = session
    found = session_mispricings(
        quotes.select(QUOTE_COLUMNS),
        pricing.slices,
        pricing.options.select(FITTED_COLUMNS),
        futures=futures,
        rates=LOW_TREASURY,
        calendar=calendar,
        fee_per_contract=1.0,
        loan_rate=0.07,
    )
    kinds = found.found.findings.group_by("kind").len().sort("kind").rows()
    assert kinds[:4] == [("box_rate", 1), ("butterfly", 1), ("calendar", 1), ("conversion", 1)]
    assert dict(kinds)["vix_parity"] == futures.height
    assert set(found.box_curve["loan_rate"]) == {0.07}
    assert found.variance_triangle["convexity"].count() >= 1
    assert found.misfits.height > 10_000


def test_a_bill_is_no_yardstick_for_boxes(session, calendar):
    quotes, pricing, futures = session
    bill = RateCurve("bill_13_week", LOW_TREASURY.time, LOW_TREASURY.zero_rate)
    found = session_mispricings(
        quotes, pricing.slices, pricing.options, futures=futures, rates=bill, calendar=calendar, fee_per_contract=1.0
    )
    assert found.box_curve["treasury_rate"].null_count() == found.box_curve.height
    assert "box_rate" not in found.found.findings["kind"]


def test_a_session_without_quotes_has_nothing_and_is_no_error(session, calendar):
    quotes, pricing, _ = session
    found = session_mispricings(
        quotes.clear(),
        pricing.slices.clear(),
        pricing.options.clear(),
        futures=FUTURES_SETTLEMENT.empty(),
        rates=None,
        calendar=calendar,
        fee_per_contract=1.0,
    )
    frames = (found.found.findings, found.found.legs, found.box_curve, found.variance_triangle, found.misfits)
    assert [frame.height for frame in frames] == [0] * 5
