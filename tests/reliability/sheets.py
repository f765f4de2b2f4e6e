"""A vendor's file as lines of fields: what mutations change, and how it is written as bytes again."""

import gzip
import io
import json
import zipfile
from dataclasses import dataclass, replace
from datetime import date

ARCHIVE_CLOCK = (2024, 1, 31, 20, 30, 0)


@dataclass(frozen=True)
class Sheet:
    """A vendor's file before and after a mutation.

    Attributes
    ----------
    layout
        The source that recognizes it.
    kind
        Which of the layout's variants it is; a layout may have several.
    preamble
        Lines above the header, as printed.
    rows_a_line
        `source_row_number` divided by it is the line's number (see quarantine.rejected_row).
    """

    layout: str
    kind: str
    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    preamble: tuple[str, ...] = ()
    line_end: str = "\n"
    rows_a_line: int = 1

    @property
    def is_json(self) -> bool:
        return self.layout == "cboe_delayed_json"

    @property
    def names(self) -> tuple[str, ...]:
        """Lower-case column names; one that occurs again is "name.2"."""
        seen: dict[str, int] = {}
        found = []
        for name in self.header:
            plain = name.strip().lower()
            seen[plain] = seen.get(plain, 0) + 1
            found.append(plain if seen[plain] == 1 else f"{plain}.{seen[plain]}")
        return tuple(found)

    def column(self, name: str) -> int:
        return self.names.index(name)

    def values(self, name: str) -> list[str]:
        position = self.column(name)
        return [row[position] for row in self.rows]

    def with_cell(self, line: int, name: str, value: str) -> "Sheet":
        """Return the sheet with another value in line `line`, counted from 1."""
        return self.with_column(name, {line: value})

    def with_column(self, name: str, values: dict[int, str]) -> "Sheet":
        """Return the sheet with other values in a column, by line counted from 1."""
        position = self.column(name)
        rows = [
            (*row[:position], values[line], *row[position + 1 :]) if line in values else row
            for line, row in enumerate(self.rows, 1)
        ]
        return replace(self, rows=tuple(rows))

    def without_column(self, name: str) -> "Sheet":
        position = self.column(name)

        def cut(row: tuple[str, ...]) -> tuple[str, ...]:
            return row[:position] + row[position + 1 :]

        return replace(self, header=cut(self.header), rows=tuple(cut(row) for row in self.rows))

    def lines(self) -> list[str]:
        """Return the header and the data lines, without line ends."""
        return [",".join(_quoted(name) for name in self.header), *(",".join(map(_quoted, row)) for row in self.rows)]

    def text(self) -> str:
        """Return the whole file as text."""
        if self.is_json:
            records = ",".join(self._record(row) for row in self.rows)
            return self.preamble[0].replace("RECORDS", records)
        return self.line_end.join([*self.preamble, *self.lines(), ""])

    def payload(self) -> bytes:
        """Return the whole file as UTF-8."""
        return self.text().encode()

    def _record(self, row: tuple[str, ...]) -> str:
        pairs = zip(self.header, row, strict=False)
        return "{" + ",".join(f"{json.dumps(key)}:{_json_value(value)}" for key, value in pairs) + "}"


def zipped(members: dict[str, bytes]) -> bytes:
    """Return a zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=ARCHIVE_CLOCK), content)
    return buffer.getvalue()


def gzipped(content: bytes) -> bytes:
    """Return the gzip of some bytes, without a clock in it."""
    return gzip.compress(content, mtime=0)


def american(day: date) -> str:
    """Return a day as MM/DD/YYYY."""
    return f"{day:%m/%d/%Y}"


def _quoted(field: str) -> str:
    return f'"{field}"' if "," in field or (" " in field and field[:1].isdigit() and field[-1:].isalpha()) else field


def _json_value(value: str) -> str:
    """Return a number or null as it stands, anything else as a JSON text."""
    try:
        float(value)
    except ValueError:
        return "null" if value == "" else json.dumps(value)
    return json.dumps(value) if value.strip() != value or not value.lstrip("-")[:1].isdigit() else value
