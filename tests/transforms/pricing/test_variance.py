"""Cboe's strip by hand and by limit, the index's arithmetic, its terms, and the replicated variance swap."""

from datetime import date

import numpy as np
import pytest

from transforms.pricing.black76 import black_price
from transforms.pricing.variance import cboe_strip, variance_swap, vix_level, vix_terms

FLAT = {"forward": 100.0, "rate": 0.03, "tau": 0.25, "vol": 0.2}


def flat_prices(strike, *, is_call):
    discount = np.exp(-FLAT["rate"] * FLAT["tau"])
    return black_price(
        np.full_like(strike, FLAT["forward"]),
        strike,
        time_to_expiry=np.full_like(strike, FLAT["tau"]),
        implied_vol=np.full_like(strike, FLAT["vol"]),
        discount_factor=np.full_like(strike, discount),
        is_call=np.full(strike.shape, is_call),
    )


def strip_of(strike, calls, puts):
    return cboe_strip(
        strike,
        calls,
        call_ask=calls,
        put_bid=puts,
        put_ask=puts,
        time_to_expiry=FLAT["tau"],
        rate=FLAT["rate"],
    )


def test_a_dense_strip_of_a_flat_smile_gives_its_variance():
    strike = np.arange(30.0, 300.0, 0.1)
    strip = strip_of(strike, flat_prices(strike, is_call=True), flat_prices(strike, is_call=False))
    assert strip.forward == pytest.approx(100.0, abs=1e-9)
    assert strip.variance == pytest.approx(0.04, rel=3e-5)


def test_the_strip_stops_at_two_strikes_in_a_row_without_bid_and_skips_single_ones():
    strike = np.arange(60.0, 141.0, 5.0)
    calls, puts = flat_prices(strike, is_call=True), flat_prices(strike, is_call=False)
    puts[strike == 85.0] = 0.0
    puts[np.isin(strike, (70.0, 75.0))] = 0.0
    calls[np.isin(strike, (125.0, 130.0))] = 0.0
    strip = strip_of(strike, calls, puts)
    assert strip.strikes.tolist() == [80.0, 90.0, 95.0, 100.0, 105.0, 110.0, 115.0, 120.0]


def test_the_strike_below_the_forward_enters_with_the_mean_of_call_and_put():
    strike = np.array([90.0, 95.0, 101.0, 105.0, 110.0])
    calls, puts = flat_prices(strike, is_call=True), flat_prices(strike, is_call=False)
    strip = strip_of(strike, calls, puts)
    assert strip.at_the_money_strike == 95.0
    assert strip.prices[1] == 0.5 * (calls[1] + puts[1])
    # delta_K of 95 is half of 101 - 90, at the ends the distance to the neighbor.
    np.testing.assert_allclose(strip.weights * strip.strikes**2, [5.0, 5.5, 5.0, 4.5, 5.0])


@pytest.mark.parametrize("row", [0, 3, 7])
def test_a_quote_a_point_higher_moves_the_variance_by_its_own_term(row):
    strike = np.arange(80.0, 121.0, 5.0)
    calls, puts = flat_prices(strike, is_call=True), flat_prices(strike, is_call=False)
    before = strip_of(strike, calls, puts)
    raised = strike[row]
    bumped_calls = calls + (strike == raised) * (raised > 100.0)
    bumped_puts = puts + (strike == raised) * (raised < 100.0)
    after = strip_of(strike, bumped_calls, bumped_puts)
    growth = np.exp(FLAT["rate"] * FLAT["tau"])
    expected = 2.0 / FLAT["tau"] * growth * 5.0 / raised**2
    assert after.variance - before.variance == pytest.approx(expected, rel=1e-9)


def test_a_slice_without_a_two_sided_strike_has_no_strip():
    strike = np.array([90.0, 100.0])
    assert strip_of(strike, np.array([0.0, np.nan]), np.array([1.0, 1.0])) is None


@pytest.mark.parametrize(
    ("variances", "minutes", "level"),
    [
        # Cboe, "VIX: CBOE Volatility Index" white paper (2014 and 2019), step 3, printed as 13.69.
        ((0.018462924, 0.018821008), (35_924.0, 46_394.0), 13.6858),
        # Cboe Volatility Index Mathematics Methodology (2021 on), the same quotes, printed as 13.93.
        ((0.019233906, 0.019423884), (34_484.0, 44_954.0), 13.9278),
    ],
)
def test_the_level_of_the_white_papers(variances, minutes, level):
    assert vix_level(variances, minutes) == pytest.approx(level, abs=5e-5)


