"""A list of FOMC decision days."""

from datetime import date

import pytest

from flows.sources import Reading, open_delivery
from flows.sources import fomc_list as source
from transforms.sessions import TradingCalendar


def read(*lines: str, calendar: TradingCalendar) -> Reading:
    delivery = open_delivery("fomc.csv", "\n".join(["date,meeting_end,kind,notes", *lines]).encode())
    assert source.recognizes(delivery)
    return source.read(delivery, calendar=calendar)


def test_a_scheduled_day_is_a_decision_without_time_or_announcement(calendar: TradingCalendar) -> None:
    reading = read("2019-01-30,2019-01-30,scheduled,Jan 29-30", calendar=calendar)
    assert reading.frames["core.economic_event"].rows() == [
        (date(2019, 1, 30), "fomc_decision", None, None, "federal_reserve", 1)
    ]


def test_an_unscheduled_day_was_known_on_the_day_itself(calendar: TradingCalendar) -> None:
    reading = read("2020-03-15,2020-03-15,unscheduled,Mar 15", calendar=calendar)
    row = reading.frames["core.economic_event"].row(0, named=True)
    assert (row["event"], row["known_at"]) == ("fomc_intermeeting", date(2020, 3, 15))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("2019-01-32,2019-01-30,scheduled,", "bad_date"),
        ("2019-01-30,2019-01-30,rumored,", "unknown_kind"),
        ("2019-01-29,2019-01-30,scheduled,", "label_mismatch"),
    ],
)
def test_a_line_that_is_no_decision_is_rejected(line: str, rule: str, calendar: TradingCalendar) -> None:
    assert read(line, calendar=calendar).rejected["rule"].to_list() == [rule]
