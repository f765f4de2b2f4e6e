"""The grid holds exactly the calendar's sessions between the ends of a frame."""

from datetime import date

import polars as pl

from transforms.indicators.session_grid import session_grid
from transforms.sessions import TradingCalendar


def test_the_grid_holds_every_session_between_the_ends_and_counts_them(calendar: TradingCalendar) -> None:
    first, last = date(2019, 12, 31), date(2020, 2, 3)
    dated = pl.LazyFrame({"session_date": [last, first, date(2020, 1, 1)]})
    grid = session_grid(dated, calendar=calendar).collect()
    assert grid["session_date"].to_list() == calendar.between(first, last)
    assert grid["session_number"].diff().drop_nulls().unique().to_list() == [1]


def test_an_empty_frame_has_an_empty_grid(calendar: TradingCalendar) -> None:
    dated = pl.LazyFrame(schema={"session_date": pl.Date()})
    assert session_grid(dated, calendar=calendar).collect().is_empty()
