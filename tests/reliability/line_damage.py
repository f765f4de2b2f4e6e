"""Damage to some lines of a sound file: the other lines must load, the damaged ones be quarantined for their damage."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from tests.reliability.sheets import Sheet
from tests.reliability.vendor_bases import SESSION
from tests.reliability.vendor_columns import SCHEDULES, facts_of

# Rules under which a line is refused that does not hold what its columns promise.
PARSING = frozenset(
    {
        "bad_date", "bad_number", "bad_symbol", "bad_time", "bad_option_type", "no_value", "symbol_mismatch",
        "label_mismatch", "root_out_of_scope", "unparseable_line", "unknown_kind", "ref_period_mismatch",
        "counts_do_not_add",
    }
)  # fmt: skip
MOST_LINES = 4
# Several unreadable dates in a short file are reason enough to distrust the others.
MANY_DATES = "have dates of another form"


@dataclass(frozen=True)
class Damaged:
    """A damaged file and how it must fail.

    Either the file is refused with a reason that matches `refusal`, or every one of `lines` is quarantined under one
    of `rules` and no other line is. A file all of whose lines are damaged may be refused by `refusal` too.
    """

    name: str
    payload: bytes
    refusal: str | None = None
    rules: frozenset[str] = frozenset()
    lines: frozenset[int] = frozenset()


Damage = Callable[[Sheet, Random], Damaged | None]


def some_lines(sheet: Sheet, rng: Random, *, most: int = MOST_LINES) -> list[int]:
    """Return the numbers of one to a few lines, ascending."""
    return sorted(rng.sample(range(1, len(sheet.rows) + 1), rng.randint(1, min(most, len(sheet.rows) - 1))))


def damaged(sheet: Sheet, *, rules: set[str] | frozenset[str], lines: list[int], refusal: str | None = None) -> Damaged:
    """Return a sheet as a file whose `lines` must be quarantined."""
    return Damaged(sheet.name, sheet.payload(), refusal=refusal, rules=frozenset(rules), lines=frozenset(lines))


def with_lines(sheet: Sheet, texts: dict[int, str]) -> bytes:
    """Return the file with some of its lines replaced by raw text."""
    lines = sheet.lines()
    lines = [lines[0], *(texts.get(number, line) for number, line in enumerate(lines[1:], 1))]
    return sheet.line_end.join([*sheet.preamble, *lines, ""]).encode("utf-8", "surrogateescape")


def _in_numbers(sheet: Sheet, rng: Random, values: list[str]) -> Damaged | None:
    facts = facts_of(sheet)
    if not facts.numbers:
        return None
    lines, name = some_lines(sheet, rng), rng.choice(facts.numbers)
    changed = sheet.with_column(name, {line: rng.choice(values) for line in lines})
    return damaged(changed, rules={"bad_number", "symbol_mismatch"}, lines=lines)


def words_for_numbers(sheet: Sheet, rng: Random) -> Damaged | None:
    """Words where numbers belong."""
    return _in_numbers(sheet, rng, ["abc", "--", "1.2.3", "12e", "0x1F", "#REF!", "#DIV/0!", "twelve", "1 234"])


def formulas_for_numbers(sheet: Sheet, rng: Random) -> Damaged | None:
    """Spreadsheet formulas where numbers belong."""
    return _in_numbers(sheet, rng, ["=1+1", "=HYPERLINK(A1)", "+A1*2", "@SUM(A1:A9)", "=cmd|' /C calc'!A0"])


def code_for_numbers(sheet: Sheet, rng: Random) -> Damaged | None:
    """SQL and markup where numbers belong."""
    return _in_numbers(
        sheet, rng, ["'; drop table core.option_quote; --", "1 or 1=1", "<script>alert(1)</script>", "<b>5</b>"]
    )


def decimal_commas(sheet: Sheet, rng: Random) -> Damaged | None:
    """Decimal commas, which a count with thousands separators could not show."""
    return None if sheet.layout == "nyse_breadth" else _in_numbers(sheet, rng, ["12,5", "1.234,5"])


def overflowing_numbers(sheet: Sheet, rng: Random) -> Damaged | None:
    """Numbers that no float holds, and names of what is none."""
    return _in_numbers(sheet, rng, ["1e999", "-1e999", "inf", "-Infinity"])


def nul_in_numbers(sheet: Sheet, rng: Random) -> Damaged | None:
    """NUL bytes inside numbers."""
    return _in_numbers(sheet, rng, ["12\x0034", "\x00", "5\x00"])


def nested_quotes_in_numbers(sheet: Sheet, rng: Random) -> Damaged | None:
    """Quotes within quotes, closed as CSV wants."""
    if sheet.is_json:
        return _in_numbers(sheet, rng, ['"5"', '5"'])
    facts = facts_of(sheet)
    if not facts.numbers:
        return None
    lines, name = some_lines(sheet, rng), rng.choice(facts.numbers)
    marked = sheet.with_column(name, dict.fromkeys(lines, "\ue000"))
    texts = {line: marked.lines()[line].replace("\ue000", '"""5"""') for line in lines}
    return Damaged(
        sheet.name, with_lines(sheet, texts), rules=frozenset({"bad_number", "symbol_mismatch"}), lines=frozenset(lines)
    )


def unclosed_quotes(sheet: Sheet, rng: Random) -> Damaged | None:
    """A quote that is opened and not closed."""
    if sheet.is_json:
        return None
    lines = some_lines(sheet, rng)
    texts = {}
    for line in lines:
        text = sheet.lines()[line]
        place = rng.randrange(len(text) + 1)
        texts[line] = text[:place] + '"' + text[place:]
    return Damaged(sheet.name, with_lines(sheet, texts), rules=frozenset({"unparseable_line"}), lines=frozenset(lines))


def huge_values(sheet: Sheet, rng: Random) -> Damaged | None:
    """Prices and counts no market has seen."""
    return _out_of_range(sheet, rng, ["1000000000000", "9e15", "123456789012"])


def negative_values(sheet: Sheet, rng: Random) -> Damaged | None:
    """Negative prices, counts and levels."""
    values = ["-0.9"] if sheet.layout == "bill_13_week" else ["-55", "-1200", "-31"]
    return _out_of_range(sheet, rng, values)


def _out_of_range(sheet: Sheet, rng: Random, values: list[str]) -> Damaged | None:
    facts = facts_of(sheet)
    if not facts.ranged:
        return None
    name, rule = rng.choice(list(facts.ranged.items()))
    lines = some_lines(sheet, rng)
    changed = sheet.with_column(name, {line: rng.choice(values) for line in lines})
    also = {"nyse_breadth": {"counts_do_not_add"}, "cfe_final_settlement": {"bad_number", "implausible_value"}}
    refusal = "divide percentages by 100" if sheet.layout == "bill_13_week" else None
    return damaged(changed, rules={rule, "spike", *also.get(sheet.layout, ())}, lines=lines, refusal=refusal)


def tenfold_values(sheet: Sheet, rng: Random) -> Damaged | None:
    """A level ten times too large on some line, as an old price scale or a lost decimal point makes it."""
    facts = facts_of(sheet)
    if sheet.layout not in {
        "vx_contract_current",
        "vx_contract_legacy",
        "index_history",
        "cfe_final_settlement",
        "fred_series",
    }:
        return None
    (name,) = facts.ranged
    usable = [n for n in range(1, len(sheet.rows) + 1) if float(sheet.values(name)[n - 1]) > 0]
    # Six lines of context, in the order of days, are what a spike is seen against.
    (line,) = rng.sample([n for n in usable if 6 < n <= len(sheet.rows) - 6], 1)
    value = f"{float(sheet.values(name)[line - 1]) * 10:.4f}"
    rules = {facts.ranged[name], "spike", "implausible_value", "vvix_range", "vix_range", "skew_range", "vix3m_range"}
    return damaged(sheet.with_cell(line, name, value), rules=rules, lines=[line])


def blank_values(sheet: Sheet, rng: Random) -> Damaged | None:
    """Nothing where a line cannot do without."""
    facts = facts_of(sheet)
    if not facts.needed:
        return None
    lines, name = some_lines(sheet, rng), rng.choice(facts.needed)
    return damaged(sheet.with_column(name, dict.fromkeys(lines, "")), rules=PARSING, lines=lines, refusal=MANY_DATES)


def crossed_quotes(sheet: Sheet, rng: Random) -> Damaged | None:
    """Bid and ask exchanged on some lines."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    low, high = rng.choice(facts.pairs)
    bids, asks = sheet.values(low), sheet.values(high)
    apart = [n for n in range(1, len(bids) + 1) if 0 < float(bids[n - 1]) < float(asks[n - 1])]
    lines = sorted(rng.sample(apart, rng.randint(1, MOST_LINES)))
    changed = sheet.with_column(low, {n: asks[n - 1] for n in lines}).with_column(high, {n: bids[n - 1] for n in lines})
    return damaged(changed, rules={"crossed"}, lines=lines)


