"""A vanished expiration and a slice of shifted strikes are found; the bends of real chains are not."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.sources import open_delivery, recognize
from transforms.pricing.analytics import session_pricing
from transforms.schemas import DATA_QUALITY
from transforms.sessions import TradingCalendar
from transforms.slice_quality import expirations_quoted, forward_check, missing_expiration_check

BEFORE, SESSION = date(2024, 3, 1), date(2024, 3, 4)
DAYS = (0, 4, 11, 18, 32, 60, 109, 200)


def quotes(session: date, *, root: str = "SPX", n_each: int = 3) -> pl.DataFrame:
    """Options of one root that expire `DAYS` after SESSION and one that expires on BEFORE."""
    expirations = [BEFORE, *(SESSION + timedelta(days=days) for days in DAYS)]
    frame = pl.DataFrame({"session_date": session, "root": root, "expiration": expirations})
    return pl.concat([frame] * n_each)


def slices(forward: np.ndarray, *, session: date = SESSION) -> pl.DataFrame:
    """feature.slice with these forwards."""
    days = list(DAYS[1:])
    return pl.DataFrame(
        {
            "session_date": session,
            "root": ["SPXW", "SPX"] * 3 + ["SPX"],
            "expiration": [session + timedelta(days=d) for d in days],
            "time_to_expiry": [d / 365.0 for d in days],
            "forward": forward,
        }
    )


def smooth() -> np.ndarray:
    return 5_000.0 * np.exp(0.04 * np.array(DAYS[1:]) / 365.0)


def test_a_complete_chain_passes_root_by_root() -> None:
    both = pl.concat(quotes(day, root=root) for day in (BEFORE, SESSION) for root in ("SPX", "VIX"))
    rows = missing_expiration_check(expirations_quoted(both), SESSION, before=BEFORE)
    assert rows.columns == DATA_QUALITY.column_names
    assert rows["check_name"].to_list() == ["missing_expiration SPX", "missing_expiration VIX"]
    # Expirations after SESSION: the series of BEFORE and of SESSION itself may go.
    assert rows.select("outcome", "n_rows", "n_failed").rows() == [("passed", len(DAYS) - 1, 0)] * 2


def test_a_missing_expiration_is_named_with_the_quotes_it_had() -> None:
    gone = SESSION + timedelta(days=60)
    today = quotes(SESSION).filter(pl.col("expiration") != gone)
    (row,) = missing_expiration_check(
        expirations_quoted(pl.concat([quotes(BEFORE), today])), SESSION, before=BEFORE
    ).rows(named=True)
    assert (row["outcome"], row["severity"], row["n_failed"]) == ("failed", "warn", 1)
    assert f"lacks 1 of {len(DAYS) - 1} SPX expirations" in row["detail"]
    assert f"{gone} (3 quotes on {BEFORE})" in row["detail"]


def test_without_the_session_before_nothing_is_judged() -> None:
    (row,) = missing_expiration_check(expirations_quoted(quotes(SESSION)), SESSION, before=BEFORE).rows(named=True)
    assert (row["outcome"], row["n_rows"]) == ("skipped", 0)
    assert missing_expiration_check(expirations_quoted(quotes(BEFORE)), SESSION, before=BEFORE).is_empty()


def test_a_smooth_forward_curve_passes() -> None:
    (row,) = forward_check(slices(smooth()), SESSION).rows(named=True)
    assert list(row) == DATA_QUALITY.column_names
    assert (row["outcome"], row["n_rows"], row["n_failed"], row["detail"]) == ("passed", len(DAYS) - 3, 0, None)


@given(place=st.integers(1, 5), step=st.sampled_from([-25.0, -5.0, 5.0, 25.0]), seed=st.integers(0, 99))
def test_one_shifted_slice_is_named_and_its_neighbors_are_not(place: int, step: float, seed: int) -> None:
    forward = smooth()
    forward[place] += step
    shuffled = slices(forward).sample(fraction=1.0, shuffle=True, seed=seed)
    (row,) = forward_check(shuffled, SESSION).rows(named=True)
    assert (row["outcome"], row["n_failed"]) == ("failed", 1)
    assert f"{SESSION + timedelta(days=DAYS[1 + place])} by {step:+.0f}"[:-1] in row["detail"]


def test_slices_that_no_line_reaches_are_not_judged() -> None:
    two = slices(smooth()).head(2)
    assert forward_check(two, SESSION)["outcome"].to_list() == ["skipped"]
    vix = slices(smooth() + np.arange(7) % 2 * 50.0).with_columns(pl.lit("VIX").alias("root"))
    assert forward_check(vix, SESSION)["outcome"].to_list() == ["skipped"]
    assert forward_check(slices(smooth(), session=BEFORE), SESSION)["outcome"].to_list() == ["skipped"]


@pytest.mark.real_data
def test_two_real_sessions_in_a_row_lack_no_expiration_and_have_smooth_forwards(
    shared_data: Path, calendar: TradingCalendar
) -> None:
    chains = []
    for name in ("spx_quotedata_20230414T1912EDT.csv.gz", "spx_quotedata_20230417T2253EDT.csv.gz"):
        path = shared_data / "spx_options" / "cboe_quotedata_csv" / name
        delivery = open_delivery(path.name, path.read_bytes())
        chains.append(recognize(delivery).read(delivery, calendar=calendar).frames["core.option_quote"])
    friday, monday = date(2023, 4, 14), date(2023, 4, 17)
    # 50 expirations each (MANIFEST); those of Friday are past and those of Monday expire.
    rows = missing_expiration_check(expirations_quoted(pl.concat(chains)), monday, before=friday)
    assert rows.select("outcome", "n_failed").rows() == [("passed", 0)] * 2
    for session, chain in zip((friday, monday), chains, strict=True):
        found = forward_check(session_pricing(chain, calendar=calendar).slices, session)
        assert found["outcome"].item() == "passed"
        assert found["n_rows"].item() > 35
