"""Damage to a whole file: none of its rows may be believed, and the refusal must say what is wrong with it."""

import re
from dataclasses import replace
from datetime import timedelta
from random import Random

from tests.reliability.line_damage import Damage, Damaged
from tests.reliability.sheets import Sheet, gzipped, zipped
from tests.reliability.vendor_bases import SESSION, bases, chains_of_the_day_before
from tests.reliability.vendor_columns import SCHEDULES, facts_of

PAGE = (
    "<!DOCTYPE html><html><head><title>503 Service Unavailable</title></head><body>"
    "<p>try later, or see 1,2,3</p></body></html>"
)
DENIED = "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"
# A chain that lost its columns' meaning may fail by any of these, each of which names the price scale or the columns.
UNKNOWN = "no known vendor layout"
PRICES_WRONG = "price scale"


def _refused(sheet: Sheet, refusal: str, payload: bytes | None = None, name: str | None = None) -> Damaged:
    return Damaged(name or sheet.name, sheet.payload() if payload is None else payload, refusal=refusal)


def web_page(sheet: Sheet, rng: Random) -> Damaged | None:
    """A web page or an error answer under the file's name."""
    page = rng.choice([PAGE, DENIED, "\n\n" + PAGE])
    return _refused(sheet, "503 Service Unavailable|AccessDenied", page.encode())


def json_error(sheet: Sheet, rng: Random) -> Damaged | None:
    """A JSON error under the file's name."""
    answer = rng.choice(['{"error": "rate limit exceeded", "code": 429}', '[{"message": "not found"}]'])
    return _refused(sheet, "JSON answer without option quotes", answer.encode())


def nothing_in_it(sheet: Sheet, rng: Random) -> Damaged | None:
    """An empty file, one of blanks, an empty archive."""
    content = rng.choice([b"", b"\n\n \n", b"\r\n", gzipped(b""), zipped({sheet.name: b""})])
    return _refused(sheet, "empty", content)


def only_a_header(sheet: Sheet, rng: Random) -> Damaged | None:
    """The header and no data line."""
    refusal = "no data lines|no options under|of which (it|the file) lacks|without figures"
    return _refused(replace(sheet, rows=()), refusal)


def random_bytes(sheet: Sheet, rng: Random) -> Damaged | None:
    """Bytes of no text at all."""
    return _refused(sheet, UNKNOWN, b"\x8f" + rng.randbytes(rng.choice([40, 3000, 20_000])))


def picture(sheet: Sheet, rng: Random) -> Damaged | None:
    """A picture, a program or a document under the file's name."""
    magic = rng.choice([b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"\x7fELF\x02\x01", b"MZ\x90\x00", b"SQLite format 3\x00"])
    return _refused(sheet, UNKNOWN, magic + rng.randbytes(2000))


def dropped_column(sheet: Sheet, rng: Random) -> Damaged | None:
    """A column that is needed is missing; the refusal names it."""
    facts = facts_of(sheet)
    columns = sorted({*facts.needed, *(n for pair in facts.pairs for n in pair), *facts.ranged} - {"3 mo", "10 yr"})
    if sheet.layout == "treasury_par_yield":
        columns = ["date"]
    if not columns:
        return None
    name = rng.choice(columns)
    return _refused(sheet.without_column(name), re.escape(name.removesuffix(".2")))


def renamed_column(sheet: Sheet, rng: Random) -> Damaged | None:
    """A needed column under a name that no layout knows."""
    facts = facts_of(sheet)
    columns = sorted({*facts.needed, *(n for pair in facts.pairs for n in pair)} - {"date"})
    if not columns:
        return None
    name = rng.choice(columns)
    place = sheet.column(name)
    header = (*sheet.header[:place], "col_x", *sheet.header[place + 1 :])
    return _refused(replace(sheet, header=header), re.escape(name.removesuffix(".2")))


def shifted_header(sheet: Sheet, rng: Random) -> Damaged | None:
    """A header with a name more or less than the lines have fields."""
    if sheet.is_json:
        return None
    names = (*("index",), *sheet.header) if rng.random() < 0.5 else sheet.header[1:]
    # A line of which one side is all there is cannot be told from a good one by its length alone.
    return _refused(
        replace(sheet, header=names), "not \\d+ fields|required columns are missing|of which (it|the file) lacks"
    )


