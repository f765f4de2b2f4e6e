"""A vendor's headed, comma-separated text: header found, columns matched by name, unreadable lines set apart.

A source states which columns it needs (`read_lines`), turns the strings into numbers and days (`number`,
`whole_number`, `day`), and states as `LineRule`s which lines cannot become rows (`divide`). Byte order marks, line ends
(LF, CRLF, CR), blank lines, blanks around fields and empty fields beyond the header do not matter.
"""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from flows.sources import REJECTED_COLUMNS, ROW_NUMBER, Delivery, no_rejections
from transforms.errors import RefusedFile
from transforms.table_schema import Table

# Preambles seen are at most four lines long; a header further down is another layout.
HEADER_WITHIN = 20
MOST_COLUMNS = 1_000
NO_SESSION = date(1900, 1, 1)
FIRST_YEAR, LAST_YEAR = 1900, 2199
BESIDE_SEPARATORS = (", ", " ,", "\n ", " \n")


@dataclass(frozen=True)
class Lines:
    """The data lines of one file, as strings.

    Attributes
    ----------
    frame
        One row per line with as many fields as the header: the columns the source asked for, under its names, plus
        `source_row_number` (data lines counted from 1, blank lines apart). Blank is null; so are optional columns that
        the file does not have.
    raw
        The same lines with every column of the file under its own lower-case name, plus `source_row_number`.
    unreadable
        Rejected rows (rule `unparseable_line`) of the lines with too few or too many fields or an open quote.
    n_lines
        Lines of both kinds.
    unknown_columns
        Names of the header that the source neither reads nor knows.
    """

    frame: pl.DataFrame
    raw: pl.DataFrame
    unreadable: pl.DataFrame
    n_lines: int
    unknown_columns: tuple[str, ...]


@dataclass(frozen=True)
class LineRule:
    """A reason why a line cannot become a row: `broken` (null counts as kept) and what to say.

    `reason` holds one `{}` for each column of `quoting`; a null is quoted as "blank".
    """

    name: str
    broken: pl.Expr
    reason: str
    quoting: tuple[str, ...] = ()


def header_names(head: str, *, anchor: str) -> tuple[str, ...]:
    """Return the lower-case column names of the header: the first line, of the first 20, with a field named `anchor`.

    A name that occurs again is given as "name.2", "name.3". Empty if there is no such line.
    """
    found = _find_header(_text_lines(head), anchor=anchor)
    return found[1] if found else ()


def first_values(head: str, *, anchor: str) -> list[str]:
    """Return the values of the column `anchor` on the first data lines that have at least as many fields as the header.

    The lines are those of the first 20 below the header: one damaged line must not hide what the others are.
    """
    lines = _text_lines(head)
    found = _find_header(lines, anchor=anchor)
    if found is None:
        return []
    position, names = found
    rows = [_fields(line) for line in lines[position + 1 : position + 1 + HEADER_WITHIN] if line.strip()]
    return [row[names.index(anchor)] for row in rows if len(row) >= len(names)]


