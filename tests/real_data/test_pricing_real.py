"""Pricing on real Cboe chains: the VIX replicated, forwards inside their intervals, smiles fitted, vendor figures met.

Where a download's stamp lies outside regular hours its quotes are the frozen close; the quotes of every chain here are
taken as of the 16:15 close, the instant that reproduces the published VIX (16:00 gives levels 0.002 to 0.006 lower).
"""

import gzip
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest
from scipy.optimize import linprog

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.indicators.surface import surface_summary
from transforms.mispricing.parity import parity_region, synthetic_bounds
from transforms.pricing.analytics import SessionPricing, session_pricing
from transforms.pricing.forward import RateCurve
from transforms.pricing.slice_grid import slice_grid
from transforms.pricing.variance import cboe_strip, vix_level
from transforms.pricing.vix_replication import replicated_vix, variance_daily
from transforms.sessions import option_close

pytestmark = pytest.mark.real_data

# Session, file under spx_options, level of an independent replication (the reference), published close.
CHAINS = [
    (date(2022, 2, 4), "cboe_quotedata_csv/spx_quotedata_20220205T2009EST.csv.gz", 23.22),
    (date(2022, 6, 10), "cboe_quotedata_csv/spx_quotedata_20220611T2047EDT.csv.gz", 27.72),
    (date(2023, 4, 14), "cboe_quotedata_csv/spx_quotedata_20230414T1912EDT.csv.gz", 17.08),
    (date(2023, 4, 17), "cboe_quotedata_csv/spx_quotedata_20230417T2253EDT.csv.gz", 16.94),
    (date(2023, 5, 5), "cboe_quotedata_csv/spx_quotedata_20230506T2040EDT.csv.gz", 17.19),
    (date(2023, 5, 19), "cboe_quotedata_csv/spx_quotedata_20230520T1133EDT.csv.gz", 16.81),
    (date(2023, 5, 23), "cboe_quotedata_csv/spx_quotedata_20230523T1939EDT.csv.gz", 18.52),
    (date(2023, 9, 14), "cboe_quotedata_csv/spx_quotedata_20230914T1631EDT.csv.gz", 12.82),
    (date(2024, 1, 5), "cboe_quotedata_csv/spx_quotedata_20240107T1052EST.csv.gz", 13.35),
]
NAMES = dict((session, name) for session, name, _ in CHAINS)
PARITY_SESSIONS = [date(2023, 4, 14), date(2023, 5, 23), date(2023, 9, 14), date(2024, 1, 5)]


@cache
def chain(folder: Path, session: date) -> pl.DataFrame:
    """core.option_quote rows of one session, as of its close."""
    path = folder / "spx_options" / NAMES[session]
    delivery = open_delivery(path.name, path.read_bytes())
    calendar = trading_calendar()
    quotes = recognize(delivery).read(delivery, calendar=calendar).frames["core.option_quote"]
    assert quotes["session_date"].unique().to_list() == [session]
    close = option_close(session, calendar=calendar)
    return quotes.with_columns(pl.lit(close).cast(pl.Datetime("us")).alias("quote_ts"))


@cache
def priced(folder: Path, session: date) -> SessionPricing:
    return session_pricing(chain(folder, session), calendar=trading_calendar())


def vix_closes(folder: Path) -> pl.DataFrame:
    text = gzip.decompress((folder / "index_history" / "VIX_History.csv.gz").read_bytes())
    return pl.read_csv(text).select(
        pl.col("DATE").str.to_date("%m/%d/%Y").alias("session_date"),
        pl.lit("VIX").alias("symbol"),
        pl.col("CLOSE").alias("close"),
    )


