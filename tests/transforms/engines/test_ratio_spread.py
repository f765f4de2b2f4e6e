"""VIX call ratio spreads: outcomes against METHOD's formulas and brute force, filters, refusal, scenarios."""

import numpy as np
import polars as pl
import pytest

from tests.transforms.engines.chains import VIX, Chain, shuffled, vix_chain, vx_term_structure
from transforms.engines.iron_condor import RankedCandidates
from transforms.engines.priced_chain import PricedLegs, priced_chain
from transforms.engines.ratio_spread import (
    OFFSET_MOVES,
    SCENARIO_MOVES,
    CondorProfile,
    RatioSpreadSettings,
    ratio_spread_candidates,
    ratio_spread_scenarios,
)
from transforms.engines.tail import settled_or_priced, shifted_futures
from transforms.engines.vix_curve import VixCurve, spx_return_for
from transforms.errors import UsageError
from transforms.pricing.black76 import black_price

WIDE = {"min_break_even_above_future": -50.0, "max_break_even_above_future": 50.0, "max_kept": 10_000}
CONDOR = CondorProfile(np.linspace(-0.6, 0.3, 91), np.linspace(-90.0, 30.0, 91), max_loss=90.0)
FRONT = RatioSpreadSettings(structure="front_ratio", acknowledged=("front_ratio",), **WIDE)
DIAGONAL = RatioSpreadSettings(structure="diagonal", acknowledged=("diagonal",))


@pytest.fixture(scope="module")
def chain() -> Chain:
    return vix_chain()


def ranked(
    chain: Chain,
    settings: RatioSpreadSettings | None = None,
    *,
    vix: float | None = VIX,
    condor: CondorProfile | None = CONDOR,
) -> RankedCandidates:
    return ratio_spread_candidates(
        chain.quotes,
        chain.analytics,
        slices=chain.slices,
        term_structure=vx_term_structure(),
        vix=vix,
        condor=condor,
        settings=settings,
    )


def settled_profit(row: dict[str, float], levels: np.ndarray) -> np.ndarray:
    """The profit at expiration, leg by leg."""
    sold, bought = (row["ratio"], 1) if row["structure"] == "front_ratio" else (1, row["ratio"])
    return (
        row["credit"]
        - sold * np.maximum(levels - row["short_strike"], 0.0)
        + bought * np.maximum(levels - row["long_strike"], 0.0)
    )


@pytest.mark.parametrize("rule", ["natural", "mid"])
def test_backspreads_follow_the_methods_formulas(chain: Chain, rule: str) -> None:
    rows = ranked(chain, RatioSpreadSettings(credit_rule=rule, **WIDE)).candidates
    assert rows.height > 50
    low, high, credit = rows["short_strike"], rows["long_strike"], rows["credit"]
    assert credit.equals(rows[f"credit_{rule}"], check_names=False)
    np.testing.assert_allclose(rows["max_loss"], high - low - credit)
    np.testing.assert_array_equal(rows["max_loss_level"], high)
    np.testing.assert_allclose(rows["break_even_low"], low + credit)
    np.testing.assert_allclose(rows["break_even_high"], high + (high - low - credit) / (rows["ratio"] - 1))
    np.testing.assert_allclose(rows["break_even_above_future"], rows["break_even_high"] - rows["future"])
    assert rows["dead_zone_low"].equals(rows["break_even_low"], check_names=False)
    assert rows["dead_zone_high"].equals(rows["break_even_high"], check_names=False)
    assert rows["gains_in_tail"].all()
    np.testing.assert_allclose(rows["margin"], 100.0 * (high - low))
    np.testing.assert_allclose(rows["capital_at_risk"], 100.0 * rows["max_loss"] + 1.5 * (rows["ratio"] + 1))