def rows_of(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the columns of `table` except `source_sha256`, in its types, and `source_row_number`."""
    columns = [column for column in table.columns if column.name != "source_sha256"]
    return frame.select(*(pl.col(column.name).cast(column.dtype) for column in columns), ROW_NUMBER)


def read_lines(
    delivery: Delivery,
    *,
    anchor: str,
    required: Mapping[str, Sequence[str]],
    optional: Mapping[str, Sequence[str]] | None = None,
    known: Collection[str] = (),
    table: Table,
    remedy: str = "download the file again with all its columns",
) -> Lines:
    """Return the data lines under the header.

    Parameters
    ----------
    anchor
        Lower-case name that tells the header line from a preamble.
    required, optional
        Wanted column to the lower-case names under which vendors print it.
    known
        Lower-case names that belong to the layout but are not read.
    table
        Table that unreadable lines were meant for.
    remedy
        What to do about a missing column.

    Raises
    ------
    RefusedFile
        If there is no header, a required column is missing, there are columns without end, or no data lines.
    """
    lines = _text_lines(delivery.text)
    found = _find_header(lines, anchor=anchor)
    if found is None:
        raise RefusedFile(
            f"{delivery.name}: none of the first {HEADER_WITHIN} lines has a column {anchor!r}; "
            "download the file again with its header line"
        )
    position, names = found
    if len(names) > MOST_COLUMNS:
        raise RefusedFile(f"{delivery.name}: the header has {len(names):,} columns; no vendor's has {MOST_COLUMNS:,}")
    wanted = {**required, **(optional or {})}
    sources = {column: next((n for n in printed if n in names), None) for column, printed in wanted.items()}
    missing = [required[column][0] for column in required if sources[column] is None]
    if missing:
        raise RefusedFile(
            f"{delivery.name}: {len(missing)} of {len(required)} required columns are missing ({', '.join(missing)}); "
            f"the header has {', '.join(filter(None, names))}; {remedy}"
        )
    data = _without_blank_lines(lines[position + 1 :])
    if not data:
        raise RefusedFile(f"{delivery.name}: a header and no data lines; download it again")
    raw, unreadable = _split(data, names=names, table=table)
    frame = raw.select(
        *(
            (pl.col(source) if source else pl.lit(None, dtype=pl.String())).alias(column)
            for column, source in sources.items()
        ),
        ROW_NUMBER,
    )
    read = set(sources.values()) | set(known)
    unknown = tuple(name for name in names if name and name not in read)
    return Lines(frame=frame, raw=raw, unreadable=unreadable, n_lines=len(data), unknown_columns=unknown)


def divide(
    frame: pl.DataFrame, rules: Sequence[LineRule], *, lines: Lines, table: Table, session: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that break no rule, and the others as rejected rows under the first rule each breaks.

    `session` names the column with the session the row claims (null, or no column: 1900-01-01). A row of `frame` is
    traced to its line by `line_number` if it has that column, else by `source_row_number`.
    """
    names = [f"breaks {position}" for position in range(len(rules))]
    verdict = frame.select(rule.broken.fill_null(False).alias(name) for name, rule in zip(names, rules, strict=True))
    broken = verdict.select(pl.any_horizontal(pl.all())).to_series()
    if not broken.any():
        return frame, no_rejections()
    bad = pl.concat([frame, verdict], how="horizontal").filter(broken)
    line = "line_number" if "line_number" in frame.columns else ROW_NUMBER
    by_name = list(zip(names, rules, strict=True))
    rejected = bad.select(
        (pl.col(session).fill_null(NO_SESSION) if session else pl.lit(NO_SESSION)).alias("session_date"),
        pl.lit(table.full_name).alias("table_name"),
        ROW_NUMBER,
        pl.coalesce(pl.when(name).then(pl.lit(rule.name)) for name, rule in by_name).alias("rule"),
        pl.coalesce(pl.when(name).then(_said(rule)) for name, rule in by_name).alias("reason"),
        pl.col(line).alias("line"),
    )
    as_read = lines.raw.filter(pl.col(ROW_NUMBER).is_in(rejected["line"].unique().to_list())).select(
        pl.col(ROW_NUMBER).alias("line"), pl.struct(pl.exclude(ROW_NUMBER)).struct.json_encode().alias("row_json")
    )
    rejected = rejected.join(as_read, on="line", how="left", validate="m:1", maintain_order="left")
    return frame.filter(~broken), rejected.select(REJECTED_COLUMNS)


def _said(rule: LineRule) -> pl.Expr:
    quoted = [pl.col(column).cast(pl.String()).fill_null("blank") for column in rule.quoting]
    return pl.format(rule.reason, *quoted) if quoted else pl.lit(rule.reason)


def number(column: str, *, thousands: bool = False) -> pl.Expr:
    """Return a string column as finite floats; null where it is blank or no number.

    `thousands` allows commas between digits.
    """
    text = pl.col(column).str.replace_all(",", "", literal=True) if thousands else pl.col(column)
    value = text.cast(pl.Float64(), strict=False)
    return pl.when(value.is_finite()).then(value).alias(column)


def whole_number(column: str, *, thousands: bool = False) -> pl.Expr:
    """Return a string column as integers ("12", "12.0"); null where it is blank or no whole number."""
    value = number(column, thousands=thousands)
    return pl.when(value == value.floor()).then(value).cast(pl.Int64(), strict=False).alias(column)


def day(column: str, *formats: str) -> pl.Expr:
    """Return a string column as dates by the first format that gives a day from 1900 to 2199; null where none does.

    The years matter: %Y reads "24" as the year 24.
    """
    values = [pl.col(column).str.to_date(f, strict=False) for f in formats]
    return pl.coalesce(
        pl.when(value.dt.year().is_between(FIRST_YEAR, LAST_YEAR)).then(value) for value in values
    ).alias(column)


def printed_as_fraction(column: str) -> pl.Expr:
    """Return where a string column prints a yield as "0.0425" and not, in percent, as "4.25" or "0.04"."""
    return pl.col(column).str.contains(r"^[+-]?0?\.\d*[1-9]\d*$") & pl.col(column).str.contains(r"\.\d{3,}$")


def given_but_unread(text: str, parsed: str) -> pl.Expr:
    """Return where the string column `text` holds something and the column `parsed` made from it is null."""
    return pl.col(text).is_not_null() & pl.col(parsed).is_null()


def names_another(column: str, *, than: Sequence[str]) -> pl.Expr:
    """Return where a string column holds a code that is none of ours: the line is another product's, or event's.

    A line whose code is blank, a number or several words may be one of ours whose fields are out of place: false.
    """
    is_code = pl.col(column).str.contains("^[A-Za-z][A-Za-z0-9_]*$")
    return (is_code & ~pl.col(column).str.to_uppercase().is_in(list(than))).fill_null(False)


def _text_lines(text: str) -> list[str]:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removeprefix("\ufeff").split("\n")


def _without_blank_lines(lines: list[str]) -> list[str]:
    # Nearly every line begins with a letter or digit, and need not be looked at whole.
    return [line for line in lines if line and ("!" <= line[0] <= "~" or not line.isspace())]


def _find_header(lines: Iterable[str], *, anchor: str) -> tuple[int, tuple[str, ...]] | None:
    for position, line in zip(range(HEADER_WITHIN), lines, strict=False):
        if anchor not in line.lower():
            continue
        names = [" ".join(name.split()).lower() for name in _fields(line)]
        if anchor in names:
            while names and not names[-1]:
                names.pop()
            return position, _distinct(names)
    return None


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 or not name else f"{name}.{seen[name]}")
    return tuple(result)


