"""What the engines' capital costs, against the formula written out, and the box rate of a tenor."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.book.capital_cost import box_rates, cost_of_capital

SESSION = date(2024, 3, 4)
FUNDING = {
    "margin": 20_000.0,
    "net_premium": 3_000.0,
    "cash": 12_000.0,
    "marketable_securities": 2_000.0,
    "lending_rate": 0.050,
    "borrowing_rate": 0.055,
    "margin_loan_rate": 0.080,
}


def costs(required_return: float | None = 0.12, **changed: float | None) -> tuple[Any, ...]:
    row = {"session_date": [SESSION], **{name: [value] for name, value in (FUNDING | changed).items()}}
    funding = pl.DataFrame(row, schema_overrides=dict.fromkeys(FUNDING, pl.Float64))
    return cost_of_capital(funding, required_return=required_return).row(0)[1:]


def test_capital_costs_what_its_parts_cost() -> None:
    # Margin 20,000: 3,000 of premium, 20,000 - 12,000 - 2,000 borrowed, 11,000 own.
    wacc, alternative = costs()
    assert wacc == pytest.approx((11_000 * 0.12 + 3_000 * 0.050 + 6_000 * 0.055) / 20_000)
    assert alternative == pytest.approx((11_000 * 0.12 + 9_000 * 0.080) / 20_000)


@pytest.mark.parametrize(
    ("changed", "own", "premium", "shortfall", "borrowed_at"),
    [
        ({"margin_loan_rate": 0.052}, 11_000, 3_000, 6_000, 0.052),
        ({"cash": 20_000.0}, 17_000, 3_000, 0, 0.055),
        ({"cash": -1_000.0, "marketable_securities": 0.0}, 0, 3_000, 17_000, 0.055),
        ({"net_premium": -500.0}, 14_000, 0, 6_000, 0.055),
        ({"net_premium": 90_000.0}, 0, 20_000, 0, 0.055),
    ],
    ids=["cheaper loan", "no shortfall", "cash borrowed", "premium paid", "premium above the margin"],
)
def test_debt_is_premium_and_shortfall_within_the_margin(
    changed: dict[str, float], own: float, premium: float, shortfall: float, borrowed_at: float
) -> None:
    loan = changed.get("margin_loan_rate", 0.080)
    wacc, alternative = costs(**changed)
    assert wacc == pytest.approx((own * 0.12 + premium * 0.050 + shortfall * borrowed_at) / 20_000)
    assert alternative == pytest.approx((own * 0.12 + (premium + shortfall) * loan) / 20_000)


@pytest.mark.parametrize(
    ("missing", "known"),
    [
        ("margin", (False, False)),
        ("net_premium", (False, False)),
        ("cash", (False, False)),
        ("marketable_securities", (False, False)),
        ("lending_rate", (False, True)),
        ("borrowing_rate", (False, True)),
        ("margin_loan_rate", (False, False)),
    ],
)
def test_a_missing_input_that_counts_leaves_the_cost_unknown(missing: str, known: tuple[bool, bool]) -> None:
    assert tuple(cost is not None for cost in costs(**{missing: None})) == known


def test_a_missing_input_without_a_part_does_not_matter() -> None:
    covered = {"cash": 25_000.0}
    assert costs(**covered, marketable_securities=None, borrowing_rate=None) == costs(**covered)
    assert costs(net_premium=0.0, lending_rate=None)[0] == costs(net_premium=0.0)[0]
    assert costs(None, net_premium=20_000.0)[0] == pytest.approx(0.050)
    assert costs(None) == (None, None)
    assert costs(margin=0.0) == (None, None)


def curve(*rows: tuple[str, int, float | None, float | None]) -> pl.DataFrame:
    """Return rows of a box curve: root, days, lending and borrowing rate."""
    return pl.DataFrame(
        [(SESSION, root, SESSION + timedelta(days=days), lend, borrow) for root, days, lend, borrow in rows],
        schema={
            "session_date": pl.Date,
            "root": pl.String,
            "expiration": pl.Date,
            "lending_rate": pl.Float64,
            "borrowing_rate": pl.Float64,
        },
        orient="row",
    )


CURVE = curve(
    ("SPX", 30, 0.048, 0.056),
    ("SPXW", 30, 0.049, 0.058),
    ("SPXW", 40, None, 0.057),
    ("SPX", 60, 0.052, None),
    ("VIX", 45, 0.900, -0.900),
)


@pytest.mark.parametrize(
    ("tenor", "lending", "borrowing"),
    [
        (30.0, 0.049, 0.056),
        (45.0, 0.0505, 0.057),
        (35.0, 0.049 + 0.003 * 5 / 30, 0.0565),
        (12.0, 0.049, 0.056),
        (400.0, 0.052, 0.057),
        (None, None, None),
    ],
)
def test_the_rate_of_a_tenor_lies_between_the_nearest_expirations(
    tenor: float | None, lending: float | None, borrowing: float | None
) -> None:
    tenors = pl.DataFrame(
        {"session_date": [SESSION], "tenor_days": [tenor]}, schema_overrides={"tenor_days": pl.Float64}
    )
    assert box_rates(CURVE, tenors).row(0)[1:] == pytest.approx((lending, borrowing), abs=1e-12)


def test_sessions_do_not_mix_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    days = [SESSION + timedelta(days=7 * number) for number in range(40)]
    parts = [
        CURVE.with_columns(
            pl.lit(day).alias("session_date"),
            (pl.col("expiration") + (day - SESSION)).alias("expiration"),
            pl.col("lending_rate") + shift,
        )
        for day, shift in zip(days, rng.uniform(0, 0.02, len(days)), strict=True)
        if day != days[7]
    ]
    tenors = pl.DataFrame({"session_date": days, "tenor_days": rng.uniform(5, 90, len(days))})
    together = box_rates(pl.concat(parts).sample(fraction=1.0, shuffle=True, seed=1), tenors)
    assert together["session_date"].to_list() == days
    assert together.row(7)[1:] == (None, None)
    for number, (part, row) in enumerate(zip(parts, [r for r in range(40) if r != 7], strict=True)):
        assert box_rates(part, tenors[row]).row(0) == together.row(row), number
