"""A session of known truth through forwards, vols, Greeks and smiles, and out as rows."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from transforms.pricing.analytics import session_pricing, time_to_expiry
from transforms.pricing.density import log_contract_variance
from transforms.pricing.forward import RateCurve
from transforms.pricing.slice_grid import slice_grid
from transforms.pricing.vix_replication import replicated_vix, variance_daily

SLICE_COLUMNS = {
    "session_date", "root", "expiration", "time_to_expiry", "forward", "forward_low", "forward_high",
    "discount_factor", "discount_low", "discount_high", "zero_rate", "n_pairs", "svi_a", "svi_b", "svi_rho", "svi_m",
    "svi_sigma", "rmse_vol_points", "share_inside_spread", "min_g", "model_free_variance", "status",
}  # fmt: skip
OPTION_COLUMNS = {
    "session_date", "root", "expiration", "strike", "option_type", "mid", "implied_vol_bid", "implied_vol_mid",
    "implied_vol_ask", "iv_status", "log_moneyness", "delta", "delta_spot", "gamma", "vega", "theta", "vanna", "volga",
    "fitted_vol", "fitted_price",
}  # fmt: skip


@pytest.fixture(scope="module")
def priced(chain, calendar):
    return session_pricing(chain.quotes, calendar=calendar)


def test_rows_have_the_columns_of_their_tables_and_no_nan(priced, chain):
    assert set(priced.slices.columns) >= SLICE_COLUMNS
    assert set(priced.options.columns) >= OPTION_COLUMNS
    assert priced.slices.height == chain.slices.height
    assert priced.options.height == chain.quotes.height
    for frame in (priced.slices, priced.options):
        floats = frame.select(pl.col(pl.Float64))
        assert not floats.select(pl.any_horizontal(pl.all().is_nan().fill_null(False).any())).item()


def test_forwards_and_discount_factors_are_recovered_within_their_intervals(priced, chain):
    found = priced.slices.join(chain.slices, on=["root", "expiration"], suffix="_true", validate="1:1")
    np.testing.assert_allclose(found["time_to_expiry"], found["time_to_expiry_true"], rtol=1e-14)
    np.testing.assert_allclose(found["forward"], found["forward_true"], atol=0.05)
    np.testing.assert_allclose(found["zero_rate"], 0.05, atol=0.003)
    inside = found.select(
        (pl.col("forward_low") <= pl.col("forward_true")) & (pl.col("forward_true") <= pl.col("forward_high")),
        (pl.col("discount_low") <= pl.col("discount_factor_true"))
        & (pl.col("discount_factor_true") <= pl.col("discount_high")),
    )
    assert inside.select(pl.all_horizontal(pl.all().all())).item()


def test_fitted_vols_are_the_truth_within_a_tenth_of_a_point_where_vega_is(priced, chain):
    joined = priced.options.join(chain.quotes, on=["root", "expiration", "strike", "option_type"], validate="1:1")
    central = joined.filter(pl.col("delta").abs().is_between(0.05, 0.95))
    assert central.height > 300
    assert (central["fitted_vol"] - central["true_vol"]).abs().max() < 1e-3
    assert (central["implied_vol_mid"] - central["true_vol"]).abs().median() < 1e-3
    assert priced.slices["status"].to_list() == ["fitted"] * chain.slices.height


def test_call_and_put_deltas_differ_by_the_discount_factor(priced):
    strikes = priced.options.filter(pl.col("iv_status") == "ok").pivot(
        "option_type", index=["root", "expiration", "strike"], values=["delta", "implied_vol_mid"]
    )
    same_vol = strikes.filter((pl.col("implied_vol_mid_call") - pl.col("implied_vol_mid_put")).abs() < 1e-5).join(
        priced.slices, on=["root", "expiration"]
    )
    assert same_vol.height > 20
    difference = same_vol["delta_call"] - same_vol["delta_put"] - same_vol["discount_factor"]
    assert difference.abs().max() < 1e-3


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(priced, chain, calendar):
    shuffled = session_pricing(chain.quotes.sample(fraction=1.0, shuffle=True, seed=7), calendar=calendar, n_threads=2)
    assert shuffled.slices.equals(priced.slices)
    assert shuffled.options.equals(priced.options)


def test_a_quote_without_a_vol_says_why(chain, calendar):
    changed = chain.quotes.filter(pl.col("expiration") == pl.col("expiration").max()).sort("option_type", "strike")
    n = changed.height
    bid = np.array(changed["bid"])
    ask = np.array(changed["ask"])
    call, put = 10, n - 5
    bid[call] = 0.0
    bid[call + 1] = ask[call + 1] + 1.0
    bid[call + 2], ask[call + 2] = 1.0, 1.1
    changed = changed.with_columns(
        pl.Series("bid", bid), pl.when(pl.int_range(pl.len()) != put).then(pl.Series("ask", ask)).alias("ask")
    )
    options = session_pricing(changed, calendar=calendar).options.sort("option_type", "strike")
    assert options["iv_status"][[call, call + 1, call + 2, put]].to_list() == [
        "no_bid", "crossed", "below_intrinsic", "missing",
    ]  # fmt: skip
    broken = options[[call, call + 1, call + 2, put]]
    assert broken["implied_vol_mid"].null_count() == 4
    assert broken["delta"].null_count() == 4
    assert broken["fitted_vol"].null_count() == 0


def test_an_expired_slice_is_kept_and_marked(chain, calendar):
    late = chain.quotes.with_columns(pl.lit(datetime(2024, 4, 19, 13, 30)).cast(pl.Datetime("us")).alias("quote_ts"))
    priced = session_pricing(late, calendar=calendar)
    status = dict(zip(priced.slices["expiration"].cast(pl.String), priced.slices["status"], strict=True))
    assert {day for day, found in status.items() if found == "expired"} == {
        "2024-03-08", "2024-03-22", "2024-03-28", "2024-04-05", "2024-04-19",
    }  # fmt: skip
    expired = priced.options.filter(pl.col("expiration").cast(pl.String) == "2024-04-19")
    assert expired["iv_status"].unique().to_list() == ["expired"]
    assert expired["implied_vol_mid"].null_count() == expired.height


def test_slices_too_short_for_a_rate_fall_back_by_name(chain, calendar):
    short = chain.quotes.filter(pl.col("root") == "SPXW").filter(pl.col("expiration") == pl.col("expiration").min())
    treasury = RateCurve("treasury", np.array([0.1]), np.array([0.05]))
    slices = session_pricing(short, calendar=calendar, fallback=treasury).slices
    assert slices["rate_source"].to_list() == ["treasury"]
    assert slices["zero_rate"].to_list() == [pytest.approx(0.05)]
    without = session_pricing(short, calendar=calendar)
    assert without.slices["status"].to_list() == ["no_forward"]
    assert without.slices["forward"].null_count() == 1


def test_model_free_variance_is_near_that_of_the_smile(priced, chain):
    by_slice = priced.slices.sort("root", "expiration")
    smile = log_contract_variance(chain.smiles) / chain.slices["time_to_expiry"].to_numpy()
    np.testing.assert_allclose(by_slice["model_free_variance"], smile, rtol=0.02)


def test_the_replicated_vix_is_that_of_the_smiles(chain, calendar):
    rates = RateCurve("treasury", np.array([0.0, 1.0]), np.array([0.05, 0.05]))
    vix = replicated_vix(chain.quotes, calendar=calendar, rates=rates)
    # Good Friday moves the near term to the Thursday before it.
    assert [(term.root, term.expiration) for term in vix.terms] == [
        ("SPXW", date(2024, 3, 28)),
        ("SPXW", date(2024, 4, 5)),
    ]
    assert vix.minutes == ((23 * 24 + 22.75) * 60.0, (31 * 24 + 22.75) * 60.0)
    total = log_contract_variance(chain.smiles)
    tau = chain.slices["time_to_expiry"].to_numpy()
    level = 100.0 * np.sqrt(np.interp(30.0 / 365.0, tau[4:], total[4:]) * 365.0 / 30.0)
    assert vix.level == pytest.approx(level, abs=0.15)
    closes = pl.DataFrame({"session_date": [vix.session_date], "symbol": ["VIX"], "close": [14.0]})
    row = variance_daily([vix], closes).row(0, named=True)
    assert row["vix_gap"] == row["vix_replicated"] - 14.0
    assert row["rate_source"] == "treasury"
    assert variance_daily([vix], closes.clear())["vix_gap"].to_list() == [None]


def test_a_chain_without_a_term_has_no_vix(chain, calendar):
    rates = RateCurve("treasury", np.array([0.0, 1.0]), np.array([0.05, 0.05]))
    without = chain.quotes.filter(pl.col("expiration") != date(2024, 4, 5))
    assert replicated_vix(without, calendar=calendar, rates=rates) is None
    assert replicated_vix(chain.quotes.clear(), calendar=calendar, rates=rates) is None


def test_times_run_to_the_settlement_instant(chain, calendar):
    times = time_to_expiry(chain.quotes, calendar=calendar)
    assert dict(times.select(pl.concat_str(["root", "expiration"], separator=" "), "settlement_ts").iter_rows()) == {
        "SPX 2024-04-19": datetime(2024, 4, 19, 13, 30),
        "SPX 2024-06-21": datetime(2024, 6, 21, 13, 30),
        "SPX 2024-12-20": datetime(2024, 12, 20, 14, 30),
        "SPX 2025-03-21": datetime(2025, 3, 21, 13, 30),
        "SPXW 2024-03-08": datetime(2024, 3, 8, 21, 0),
        "SPXW 2024-03-22": datetime(2024, 3, 22, 20, 0),
        "SPXW 2024-03-28": datetime(2024, 3, 28, 20, 0),
        "SPXW 2024-04-05": datetime(2024, 4, 5, 20, 0),
    }


def test_the_grid_holds_every_quote_in_its_place(chain):
    grid = slice_grid(chain.quotes.sample(fraction=1.0, shuffle=True, seed=3))
    bids = np.where(grid.is_call, grid.of_quotes(grid.call_bid), grid.of_quotes(grid.put_bid))
    np.testing.assert_array_equal(bids, grid.quotes["bid"].to_numpy())
    np.testing.assert_array_equal(grid.of_quotes(grid.strike), grid.quotes["strike"].to_numpy())
    listed = np.isfinite(grid.strike)
    assert (np.diff(grid.strike, axis=1)[listed[:, 1:]] > 0.0).all()