def test_front_ratios_lose_without_limit_above_their_break_even(chain: Chain) -> None:
    rows = ranked(chain, FRONT).candidates
    assert rows.height > 50
    assert rows["max_loss"].null_count() == rows["capital_at_risk"].null_count() == rows.height
    assert not rows["gains_in_tail"].any()
    low, high, credit, extra = rows["long_strike"], rows["short_strike"], rows["credit"], rows["ratio"] - 1
    assert (low < high).all()
    np.testing.assert_allclose(rows["break_even_high"], high + (high - low + credit) / extra)
    for row in rows.head(100).iter_rows(named=True):
        profit = settled_profit(row, np.array([row["short_strike"], row["break_even_high"], 1000.0]))
        assert profit[0] == pytest.approx(row["short_strike"] - row["long_strike"] + row["credit"])
        assert profit[1] == pytest.approx(0.0, abs=1e-9)
        assert profit[2] < -100.0


@pytest.mark.parametrize("structure", ["front_ratio", "diagonal"])
def test_a_structure_that_is_no_hedge_is_refused_unless_named(chain: Chain, structure: str) -> None:
    with pytest.raises(UsageError, match=structure):
        ranked(chain, RatioSpreadSettings(structure=structure))
    with pytest.raises(UsageError, match="no hedge"):
        ranked(chain, RatioSpreadSettings(structure=structure, acknowledged=("another",)))
    assert ranked(chain, RatioSpreadSettings(structure=structure, acknowledged=(structure,))).funnel.height > 0


def test_the_funnel_adds_up_from_all_pairs_to_the_candidates(chain: Chain) -> None:
    answer = ranked(chain)
    funnel = answer.funnel.sort("step")
    assert funnel["filter"].to_list() == [
        "two_sided", "long_above_future", "short_delta", "break_even", "credit", "kept",
    ]  # fmt: skip
    n_strikes = chain.quotes.filter(pl.col("option_type") == "call")["strike"].n_unique()
    assert funnel["n_in"][0] == 2 * 2 * n_strikes * (n_strikes - 1) // 2
    assert funnel["n_out"].to_list()[:-1] == funnel["n_in"].to_list()[1:]
    assert funnel["n_out"][-1] == answer.candidates.height > 0


def test_candidates_keep_the_filters_and_nothing_that_does_is_missing(chain: Chain) -> None:
    settings = RatioSpreadSettings()
    found = ranked(chain, settings).candidates
    options = chain.quotes.join(
        chain.analytics.select("expiration", "strike", "option_type", "delta"),
        on=["expiration", "strike", "option_type"],
    ).filter(pl.col("option_type") == "call", pl.col("bid") > 0.0)
    expected = set()
    for month in vx_term_structure().head(2).iter_rows(named=True):
        own = options.filter(pl.col("expiration") == month["expiration"])
        for short in own.iter_rows(named=True):
            for long in own.filter(pl.col("strike") > short["strike"]).iter_rows(named=True):
                for ratio in (2, 3):
                    credit = short["bid"] - ratio * long["ask"]
                    loss = long["strike"] - short["strike"] - credit
                    above = long["strike"] + loss / (ratio - 1) - month["settle"]
                    if (
                        long["strike"] > month["settle"]
                        and short["delta"] <= 0.60
                        and 4.0 - 1e-9 <= above <= 6.0 + 1e-9
                        and credit >= -1e-9
                    ):
                        expected.add((month["expiration"], short["strike"], long["strike"], ratio))
    assert set(found.select("expiration", "short_strike", "long_strike", "ratio").iter_rows()) == expected
    assert expected


def test_credit_splits_into_intrinsic_and_time_value(chain: Chain) -> None:
    rows = ranked(chain, RatioSpreadSettings(max_short_delta=1.0, **WIDE)).candidates
    np.testing.assert_allclose(rows["credit_intrinsic"] + rows["credit_time"], rows["credit"])
    below = rows.filter(pl.col("short_strike") < pl.col("future"))
    assert (below["credit_intrinsic"] > 0.0).all()
    assert (rows.filter(pl.col("short_strike") >= pl.col("future"))["credit_intrinsic"] == 0.0).all()
    assert 0 < below.height < rows.height


