"""The implied vol kernel against roots found in 50-digit arithmetic, its statuses, and its invariances."""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from transforms.pricing import implied_vol as kernel
from transforms.pricing.black76 import black_price
from transforms.pricing.implied_vol import CHUNK_ROWS, IvStatus, implied_vol, quote_status

Floats = NDArray[np.float64]

SETTINGS = settings(max_examples=60, deadline=None)
ULP = 2.0**-53

# Total vols from far below any listed option to far above, at distances from at the money to the edge of
# the doubles.
TOTAL_VOLS = [1e-6, 1e-4, 3e-3, 0.03, 0.1, 0.3, 0.7, 1.2, 2.0, 4.0, 8.0]
DEVIATIONS = [0.0, 0.01, 0.5, 1.5, 3.0, 6.0, 12.0, 25.0, 36.0]


def exact_otm_value(x: mpmath.mpf, s: mpmath.mpf) -> mpmath.mpf:
    """Return the out-of-the-money value in units of min(F, K), x = |ln(F/K)| and s the total vol."""
    return mpmath.ncdf(s / 2 - x / s) - mpmath.exp(x) * mpmath.ncdf(-s / 2 - x / s)


def exact_vol(
    price: float, forward: float, strike: float, time: float, discount: float, is_call: bool
) -> tuple[mpmath.mpf, float]:
    """Return the vol whose Black-76 price is exactly this double, and price/(vol*vega)."""
    p, f, k, t, d = (mpmath.mpf(v) for v in (price, forward, strike, time, discount))
    x = abs(mpmath.log(f / k))
    unit = d * min(f, k)
    target = (p - d * max(f - k if is_call else k - f, 0)) / unit
    low, high = mpmath.mpf(10) ** -9, mpmath.mpf(40)
    for _ in range(12):
        middle = mpmath.sqrt(low * high)
        low, high = (middle, high) if exact_otm_value(x, middle) < target else (low, middle)

    def miss(s: mpmath.mpf) -> mpmath.mpf:
        value = exact_otm_value(x, s)
        return mpmath.log(value / target) if target < 0.5 else mpmath.log((1 - value) / (1 - target))

    s = mpmath.findroot(miss, (low, high), solver="anderson", tol=mpmath.mpf(10) ** -70, maxsteps=200)
    return s / mpmath.sqrt(t), float(p / (unit * s * mpmath.npdf(x / s - s / 2)))


def grid(is_call: bool) -> tuple[Floats, Floats, Floats]:
    """Return price, strike and total vol of calls or puts on a forward of 100, in and out of the money."""
    rows = [
        (s, 100.0 * float(np.exp(sign * z * s)))
        for s in TOTAL_VOLS
        for z in DEVIATIONS
        for sign in (1.0, -1.0)
        if z * s < 30.0
    ]
    total_vol, strike = np.array(rows).T
    price = black_price(
        100.0, strike, time_to_expiry=0.25, implied_vol=2.0 * total_vol, discount_factor=0.99, is_call=is_call
    )
    return price, strike, total_vol


@pytest.mark.parametrize("is_call", [True, False])
def test_vol_equals_the_root_in_many_digits_wherever_the_price_determines_it(is_call: bool) -> None:
    price, strike, _ = grid(is_call)
    vol, status = implied_vol(price, 100.0, strike, time_to_expiry=0.25, discount_factor=0.99, is_call=is_call)
    errors, ratios = [], []
    with mpmath.workdps(90):
        for i in np.flatnonzero(status == IvStatus.OK):
            exact, ratio = exact_vol(price[i], 100.0, strike[i], 0.25, 0.99, is_call)
            errors.append(float(abs(vol[i] / exact - 1)))
            ratios.append(ratio)
    error, price_over_vol_vega = np.array(errors), np.array(ratios)
    assert error.size > 100
    assert price_over_vol_vega.max() <= 1.0001e8
    assert error[price_over_vol_vega < 1e4].max() <= 1e-11
    assert np.median(error) <= 1e-14
    # Beyond what an ulp of the price costs, nothing but a few ulps of the vol.
    assert (error <= 2e-14 + 4.0 * ULP * price_over_vol_vega).all()


