from datetime import date, timedelta

import pytest

from transforms.rules.weekly_session import RULE, WeeklySessionParameters, week_timing
from transforms.sessions import TradingCalendar

DAY = WeeklySessionParameters(weekly_decision="day")


def chosen(calendar: TradingCalendar, parameters: WeeklySessionParameters | None) -> list[date]:
    """The sessions of 2004 to 2035 on which the rule holds; the last Monday has none after it to look at."""
    sessions = calendar.between(date(2004, 1, 1), date(2035, 12, 28))
    return [day for day in sessions if RULE(week_timing(day, calendar=calendar), parameters).holds]


def test_every_week_with_a_session_has_one_eve_whose_orders_fill_in_its_first_session(
    calendar: TradingCalendar,
) -> None:
    # Weeks are numbered by days since a Monday, so that the turn of the year is no week of its own.
    first_of_week: dict[int, date] = {}
    for day in calendar.between(date(2004, 1, 5), date(2035, 12, 31)):
        first_of_week.setdefault((day - date(2004, 1, 5)).days // 7, day)
    assert len(first_of_week) == 1670
    fills = [calendar.after(eve) for eve in chosen(calendar, None)]
    assert fills == list(first_of_week.values())
    days = [day for day in chosen(calendar, DAY) if day >= date(2004, 1, 5)]
    assert [*days, date(2035, 12, 31)] == list(first_of_week.values())


@pytest.mark.parametrize(
    ("eve", "fill"),
    [
        (date(2024, 3, 8), date(2024, 3, 11)),  # an ordinary Friday
        (date(2024, 3, 28), date(2024, 4, 1)),  # Thursday before Good Friday
        (date(2024, 5, 24), date(2024, 5, 28)),  # Memorial Day: the week begins on Tuesday
        (date(2012, 10, 26), date(2012, 10, 31)),  # the hurricane closed Monday and Tuesday
        (date(2006, 12, 29), date(2007, 1, 3)),  # New Year, and the day of mourning for President Ford
    ],
)
def test_holidays_move_the_weeks_first_session_and_its_eve(calendar: TradingCalendar, eve: date, fill: date) -> None:
    assert RULE(week_timing(eve, calendar=calendar)).outcome == "passed"
    assert calendar.after(eve) == fill
    assert RULE(week_timing(fill, calendar=calendar), DAY).outcome == "passed"
    assert RULE(week_timing(eve, calendar=calendar), DAY).outcome == "failed"


def test_a_session_within_the_week_says_what_would_make_it_an_eve(calendar: TradingCalendar) -> None:
    evaluation = RULE(week_timing(date(2024, 3, 6), calendar=calendar))
    assert evaluation.outcome == "failed"
    assert evaluation.flip == {"next_session": date(2024, 3, 4) + timedelta(days=7)}
