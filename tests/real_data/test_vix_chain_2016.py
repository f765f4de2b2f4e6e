"""The VIX chain of 2016-06-01 (DataShop's public sample) against the VX futures of that day, as a night prices it.

A VIX option is an option on the future that settles with it: what its chain says of forwards, vols and Greeks can be
checked against the futures' settlements, which were of 16:15 New York then, the instant of the chain's close.
"""

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.cross_section import cross_section
from flows.sources import open_delivery, recognize
from transforms.pricing.black76 import black_price
from transforms.pricing.variance import MINUTES_365_DAYS, vix_level
from transforms.schemas import INDEX_LEVEL, OPTION_ANALYTICS, OPTION_QUOTE, SLICE, TREASURY_RATE, VARIANCE_DAILY
from transforms.table_schema import Table

pytestmark = pytest.mark.real_data

SESSION = date(2016, 6, 1)
# Settlements of 2016-06-01, typed from the files VX_<expiration>.csv of ../shared/data.
VX = {
    date(2016, 6, 15): 15.275,
    date(2016, 7, 20): 17.525,
    date(2016, 8, 17): 18.275,
    date(2016, 9, 21): 19.075,
    date(2016, 10, 19): 19.625,
    date(2016, 11, 16): 19.775,
}
WEEKLIES = [date(2016, 6, 8), date(2016, 6, 22), date(2016, 6, 29)]
# A tick of VX; a settlement is the average of bid and offer at the close.
VX_TICK = 0.05


def read(path: Path, table: Table) -> pl.DataFrame:
    delivery = open_delivery(path.name, path.read_bytes())
    frame: pl.DataFrame = recognize(delivery).read(delivery, calendar=trading_calendar()).frames[table.full_name]
    return frame


@cache
def night(folder: Path, kind: str) -> tuple[pl.DataFrame, dict[Table, pl.DataFrame]]:
    """The quotes of one snapshot and the rows of a night that knows the fed funds rate and the 2-year yield."""
    quotes = read(folder / "vix_options" / "datashop" / f"UnderlyingOptionsEODQuotes_{SESSION}.zip", OPTION_QUOTE)
    quotes = quotes.filter(pl.col("snapshot_kind") == kind)
    rates = pl.concat([read(folder / "rates" / name, TREASURY_RATE) for name in ("DFF.csv", "DGS2.csv")])
    levels = INDEX_LEVEL.empty()
    return quotes, cross_section(quotes, rates=rates, levels=levels, session=SESSION, calendar=trading_calendar())


def slices(folder: Path, kind: str = "close") -> pl.DataFrame:
    """The slices that had not expired that morning."""
    return night(folder, kind)[1][SLICE].filter(pl.col("expiration") > SESSION).sort("expiration")


def monthlies(folder: Path, kind: str = "close") -> pl.DataFrame:
    """The slices with a future, and `settle`."""
    futures = pl.DataFrame({"expiration": list(VX), "settle": list(VX.values())})
    return slices(folder, kind).join(futures, on="expiration", validate="1:1").sort("expiration")


def options(folder: Path) -> pl.DataFrame:
    """The priced options that have a vol, with their slice's time, forward and discount factor."""
    of_slice = slices(folder).select("root", "expiration", "time_to_expiry", "forward", "discount_factor", "status")
    priced = night(folder, "close")[1][OPTION_ANALYTICS].filter(pl.col("iv_status") == "ok")
    return priced.join(of_slice, on=["root", "expiration"], validate="m:1")


def test_the_settlements_are_those_of_the_futures_files(shared_data: Path) -> None:
    for expiration, settle in VX.items():
        (path,) = sorted((shared_data / "vx_futures" / "current").rglob(f"VX_{expiration}.csv"))
        lines = [line.split(",") for line in path.read_text().splitlines() if line.startswith(str(SESSION))]
        assert [float(line[6]) for line in lines] == [settle]


def test_the_slices_are_the_expirations_listed_and_one_that_settled_in_the_morning(shared_data: Path) -> None:
    found = night(shared_data, "close")[1][SLICE]
    assert found.select("expiration", "status").rows()[0] == (SESSION, "expired")
    assert slices(shared_data)["expiration"].to_list() == sorted([*VX, *WEEKLIES])
    assert slices(shared_data)["rate_source"].unique().to_list() == ["treasury"]


def test_forwards_at_the_close_are_the_futures_within_a_tick(shared_data: Path) -> None:
    found = monthlies(shared_data)
    assert found.height == len(VX)
    gap = (found["forward"] - found["settle"]).abs().to_numpy()
    assert gap.max() < VX_TICK
    assert np.median(gap) < 0.01
    # What METHOD calls vix_parity: no settlement lies outside the forward's executable interval.
    assert (found["settle"].is_between(found["forward_low"], found["forward_high"])).all()


def test_weekly_forwards_lie_on_the_curve_of_the_futures(shared_data: Path) -> None:
    found = slices(shared_data).select("expiration", "forward")
    assert found["forward"].is_sorted()
    # The spot was 14.20: the curve of that day was in contango from spot to November.
    assert found["forward"][0] > 14.20


def test_half_an_hour_before_the_close_the_whole_curve_stood_lower(shared_data: Path) -> None:
    early, close = monthlies(shared_data, "eod_1545"), monthlies(shared_data)
    moved = (close["forward"] - early["forward"]).to_numpy()
    assert ((moved > 0.03) & (moved < 0.09)).all()
    years = (early["time_to_expiry"] - close["time_to_expiry"]).to_numpy()
    np.testing.assert_allclose(years, 30.0 / 525_600.0, rtol=1e-9)