@pytest.mark.parametrize("is_call", [True, False])
def test_a_price_that_determines_no_vol_gets_a_status_and_no_number(is_call: bool) -> None:
    price, strike, total_vol = grid(is_call)
    vol, status = implied_vol(price, 100.0, strike, time_to_expiry=0.25, discount_factor=0.99, is_call=is_call)
    x = np.abs(np.log(strike / 100.0))
    vega = 0.99 * np.minimum(strike, 100.0) * np.exp(-0.5 * (x / total_vol - 0.5 * total_vol) ** 2) / np.sqrt(2 * np.pi)
    with np.errstate(divide="ignore"):
        ratio = price / (total_vol * vega)
    assert (status[ratio < 0.9e8] == IvStatus.OK).all()
    lost = ratio > 1.1e8
    assert lost.sum() > 20
    assert (status[lost] == IvStatus.PRICE_DETERMINES_NO_VOL).sum() > 20
    no_number = {IvStatus.PRICE_DETERMINES_NO_VOL, IvStatus.ABOVE_MAXIMUM, IvStatus.BELOW_INTRINSIC}
    assert set(status[lost].tolist()) <= no_number
    assert np.isnan(vol[lost]).all()


def test_vol_of_haugs_call_is_the_vol_it_was_priced_with() -> None:
    # Haug 1998, page 2: spot 60, strike 65, rate 8%, a quarter, vol 30%: 2.1334; vega 11.35 a unit of vol.
    vol, status = implied_vol(
        2.1334, 60.0 * np.exp(0.02), 65.0, time_to_expiry=0.25, discount_factor=np.exp(-0.02), is_call=True
    )
    assert status[0] == IvStatus.OK
    assert vol[0] == pytest.approx(0.30, abs=5e-5 / 11.0)


@pytest.mark.parametrize(
    ("price", "is_call", "status"),
    [
        (12.0, True, IvStatus.OK),
        (-0.01, True, IvStatus.BELOW_INTRINSIC),
        (-0.01, False, IvStatus.BELOW_INTRINSIC),
        (8.9, True, IvStatus.BELOW_INTRINSIC),
        (0.9 * 10.0, True, IvStatus.PRICE_DETERMINES_NO_VOL),
        (0.9 * 10.0 + 1e-12, True, IvStatus.PRICE_DETERMINES_NO_VOL),
        (0.0, False, IvStatus.PRICE_DETERMINES_NO_VOL),
        (90.0, True, IvStatus.ABOVE_MAXIMUM),
        (95.0, True, IvStatus.ABOVE_MAXIMUM),
        (81.0, False, IvStatus.ABOVE_MAXIMUM),
        (80.9, False, IvStatus.OK),
        (np.nan, True, IvStatus.MISSING),
        (np.inf, True, IvStatus.MISSING),
    ],
)
def test_status_of_a_price(price: float, is_call: bool, status: IvStatus) -> None:
    vol, got = implied_vol(price, 100.0, 90.0, time_to_expiry=0.5, discount_factor=0.9, is_call=is_call)
    assert IvStatus(int(got[0])) == status
    assert np.isfinite(vol[0]) == (status == IvStatus.OK)


@pytest.mark.parametrize(
    ("forward", "strike", "time", "discount", "status"),
    [
        (100.0, 100.0, 0.0, 0.9, IvStatus.EXPIRED),
        (100.0, 100.0, -0.1, 0.9, IvStatus.EXPIRED),
        (100.0, 100.0, np.nan, 0.9, IvStatus.MISSING),
        (np.nan, 100.0, 0.5, 0.9, IvStatus.MISSING),
        (0.0, 100.0, 0.5, 0.9, IvStatus.MISSING),
        (-100.0, -100.0, 0.5, 0.9, IvStatus.MISSING),
        (100.0, -1.0, 0.5, 0.9, IvStatus.MISSING),
        (100.0, 100.0, 0.5, 0.0, IvStatus.MISSING),
        (-100.0, 100.0, 0.5, -0.9, IvStatus.MISSING),
        (-100.0, -100.0, 0.5, -0.9, IvStatus.MISSING),
    ],
)
def test_status_of_the_other_inputs(
    forward: float, strike: float, time: float, discount: float, status: IvStatus
) -> None:
    vol, got = implied_vol(5.0, forward, strike, time_to_expiry=time, discount_factor=discount, is_call=True)
    assert IvStatus(int(got[0])) == status
    assert np.isnan(vol[0])


