"""Executable mispricings on real Cboe chains: no lock after fees, what a raised synthetic is worth, box rates."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from tests.real_data.test_pricing_real import CHAINS, PARITY_SESSIONS, chain, priced
from transforms.mispricing.box import box_curve, box_findings
from transforms.mispricing.calendar import calendar_findings
from transforms.mispricing.linear_program import minimal_doubt
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.parity import parity_region, synthetic_bounds
from transforms.mispricing.static import SliceQuotes, static_check
from transforms.pricing.analytics import session_pricing
from transforms.pricing.rates import fallback_curve
from transforms.pricing.slice_grid import SliceGrid, slice_grid

pytestmark = pytest.mark.real_data
FEE = 1.0


def live_slices(folder, session) -> tuple[SliceGrid, list[tuple[int, SliceQuotes, tuple[float, float]]]]:
    grid = slice_grid(chain(folder, session))
    facts = priced(folder, session).slices
    rows = []
    for row, (forward, discount, tau) in enumerate(
        facts.select("forward", "discount_factor", "time_to_expiry").iter_rows()
    ):
        if tau > 0.0:
            quotes = SliceQuotes.of(
                grid.strike[row],
                grid.call_bid[row],
                call_ask=grid.call_ask[row],
                put_bid=grid.put_bid[row],
                put_ask=grid.put_ask[row],
            )
            start = (float(np.median(quotes.strike)), 1.0) if forward is None else (forward * discount, discount)
            rows.append((row, quotes, start))
    return grid, rows


@pytest.mark.parametrize("session", [session for session, _, _ in CHAINS])
def test_no_real_chain_holds_a_lock_after_a_dollar_a_contract(shared_data, session):
    found = executable_findings(chain(shared_data, session), priced(shared_data, session).slices, fee_per_contract=FEE)
    assert found.findings.height == 0


def test_the_yahoo_chain_without_its_dormant_series_holds_no_lock_and_no_calendar_crossing(shared_data):
    path = shared_data / "spx_options" / "yahoo" / "SPX_all_20260130.csv.gz"
    delivery = open_delivery(path.name, path.read_bytes())
    quotes = recognize(delivery).read(delivery, calendar=trading_calendar()).frames["core.option_quote"]
    slices = session_pricing(quotes, calendar=trading_calendar()).slices
    assert slices["forward"].count() >= 55
    # With all its series: 60 locks and 114 crossings, of up to 5,000 points.
    assert executable_findings(quotes, slices, fee_per_contract=0.65).findings.is_empty()
    assert calendar_findings(quotes, slices, fee_per_contract=0.65).findings.is_empty()


@pytest.mark.parametrize("session", [date(2023, 4, 17), date(2023, 9, 14)])
def test_before_fees_the_search_finds_what_the_linear_program_finds(shared_data, session):
    grid, rows = live_slices(shared_data, session)
    n_locked = 0
    for row, quotes, (discounted_forward, discount_factor) in rows:
        check = static_check(quotes, discounted_forward=discounted_forward, discount_factor=discount_factor)
        # The program's own tolerance is 1e-7 of a point on each of some thousand rows; a third of the slices suffices.
        if check.lock is not None or row % 3 == 0:
            assert (check.lock is not None) == (minimal_doubt(quotes).total > 1e-5), grid.slices.row(row)
        n_locked += check.lock is not None
    assert n_locked >= 1


@pytest.mark.parametrize("session", PARITY_SESSIONS)
def test_a_synthetic_raised_past_its_bound_is_found_with_the_strikes_that_prove_it(shared_data, session):
    quotes, slices = chain(shared_data, session), priced(shared_data, session).slices
    grid, rows = live_slices(shared_data, session)
    raised = []
    for row, _, _ in rows:
        listed = np.isfinite(grid.strike[row])
        strike = grid.strike[row, listed]
        prices = [side[row, listed] for side in (grid.call_bid, grid.call_ask, grid.put_bid, grid.put_ask)]
        lower, upper = synthetic_bounds(prices[0], prices[1], put_bid=prices[2], put_ask=prices[3])
        assert not parity_region(strike, lower, upper=upper).is_empty
        middle = int(np.argmin(upper - lower))
        others = np.arange(strike.size) != middle
        without = parity_region(strike[others], lower[others], upper=upper[others])
        if not np.isfinite(upper).any():
            # Nothing is offered in the slice: no synthetic can be bought, none has a bound to pass.
            continue
        highest = (without.vertices[:, 1] - without.vertices[:, 0] * strike[middle]).max()
        raised.append((*grid.slices.row(row), strike[middle], prices[3][middle] + highest + 0.05))
    bids = pl.DataFrame(raised, schema=["root", "expiration", "strike", "raised"], orient="row")
    lifted = quotes.join(bids, on=["root", "expiration", "strike"], how="left", validate="m:1").with_columns(
        pl.when(pl.col("option_type") == "call").then("raised").alias("raised")
    )
    lifted = lifted.with_columns(
        pl.coalesce("raised", "bid").alias("bid"), pl.max_horizontal("ask", "raised").alias("ask")
    ).drop("raised")
    found = executable_findings(lifted, slices, fee_per_contract=0.0)
    parity = found.findings.filter(pl.col("kind").is_in(["conversion", "reversal"]))
    assert parity.select("root", "expiration").n_unique() == parity.height == bids.height
    legs = found.legs.join(parity.select("finding_id"), on="finding_id").join(
        bids, on=["root", "expiration", "strike"], how="semi"
    )
    assert legs["finding_id"].n_unique() == bids.height
    assert bids.height == len(rows) - (session == date(2023, 5, 23))


@pytest.mark.parametrize("session", [date(2023, 4, 14), date(2023, 5, 23), date(2023, 9, 14)])
def test_box_rates_bracket_the_usual_premium_over_treasury(shared_data, session):
    path = shared_data / "rates" / "daily-treasury-rates_2023.csv"
    delivery = open_delivery(path.name, path.read_bytes())
    rates = recognize(delivery).read(delivery, calendar=trading_calendar()).frames["core.treasury_rate"]
    treasury = fallback_curve(rates, session)
    curve = box_curve(priced(shared_data, session).slices, treasury=treasury)
    months = curve.filter(pl.col("time_to_expiry").is_between(0.25, 1.0))
    assert months.height >= 8
    assert (months["lending_rate"] < months["borrowing_rate"]).all()
    assert months["mid_less_treasury"].is_between(-0.001, 0.006).mean() >= 0.9
    assert box_findings(chain(shared_data, session), curve, fee_per_contract=FEE).findings.height == 0
