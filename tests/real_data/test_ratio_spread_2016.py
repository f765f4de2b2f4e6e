"""The second engine on the real VIX chain of 2016-06-01, and what VX futures have really done when the VIX moved."""

import gzip
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.calendar import trading_calendar
from flows.sources import open_delivery, recognize
from transforms.engines.ratio_spread import RatioSpreadSettings, ratio_spread_candidates
from transforms.engines.vix_curve import VIX_PERCENT_PER_SPX_FALL, VIX_PERCENT_PER_SPX_RISE, vx_beta
from transforms.indicators.term_structure import term_structure
from transforms.pricing.analytics import SessionPricing, session_pricing
from transforms.pricing.rates import fallback_curve

pytestmark = pytest.mark.real_data

SESSION = date(2016, 6, 1)
VIX_CLOSE = 14.20  # VIX_History.csv
VIX_CHAIN = "vix_options/datashop/UnderlyingOptionsEODQuotes_2016-06-01.zip"


def table(path: Path, name: str) -> pl.DataFrame:
    delivery = open_delivery(path.name, path.read_bytes())
    return recognize(delivery).read(delivery, calendar=trading_calendar()).frames[name]


@cache
def quotes(folder: Path) -> pl.DataFrame:
    return table(folder / VIX_CHAIN, "core.option_quote").filter(pl.col("snapshot_kind") == "close")


@cache
def priced(folder: Path) -> SessionPricing:
    # A VIX chain stands alone: its rate is fed funds, the only one that reaches 2016 in the shared files.
    rates = fallback_curve(table(folder / "rates/DFF.csv", "core.treasury_rate"), SESSION)
    return session_pricing(quotes(folder), calendar=trading_calendar(), fallback=rates)


@cache
def curve(folder: Path) -> pl.DataFrame:
    files = sorted((folder / "vx_futures/current").glob("VX_2016-*.csv"))
    futures = pl.concat([table(path, "core.futures_settlement") for path in files])
    months = term_structure(futures.lazy(), calendar=trading_calendar())
    return months.filter(pl.col("session_date") == SESSION).collect()


