"""Figures of the market: which sessions are compared, what is left out, and that it is said."""

from datetime import date, timedelta

import pytest

from tests.transforms.report.nights import SESSION, night_of
from transforms.report.figure import Choices, Figure, Missing
from transforms.report.market_figures import contango_figure, curve_figure, rsi_figure, triangle_figure
from transforms.report.smile_figure import smile_figures
from transforms.schemas import (
    CURVE_DAILY,
    OPTION_ANALYTICS,
    RULE_EVALUATION,
    SIGNAL_DAILY,
    SLICE,
    TERM_STRUCTURE,
    VARIANCE_TRIANGLE,
)

NEAR, FAR = date(2026, 11, 18), date(2026, 12, 16)


def curve(day: date, *settles: float | None) -> list[dict[str, object]]:
    return [
        {"session_date": day, "rank": rank, "expiration": expiration, "settle": settle}
        for rank, (expiration, settle) in enumerate(zip((NEAR, FAR), settles, strict=True), 1)
    ]


def test_the_curve_stands_beside_the_last_sessions_a_week_and_four_weeks_before() -> None:
    rows = [
        *curve(SESSION, 16.0, 17.0),
        *curve(SESSION - timedelta(days=1), 99.0, 99.0),
        *curve(SESSION - timedelta(days=8), 15.0, 16.0),
        *curve(SESSION - timedelta(days=30), 14.0, None),
    ]
    drawn = curve_figure(night_of({TERM_STRUCTURE: rows, SIGNAL_DAILY: [{"vix": 15.5}]}))
    assert isinstance(drawn, Figure)
    (panel,) = drawn.panels
    assert [list(series.y) for series in panel.series] == [[16.0, 17.0], [15.0, 16.0], [14.0]]
    assert [series.name.split(",")[0] for series in panel.series] == ["tonight", "a week before", "four weeks before"]
    assert panel.levels[0].value == 15.5


def test_a_night_without_a_curve_names_the_missing_input() -> None:
    rows = curve(SESSION - timedelta(days=8), 15.0, 16.0)
    drawn = curve_figure(night_of({TERM_STRUCTURE: rows, SIGNAL_DAILY: [{"missing_inputs": "vx_futures, vix_index"}]}))
    assert isinstance(drawn, Missing)
    assert drawn.reason.startswith("a VX settlement of the two nearest months is missing")


def test_a_history_keeps_its_gaps_and_shows_the_bound_of_its_rule() -> None:
    values = [0.05, None, 0.07]
    days = [SESSION - timedelta(days=back) for back in (2, 1, 0)]
    rows = [{"session_date": day, "contango_ratio": value} for day, value in zip(days, values, strict=True)]
    rule = {"rule": "contango_scan", "comparison": ">", "threshold": 0.08}
    drawn = contango_figure(night_of({CURVE_DAILY: rows, RULE_EVALUATION: [rule]}))
    assert isinstance(drawn, Figure)
    (panel,) = drawn.panels
    assert list(panel.series[0].y) == values
    assert (panel.levels[0].value, panel.levels[0].label) == (0.08, "asked above 8%")
    assert isinstance(rsi_figure(night_of({})), Missing)


def test_the_triangle_is_in_vol_points_and_counts_what_has_no_bound() -> None:
    rows = [
        {
            "expiration": NEAR,
            "vx": 16.0,
            "spx_forward_variance": 0.0289,
            "vix_second_moment": 272.25,
            "gap_vol_points": 1.0,
        },
        {"expiration": FAR, "vx": 17.0, "vix_second_moment": 306.25},
    ]
    drawn = triangle_figure(night_of({VARIANCE_TRIANGLE: rows}))
    assert isinstance(drawn, Figure)
    spx, moment, vx = drawn.panels[0].series
    assert list(spx.y) == [pytest.approx(17.0), None]
    assert list(moment.y) == pytest.approx([16.5, 17.5])
    assert list(vx.y) == [16.0, 17.0]
    assert drawn.note.startswith("1 of 2 expirations have no SPX bound")


def test_a_smile_shows_out_of_the_money_quotes_and_tells_misfits_apart() -> None:
    key = {"root": "SPX", "expiration": NEAR}
    of_slice = {**key, "time_to_expiry": 0.05, "forward": 6000.0, "svi_a": 0.01, "rmse_vol_points": 0.2, "n_quotes": 4,
                "share_inside_spread": 0.5, "status": "fitted"}  # fmt: skip
    quotes = [
        {**key, "strike": strike, "option_type": kind, "implied_vol_bid": bid, "implied_vol_mid": (bid + ask) / 2,
         "implied_vol_ask": ask, "fitted_vol": fitted}
        for strike, kind, bid, ask, fitted in (
            (5900.0, "put", 0.19, 0.21, 0.20),
            (5900.0, "call", 0.10, 0.30, 0.20),
            (6100.0, "call", 0.15, 0.17, 0.18),
        )
    ]  # fmt: skip
    found = smile_figures(night_of({SLICE: [of_slice], OPTION_ANALYTICS: quotes}))
    drawn = found["smile_spx"]
    assert isinstance(drawn, Choices)
    (figure,) = drawn.figures
    quoted, fitted = figure.panels[0].series
    assert list(quoted.x) == [5900.0, 6100.0]
    assert list(quoted.low) == pytest.approx([19.0, 15.0])
    assert list(fitted.y) == pytest.approx([20.0, 18.0])
    _, inside, outside = figure.panels[1].series
    assert list(inside.y) == [pytest.approx(0.0), None]
    assert list(outside.y) == [None, pytest.approx(-2.0)]
    assert isinstance(found["smile_vix"], Missing)
