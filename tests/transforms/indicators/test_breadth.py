"""The advance-decline line: one exchange at a time, restarted after a gap, blind to the future."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from transforms.errors import UsageError
from transforms.indicators.breadth import EXCHANGES, advance_decline_line
from transforms.schemas import MARKET_BREADTH

CALENDAR = trading_calendar()
Count = tuple[date, str, int, int]


def breadth(counts: list[Count]) -> pl.LazyFrame:
    types = {name: MARKET_BREADTH.polars_schema[name] for name in ("session_date", "exchange")}
    schema = types | {"advances": pl.Int64(), "declines": pl.Int64()}
    return pl.LazyFrame(counts, schema=schema, orient="row")


def line(counts: list[Count], exchange: str = "NYSE") -> list[tuple[date, str, float | None, bool]]:
    return advance_decline_line(breadth(counts), calendar=CALENDAR, breadth_exchange=exchange).collect().rows()


def test_the_exchanges_are_those_of_the_schema() -> None:
    allowed = {column.name: column.allowed for column in MARKET_BREADTH.columns}
    assert allowed["exchange"] == EXCHANGES


def test_the_line_sums_net_advances_and_restarts_after_a_session_without_a_count() -> None:
    counts = [
        (date(2026, 9, 28), "NYSE", 1500, 1200),
        (date(2026, 9, 29), "NYSE", 700, 2000),
        (date(2026, 10, 1), "NYSE", 1600, 1100),
        (date(2026, 10, 2), "NYSE", 1400, 1400),
    ]
    assert line(counts) == [
        (date(2026, 9, 28), "NYSE", 300.0, True),
        (date(2026, 9, 29), "NYSE", -1000.0, False),
        (date(2026, 9, 30), "NYSE", None, False),
        (date(2026, 10, 1), "NYSE", -500.0, True),
        (date(2026, 10, 2), "NYSE", -500.0, False),
    ]


def test_the_preferred_exchange_takes_over_at_its_first_session_and_is_never_added_to_the_other() -> None:
    counts = [
        (date(2026, 9, 28), "NYSE_CONSTITUENTS", 900, 600),
        (date(2026, 9, 29), "NYSE_CONSTITUENTS", 800, 700),
        (date(2026, 9, 29), "NYSE", 1500, 1200),
        (date(2026, 9, 30), "NYSE_CONSTITUENTS", 500, 700),
    ]
    assert line(counts) == [
        (date(2026, 9, 28), "NYSE_CONSTITUENTS", 300.0, True),
        (date(2026, 9, 29), "NYSE", 300.0, True),
    ]
    assert line(counts, "NYSE_CONSTITUENTS")[2] == (date(2026, 9, 30), "NYSE_CONSTITUENTS", 200.0, False)


def test_without_the_preferred_exchange_the_other_serves() -> None:
    counts = [(date(2026, 9, 28), "NYSE_CONSTITUENTS", 900, 600)]
    assert line(counts) == [(date(2026, 9, 28), "NYSE_CONSTITUENTS", 300.0, True)]


def test_an_unknown_exchange_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match='breadth_exchange = "NASDAQ"'):
        line([], "NASDAQ")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_known=st.integers(1, 40))
def test_later_counts_and_row_order_change_no_row_of_the_past(seed: int, n_known: int) -> None:
    rng = np.random.default_rng(seed)
    sessions = CALENDAR.between(date(2026, 1, 2), date(2026, 3, 5))
    first_nyse = int(rng.integers(0, len(sessions)))
    counts = [
        (session, exchange, int(rng.integers(0, 3000)), int(rng.integers(0, 3000)))
        for number, session in enumerate(sessions)
        for exchange in EXCHANGES
        if rng.uniform() > 0.1 and (exchange != "NYSE" or number >= first_nyse)
    ]
    last = sessions[n_known]
    past = line([count for count in counts if count[0] <= last])
    shuffled = [counts[index] for index in rng.permutation(len(counts))]
    assert [row for row in line(shuffled) if row[0] <= last][: len(past)] == past
