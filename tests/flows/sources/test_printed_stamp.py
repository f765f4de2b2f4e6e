"""The download's time, as browsers print it in many languages."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources.printed_stamp import MONTH_NAMES, utc_stamp
from transforms.sessions import NEW_YORK

AMBIGUOUS_MONTHS = {("polish", 11), ("croatian", 10)}


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        # date lines of quotedata downloads (vendor layouts 1 and 2)
        ("Date: February 5 2022, 8:09 PM EST", "2022-02-06 01:09"),
        ("Date: June 11, 2022, 8:47 PM EDT", "2022-06-12 00:47"),
        ("Date: January 7, 2024 at 10:52 AM EST", "2024-01-07 15:52"),
        ("Date: 5 April 2023, 19:41 UTC\u22124", "2023-04-05 23:41"),
        ("Date: 8 June 2023 7:56 PM EDT", "2023-06-08 23:56"),
        ("Date: 14 March 2026 at 07:34 GMT-4", "2026-03-14 11:34"),
        ("Date: 9 декабря 2023 г. в 13:49 GMT-5", "2023-12-09 18:49"),
        ("Date: 23 de marzo de 2022, 10:11 GMT-4", "2022-03-23 14:11"),
        ("Date: 11 de noviembre de 2024, 8:02 GMT-5", "2024-11-11 13:02"),
        ("Sep 04 2020 @ 20:49 ET", "2020-09-05 00:49"),
        # other languages and orders (Unicode CLDR, long and medium dates)
        ("23. Mai 2023 um 19:39 GMT-4", "2023-05-23 23:39"),
        ("23 mai 2023 à 19 h 39 UTC\u22124", "2023-05-23 23:39"),
        ("mardi 23 mai 2023, 19:39", "2023-05-23 23:39"),
        ("23 maggio 2023 alle ore 19:39 GMT-4", "2023-05-23 23:39"),
        ("23 de mai. de 2023 19:39 GMT-4", "2023-05-23 23:39"),
        ("23 mei 2023 om 19:39 GMT-4", "2023-05-23 23:39"),
        ("23 maja 2023 19:39 GMT-4", "2023-05-23 23:39"),
        ("23. toukokuuta 2023 klo 19.39 UTC-4", "2023-05-23 23:39"),
        ("2023年5月23日 19:39 GMT-4", "2023-05-23 23:39"),
        ("2023년 5월 23일 오후 7:39 GMT-4", "2023-05-23 23:39"),
        ("23 ago 2023, 7:39 p. m. GMT-4", "2023-08-23 23:39"),
        ("23.05.2023, 19:39", "2023-05-23 23:39"),
        ("13-09-22 16:31", "2022-09-13 20:31"),
        ("13/09/2022 16:31", "2022-09-13 20:31"),
        ("2023-05-23 19:39", "2023-05-23 23:39"),
        ("12:05 AM, May 23, 2023 EDT", "2023-05-23 04:05"),
        ("12:05 PM, May 23, 2023 EDT", "2023-05-23 16:05"),
        ("May 23, 2023 at 5:39 PM UTC+5:30", "2023-05-23 12:09"),
    ],
)
def test_a_printed_date_and_clock_become_an_instant(printed: str, expected: str) -> None:
    assert utc_stamp(printed) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "printed",
    [
        "09/05/2022 4:31 PM EDT",  # 9 May or 5 September
        "23. listopada 2023. 19:39",  # Croatian October, Polish November
        "May 23, 2023",
        "7:39 PM EDT",
        "February 30 2022, 8:09 PM EST",
        "May 23, 2023 at 13:39 PM EDT",
        "May 23, 2023 at 25:39",
        "May 23, 2023 at 7:39 PM AEST",
        "May 23, 2023 7:39 PM EDT 8:39 PM EDT",
        "May 23, 2023 at 7:39 PM EDT PST",
        "May 23 June 2023 at 7:39 PM",
        "23 พฤษภาคม 2566 19:39",
        "May 23, 1823 at 7:39 PM",
        "May 99999999999999999999, 2023 at 7:39 PM",
        "99999999999999999999-05-2023 19:39",
        "",
    ],
)
def test_what_is_incomplete_or_has_two_readings_is_not_read(printed: str) -> None:
    assert utc_stamp(printed) is None


def test_a_clock_without_zone_is_new_york_time_in_summer_and_winter() -> None:
    assert utc_stamp("July 5, 2023 4:31 PM") == datetime(2023, 7, 5, 20, 31)
    assert utc_stamp("January 5, 2023 4:31 PM") == datetime(2023, 1, 5, 21, 31)


@pytest.mark.parametrize("language", sorted(MONTH_NAMES))
def test_every_month_of_every_language_is_read_or_known_to_be_ambiguous(language: str) -> None:
    read = {
        month: utc_stamp(f"7 {name.upper()} 2023, 12:00 UTC")
        for month, name in enumerate(MONTH_NAMES[language].split(), 1)
    }
    assert read == {
        month: None if (language, month) in AMBIGUOUS_MONTHS else datetime(2023, month, 7, 12) for month in range(1, 13)
    }


@given(
    day=st.dates(date(2015, 1, 1), date(2035, 12, 31)),
    minute=st.integers(0, 24 * 60 - 1),
    language=st.sampled_from(sorted(set(MONTH_NAMES) - {"polish", "croatian"})),
    offset=st.integers(-5, -4),
)
def test_an_instant_printed_with_its_offset_is_read_back(day: date, minute: int, language: str, offset: int) -> None:
    clock = time(minute // 60, minute % 60)
    month = MONTH_NAMES[language].split()[day.month - 1]
    stamp = utc_stamp(f"Date: {day.day} {month} {day.year}, {clock:%H:%M} GMT{offset}")
    assert stamp == datetime.combine(day, clock) - timedelta(hours=offset)


@given(st.datetimes(datetime(2015, 1, 1), datetime(2035, 12, 31)))
def test_the_twelve_hour_clock_of_new_york_is_read_back(wall: datetime) -> None:
    wall = wall.replace(second=0, microsecond=0)
    utc = wall.replace(tzinfo=NEW_YORK).astimezone(UTC).replace(tzinfo=None)
    half = "AM" if wall.hour < 12 else "PM"
    assert utc_stamp(f"{wall:%B} {wall.day}, {wall.year} at {wall.hour % 12 or 12}:{wall:%M} {half}") == utc


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    stamp = utc_stamp(text)
    assert stamp is None or stamp.year >= 1999