def test_rank_goes_by_dead_zone_loss_per_vega_then_credit(chain: Chain) -> None:
    rows = ranked(chain, RatioSpreadSettings(**WIDE)).candidates.sort("rank")
    known = rows.filter(pl.col("score").is_not_null())
    np.testing.assert_allclose(known["score"], known["max_loss"] / known["vega"])
    keys = known.select("score", -pl.col("credit_mid")).rows()
    assert keys == sorted(keys)
    # Without positive vega there is no score, and such candidates stand behind all others.
    assert rows["score"].to_list()[: known.height] == known["score"].to_list()
    assert (rows.filter(pl.col("score").is_null())["vega"] <= 0.0).all()


def test_scenarios_at_expiration_are_the_payoff_and_nothing_moved_costs_half_the_spread(chain: Chain) -> None:
    found = ranked(chain).candidates
    curve = VixCurve.of(vx_term_structure(), vix=VIX)
    rows = ratio_spread_scenarios(found, chain.quotes, chain.analytics, slices=chain.slices, curve=curve)
    assert rows.height == found.height * 4 * len(SCENARIO_MOVES)
    for candidate in found.iter_rows(named=True):
        own = rows.filter(pl.col("candidate_id") == candidate["candidate_id"])
        at_end = own.filter(pl.col("horizon") == "expiration").sort("vix_move")
        np.testing.assert_allclose(at_end["future"], VIX + np.array(SCENARIO_MOVES))
        np.testing.assert_allclose(at_end["profit"], settled_profit(candidate, VIX + np.array(SCENARIO_MOVES)))
        still = own.filter((pl.col("horizon") == "now") & (pl.col("vix_move") == 0.0))
        half_spread = candidate["credit_mid"] - candidate["credit_natural"]
        # The smile does not go through every mid: what is left over is its misfit.
        assert still["profit"].item() == pytest.approx(-half_spread, abs=0.08)
        rising = own.filter((pl.col("horizon") == "now") & (pl.col("vix_move") >= 4.0)).sort("vix_move")
        assert rising["profit"].is_sorted()


def test_the_offset_move_is_the_first_that_offsets_enough(chain: Chain) -> None:
    settings = RatioSpreadSettings()
    found = ranked(chain, settings).candidates
    assert found["offset_vix_move"].null_count() < found.height
    calls = priced_chain(chain.quotes, chain.analytics, slices=chain.slices).filter(pl.col("option_type") == "call")
    curve = VixCurve.of(vx_term_structure(), vix=VIX)
    loss = -np.interp(spx_return_for(OFFSET_MOVES, vix=VIX), CONDOR.spx_return, CONDOR.profit)
    for row in found.iter_rows(named=True):
        gain = np.zeros(OFFSET_MOVES.size)
        for strike, quantity in ((row["short_strike"], -1.0), (row["long_strike"], float(row["ratio"]))):
            leg = calls.filter((pl.col("strike") == strike) & (pl.col("expiration") == row["expiration"]))
            option, days = PricedLegs.of(leg), leg["days_to_expiry"].cast(pl.Float64).to_numpy()
            levels = [np.array([VIX]), VIX + OFFSET_MOVES]
            now, moved = (
                settled_or_priced(
                    option,
                    shifted_futures(option.forward, days, curve=curve, days_later=0.0, vix=vix),
                    days=days,
                    days_later=0.0,
                )[0]
                for vix in levels
            )
            gain += quantity * (moved - now)
        enough = (0.30 * CONDOR.max_loss / row["max_loss"] * gain >= 0.60 * loss) & (loss > 0.0)
        expected = OFFSET_MOVES[enough.argmax()] if enough.any() else None
        assert row["offset_vix_move"] == expected