@pytest.mark.parametrize(
    ("minutes", "rates", "variances", "level"),
    [
        # Cboe VIX white paper, 2014 and 2019 editions.
        ((35_924.0, 46_394.0), (0.000305, 0.000286), (0.018462924, 0.018821008), 13.6858),
        # Cboe Volatility Index Mathematics Methodology, 2021 on, same quotes; published as 13.93.
        ((34_484.0, 44_954.0), (0.00031664, 0.00028797), (0.019233906, 0.019423884), 13.9278),
    ],
)
def test_the_white_papers_worked_example(shared_data, minutes, rates, variances, level):
    book = openpyxl.load_workbook(shared_data / "vix_white_paper" / "VIX_sample_data_2019paper.xlsx", data_only=True)
    strips = []
    for name, minute, rate in zip(("Near-Term Options", "Next-Term Options"), minutes, rates, strict=True):
        rows = [row[:5] for row in book[name].iter_rows(values_only=True) if isinstance(row[0], int | float)]
        strike, call_bid, call_ask, put_bid, put_ask = np.array(sorted(rows), dtype=float).T
        strips.append(
            cboe_strip(
                strike,
                call_bid,
                call_ask=call_ask,
                put_bid=put_bid,
                put_ask=put_ask,
                time_to_expiry=minute / 525_600.0,
                rate=rate,
            )
        )
    assert [strip.variance for strip in strips] == pytest.approx(variances, abs=1e-9)
    assert [strip.forward for strip in strips] == pytest.approx([1962.89996, 1962.40006], abs=1e-5)
    assert [strip.at_the_money_strike for strip in strips] == [1960.0, 1960.0]
    assert [strip.strikes.size for strip in strips] == [146, 122]
    assert vix_level((strips[0].variance, strips[1].variance), minutes) == pytest.approx(level, abs=5e-5)


def test_the_vix_is_replicated_within_a_twentieth_of_a_point(shared_data):
    replications = [
        replicated_vix(
            chain(shared_data, session),
            calendar=trading_calendar(),
            rates=priced(shared_data, session).implied_curve,
        )
        for session, _, _ in CHAINS
    ]
    daily = variance_daily(replications, vix_closes(shared_data))
    assert daily["vix_gap"].null_count() == 0
    assert daily["vix_gap"].abs().max() < 0.05
    assert (daily["vix_gap"].abs() < 0.012).sum() >= 7
    reference = np.array([level for _, _, level in CHAINS])
    assert np.abs(daily["vix_replicated"].to_numpy() - reference).max() < 0.0085


def test_before_weeklys_the_vix_is_replicated_from_monthly_terms(shared_data):
    path = shared_data / "spx_options" / "ivolatility" / "spx_sample_ivolatility.csv.gz"
    delivery = open_delivery(path.name, path.read_bytes())
    quotes = recognize(delivery).read(delivery, calendar=trading_calendar()).frames["core.option_quote"]
    # Bills paid 0.1 % in January 2011.
    rates = RateCurve("treasury", np.array([0.0, 1.0]), np.array([0.001, 0.001]))
    replications = [
        replicated_vix(of_session, calendar=trading_calendar(), rates=rates)
        for of_session in quotes.sort("session_date").partition_by("session_date")
    ]
    daily = variance_daily(replications, vix_closes(shared_data))
    assert daily["session_date"].to_list() == [date(2011, 1, day) for day in range(3, 8)]
    assert daily["vix_gap"].abs().max() < 0.03


def test_a_chain_of_zeros_prices_nothing_and_breaks_nothing(shared_data):
    path = shared_data / "spx_options" / "cboe_quotedata_csv" / "spx_quotedata_20230405T1941EDT.csv.gz"
    delivery = open_delivery(path.name, path.read_bytes())
    quotes = recognize(delivery).read(delivery, calendar=trading_calendar()).frames["core.option_quote"]
    found = session_pricing(quotes, calendar=trading_calendar())
    assert found.options.height == quotes.height
    assert found.options["implied_vol_mid"].count() < 500
    assert (found.slices["status"] == "fitted").sum() < 10


