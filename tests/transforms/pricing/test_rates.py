from datetime import date

import numpy as np
import polars as pl
import pytest

from transforms.pricing.rates import fallback_curve
from transforms.schemas import TREASURY_RATE

SESSION = date(2024, 2, 29)


def rates(*rows: tuple[date, int, float, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [(day, tenor, value, kind, "f") for day, tenor, value, kind in rows],
        schema=TREASURY_RATE.polars_schema,
        orient="row",
    )


def test_a_par_yield_becomes_a_continuously_compounded_rate():
    curve = fallback_curve(rates((SESSION, 365, 0.05, "treasury")), SESSION)
    assert curve is not None
    assert curve.rate(np.array([1.0]))[0] == pytest.approx(2 * np.log(1.025), abs=1e-15)


def test_treasury_comes_before_bills_and_bills_before_fed_funds():
    own = [(SESSION, 30, 0.05, "treasury"), (SESSION, 91, 0.04, "bill_13_week"), (SESSION, 1, 0.03, "fed_funds")]
    names = [fallback_curve(rates(*own[n:]), SESSION) for n in range(3)]
    assert [curve.name for curve in names if curve] == ["treasury", "bill_13_week", "fed_funds"]


def test_rates_of_later_days_and_of_more_than_a_week_ago_are_not_read():
    later, old = (date(2024, 3, 1), 91, 0.05, "treasury"), (date(2024, 2, 21), 91, 0.04, "treasury")
    assert fallback_curve(rates(later, old), SESSION) is None
    assert fallback_curve(rates(later, (date(2024, 2, 22), 91, 0.04, "treasury")), SESSION) is not None
