"""Figures as data: numbers rounded where no pixel sees it, gaps kept, days as text."""

import json
import math
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from transforms.report.figure import Axis, Choices, Figure, Missing, Panel, Series, rounded


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)))
def test_rounding_keeps_six_digits_and_makes_what_is_not_finite_a_gap(values: list[float]) -> None:
    for value, short in zip(values, rounded(values), strict=True):
        if not math.isfinite(value):
            assert short is None
        else:
            assert isinstance(short, int | float)
            assert math.isclose(short, value, rel_tol=5e-6, abs_tol=5e-320)
    json.dumps(rounded(values), allow_nan=False)


def test_a_figure_is_json_and_keeps_its_gaps() -> None:
    series = Series(
        "quotes", [date(2026, 10, 30), date(2026, 11, 2)], [None, 2.0], mark="range", low=[1, 1.5], high=[2, 3]
    )
    figure = Figure("title", "mart.run", Axis("session", "date"), [Panel(Axis("points", "number2"), [series])])
    (drawn,) = json.loads(json.dumps(Choices([figure]).document()))["choices"]
    assert drawn["panels"][0]["series"][0] == {
        "name": "quotes", "mark": "range", "tone": "first", "dashed": False,
        "x": ["2026-10-30", "2026-11-02"], "y": [None, 2], "low": [1, 1.5], "high": [2, 3],
    }  # fmt: skip
    assert Missing("title", "mart.run", "why").document()["missing"] == "why"
