"""VVIX against its previous 252 closes, checked against plain NumPy and by hand."""

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from transforms.indicators.vol_of_vol import vol_of_vol_daily
from transforms.schemas import BY_NAME

CALENDAR = trading_calendar()
SESSIONS = CALENDAR.between(date(2019, 1, 2), date(2020, 12, 31))


def vvix(closes: dict[date, float]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"session_date": list(closes), "symbol": "VVIX", "close": list(closes.values())},
        schema={"session_date": pl.Date(), "symbol": pl.String(), "close": pl.Float64()},
    )


def table(closes: dict[date, float]) -> pl.DataFrame:
    frame = vol_of_vol_daily(vvix(closes), calendar=CALENDAR).collect()
    return BY_NAME["feature.vol_of_vol_daily"].conform(frame)


def random_closes(seed: int, absent: float = 0.0) -> dict[date, float]:
    rng = np.random.default_rng(seed)
    return {day: float(rng.uniform(60.0, 160.0)) for day in SESSIONS if rng.uniform() >= absent}


def test_every_statistic_is_over_the_252_closes_before_the_session() -> None:
    closes = random_closes(3, absent=0.03)
    frame = table(closes).filter(pl.col("vvix").is_not_null())
    levels = np.array(list(closes.values()))
    for row, level in enumerate(levels):
        got = frame.row(row, named=True)
        if row < 252:
            assert got["percentile_252d"] is None
            assert got["rank_252d"] is None
            assert got["threshold_30"] is None
            continue
        before = levels[row - 252 : row]
        assert got["percentile_252d"] == np.mean(before < level)
        assert np.isclose(got["threshold_30"], np.quantile(before, 0.30), rtol=1e-14, atol=0.0)
        expected_rank = np.clip((level - before.min()) / (before.max() - before.min()), 0.0, 1.0)
        assert np.isclose(got["rank_252d"], expected_rank, rtol=1e-14, atol=0.0)


def test_a_session_without_a_close_is_null_and_ends_the_run_below_the_threshold() -> None:
    quiet = {day: 100.0 + number % 7 for number, day in enumerate(SESSIONS[:252])}
    low = dict.fromkeys(SESSIONS[252:260], 70.0)
    del low[SESSIONS[256]]
    runs = table(quiet | low)["sessions_below_30"].to_list()
    assert runs[:252] == [None] * 252
    assert runs[252:] == [1, 2, 3, 4, None, 1, 2, 3]


def test_a_close_at_the_threshold_is_not_below_it() -> None:
    closes = dict.fromkeys(SESSIONS[:254], 80.0)
    last = table(closes).row(-1, named=True)
    assert last["sessions_below_30"] == 0
    assert last["percentile_252d"] == 0.0
    assert last["rank_252d"] is None


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_known=st.integers(200, 480))
def test_later_closes_and_row_order_change_no_row_of_the_past(seed: int, n_known: int) -> None:
    closes = random_closes(seed, absent=0.02)
    last = SESSIONS[n_known]
    past = table({day: close for day, close in closes.items() if day <= last})
    shuffled = vvix(closes).collect().sample(fraction=1.0, shuffle=True, seed=seed % 1000).lazy()
    whole = vol_of_vol_daily(shuffled, calendar=CALENDAR).collect()
    assert whole.head(past.height).equals(past)