def swapped_names(sheet: Sheet, rng: Random) -> Damaged | None:
    """The names of bid and ask exchanged over the whole file."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    names = list(sheet.header)
    for low, high in facts.pairs:
        one, other = sheet.column(low), sheet.column(high)
        names[one], names[other] = names[other], names[one]
    swapped = replace(sheet, header=tuple(names))
    lines = frozenset(range(1, len(sheet.rows) + 1))
    return Damaged(sheet.name, swapped.payload(), refusal="bid and an offer", rules=frozenset({"crossed"}), lines=lines)


def _scaled(sheet: Sheet, names: list[str], factor: float) -> Sheet:
    for name in names:
        values = {n: f"{float(v) * factor:.6g}" for n, v in enumerate(sheet.values(name), 1) if v}
        sheet = sheet.with_column(name, values)
    return sheet


def prices_in_another_unit(sheet: Sheet, rng: Random) -> Damaged | None:
    """Prices of a whole file in cents, in hundreds, or ten times too large."""
    facts = facts_of(sheet)
    if facts.pairs:
        factor = rng.choice([100, 10, 0.01, 0.1])
        return _refused(_scaled(sheet, [name for pair in facts.pairs for name in pair], factor), PRICES_WRONG)
    if sheet.layout in {"vx_contract_current", "vx_contract_legacy"}:
        names = ["open", "high", "low", "close", "settle"]
        return _refused(_scaled(sheet, names, rng.choice([10, 100, 1000])), "price scale")
    if sheet.layout in {"vx_settlement_curve", "cfe_final_settlement"}:
        return _refused(_scaled(sheet, list(facts.numbers), rng.choice([10, 100])), "price scale")
    if sheet.layout == "index_history" and sheet.kind != "vixcurrent":
        names = [n for n in sheet.names if n != "date"]
        return _refused(_scaled(sheet, names, rng.choice([0.01, 100.0])), "the median of the newest")
    if sheet.layout == "bill_13_week":
        return _refused(_scaled(sheet, ["value"], 100), "divide percentages by 100")
    return None


def rates_in_another_unit(sheet: Sheet, rng: Random) -> Damaged | None:
    """Yields in basis points or as decimals where percent is printed."""
    if sheet.layout != "treasury_par_yield":
        return None
    names = [name for name in sheet.names if name != "date"]
    factor = rng.choice([100, 0.01])
    lines = frozenset(range(1, len(sheet.rows) + 1))
    changed = _scaled(sheet, names, factor)
    return Damaged(
        sheet.name, changed.payload(), refusal="percent", rules=frozenset({"par_yield_out_of_range"}), lines=lines
    )


def strikes_in_another_unit(sheet: Sheet, rng: Random) -> Damaged | None:
    """Strikes of a whole chain ten or a thousand times too large."""
    facts = facts_of(sheet)
    if not facts.pairs or sheet.is_json:
        return None
    changed = _scaled(sheet, ["strike"], rng.choice([10, 1000]))
    lines = frozenset(range(1, len(sheet.rows) + 1))
    rules = frozenset({"symbol_mismatch", "strike_out_of_range"})
    return Damaged(sheet.name, changed.payload(), refusal=f"beside expiration|{PRICES_WRONG}", rules=rules, lines=lines)


def calls_for_puts(sheet: Sheet, rng: Random) -> Damaged | None:
    """Calls labelled puts and puts labelled calls."""
    facts = facts_of(sheet)
    if not facts.pairs or sheet.is_json:
        return None
    if "calls" in sheet.names:
        calls, strike, puts = sheet.column("calls"), sheet.column("strike"), sheet.column("puts")
        rows = tuple((*row[:calls], *row[puts:], row[strike], *row[calls:strike]) for row in sheet.rows)
        return _refused(replace(sheet, rows=rows), "symbol .* beside")
    name = "call/put" if "call/put" in sheet.names else "type" if "type" in sheet.names else "option_type"
    other = {"C": "P", "P": "C", "c": "p", "p": "c", "call": "put", "put": "call"}
    changed = sheet.with_column(name, {n: other[value] for n, value in enumerate(sheet.values(name), 1)})
    return _refused(changed, f"symbol .* beside|{PRICES_WRONG}")


def zeroed_quotes(sheet: Sheet, rng: Random) -> Damaged | None:
    """A chain whose quotes are all, or mostly, zero."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    share = rng.choice([1.0, 0.7])
    lines = [n for n in range(1, len(sheet.rows) + 1) if rng.random() < share]
    for name in (name for pair in facts.pairs for name in pair):
        sheet = sheet.with_column(name, dict.fromkeys(lines, "0"))
    return _refused(sheet, "has a bid and an offer on")


