"""Every rate at which dated cash flows are worth nothing, against closed forms, polynomials and brute force."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.book.internal_rate import HIGHEST_RATE, LOWEST_RATE, Floats, Integers, internal_rates, rates_to_date

DOLLARS = st.integers(-50_000, 50_000).map(lambda cents: cents / 100)


def days_of(*dates: date) -> Integers:
    return np.array([day.toordinal() for day in dates])


def worth(days: Integers, cash: Floats, rate: float) -> tuple[float, float]:
    """The present value at a rate, and the size of its terms."""
    terms = cash * np.exp(-np.log1p(rate) * (days - days.min()) / 365)
    return float(terms.sum()), float(np.abs(terms).sum())


def test_the_published_example_of_xirr() -> None:
    # Microsoft, documentation of the Excel function XIRR, example 1: 0.373362535.
    days = days_of(date(2008, 1, 1), date(2008, 3, 1), date(2008, 10, 30), date(2009, 2, 15), date(2009, 4, 1))
    rates = internal_rates(days, np.array([-10_000.0, 2_750.0, 4_250.0, 3_250.0, 2_750.0]))
    assert rates == pytest.approx([0.373362535], abs=1e-8)


def test_one_year_is_simple_interest() -> None:
    assert internal_rates(np.array([0, 365]), np.array([-100.0, 107.25])) == pytest.approx([0.0725], abs=1e-14)
    assert internal_rates(np.array([0, 365]), np.array([-100.0, 25.0])) == pytest.approx([-0.75], abs=1e-14)


@pytest.mark.parametrize(
    ("cash", "rates"),
    [
        # Brealey, Myers and Allen, Principles of Corporate Finance, chapter "pitfalls of IRR": -50 and 15.2 percent.
        ([-1000.0, 800.0, 150.0, 150.0, 150.0, 150.0, -150.0], [-0.5, 0.152]),
        ([-100.0, 230.0, -132.0], [0.10, 0.20]),
        ([100.0, -220.0, 121.0], [0.10]),
        ([1000.0, -3000.0, 2500.0], []),
        ([100.0, 20.0, 3.0], []),
        ([-5.0], []),
        ([], []),
    ],
    ids=["two of a textbook", "two", "double", "none although signs change", "only receipts", "one flow", "no flow"],
)
def test_several_rates_one_or_none(cash: list[float], rates: list[float]) -> None:
    found = internal_rates(365 * np.arange(len(cash)), np.array(cash))
    assert found == pytest.approx(rates, abs=1.5e-3 if -1000.0 in cash else 1e-7)


def test_two_rates_close_together_are_both_found() -> None:
    growth = np.poly([1.1, 1.1001])
    assert internal_rates(365 * np.arange(3), 1e6 * growth) == pytest.approx([0.1, 0.1001], abs=1e-7)


def test_rates_beyond_the_range_are_none() -> None:
    assert internal_rates(np.array([0, 1]), np.array([-100.0, 110.0])).size == 0
    assert internal_rates(np.array([0, 365]), np.array([-100.0, 0.001])).size == 0
    assert internal_rates(np.array([0, 365]), np.array([-100.0, 0.02])) == pytest.approx([-0.9998], abs=1e-12)


def test_what_the_sums_of_cents_leave_behind_is_no_flow() -> None:
    assert 0.1 + 0.2 - 0.3 != 0.0
    assert internal_rates(np.array([0, 0, 0, 40]), np.array([0.1, 0.2, -0.3, -5.0])).size == 0


def test_a_flow_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 of 2 cash flows"):
        internal_rates(np.array([0, 40]), np.array([np.nan, 1.0]))


@settings(max_examples=300, deadline=None)
@given(cash=st.lists(st.integers(-9, 9), min_size=2, max_size=9))
def test_yearly_flows_have_the_rates_of_their_polynomial(cash: list[int]) -> None:
    flows = np.array(cash, dtype=float)
    found = 1.0 + internal_rates(365 * np.arange(flows.size), flows)
    roots = np.roots(np.trim_zeros(flows, "f")) if flows.any() else np.empty(0)
    inside = (roots.real > 1.0 + LOWEST_RATE) & (roots.real < 1.0 + HIGHEST_RATE)
    # Multiple roots come out of numpy as pairs some 1e-4 off the real line; only surely real ones are required.
    surely, possibly = (roots.real[inside & (np.abs(roots.imag) < bound)] for bound in (1e-12, 1e-2))
    assert all(np.abs(root - possibly).min() < 1e-3 * root for root in found if possibly.size)
    assert found.size == 0 or possibly.size
    assert all(np.abs(root - found).min() < 1e-3 * root for root in surely if found.size)
    assert surely.size == 0 or found.size
    assert found.size <= int((np.diff(np.sign(flows[flows != 0.0])) != 0).sum())


@settings(max_examples=60, deadline=None)
@given(
    flows=st.lists(st.tuples(st.integers(0, 3000), DOLLARS), min_size=2, max_size=60),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_change_of_sign_of_a_fine_grid_is_found_and_nothing_else(
    flows: list[tuple[int, float]], seed: int
) -> None:
    days, cash = np.array([day for day, _ in flows]), np.array([amount for _, amount in flows])
    rates = internal_rates(days, cash)
    for rate in rates:
        value, size = worth(days, cash, float(rate))
        assert abs(value) <= 1e-10 * size
    x = np.linspace(np.log1p(LOWEST_RATE), np.log1p(HIGHEST_RATE), 20_001)[1:-1]
    time = (days - days.min()) / 365
    terms = cash[:, None] * np.exp(-np.outer(time, x))
    value, size = terms.sum(axis=0), np.abs(terms).sum(axis=0)
    clear = np.abs(value) > 1e-9 * size
    x, positive = x[clear], value[clear] > 0.0
    for changed in np.flatnonzero(positive[1:] != positive[:-1]):
        between = (np.log1p(rates) >= x[changed] - 1e-9) & (np.log1p(rates) <= x[changed + 1] + 1e-9)
        assert between.any(), f"no rate between {np.expm1(x[changed])} and {np.expm1(x[changed + 1])}"
    order = np.random.default_rng(seed).permutation(days.size)
    assert internal_rates(days[order] + 1000, 3.0 * cash[order]) == pytest.approx(rates, rel=1e-7, abs=1e-9)


def test_what_an_engine_posts_and_earns_to_date() -> None:
    days = np.array([0, 30, 60, 365])
    margin = np.array([1000.0, 1000.0, 1500.0, 0.0])
    cash = np.array([100.0, 0.0, 40.0, -20.0])
    mark = np.array([-105.0, -60.0, -30.0, 0.0])
    second, last = rates_to_date(days, margin=margin, cash=cash, mark=mark, at=[1, 3])
    assert second == pytest.approx([(940.0 / 900.0) ** (365 / 30) - 1.0])
    expected = internal_rates(days, np.array([-900.0, 0.0, -460.0, 1480.0]))
    assert last == pytest.approx(expected, abs=1e-14)
    assert expected.size == 1


def test_an_unknown_margin_gives_no_rate_and_is_posted_when_it_is_known() -> None:
    days, cash, mark = np.array([0, 30, 60]), np.array([100.0, 0.0, 0.0]), np.array([-100.0, -60.0, -30.0])
    unknown, known = rates_to_date(days, margin=np.array([1000.0, np.nan, 1200.0]), cash=cash, mark=mark, at=[1, 2])
    assert unknown is None
    assert known == pytest.approx(internal_rates(days, np.array([-900.0, 0.0, 970.0])))
    (later,) = rates_to_date(days, margin=np.array([np.nan, 1000.0, 1000.0]), cash=cash, mark=mark, at=[2])
    assert later == pytest.approx(internal_rates(days, np.array([100.0, -1000.0, 970.0])))


def test_later_sessions_change_no_rate() -> None:
    rng = np.random.default_rng(5)
    days = np.arange(120) * 3
    margin, mark = rng.integers(0, 5, 120) * 1000.0, -rng.uniform(0, 500, 120)
    cash = rng.uniform(-300, 400, 120).round(2)
    whole = rates_to_date(days, margin=margin, cash=cash, mark=mark, at=range(120))
    for end in (1, 17, 60, 119):
        (own,) = rates_to_date(days[:end], margin=margin[:end], cash=cash[:end], mark=mark[:end], at=[end - 1])
        assert own is not None
        assert own.tolist() == whole[end - 1].tolist()  # type: ignore[union-attr]
