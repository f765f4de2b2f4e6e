"""Black-76 prices and Greeks against published tables, finite differences and 50-digit arithmetic."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.pricing.black76 import BlackGreeks, black_greeks, black_price, delta_spot
from transforms.pricing.mills_ratio import FULL_FIT, SHORT_FIT, MillsFit, mills_difference

# E. G. Haug, Option Pricing Formulas, McGraw-Hill 1998, pages 2-8, 24 and 27, as QuantLib's test-suite
# (europeanoption.cpp, testValues) carries them, with its tolerance of 1e-4 for every row.
# is_call, strike, spot, dividend yield, rate, time, vol, value
HAUG_VALUES = [
    (True, 65.00, 60.00, 0.00, 0.08, 0.25, 0.30, 2.1334),
    (False, 95.00, 100.00, 0.05, 0.10, 0.50, 0.20, 2.4648),
    (False, 19.00, 19.00, 0.10, 0.10, 0.75, 0.28, 1.7011),
    (True, 19.00, 19.00, 0.10, 0.10, 0.75, 0.28, 1.7011),
    (True, 1.60, 1.56, 0.08, 0.06, 0.50, 0.12, 0.0291),
    (False, 70.00, 75.00, 0.05, 0.10, 0.50, 0.35, 4.0870),
    (True, 40.00, 42.00, 0.08, 0.04, 0.75, 0.35, 5.0975),
]
# Page 24: strike 100, dividend yield and rate 10%; rows are (time, vol), columns spots 90, 100, 110.
HAUG_PAGE_24 = {
    True: {
        (0.10, 0.15): (0.0205, 1.8734, 9.9413),
        (0.10, 0.25): (0.3150, 3.1217, 10.3556),
        (0.10, 0.35): (0.9474, 4.3693, 11.1381),
        (0.50, 0.15): (0.8069, 4.0232, 10.5769),
        (0.50, 0.25): (2.7026, 6.6997, 12.7857),
        (0.50, 0.35): (4.9329, 9.3679, 15.3086),
    },
    False: {
        (0.10, 0.15): (9.9210, 1.8734, 0.0408),
        (0.10, 0.25): (10.2155, 3.1217, 0.4551),
        (0.10, 0.35): (10.8479, 4.3693, 1.2376),
        (0.50, 0.15): (10.3192, 4.0232, 1.0646),
        (0.50, 0.25): (12.2149, 6.6997, 3.2734),
        (0.50, 0.35): (14.4452, 9.3679, 5.7963),
    },
}
HAUG_TOLERANCE = 1e-4

SETTINGS = settings(max_examples=60, deadline=None)
forwards = st.floats(5.0, 8000.0)
distances = st.floats(-1.5, 1.5)
times = st.floats(0.01, 3.0)
vols = st.floats(0.03, 1.5)
discounts = st.floats(0.7, 1.05)


def haug_rows() -> list[tuple[bool, float, float, float, float, float, float, float]]:
    page_24 = [
        (is_call, 100.0, spot, 0.10, 0.10, time, vol, value)
        for is_call, grid in HAUG_PAGE_24.items()
        for (time, vol), values in grid.items()
        for spot, value in zip((90.0, 100.0, 110.0), values, strict=True)
    ]
    return HAUG_VALUES + page_24


def exact_price(forward: float, strike: float, total_vol: float, is_call: bool) -> float:
    """Return the undiscounted Black-76 price in 400 digits, in the textbook form."""
    with mpmath.workdps(400):
        f, k, s = mpmath.mpf(forward), mpmath.mpf(strike), mpmath.mpf(total_vol)
        sign = 1 if is_call else -1
        d1 = mpmath.log(f / k) / s + s / 2
        return float(sign * (f * mpmath.ncdf(sign * d1) - k * mpmath.ncdf(sign * (d1 - s))))


def greeks_at(spot: float, strike: float, q: float, rate: float, time: float, vol: float, is_call: bool) -> BlackGreeks:
    return black_greeks(
        spot * np.exp((rate - q) * time),
        strike,
        time_to_expiry=time,
        implied_vol=vol,
        discount_factor=np.exp(-rate * time),
        is_call=is_call,
    )


@pytest.mark.parametrize(("is_call", "strike", "spot", "q", "rate", "time", "vol", "value"), haug_rows())
def test_price_equals_haugs_tables(
    is_call: bool, strike: float, spot: float, q: float, rate: float, time: float, vol: float, value: float
) -> None:
    price = black_price(
        spot * np.exp((rate - q) * time),
        strike,
        time_to_expiry=time,
        implied_vol=vol,
        discount_factor=np.exp(-rate * time),
        is_call=is_call,
    )
    assert price[0] == pytest.approx(value, abs=HAUG_TOLERANCE)


@pytest.mark.parametrize(("is_call", "value"), [(True, 0.5946), (False, -0.3566)])
def test_spot_delta_equals_haug_page_11(is_call: bool, value: float) -> None:
    greeks = greeks_at(105.0, 100.0, 0.10, 0.10, 0.5, 0.36, is_call)
    assert delta_spot(greeks.delta, 105.0, 105.0)[0] == pytest.approx(value, abs=HAUG_TOLERANCE)


@pytest.mark.parametrize("is_call", [True, False])
def test_gamma_and_vega_equal_haug_pages_13_to_15(is_call: bool) -> None:
    greeks = greeks_at(55.0, 60.0, 0.0, 0.10, 0.75, 0.30, is_call)
    forward_per_spot = np.exp(0.10 * 0.75)
    assert greeks.gamma[0] * forward_per_spot**2 == pytest.approx(0.0278, abs=HAUG_TOLERANCE)
    assert greeks.vega[0] * 100.0 == pytest.approx(18.9358, abs=HAUG_TOLERANCE)


def test_spot_delta_is_forward_delta_over_spot_and_missing_without_spot() -> None:
    np.testing.assert_array_equal(delta_spot(0.5, 110.0, [100.0, 0.0, np.nan]), [0.55, np.nan, np.nan])


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("strike", [60.0, 95.0, 100.0, 107.0, 160.0])
def test_greeks_equal_central_differences_of_the_price(is_call: bool, strike: float) -> None:
    def value(forward: float = 100.0, vol: float = 0.30) -> float:
        return float(
            black_price(forward, strike, time_to_expiry=0.4, implied_vol=vol, discount_factor=0.98, is_call=is_call)[0]
        )

    def at(forward: float = 100.0, vol: float = 0.30) -> BlackGreeks:
        return black_greeks(forward, strike, time_to_expiry=0.4, implied_vol=vol, discount_factor=0.98, is_call=is_call)

    greeks, h, v = at(), 1e-3, 1e-5
    point = 0.01
    assert greeks.delta[0] == pytest.approx((value(100 + h) - value(100 - h)) / (2 * h), abs=1e-8)
    assert greeks.gamma[0] == pytest.approx((at(100 + h).delta[0] - at(100 - h).delta[0]) / (2 * h), abs=1e-8)
    assert greeks.vega[0] == pytest.approx(point * (value(vol=0.3 + v) - value(vol=0.3 - v)) / (2 * v), abs=1e-8)
    vanna = point * (at(vol=0.3 + v).delta[0] - at(vol=0.3 - v).delta[0]) / (2 * v)
    assert greeks.vanna[0] == pytest.approx(vanna, abs=1e-8)
    volga = point * (at(vol=0.3 + v).vega[0] - at(vol=0.3 - v).vega[0]) / (2 * v)
    assert greeks.volga[0] == pytest.approx(volga, abs=1e-8)


@pytest.mark.parametrize("is_call", [True, False])
def test_theta_is_the_price_a_day_later_at_the_same_forward_vol_and_rate(is_call: bool) -> None:
    def value(time: float) -> float:
        return float(
            black_price(
                100.0,
                108.0,
                time_to_expiry=time,
                implied_vol=0.25,
                discount_factor=np.exp(-0.05 * time),
                is_call=is_call,
            )[0]
        )

    time = 30.0 / 365.0
    greeks = black_greeks(
        100.0,
        108.0,
        time_to_expiry=time,
        implied_vol=0.25,
        discount_factor=np.exp(-0.05 * time),
        is_call=is_call,
    )
    assert greeks.theta[0] == pytest.approx(value(29.0 / 365.0) - value(time), abs=1e-13)
    assert greeks.theta_per_gamma[0] == greeks.theta[0] / greeks.gamma[0]


@pytest.mark.parametrize("days", [1.0, 0.5, 1e-3])
def test_theta_of_the_last_day_goes_to_the_payoff(days: float) -> None:
    inputs = {"time_to_expiry": days / 365.0, "implied_vol": 0.4, "discount_factor": 0.99, "is_call": True}
    strikes = np.array([90.0, 100.0, 110.0])
    theta = black_greeks(100.0, strikes, **inputs).theta
    payoff = np.array([10.0, 0.0, 0.0])
    np.testing.assert_allclose(theta, payoff - black_price(100.0, strikes, **inputs), rtol=0.0, atol=1e-14)


def test_extrinsic_value_is_the_price_less_the_discounted_intrinsic_value() -> None:
    greeks = black_greeks(
        100.0, [80.0, 120.0], time_to_expiry=0.3, implied_vol=0.2, discount_factor=0.97, is_call=[True, False]
    )
    price = black_price(
        100.0, [80.0, 120.0], time_to_expiry=0.3, implied_vol=0.2, discount_factor=0.97, is_call=[True, False]
    )
    np.testing.assert_allclose(greeks.extrinsic, price - 0.97 * 20.0, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize(
    ("total_vol", "deviations"),
    [
        (total_vol, deviations)
        for total_vol in (1e-7, 1e-4, 0.02, 0.3, 1.0, 3.0, 9.0)
        for deviations in (0.0, 0.3, 1.0, 4.0, 12.0, 30.0)
        if total_vol * deviations < 40.0
    ],
)
def test_out_of_the_money_price_keeps_its_digits(total_vol: float, deviations: float) -> None:
    forward = 100.0
    strike = forward * float(np.exp(deviations * total_vol))
    price = black_price(forward, strike, time_to_expiry=1.0, implied_vol=total_vol, discount_factor=1.0, is_call=True)[
        0
    ]
    # exp(-z^2/2) turns an ulp of z into z^2 ulps.
    rounding = 1e-14 * (1.0 + deviations**2)
    assert price == pytest.approx(exact_price(forward, strike, total_vol, True), rel=rounding)


def test_no_time_or_no_vol_leaves_the_discounted_intrinsic_value() -> None:
    price = black_price(
        100.0, [90.0, 100.0, 110.0], time_to_expiry=[0.0, 0.5, 0.5], implied_vol=[0.2, 0.0, 0.0],
        discount_factor=0.9, is_call=[True, True, False],
    )  # fmt: skip
    np.testing.assert_allclose(price, [9.0, 0.0, 9.0], rtol=1e-15)


def test_a_bad_input_gives_nan_in_price_and_every_greek() -> None:
    bad = [
        (np.nan, 100.0, 0.5, 0.2, 0.9),
        (0.0, 100.0, 0.5, 0.2, 0.9),
        (100.0, -1.0, 0.5, 0.2, 0.9),
        (100.0, 100.0, -0.5, 0.2, 0.9),
        (100.0, 100.0, 0.5, -0.2, 0.9),
        (100.0, 100.0, 0.5, 0.2, 0.0),
        (100.0, 100.0, 0.5, 0.2, np.nan),
    ]
    f, k, time, vol, discount = np.array(bad).T
    inputs = {"time_to_expiry": time, "implied_vol": vol, "discount_factor": discount, "is_call": True}
    assert np.isnan(black_price(f, k, **inputs)).all()
    greeks = black_greeks(f, k, **inputs)
    for name in BlackGreeks.__dataclass_fields__:
        assert np.isnan(getattr(greeks, name)).all(), name


@SETTINGS
@given(forwards, distances, times, vols, discounts)
def test_call_less_put_is_the_discounted_forward_less_strike(
    forward: float, distance: float, time: float, vol: float, discount: float
) -> None:
    strike = forward * float(np.exp(distance))
    call, put = black_price(
        forward, strike, time_to_expiry=time, implied_vol=vol, discount_factor=discount, is_call=[True, False]
    )
    assert call - put == pytest.approx(discount * (forward - strike), abs=1e-14 * (forward + strike))


@SETTINGS
@given(forwards, distances, times, vols, st.floats(0.01, 0.5), st.booleans())
def test_price_rises_with_vol(
    forward: float, distance: float, time: float, vol: float, bump: float, is_call: bool
) -> None:
    strike = forward * float(np.exp(distance))
    low, high = black_price(
        forward,
        strike,
        time_to_expiry=time,
        implied_vol=[vol, vol + bump],
        discount_factor=1.0,
        is_call=is_call,
    )
    deviations = abs(distance) / ((vol + bump) * np.sqrt(time))
    # In the money, from about eight deviations on, what is left of time value is less than the price's last bit.
    assert high > low or (high == low and deviations > 7.0)


@SETTINGS
@given(forwards, distances, times, vols, st.booleans())
def test_price_is_homogeneous_in_forward_and_strike(
    forward: float, distance: float, time: float, vol: float, is_call: bool
) -> None:
    strike = forward * float(np.exp(distance))
    inputs = {"time_to_expiry": time, "implied_vol": vol, "discount_factor": 0.95, "is_call": is_call}
    # A power of two scales without rounding, so every bit must agree.
    assert black_price(8.0 * forward, 8.0 * strike, **inputs)[0] == 8.0 * black_price(forward, strike, **inputs)[0]


def test_permuting_rows_changes_no_bit() -> None:
    rng = np.random.default_rng(7)
    forward, time, vol = rng.uniform(50, 150, 999), rng.uniform(0.01, 2, 999), rng.uniform(0.05, 1, 999)
    order = rng.permutation(999)
    inputs = {"discount_factor": 0.97, "is_call": True}
    straight = black_price(forward, 100.0, time_to_expiry=time, implied_vol=vol, **inputs)
    shuffled = black_price(forward[order], 100.0, time_to_expiry=time[order], implied_vol=vol[order], **inputs)
    np.testing.assert_array_equal(straight[order], shuffled)


def mills_ratio(u: float) -> mpmath.mpf:
    return mpmath.sqrt(mpmath.pi / 2) * mpmath.exp(mpmath.mpf(u) ** 2 / 2) * mpmath.erfc(mpmath.mpf(u) / mpmath.sqrt(2))


def largest_fit_error(fit: MillsFit, lowest: float) -> float:
    p = [mpmath.mpf(float(c)) for c in fit.pairs[:, 0, 0]] + [mpmath.mpf(1)]
    q = [mpmath.mpf(float(c)) for c in fit.pairs[:, 1, 0]] + [mpmath.mpf(fit.tail), mpmath.mpf(1)]
    errors = []
    with mpmath.workdps(50):
        for u in np.concatenate([np.linspace(lowest, 12.0, 150), np.geomspace(12.0, 2000.0, 50)]):
            powers = [mpmath.mpf(float(u)) ** i for i in range(len(q))]
            value = mpmath.fdot(p, powers[:-1]) / mpmath.fdot(q, powers)
            errors.append(float(abs(value / mills_ratio(float(u)) - 1)))
    return max(errors)


def test_mills_fits_have_the_errors_they_state() -> None:
    assert largest_fit_error(FULL_FIT, -1.0) <= FULL_FIT.largest_error
    assert largest_fit_error(FULL_FIT, 0.0) <= 2e-16
    assert largest_fit_error(SHORT_FIT, -1.0) <= SHORT_FIT.largest_error


@pytest.mark.parametrize("width", [1e-9, 1e-3, 0.1, 1.5, 9.0])
@pytest.mark.parametrize("near", [-1.0, -0.2, 0.0, 0.7, 3.0, 15.0])
def test_mills_difference_does_not_cancel(near: float, width: float) -> None:
    far = near + width
    with mpmath.workdps(60):
        exact = float(mills_ratio(near) - mills_ratio(far))
    got = mills_difference(np.array([near]), np.array([far]), np.array([far - near]))[0]
    assert got == pytest.approx(exact, rel=1e-14 * (1.0 + near**2))