def lost_fields(sheet: Sheet, rng: Random) -> Damaged | None:
    """A field lost from or added to some lines, which moves all that follow."""
    if sheet.is_json:
        return None
    lines = some_lines(sheet, rng)
    texts = {}
    for line in lines:
        fields = list(sheet.rows[line - 1])
        place = rng.randrange(len(fields))
        fields = (
            [*fields[:place], *fields[place + 1 :]] if rng.random() < 0.5 else [*fields[:place], "9", *fields[place:]]
        )
        texts[line] = replace(sheet, rows=(tuple(fields),)).lines()[1]
        # A field more than the header, empty at the end, is Excel's padding and means nothing.
        if len(fields) > len(sheet.header) and not fields[-1]:
            texts[line] += "9"
    return Damaged(sheet.name, with_lines(sheet, texts), rules=frozenset({"unparseable_line"}), lines=frozenset(lines))


def shifted_fields(sheet: Sheet, rng: Random) -> Damaged | None:
    """All fields of some lines moved by one, as many as before."""
    if sheet.is_json:
        return None
    lines = some_lines(sheet, rng)
    rows = tuple((*row[1:], row[0]) if n in lines else row for n, row in enumerate(sheet.rows, 1))
    return damaged(replace(sheet, rows=rows), rules=PARSING, lines=lines, refusal=MANY_DATES)


