"""The variance clock and the events it speeds up for."""

from datetime import date

import numpy as np
import pytest

from transforms.sample_market.clock import YEAR_WEIGHT, variance_clock
from transforms.sample_market.daily import published_closes
from transforms.sample_market.macro import EVENT_VARIANCE, MacroEvent, macro_events
from transforms.sample_market.market import SampleMarket
from transforms.sessions import TradingCalendar

FIRST, LAST = date(2010, 1, 4), date(2029, 12, 31)


def test_an_average_year_of_the_clock_has_length_one(calendar: TradingCalendar) -> None:
    clock = variance_clock(FIRST, LAST, calendar=calendar, events=macro_events(FIRST, LAST, calendar=calendar))
    assert clock.at_close[-1] / 20.0 == pytest.approx(1.0, abs=0.01)
    assert (np.diff(np.stack([clock.at_open, clock.at_close], axis=1).ravel()) > 0.0).all()


def test_an_event_adds_its_variance_to_its_day_and_to_no_other(calendar: TradingCalendar) -> None:
    event = MacroEvent(date(2026, 3, 18), "fomc_decision", "", "")
    bounds = (date(2026, 3, 2), date(2026, 3, 31))
    plain = variance_clock(*bounds, calendar=calendar, events=[])
    busy = variance_clock(*bounds, calendar=calendar, events=[event])
    added = np.diff(busy.at_close) - np.diff(plain.at_close)
    where = np.flatnonzero(added > 1e-12)
    assert busy.sessions[where + 1].tolist() == [event.event_date]
    assert added[where] * YEAR_WEIGHT == pytest.approx(EVENT_VARIANCE["fomc_decision"])


def test_there_are_eight_meetings_and_twelve_releases_a_year_all_on_sessions(calendar: TradingCalendar) -> None:
    events = macro_events(date(2026, 1, 1), date(2026, 12, 31), calendar=calendar)
    counts = {kind: sum(event.event == kind for event in events) for kind in EVENT_VARIANCE}
    assert counts == {"fomc_decision": 8, "cpi": 12, "ppi": 12, "nfp": 12}
    assert all(calendar.is_session(event.event_date) for event in events)


def test_short_dated_vix_falls_over_meetings_more_than_on_other_days(market: SampleMarket) -> None:
    ratio = np.array([close["VIX9D"] / close["VIX"] for close in market.closes])
    meetings = [event.event_date for event in market.events if event.event == "fomc_decision"]
    on_meeting = np.isin(market.days, np.array(meetings, dtype="datetime64[D]"))
    change = np.diff(np.log(ratio))
    assert on_meeting.sum() >= 1
    assert change[on_meeting[1:]].mean() < np.median(change)


def test_published_closes_of_some_rows_equal_those_of_the_whole(market: SampleMarket) -> None:
    rows = range(25, 28)
    assert published_closes(market.path, calendar=market.calendar, rows=rows) == list(market.closes[25:28])