def candidates(folder: Path, settings: RatioSpreadSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    answer = ratio_spread_candidates(
        quotes(folder), priced(folder).options, slices=priced(folder).slices,
        term_structure=curve(folder), vix=VIX_CLOSE, settings=settings,
    )  # fmt: skip
    return answer.candidates, answer.funnel.sort("step")


def test_the_settlements_are_those_of_the_day(shared_data: Path) -> None:
    # VX_2016-06-15.csv and VX_2016-07-20.csv, 2016-06-01.
    assert curve(shared_data).head(2)["settle"].to_list() == [15.275, 17.525]


def test_the_funnel_adds_up_from_all_pairs_to_the_ranked_ones(shared_data: Path) -> None:
    ranked, funnel = candidates(shared_data, RatioSpreadSettings())
    calls = quotes(shared_data).filter(pl.col("option_type") == "call")
    n_strikes = [calls.filter(pl.col("expiration") == day).height for day in curve(shared_data)["expiration"][:2]]
    assert funnel["n_in"][0] == sum(2 * n * (n - 1) // 2 for n in n_strikes)
    assert funnel["n_out"].to_list()[:-1] == funnel["n_in"].to_list()[1:]
    assert funnel["n_out"][-1] == ranked.height
    # Regression: what each filter left of the real chain.
    assert dict(funnel.select("filter", "n_out").iter_rows()) == {
        "two_sided": 1498, "long_above_future": 1232, "short_delta": 536, "break_even": 23, "credit": 3, "kept": 3,
    }  # fmt: skip


@pytest.mark.parametrize("max_short_delta", [0.60, 1.0])
@pytest.mark.parametrize("rule", ["natural", "mid"])
def test_every_ranked_pair_is_verified_leg_by_leg(shared_data: Path, rule: str, max_short_delta: float) -> None:
    ranked, _ = candidates(shared_data, RatioSpreadSettings(credit_rule=rule, max_short_delta=max_short_delta))
    assert ranked.height >= 3
    quote = {
        (row["expiration"], row["strike"]): row
        for row in quotes(shared_data).filter(pl.col("option_type") == "call").iter_rows(named=True)
    }
    futures = dict(curve(shared_data).select("expiration", "settle").iter_rows())
    levels = np.arange(0.0, 100.0, 0.005)
    for row in ranked.iter_rows(named=True):
        short, long = (quote[row["expiration"], row[name]] for name in ("short_strike", "long_strike"))
        natural = short["bid"] - row["ratio"] * long["ask"]
        mid = (short["bid"] + short["ask"] - row["ratio"] * (long["bid"] + long["ask"])) / 2.0
        credit = natural if rule == "natural" else mid
        assert row["credit_natural"] == pytest.approx(natural)
        assert row["credit_mid"] == pytest.approx(mid)
        assert credit >= -1e-9
        assert row["size_at_touch"] == min(short["bid_size"], long["ask_size"] // row["ratio"])
        future = futures[row["expiration"]]
        assert row["long_strike"] > future
        assert row["short_delta"] <= max_short_delta
        profit = credit - np.maximum(levels - row["short_strike"], 0.0)
        profit += row["ratio"] * np.maximum(levels - row["long_strike"], 0.0)
        losing = levels[profit < -1e-9]
        assert row["max_loss"] == pytest.approx(-profit.min(), abs=1e-9)
        assert row["max_loss_level"] == pytest.approx(levels[profit.argmin()], abs=1e-9)
        assert row["break_even_low"] == pytest.approx(losing.min(), abs=0.006)
        assert row["break_even_high"] == pytest.approx(losing.max(), abs=0.006)
        assert 4.0 <= row["break_even_above_future"] <= 6.0
        assert row["break_even_above_future"] == pytest.approx(row["break_even_high"] - future)


def test_a_natural_credit_with_that_break_even_is_built_on_intrinsic_value(shared_data: Path) -> None:
    # METHOD section 7 on this very session, whatever the short call's delta.
    ranked, _ = candidates(shared_data, RatioSpreadSettings(max_short_delta=1.0))
    assert ranked.height == 45
    assert (ranked["short_strike"] < ranked["future"]).all()
    assert (ranked["credit_intrinsic"] > 0.0).all()
    by_mid, _ = candidates(shared_data, RatioSpreadSettings(credit_rule="mid"))
    assert (by_mid["short_strike"] >= by_mid["future"]).any()


def history(folder: Path, name: str) -> pl.DataFrame:
    text = gzip.decompress((folder / "index_history" / name).read_bytes())
    return pl.read_csv(text).select(
        pl.col("DATE").str.to_date("%m/%d/%Y").alias("session_date"), pl.col("CLOSE").cast(pl.Float64).alias("close")
    )


def daily_settlements(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, columns=["Trade Date", "Settle"], schema_overrides={"Settle": pl.Float64}).select(
        pl.col("Trade Date").str.to_date().alias("session_date"),
        pl.lit(path.stem.removeprefix("VX_")).str.to_date().alias("expiration"),
        pl.col("Settle").alias("settle"),
    )


def test_vx_futures_move_by_their_beta(shared_data: Path) -> None:
    files = sorted((shared_data / "vx_futures/current").glob("VX_*.csv"))
    vix = history(shared_data, "VIX_History.csv.gz").sort("session_date")
    moves = (
        pl.concat([daily_settlements(path) for path in files])
        .filter(pl.col("settle") > 0.0)
        .sort("expiration", "session_date")
        .with_columns(
            change=pl.col("settle").diff().over("expiration"),
            days=(pl.col("expiration") - pl.col("session_date")).dt.total_days(),
        )
        .join(vix.with_columns(vix_change=pl.col("close").diff()), on="session_date")
        .drop_nulls(["change", "vix_change"])
        # A change of 20 points or more is a hole in a file, not a day.
        .filter((pl.col("days") > 7) & (pl.col("days") <= 270) & (pl.col("change").abs() < 20.0))
        .with_columns(bucket=pl.sum_horizontal(pl.col("days") > edge for edge in (14, 21, 30, 45, 60, 90, 120, 180)))
        .group_by("bucket")
        .agg(
            beta=(pl.col("change") * pl.col("vix_change")).sum() / (pl.col("vix_change") ** 2).sum(),
            days=pl.col("days").mean(),
            n=pl.len(),
        )
    )
    assert moves["n"].sum() > 20_000
    assert moves.height == 9
    far = moves.filter(pl.col("days") > 21)
    np.testing.assert_allclose(far["beta"], vx_beta(far["days"].to_numpy()), atol=0.06)
    # Nearer, closes at two clocks hide the convergence that the opening quotation forces.
    np.testing.assert_allclose(moves["beta"], vx_beta(moves["days"].to_numpy()), atol=0.15)


def test_the_published_spx_vix_relation_is_that_of_the_data(shared_data: Path) -> None:
    both = (
        history(shared_data, "VIX_History.csv.gz")
        .join(history(shared_data, "SPX_History_yahoo_in_cboe_layout.csv.gz"), on="session_date", suffix="_spx")
        .sort("session_date")
        .filter(pl.col("session_date") < date(2008, 11, 1))
        .select(vix=pl.col("close").pct_change(), spx=pl.col("close_spx").pct_change())
        .drop_nulls()
    )
    spx = both["spx"].to_numpy()
    design = np.column_stack((np.ones(spx.size), spx, np.minimum(spx, 0.0)))
    _, rise, more_in_falls = np.linalg.lstsq(design, both["vix"].to_numpy(), rcond=None)[0]
    # Whaley's sample starts in 1986 with the old VIX, ours in 1990: the same figures to a third of a percent.
    assert -rise == pytest.approx(VIX_PERCENT_PER_SPX_RISE, abs=0.35)
    assert -(rise + more_in_falls) == pytest.approx(VIX_PERCENT_PER_SPX_FALL, abs=0.35)
