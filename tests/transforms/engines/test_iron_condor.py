"""Iron condor candidates: every figure against the payoff, the density and the quotes themselves."""

import numpy as np
import polars as pl
import pytest

from tests.transforms.engines.chains import Chain, shuffled, spx_chain
from transforms.engines.iron_condor import CondorSettings, RankedCandidates, condor_candidates, condor_zone
from transforms.engines.payoff import Structures, expiration_outcome
from transforms.pricing.density import density_nodes
from transforms.pricing.svi import SviSlices

LEGS = [("put_long", 1.0), ("put_short", -1.0), ("call_short", -1.0), ("call_long", 1.0)]
VARIANCE_RATIO = 0.7
ALL = CondorSettings(max_kept=100_000)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return spx_chain()


@pytest.fixture(scope="module")
def found(chain: Chain) -> RankedCandidates:
    return ranked(chain)


def ranked(chain: Chain, settings: CondorSettings = ALL) -> RankedCandidates:
    return condor_candidates(
        chain.quotes, chain.analytics, slices=chain.slices, variance_ratio=VARIANCE_RATIO, settings=settings
    )


def outcome_of(rows: pl.DataFrame) -> Structures:
    return Structures(
        np.array([sign for _, sign in LEGS]),
        rows.select(name for name, _ in LEGS).to_numpy(),
        np.array([False, False, True, True]),
        rows["credit_natural"].to_numpy(),
    )


def test_every_pair_width_and_eligible_expiration_is_there(chain: Chain, found: RankedCandidates) -> None:
    widths = ALL.wing_widths
    quotes = chain.quotes.join(chain.analytics, on=["root", "expiration", "strike", "option_type"])
    listed = {tuple(row) for row in quotes.select("expiration", "strike", "option_type").iter_rows()}
    expected = set()
    for expiration in quotes["expiration"].unique():
        if not 45 <= (expiration - quotes["session_date"][0]).days <= 60:
            continue
        own = quotes.filter((pl.col("expiration") == expiration) & pl.col("delta").abs().is_between(0.15, 0.30))
        for put in own.filter(pl.col("option_type") == "put")["strike"]:
            for call in own.filter(pl.col("option_type") == "call")["strike"]:
                for below in widths:
                    for above in widths:
                        wings = ((expiration, put - below, "put"), (expiration, call + above, "call"))
                        if all(wing in listed for wing in wings):
                            expected.add((expiration, put - below, put, call, call + above))
    names = ["expiration", "put_long", "put_short", "call_short", "call_long"]
    assert set(found.candidates.select(names).iter_rows()) == expected
    assert len(expected) > 500


def test_loss_and_break_evens_are_those_of_the_payoff(found: RankedCandidates) -> None:
    rows = found.candidates
    outcome = expiration_outcome(outcome_of(rows))
    np.testing.assert_allclose(-outcome.worst, rows["max_loss"].to_numpy())
    np.testing.assert_allclose(outcome.best, rows["max_profit"].to_numpy())
    # A side whose wing is within the credit never loses and has no break-even; the other side's is then the only edge.
    loses_below, loses_above = outcome.kink_profit[:, 0] < 0.0, outcome.kink_profit[:, -1] < 0.0
    np.testing.assert_array_equal(rows["break_even_low"].is_not_null().to_numpy(), loses_below)
    np.testing.assert_array_equal(rows["break_even_high"].is_not_null().to_numpy(), loses_above)
    assert 0 < (~loses_below).sum() < rows.height
    np.testing.assert_allclose(outcome.lowest_edge[loses_below], rows["break_even_low"].drop_nulls().to_numpy())
    np.testing.assert_allclose(outcome.highest_edge[loses_above], rows["break_even_high"].drop_nulls().to_numpy())


