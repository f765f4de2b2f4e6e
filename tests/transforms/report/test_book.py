"""The book as shown: spans that end tonight, causes that add up, a line only where there are two points."""

from datetime import date, timedelta

import pytest

from tests.transforms.report.nights import SESSION, night_of
from transforms.report.book import attribution_document, equity_figure
from transforms.report.figure import Figure, Missing
from transforms.report.words import ATTRIBUTION
from transforms.schemas import ENGINE_DAILY


def engine_rows(n: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for back in range(n):
        for engine, size in (("condor", 1.0), ("second", 2.0), ("both", 3.0)):
            causes = {f"pnl_{name}": size * (rank + 1) for rank, name in enumerate(ATTRIBUTION)}
            day: date = SESSION - timedelta(days=back)
            rows.append({"session_date": day, "engine": engine, **causes, "pnl": sum(causes.values()), "equity": size})
    return rows


def test_causes_add_up_over_every_span_and_short_spans_end_tonight() -> None:
    found = attribution_document(night_of({ENGINE_DAILY: engine_rows(7)}))
    assert [(row["span"], row["sessions"]) for row in found if row["engine"] == "both"] == [
        ("tonight", 1), ("5 sessions", 5), ("20 sessions", 7), ("since the start", 7),
    ]  # fmt: skip
    for row in found:
        assert sum(row[name] for name in ATTRIBUTION) == pytest.approx(row["total"])
    assert found[0]["total"] * 7 == pytest.approx(found[3]["total"])


def test_the_line_of_the_book_needs_two_sessions() -> None:
    assert isinstance(equity_figure(night_of({ENGINE_DAILY: engine_rows(1)})), Missing)
    drawn = equity_figure(night_of({ENGINE_DAILY: engine_rows(3)}))
    assert isinstance(drawn, Figure)
    assert [list(series.y) for series in drawn.panels[0].series] == [[1.0] * 3, [2.0] * 3, [3.0] * 3]


def test_a_book_that_never_opened_anything_draws_no_flat_line() -> None:
    figure = equity_figure(night_of({ENGINE_DAILY: [{**row, "equity": 0.0} for row in engine_rows(3)]}))
    assert isinstance(figure, Missing)
    assert "nothing has been opened" in figure.reason
