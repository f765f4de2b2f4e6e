"""How far a session's quotes leave open what they should fix, against a plain computation."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tests.shuffled_rows import shuffled_rows
from transforms.indicators.dislocation import dislocation_daily
from transforms.schemas import MISPRICING, RESIDUAL_BUCKET_DAILY, SLICE
from transforms.table_schema import Table

N_SESSIONS, WINDOW = 60, 20
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(N_SESSIONS)]
# Sessions without any judged quote: a percentile looks back over sessions with a value.
WITHOUT = {DAYS[3], DAYS[30]}


def rows_of(table: Table, rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(table.column_names) | row for row in rows], schema=table.polars_schema)


@pytest.fixture(scope="module")
def inputs() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    draws = np.random.default_rng(5)
    slices, buckets, findings = [], [], []
    for day in DAYS:
        for n_days, root in ((3, "SPXW"), (30, "SPXW"), (60, "SPX"), (90, "SPXW"), (400, "SPX"), (30, "VIX")):
            own = {"session_date": day, "root": root, "expiration": day + timedelta(days=n_days)}
            low, width = 5000.0, float(draws.uniform(0.1, 3.0))
            slices.append(own | {"forward": low, "forward_low": low, "forward_high": low + width})
        for bucket in (1, 2) if day not in WITHOUT else ():
            n, squares = int(draws.integers(5, 50)), float(draws.uniform(1.0, 90.0))
            own = {"session_date": day, "root": "SPXW", "delta_bucket": str(bucket), "dte_bucket": "a"}
            buckets.append(own | {"n_quotes": n, "sum_squared_residual": squares})
        for n in range(int(draws.integers(0, 3))):
            own = {"session_date": day, "finding_id": f"{day}-{n}", "confidence": "executable"}
            findings.append(own | {"from_flagged_quotes": n == 1})
    return rows_of(SLICE, slices), rows_of(RESIDUAL_BUCKET_DAILY, buckets), rows_of(MISPRICING, findings)


def computed(inputs: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], *, through: date = DAYS[-1]) -> pl.DataFrame:
    known = [frame.filter(pl.col("session_date") <= through).lazy() for frame in inputs]
    return dislocation_daily(*known, window=WINDOW).collect()


def standing(values: list[float | None]) -> list[float | None]:
    """The share of the last sessions with a value that lie strictly below, one value after the other."""
    found: list[float | None] = []
    seen: list[float] = []
    for value in values:
        before = seen[-WINDOW:]
        full = value is not None and len(before) == WINDOW
        found.append(sum(earlier < value for earlier in before) / WINDOW if full else None)  # type: ignore[operator]
        seen += [] if value is None else [value]
    return found


def test_each_column_equals_a_plain_computation(inputs) -> None:
    slices, buckets, findings = inputs
    rows = computed(inputs)
    assert rows["session_date"].to_list() == DAYS
    widths, dispersions, locks = [], [], []
    for day in DAYS:
        own = slices.filter(pl.col("session_date") == day, pl.col("root") != "VIX")
        near = [r for r in own.iter_rows(named=True) if 7 <= (r["expiration"] - day).days <= 180]
        widths.append(float(np.median([1e4 * (r["forward_high"] - r["forward_low"]) / r["forward"] for r in near])))
        judged = buckets.filter(pl.col("session_date") == day)
        total, n = judged["sum_squared_residual"].to_list(), judged["n_quotes"].sum()
        dispersions.append(float(np.sqrt(sum(total) / n)) if n else None)
        found = findings.filter(pl.col("session_date") == day, ~pl.col("from_flagged_quotes"))
        locks.append(found.height)
    assert rows["parity_width"].to_list() == pytest.approx(widths, rel=1e-12)
    given = rows.filter(pl.col("residual_dispersion").is_not_null())
    assert set(DAYS) - set(given["session_date"].to_list()) == WITHOUT
    assert given["residual_dispersion"].to_list() == pytest.approx([v for v in dispersions if v is not None], rel=1e-12)
    assert rows["n_executable_locks"].to_list() == locks
    assert rows["parity_width_percentile_252d"].to_list() == standing(rows["parity_width"].to_list())
    assert rows["residual_dispersion_percentile_252d"].to_list() == standing(rows["residual_dispersion"].to_list())
    assert rows["residual_dispersion_percentile_252d"].null_count() == WINDOW + len(WITHOUT)


def test_no_order_of_joined_rows_matters(inputs) -> None:
    plain = computed(inputs)
    for seed in range(5):
        with shuffled_rows(seed):
            assert computed(inputs).equals(plain)


def test_a_session_depends_on_those_before_it(inputs) -> None:
    whole = computed(inputs)
    for day in (DAYS[25], DAYS[40]):
        assert computed(inputs, through=day).equals(whole.filter(pl.col("session_date") <= day))