def test_a_negative_interpolated_variance_has_no_level():
    assert np.isnan(vix_level((0.01, 0.9), (50_000.0, 60_000.0)))


@pytest.mark.parametrize(
    ("session", "near", "following"),
    [
        # The white paper's example: on the second Tuesday of October 24 and 31 days, the day after 30 and 37.
        (date(2014, 10, 14), ("SPXW", date(2014, 11, 7)), ("SPXW", date(2014, 11, 14))),
        (date(2014, 10, 15), ("SPXW", date(2014, 11, 14)), ("SPX", date(2014, 11, 21))),
        # Good Friday, 2022-04-15, is a third Friday: the monthly expires the day before.
        (date(2022, 3, 11), ("SPXW", date(2022, 4, 8)), ("SPX", date(2022, 4, 14))),
        # A Friday holiday that is no third Friday.
        (date(2024, 2, 28), ("SPXW", date(2024, 3, 28)), ("SPXW", date(2024, 4, 5))),
    ],
)
def test_weekly_terms_bracket_thirty_days(session, near, following, calendar):
    listed = {near, following, ("SPXW", date(2022, 4, 13)), ("SPXW", date(2024, 3, 27))}
    terms = vix_terms(session, listed, calendar=calendar)
    assert [(term.root, term.expiration) for term in terms] == [near, following]


@pytest.mark.parametrize(
    ("session", "days"),
    [
        # White paper of 2009: on the second Friday the front month still counts, on the Monday after no longer.
        (date(2010, 6, 11), (date(2010, 6, 19), date(2010, 7, 17))),
        (date(2010, 6, 14), (date(2010, 7, 17), date(2010, 8, 21))),
    ],
)
def test_before_weeklys_the_front_month_is_left_eight_days_before_its_saturday(session, days, calendar):
    listed = {("SPX", day) for day in (date(2010, 6, 19), date(2010, 7, 17), date(2010, 8, 21))}
    terms = vix_terms(session, listed, calendar=calendar)
    assert tuple(term.expiration for term in terms) == days


def test_a_term_not_listed_gives_no_terms(calendar):
    assert vix_terms(date(2023, 9, 14), {("SPXW", date(2023, 10, 13))}, calendar=calendar) is None


def test_the_replicated_variance_swap_of_derman_kamal_zou():
    """QuantLib test-suite/varianceswaps.cpp, testReplicatingVarianceSwap, with its tolerance.

    Data of Derman, Kamal and Zou (1999), "A Guide to Volatility and Variance Swaps", its maturity corrected by QuantLib
    from 0.25 to 90/365.
    """
    tau, rate, spot = 90.0 / 365.0, 0.05, 100.0
    put_strike, put_vol = np.arange(50.0, 101.0, 5.0), np.linspace(0.30, 0.20, 11)
    call_strike, call_vol = np.arange(100.0, 136.0, 5.0), np.linspace(0.20, 0.13, 8)
    forward, discount = spot * np.exp(rate * tau), np.exp(-rate * tau)

    def prices(strike, vol, *, is_call):
        return black_price(
            np.full_like(strike, forward),
            strike,
            time_to_expiry=np.full_like(strike, tau),
            implied_vol=vol,
            discount_factor=np.full_like(strike, discount),
            is_call=np.full(strike.shape, is_call),
        )

    fair = variance_swap(
        put_strike,
        prices(put_strike, put_vol, is_call=False),
        call_strike=call_strike,
        call_price=prices(call_strike, call_vol, is_call=True),
        forward=forward,
        discount_factor=discount,
        time_to_expiry=tau,
    )
    assert fair == pytest.approx(0.04189, abs=1e-4)


def test_strips_that_do_not_meet_are_refused():
    with pytest.raises(ValueError, match="puts end at strike 95"):
        variance_swap(
            np.array([90.0, 95.0]),
            np.array([1.0, 2.0]),
            call_strike=np.array([100.0, 105.0]),
            call_price=np.array([3.0, 1.0]),
            forward=100.0,
            discount_factor=1.0,
            time_to_expiry=0.5,
        )
