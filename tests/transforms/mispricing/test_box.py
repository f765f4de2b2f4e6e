"""Box rates beside Treasury, by hand."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from benchmarks.mispricing_recall import rows_as_legs
from transforms.mispricing.box import box_curve, box_findings
from transforms.mispricing.findings import worst_payoff
from transforms.pricing.forward import RateCurve

SESSION, EXPIRATION = date(2026, 1, 5), date(2027, 1, 5)
TREASURY = RateCurve("treasury", np.array([0.1, 2.0]), np.array([0.04, 0.04]))


def slice_row(**changes):
    row = {
        "session_date": SESSION,
        "root": "SPX",
        "expiration": EXPIRATION,
        "time_to_expiry": 1.0,
        "discount_low": np.exp(-0.055),
        "discount_high": np.exp(-0.045),
        "zero_rate": 0.05,
        "rate_source": "parity",
    }
    return pl.DataFrame(
        [{**row, **changes}], schema_overrides={"discount_low": pl.Float64, "discount_high": pl.Float64}
    )


def quotes(*, rate=0.05, half=0.1):
    """Calls and puts struck at 4,800, 5,000 and 5,200 whose synthetics lie `half` on either side of the line."""
    rows = []
    for strike in (4800.0, 5000.0, 5200.0):
        synthetic = np.exp(-rate) * (5000.0 - strike)
        for option_type, mid in (("call", 300.0 + synthetic), ("put", 300.0)):
            rows.append(
                {
                    "session_date": SESSION,
                    "root": "SPX",
                    "expiration": EXPIRATION,
                    "strike": strike,
                    "option_type": option_type,
                    "quote_ts": datetime(2026, 1, 5, 21),
                    "snapshot_kind": "close",
                    "bid": mid - half / 2,
                    "ask": mid + half / 2,
                    "bid_size": 10,
                    "ask_size": 20,
                    "spot": 5000.0,
                }
            )
    return pl.DataFrame(rows)


def test_the_curve_states_rates_beside_treasury_and_loan():
    row = box_curve(slice_row(), treasury=TREASURY, loan_rate=0.06).row(0, named=True)
    assert row["lending_rate"] == pytest.approx(0.045)
    assert row["borrowing_rate"] == pytest.approx(0.055)
    assert row["treasury_rate"] == pytest.approx(0.04)
    assert row["loan_rate"] == 0.06
    assert row["mid_less_treasury"] == pytest.approx(0.01)
    assert row["is_unusual"] is True


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"zero_rate": 0.0459}, False),
        ({"zero_rate": 0.0389}, True),
        ({"zero_rate": 0.05, "time_to_expiry": 0.2}, None),
        ({"rate_source": "implied_curve"}, None),
    ],
)
def test_a_rate_is_unusual_only_beyond_ninety_days_and_if_the_slice_has_its_own(changes, expected):
    assert box_curve(slice_row(**changes), treasury=TREASURY)["is_unusual"].to_list() == [expected]


def test_without_treasury_or_a_bound_the_figures_are_null():
    row = box_curve(slice_row(discount_low=None)).row(0, named=True)
    assert row["lending_rate"] == pytest.approx(0.045)
    assert [row[name] for name in ("borrowing_rate", "treasury_rate", "loan_rate", "mid_less_treasury")] == [None] * 4


def test_expired_and_unbounded_slices_have_no_row():
    assert box_curve(slice_row(time_to_expiry=-0.1), treasury=TREASURY).height == 0
    assert box_curve(slice_row(discount_low=None, discount_high=None), treasury=TREASURY).height == 0


def curve_of(chain):
    """The curve from the extreme boxes of all pairs of strikes, one by one."""
    synthetic = {
        strike: [rows.filter(pl.col("option_type") == kind).row(0, named=True) for kind in ("call", "put")]
        for (strike,), rows in chain.group_by("strike")
    }
    prices = [
        (
            (synthetic[low][0]["ask"] - synthetic[low][1]["bid"])
            - (synthetic[high][0]["bid"] - synthetic[high][1]["ask"])
        )
        / (high - low)
        for low in synthetic
        for high in synthetic
        if high > low
    ]
    proceeds = [
        (
            (synthetic[low][0]["bid"] - synthetic[low][1]["ask"])
            - (synthetic[high][0]["ask"] - synthetic[high][1]["bid"])
        )
        / (high - low)
        for low in synthetic
        for high in synthetic
        if high > low
    ]
    return box_curve(slice_row(discount_low=max(proceeds), discount_high=min(prices)), treasury=TREASURY)


def test_a_box_that_lends_far_above_treasury_is_found_with_its_four_legs():
    chain = quotes()
    found = box_findings(chain, curve_of(chain), fee_per_contract=1.0)
    row = found.findings.row(0, named=True)
    assert (row["kind"], row["confidence"], row["root"], row["expiration"]) == (
        "box_rate",
        "conditional",
        "SPX",
        EXPIRATION,
    )
    assert set(found.legs["strike"]) == {4800.0, 5200.0}
    cost = 400.0 * np.exp(-0.05) + 4 * 0.05
    assert row["edge_points"] == pytest.approx(400.0 * np.exp(-0.04) - cost)
    assert row["capacity_contracts"] == 10
    assert row["edge_dollars"] == pytest.approx(10 * (100.0 * row["edge_points"] - 4.0))
    legs = [(leg["strike"], leg["option_type"], leg["side"]) for leg in found.legs.rows(named=True)]
    assert sorted(legs) == [
        (4800.0, "call", "buy"),
        (4800.0, "put", "sell"),
        (5200.0, "call", "sell"),
        (5200.0, "put", "buy"),
    ]


def test_a_box_that_borrows_below_treasury_is_found_the_other_way_round():
    chain = quotes(rate=0.03)
    found = box_findings(chain, curve_of(chain), fee_per_contract=1.0)
    row = found.findings.row(0, named=True)
    proceeds = 400.0 * np.exp(-0.03) - 4 * 0.05
    assert row["edge_points"] == pytest.approx(proceeds - 400.0 * np.exp(-0.04))
    assert found.legs.filter((pl.col("strike") == 4800.0) & (pl.col("option_type") == "call"))["side"].item() == "sell"


def test_rates_within_the_threshold_are_no_finding():
    chain = quotes(rate=0.0455)
    assert box_findings(chain, curve_of(chain), fee_per_contract=1.0).findings.height == 0


def test_fees_that_eat_the_edge_leave_no_finding():
    chain = quotes()
    assert box_findings(chain, curve_of(chain), fee_per_contract=100.0).findings.height == 0


def test_the_finding_pays_the_width_whatever_the_index_does():
    chain = quotes()
    legs = box_findings(chain, curve_of(chain), fee_per_contract=1.0).legs
    assert worst_payoff(rows_as_legs(legs)) == pytest.approx(400.0)


def test_a_bill_says_nothing_about_tenors_beyond_its_own():
    bill = RateCurve("bill_13_week", np.array([0.25]), np.array([0.052]))
    rows = pl.concat([slice_row(time_to_expiry=time, expiration=EXPIRATION.replace(month=month))
                      for month, time in ((1, 1.0), (2, 0.24), (3, 0.01))])  # fmt: skip
    assert box_curve(rows, treasury=bill)["treasury_rate"].to_list() == [None, 0.052, None]
