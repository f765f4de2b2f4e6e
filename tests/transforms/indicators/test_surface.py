"""Constant-maturity vols, skew by delta, and their history."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from transforms.indicators.surface import delta_strike, realized_vols, surface_daily, surface_nodes, surface_summary
from transforms.pricing.svi import SviSlices

DAYS = (10.0, 25.0, 40.0, 70.0, 120.0, 300.0)


def slice_frame(session, *, vol=0.2, skew=-0.5, days=DAYS):
    """feature.slice rows of SSVI slices whose at-the-money variance is vol^2*tau."""
    tau = np.array(days) / 365.0
    theta = vol**2 * tau
    phi = 0.9 / np.sqrt(theta * (1.0 + theta))
    return pl.DataFrame(
        {
            "session_date": [session] * len(days),
            "root": ["SPX", "SPXW"] * (len(days) // 2),
            "expiration": [session + timedelta(days=int(d)) for d in days],
            "time_to_expiry": tau,
            "forward": 5000.0 * np.exp(0.03 * tau),
            "svi_a": 0.5 * theta * (1.0 - skew**2),
            "svi_b": 0.5 * theta * phi,
            "svi_rho": np.full(len(days), skew),
            "svi_m": -skew / phi,
            "svi_sigma": np.sqrt(1.0 - skew**2) / phi,
        }
    )


def prices(n, *, first=date(2015, 1, 1), seed=0):
    rng = np.random.default_rng(seed)
    close = 2000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n)))
    opened = close * np.exp(rng.normal(0.0, 0.004, n))
    return pl.DataFrame(
        {
            "session_date": [first + timedelta(days=i) for i in range(n)],
            "symbol": ["SPX"] * n,
            "open": opened,
            "high": np.maximum(opened, close) * np.exp(np.abs(rng.normal(0.0, 0.003, n))),
            "low": np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0.0, 0.003, n))),
            "close": close,
        }
    )


def daily_summary(vols, *, first=date(2015, 1, 1)):
    """The summary of one tenor, one session a day, null where a vol is None."""
    return pl.DataFrame(
        {
            "session_date": [first + timedelta(days=i) for i in range(len(vols))],
            "tenor_days": [30] * len(vols),
            "forward": [5000.0] * len(vols),
            "atm_vol": vols,
        },
        schema_overrides={"tenor_days": pl.Int64, "atm_vol": pl.Float64},
    ).lazy()


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.001, 0.3), st.floats(-0.9, 0.9))
def test_the_delta_at_the_delta_strike_is_the_one_asked_for(delta, theta, rho):
    phi = 0.9 / np.sqrt(theta * (1.0 + theta))
    values = (0.5 * theta * (1 - rho**2), 0.5 * theta * phi, rho, -rho / phi, np.sqrt(1 - rho**2) / phi)
    smile = SviSlices(*(np.array([value]) for value in values))
    k = delta_strike(smile, delta)
    root = np.sqrt(smile.total_variance(k[:, None])[:, 0])
    assert norm.cdf(-k / root + 0.5 * root)[0] == pytest.approx(delta, abs=1e-12)


def test_variance_linear_in_time_gives_the_same_vol_at_every_tenor():
    summary = surface_summary(slice_frame(date(2024, 3, 4)).lazy()).collect()
    assert summary["tenor_days"].to_list() == [30, 60, 90, 180]
    np.testing.assert_allclose(summary["atm_vol"], 0.2, rtol=1e-12)
    assert (summary["risk_reversal_25d"] > 0.02).all()
    assert (summary["butterfly_25d"] > 0.0).all()


def test_total_variance_is_interpolated_between_the_slices_around_a_tenor():
    frame = slice_frame(date(2024, 3, 4), days=(20.0, 50.0))
    doubled = frame.with_columns(
        pl.when(pl.col("time_to_expiry") > 0.1).then(2.0 * pl.col(c)).otherwise(c).alias(c) for c in ("svi_a", "svi_b")
    )
    found = surface_summary(doubled.lazy(), tenors=(30,)).collect()
    near, far = 0.04 * 20.0, 2.0 * 0.04 * 50.0
    expected = np.sqrt((near + (far - near) / 3.0) / 30.0)
    assert found["atm_vol"][0] == pytest.approx(expected, rel=1e-12)


def test_a_tenor_beyond_the_slices_is_null_and_one_on_a_slice_is_that_slice():
    found = surface_summary(slice_frame(date(2024, 3, 4), days=(30.0, 80.0)).lazy(), tenors=(20, 30, 80, 90)).collect()
    assert found["atm_vol"].is_null().to_list() == [True, False, False, True]
    assert found["atm_vol"][1] == pytest.approx(0.2)


def test_sessions_do_not_mix_and_other_roots_do_not_enter():
    quiet, loud = slice_frame(date(2024, 3, 4), vol=0.1), slice_frame(date(2024, 3, 5), vol=0.4)
    vix = quiet.with_columns(pl.lit("VIX").alias("root"), (4.0 * pl.col("svi_a")).alias("svi_a"))
    both = pl.concat([loud, vix, quiet]).sample(fraction=1.0, shuffle=True, seed=1)
    found = surface_summary(both.lazy()).collect()
    np.testing.assert_allclose(found["atm_vol"], [0.1] * 4 + [0.4] * 4, rtol=1e-12)


def test_refused_slices_are_left_out():
    frame = slice_frame(date(2024, 3, 4)).with_columns(
        pl.when(pl.int_range(pl.len()) != 2).then(pl.col(c)).alias(c) for c in ("svi_a", "svi_b", "svi_rho")
    )
    assert surface_nodes(frame.lazy()).collect().height == len(DAYS) - 1
    np.testing.assert_allclose(surface_summary(frame.lazy()).collect()["atm_vol"], 0.2, rtol=1e-12)


def test_rank_and_percentile_are_of_the_252_values_before():
    vols = [0.10 + 0.001 * i for i in range(252)] + [0.2255]
    found = surface_daily(daily_summary(vols), prices(253).lazy()).collect()
    assert found["rank_252d"][:252].null_count() == 252
    assert found["rank_252d"][252] == pytest.approx((0.2255 - 0.10) / (0.351 - 0.10))
    assert found["percentile_252d"][252] == 126 / 252


def test_a_session_without_a_vol_is_passed_over():
    vols = [0.10 + 0.001 * i for i in range(252)] + [None, 0.05]
    found = surface_daily(daily_summary(vols), prices(254).lazy()).collect()
    assert found["percentile_252d"][252] is None
    assert found["percentile_252d"][253] == 0.0
    assert found["rank_252d"][253] == 0.0


def test_rank_of_one_tenor_does_not_see_another():
    low = daily_summary([0.1 + 0.0001 * i for i in range(253)])
    high = daily_summary([0.9 + 0.0001 * i for i in range(253)]).with_columns(
        pl.lit(60, dtype=pl.Int64).alias("tenor_days")
    )
    found = surface_daily(pl.concat([high, low]), prices(253).lazy()).collect()
    assert found.filter(pl.col("percentile_252d").is_not_null())["percentile_252d"].to_list() == [1.0, 1.0]


def test_premium_and_expected_moves():
    found = surface_daily(daily_summary([0.2] * 30), prices(30).lazy()).collect()
    last = found.row(-1, named=True)
    close = prices(30)["close"]
    realized = np.std(np.diff(np.log(close.to_numpy()))[-21:], ddof=1) * np.sqrt(252.0)
    assert last["realized_vol_21d"] == pytest.approx(realized, rel=1e-12)
    assert last["variance_risk_premium"] == pytest.approx(0.04 - realized**2, rel=1e-12)
    assert last["vol_risk_premium"] == pytest.approx(0.2 - realized, rel=1e-12)
    assert last["expected_move"] == pytest.approx(5000.0 * 0.2 * np.sqrt(30.0 / 365.0), rel=1e-12)
    assert last["expected_move_1d"] == pytest.approx(close[-1] * 0.2 / np.sqrt(252.0), rel=1e-12)
    assert found["realized_vol_21d"][:21].null_count() == 21


def test_yang_zhang_is_the_papers_sum_of_three_variances():
    frame = prices(40)
    o, h, low, c = (np.log(frame[name].to_numpy()) for name in ("open", "high", "low", "close"))
    overnight, day = (o[1:] - c[:-1])[-21:], (c - o)[-21:]
    rogers_satchell = ((h - c) * (h - o) + (low - c) * (low - o))[-21:]
    k = 0.34 / (1.34 + 22 / 20)
    variance = np.var(overnight, ddof=1) + k * np.var(day, ddof=1) + (1 - k) * rogers_satchell.mean()
    found = realized_vols(frame.lazy()).collect()["realized_vol_yang_zhang_21d"]
    assert found[-1] == pytest.approx(np.sqrt(252.0 * variance), rel=1e-12)


def test_yang_zhang_needs_21_true_opens():
    frame = prices(60, first=date(2007, 12, 3))
    found = realized_vols(frame.lazy()).collect()
    first = found.filter(pl.col("realized_vol_yang_zhang_21d").is_not_null())["session_date"].min()
    assert first == date(2008, 1, 22)
    assert found["realized_vol_21d"].null_count() == 21


def test_adding_later_sessions_changes_no_earlier_row():
    vols = list(0.2 + 0.05 * np.sin(np.arange(300)))
    long = surface_daily(daily_summary(vols), prices(300).lazy()).collect()
    short = surface_daily(daily_summary(vols[:280]), prices(300)[:280].lazy()).collect()
    assert long[:280].equals(short)
