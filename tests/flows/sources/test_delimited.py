"""Reading a vendor's headed text: the header, the columns by name, and the lines that cannot be read."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources import ROW_NUMBER, open_delivery
from flows.sources.delimited import (
    LineRule,
    Lines,
    day,
    divide,
    first_values,
    header_names,
    number,
    read_lines,
    whole_number,
)
from transforms.errors import RefusedFile
from transforms.schemas import INDEX_LEVEL

PLAIN = "Date,Level,Note\n2024-01-02,1.5,a\n2024-01-03,2.5,b\n"


def read(text: str | bytes, *, encoding: str = "utf-8") -> Lines:
    payload = text if isinstance(text, bytes) else text.encode(encoding)
    return read_lines(
        open_delivery("levels.csv", payload),
        anchor="date",
        required={"day_text": ("date",), "level_text": ("level", "close")},
        optional={"extra": ("extra",)},
        known=("note",),
        table=INDEX_LEVEL,
    )


def rows(lines: Lines) -> list[tuple[object, ...]]:
    return lines.frame.select("day_text", "level_text").rows()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\ufeff" + PLAIN,
        PLAIN + "\n\n  \n",
        PLAIN.rstrip("\n"),
        "Vendor data is furnished without responsibility, on the condition,,\n\n" + PLAIN,
        PLAIN.replace(",", " , "),
        PLAIN.replace("Date", " DATE ").replace("Level", '"level"'),
        PLAIN.replace("1.5", '"1.5"'),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("a\n", "a,,\n"),
        PLAIN.replace("a\n", '"a",,\n'),
    ],
)
def test_marks_line_ends_blanks_preambles_and_empty_tails_do_not_matter(text: str) -> None:
    lines = read(text)
    assert rows(lines) == [("2024-01-02", "1.5"), ("2024-01-03", "2.5")]
    assert lines.unreadable.is_empty()
    assert lines.unknown_columns == ()


def test_columns_are_matched_by_name_in_any_order() -> None:
    lines = read("close,note,date\n1.5,a,2024-01-02\n")
    assert rows(lines) == [("2024-01-02", "1.5")]


def test_an_optional_column_that_is_absent_is_null() -> None:
    assert read(PLAIN).frame["extra"].to_list() == [None, None]


def test_blank_fields_are_null() -> None:
    assert rows(read("Date,Level,Note\n2024-01-02,,\n2024-01-03,  ,\n")) == [
        ("2024-01-02", None),
        ("2024-01-03", None),
    ]


def test_a_column_nobody_asked_for_is_reported() -> None:
    assert read("Date,Level,Note,Colour\n2024-01-02,1,a,red\n").unknown_columns == ("colour",)


def test_a_missing_required_column_is_refused_by_name() -> None:
    with pytest.raises(RefusedFile, match=r"levels\.csv: 1 of 2 required columns are missing \(level\)"):
        read("Date,Note\n2024-01-02,a\n")


def test_a_file_without_header_is_refused() -> None:
    with pytest.raises(RefusedFile, match="none of the first 20 lines has a column 'date'"):
        read("2024-01-02,1.5,a\n")


def test_a_header_without_data_lines_is_refused() -> None:
    with pytest.raises(RefusedFile, match="a header and no data lines"):
        read("Date,Level,Note\n\n")


@pytest.mark.parametrize("bad", ["2024-01-03,2", "2024-01-03,2,b,c", '2024-01-03,"2,b'])
def test_a_line_with_another_number_of_fields_is_set_apart_and_kept_word_for_word(bad: str) -> None:
    lines = read(f"Date,Level,Note\n2024-01-02,1.5,a\n\n{bad}\n2024-01-04,3.5,c\n")
    assert rows(lines) == [("2024-01-02", "1.5"), ("2024-01-04", "3.5")]
    assert lines.frame[ROW_NUMBER].to_list() == [1, 3]
    assert lines.n_lines == 3
    assert lines.unreadable.select("source_row_number", "rule").rows() == [(2, "unparseable_line")]
    assert json.loads(lines.unreadable["row_json"][0]) == {"line": bad}


def test_a_comma_inside_quotes_does_not_part_fields() -> None:
    lines = read('Date,Level,Note\n2024-01-02,"1,234.5",a\n')
    assert lines.frame.select(number("level_text", thousands=True)).item() == 1234.5
    assert lines.frame.select(number("level_text")).item() is None


def test_text_that_is_not_utf8_is_read_as_latin_1() -> None:
    assert read(PLAIN.replace(",a", ",é"), encoding="latin-1").raw["note"].to_list() == ["é", "b"]


def test_a_repeated_column_name_is_numbered() -> None:
    assert header_names("Date,Bid,Ask,Bid,,\n", anchor="date") == ("date", "bid", "ask", "bid.2")


def test_the_first_values_are_those_of_the_whole_lines_below_the_header() -> None:
    text = "notice\nDate,Level\n\n 2024-01-02 , 7\n2024-01-03\n2024-01-04,8,9\n"
    assert first_values(text, anchor="date") == ["2024-01-02", "2024-01-04"]
    assert first_values("Date,Level\n", anchor="date") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", 1.5), ("-2", -2.0), ("1e2", 100.0), ("nan", None), ("inf", None), ("", None), ("-", None), ("1x", None)],
)
def test_number_is_a_finite_float_or_null(text: str, value: float | None) -> None:
    assert pl.DataFrame({"x": [text]}).select(number("x")).item() == value


@pytest.mark.parametrize(("text", "value"), [("12", 12), ("12.0", 12), ("12.5", None), ("1e300", None), ("", None)])
def test_whole_number_refuses_fractions(text: str, value: int | None) -> None:
    assert pl.DataFrame({"x": [text]}).select(whole_number("x")).item() == value


@pytest.mark.parametrize("text", ["1/24/05", "02/30/2021", "2021-02-03", "13/01/2021", ""])
def test_day_refuses_what_does_not_fit_the_format_or_the_calendar(text: str) -> None:
    assert pl.DataFrame({"x": [text]}).select(day("x", "%m/%d/%Y")).item() is None


def test_a_line_is_rejected_once_under_the_first_rule_it_breaks() -> None:
    lines = read("Date,Level,Note\n2024-01-02,x,a\n2024-01-03,2.5,b\n,y,c\n")
    frame = lines.frame.with_columns(day("day_text", "%Y-%m-%d").alias("session_date"), number("level_text"))
    rules = [
        LineRule("bad_date", pl.col("session_date").is_null(), "date {} is no date", ("day_text",)),
        LineRule("bad_number", pl.col("level_text").is_null(), "not a number"),
    ]
    kept, rejected = divide(frame, rules, lines=lines, table=INDEX_LEVEL, session="session_date")
    assert kept[ROW_NUMBER].to_list() == [2]
    assert rejected.select("source_row_number", "rule", "reason").rows() == [
        (1, "bad_number", "not a number"),
        (3, "bad_date", "date blank is no date"),
    ]
    assert rejected["session_date"].cast(pl.String).to_list() == ["2024-01-02", "1900-01-01"]
    assert json.loads(rejected["row_json"][0]) == {"date": "2024-01-02", "level": "x", "note": "a"}


@given(st.lists(st.text(alphabet='ab1,". \t', max_size=12), max_size=8))
def test_every_data_line_is_read_or_set_apart(data: list[str]) -> None:
    lines = read("Date,Level,Note\n2024-01-02,1,a\n" + "\n".join(data))
    assert lines.n_lines == 1 + sum(not line.isspace() and line != "" for line in data)
    numbers = lines.frame[ROW_NUMBER].to_list() + lines.unreadable[ROW_NUMBER].to_list()
    assert sorted(numbers) == list(range(1, lines.n_lines + 1))
