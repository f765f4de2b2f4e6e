"""Residuals from the smile: sides and units by hand, histories that see no present, recall on the sample market."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks.residual_recall import recall_by_size
from transforms.mispricing.residual import (
    MIN_Z_WITHOUT_HISTORY,
    RESIDUAL_BUCKET_COLUMNS,
    residual_baseline,
    residual_bucket_daily,
    residuals,
    surface_residual_findings,
)
from transforms.sessions import TradingCalendar

SESSION = date(2026, 1, 5)
KEY = {"session_date": SESSION, "root": "SPX", "expiration": date(2026, 2, 20)}
BUCKET = {"root": "SPX", "delta_bucket": "put 0.10-0.25", "dte_bucket": "31-60"}


def option(strike: float, *, bid: float, ask: float, fitted: float, kind: str = "put") -> dict[str, object]:
    """One option priced 10 points at 20 vol and 1 point a vol point."""
    return {
        **KEY,
        "strike": strike,
        "option_type": kind,
        "bid": bid,
        "ask": ask,
        "bid_size": 7,
        "ask_size": 9,
        "snapshot_kind": "close",
        "delta": -0.2 if kind == "put" else 0.8,
        "log_moneyness": -0.1,
        "fitted_price": fitted,
        "fitted_vol": 0.10 + fitted / 100.0,
        "implied_vol_bid": 0.10 + bid / 100.0,
        "implied_vol_ask": 0.10 + ask / 100.0,
    }


def rows_of(options: list[dict[str, object]]) -> pl.DataFrame:
    frame = pl.DataFrame(options)
    return residuals(frame, frame)


def history(sessions: list[date], *, n: int = 40, mean: float = 0.0, deviation: float = 0.5) -> pl.DataFrame:
    """Bucket rows with the same count, mean and (nearly) deviation on each session."""
    squares = n * (mean**2 + deviation**2)
    return pl.DataFrame(
        [(day, *BUCKET.values(), n, n * mean, squares) for day in sessions],
        schema=RESIDUAL_BUCKET_COLUMNS,
        orient="row",
    )


def test_a_fitted_price_below_the_bid_sells_and_above_the_ask_buys() -> None:
    rows = rows_of(
        [
            option(4000.0, bid=10.0, ask=12.0, fitted=9.0),
            option(4100.0, bid=10.0, ask=12.0, fitted=12.5),
            option(4200.0, bid=10.0, ask=12.0, fitted=11.5),
        ]
    )

    assert rows["side"].to_list() == ["sell", "buy", None]
    assert rows["residual_half_spreads"].to_list() == pytest.approx([2.0, -1.5, -0.5])
    assert rows["residual_points"].to_list() == [pytest.approx(1.0), pytest.approx(0.5), None]
    assert rows["vol_points"].to_list() == [pytest.approx(1.0), pytest.approx(0.5), None]
    assert rows.select("delta_bucket", "dte_bucket").unique().rows() == [("put 0.10-0.25", "31-60")]


def test_quotes_without_a_bid_or_a_smile_have_no_residual() -> None:
    options = [
        option(4000.0, bid=0.0, ask=0.1, fitted=0.3),
        option(4100.0, bid=10.0, ask=12.0, fitted=9.0) | {"fitted_price": None},
        option(4300.0, bid=10.0, ask=12.0, fitted=9.0) | {"ask": None},
    ]

    assert rows_of(options).is_empty()


def test_a_mid_without_a_vol_is_placed_by_the_strikes_other_option_or_by_its_strike() -> None:
    # Its mid is below intrinsic value, so it has neither vol nor delta of its own.
    cheap = option(4000.0, bid=1000.0, ask=1002.0, fitted=1005.0, kind="call") | {"delta": None}
    other = option(4000.0, bid=10.0, ask=12.0, fitted=11.0)
    lone = option(4100.0, bid=900.0, ask=902.0, fitted=905.0, kind="call") | {"delta": None}

    rows = rows_of([cheap, other, lone])

    assert rows.select("strike", "option_type", "side", "delta_bucket").rows() == [
        (4000.0, "call", "buy", "call 0.75-0.90"),
        (4000.0, "put", None, "put 0.10-0.25"),
        (4100.0, "call", "buy", "call 0.90-1.00"),
    ]


def test_bucket_rows_are_count_sum_and_sum_of_squares_in_any_row_order() -> None:
    rng = np.random.default_rng(3)
    options = [
        option(4000.0 + k, bid=10.0, ask=12.0, fitted=float(fitted), kind=("put", "call")[k % 2])
        for k, fitted in enumerate(rng.normal(11.0, 1.0, 400))
    ]
    rows = rows_of(options)

    daily = residual_bucket_daily(rows)

    put = rows.filter(pl.col("option_type") == "put")["residual_half_spreads"]
    assert daily.schema == pl.Schema(RESIDUAL_BUCKET_COLUMNS)
    assert daily.filter(pl.col("delta_bucket").str.starts_with("put")).row(0)[4:] == pytest.approx(
        (put.len(), put.sum(), (put * put).sum())
    )
    assert residual_bucket_daily(rows.sample(fraction=1.0, shuffle=True, seed=5)).equals(daily)
    assert residual_bucket_daily(rows.clear()).is_empty()


def test_the_baseline_holds_the_sixty_sessions_before_and_not_the_day_itself(calendar: TradingCalendar) -> None:
    sessions = calendar.between(date(2025, 6, 2), date(2025, 12, 31))
    past, today = sessions[:61], sessions[61]
    quiet = history(past[1:], mean=0.25, deviation=0.5)
    loud = history([past[0], today], mean=100.0)

    baseline = residual_baseline(pl.concat([quiet, loud]), calendar=calendar)

    row = baseline.row(by_predicate=pl.col("session_date") == today, named=True)
    assert (row["n_sessions"], row["n_quotes"]) == (60, 2400)
    assert row["mean_residual"] == pytest.approx(0.25)
    assert row["residual_deviation"] == pytest.approx(0.5, rel=1e-3)


def test_adding_later_sessions_changes_no_earlier_baseline(calendar: TradingCalendar) -> None:
    rng = np.random.default_rng(11)
    sessions = calendar.between(date(2025, 1, 2), date(2025, 12, 31))
    daily = pl.concat([history([day], mean=float(rng.normal()), deviation=1.0) for day in sessions])
    whole = residual_baseline(daily, calendar=calendar)

    for cut in (10, 90, 200):
        part = residual_baseline(daily.filter(pl.col("session_date") <= sessions[cut]), calendar=calendar)
        assert part.equals(whole.filter(pl.col("session_date") <= sessions[cut]))


def test_too_few_sessions_or_quotes_leave_the_baseline_null(calendar: TradingCalendar) -> None:
    sessions = calendar.between(date(2025, 6, 2), date(2025, 12, 31))
    short = residual_baseline(history(sessions[:6]), calendar=calendar)
    thin = residual_baseline(history(sessions[:30], n=1), calendar=calendar)

    assert short["residual_deviation"].is_null().to_list() == [True] * 5 + [False]
    assert thin["residual_deviation"].null_count() == 30


def test_a_finding_stands_out_from_its_history_and_carries_the_z_score(calendar: TradingCalendar) -> None:
    before = calendar.between(date(2025, 11, 3), date(2026, 1, 2))
    rows = rows_of(
        [
            option(4000.0, bid=10.0, ask=12.0, fitted=9.0),
            option(4100.0, bid=10.0, ask=12.0, fitted=13.6),
            option(4200.0, bid=10.0, ask=12.0, fitted=9.9),
        ]
    )
    daily = pl.concat([history(before, mean=-1.0, deviation=0.5), residual_bucket_daily(rows)])

    found = surface_residual_findings(rows, residual_baseline(daily, calendar=calendar), fee_per_contract=0.65)

    # Residuals 2.0, -2.6 and 1.1 against a usual -1.0: 6 deviations rich, 3.2 cheap, and 4.2 rich.
    legs = found.legs.join(found.findings, on="finding_id").sort("strike")
    assert legs.select("strike", "side", "price", "size").rows() == [
        (4000.0, "sell", 10.0, 7), (4100.0, "buy", 12.0, 9), (4200.0, "sell", 10.0, 7)
    ]  # fmt: skip
    assert legs["z_score"].to_list() == pytest.approx([6.0, 3.2, 4.2], rel=1e-3)
    assert legs["edge_points"].to_list() == pytest.approx([1.0, 1.6, 0.1])
    assert legs["edge_in_half_spreads"].to_list() == pytest.approx([1.0, 1.6, 0.1])
    assert legs["edge_dollars"].null_count() == 3


def test_what_is_usual_for_its_bucket_is_no_finding(calendar: TradingCalendar) -> None:
    before = calendar.between(date(2025, 11, 3), date(2026, 1, 2))
    rows = rows_of([option(4000.0, bid=10.0, ask=12.0, fitted=9.0)])
    daily = pl.concat([history(before, mean=1.5, deviation=0.5), residual_bucket_daily(rows)])

    found = surface_residual_findings(rows, residual_baseline(daily, calendar=calendar), fee_per_contract=0.65)

    assert found.findings.is_empty()
    assert found.legs.is_empty()


def test_without_history_a_quote_is_judged_against_its_own_session_and_has_no_z_score(
    calendar: TradingCalendar,
) -> None:
    usual = [option(4000.0 + k, bid=10.0, ask=12.0, fitted=11.0 + 0.2 * (-1) ** k * (k % 5)) for k in range(60)]
    rows = rows_of([*usual, option(4500.0, bid=10.0, ask=12.0, fitted=8.0)])

    found = surface_residual_findings(
        rows, residual_baseline(residual_bucket_daily(rows), calendar=calendar), fee_per_contract=0.65
    )

    value = rows["residual_half_spreads"]
    middle = float(np.median(value))
    deviation = float(np.median(np.abs(value - middle))) / 0.6745
    assert (3.0 - middle) / deviation > MIN_Z_WITHOUT_HISTORY
    assert found.legs["strike"].to_list() == [4500.0]
    assert found.findings["z_score"].to_list() == [None]


def test_a_call_and_a_put_of_one_strike_are_one_finding(calendar: TradingCalendar) -> None:
    usual = [
        option(4000.0 + k, bid=10.0, ask=12.0, fitted=11.0 + 0.1 * (-1) ** k * (k % 5), kind=kind)
        for k in range(60)
        for kind in ("call", "put")
    ]
    both = [
        option(4500.0, bid=10.0, ask=12.0, fitted=fitted, kind=kind) for kind, fitted in (("call", 8.0), ("put", 7.0))
    ]
    rows = rows_of([*usual, *both])

    found = surface_residual_findings(
        rows, residual_baseline(residual_bucket_daily(rows), calendar=calendar), fee_per_contract=0.65
    )

    assert found.legs.select("strike", "option_type").rows() == [(4500.0, "put")]


def test_nineteen_of_twenty_plants_of_one_and_a_half_half_spreads_are_found_and_as_many_findings_are_plants() -> None:
    """The whole curve, on 60 sessions after 60: docs/residual_recall.md."""
    tally = recall_by_size(n_judged=4, n_history=7, sizes=(1.5,))[1.5]

    assert tally.planted >= 90
    assert tally.recalled >= 0.95 * tally.planted
    assert tally.true >= 0.95 * tally.found
