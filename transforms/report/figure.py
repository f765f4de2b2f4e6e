"""A chart as data: panels of series over one axis, what each is counted in and which table it comes from.

A page draws it; nothing here knows how. Numbers keep `DIGITS` significant digits, which no eye and no pixel exceeds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

DIGITS = 6

# How a number is written: dollars as $1,234, percent from a decimal, points with so many digits, dates as 18 Dec 2026.
Form = Literal["date", "dollars", "percent0", "percent1", "number0", "number1", "number2", "number3"]
# Lines join their points, steps hold them; a range is drawn from low to high; bars stand on zero.
Mark = Literal["line", "points", "range", "bars"]
# A tone has one meaning in the whole page; two series that a color-blind eye could confuse differ in their dash too.
Tone = Literal["first", "second", "third", "muted", "warn"]
Cell = float | int | str | date | None


@dataclass(frozen=True)
class Axis:
    """What an axis counts, and how its numbers are written."""

    label: str
    form: Form


@dataclass(frozen=True)
class Series:
    """Points of one name: `x` increasing, `y` with None where it is missing; `low` and `high` for a range."""

    name: str
    x: Sequence[Cell]
    y: Sequence[Cell]
    mark: Mark = "line"
    tone: Tone = "first"
    dashed: bool = False
    low: Sequence[Cell] = ()
    high: Sequence[Cell] = ()


@dataclass(frozen=True)
class Level:
    """A line at one value of an axis, with what it means."""

    value: float
    label: str


@dataclass(frozen=True)
class Panel:
    """Series over one vertical axis; `levels` are horizontal lines; `share` is its part of the figure's height."""

    axis: Axis
    series: Sequence[Series]
    levels: Sequence[Level] = ()
    share: float = 1.0


@dataclass(frozen=True)
class Figure:
    """A chart: `title` says what is seen, `source` the tables it comes from, `marks` are vertical lines."""

    title: str
    source: str
    x: Axis
    panels: Sequence[Panel]
    marks: Sequence[Level] = ()
    note: str = ""
    choice: str = ""

    def document(self) -> dict[str, Any]:
        """Return the figure as JSON can hold it."""
        return {
            "title": self.title,
            "choice": self.choice,
            "source": self.source,
            "note": self.note,
            "x": {"label": self.x.label, "form": self.x.form},
            "marks": [_level(mark) for mark in self.marks],
            "panels": [
                {
                    "y": {"label": panel.axis.label, "form": panel.axis.form},
                    "share": panel.share,
                    "levels": [_level(level) for level in panel.levels],
                    "series": [_series(series) for series in panel.series],
                }
                for panel in self.panels
            ],
        }


@dataclass(frozen=True)
class Missing:
    """A figure that cannot be drawn, and why."""

    title: str
    source: str
    reason: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"title": self.title, "source": self.source, "missing": self.reason}


@dataclass(frozen=True)
class Choices:
    """Figures of one kind of which one is seen at a time, each with its own `choice` as name."""

    figures: Sequence[Figure] = field(default_factory=tuple)

    def document(self) -> dict[str, Any]:
        """Return them as JSON can hold them."""
        return {"choices": [figure.document() for figure in self.figures]}


Drawable = Figure | Missing | Choices


def rounded(values: Iterable[Cell]) -> list[float | int | str | None]:
    """Return numbers at `DIGITS` significant digits, days as ISO dates; what is not finite is None."""
    return [_cell(value) for value in values]


def _cell(value: Cell) -> float | int | str | None:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() else short
    return value


def _level(level: Level) -> dict[str, Any]:
    return {"value": _cell(level.value), "label": level.label}


def _series(series: Series) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": series.name,
        "mark": series.mark,
        "tone": series.tone,
        "dashed": series.dashed,
        "x": rounded(series.x),
        "y": rounded(series.y),
    }
    if series.mark == "range":
        found |= {"low": rounded(series.low), "high": rounded(series.high)}
    return found