def test_one_bad_quote_leaves_its_neighbours_alone() -> None:
    price = np.array([5.0, np.nan, 5.0, -1.0, 5.0])
    vol, status = implied_vol(price, 100.0, 100.0, time_to_expiry=0.5, discount_factor=0.9, is_call=True)
    assert status.tolist() == [
        IvStatus.OK,
        IvStatus.MISSING,
        IvStatus.OK,
        IvStatus.BELOW_INTRINSIC,
        IvStatus.OK,
    ]
    assert vol[0] == vol[2] == vol[4]


@pytest.mark.parametrize("log_ratio", [0.0, 1e-9, 1.0, 20.0, 300.0, 600.0])
@pytest.mark.parametrize("price", [1e-280, 1e-200, 1e-30, 1e-3, 0.3, 0.6, 0.999, 1.0 - 1e-7])
def test_steps_converge_from_anywhere(log_ratio: float, price: float) -> None:
    strike = float(np.exp(log_ratio))
    inputs: dict[str, Any] = {"time_to_expiry": 1.0, "discount_factor": 1.0, "is_call": True}
    vol, status = implied_vol(price, 1.0, strike, **inputs)
    assert status[0] == IvStatus.OK
    again = black_price(1.0, strike, implied_vol=vol, **inputs)[0]
    # The price answers an ulp of s by z^2 ulps, and its logarithm has as many digits as -ln(price) leaves.
    z = log_ratio / vol[0]
    assert again == pytest.approx(price, rel=1e-14 * (1.0 + z * z) + 1e-15 * abs(np.log(price)))


def test_no_quotes_give_no_vols() -> None:
    empty = np.empty(0)
    vol, status = implied_vol(empty, empty, empty, time_to_expiry=empty, discount_factor=empty, is_call=empty)
    assert vol.shape == status.shape == (0,)


def test_quote_status_reads_bid_and_ask() -> None:
    bid = [1.0, 1.0, 0.0, np.nan, -1.0, 2.0, 1.0, np.nan]
    ask = [1.5, 1.0, 0.5, 0.5, 0.5, 1.0, np.nan, np.nan]
    labels = [IvStatus(int(status)).label for status in quote_status(bid, ask)]
    assert labels == ["ok", "ok", "no_bid", "no_bid", "no_bid", "crossed", "missing", "missing"]


forwards = st.floats(5.0, 8000.0)
deviations = st.floats(-6.0, 6.0)
times = st.floats(0.003, 3.0)
vols = st.floats(0.03, 2.0)
discounts = st.floats(0.7, 1.05)


@SETTINGS
@given(forwards, deviations, times, vols, discounts, st.booleans())
def test_price_to_vol_to_price_returns(
    forward: float, deviation: float, time: float, vol: float, discount: float, is_call: bool
) -> None:
    s = vol * np.sqrt(time)
    strike = forward * float(np.exp(deviation * s))
    inputs: dict[str, Any] = {"time_to_expiry": time, "discount_factor": discount, "is_call": is_call}
    price = black_price(forward, strike, implied_vol=vol, **inputs)
    solved, status = implied_vol(price, forward, strike, **inputs)
    assume(status[0] == IvStatus.OK)
    x = abs(np.log(forward / strike))
    vega = discount * min(forward, strike) * np.exp(-0.5 * (x / s - 0.5 * s) ** 2) / np.sqrt(2 * np.pi)
    assert solved[0] == pytest.approx(vol, rel=2e-14 + 8.0 * ULP * price[0] / (s * vega))
    again = black_price(forward, strike, implied_vol=solved, **inputs)
    assert again[0] == pytest.approx(price[0], rel=2e-13)


@SETTINGS
@given(forwards, st.floats(0.0, 4.0), times, vols, st.floats(1.001, 1.5))
def test_a_higher_price_has_a_higher_vol(
    forward: float, deviation: float, time: float, vol: float, factor: float
) -> None:
    strike = forward * float(np.exp(deviation * vol * np.sqrt(time)))
    inputs: dict[str, Any] = {"time_to_expiry": time, "discount_factor": 1.0, "is_call": True}
    price = black_price(forward, strike, implied_vol=vol, **inputs)[0]
    assume(price * factor < forward)
    low, high = implied_vol([price, price * factor], forward, strike, **inputs)[0]
    assert high > low