def _fields(line: str) -> list[str]:
    """Return the fields of one line; none if its quotes do not close."""
    if line.count('"') % 2:
        return []
    try:
        return [field.strip() for field in next(csv.reader((line,), skipinitialspace=True))]
    except csv.Error:
        return []


def _split(data: list[str], *, names: tuple[str, ...], table: Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return all columns of the readable lines as trimmed strings, and the unreadable lines as rejected rows."""
    columns = [name or f"column {position + 1}" for position, name in enumerate(names)]
    text = "\n".join(data)
    if '"' in text:
        rows = [_fields(line) for line in data]
        for row in rows:
            while len(row) > len(columns) and not row[-1]:
                row.pop()
        readable = [len(row) == len(columns) for row in rows]
        kept = [row for row, good in zip(rows, readable, strict=True) if good]
        raw = pl.DataFrame(
            dict(zip(columns, zip(*kept, strict=True), strict=True)) if kept else None,
            schema=dict.fromkeys(columns, pl.String()),
        ).with_columns(pl.all().replace("", None))
        fits = pl.Series(readable)
    else:
        series = pl.Series("line", data)
        separators = series.str.count_matches(",", literal=True)
        is_longer = (separators > len(columns) - 1).any()
        if is_longer:
            series = _without_empty_tail(series, n_columns=len(columns))
            separators = series.str.count_matches(",", literal=True)
        fits = separators == len(columns) - 1
        if is_longer or not fits.all():
            text = "\n".join(series.filter(fits).to_list())
        raw = _parsed(text, columns=columns)
    numbers = pl.Series(ROW_NUMBER, range(1, len(data) + 1), dtype=pl.Int64())
    raw = raw.with_columns(numbers.filter(fits))
    if fits.all():
        return raw, no_rejections()
    cut = pl.DataFrame({ROW_NUMBER: numbers, "line": data}).filter(~fits)
    unreadable = cut.select(
        pl.lit(NO_SESSION).alias("session_date"),
        pl.lit(table.full_name).alias("table_name"),
        ROW_NUMBER,
        pl.lit("unparseable_line").alias("rule"),
        pl.format("not {} fields: {}", pl.lit(len(columns)), pl.col("line").str.slice(0, 200)).alias("reason"),
        pl.struct("line").struct.json_encode().alias("row_json"),
    )
    return raw, unreadable.select(REJECTED_COLUMNS)


def _without_empty_tail(lines: pl.Series, *, n_columns: int) -> pl.Series:
    """Return the lines with empty fields beyond `n_columns` cut off."""
    tail = rf"^((?:[^,]*,){{{n_columns - 1}}}[^,]*?)(?:,\s*)+$"
    return lines.str.replace(tail, "${1}")


def _parsed(text: str, *, columns: list[str]) -> pl.DataFrame:
    """Return unquoted lines of the right number of fields as trimmed strings, null where blank."""
    if not text:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String()))
    frame = pl.read_csv(text.encode(), has_header=False, new_columns=columns, infer_schema=False, quote_char=None)
    if text != text.strip() or "\t" in text or (" " in text and any(at in text for at in BESIDE_SEPARATORS)):
        trimmed = pl.all().str.strip_chars()
        frame = frame.with_columns(pl.when(trimmed != "").then(trimmed).name.keep())
    return frame
