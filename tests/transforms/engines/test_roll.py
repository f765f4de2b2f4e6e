"""Time-shifting: the next month's candidate and its size."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.engines.roll import VEGA_TOLERANCE, LayerUnit, next_layer, rolled_size

CANDIDATES = pl.DataFrame(
    {
        "candidate_id": ["a", "b", "c", "d"],
        "expiration": [date(2024, 3, 20), date(2024, 4, 17), date(2024, 4, 17), date(2024, 5, 22)],
        "rank": [1, 4, 3, 2],
    }
)


def test_the_layer_moves_to_the_best_candidate_of_the_next_month() -> None:
    assert next_layer(CANDIDATES, held_expiration=date(2024, 3, 20))["candidate_id"].to_list() == ["c"]
    assert next_layer(CANDIDATES, held_expiration=date(2024, 5, 22)).height == 0


@given(
    contracts=st.integers(1, 500),
    old=st.floats(0.01, 5.0),
    new=st.floats(0.01, 5.0),
)
def test_vega_is_matched_by_the_nearest_whole_number(contracts: int, old: float, new: float) -> None:
    rolled = rolled_size(contracts, LayerUnit(old, 1.0), chosen=LayerUnit(new, 1.0), match="vega")

    def miss(n: int) -> float:
        return abs(n * new - contracts * old)

    assert rolled.contracts >= 0
    slack = 1e-6 * contracts * old
    assert miss(rolled.contracts) <= min(miss(rolled.contracts + 1), miss(max(rolled.contracts - 1, 0))) + slack
    assert rolled.matches == (abs(rolled.vega_ratio - 1.0) <= VEGA_TOLERANCE)


@given(contracts=st.integers(1, 500), old=st.floats(10.0, 5000.0), new=st.floats(10.0, 5000.0))
def test_matched_risk_never_grows_and_is_as_large_as_it_can_be(contracts: int, old: float, new: float) -> None:
    rolled = rolled_size(contracts, LayerUnit(1.0, old), chosen=LayerUnit(1.0, new), match="risk")
    assert rolled.contracts * new <= contracts * old * (1.0 + 1e-8)
    assert (rolled.contracts + 1) * new > contracts * old * (1.0 - 1e-8)


def test_equal_risk_rolls_one_for_one() -> None:
    # 3 x 0.1 over 0.1 is a little below 3 in binary.
    rolled = rolled_size(3, LayerUnit(1.0, 0.1 + 0.2), chosen=LayerUnit(1.0, 0.3), match="risk")
    assert rolled.contracts == 3
    assert rolled.matches


def test_contracts_are_kept_and_the_change_of_exposure_reported() -> None:
    rolled = rolled_size(4, LayerUnit(0.02, 300.0), chosen=LayerUnit(0.03, 450.0), match="contracts")
    assert rolled.contracts == 4
    assert rolled.vega_ratio == pytest.approx(1.5)
    assert rolled.risk_ratio == pytest.approx(1.5)


def test_one_contract_may_not_match_and_says_so() -> None:
    rolled = rolled_size(1, LayerUnit(0.02, 300.0), chosen=LayerUnit(0.03, 450.0), match="vega")
    assert rolled.contracts == 1
    assert not rolled.matches


@pytest.mark.parametrize("unit", [LayerUnit(None, None), LayerUnit(-0.01, None)])
def test_an_unknown_measure_rolls_nothing(unit: LayerUnit) -> None:
    for match in ("vega", "risk"):
        rolled = rolled_size(5, LayerUnit(0.02, 300.0), chosen=unit, match=match)
        assert rolled.contracts == 0
        assert not rolled.matches