def truncated_line(sheet: Sheet, rng: Random) -> Damaged | None:
    """The file ends in the middle of its last line."""
    if sheet.is_json:
        text = sheet.text()
        return Damaged(
            sheet.name, text[: rng.randrange(len(text) // 2, len(text) - 1)].encode(), refusal="does not parse"
        )
    keep = rng.randint(3, len(sheet.rows))
    kept = replace(sheet, rows=sheet.rows[:keep])
    last = kept.lines()[-1]
    cut = last[: rng.randrange(1, last.rindex(","))] if "," in last else last
    refusal = "fewer than 60 %|no data lines"
    payload = with_lines(kept, {keep: cut})[: -len(sheet.line_end)]
    return Damaged(sheet.name, payload, refusal=refusal, rules=frozenset({"unparseable_line"}), lines=frozenset({keep}))


def repeated_lines(sheet: Sheet, rng: Random) -> Damaged | None:
    """Some lines twice."""
    lines = some_lines(sheet, rng)
    rows = (*sheet.rows, *(sheet.rows[line - 1] for line in lines))
    added = range(len(sheet.rows) + 1, len(rows) + 1)
    return damaged(replace(sheet, rows=rows), rules={"duplicate_row"}, lines=list(added))


def contradicting_lines(sheet: Sheet, rng: Random) -> Damaged | None:
    """Some lines twice, with another value the second time."""
    facts = facts_of(sheet)
    numbers = {
        "vx_contract_current": ("settle",), "vx_contract_legacy": ("settle",), "nyse_breadth": (),
        "datashop_eod": ("ask_1545",),
    }.get(sheet.layout, tuple(name for name in facts.numbers if name != "strike"))  # fmt: skip
    if not numbers:
        return None
    line, name = rng.randint(1, len(sheet.rows)), rng.choice(numbers)
    value = sheet.values(name)[line - 1]
    other = f"{float(value) + 1:g}" if sheet.layout != "bill_13_week" else "0.0666"
    more = replace(sheet, rows=(*sheet.rows, sheet.rows[line - 1]))
    changed = more.with_cell(len(more.rows), name, other)
    return damaged(changed, rules={"conflicting_duplicate"}, lines=[line, len(more.rows)])


def unreadable_days(sheet: Sheet, rng: Random) -> Damaged | None:
    """Days in no form the layout knows."""
    facts = facts_of(sheet)
    name = facts.day or facts.expiration
    if name is None:
        return None
    lines = some_lines(sheet, rng)
    values = ["2024-13-45", "31/31/2024", "31.01.2024x", "yesterday", "45322", "20240131T", "00/00/0000", "0001-01-01"]
    changed = sheet.with_column(name, {line: rng.choice(values) for line in lines})
    return damaged(changed, rules={"bad_date"}, lines=lines, refusal=MANY_DATES)


def days_without_a_session(sheet: Sheet, rng: Random) -> Damaged | None:
    """Days on weekends and holidays."""
    facts = facts_of(sheet)
    if facts.day is None or sheet.layout in SCHEDULES:
        return None
    days = [date(2023, 12, 25), date(2024, 1, 1), date(2024, 1, 15), date(2024, 1, 27), date(2023, 12, 31)]
    if sheet.layout == "vx_contract_legacy":
        days = (
            [date(2007, 3, 31), date(2007, 4, 6)] if "scale" in sheet.kind else [date(2013, 11, 28), date(2013, 12, 1)]
        )
    if sheet.kind == "weekly, expired":
        days = days[:3]
    chain = bool(facts.pairs)
    number = rng.randint(1, MOST_LINES if chain else 2)
    lines = sorted(rng.sample(range(1, len(sheet.rows) + 1), number))
    drawn = rng.sample(days, number)
    printed = {line: f"{day:{facts.day_form}}" for line, day in zip(lines, drawn, strict=True)}
    return damaged(sheet.with_column(facts.day, printed), rules={"not_a_session"}, lines=lines)


def days_to_come(sheet: Sheet, rng: Random) -> Damaged | None:
    """Days after the one on which the file was received."""
    facts = facts_of(sheet)
    if facts.day is None or sheet.layout in SCHEDULES:
        return None
    days = [SESSION + timedelta(days=n) for n in (1, 2, 365, 371, 3651)]
    days += [date(2031, 6, 2)]
    if sheet.layout.startswith("vx_contract"):
        # A trade date after the contract's expiration contradicts its label first.
        days = days[:2]
    lines = some_lines(sheet, rng, most=2)
    printed = {line: f"{day:{facts.day_form}}" for line, day in zip(lines, rng.sample(days, len(lines)), strict=True)}
    rules = {"after_receipt", "label_mismatch", "expired_before_session", "not_a_session"}
    return damaged(sheet.with_column(facts.day, printed), rules=rules, lines=lines)


def expired_series(sheet: Sheet, rng: Random) -> Damaged | None:
    """Series that expired before the session, as a download before the open still holds them."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    lines = some_lines(sheet, rng)
    past = SESSION - timedelta(days=rng.choice([1, 2, 5, 30, 366]))
    changed = sheet
    for name in [n for n in (facts.symbol, "puts" if facts.symbol == "calls" else None) if n]:
        values = sheet.values(name)
        renamed = {n: values[n - 1][:-15] + f"{past:%y%m%d}" + values[n - 1][-9:] for n in lines}
        changed = changed.with_column(name, renamed)
    if facts.expiration:
        changed = changed.with_column(facts.expiration, dict.fromkeys(lines, f"{past:{facts.expiration_form}}"))
    return damaged(changed, rules={"expired_before_session"}, lines=lines)


def foreign_roots(sheet: Sheet, rng: Random) -> Damaged | None:
    """Some options of another underlying."""
    facts = facts_of(sheet)
    if not facts.pairs:
        return None
    lines, root = some_lines(sheet, rng), rng.choice(["RUT", "NDX", "SPY", "XSP", "VXX"])
    changed = sheet
    for name in [n for n in (facts.symbol, "puts" if facts.symbol == "calls" else None) if n]:
        values = sheet.values(name)
        changed = changed.with_column(name, {n: f"{root}{values[n - 1][-15:]}" for n in lines})
    if facts.symbol is None:
        changed = changed.with_column("root", dict.fromkeys(lines, root))
    return damaged(changed, rules={"root_out_of_scope"}, lines=lines)


def broken_symbols(sheet: Sheet, rng: Random) -> Damaged | None:
    """Symbols that are none, or of another contract than the line's."""
    facts = facts_of(sheet)
    if facts.symbol is None:
        return None
    lines, values = some_lines(sheet, rng), sheet.values(facts.symbol)
    broken = ["=SUM(A1)", "'; drop table core.option_quote; --", "<img src=x>", "SPX", "SPX240216X05915000", "\x00" * 8]
    changed = sheet.with_column(facts.symbol, {n: rng.choice([*broken, values[n - 1][:-3] + "999"]) for n in lines})
    # Where the symbol alone names the contract, another strike is another contract.
    if sheet.is_json:
        changed = sheet.with_column(facts.symbol, {n: rng.choice(broken) for n in lines})
    return damaged(changed, rules={"bad_symbol", "symbol_mismatch"}, lines=lines)


def other_contracts(sheet: Sheet, rng: Random) -> Damaged | None:
    """Labels of another month than the file's contract."""
    labels = {"vx_contract_current": "futures", "vx_contract_legacy": "futures", "vx_settlement_curve": "symbol"}
    if sheet.layout not in labels:
        return None
    lines = some_lines(sheet, rng)
    other = {"vx_contract_legacy": "Q (Dec 14)", "vx_contract_current": "U (Sep 2025)"}.get(sheet.layout, "VX/X9")
    return damaged(
        sheet.with_column(labels[sheet.layout], dict.fromkeys(lines, other)), rules={"label_mismatch"}, lines=lines
    )


def counts_that_do_not_add(sheet: Sheet, rng: Random) -> Damaged | None:
    """Advances, declines and unchanged issues that are not the issues."""
    if sheet.layout != "nyse_breadth":
        return None
    lines, name = some_lines(sheet, rng), rng.choice(["issues", "adv", "dec", "unch"])
    values = sheet.values(name)
    changed = sheet.with_column(name, {n: str(int(values[n - 1]) + rng.randint(1, 400)) for n in lines})
    return damaged(changed, rules={"counts_do_not_add"}, lines=lines)


def nothing_counted(sheet: Sheet, rng: Random) -> Damaged | None:
    """Zeros where a session has counts, levels or settlements."""
    zeroed = {
        "constituent_breadth": ("nyse_advancers", "nyse_decliners"),
        "nyse_breadth": ("adv", "dec"),
        "vx_contract_current": ("close", "settle", "total volume"),
        "vx_contract_legacy": ("close", "settle", "total volume"),
        "vx_settlement_curve": ("settlement",),
        "cfe_final_settlement": ("settlementprice",),
        "index_history": facts_of(sheet).numbers if sheet.layout == "index_history" else (),
    }.get(sheet.layout)
    if not zeroed:
        return None
    lines = some_lines(sheet, rng)
    for name in zeroed:
        sheet = sheet.with_column(name, dict.fromkeys(lines, "0"))
    return damaged(sheet, rules={"no_value", "bad_number", "counts_do_not_add", "partial_session"}, lines=lines)


def inverted_ranges(sheet: Sheet, rng: Random) -> Damaged | None:
    """A high below the low on a session with trades."""
    if not sheet.layout.startswith("vx_contract"):
        return None
    traded = [n for n, volume in enumerate(sheet.values("total volume"), 1) if int(volume) > 0]
    lines = sorted(rng.sample(traded, min(2, len(traded))))
    highs, lows = sheet.values("high"), sheet.values("low")
    lines = [n for n in lines if float(highs[n - 1]) > float(lows[n - 1])]
    if not lines:
        return None
    changed = sheet.with_column("high", {n: lows[n - 1] for n in lines}).with_column(
        "low", {n: highs[n - 1] for n in lines}
    )
    return damaged(changed, rules={"high_below_low"}, lines=lines)


def garbage_lines(sheet: Sheet, rng: Random) -> Damaged | None:
    """Lines of random bytes."""
    if sheet.is_json:
        return None
    lines = some_lines(sheet, rng)
    allowed = [byte for byte in range(256) if byte not in b'\r\n,"']
    noise = {n: bytes(rng.choices(allowed, k=rng.randint(5, 60))) for n in lines}
    texts = {n: noise[n].decode("utf-8", "surrogateescape") for n in lines}
    return Damaged(sheet.name, with_lines(sheet, texts), rules=frozenset({"unparseable_line"}), lines=frozenset(lines))


def nul_block(sheet: Sheet, rng: Random) -> Damaged | None:
    """A block of NUL bytes at the end, as a crash while copying leaves it."""
    if sheet.is_json:
        return Damaged(sheet.name, sheet.payload() + b"\x00" * 512, refusal="does not parse")
    payload = sheet.payload() + b"\x00" * rng.choice([1, 512, 4096])
    return Damaged(sheet.name, payload, rules=frozenset({"unparseable_line"}), lines=frozenset({len(sheet.rows) + 1}))


def header_in_the_middle(sheet: Sheet, rng: Random) -> Damaged | None:
    """A second header line, as two files glued together have it."""
    if sheet.is_json or sheet.layout in {"macro_events", "cfe_final_settlement"}:
        # There the header's own word would be the name of an event or product that is none of ours.
        return None
    place = rng.randint(1, len(sheet.rows))
    rows = (*sheet.rows[: place - 1], sheet.header, *sheet.rows[place - 1 :])
    return damaged(replace(sheet, rows=rows), rules=PARSING, lines=[place])


LINE_DAMAGES: dict[str, Damage] = {
    damage.__name__: damage
    for damage in (
        words_for_numbers, formulas_for_numbers, code_for_numbers, decimal_commas, overflowing_numbers, nul_in_numbers,
        nested_quotes_in_numbers, unclosed_quotes, huge_values, negative_values, tenfold_values, blank_values,
        crossed_quotes, lost_fields, shifted_fields, truncated_line, repeated_lines, contradicting_lines,
        unreadable_days, days_without_a_session, days_to_come, expired_series, foreign_roots, broken_symbols,
        other_contracts, counts_that_do_not_add, nothing_counted, inverted_ranges, garbage_lines, nul_block,
        header_in_the_middle,
    )
}  # fmt: skip