@SETTINGS
@given(forwards, deviations, times, vols, discounts)
def test_call_and_put_of_one_strike_have_one_vol(
    forward: float, deviation: float, time: float, vol: float, discount: float
) -> None:
    strike = forward * float(np.exp(0.3 * deviation * vol * np.sqrt(time)))
    inputs: dict[str, Any] = {"time_to_expiry": time, "discount_factor": discount, "is_call": [True, False]}
    price = black_price(forward, strike, implied_vol=vol, **inputs)
    call, put = implied_vol(price, forward, strike, **inputs)[0]
    assert call == pytest.approx(put, rel=1e-10)


@SETTINGS
@given(forwards, deviations, times, vols, st.booleans())
def test_vol_is_the_same_for_forward_strike_and_price_scaled_together(
    forward: float, deviation: float, time: float, vol: float, is_call: bool
) -> None:
    strike = forward * float(np.exp(deviation * vol * np.sqrt(time)))
    inputs: dict[str, Any] = {"time_to_expiry": time, "discount_factor": 0.95, "is_call": is_call}
    price = black_price(forward, strike, implied_vol=vol, **inputs)
    once = implied_vol(price, forward, strike, **inputs)
    # A power of two scales without rounding, so every bit must agree.
    scaled = implied_vol(16.0 * price, 16.0 * forward, 16.0 * strike, **inputs)
    np.testing.assert_array_equal(once[0], scaled[0])
    np.testing.assert_array_equal(once[1], scaled[1])


def chain(n: int) -> tuple[Floats, Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    """Return n quotes of all kinds: listed ones, huge total vols, far wings, prices without a vol."""
    rng = np.random.default_rng(11)
    forward = rng.uniform(50.0, 5000.0, n)
    time = rng.uniform(0.002, 3.0, n)
    vol = np.where(rng.random(n) < 0.9, rng.uniform(0.05, 1.0, n), rng.uniform(1.0, 6.0, n))
    strike = forward * np.exp(rng.normal(0.0, 3.0, n) * vol * np.sqrt(time))
    discount = np.exp(-0.04 * time)
    is_call = rng.random(n) < 0.5
    price = black_price(
        forward, strike, time_to_expiry=time, implied_vol=vol, discount_factor=discount, is_call=is_call
    )
    price[rng.random(n) < 0.02] = -1.0
    price[rng.random(n) < 0.02] = np.nan
    return price, forward, strike, time, discount, is_call


def solve(columns: tuple[NDArray[np.generic], ...], n_threads: int | None) -> tuple[Floats, NDArray[np.int8]]:
    price, forward, strike, time, discount, is_call = columns
    return implied_vol(
        price,
        forward,
        strike,
        time_to_expiry=time,
        discount_factor=discount,
        is_call=is_call,
        n_threads=n_threads,
    )


def test_any_number_of_threads_gives_the_same_bits() -> None:
    columns = chain(4 * CHUNK_ROWS + 17)
    one = solve(columns, 1)
    for n_threads in (2, 3, None):
        other = solve(columns, n_threads)
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_permuting_rows_changes_no_bit() -> None:
    columns = chain(CHUNK_ROWS + 1003)
    order = np.random.default_rng(12).permutation(columns[0].size)
    straight, shuffled = solve(columns, 1), solve(tuple(column[order] for column in columns), 1)
    np.testing.assert_array_equal(straight[0][order], shuffled[0])
    np.testing.assert_array_equal(straight[1][order], shuffled[1])


def test_the_size_of_a_chunk_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = chain(5000)
    whole = solve(columns, 1)
    monkeypatch.setattr(kernel, "CHUNK_ROWS", 37)
    in_pieces = solve(columns, 1)
    np.testing.assert_array_equal(whole[0], in_pieces[0])
    np.testing.assert_array_equal(whole[1], in_pieces[1])


def test_inputs_are_left_as_they_were() -> None:
    columns = chain(500)
    copies = tuple(column.copy() for column in columns)
    solve(columns, 1)
    for column, copy in zip(columns, copies, strict=True):
        np.testing.assert_array_equal(column, copy)