def test_nearly_every_slice_has_an_arbitrage_free_smile(shared_data):
    slices = pl.concat([priced(shared_data, session).slices for session, _, _ in CHAINS])
    live = slices.filter(~pl.col("status").is_in(["expired"]) & (pl.col("n_quotes") >= 6))
    fitted = live.filter(pl.col("svi_a").is_not_null())
    assert fitted.height >= 0.99 * live.height
    assert live.filter(pl.col("status") == "fitted").height >= 0.98 * live.height
    assert live["status"].is_in(["butterfly"]).sum() == 0
    assert fitted["calendar_gap"].min() > -0.005
    assert fitted["rmse_vol_points"].median() < 0.6
    for name in ("forward", "zero_rate"):
        assert live[name].null_count() == 0


def test_every_forward_lies_in_its_no_arbitrage_interval(shared_data):
    slices = pl.concat([priced(shared_data, session).slices for session, _, _ in CHAINS])
    live = slices.filter(pl.col("forward").is_not_null() & (pl.col("parity_slack") >= 0.0))
    outside = live.filter((pl.col("forward") < pl.col("forward_low")) | (pl.col("forward") > pl.col("forward_high")))
    assert live.height > 450
    assert outside.height <= 0.01 * live.height


@pytest.mark.parametrize("session", PARITY_SESSIONS)
def test_parity_regions_are_those_of_a_linear_program_and_a_lock_is_found(shared_data, session):
    grid = slice_grid(chain(shared_data, session))
    lower, upper = synthetic_bounds(grid.call_bid, grid.call_ask, put_bid=grid.put_bid, put_ask=grid.put_ask)
    n_unquoted = 0
    for row in range(grid.n_slices):
        listed = np.isfinite(grid.strike[row])
        strike, low, high = grid.strike[row, listed], lower[row, listed], upper[row, listed]
        region = parity_region(strike, low, upper=high)
        assert not region.is_empty
        assert_extremes_by_program(region, strike, low, high)
        # Raised to 0.05 past the cheapest line through the others, one strike's synthetic cannot be one of theirs.
        middle = int(np.argmin(high - low))
        others = np.arange(strike.size) != middle
        without = parity_region(strike[others], low[others], upper=high[others])
        if not np.isfinite(high).any():
            # Nothing is offered in the slice: no synthetic can be bought, none has a bound to pass.
            n_unquoted += 1
            continue
        highest = (without.vertices[:, 1] - without.vertices[:, 0] * strike[middle]).max()
        locked = low.copy()
        locked[middle] = highest + 0.05
        found = parity_region(strike, locked, upper=np.maximum(high, locked))
        assert found.is_empty
        assert strike[middle] in {leg.strike for leg in found.proof}
    assert n_unquoted == (session == date(2023, 5, 23))


def assert_extremes_by_program(region, strike, low, high):
    """Compare the region's extremes with HiGHS'."""
    sell, buy = np.isfinite(low), np.isfinite(high)
    ones = np.ones_like(strike)
    rows = np.vstack([np.column_stack([-ones[sell], strike[sell]]), np.column_stack([ones[buy], -strike[buy]])])
    right = np.concatenate([-low[sell], high[buy]])
    homogeneous = np.column_stack([rows[:, 0], -right])
    # Charnes and Cooper: with t = 1/b the ratio a/b is linear in (a*t, t).
    for ours, sign, program in (
        (region.discount_low, 1.0, (rows, right, [0.0, 1.0])),
        (region.discount_high, -1.0, (rows, right, [0.0, 1.0])),
        (region.forward_low, 1.0, (homogeneous, -rows[:, 1], [1.0, 0.0])),
        (region.forward_high, -1.0, (homogeneous, -rows[:, 1], [1.0, 0.0])),
    ):
        matrix, bound, cost = program
        solved = linprog(sign * np.array(cost), A_ub=matrix, b_ub=bound, bounds=[(0.0, None)] * 2)
        if ours is None:
            # No bound: the program has none either, or a discount factor of 0.
            assert solved.status == 3 or (solved.status == 0 and solved.fun == 0.0)
        else:
            assert solved.status == 0
            assert ours == pytest.approx(sign * solved.fun, rel=1e-9)