def test_credits_are_the_quotes_at_bid_and_ask(chain: Chain, found: RankedCandidates) -> None:
    quote = {(row["expiration"], row["strike"], row["option_type"]): row for row in chain.quotes.iter_rows(named=True)}
    for row in found.candidates.sample(50, seed=1).iter_rows(named=True):
        legs = [(quote[row["expiration"], row[name], name.split("_")[0]], sign) for name, sign in LEGS]
        natural = sum(leg["bid"] if sign < 0 else -leg["ask"] for leg, sign in legs)
        mid = sum(-sign * 0.5 * (leg["bid"] + leg["ask"]) for leg, sign in legs)
        size = min(leg["bid_size"] if sign < 0 else leg["ask_size"] for leg, sign in legs)
        assert row["credit_natural"] == pytest.approx(natural)
        assert row["credit_mid"] == pytest.approx(mid)
        assert row["spread_cost_ratio"] == pytest.approx((mid - natural) / mid)
        assert row["size_at_touch"] == size


def test_expected_values_and_chances_are_those_of_the_densities(chain: Chain, found: RankedCandidates) -> None:
    rows = found.candidates.filter(pl.col("expiration") == found.candidates["expiration"].min()).head(40)
    one = chain.slices.filter(pl.col("expiration") == rows["expiration"][0])
    smile = SviSlices(*(one[f"svi_{name}"].to_numpy() for name in ("a", "b", "rho", "m", "sigma")))
    k, mass = (array[0] for array in density_nodes(smile))
    scale = np.sqrt(VARIANCE_RATIO)
    shift = -np.log((mass * np.exp(scale * k)).sum())
    structures = outcome_of(rows)
    for law, suffix in ((k, ""), (scale * k + shift, "_physical")):
        settled = one["forward"][0] * np.exp(law)
        paid = np.zeros((rows.height, settled.size))
        for leg, (name, sign) in enumerate(LEGS):
            strike = structures.strike[:, leg : leg + 1]
            payoff = settled - strike if name.startswith("call") else strike - settled
            paid += sign * np.maximum(payoff, 0.0)
        value = rows["credit_natural"].to_numpy() + one["discount_factor"][0] * (paid * mass).sum(axis=1)
        np.testing.assert_allclose(rows[f"expected_value{suffix}"].to_numpy(), value, atol=0.01)
        wins = paid + rows["credit_natural"].to_numpy()[:, None] > 0.0
        np.testing.assert_allclose(
            rows[f"probability_of_profit{suffix}"].to_numpy(), (wins * mass).sum(axis=1), atol=0.005
        )


def test_greeks_are_sums_over_the_legs(chain: Chain, found: RankedCandidates) -> None:
    options = {
        (row["expiration"], row["strike"], row["option_type"]): row for row in chain.analytics.iter_rows(named=True)
    }
    for row in found.candidates.sample(30, seed=2).iter_rows(named=True):
        for greek in ("delta", "gamma", "vega", "theta"):
            total = sum(sign * options[row["expiration"], row[name], name.split("_")[0]][greek] for name, sign in LEGS)
            assert row[greek] == pytest.approx(total)


def test_rank_goes_by_score_then_cost_then_days(found: RankedCandidates) -> None:
    rows = found.candidates.sort("rank")
    assert rows["rank"].to_list() == list(range(1, rows.height + 1))
    keys = rows.select(-pl.col("score"), "spread_cost_ratio", days=(pl.col("days_to_expiry") - 50).abs()).rows()
    assert keys == sorted(keys)
    np.testing.assert_allclose(rows["score"].to_numpy(), (rows["expected_value"] / rows["max_loss"]).to_numpy())


def test_the_physical_score_ranks_by_the_physical_value(chain: Chain) -> None:
    settings = CondorSettings(score_density="physical", max_kept=50)
    rows = ranked(chain, settings).candidates.sort("rank")
    np.testing.assert_allclose(
        rows["score"].to_numpy(), (rows["expected_value_physical"] / rows["max_loss"]).to_numpy()
    )
    without = condor_candidates(chain.quotes, chain.analytics, slices=chain.slices, settings=settings)
    assert without.candidates.height == 0


def test_margin_and_portfolio_margin(found: RankedCandidates) -> None:
    rows = found.candidates
    wider = np.maximum(rows["put_short"] - rows["put_long"], rows["call_long"] - rows["call_short"])
    np.testing.assert_allclose(rows["margin"], 100.0 * wider)
    np.testing.assert_allclose(rows["capital_at_risk"], 100.0 * rows["max_loss"] + 6.0)
    np.testing.assert_allclose(rows["return_on_margin"], rows["credit_natural"] / wider)
    # Weeks before expiration no move costs a whole wing: the long option keeps time value.
    assert (rows["portfolio_margin"] < rows["margin"]).all()
    assert (rows["portfolio_margin"] >= 150.0).all()


