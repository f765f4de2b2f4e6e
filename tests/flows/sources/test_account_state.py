"""The account as its owner states it."""

from datetime import date

import pytest

from flows.sources import SOURCE_MODULES, Reading, open_delivery, recognize, registry
from flows.sources import account_state as source
from tests.flows.sources.judged import judged
from transforms.errors import RefusedFile
from transforms.schemas import ACCOUNT_DAILY, ACCOUNT_STATE, ENGINE_DAILY
from transforms.sessions import TradingCalendar

HEADER = "session_date,equity,cash,marketable_securities,receivables,current_liabilities,margin_loan_rate"
LINE = "2024-03-04,150000,42000.50,60000,0,12000,0.0825"


BAD_LINES = [
    (LINE.replace("2024-03-04", "03/04/2024"), "bad_date", "03/04/2024 is no date like 2026-03-04"),
    (LINE.replace("2024-03-04", ""), "bad_date", "blank"),
    (LINE.replace("150000", "$150000"), "bad_number", r"equity $150000 is no number"),
    (LINE.replace("0.0825", "8.25%"), "bad_number", "8.25% is no number like 0.0825 for 8.25 %"),
    (LINE.replace("150000", ""), "equity_missing", "equity is missing"),
    (LINE.replace("0.0825", "8.25"), "margin_loan_rate_out_of_range", "8.25 is outside 0 to 0.5"),
    (LINE.replace("60000", "-60000"), "marketable_securities_out_of_range", "-60000.0 is below 0"),
    (LINE.replace("2024-03-04", "2024-03-03"), "not_a_session", "2024-03-03 is not a trading session"),
    (LINE + ",1", "unparseable_line", "not 7 fields"),
]


def read(*lines: str, calendar: TradingCalendar, header: str = HEADER) -> Reading:
    delivery = open_delivery("account.csv", "\n".join([header, *lines]).encode())
    assert [name for name, module in registry().items() if module.recognizes(delivery)] == [source.NAME]
    return source.read(delivery, calendar=calendar)


def test_a_line_is_the_account_of_a_session(calendar: TradingCalendar) -> None:
    reading = read(LINE, calendar=calendar)
    assert reading.frames["core.account_state"].rows() == [
        (date(2024, 3, 4), 150_000.0, 42_000.5, 60_000.0, 0.0, 12_000.0, 0.0825, 1)
    ]
    assert (reading.n_lines, reading.n_rows, reading.unknown_columns) == (1, 1, ())


def test_blank_is_not_stated_and_cash_may_be_borrowed(calendar: TradingCalendar) -> None:
    reading = read('2024-03-04,"150,000",-4200,,,,', calendar=calendar)
    assert reading.frames["core.account_state"].row(0)[1:7] == (150_000.0, -4_200.0, None, None, None, None)
    accepted, rejected = judged(reading, ACCOUNT_STATE, calendar)
    assert (accepted.height, rejected) == (1, [])


def test_columns_come_in_any_order_and_a_strange_one_is_reported(calendar: TradingCalendar) -> None:
    names, values = HEADER.split(","), LINE.split(",")
    header, line = ",".join([*names[::-1], "Broker"]), ",".join([*values[::-1], "mine"])
    reading = read(line, calendar=calendar, header=header)
    assert reading.frames["core.account_state"].equals(read(LINE, calendar=calendar).frames["core.account_state"])
    assert reading.unknown_columns == ("broker",)


@pytest.mark.parametrize("missing", [*HEADER.split(",")[1:]])
def test_a_missing_column_refuses_the_file_and_is_named(missing: str, calendar: TradingCalendar) -> None:
    header = HEADER.replace(missing, missing[:-1])
    with pytest.raises(RefusedFile, match=rf"missing \({missing}\).*leave blank what is not stated"):
        read(LINE, calendar=calendar, header=header)


def test_a_line_that_is_no_account_goes_to_quarantine(calendar: TradingCalendar) -> None:
    reading = read(*(line for line, _, _ in BAD_LINES), LINE.replace("03-04", "03-05"), calendar=calendar)
    accepted, rejected = judged(reading, ACCOUNT_STATE, calendar)
    assert accepted["session_date"].to_list() == [date(2024, 3, 5)]
    assert reading.n_rows == reading.n_lines == len(BAD_LINES) + 1
    found = {line: (rule, reason) for rule, reason, line in rejected if rule != "conflicting_duplicate"}
    for number, (line, rule, said) in enumerate(BAD_LINES, start=1):
        assert found[number][0] == rule, line
        assert said in found[number][1], line


def test_a_session_stated_twice_otherwise_is_not_believed(calendar: TradingCalendar) -> None:
    reading = read(LINE, LINE, LINE.replace("03-04", "03-05"), LINE.replace("03-04", "03-05").replace("150", "151"),
                   calendar=calendar)  # fmt: skip
    accepted, rejected = judged(reading, ACCOUNT_STATE, calendar)
    assert accepted["session_date"].to_list() == [date(2024, 3, 4)]
    assert sorted(rule for rule, _, _ in rejected) == [
        "conflicting_duplicate",
        "conflicting_duplicate",
        "duplicate_row",
    ]


def test_other_tables_of_this_program_are_not_taken_for_it() -> None:
    engines = open_delivery("export.csv", ",".join(ENGINE_DAILY.column_names).encode() + b"\n2024-03-04,condor,1\n")
    assert not source.recognizes(engines)
    assert recognize(open_delivery("own.csv", f"{HEADER}\n{LINE}\n".encode())).NAME == source.NAME
    assert set(source.COLUMNS) < set(ACCOUNT_DAILY.column_names)
    assert SOURCE_MODULES.index(source.NAME) < SOURCE_MODULES.index("unusable")
