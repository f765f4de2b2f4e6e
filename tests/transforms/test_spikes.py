"""A value many times its neighbours, whatever the order of rows and whatever comes later."""

from datetime import date, timedelta
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.spikes import is_spike

FIRST = date(2024, 1, 1)
CEILING = 10_000.0


def spikes(values: list[float | None]) -> list[bool | None]:
    days = [FIRST + timedelta(days=n) for n in range(len(values))]
    frame = pl.DataFrame({"day": days, "level": values}, schema={"day": pl.Date, "level": pl.Float64})
    return frame.select(is_spike("level", session="day", ceiling=CEILING)).to_series().to_list()


def test_a_tenfold_value_is_a_spike_and_its_neighbours_are_none() -> None:
    assert spikes([14.0, 14.5, 15.0, 14.8, 148.0, 14.9, 15.1]) == [None, None, None, False, True, False, False]


def test_a_tenth_is_a_spike_too() -> None:
    assert spikes([14.0, 14.5, 15.0, 1.48])[-1] is True


def test_the_largest_real_rise_is_no_spike() -> None:
    # VIX9D, 2018-01-29 to 2018-02-05 (VIX9D_History.csv).
    assert spikes([14.91, 16.20, 13.86, 13.86, 18.86, 59.34])[-1] is False


def test_several_impossible_values_do_not_condemn_the_sound_one_after_them() -> None:
    found = spikes([120.0, 121.0, 119.0, 120.0, 9e15, 1e12, 120.0, 121.0, 9e15, 116.0])
    # Only two of the five before the last are values at all: it is not judged.
    assert found[3:] == [False, True, True, False, False, True, None]


def test_nothing_is_judged_against_fewer_than_three_values() -> None:
    assert spikes([10.0, None, 100.0, 0.0, 1000.0]) == [None] * 5


@settings(deadline=None)
@given(values=st.lists(st.floats(0.5, 500.0), min_size=5, max_size=40), rng=st.randoms(use_true_random=False))
def test_neither_order_nor_later_rows_change_a_verdict(values: list[float], rng: Random) -> None:
    days = [FIRST + timedelta(days=n) for n in range(len(values))]
    frame = pl.DataFrame({"day": days, "level": values}).with_columns(
        is_spike("level", session="day", ceiling=CEILING).alias("spike")
    )
    order = list(range(len(values)))
    rng.shuffle(order)
    shuffled = frame[order].with_columns(is_spike("level", session="day", ceiling=CEILING).alias("again")).sort("day")
    assert shuffled["again"].equals(frame["spike"].alias("again"), null_equal=True)
    assert spikes(values[:-1]) == frame["spike"][:-1].to_list()


@pytest.mark.parametrize("series", ["one", "two"])
def test_each_series_is_judged_by_itself(series: str) -> None:
    days = [FIRST + timedelta(days=n) for n in range(5)]
    frame = pl.concat(
        [
            pl.DataFrame({"day": days, "level": [10.0] * 5}).with_columns(name=pl.lit("one")),
            pl.DataFrame({"day": days, "level": [1000.0] * 5}).with_columns(name=pl.lit("two")),
        ]
    )
    judged = frame.with_columns(is_spike("level", session="day", ceiling=CEILING, series="name").alias("spike"))
    assert judged.filter(pl.col("name") == series)["spike"].to_list() == [None, None, None, False, False]