def test_the_funnel_adds_up_to_the_candidates(chain: Chain, found: RankedCandidates) -> None:
    funnel = found.funnel.sort("step")
    assert funnel["filter"].to_list() == [
        "days_to_expiry", "smile", "short_delta", "wings_listed", "two_sided", "credit", "kept",
    ]  # fmt: skip
    assert funnel["n_out"].to_list()[:-1] == funnel["n_in"].to_list()[1:]
    assert (funnel["n_out"] <= funnel["n_in"]).all()
    assert funnel["n_out"].to_list()[-1] == found.candidates.height
    n_all = 0
    for expiration in chain.quotes["expiration"].unique():
        strikes = chain.quotes.filter((pl.col("expiration") == expiration) & (pl.col("option_type") == "call"))
        n_all += strikes.height * (strikes.height - 1) // 2 * len(ALL.wing_widths) ** 2
    assert funnel["n_in"][0] == n_all


def test_a_wing_without_a_bid_is_not_two_sided(chain: Chain, found: RankedCandidates) -> None:
    strike = found.candidates["put_long"].min()
    is_wing = (pl.col("strike") == strike) & (pl.col("option_type") == "put")
    quotes = chain.quotes.with_columns(bid=pl.when(is_wing).then(0.0).otherwise(pl.col("bid")))
    rows = condor_candidates(quotes, chain.analytics, slices=chain.slices, settings=ALL)
    assert strike not in rows.candidates["put_long"].to_list()
    two_sided = rows.funnel.filter(pl.col("filter") == "two_sided")
    assert two_sided["n_out"][0] < two_sided["n_in"][0]


def test_unknown_sizes_and_an_unknown_ratio_are_null(chain: Chain) -> None:
    quotes = chain.quotes.with_columns(bid_size=pl.lit(None, pl.Int64))
    rows = condor_candidates(quotes, chain.analytics, slices=chain.slices).candidates
    for name in ("size_at_touch", "expected_value_physical", "probability_of_profit_physical"):
        assert rows[name].null_count() == rows.height > 0


def test_row_order_changes_nothing(chain: Chain) -> None:
    one = ranked(chain, CondorSettings())
    other = ranked(
        Chain(shuffled(chain.quotes, 1), shuffled(chain.analytics, 2), shuffled(chain.slices, 3)), CondorSettings()
    )
    assert one.candidates.equals(other.candidates)
    assert one.funnel.equals(other.funnel)


def test_a_session_without_spx_options_has_no_rows(chain: Chain) -> None:
    none = condor_candidates(chain.quotes.clear(), chain.analytics.clear(), slices=chain.slices.clear())
    assert none.candidates.height == none.funnel.height == 0


def test_no_expiration_of_age_is_an_answer_with_a_funnel(chain: Chain) -> None:
    early = chain.slices["expiration"].min()
    slices, quotes, analytics = (
        frame.filter(pl.col("expiration") == early) for frame in (chain.slices, chain.quotes, chain.analytics)
    )
    answer = condor_candidates(quotes, analytics, slices=slices)
    assert answer.candidates.height == 0
    first = answer.funnel.filter(pl.col("filter") == "days_to_expiry")
    assert first["n_in"][0] > 0
    assert first["n_out"][0] == 0


@pytest.mark.parametrize(
    ("spot", "zone"), [(5000.0, 1.0), (4900.0, 0.0), (5100.0, 0.0), (4850.0, -0.5), (5025.0, 0.75), (None, None)]
)
def test_zone_is_one_in_the_center_and_negative_outside(spot: float | None, zone: float | None) -> None:
    frame = pl.DataFrame({"spot": spot, "put": 4900.0, "call": 5100.0}, schema_overrides={"spot": pl.Float64})
    found = frame.select(condor_zone(pl.col("spot"), pl.col("put"), call_short=pl.col("call"))).item()
    assert found == zone
