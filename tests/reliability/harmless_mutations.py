"""Changes of dress that mean nothing: line ends, marks, order, extra columns, date and number forms, packing."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from random import Random

from tests.reliability.sheets import Sheet, gzipped, zipped

# Layouts whose columns are found by name, whatever their order; quotedata prints every name twice.
BY_NAME = frozenset(
    {
        "datashop_eod", "ivolatility_eod", "deltaneutral_eod", "yahoo_chain", "vx_contract_current",
        "vx_contract_legacy", "cfe_final_settlement", "vx_settlement_curve", "index_history", "fred_series",
        "treasury_par_yield", "nyse_breadth", "constituent_breadth", "fomc_list", "macro_events", "cboe_delayed_json",
    }
)  # fmt: skip
# Two columns called Date and Value hold a bill rate; three might hold anything.
FIXED_COLUMNS = frozenset({"bill_13_week"})
# Forms in which a layout's dates have been seen, beside the one a file has.
DAY_COLUMNS = {
    "index_history": ("date", ("%m/%d/%Y", "%Y-%m-%d", "american unpadded")),
    "nyse_breadth": ("date", ("%m/%d/%Y", "%Y-%m-%d")),
    "constituent_breadth": ("date", ("%m/%d/%Y", "%Y-%m-%d")),
    "treasury_par_yield": ("date", ("%m/%d/%Y", "%m/%d/%y", "%Y-%m-%d")),
    "vx_contract_legacy": ("trade date", ("american unpadded",)),
    "datashop_eod": (
        "quote_date", ("%Y-%m-%d", "%m/%d/%Y", "american unpadded", "%m/%d/%Y 0:00:00", "%Y-%m-%d 00:00:00"),
    ),
    "ivolatility_eod": ("date", ("%m/%d/%Y", "%m/%d/%y", "american unpadded")),
    "deltaneutral_eod": ("quotedate", ("%Y-%m-%d", "%m/%d/%Y")),
    "cboe_quotedata_csv": ("expiration date", ("%d-%m-%y", "%m/%d/%y", "%m/%d/%Y", "%Y-%m-%d")),
    "cboe_quotedata_dat": ("expiration date", ("%a %b %d %Y", "%m/%d/%y", "%Y-%m-%d")),
}  # fmt: skip
READABLE = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%Y 0:00:00", "%a %b %d %Y")
# One instant, as browsers print it. The first eight forms are of real files, the others of the same browsers elsewhere.
PRINTED_STAMPS = (
    '"Date: January 31, 2024 at 6:05 PM EST"',
    '"Date: January 31 2024, 6:05 PM EST"',
    "Date: 31 January 2024, 18:05 UTC−5",
    "Date: 31 January 2024 6:05 PM EST",
    "Date: 31 January 2024 at 18:05 GMT-5",
    "Date: 31 января 2024 г. в 18:05 GMT-5",
    '"Date: 31 de enero de 2024, 18:05 GMT-5"',
    '"Date: January 31, 2024, 6:05 PM EST"',
    "Date: 31. Januar 2024 um 18:05 GMT-5",
    "Date: 31 janvier 2024 à 18:05 UTC−5",
    "Date: 31 gennaio 2024 alle ore 18:05 GMT-5",
    '"Date: 31 de janeiro de 2024 às 18:05 GMT-5"',
    "Date: 31 januari 2024 om 18:05 GMT-5",
    "Date: 31 stycznia 2024 18:05 GMT-5",
    "Date: 31 Ocak 2024 18:05 GMT-5",
    '"Date: February 1, 2024 at 12:05 AM GMT+1"',
    "Date: 2024-01-31 23:05 UTC",
)
ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}
ENCODINGS = {"UTF-8 with mark": "utf-8-sig", "UTF-16 with mark": "utf-16"}


@dataclass(frozen=True)
class Dressed:
    """The same rows in other clothes: a name and bytes."""

    name: str
    payload: bytes


Dress = Callable[[Sheet, Random], Dressed | None]


def _text(sheet: Sheet, text: str) -> Dressed:
    return Dressed(sheet.name, text.encode())


def line_ends(sheet: Sheet, rng: Random) -> Dressed | None:
    """Another line end everywhere, or a mixture."""
    if sheet.is_json:
        return None
    ends = [rng.choice(list(ENDS.values()))] if rng.random() < 0.7 else list(ENDS.values())
    lines = [*sheet.preamble, *sheet.lines()]
    return _text(sheet, "".join(line + rng.choice(ends) for line in lines))


def byte_order_mark(sheet: Sheet, rng: Random) -> Dressed | None:
    """A byte order mark: UTF-8 as Excel saves, UTF-16 as PowerShell redirects."""
    return Dressed(sheet.name, sheet.text().encode(rng.choice(list(ENCODINGS.values()))))


def column_order(sheet: Sheet, rng: Random) -> Dressed | None:
    """Columns in another order."""
    if sheet.layout not in BY_NAME:
        return _side_order(sheet, rng)
    order = rng.sample(range(len(sheet.header)), len(sheet.header))
    rows = tuple(tuple(row[place] for place in order) for row in sheet.rows)
    return _text(sheet, replace(sheet, header=tuple(sheet.header[place] for place in order), rows=rows).text())


def _side_order(sheet: Sheet, rng: Random) -> Dressed | None:
    """Columns of each side of a quotedata line in another order, the same on both sides."""
    if not sheet.layout.startswith("cboe_quotedata"):
        return None
    calls, strike, puts = sheet.column("calls"), sheet.column("strike"), sheet.column("puts")
    inner = rng.sample(range(1, strike - calls), strike - calls - 1)
    order = [
        *range(calls + 1),
        *(calls + place for place in inner),
        strike,
        puts,
        *(puts + place for place in inner),
    ]
    rows = tuple(tuple(row[place] for place in order) for row in sheet.rows)
    return _text(sheet, replace(sheet, header=tuple(sheet.header[place] for place in order), rows=rows).text())


def extra_column(sheet: Sheet, rng: Random) -> Dressed | None:
    """A column more: a user's own, empty or full, of numbers, words, formulas or markup."""
    if sheet.layout in FIXED_COLUMNS:
        return None
    ends = sheet.layout in BY_NAME
    place = rng.randrange(len(sheet.header) + 1) if ends else len(sheet.header)
    filling = rng.choice(
        ["", "7", "checked", "=1+1", "@SUM(A1)", "<b>x</b>", "'; drop table core.option_quote; --", "é"]
    )
    rows = tuple((*row[:place], filling, *row[place:]) for row in sheet.rows)
    header = (*sheet.header[:place], rng.choice(["my_note", "dte", "Reviewed By"]), *sheet.header[place:])
    return _text(sheet, replace(sheet, header=header, rows=rows).text())


