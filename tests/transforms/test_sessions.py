"""Sessions, expirations, settlement instants, and the session a stamped download belongs to."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from transforms.errors import DataError
from transforms.sessions import (
    FIRST_MONTH_OF_RULE,
    OPTION_OPEN,
    TradingCalendar,
    option_close,
    settlement_instant,
    settlement_style,
    snapshot_of_stamp,
    spx_monthly_expiration,
    third_friday,
    vix_monthly_expiration,
    vix_monthly_expirations,
)

CALENDAR = trading_calendar()
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2034, 12, 31))
STAMPS = st.datetimes(min_value=datetime(2010, 1, 1), max_value=datetime(2034, 12, 31))
ROOTS = ("SPX", "SPXW", "VIX", "VIXW")

SMALL = TradingCalendar(
    sessions=np.array(["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-05"], dtype="datetime64[D]"),
    early_closes=np.array(["2024-07-03"], dtype="datetime64[D]"),
)


def test_a_calendar_knows_its_sessions_and_half_days() -> None:
    assert SMALL.is_session(date(2024, 7, 3))
    assert not SMALL.is_session(date(2024, 7, 4))
    assert not SMALL.is_session(date(2024, 7, 6))
    assert SMALL.is_early_close(date(2024, 7, 3))
    assert not SMALL.is_early_close(date(2024, 7, 2))


def test_neighbouring_sessions_step_over_days_without_one() -> None:
    assert SMALL.on_or_before(date(2024, 7, 4)) == date(2024, 7, 3)
    assert SMALL.on_or_before(date(2024, 7, 5)) == date(2024, 7, 5)
    assert SMALL.before(date(2024, 7, 5)) == date(2024, 7, 3)
    assert SMALL.after(date(2024, 7, 3)) == date(2024, 7, 5)
    assert SMALL.after(date(2024, 7, 1), 3) == date(2024, 7, 5)
    assert SMALL.between(date(2024, 7, 2), date(2024, 7, 4)) == [date(2024, 7, 2), date(2024, 7, 3)]
    assert SMALL.between(date(2024, 7, 4), date(2024, 7, 4)) == []


def test_a_day_outside_the_calendar_is_an_error_that_says_what_it_covers() -> None:
    with pytest.raises(DataError, match="covers 2024-07-01 to 2024-07-05"):
        SMALL.before(date(2024, 7, 1))
    with pytest.raises(DataError, match="2024-07-05"):
        SMALL.after(date(2024, 7, 5))


@given(DAYS)
def test_before_and_after_are_inverse_on_sessions(day: date) -> None:
    session = CALENDAR.on_or_before(day)
    assert CALENDAR.is_session(session)
    assert session <= day < CALENDAR.after(session)
    assert CALENDAR.before(CALENDAR.after(session)) == session
    assert CALENDAR.between(session, CALENDAR.after(session)) == [session, CALENDAR.after(session)]


@pytest.mark.parametrize(
    ("day", "is_session", "is_early"),
    [
        (date(2001, 9, 12), False, False),
        (date(2012, 10, 30), False, False),  # hurricane Sandy
        (date(2018, 12, 5), False, False),  # day of mourning
        (date(2021, 6, 18), True, False),  # Juneteenth became a holiday of the exchange in 2022
        (date(2022, 6, 20), False, False),
        (date(2023, 11, 24), True, True),
        (date(2024, 7, 3), True, True),
        (date(2024, 12, 24), True, True),
        (date(2025, 1, 9), False, False),  # day of mourning
    ],
)
def test_new_york_holidays_and_half_days(day: date, is_session: bool, is_early: bool) -> None:
    assert CALENDAR.is_session(day) == is_session
    assert CALENDAR.is_early_close(day) == is_early


@given(st.integers(1990, 2034), st.integers(1, 12))
def test_the_third_friday_is_a_friday_between_the_15th_and_the_21st(year: int, month: int) -> None:
    friday = third_friday(year, month)
    assert friday.weekday() == 4
    assert 15 <= friday.day <= 21


@pytest.mark.parametrize(
    "expiration",
    [
        # Expirations of listed VX contracts that are not on a third Wednesday (data manifest, vx_futures/current).
        date(2013, 2, 13),
        date(2013, 5, 22),
        date(2014, 1, 22),
        date(2014, 3, 18),
        date(2014, 10, 22),
        date(2015, 7, 22),
        date(2017, 3, 22),
        date(2018, 2, 14),
        date(2018, 8, 22),
        date(2019, 2, 13),
        date(2019, 3, 19),
        date(2019, 5, 22),
        date(2022, 3, 15),
        date(2024, 6, 18),
        date(2025, 3, 18),
        date(2026, 5, 19),
        # METHOD 1: the Friday 30 days later is Juneteenth.
        date(2027, 5, 18),
    ],
)
def test_vix_monthlies_off_the_third_wednesday(expiration: date) -> None:
    assert vix_monthly_expiration(expiration.year, expiration.month, calendar=CALENDAR) == expiration


def test_the_rule_differs_from_the_third_wednesday_in_27_of_180_months() -> None:
    """METHOD 1: 20 months before holidays move the day, 27 after, 2013 to 2027."""
    months = [(year, month) for year in range(2013, 2028) for month in range(1, 13)]
    third_wednesdays = [
        third_friday(y, m) + timedelta(days=5 if third_friday(y, m).day < 17 else -2) for y, m in months
    ]
    assert all(day.weekday() == 2 and 15 <= day.day <= 21 for day in third_wednesdays)
    weekends_only = np.arange("2012-01-02", "2029-01-01", dtype="datetime64[D]")
    no_holidays = TradingCalendar(
        sessions=weekends_only[np.is_busday(weekends_only)], early_closes=np.array([], dtype="datetime64[D]")
    )
    for calendar, expected in ((no_holidays, 20), (CALENDAR, 27)):
        ours = [vix_monthly_expiration(year, month, calendar=calendar) for year, month in months]
        assert sum(a != b for a, b in zip(ours, third_wednesdays, strict=True)) == expected


@given(st.integers(1996, 2034), st.integers(1, 12))
def test_vix_monthlies_are_sessions_30_or_31_days_before_the_friday_unless_holidays_stretch_it(
    year: int, month: int
) -> None:
    expiration = vix_monthly_expiration(year, month, calendar=CALENDAR)
    assert (expiration.year, expiration.month) == (year, month)
    assert CALENDAR.is_session(expiration)
    if (year, month) < FIRST_MONTH_OF_RULE:
        assert expiration == CALENDAR.on_or_before(third_friday(year, month) - timedelta(days=2))
        return
    friday = third_friday(year + month // 12, month % 12 + 1)
    assert 30 <= (friday - expiration).days <= 34
    if CALENDAR.is_session(friday) and CALENDAR.is_session(friday - timedelta(days=30)):
        assert (friday - expiration).days == 30


@given(DAYS, st.integers(0, 800))
def test_vix_monthlies_of_a_span_are_those_of_its_months(first: date, n_days: int) -> None:
    last = min(first + timedelta(days=n_days), date(2034, 12, 31))
    found = vix_monthly_expirations(first, last, calendar=CALENDAR)
    months = [(year, month) for year in range(first.year, last.year + 1) for month in range(1, 13)]
    every = [vix_monthly_expiration(year, month, calendar=CALENDAR) for year, month in months]
    assert found == [expiration for expiration in every if first <= expiration <= last]


@pytest.mark.parametrize(
    ("month", "expiration"),
    [((2024, 6), date(2024, 6, 21)), ((2014, 4), date(2014, 4, 17)), ((2022, 4), date(2022, 4, 14))],
)
def test_the_spx_monthly_moves_before_good_friday(month: tuple[int, int], expiration: date) -> None:
    assert spx_monthly_expiration(*month, calendar=CALENDAR) == expiration


def test_only_spxw_settles_in_the_afternoon() -> None:
    assert {root: settlement_style(root) for root in ROOTS} == {"SPX": "am", "SPXW": "pm", "VIX": "am", "VIXW": "am"}


@pytest.mark.parametrize(
    ("root", "expiration", "instant"),
    [
        ("SPX", date(2024, 1, 19), datetime(2024, 1, 19, 14, 30)),  # winter: New York is UTC-5
        ("SPX", date(2024, 6, 21), datetime(2024, 6, 21, 13, 30)),  # summer: UTC-4
        ("SPXW", date(2024, 3, 8), datetime(2024, 3, 8, 21, 0)),  # the Friday before clocks move
        ("SPXW", date(2024, 3, 11), datetime(2024, 3, 11, 20, 0)),  # the Monday after
        ("SPXW", date(2024, 11, 1), datetime(2024, 11, 1, 20, 0)),
        ("SPXW", date(2024, 11, 4), datetime(2024, 11, 4, 21, 0)),
        ("SPXW", date(2024, 7, 3), datetime(2024, 7, 3, 17, 0)),  # half day: 13:00
        ("SPX", date(2024, 7, 3), datetime(2024, 7, 3, 13, 30)),
        ("VIX", date(2024, 6, 18), datetime(2024, 6, 18, 13, 30)),
        ("VIXW", date(2024, 6, 26), datetime(2024, 6, 26, 13, 30)),
        ("SPX", date(2011, 1, 22), datetime(2011, 1, 21, 14, 30)),  # printed as a Saturday
        ("SPXW", date(2014, 4, 18), datetime(2014, 4, 17, 20, 0)),  # Good Friday
    ],
)
def test_settlement_instants(root: str, expiration: date, instant: datetime) -> None:
    assert settlement_instant(root, expiration, calendar=CALENDAR) == instant


@given(st.sampled_from(ROOTS), DAYS)
def test_an_option_settles_on_the_last_session_not_after_its_expiration(root: str, expiration: date) -> None:
    instant = settlement_instant(root, expiration, calendar=CALENDAR)
    session = CALENDAR.on_or_before(expiration)
    assert instant.date() == session
    assert instant < option_close(session, calendar=CALENDAR)


@pytest.mark.parametrize(
    ("stamp", "session", "quote_ts", "kind"),
    [
        # Stamps of real downloads (data manifest).
        ("2022-02-05 20:09", date(2022, 2, 4), "2022-02-04 21:15", "close"),  # a Saturday
        ("2023-05-23 19:39", date(2023, 5, 23), "2023-05-23 20:15", "close"),
        ("2023-09-14 16:31", date(2023, 9, 14), "2023-09-14 20:31", "non_regular"),  # curb session
        ("2024-01-07 10:52", date(2024, 1, 5), "2024-01-05 21:15", "close"),  # a Sunday
        ("2023-04-16 22:59", date(2023, 4, 14), "2023-04-17 02:59", "non_regular"),  # overnight into Monday
        ("2025-01-06 21:26", date(2025, 1, 6), "2025-01-07 02:26", "non_regular"),
        ("2019-05-13 04:47", date(2019, 5, 10), "2019-05-13 08:47", "non_regular"),  # early morning session
        ("2020-09-04 20:49", date(2020, 9, 4), "2020-09-04 20:15", "close"),  # before there was an overnight session
        # Around the hours of regular trading.
        ("2024-01-10 09:29", date(2024, 1, 9), "2024-01-10 14:29", "non_regular"),
        ("2024-01-10 09:30", date(2024, 1, 10), "2024-01-10 14:30", "intraday"),
        ("2024-01-10 16:14", date(2024, 1, 10), "2024-01-10 21:14", "intraday"),
        ("2024-01-10 16:15", date(2024, 1, 10), "2024-01-10 21:15", "close"),
        ("2024-01-10 16:59", date(2024, 1, 10), "2024-01-10 21:59", "non_regular"),
        ("2024-01-10 17:00", date(2024, 1, 10), "2024-01-10 21:15", "close"),
        ("2024-01-10 20:14", date(2024, 1, 10), "2024-01-10 21:15", "close"),
        ("2024-01-10 20:15", date(2024, 1, 10), "2024-01-11 01:15", "non_regular"),
        # A Friday evening opens no overnight session; before 2015 there was none in the morning either.
        ("2024-01-12 21:00", date(2024, 1, 12), "2024-01-12 21:15", "close"),
        ("2014-01-10 08:00", date(2014, 1, 9), "2014-01-09 21:15", "close"),
        # Half days close at 13:15 and have no curb session.
        ("2024-07-03 13:15", date(2024, 7, 3), "2024-07-03 17:15", "close"),
        ("2024-07-03 13:16", date(2024, 7, 3), "2024-07-03 17:15", "close"),
        ("2024-07-03 16:30", date(2024, 7, 3), "2024-07-03 17:15", "close"),
        ("2024-07-04 12:00", date(2024, 7, 3), "2024-07-03 17:15", "close"),
    ],
)
def test_the_snapshot_of_a_stamp(stamp: str, session: date, quote_ts: str, kind: str) -> None:
    snapshot = snapshot_of_stamp(datetime.fromisoformat(stamp), calendar=CALENDAR)
    assert (snapshot.session_date, snapshot.quote_ts, snapshot.kind) == (
        session,
        datetime.fromisoformat(quote_ts),
        kind,
    )


@given(STAMPS)
def test_a_snapshot_is_of_a_session_that_has_opened_and_of_no_later_instant(stamp: datetime) -> None:
    snapshot = snapshot_of_stamp(stamp, calendar=CALENDAR)
    assert CALENDAR.is_session(snapshot.session_date)
    assert datetime.combine(snapshot.session_date, OPTION_OPEN) <= stamp
    assert snapshot.quote_ts <= stamp + timedelta(hours=5)  # New York is four or five hours behind UTC
    if snapshot.kind == "close":
        assert snapshot.quote_ts == option_close(snapshot.session_date, calendar=CALENDAR)


@given(STAMPS, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=5)))
def test_a_later_stamp_never_belongs_to_an_earlier_session(stamp: datetime, later: timedelta) -> None:
    first = snapshot_of_stamp(stamp, calendar=CALENDAR)
    second = snapshot_of_stamp(stamp + later, calendar=CALENDAR)
    assert first.session_date <= second.session_date
