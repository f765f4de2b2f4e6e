"""The macroeconomic calendar: which events are ours, their instants, and releases filed a year early."""

from datetime import date, datetime

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import macro_events as source
from transforms.sessions import TradingCalendar


def read(*lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("events.csv", "\n".join(["date,event,detail,ref_period,time_et,source", *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


@pytest.mark.parametrize(
    ("line", "instant"),
    [
        ("2024-01-11,cpi,release,December 2023,08:30,bls:sched2024", datetime(2024, 1, 11, 13, 30)),
        ("2024-07-11,cpi,release,June 2024,08:30,bls:sched2024", datetime(2024, 7, 11, 12, 30)),
        ("2024-03-20,fomc_decision,meeting,,14:00,fed:calendar", datetime(2024, 3, 20, 18, 0)),
        ("2000-02-02,fomc_decision,meeting,,14:15,fed:calendar", datetime(2000, 2, 2, 19, 15)),
    ],
)
def test_the_instant_is_the_new_york_time_in_utc(line: str, instant: datetime, calendar: TradingCalendar) -> None:
    row = read(line, calendar=calendar).frames["core.economic_event"].row(0, named=True)
    assert row["event_ts"] == instant
    assert row["known_at"] is None


def test_an_intermeeting_move_without_time_was_known_on_its_day(calendar: TradingCalendar) -> None:
    reading = read("2020-03-15,fomc_intermeeting,emergency cut (Sunday),,,manual", calendar=calendar)
    assert reading.frames["core.economic_event"].rows() == [
        (date(2020, 3, 15), "fomc_intermeeting", None, date(2020, 3, 15), "manual", 1)
    ]


def test_other_events_are_counted_and_kept_out(calendar: TradingCalendar) -> None:
    reading = read(
        "2024-06-19,vix_expiry,computed,,09:30,computed",
        "2024-06-21,opex,computed,,16:00,computed",
        "2024-06-12,cpi,release,May 2024,08:30,bls:sched2024",
        calendar=calendar,
    )
    assert (reading.n_lines, reading.n_rows) == (3, 1)
    assert reading.notes == ("2 lines of other events kept out (opex, vix_expiry)",)


@pytest.mark.parametrize(
    "line",
    [
        "cpi,Consumer Price Index release,December 2023,08:30,bls,2024-01-11",
        "2024-01-11,,release,December 2023,08:30,bls",
        "2024-01-11,8,release,December 2023,08:30,bls",
    ],
)
def test_a_line_whose_event_is_no_code_is_rejected_as_it_may_be_ours(line: str, calendar: TradingCalendar) -> None:
    reading = read(line, calendar=calendar)
    assert (reading.n_rows, reading.notes) == (1, ())
    assert reading.rejected["rule"].to_list() == ["unknown_kind"]


@pytest.mark.parametrize(
    ("event_date", "period", "kept"),
    [
        ("2000-01-17", "December 2000", False),
        ("2001-01-17", "December 2000", True),
        ("2024-05-15", "April 2024", True),
        ("2024-05-15", "May 2024", True),
        ("2024-05-15", "June 2024", False),
        ("2024-05-15", "January 2024", True),
        ("2024-05-15", "December 2023", False),
        ("2024-05-15", "first quarter", False),
    ],
)
def test_a_release_follows_the_month_it_reports_on(
    event_date: str, period: str, kept: bool, calendar: TradingCalendar
) -> None:
    reading = read(f"{event_date},cpi,release,{period},08:30,bls", calendar=calendar)
    assert reading.frames["core.economic_event"].height == int(kept)
    assert reading.rejected["rule"].to_list() == ([] if kept else ["ref_period_mismatch"])


def test_unreadable_days_and_times_are_rejected(calendar: TradingCalendar) -> None:
    reading = read(
        "2024-05-32,cpi,release,April 2024,08:30,bls", "2024-05-15,cpi,release,April 2024,8.30am,bls", calendar=calendar
    )
    assert reading.rejected["rule"].to_list() == ["bad_date", "bad_time"]


def test_repeated_events_are_left_to_validation(calendar: TradingCalendar) -> None:
    line = "2024-06-12,cpi,release,May 2024,08:30,bls:sched2024"
    assert read(line, line, calendar=calendar).frames["core.economic_event"].height == 2