@pytest.mark.parametrize("session", [session for session, _, _ in CHAINS if session.year >= 2023])
def test_vendor_vols_and_deltas_are_met(shared_data, session):
    # Not 2022-02-04: its calls are 2.3 points above and its puts 1.6 below ours, as the index print of 16:00, 11 points
    # above what the options said at 16:15, makes them.
    key = ["root", "expiration", "strike", "option_type"]
    options = priced(shared_data, session).options.join(
        chain(shared_data, session).select(*key, "vendor_implied_vol", "vendor_delta"), on=key, validate="1:1"
    )
    tau = priced(shared_data, session).slices.select("root", "expiration", "time_to_expiry")
    compared = options.join(tau, on=["root", "expiration"]).filter(
        pl.col("time_to_expiry").is_between(7 / 365, 1.0)
        & pl.col("delta").abs().is_between(0.1, 0.9)
        & (pl.col("vendor_implied_vol") > 0.0)
        & (pl.col("iv_status") == "ok")
    )
    assert compared.height > 6_500
    assert (compared["implied_vol_mid"] - compared["vendor_implied_vol"]).abs().median() < 0.0006
    assert (compared["delta"] - compared["vendor_delta"]).abs().median() < 0.02


def test_fitted_vols_lie_close_to_the_quotes_where_condors_are_built(shared_data):
    shares, errors = [], []
    for session, _, _ in CHAINS:
        options = priced(shared_data, session).options
        central = options.filter(
            (pl.col("iv_status") == "ok")
            & pl.col("delta").abs().is_between(0.05, 0.55)
            & ((pl.col("log_moneyness") >= 0.0) == (pl.col("option_type") == "call"))
        )
        errors.append((central["fitted_vol"] - central["implied_vol_mid"]).abs().median())
        shares.append(
            central.select(pl.col("fitted_vol").is_between("implied_vol_bid", "implied_vol_ask").mean()).item()
        )
    assert max(errors) < 0.002
    assert np.mean(errors) < 0.001
    assert np.mean(shares) > 0.55


def test_thirty_day_vol_lies_below_the_vix_and_puts_above_calls(shared_data):
    slices = pl.concat([priced(shared_data, session).slices for session, _, _ in CHAINS])
    summary = surface_summary(slices.lazy()).collect().filter(pl.col("tenor_days") == 30)
    published = vix_closes(shared_data).select("session_date", (pl.col("close") / 100.0).alias("vix"))
    both = summary.join(published, on="session_date", validate="1:1")
    assert both.height == len(CHAINS)
    assert (both["vix"] - both["atm_vol"]).is_between(0.005, 0.06).all()
    assert (both["risk_reversal_25d"] > 0.015).all()
    assert (both["butterfly_25d"] > 0.0).all()


def test_forwards_of_the_vix_chain_are_the_futures_of_the_day(shared_data):
    path = shared_data / "vix_options" / "datashop" / "UnderlyingOptionsEODQuotes_2016-06-01.zip"
    delivery = open_delivery(path.name, path.read_bytes())
    quotes = recognize(delivery).read(delivery, calendar=trading_calendar()).frames["core.option_quote"]
    quotes = quotes.filter(pl.col("snapshot_kind") == "close")
    treasury_2016 = priced(shared_data, date(2022, 2, 4)).implied_curve
    slices = session_pricing(quotes, calendar=trading_calendar(), fallback=treasury_2016).slices
    checked = 0
    for name in ("VX_2016-06-15", "VX_2016-07-20", "VX_2016-08-17", "VX_2016-09-21", "VX_2016-10-19"):
        [file] = sorted((shared_data / "vx_futures").rglob(f"{name}.csv"))
        settle = pl.read_csv(file).filter(pl.col("Trade Date") == "2016-06-01")["Settle"].item()
        row = slices.filter(pl.col("expiration").cast(pl.String) == name[3:]).row(0, named=True)
        assert abs(row["forward"] - settle) < 0.15
        checked += 1
    assert checked == 5