def row_order(sheet: Sheet, rng: Random) -> Dressed | None:
    """Lines in another order."""
    return _text(sheet, replace(sheet, rows=tuple(rng.sample(sheet.rows, len(sheet.rows)))).text())


def blank_lines(sheet: Sheet, rng: Random) -> Dressed | None:
    """Blank lines between and after, or no last line end."""
    if sheet.is_json:
        return _text(sheet, sheet.text().replace(",{", ",\n \t{"))
    if rng.random() < 0.3:
        return _text(sheet, sheet.text().rstrip("\r\n"))
    lines = [*sheet.preamble]
    for line in sheet.lines():
        lines += [line] if rng.random() < 0.9 else [line, rng.choice(["", "  ", "\t"])]
    return _text(sheet, sheet.line_end.join([*lines, "", " ", ""]))


def empty_tail(sheet: Sheet, rng: Random) -> Dressed | None:
    """Commas after every line, as Excel pads a sheet."""
    if sheet.is_json:
        return None
    tail = "," * rng.randint(1, 4)
    return _text(sheet, sheet.line_end.join([*(line + tail for line in [*sheet.preamble, *sheet.lines()]), ""]))


def padded_fields(sheet: Sheet, rng: Random) -> Dressed | None:
    """Blanks around fields."""
    if sheet.is_json:
        return None
    rows = tuple(
        tuple(rng.choice(["", " ", "  "]) + cell + rng.choice(["", " "]) for cell in row) for row in sheet.rows
    )
    return _text(sheet, replace(sheet, rows=rows).text())


def quoted_fields(sheet: Sheet, rng: Random) -> Dressed | None:
    """Quotes around every field, or around some."""
    if sheet.is_json:
        return None
    share = rng.choice([1.0, 0.3])
    lines = [",".join(f'"{name}"' for name in sheet.header)]
    lines += [
        ",".join(f'"{cell}"' if "," in cell or rng.random() < share else cell for cell in row) for row in sheet.rows
    ]
    return _text(sheet, sheet.line_end.join([*sheet.preamble, *lines, ""]))


