"""Rows of findings: names that last, legs in order, and measures that are null where something is unknown."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.mispricing.finding_frames import FINDING_COLUMNS, LEG_COLUMNS, FindingFrames, finding_frames

SESSION, EXPIRATION = date(2026, 1, 5), date(2026, 2, 20)
FEE = 0.65


def finding(number: int, **values: object) -> dict[str, object]:
    return {
        "number": number,
        "session_date": SESSION,
        "kind": "calendar",
        "root": "SPX",
        "expiration": EXPIRATION,
        "edge_points": 0.5,
        "confidence": "conditional",
        "from_flagged_quotes": False,
        **values,
    }


def leg(number: int, strike: float | None, side: str, **values: object) -> dict[str, object]:
    return {
        "number": number,
        "instrument": "option",
        "root": "SPX",
        "expiration": EXPIRATION,
        "strike": strike,
        "option_type": "call",
        "side": side,
        "quantity": 1.0,
        "price": 10.0,
        "size": 9,
        "half_spread": 0.1,
        **values,
    }


def frames(findings: list[dict[str, object]], legs: list[dict[str, object]]) -> FindingFrames:
    return finding_frames(
        pl.DataFrame(findings, schema=dict(FINDING_COLUMNS)),
        pl.DataFrame(legs, schema=dict(LEG_COLUMNS)),
        fee_per_contract=FEE,
    )


def test_size_capacity_and_dollars_of_a_package() -> None:
    found = frames([finding(0)], [leg(0, 5100.0, "sell"), leg(0, 5000.0, "buy", quantity=3.0, half_spread=0.2)])

    row = found.findings.row(0, named=True)
    assert row["capacity_contracts"] == 3
    assert row["edge_dollars"] == pytest.approx(3 * (50.0 - 4.0 * FEE))
    assert row["edge_in_half_spreads"] == pytest.approx(0.5 / (0.1 + 3.0 * 0.2))
    assert found.legs.select("leg", "strike").rows() == [(1, 5000.0), (2, 5100.0)]


@pytest.mark.parametrize(
    ("changed", "unknown"),
    [
        ({"size": None}, ["capacity_contracts", "edge_dollars"]),
        ({"half_spread": None}, ["edge_in_half_spreads"]),
    ],
)
def test_what_is_not_known_of_a_leg_is_null_in_the_finding(changed: dict[str, object], unknown: list[str]) -> None:
    row = frames([finding(0)], [leg(0, 5000.0, "buy", **changed), leg(0, 5100.0, "sell")]).findings.row(0, named=True)

    measures = ["capacity_contracts", "edge_dollars", "edge_in_half_spreads"]
    assert [name for name in measures if row[name] is None] == unknown


def test_an_indicative_finding_has_no_dollars_and_one_without_options_no_capacity() -> None:
    future = {"instrument": "future", "root": "VX", "option_type": None, "size": None, "half_spread": None}
    found = frames(
        [finding(0, confidence="indicative"), finding(1, confidence="indicative", kind="vix_parity", root="VIX")],
        [leg(0, 5000.0, "buy"), leg(1, None, "sell", **future)],
    )

    rows = found.findings.sort("kind")
    assert rows["edge_dollars"].to_list() == [None, None]
    assert rows["capacity_contracts"].to_list() == [9, None]


@settings(max_examples=25, deadline=None)
@given(st.permutations([leg(0, strike, side) for strike in (4900.0, 5000.0, 5100.0) for side in ("buy", "sell")]))
def test_the_order_of_legs_changes_neither_name_nor_rows(legs: list[dict[str, object]]) -> None:
    expected = frames([finding(0)], sorted(legs, key=lambda row: (row["strike"], row["side"])))
    found = frames([finding(0)], legs)

    assert found.findings.equals(expected.findings)
    assert found.legs.equals(expected.legs)


def test_a_finding_keeps_its_name_through_prices_and_quantities_and_another_side_is_another_finding() -> None:
    def name(**values: object) -> str:
        found = frames([finding(0)], [leg(0, 5000.0, **({"side": "buy"} | values))])  # type: ignore[arg-type]
        return str(found.findings["finding_id"].item())

    assert name() == name(price=11.0, quantity=1.003, size=2)
    assert len({name(), name(side="sell"), name(option_type="put"), name(expiration=date(2026, 3, 20))}) == 4