def test_every_smile_is_fitted_without_arbitrage(shared_data: Path) -> None:
    for kind in ("close", "eod_1545"):
        found = slices(shared_data, kind)
        assert found["status"].unique().to_list() == ["fitted"]
        assert (found["min_g"] >= 0.0).all()
        assert (found["rmse_vol_points"] < 3.0).all()


def test_beyond_july_vols_fall_with_time_and_every_wing_rises_with_the_strike(shared_data: Path) -> None:
    smiles = monthlies(shared_data)
    root = (smiles["svi_m"] ** 2 + smiles["svi_sigma"] ** 2).sqrt()
    variance = smiles["svi_a"] + smiles["svi_b"] * (root - smiles["svi_rho"] * smiles["svi_m"])
    at_the_money = (variance / smiles["time_to_expiry"]).sqrt()
    # June's settled a week before the vote of June 23, which the later ones span.
    assert at_the_money[1:].is_sorted(descending=True)
    assert at_the_money[0] < at_the_money[1]
    for _, own in options(shared_data).filter(pl.col("expiration").is_in(list(VX)[1:])).group_by("expiration"):
        calls = own.filter((pl.col("option_type") == "call") & (pl.col("log_moneyness") > 0.0)).sort("strike")
        near, far = (calls.filter(pl.col("log_moneyness").is_between(*band)) for band in ((0.0, 0.2), (0.5, 0.8)))
        assert near["implied_vol_mid"].to_numpy().max() < far["implied_vol_mid"].to_numpy().min()


def test_the_model_free_variances_of_the_monthlies_are_the_published_vvix(shared_data: Path) -> None:
    # VVIX is the VIX's method on VIX options; the 30 days of that day lie between the June and the July expiration.
    near, following = monthlies(shared_data).head(2).rows(named=True)
    variances = near["model_free_variance"], following["model_free_variance"]
    minutes = near["time_to_expiry"] * MINUTES_365_DAYS, following["time_to_expiry"] * MINUTES_365_DAYS
    published = read(shared_data / "index_history" / "VVIX_History.csv", INDEX_LEVEL).filter(
        (pl.col("session_date") == SESSION) & (pl.col("symbol") == "VVIX")
    )
    assert published["close"].to_list() == [78.93]
    assert vix_level(variances, minutes) == pytest.approx(78.93, abs=0.01)


def test_prices_come_back_from_the_vols(shared_data: Path) -> None:
    own = options(shared_data)
    assert own.height == 499
    contract = {
        "time_to_expiry": own["time_to_expiry"].to_numpy(),
        "discount_factor": own["discount_factor"].to_numpy(),
        "is_call": (own["option_type"] == "call").to_numpy(),
    }
    forward, strike = own["forward"].to_numpy(), own["strike"].to_numpy()
    price = black_price(forward, strike, implied_vol=own["implied_vol_mid"].to_numpy(), **contract)
    np.testing.assert_allclose(price, own["mid"].to_numpy(), rtol=1e-10, atol=1e-12)


def test_greeks_are_those_of_an_option_on_the_future(shared_data: Path) -> None:
    own = options(shared_data)
    contract = {
        "time_to_expiry": own["time_to_expiry"].to_numpy(),
        "discount_factor": own["discount_factor"].to_numpy(),
        "is_call": (own["option_type"] == "call").to_numpy(),
    }
    forward, strike, vol = (own[name].to_numpy() for name in ("forward", "strike", "implied_vol_mid"))

    def price(shift: float, bump: float = 0.0) -> np.ndarray:
        return np.asarray(black_price(forward + shift, strike, implied_vol=vol + bump, **contract))

    h = 1e-3
    delta = (price(h) - price(-h)) / (2.0 * h)
    gamma = (price(h) - 2.0 * price(0.0) + price(-h)) / h**2
    vega = (price(0.0, h) - price(0.0, -h)) / (2.0 * h) * 0.01
    np.testing.assert_allclose(own["delta"].to_numpy(), delta, atol=2e-5)
    np.testing.assert_allclose(own["gamma"].to_numpy(), gamma, atol=2e-4)
    np.testing.assert_allclose(own["vega"].to_numpy(), vega, atol=1e-6)


def test_a_quote_without_a_vol_says_why(shared_data: Path) -> None:
    found = night(shared_data, "close")[1][OPTION_ANALYTICS]
    quotes = night(shared_data, "close")[0].select("expiration", "strike", "option_type", "bid")
    told = found.join(quotes, on=["expiration", "strike", "option_type"], validate="1:1")
    # 76 rows of the expiration that settled that morning are quoted 0/0 (MANIFEST).
    counts = dict(told["iv_status"].value_counts().iter_rows())
    assert counts == {"ok": 499, "no_bid": 121, "below_intrinsic": 28, "expired": 76}
    live = told.filter(pl.col("expiration") > SESSION)
    assert (live.filter(pl.col("iv_status") == "no_bid")["bid"] == 0.0).all()
    assert (live.filter(pl.col("iv_status") != "no_bid")["bid"] > 0.0).all()
    assert live.filter(pl.col("iv_status") != "ok")["implied_vol_mid"].null_count() == 149
    deep = live.filter(pl.col("iv_status") == "below_intrinsic")
    assert (deep["log_moneyness"].abs() > 0.15).all()


def test_a_vix_chain_alone_replicates_no_vix(shared_data: Path) -> None:
    assert night(shared_data, "close")[1][VARIANCE_DAILY].is_empty()