def header_case(sheet: Sheet, rng: Random) -> Dressed | None:
    """Header names in capitals or small letters."""
    if sheet.is_json:
        return None
    change = rng.choice([str.upper, str.lower, str.title])
    return _text(sheet, replace(sheet, header=tuple(change(name) for name in sheet.header)).text())


def packed(sheet: Sheet, rng: Random) -> Dressed | None:
    """The file in a zip or a gzip, alone or beside a readme."""
    content = sheet.payload()
    if rng.random() < 0.5:
        return Dressed(f"{sheet.name}.gz", gzipped(content))
    folder = rng.choice(["", "data/"])
    members = {f"{folder}{sheet.name}": content}
    if rng.random() < 0.5:
        members["README.txt"] = b"delivered as ordered"
    return Dressed("delivery.zip", zipped(members))


def number_form(sheet: Sheet, rng: Random) -> Dressed | None:
    """More decimals, or a plus sign."""
    if sheet.is_json:
        return None
    kept = {"settlementmonth", "settlementyear", "issues"}

    def other(name: str, cell: str) -> str:
        if name in kept or not re.fullmatch(r"\d+\.\d+", cell):
            return cell
        return cell + "0" * rng.randint(1, 3)

    rows = tuple(tuple(other(n, c) for n, c in zip(sheet.names, row, strict=True)) for row in sheet.rows)
    return _text(sheet, replace(sheet, rows=rows).text()) if rows != sheet.rows else None


def printed_stamp(sheet: Sheet, rng: Random) -> Dressed | None:
    """The date line of a quotedata download in the language of another browser."""
    if sheet.layout != "cboe_quotedata_csv" or "January 31, 2024" not in sheet.preamble[-1]:
        return None
    line = re.sub(r'^"[^"]*"', lambda _: rng.choice(PRINTED_STAMPS), sheet.preamble[-1])
    return _text(sheet, replace(sheet, preamble=(*sheet.preamble[:-1], line)).text())


def preamble_form(sheet: Sheet, rng: Random) -> Dressed | None:
    """A preamble padded by Excel, begun with a marker line, or without its blank line."""
    if sheet.layout != "cboe_quotedata_csv":
        return None
    width = len(sheet.header)
    above = rng.choice(
        [
            tuple(line + "," * (width - 1 - line.count(",")) for line in sheet.preamble),
            ("---Example Data---", *sheet.preamble[1:]),
            sheet.preamble[1:],
        ]
    )
    return _text(sheet, replace(sheet, preamble=above).text())


def date_form(sheet: Sheet, rng: Random) -> Dressed | None:
    """The dates of the lines in another form that the layout has been seen with."""
    if sheet.layout not in DAY_COLUMNS:
        return None
    column, forms = DAY_COLUMNS[sheet.layout]
    form = rng.choice(forms)
    days = [_day(value) for value in sheet.values(column)]
    printed = {line: _printed(day, form) for line, day in enumerate(days, 1)}
    dressed = sheet.with_column(column, printed)
    return _text(sheet, dressed.text())


def other_name(sheet: Sheet, rng: Random) -> Dressed | None:
    """Another file name, where the name does not tell what the file is."""
    named = {"vx_contract_current", "vx_settlement_curve", "bill_13_week"}
    if sheet.layout in named or (sheet.layout == "index_history" and "open" in sheet.names):
        return None
    suffix = sheet.name.rsplit(".", 1)[-1]
    stem = rng.choice(["download (1)", "données", "данные", "a b", "x" * 120, "-rf", "%00", "..weird", "'quoted'"])
    return Dressed(f"{stem}.{suffix}", sheet.payload())


def _day(value: str) -> date:
    for form in READABLE:
        try:
            return datetime.strptime(value, form).date()
        except ValueError:
            continue
    raise ValueError(value)


def _printed(day: date, form: str) -> str:
    return f"{day.month}/{day.day}/{day.year}" if form == "american unpadded" else f"{day:{form}}"


DRESSES: dict[str, Dress] = {
    dress.__name__: dress
    for dress in (
        line_ends, byte_order_mark, column_order, extra_column, row_order, blank_lines, empty_tail, padded_fields,
        quoted_fields, header_case, packed, number_form, printed_stamp, preamble_form, date_form, other_name,
    )
}  # fmt: skip
