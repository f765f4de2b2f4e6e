"""The time of download that a web page printed in the language of the visitor's browser.

Digits, the clock and the offset decide; month names are looked up in the languages of Europe. What can be read in two
ways is not read: a wrong session is worse than a refused file.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from transforms.sessions import NEW_YORK

FIRST_YEAR, LAST_YEAR = 2000, 2099

# Month names as they stand in a date, January to December (Unicode CLDR, "format wide").
# "listopada" is October in Croatian and November in Polish: such words are not read.
MONTH_NAMES = {
    "english": "january february march april may june july august september october november december",
    "spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "french": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "german": "januar februar märz april mai juni juli august september oktober november dezember",
    "austrian": "jänner feber märz april mai juni juli august september oktober november dezember",
    "italian": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "portuguese": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "catalan": "gener febrer març abril maig juny juliol agost setembre octubre novembre desembre",
    "dutch": "januari februari maart april mei juni juli augustus september oktober november december",
    "swedish": "januari februari mars april maj juni juli augusti september oktober november december",
    "danish": "januar februar marts april maj juni juli august september oktober november december",
    "norwegian": "januar februar mars april mai juni juli august september oktober november desember",
    "finnish": "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta "
    "heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta",
    "polish": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "czech": "ledna února března dubna května června července srpna září října listopadu prosince",
    "croatian": "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenoga prosinca",
    "hungarian": "január február március április május június július augusztus szeptember október november december",
    "romanian": "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie",
    "turkish": "ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık",
    "russian": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "ukrainian": "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
    "greek": "ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου "
    "ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου",
}
# Finnish dates spell months out, and "mar" would be March elsewhere and November there.
NEVER_ABBREVIATED = ("finnish",)
SHORTEST_ABBREVIATION = 3

ZONE_HOURS = {
    "utc": 0, "gmt": 0, "edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7,
    "pst": -8,
}  # fmt: skip
NEW_YORK_WORD = "et"
AFTERNOON = ("p", "午後", "오후", "下午")

_OFFSET = re.compile(r"(?:utc|gmt)\s*(?P<sign>[+-])\s*(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?")
_CLOCKS = (
    re.compile(r"(?<!\d)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?!\d)"),
    re.compile(r"(?<!\d)(?P<hour>\d{1,2})\s?h\s?(?P<minute>\d{2})(?P<second>(?!))?(?!\d)"),
    re.compile(r"(?<![\d.])(?P<hour>\d{1,2})\.(?P<minute>\d{2})(?:\.(?P<second>\d{2}))?(?![\d.])"),
)
_HALF_AFTER = re.compile(r"\s*([ap])\.?\s?m\b\.?")
_HALF_BEFORE = re.compile(r"(午前|午後|오전|오후|上午|下午)\s*$")
_WORD = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")


def utc_stamp(text: str) -> datetime | None:
    """Return the UTC instant (naive) of a printed date and clock; New York time where no zone is printed.

    None if a part is missing, is no date, or can be read in two ways (05/06/2023).
    """
    rest, zone = _take_zone(_plain(text))
    taken = _take_clock(rest)
    if zone is None or taken is None:
        return None
    rest, clock = taken
    day = _day(rest)
    if day is None:
        return None
    return datetime.combine(day, clock, zone).astimezone(UTC).replace(tzinfo=None)


def _plain(text: str) -> str:
    """Return the text in lower case with plain blanks, hyphens and digits, and without accents."""
    spread = unicodedata.normalize("NFKD", text)
    bare = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in spread if not unicodedata.combining(c))
    bare = re.sub(r"[\u2010-\u2015\u2212]", "-", unicodedata.normalize("NFC", bare)).lower().replace("ı", "i")
    return " ".join(re.sub(r"[\u200e\u200f]", " ", bare).split())


def _take_zone(text: str) -> tuple[str, tzinfo | None]:
    """Return the text without its zone, and the zone: New York if none is printed, None if it is unclear."""
    offset = _OFFSET.search(text)
    if offset:
        minutes = 60 * int(offset["hours"]) + int(offset["minutes"] or 0)
        sign = -1 if offset["sign"] == "-" else 1
        rest = text[: offset.start()] + " " + text[offset.end() :]
        return rest, timezone(timedelta(minutes=sign * minutes)) if minutes < 24 * 60 else None
    words = {word for word in _WORD.findall(text) if word in ZONE_HOURS}
    if len(words) > 1:
        return text, None
    if not words:
        return text, NEW_YORK
    word = words.pop()
    return re.sub(rf"\b{word}\b", " ", text), timezone(timedelta(hours=ZONE_HOURS[word]))


def _take_clock(text: str) -> tuple[str, time] | None:
    """Return the text without its clock, and the clock; None without exactly one, or in an unknown zone."""
    clocks = next((found for pattern in _CLOCKS if (found := list(pattern.finditer(text)))), [])
    if len(clocks) != 1:
        return None
    clock = clocks[0]
    before, after = text[: clock.start()], text[clock.end() :]
    hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
    late, early = _HALF_AFTER.match(after), _HALF_BEFORE.search(before)
    if late or early:
        if not 1 <= hour <= 12:
            return None
        mark = late[1] if late else early[1] if early else ""
        hour = hour % 12 + (12 if mark in AFTERNOON else 0)
        before = before[: early.start()] if early else before
        after = after[late.end() :] if late else after
    if _names_another_zone(after) or hour > 23 or minute > 59 or second > 59:
        return None
    return f"{before} | {after}", time(hour, minute, second)


def _names_another_zone(after_clock: str) -> bool:
    """Return whether the word after the clock looks like a zone that is not known ("aest", "brt")."""
    word = _WORD.match(after_clock.strip())
    return (
        word is not None
        and 2 <= len(word[0]) <= 5
        and word[0].endswith("t")
        and word[0] != NEW_YORK_WORD
        and _month(word[0]) is None
    )


def _day(text: str) -> date | None:
    """Return the date in a text without other figures; None if there is none, or more than one reading."""
    figures = _DIGITS.findall(text)
    months = {month for word in _WORD.findall(text) if (month := _month(word)) is not None}
    if not months:
        return _numeric_day(figures, is_slashed="/" in text)
    years = [int(figure) for figure in figures if len(figure) == 4]
    days = [int(figure) for figure in figures if len(figure) <= 2]
    if len(months) == len(years) == len(days) == 1 and len(figures) == 2:
        return _within(years[0], months.pop(), days[0])
    return None


def _numeric_day(figures: list[str], *, is_slashed: bool) -> date | None:
    """Return year-month-day or day-month-year; with slashes, day and month must not be interchangeable."""
    if len(figures) != 3:
        return None
    first, second, third = (int(figure) for figure in figures)
    if len(figures[0]) == 4:
        return _within(first, second, third)
    year = third if len(figures[2]) == 4 else 2000 + third
    if not is_slashed:
        return _within(year, second, first)
    readings = {_within(year, second, first), _within(year, first, second)} - {None}
    return readings.pop() if len(readings) == 1 else None


def _within(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if FIRST_YEAR <= year <= LAST_YEAR else None
    except (ValueError, OverflowError):
        return None


def _month(word: str) -> int | None:
    """Return the month that a word names or, with three letters or more, abbreviates; None if none or several."""
    found = {month for name, month, _ in _MONTHS if name == word}
    if not found and len(word) >= SHORTEST_ABBREVIATION:
        found = {month for name, month, abbreviated in _MONTHS if abbreviated and name.startswith(word)}
    return found.pop() if len(found) == 1 else None


_MONTHS = tuple(
    (_plain(name), month, language not in NEVER_ABBREVIATED)
    for language, names in MONTH_NAMES.items()
    for month, name in enumerate(names.split(), start=1)
)
