"""What expired options settle to, and what a vertical then pays."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.book.random_book import frame
from transforms.book.settlement import settlement_values, settlements_known
from transforms.engines.payoff import Structures, option_payoff, profit_at
from transforms.schemas import INDEX_LEVEL, SETTLEMENT_VALUE
from transforms.sessions import TradingCalendar

FRIDAY = date(2024, 3, 15)
WEDNESDAY = date(2024, 3, 20)


def stated(*rows: tuple[str, date, float, str]) -> pl.DataFrame:
    named = (dict(zip(("root", "expiration", "value", "source"), row, strict=True)) for row in rows)
    return frame(SETTLEMENT_VALUE, [{**row, "exact": True} for row in named])


def levels(*rows: tuple[str, date, float | None, float]) -> pl.DataFrame:
    named = [dict(zip(("symbol", "session_date", "open", "close"), row, strict=True)) for row in rows]
    return frame(INDEX_LEVEL, named)


def found(values: pl.DataFrame) -> dict[tuple[str, date], tuple[Any, ...]]:
    return {row[:2]: row[2:] for row in values.iter_rows()}


def test_spx_settles_on_the_open_approximately_and_spxw_on_the_close(calendar: TradingCalendar) -> None:
    values = settlement_values(SETTLEMENT_VALUE.empty(), levels(("SPX", FRIDAY, 5123.31, 5117.09)), calendar=calendar)
    assert found(values) == {
        ("SPX", FRIDAY): (FRIDAY, 5123.31, "index_open", False),
        ("SPX", date(2024, 3, 16)): (FRIDAY, 5123.31, "index_open", False),
        ("SPXW", FRIDAY): (FRIDAY, 5117.09, "index_close", True),
        ("SPXW", date(2024, 3, 16)): (FRIDAY, 5117.09, "index_close", True),
    }


def test_a_stated_set_outranks_the_open(calendar: TradingCalendar) -> None:
    said = stated(("SPX", FRIDAY, 5119.05, "set"))
    values = found(settlement_values(said, levels(("SPX", FRIDAY, 5123.31, 5117.09)), calendar=calendar))
    assert values["SPX", FRIDAY] == (FRIDAY, 5119.05, "set", True)
    assert values["SPXW", FRIDAY] == (FRIDAY, 5117.09, "index_close", True)


def test_an_index_without_an_open_settles_no_spx(calendar: TradingCalendar) -> None:
    values = settlement_values(SETTLEMENT_VALUE.empty(), levels(("SPX", FRIDAY, None, 5117.09)), calendar=calendar)
    assert values["root"].unique().to_list() == ["SPXW"]


def test_vix_is_never_taken_from_the_index(calendar: TradingCalendar) -> None:
    values = settlement_values(SETTLEMENT_VALUE.empty(), levels(("VIX", WEDNESDAY, 13.8, 13.04)), calendar=calendar)
    assert values.is_empty()


def test_vix_options_of_every_class_settle_as_the_future_of_their_day(calendar: TradingCalendar) -> None:
    weekly = date(2024, 3, 27)
    said = stated(
        ("VX", weekly, 13.31, "vx_file"), ("VX", WEDNESDAY, 13.99, "vx_file"), ("VIX", WEDNESDAY, 14.01, "archive")
    )
    values = found(settlement_values(said, INDEX_LEVEL.empty(), calendar=calendar))
    assert values["VIX", weekly] == values["VIXW", weekly] == (weekly, 13.31, "vx_file", True)
    # Its own value outranks the future's; a class without one takes the future's.
    assert values["VIX", WEDNESDAY] == (WEDNESDAY, 14.01, "archive", True)
    assert values["VIXW", WEDNESDAY] == values["VX", WEDNESDAY] == (WEDNESDAY, 13.99, "vx_file", True)
    assert len(values) == 6
    assert ("VIX", date(2024, 4, 3)) not in values


@pytest.mark.parametrize(
    ("printed", "fixed_on", "value"),
    [
        # Saturdays on which SPX options expired; Good Friday 2014-04-18 was no session.
        (date(2014, 5, 17), date(2014, 5, 16), 1871.19),
        (date(2014, 4, 19), date(2014, 4, 17), 1861.73),
    ],
)
def test_an_expiration_on_a_saturday_is_fixed_on_the_session_before(
    printed: date, fixed_on: date, value: float, calendar: TradingCalendar
) -> None:
    index = levels(("SPX", fixed_on, value, value + 5), ("SPX", date(2014, 5, 14), 1.0, 2.0))
    values = found(settlement_values(SETTLEMENT_VALUE.empty(), index, calendar=calendar))
    assert values["SPX", printed] == (fixed_on, value, "index_open", False)
    assert len(values) == 6


def test_a_saturday_is_not_settled_by_an_earlier_session_where_the_last_is_missing(calendar: TradingCalendar) -> None:
    index = levels(("SPX", date(2014, 5, 15), 1.0, 2.0))
    values = found(settlement_values(SETTLEMENT_VALUE.empty(), index, calendar=calendar))
    assert [key for key in values if key[1].weekday() == 5] == []


def test_no_value_is_known_before_its_session(calendar: TradingCalendar) -> None:
    said = stated(("VX", WEDNESDAY, 13.99, "vx_file"))
    index = levels(("SPX", FRIDAY, 5123.31, 5117.09), ("SPX", WEDNESDAY, 5181.69, 5224.62))
    values = settlement_values(said, index, calendar=calendar)
    sessions = [date(2024, 3, 14), FRIDAY, date(2024, 3, 19), WEDNESDAY]
    assert [settlements_known(values, session).height for session in sessions] == [0, 4, 4, 9]
    for session in sessions:
        then = settlement_values(
            said.filter(pl.col("expiration") <= session), index.filter(pl.col("session_date") <= session),
            calendar=calendar,
        )  # fmt: skip
        assert then.equals(settlements_known(values, session))


def test_a_vertical_settles_by_one_print(calendar: TradingCalendar) -> None:
    expiration = date(2025, 1, 31)
    for root, said, index in (
        ("SPXW", SETTLEMENT_VALUE.empty(), levels(("SPX", expiration, 6096.79, 6142.62))),
        ("SPX", stated(("SPX", expiration, 6142.62, "set")), levels(("SPX", expiration, 6096.79, 6040.53))),
    ):
        value = found(settlement_values(said, index, calendar=calendar))[root, expiration][1]
        strikes, calls = np.array([6135.0, 6145.0]), np.array([True, True])
        assert option_payoff(np.array(value), strikes, is_call=calls) == pytest.approx([7.62, 0.0], abs=1e-9)
        sold = Structures(np.array([-1.0, 1.0]), strikes[None, :], calls, np.array([2.85]))
        assert profit_at(sold, np.array([value]))[0, 0] == pytest.approx(2.85 - 7.62, abs=1e-9)
