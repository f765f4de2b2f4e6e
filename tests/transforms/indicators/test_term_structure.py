"""Rank, listing, interpolation and the continuous front month, on curves small enough to work out by hand."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.calendar import trading_calendar
from transforms.errors import UsageError
from transforms.indicators.term_structure import curve_daily, term_structure
from transforms.schemas import BY_NAME
from transforms.sessions import vix_monthly_expirations

CALENDAR = trading_calendar()
NO_INDEX = pl.LazyFrame(schema={"session_date": pl.Date, "symbol": pl.String, "close": pl.Float64})
Settles = dict[tuple[date, date], float]


def futures(settles: Settles, *, is_monthly: bool = True) -> pl.LazyFrame:
    rows = [(session, "VX", expiration, is_monthly, settle) for (session, expiration), settle in settles.items()]
    columns = ["session_date", "root", "expiration", "is_monthly", "settle"]
    types = [pl.Date(), pl.String(), pl.Date(), pl.Boolean(), pl.Float64()]
    return pl.LazyFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")


def vix(closes: dict[date, float]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {"session_date": list(closes), "symbol": "VIX", "close": list(closes.values())},
        schema_overrides={"session_date": pl.Date},
    )


def whole_curve(first: date, last: date, *, seed: int = 7, n_months: int = 9) -> Settles:
    rng = np.random.default_rng(seed)
    expirations = vix_monthly_expirations(first, date(last.year + 2, 12, 31), calendar=CALENDAR)
    return {
        (session, expiration): round(float(rng.uniform(12.0, 40.0)), 4)
        for session in CALENDAR.between(first, last)
        for expiration in [day for day in expirations if day >= session][:n_months]
    }


def structure_on(settles: Settles, session: date) -> list[tuple[int, date, int, float | None, str | None]]:
    frame = BY_NAME["feature.term_structure"].conform(term_structure(futures(settles), calendar=CALENDAR).collect())
    return frame.filter(pl.col("session_date") == session).drop("session_date").rows()


def curve(settles: Settles, closes: dict[date, float] | None = None, roll: int = 1) -> pl.DataFrame:
    index_level = vix(closes) if closes else NO_INDEX
    frame = curve_daily(futures(settles), index_level, calendar=CALENDAR, roll_days_before_expiry=roll)
    return BY_NAME["feature.curve_daily"].conform(frame.collect())


def test_on_its_expiration_day_a_contract_has_left_the_curve() -> None:
    settles = whole_curve(date(2020, 2, 18), date(2020, 2, 19))
    day_before = structure_on(settles, date(2020, 2, 18))
    assert day_before[0][:3] == (1, date(2020, 2, 19), 1)
    assert structure_on(settles, date(2020, 2, 19))[0][:3] == (1, date(2020, 3, 18), 28)


def test_a_listed_month_without_a_row_keeps_its_rank_and_is_null() -> None:
    session, absent = date(2018, 2, 5), date(2018, 2, 14)
    settles = whole_curve(session, session)
    del settles[session, absent]
    rows = structure_on(settles, session)
    assert rows[0] == (1, absent, 9, None, "missing_contract")
    assert rows[1][:2] == (2, date(2018, 3, 21))
    assert rows[1][3] == settles[session, date(2018, 3, 21)]


def test_weeklies_never_stand_in_for_the_monthly() -> None:
    session, weekly = date(2018, 2, 5), date(2018, 2, 21)
    settles = whole_curve(session, session)
    del settles[session, date(2018, 2, 14)]
    both = pl.concat([futures(settles), futures({(session, weekly): 30.0}, is_monthly=False)])
    frame = term_structure(both, calendar=CALENDAR).collect()
    assert weekly not in frame["expiration"].to_list()
    assert frame["settle"][0] is None


def test_a_month_never_listed_in_the_first_years_takes_no_rank() -> None:
    session = date(2005, 3, 1)
    settles = {(session, date(2005, 3, 16)): 13.0, (session, date(2005, 5, 18)): 14.0}
    assert [row[:2] for row in structure_on(settles, session)] == [
        (1, date(2005, 3, 16)),
        (2, date(2005, 5, 18)),
    ]


def test_a_month_counts_as_listed_only_from_its_first_row_on() -> None:
    before, after, new = date(2005, 3, 18), date(2005, 3, 21), date(2005, 6, 15)
    settles = {(day, date(2005, 5, 18)): 14.0 for day in (before, after)} | {(after, new): 14.5}
    assert new not in [row[1] for row in structure_on(settles, before)]
    assert new in [row[1] for row in structure_on(settles, after)]


def test_a_session_without_any_row_is_a_row_with_nulls_and_a_reason() -> None:
    settles = whole_curve(date(2020, 2, 3), date(2020, 2, 7))
    settles = {key: settle for key, settle in settles.items() if key[0] != date(2020, 2, 5)}
    frame = curve(settles)
    assert frame["session_date"].to_list() == CALENDAR.between(date(2020, 2, 3), date(2020, 2, 7))
    empty = frame.row(2, named=True)
    assert empty["vx1"] is None
    assert empty["missing_reason"] == "missing_contract,missing_vix"
    assert empty["front_index"] == frame["front_index"][1]
    assert frame["front_index_gap"].to_list() == [False, False, True, True, False]


def test_ratios_and_roll_yield_are_the_textbook_quotients() -> None:
    session = date(2020, 2, 10)
    settles = whole_curve(session, session)
    settles[session, date(2020, 2, 19)] = 16.0
    settles[session, date(2020, 3, 18)] = 17.6
    row = curve(settles, {session: 15.0}).row(0, named=True)
    assert row["contango_ratio"] == pytest.approx(0.10, rel=1e-14)
    assert row["basis_ratio"] == pytest.approx(1.0 / 15.0, rel=1e-14)
    assert row["roll_yield_daily"] == pytest.approx(1.0 / 16.0 / 9.0, rel=1e-14)
    assert row["missing_reason"] is None


def test_the_slope_is_the_least_squares_fit_over_seven_contracts() -> None:
    session = date(2020, 2, 10)
    settles = whole_curve(session, session)
    nearest = sorted(expiration for _, expiration in settles)[:7]
    roots = np.sqrt([(expiration - session).days for expiration in nearest])
    expected = np.polyfit(roots, [settles[session, expiration] for expiration in nearest], deg=1)[0]
    assert curve(settles)["settle_per_sqrt_day"][0] == pytest.approx(expected, rel=1e-11)
    del settles[session, nearest[6]]
    assert curve(settles)["settle_per_sqrt_day"][0] is None


@pytest.mark.parametrize(
    ("session", "days", "vx1", "vx2", "expected"),
    [
        (date(2020, 2, 10), (9, 37), 16.0, 20.0, 16.0 + 4.0 * 21 / 28),
        # A contract at 30 days is the price itself, whatever the other is.
        (date(2020, 3, 16), (2, 30), None, 20.0, 20.0),
        # VX1 is further than 30 days: the line is extended, not cut off at VX1.
        (date(2020, 6, 17), (35, 63), 30.0, 27.2, 30.0 + 2.8 * 5 / 28),
        (date(2020, 6, 17), (35, 63), 30.0, None, None),
    ],
)
def test_the_30_day_price_lies_on_the_line_through_vx1_and_vx2(
    session: date, days: tuple[int, int], vx1: float | None, vx2: float | None, expected: float | None
) -> None:
    settles = whole_curve(session, session)
    nearest = sorted(expiration for _, expiration in settles if expiration > session)[:2]
    assert tuple((expiration - session).days for expiration in nearest) == days
    for expiration, settle in zip(nearest, (vx1, vx2), strict=True):
        if settle is None:
            del settles[session, expiration]
        else:
            settles[session, expiration] = settle
    price = curve(settles)["constant_maturity_30d"][0]
    assert price == (None if expected is None else pytest.approx(expected, rel=1e-13))


def front_index_in_plain_python(
    settles: Settles, sessions: list[date], roll: int
) -> list[tuple[date, float | None, bool, int]]:
    """Follow METHOD §2 session by session: hold the front month until `roll` sessions before expiration."""
    every = CALENDAR.between(date(2019, 1, 1), date(2023, 12, 31))
    expirations = vix_monthly_expirations(date(2019, 1, 1), date(2023, 12, 31), calendar=CALENDAR)
    rows: list[tuple[date, float | None, bool, int]] = []
    level: float | None = None
    for session in sessions:
        held = next(day for day in expirations if every.index(day) - roll >= every.index(session))
        today = settles.get((session, held))
        yesterday = settles.get((CALENDAR.before(session), held))
        has_gap = level is None or today is None or yesterday is None
        if level is None and today is not None:
            level, has_gap = today, False
        elif not has_gap and level is not None and today is not None and yesterday is not None:
            level += today - yesterday
        rows.append((held, level, has_gap, every.index(held) - roll - every.index(session)))
    return rows


@pytest.mark.parametrize("roll", [1, 2, 5])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_front_index_accumulates_the_contract_held_and_nothing_over_a_gap(roll: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    settles = whole_curve(date(2020, 1, 2), date(2020, 6, 30), seed=seed)
    settles = {key: settle for key, settle in settles.items() if rng.uniform() > 0.05}
    frame = curve(settles, roll=roll)
    expected = front_index_in_plain_python(settles, frame["session_date"].to_list(), roll)
    assert frame["held_expiration"].to_list() == [held for held, _, _, _ in expected]
    assert frame["front_index_gap"].to_list() == [has_gap for _, _, has_gap, _ in expected]
    assert frame["days_to_roll"].to_list() == [days for _, _, _, days in expected]
    assert frame["front_index"].to_list() == pytest.approx([level for _, level, _, _ in expected], abs=1e-10)


def test_on_the_roll_session_the_old_contract_still_moves_the_index() -> None:
    before, roll_day, after = date(2020, 2, 14), date(2020, 2, 18), date(2020, 2, 19)
    february, march = date(2020, 2, 19), date(2020, 3, 18)
    settles = whole_curve(before, after)
    settles |= {(before, february): 14.0, (roll_day, february): 15.0}
    settles |= {(roll_day, march): 17.0, (after, march): 16.5}
    frame = curve(settles)
    assert frame["front_index"].to_list() == [14.0, 15.0, 14.5]
    assert frame["days_to_roll"].to_list() == [1, 0, 19]


def test_a_history_of_one_contract_file_ends_in_a_gap_and_not_in_an_error() -> None:
    expiration = date(2004, 5, 19)
    settles = {(session, expiration): 18.0 for session in CALENDAR.between(date(2004, 5, 14), expiration)}
    frame = curve(settles)
    assert frame["front_index_gap"].to_list() == [False, False, False, True]
    assert frame["front_index"].to_list() == [18.0] * 4
    assert frame["held_expiration"].to_list() == [expiration] * 3 + [None]
    assert frame["missing_reason"].to_list() == ["missing_contract,missing_vix"] * 4


def test_a_roll_on_the_expiration_day_is_refused() -> None:
    with pytest.raises(UsageError, match="roll_days_before_expiry = 0"):
        curve({}, roll=0)


def test_no_futures_give_empty_tables() -> None:
    assert curve({}).is_empty()
    assert structure_on({}, date(2020, 2, 10)) == []


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_cut=st.integers(1, 40), absent=st.floats(0.0, 0.2))
def test_later_rows_and_row_order_change_no_row_of_the_past(seed: int, n_cut: int, absent: float) -> None:
    rng = np.random.default_rng(seed)
    # 2006-10 is where the listing rule changes, so months enter the curve inside the range.
    settles = whole_curve(date(2006, 8, 15), date(2006, 12, 29), seed=seed)
    settles = {key: settle for key, settle in settles.items() if rng.uniform() >= absent}
    sessions = sorted({session for session, _ in settles})
    closes = {session: float(rng.uniform(10.0, 30.0)) for session in sessions[::2]}
    last = sessions[-1 - n_cut]
    shuffled = futures(settles).collect().sample(fraction=1.0, shuffle=True, seed=seed % 1000).lazy()
    cut = {key: settle for key, settle in settles.items() if key[0] <= last}
    is_past = pl.col("session_date") <= last
    whole = term_structure(shuffled, calendar=CALENDAR).filter(is_past).collect()
    assert whole.equals(term_structure(futures(cut), calendar=CALENDAR).collect())
    whole = curve_daily(shuffled, vix(closes), calendar=CALENDAR).filter(is_past).collect()
    assert whole.equals(curve_daily(futures(cut), vix(closes), calendar=CALENDAR).collect())
