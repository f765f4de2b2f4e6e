from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from flows.sources import macro_events, open_delivery
from transforms.rules.event_ahead import RULE, sessions_to_events
from transforms.schemas import ECONOMIC_EVENT
from transforms.sessions import TradingCalendar

COLUMNS = {"event_date": pl.Date, "event": pl.String, "known_at": pl.Date}
CPI = (date(2024, 3, 12), "cpi", None)
PPI = (date(2024, 3, 14), "ppi", None)
FOMC = (date(2024, 3, 20), "fomc_decision", None)


def events(*rows: tuple[date, str, date | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def test_sessions_are_counted_over_weekends_and_holidays(calendar: TradingCalendar) -> None:
    found = sessions_to_events(events(CPI, PPI, FOMC), date(2024, 3, 8), calendar=calendar)
    assert found == {"sessions_to_cpi": 2, "sessions_to_ppi": 4, "sessions_to_fomc": 8}
    # Good Friday 2024-03-29 has no session, so a release on it is first traded on Monday.
    release = events((date(2024, 3, 29), "cpi", None))
    assert sessions_to_events(release, date(2024, 3, 28), calendar=calendar)["sessions_to_cpi"] == 1


def test_an_event_of_the_day_itself_is_over_and_none_known_is_missing(calendar: TradingCalendar) -> None:
    found = sessions_to_events(events(CPI, PPI), date(2024, 3, 12), calendar=calendar)
    assert found == {"sessions_to_cpi": None, "sessions_to_ppi": 2, "sessions_to_fomc": None}
    assert RULE(found).outcome == "unknown"


def test_an_event_is_not_seen_before_it_is_known(calendar: TradingCalendar) -> None:
    unscheduled = (date(2020, 3, 3), "fomc_intermeeting", date(2020, 3, 3))
    undated = (date(2020, 3, 3), "fomc_intermeeting", None)
    announced = (date(2020, 3, 4), "cpi", date(2020, 3, 2))
    table = events(unscheduled, undated, announced)
    before = sessions_to_events(table, date(2020, 2, 28), calendar=calendar)
    assert set(before.values()) == {None}
    on_announcement = sessions_to_events(table, date(2020, 3, 2), calendar=calendar)
    assert on_announcement == {"sessions_to_cpi": 2, "sessions_to_ppi": None, "sessions_to_fomc": None}


KINDS = st.sampled_from(("cpi", "ppi", "fomc_decision", "fomc_intermeeting", "nfp"))
DAYS = st.dates(date(2024, 1, 2), date(2024, 4, 30))


@given(
    rows=st.lists(st.tuples(DAYS, KINDS, st.none() | DAYS), max_size=20),
    tonight=DAYS.filter(trading_calendar().is_session),
    data=st.data(),
)
def test_neither_row_order_nor_what_becomes_known_later_changes_the_night(
    rows: list[tuple[date, str, date | None]], tonight: date, data: st.DataObject
) -> None:
    calendar = trading_calendar()
    found = sessions_to_events(events(*rows), tonight, calendar=calendar)
    known = [row for row in rows if row[2] is None or row[2] <= tonight]
    shuffled = data.draw(st.permutations(known))
    assert sessions_to_events(events(*shuffled), tonight, calendar=calendar) == found


def test_a_release_asks_to_tighten_and_a_rate_decision_is_only_flagged() -> None:
    calm = {"sessions_to_cpi": 9, "sessions_to_ppi": 9, "sessions_to_fomc": 9}
    assert RULE(calm).state == "none"
    assert RULE({**calm, "sessions_to_fomc": 2}).state == "flagged"
    assert RULE({**calm, "sessions_to_fomc": 1, "sessions_to_ppi": 2}).state == "tighten"
    both = RULE({**calm, "sessions_to_cpi": 1, "sessions_to_ppi": 2})
    assert both.flip == {"sessions_to_cpi": 3, "sessions_to_ppi": 3}


@pytest.mark.real_data
def test_the_real_calendar_tightens_before_the_cpi_of_march_2024(shared_data: Path, calendar: TradingCalendar) -> None:
    path = shared_data / "calendars" / "macro_events.csv"
    reading = macro_events.read(open_delivery(path.name, path.read_bytes()), calendar=calendar)
    table = reading.frames[ECONOMIC_EVENT.full_name]
    states = {
        day: RULE(sessions_to_events(table, day, calendar=calendar)).state
        for day in calendar.between(date(2024, 3, 6), date(2024, 3, 21))
    }
    # CPI on Tuesday the 12th, PPI on Thursday the 14th (BLS); FOMC on Wednesday the 20th (Federal Reserve).
    tightened = [day for day, state in states.items() if state == "tighten"]
    assert tightened == calendar.between(date(2024, 3, 8), date(2024, 3, 13))
    assert [day.day for day, state in states.items() if state == "flagged"] == [18, 19]
    # The decision of Sunday 2020-03-15 came unannounced. The meeting it replaced is not in the file, so the
    # next that is seen is that of April 29.
    before = sessions_to_events(table, date(2020, 3, 12), calendar=calendar)
    assert before["sessions_to_fomc"] == len(calendar.between(date(2020, 3, 13), date(2020, 4, 29)))
