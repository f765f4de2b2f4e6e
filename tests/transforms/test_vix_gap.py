"""The gap between the replicated and the published VIX warns of quotes that are not those of the close."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.schemas import DATA_QUALITY, VARIANCE_DAILY
from transforms.session_checks import vix_gap_check

SESSION = date(2024, 3, 4)
POINTS = st.floats(8.0, 90.0)


def variance(replicated: float | None, published: float | None, *, session: date = SESSION) -> pl.DataFrame:
    """feature.variance_daily of one session."""
    rows = {"session_date": [session], "vix_replicated": [replicated], "vix_published": [published]}
    missing = {name: [None] for name in VARIANCE_DAILY.column_names if name not in rows}
    frame = pl.DataFrame(rows | missing).select(VARIANCE_DAILY.column_names)
    return frame.cast(dict(VARIANCE_DAILY.polars_schema))  # type: ignore[arg-type]


def test_the_check_is_a_row_of_data_quality_that_never_refuses() -> None:
    (row,) = vix_gap_check(variance(13.35, 13.35), SESSION, tolerance=0.1).rows(named=True)
    assert list(row) == DATA_QUALITY.column_names
    assert (row["table_name"], row["check_name"], row["severity"]) == ("feature.variance_daily", "vix_gap", "warn")
    assert (row["outcome"], row["n_rows"], row["n_failed"], row["detail"]) == ("passed", 1, 0, None)


def test_a_failure_says_how_far_apart_and_what_to_do() -> None:
    # The chain of 2020-09-04 in ../shared/data: 30.38 from its quotes, 30.75 published.
    (row,) = vix_gap_check(variance(30.384, 30.75), SESSION, tolerance=0.1).rows(named=True)
    assert (row["outcome"], row["n_failed"]) == ("failed", 1)
    assert "is 30.38, published was 30.75: 0.37 points apart, more than 0.1" in row["detail"]
    assert "run the session again" in row["detail"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (variance(13.0, 13.0).clear(), "no VIX can be replicated"),
        (variance(13.0, 13.0, session=SESSION - timedelta(days=3)), "no VIX can be replicated"),
        (variance(None, 13.0), "no VIX can be replicated"),
        (variance(13.0, None), "no published VIX close"),
    ],
)
def test_a_level_that_is_missing_skips_the_check_and_says_which(frame: pl.DataFrame, reason: str) -> None:
    (row,) = vix_gap_check(frame, SESSION, tolerance=0.1).rows(named=True)
    assert (row["outcome"], row["n_failed"]) == ("skipped", 0)
    assert row["detail"].startswith(reason)


@given(replicated=POINTS, published=POINTS, tolerance=st.floats(0.0, 5.0))
def test_it_fails_exactly_beyond_the_tolerance_on_either_side(
    replicated: float, published: float, tolerance: float
) -> None:
    outcomes = {
        vix_gap_check(variance(first, second), SESSION, tolerance=tolerance)["outcome"].item()
        for first, second in ((replicated, published), (published, replicated))
    }
    assert outcomes == {"failed" if abs(replicated - published) > tolerance else "passed"}


def test_other_sessions_change_nothing() -> None:
    others = [variance(40.0, 10.0, session=SESSION + timedelta(days=n)) for n in (-1, 1)]
    together = pl.concat([others[1], variance(13.3, 13.35), others[0]])
    alone = vix_gap_check(variance(13.3, 13.35), SESSION, tolerance=0.1)
    assert vix_gap_check(together, SESSION, tolerance=0.1).equals(alone)
