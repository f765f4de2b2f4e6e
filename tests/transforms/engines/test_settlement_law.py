"""The law of the index at expiration."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tests.transforms.engines.chains import Chain, spx_chain
from transforms.engines.settlement_law import physical_law, smile_law, trailing_variance_ratio
from transforms.pricing.density import density_nodes


@pytest.fixture(scope="module")
def chain() -> Chain:
    return spx_chain()


def test_expected_payoffs_under_the_smile_are_the_fitted_prices(chain: Chain) -> None:
    slices = chain.slices.with_row_index("row")
    options = chain.analytics.join(slices.select("expiration", "row", "discount_factor"), on="expiration")
    expected = smile_law(slices).expected_payoff(
        options["strike"].to_numpy(),
        is_call=(options["option_type"] == "call").to_numpy(),
        slice_row=options["row"].to_numpy().astype(np.int64),
    )
    np.testing.assert_allclose(
        expected * options["discount_factor"].to_numpy(), options["fitted_price"].to_numpy(), atol=2e-3
    )


@pytest.mark.parametrize("ratio", [0.4, 0.8, 1.3])
def test_the_physical_law_keeps_the_mean_and_scales_the_variance(chain: Chain, ratio: float) -> None:
    law = physical_law(chain.slices, variance_ratio=ratio)
    k, mass = density_nodes(law.smile)
    x = law.scale[:, None] * k + law.shift[:, None]
    np.testing.assert_allclose((mass * np.exp(x)).sum(axis=1), 1.0, rtol=1e-9)
    variance = (mass * x**2).sum(axis=1) - (mass * x).sum(axis=1) ** 2
    of_smile = (mass * k**2).sum(axis=1) - (mass * k).sum(axis=1) ** 2
    np.testing.assert_allclose(variance / of_smile, ratio, rtol=1e-6)


def test_less_variance_makes_out_of_the_money_options_worth_less(chain: Chain) -> None:
    row = np.zeros(2, dtype=np.int64)
    strike, is_call = np.array([4600.0, 5300.0]), np.array([False, True])
    smile = smile_law(chain.slices).expected_payoff(strike, is_call=is_call, slice_row=row)
    calm = physical_law(chain.slices, variance_ratio=0.6).expected_payoff(strike, is_call=is_call, slice_row=row)
    assert (calm < smile).all()
    assert (calm > 0.0).all()


def test_probability_rises_with_the_level_and_counts_the_mass_below(chain: Chain) -> None:
    law = physical_law(chain.slices, variance_ratio=0.7)
    levels = np.linspace(4200.0, 5500.0, 60)
    row = np.ones(60, dtype=np.int64)
    chance = law.probability_below(levels, slice_row=row)
    assert (np.diff(chance) > 0.0).all()
    k, mass = density_nodes(law.smile)
    settled = law.forward[1] * np.exp(law.scale[1] * k[1] + law.shift[1])
    counted = [mass[1][settled < level].sum() for level in levels]
    np.testing.assert_allclose(chance, counted, atol=3e-3)


def test_the_variance_ratio_is_null_until_the_window_is_full_and_never_looks_ahead() -> None:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(40)]
    rng = np.random.default_rng(2)
    frame = pl.DataFrame(
        {
            "session_date": days,
            "tenor_days": 30,
            "atm_vol": rng.uniform(0.1, 0.3, 40),
            "realized_vol_21d": [None if n == 7 else float(rng.uniform(0.1, 0.2)) for n in range(40)],
        },
        schema_overrides={"tenor_days": pl.Int64},
    )
    ratio = trailing_variance_ratio(frame.lazy(), window=10).collect()
    assert ratio["variance_ratio"].null_count() == 9
    assert days[7] not in ratio["session_date"].to_list()
    last = frame.filter(pl.col("realized_vol_21d").is_not_null()).tail(10)
    by_hand = (last["realized_vol_21d"] ** 2).mean() / (last["atm_vol"] ** 2).mean()
    assert ratio["variance_ratio"][-1] == pytest.approx(by_hand)
    early = trailing_variance_ratio(frame.head(25).lazy(), window=10).collect()
    assert early.equals(ratio.head(early.height))