def half_a_chain(sheet: Sheet, rng: Random) -> Damaged | None:
    """A chain cut off between two lines: a third of each root is left."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    rows = (
        tuple(row for number, row in enumerate(sheet.rows) if number % 6 in (0, 1))
        if "calls" not in sheet.names
        else sheet.rows[::3]
    )
    return _refused(replace(sheet, rows=rows), "fewer than 60 %")


def yesterdays_chain(sheet: Sheet, rng: Random) -> Damaged | None:
    """The chain of the session before, delivered as this session's."""
    stale = {(other.layout, other.kind): other for other in chains_of_the_day_before()}
    other = stale.get((sheet.layout, sheet.kind))
    # The old DataShop variant holds the quotes of 15:45 only, of which no earlier session has any.
    return None if other is None else _refused(other, "the feed probably did not move on")


def tomorrows_chain(sheet: Sheet, rng: Random) -> Damaged | None:
    """A chain stamped after it was received."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    later = SESSION + timedelta(days=rng.choice([1, 2, 6, 370]))
    refusal = "expired on"
    lines = frozenset(range(1, len(sheet.rows) + 1))

    def late(found: Sheet) -> Damaged:
        return Damaged(found.name, found.payload(), refusal=refusal, rules=frozenset({"after_receipt"}), lines=lines)

    if facts.day:
        printed = f"{later:{facts.day_form}}"
        return late(sheet.with_column(facts.day, dict.fromkeys(lines, printed)))
    if sheet.layout == "yahoo_chain":
        traded = f"{later} 21:14:02+00:00"
        return late(sheet.with_column("lasttradedate", dict.fromkeys(lines, traded)))
    stamps = {
        "January 31, 2024 at 6:05 PM EST": f"{later:%B} {later.day}, {later.year} at 6:05 PM EST",
        "Jan 31 2024": f"{later:%b %d %Y}",
        "2024-01-31 23:05:00": f"{later} 23:05:00",
    }
    above = "\n".join(sheet.preamble)
    for old, new in stamps.items():
        above = above.replace(old, new)
    return late(replace(sheet, preamble=tuple(above.split("\n"))))


def stamp_that_says_nothing(sheet: Sheet, rng: Random) -> Damaged | None:
    """A download without its time, or with one that can be read in two ways."""
    if sheet.layout not in {"cboe_quotedata_csv", "cboe_quotedata_dat", "cboe_delayed_json"}:
        return None
    if sheet.is_json:
        stamp = rng.choice(["null", '"soon"', '"31/01/2024"', "17"])
        shell = sheet.preamble[0].replace('"2024-01-31 23:05:00"', stamp)
        return _refused(replace(sheet, preamble=(shell,)), "no date and time|has no session")
    if sheet.layout == "cboe_quotedata_csv":
        line = rng.choice(["", "Date: 02/03/2024 18:05", "Date: sometime", "Date: January 31 at 6:05 PM EST"])
        above = (*sheet.preamble[:2], line and f"{line},Bid: 1,Ask: 2,Size: 1*1,Volume: 0")
    else:
        line = rng.choice(["", "Jan 2024 @ 18:05 ET", "2/3/2024 @ 18:05 ET"])
        above = (sheet.preamble[0], line and f"{line},Bid,0,Ask,0,Size,0x0,Vol,")
    return _refused(replace(sheet, preamble=above), "date of the download")


def another_underlying(sheet: Sheet, rng: Random) -> Damaged | None:
    """The same layout of another underlying."""
    facts = facts_of(sheet)
    if facts.pairs:
        root = rng.choice(["RUT", "NDX", "SPY", "XSP", "DJX"])
        for name in [n for n in (facts.symbol, "puts" if facts.symbol == "calls" else None) if n]:
            values = sheet.values(name)
            sheet = sheet.with_column(name, {n: f"{root}{v[-15:]}" for n, v in enumerate(values, 1)})
        if facts.symbol is None:
            sheet = sheet.with_column("root", dict.fromkeys(range(1, len(sheet.rows) + 1), root))
        return _refused(sheet, f"quotes of {root}")
    if sheet.layout == "index_history" and sheet.kind in {"SPX", "VIX", "VIX3M"}:
        other = "VIX" if sheet.kind == "SPX" else "SPX"
        return _refused(sheet, f"outside .* of {other}", name=f"{other}_History.csv")
    if sheet.layout.startswith("vx_contract"):
        label = "Q (Dec 14)" if sheet.layout.endswith("legacy") else "U (Sep 2025)"
        lines = range(1, len(sheet.rows) + 1)
        refusal = "is not that of the file's contract|label like"
        return _refused(sheet.with_column("futures", dict.fromkeys(lines, label)), refusal)
    return None


def day_first(sheet: Sheet, rng: Random) -> Damaged | None:
    """Dates written day first where the month stands first."""
    facts = facts_of(sheet)
    if facts.day is None or "%m/%d" not in facts.day_form or sheet.layout in SCHEDULES or sheet.kind == "without close":
        return None
    values = [value.split("/") for value in sheet.values(facts.day)]
    printed = {n: f"{day}/{month}/{year}" for n, (month, day, year) in enumerate(values, 1)}
    return _refused(sheet.with_column(facts.day, printed), "is no date|is not a date|dates")


def other_separator(sheet: Sheet, rng: Random) -> Damaged | None:
    """Semicolons or tabs for commas, as a spreadsheet saves in other countries."""
    if sheet.is_json:
        return None
    separator = rng.choice([";", "\t"])
    lines = [line.replace(",", separator) for line in sheet.lines()]
    text = sheet.line_end.join([*sheet.preamble, *lines, ""])
    return _refused(sheet, f"{UNKNOWN}|separated by", text.encode())


def two_files_in_one(sheet: Sheet, rng: Random) -> Damaged | None:
    """A file of another layout glued to the end: its lines are refused one by one."""
    if sheet.is_json:
        return None
    others = [b for b in bases() if len(b.header) != len(sheet.header) and not b.is_json and not b.preamble]
    other = rng.choice(others)
    more = other.lines()[: rng.randint(2, 12)]
    text = sheet.line_end.join([*sheet.preamble, *sheet.lines(), *more, ""])
    lines = frozenset(range(len(sheet.rows) + 1, len(sheet.rows) + 1 + len(more)))
    return Damaged(sheet.name, text.encode(), rules=frozenset({"unparseable_line"}), lines=lines)


def damaged_archive(sheet: Sheet, rng: Random) -> Damaged | None:
    """A zip or gzip cut short or with a flipped byte."""
    content = sheet.payload()
    packed, name = (
        (gzipped(content), f"{sheet.name}.gz") if rng.random() < 0.5 else (zipped({sheet.name: content}), "a.zip")
    )
    if rng.random() < 0.5:
        return _refused(sheet, "damaged", packed[: rng.randrange(12, len(packed) - 9)], name)
    # Within the compressed data: a flipped byte of a zip's directory may change a clock only.
    place = len(packed) // 2 if name.endswith("gz") else 30 + len(sheet.name) + (len(packed) - 30) // 3
    flipped = packed[:place] + bytes([packed[place] ^ 0x55]) + packed[place + 1 :]
    return _refused(sheet, "damaged", flipped, name)


def wrong_archive(sheet: Sheet, rng: Random) -> Damaged | None:
    """A zip with other contents than one data file, or with paths outside itself."""
    content = sheet.payload()
    kind = rng.choice(["two", "none", "nested", "outside", "absolute", "page"])
    members, refusal = {
        "two": ({sheet.name: content, f"copy of {sheet.name}": content}, "holds 2 data files"),
        "none": ({"readme.txt": b"no data", "manual.pdf": b"%PDF"}, "holds 0 data files"),
        "nested": ({"inner.zip": zipped({"a.csv": content, "b.csv": content})}, "archive inside an archive"),
        "outside": ({f"../../{sheet.name}": content}, "path outside itself"),
        "absolute": ({f"/etc/{sheet.name}": content}, "path outside itself"),
        "page": ({sheet.name: PAGE.encode()}, "503 Service Unavailable"),
    }[kind]
    return _refused(sheet, refusal, zipped(members), "delivery.zip")


def other_encoding(sheet: Sheet, rng: Random) -> Damaged | None:
    """Bytes of an encoding without a mark: nothing says what the characters are."""
    encoding = rng.choice(["utf-16-le", "utf-16-be", "utf-32", "cp037", "utf-7"])
    text = sheet.text()
    if encoding == "utf-7":
        text = text.replace(",", "\u2212,")
    return _refused(
        sheet, f"{UNKNOWN}|required columns are missing|of which (it|the file) lacks", text.encode(encoding)
    )


FILE_DAMAGES: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (
        web_page, json_error, nothing_in_it, only_a_header, random_bytes, picture, dropped_column, renamed_column,
        shifted_header, swapped_names, prices_in_another_unit, rates_in_another_unit, strikes_in_another_unit,
        calls_for_puts, zeroed_quotes, half_a_chain, yesterdays_chain, tomorrows_chain, stamp_that_says_nothing,
        another_underlying, day_first, other_separator, two_files_in_one, damaged_archive, wrong_archive,
        other_encoding,
    )
}  # fmt: skip