def test_a_diagonal_is_measured_when_its_short_call_settles(chain: Chain) -> None:
    rows = ranked(chain, DIAGONAL).candidates
    assert rows.height > 0
    curve = VixCurve.of(vx_term_structure(), vix=VIX)
    options = chain.analytics.join(chain.slices, on=["session_date", "root", "expiration"]).filter(
        pl.col("option_type") == "call"
    )
    for row in rows.iter_rows(named=True):
        elapsed = (row["expiration"] - row["session_date"]).days
        days = (row["far_expiration"] - row["session_date"]).days
        assert 0 < elapsed < days
        far = options.filter(
            (pl.col("expiration") == row["far_expiration"]) & (pl.col("strike") == row["long_strike"])
        ).row(0, named=True)
        levels = np.concatenate(([row["break_even_high"]], np.arange(5.0, 120.0, 0.25)))
        gap = (far["forward"] - curve.level(days)) * (days - elapsed) / days
        left = far["time_to_expiry"] - elapsed / 365.0
        call = black_price(
            curve.future(days, days_later=elapsed, vix_move=levels - VIX) + gap,
            row["long_strike"],
            time_to_expiry=left,
            implied_vol=far["fitted_vol"],
            discount_factor=far["discount_factor"] ** (left / far["time_to_expiry"]),
            is_call=True,
        )
        profit = row["credit"] - np.maximum(levels - row["short_strike"], 0.0) + row["ratio"] * call
        assert profit[0] == pytest.approx(0.0, abs=0.01)
        assert row["gains_in_tail"] == (profit[-1] > profit[-2])
        if row["gains_in_tail"]:
            assert row["max_loss"] == pytest.approx(-profit[1:].min())
        else:
            assert row["max_loss"] is None


def test_without_a_vix_scenarios_are_unknown_and_the_backspread_is_not(chain: Chain) -> None:
    blind, sighted = ranked(chain, vix=None).candidates, ranked(chain).candidates
    assert blind["offset_vix_move"].null_count() == blind.height
    assert blind.drop("offset_vix_move").equals(sighted.drop("offset_vix_move"))
    assert ranked(chain, DIAGONAL, vix=None).candidates.height == 0
    assert ranked(chain, FRONT, vix=None).candidates["margin"].null_count() > 0


def test_a_month_without_a_settlement_has_no_candidates(chain: Chain) -> None:
    curve = vx_term_structure()
    holed = curve.with_columns(settle=curve["settle"].set(curve["rank"] == 1, None))
    answer = ratio_spread_candidates(
        chain.quotes, chain.analytics, slices=chain.slices, term_structure=holed, vix=VIX,
        settings=RatioSpreadSettings(**WIDE),
    )  # fmt: skip
    assert answer.candidates["month"].unique().to_list() == [2]


def test_none_is_an_answer(chain: Chain) -> None:
    settings = RatioSpreadSettings(min_break_even_above_future=200.0, max_break_even_above_future=201.0)
    answer = ranked(chain, settings)
    assert answer.candidates.height == 0
    assert answer.funnel.filter(pl.col("filter") == "break_even")["n_out"].item() == 0
    empty = ratio_spread_candidates(
        chain.quotes.clear(), chain.analytics.clear(), slices=chain.slices.clear(),
        term_structure=vx_term_structure(), vix=VIX, condor=CONDOR,
    )  # fmt: skip
    assert empty.candidates.height == empty.funnel.height == 0


@pytest.mark.parametrize("settings", [RatioSpreadSettings(), FRONT, DIAGONAL], ids=lambda each: each.structure)
def test_row_order_changes_nothing(chain: Chain, settings: RatioSpreadSettings) -> None:
    mixed = Chain(shuffled(chain.quotes, 1), shuffled(chain.analytics, 2), shuffled(chain.slices, 3))
    one, other = ranked(chain, settings), ranked(mixed, settings)
    assert one.candidates.equals(other.candidates)
    assert one.funnel.equals(other.funnel)
