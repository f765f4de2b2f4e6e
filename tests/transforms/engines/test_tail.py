"""The tail table: joint moves of VIX and SPX on candidates and books."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tests.transforms.engines.chains import SESSION, VIX, VX_SETTLES, shuffled, spx_chain, vix_chain, vx_term_structure
from transforms.engines.priced_chain import PricedLegs, priced_chain
from transforms.engines.tail import TAIL_PAIRS, TailGrid, scenario_profile, tail_scenarios
from transforms.engines.vix_curve import VixCurve, vx_beta
from transforms.pricing.black76 import black_price

SPX_DAY, VIX_DAY = date(2024, 4, 19), list(VX_SETTLES)[1]
FAR_VIX_DAY = list(VX_SETTLES)[2]
CURVE = VixCurve.of(vx_term_structure(), vix=VIX)


@pytest.fixture(scope="module")
def chain() -> pl.DataFrame:
    parts = (spx_chain(), vix_chain())
    return pl.concat([priced_chain(part.quotes, part.analytics, slices=part.slices) for part in parts])


def legs(subject: str, *rows: tuple[str, date, float, str, float]) -> pl.DataFrame:
    names = ("root", "expiration", "strike", "option_type", "quantity")
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows]).with_columns(subject=pl.lit(subject))


CONDOR = legs(
    "condor",
    ("SPXW", SPX_DAY, 4600.0, "put", 1.0),
    ("SPXW", SPX_DAY, 4700.0, "put", -1.0),
    ("SPXW", SPX_DAY, 5250.0, "call", -1.0),
    ("SPXW", SPX_DAY, 5350.0, "call", 1.0),
)
LAYER = legs("layer", ("VIX", VIX_DAY, 16.0, "call", -1.0), ("VIX", VIX_DAY, 19.0, "call", 2.0))
FAR_LAYER = legs("far", ("VIX", FAR_VIX_DAY, 20.0, "call", 3.0))


def scenarios(chain: pl.DataFrame, *subjects: pl.DataFrame, grid: TailGrid | None = None) -> pl.DataFrame:
    return tail_scenarios(pl.concat(subjects), chain, curve=CURVE, layer_expiration=VIX_DAY, grid=grid)


def test_no_move_is_no_change(chain: pl.DataFrame) -> None:
    grid = TailGrid(vix=(VIX,), spx_return=(0.0,))
    rows = scenarios(chain, CONDOR, LAYER, FAR_LAYER, grid=grid)
    still = rows.filter((pl.col("vix") == VIX) & (pl.col("spx_return") == 0.0) & (pl.col("horizon") == "instant"))
    np.testing.assert_allclose(still["value"], 0.0, atol=1e-9)


def test_the_four_pairs_are_marked_within_the_full_grid(chain: pl.DataFrame) -> None:
    rows = scenarios(chain, LAYER)
    pairs = rows.filter("is_pair")
    assert set(pairs.select("vix", "spx_return").iter_rows()) == set(TAIL_PAIRS)
    vix, returns = TailGrid().levels()
    assert rows.height == 2 * vix.size * returns.size
    alone = tail_scenarios(
        LAYER, chain, curve=CURVE, layer_expiration=VIX_DAY, grid=TailGrid(vix=(12.0,), spx_return=(0.02,))
    )
    assert alone.filter("is_pair").height == 2 * len(TAIL_PAIRS)


def test_at_its_expiration_the_layer_is_its_payoff_on_the_vix(chain: pl.DataFrame) -> None:
    rows = scenarios(chain, LAYER).filter(pl.col("horizon") == "expiration")
    vix = rows["vix"].to_numpy()
    options = PricedLegs.of(chain.join(LAYER, on=["root", "expiration", "strike", "option_type"]).sort("strike"))
    now = options.value(options.forward[:, None])[:, 0] @ np.array([-1.0, 2.0])
    payoff = -np.maximum(vix - 16.0, 0.0) + 2.0 * np.maximum(vix - 19.0, 0.0)
    np.testing.assert_allclose(rows["value"], 100.0 * (payoff - now))


def test_a_later_vix_option_is_priced_on_its_own_future(chain: pl.DataFrame) -> None:
    rows = scenarios(chain, FAR_LAYER, grid=TailGrid(vix=(45.0,), spx_return=(0.0,)))
    found = rows.filter((pl.col("vix") == 45.0) & (pl.col("spx_return") == 0.0))
    row = chain.join(FAR_LAYER, on=["root", "expiration", "strike", "option_type"]).row(0, named=True)
    days, elapsed = (FAR_VIX_DAY - SESSION).days, (VIX_DAY - SESSION).days
    gap = row["forward"] - VX_SETTLES[FAR_VIX_DAY]
    for horizon, later in (("instant", 0), ("expiration", elapsed)):
        left = days - later
        future = CURVE.level(left) + vx_beta(left) * (45.0 - VIX) + gap * left / days
        tau = row["time_to_expiry"] - later / 365.0
        price = black_price(
            future,
            20.0,
            time_to_expiry=tau,
            implied_vol=row["pricing_vol"],
            discount_factor=row["discount_factor"] ** (tau / row["time_to_expiry"]),
            is_call=True,
        )
        value = found.filter(pl.col("horizon") == horizon)["value"].item()
        assert value == pytest.approx(300.0 * (price[0] - row["fitted_price"]), abs=1e-6)


def test_the_condor_feels_the_index_and_not_the_vix(chain: pl.DataFrame) -> None:
    rows = scenarios(chain, CONDOR).filter(pl.col("horizon") == "instant")
    spread = rows.group_by("spx_return").agg(pl.col("value").max() - pl.col("value").min())
    assert (spread["value"] == 0.0).all()
    by_return = rows.unique("spx_return").sort("spx_return")
    assert by_return.filter(pl.col("spx_return") == -0.20)["value"].item() < -4_000.0
    # No move takes more than the wider wing.
    assert (rows["value"] > -10_000.0).all()
    options = PricedLegs.of(
        chain.join(CONDOR, on=["root", "expiration", "strike", "option_type"]).sort("option_type", "strike")
    )
    profile = scenario_profile(options, np.array([-1.0, 1.0, 1.0, -1.0]), spx_return=by_return["spx_return"].to_numpy())
    np.testing.assert_allclose(100.0 * profile, by_return["value"], atol=1e-8)


def test_a_book_is_the_sum_of_its_parts(chain: pl.DataFrame) -> None:
    book = pl.concat([CONDOR, LAYER]).with_columns(subject=pl.lit("book"))
    rows = scenarios(chain, CONDOR, LAYER, book).pivot(
        "subject", index=["horizon", "vix", "spx_return"], values="value"
    )
    np.testing.assert_allclose(rows["book"], rows["condor"] + rows["layer"], atol=1e-9)


def test_a_leg_that_cannot_be_priced_makes_its_subject_unknown(chain: pl.DataFrame) -> None:
    unknown = legs("unknown", ("VIX", VIX_DAY, 16.0, "call", -1.0), ("VIX", VIX_DAY, 16.25, "call", 2.0))
    rows = scenarios(chain, LAYER, unknown)
    assert rows.filter(pl.col("subject") == "unknown")["value"].null_count() == rows.height // 2
    assert rows.filter(pl.col("subject") == "layer")["value"].null_count() == 0


def test_without_a_layer_there_is_only_the_instant_horizon(chain: pl.DataFrame) -> None:
    rows = tail_scenarios(CONDOR, chain, curve=CURVE, layer_expiration=None)
    assert rows["horizon"].unique().to_list() == ["instant"]


def test_row_order_changes_nothing(chain: pl.DataFrame) -> None:
    every = pl.concat([CONDOR, LAYER, FAR_LAYER])
    one = scenarios(chain, every)
    assert one.equals(scenarios(shuffled(chain, 1), shuffled(every, 2)))
