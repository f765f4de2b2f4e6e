"""mart.engine_statistics of random books: against plain loops, and looking back only."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import pearsonr

from tests.transforms.book.random_book import random_book, shuffled, until
from transforms.book.capital_cost import box_rates, cost_of_capital
from transforms.book.engine_statistics import BookTables, engine_correlations, engine_statistics
from transforms.book.internal_rate import internal_rates
from transforms.schemas import ENGINE_STATISTICS
from transforms.sessions import TradingCalendar

RETURN = 0.12
N_SESSIONS = 150


@pytest.fixture(scope="module")
def book(calendar: TradingCalendar) -> BookTables:
    return random_book(calendar, n_sessions=N_SESSIONS, seed=11)


@pytest.fixture(scope="module")
def rows(book: BookTables) -> pl.DataFrame:
    return engine_statistics(book, required_return=RETURN)


def sessions_of(book: BookTables) -> list[date]:
    return list(book.engine_daily["session_date"].unique().sort())


def paper(book: BookTables, engine: str) -> pl.DataFrame:
    return book.position.filter((pl.col("book") == "paper") & (pl.col("engine") == engine))


def events_of(book: BookTables, engine: str, *, last: date) -> pl.DataFrame:
    own = paper(book, engine)["position_id"].implode()
    return book.position_event.filter(pl.col("position_id").is_in(own) & (pl.col("session_date") <= last))


def open_on(book: BookTables, engine: str, day: date) -> pl.DataFrame:
    return book.position_daily.filter(
        (pl.col("session_date") == day) & (pl.col("book") == "paper") & (pl.col("engine") == engine) & pl.col("is_open")
    )


def test_there_is_a_row_for_every_session_of_the_book(book: BookTables, rows: pl.DataFrame) -> None:
    assert rows["session_date"].to_list() == sessions_of(book)
    assert ENGINE_STATISTICS.conform(rows).equals(rows)
    known = {name: int(rows[name].count()) for name in rows.columns}
    assert min(known.pop("irr_roots"), 1) == 0 or known["irr_both"] < N_SESSIONS
    assert min(known.values()) > 30, known


def test_the_ledger_is_what_the_layers_brought_less_what_it_could_pay_of_adjustments(
    book: BookTables, rows: pl.DataFrame
) -> None:
    balance = proposed = funded = 0.0
    for row in rows.iter_rows(named=True):
        today = pl.col("session_date") == row["session_date"]
        cost = paid = 0.0
        for event in events_of(book, "condor", last=row["session_date"]).filter(today).to_dicts():
            if event["event"] in {"widened", "tightened"} and event["cash"] < 0.0:
                cost -= event["cash"]
                paid += min(-event["cash"], max(balance - paid, 0.0))
        proposed, funded = proposed + cost, funded + paid
        balance += events_of(book, "second", last=row["session_date"]).filter(today)["cash"].sum() - paid
        assert row["adjustments_proposed"] == pytest.approx(proposed)
        assert row["adjustments_funded"] == pytest.approx(funded)
        assert row["ledger_balance"] == pytest.approx(balance)
    assert 0.0 < funded < proposed


def test_decay_and_coverage_are_those_of_what_is_open(book: BookTables, rows: pl.DataFrame) -> None:
    for row in rows.iter_rows(named=True):
        condors, layers = (open_on(book, engine, row["session_date"]) for engine in ("condor", "second"))
        theta = condors["theta"].sum(), layers["theta"].sum()
        assert row["theta_both"] == pytest.approx(sum(theta))
        if condors.height and layers.height:
            gap = condors["days_to_expiry"].min() - layers["days_to_expiry"].min()  # type: ignore[operator]
            assert (row["coverage_gap_days"], row["theta_overlap"]) == (gap, pytest.approx(theta[1] / theta[0]))
        else:
            assert (row["coverage_gap_days"], row["theta_overlap"]) == (None, None)


def test_the_residual_share_is_of_every_term_to_date(book: BookTables, rows: pl.DataFrame) -> None:
    terms = [name for name in book.position_daily.columns if name.startswith("pnl_") and name != "pnl_total"]
    for row in rows.iter_rows(named=True):
        own = book.position_daily.filter((pl.col("session_date") <= row["session_date"]) & (pl.col("book") == "paper"))
        gross = sum(float(own[name].abs().sum()) for name in terms)
        expected = pytest.approx(own["pnl_residual"].abs().sum() / gross) if gross else None
        assert row["residual_share"] == expected


def test_internal_rates_are_those_of_the_flows_written_out(book: BookTables, rows: pl.DataFrame) -> None:
    by_engine = {
        engine: dict(book.engine_daily.filter(pl.col("engine") == engine).select("session_date", "margin").iter_rows())
        for engine in ("condor", "second")
    }
    for row in rows.filter(pl.int_range(pl.len()) % 10 == 9).iter_rows(named=True):
        last = row["session_date"]
        flows: dict[str, list[tuple[date, float]]] = {}
        for engine, margin in by_engine.items():
            own = flows.setdefault(engine, [])
            own += events_of(book, engine, last=last).select("session_date", "cash").rows()
            before = 0.0
            for day in [day for day in sessions_of(book) if day <= last]:
                own.append((day, before - margin[day]))
                before = margin[day]
            own += [(last, before), (last, float(open_on(book, engine, last)["mark"].sum()))]
        for name, of in (("irr_condor", flows["condor"]), ("irr_both", flows["condor"] + flows["second"])):
            days, cash = zip(*of, strict=True)
            expected = internal_rates(np.array([day.toordinal() for day in days]), np.array(cash))
            found = json.loads(row["irr_roots"] or "{}").get(name, [row[name]] if row[name] is not None else [])
            assert found == pytest.approx(expected.tolist(), rel=1e-9), (last, name)


def test_the_cost_of_capital_rests_on_premium_margin_and_tenor_of_what_is_open(
    book: BookTables, rows: pl.DataFrame
) -> None:
    account = {row["session_date"]: row for row in book.account_daily.to_dicts()}
    funding: list[dict[str, Any]] = []
    for day in sessions_of(book):
        positions = pl.concat([open_on(book, engine, day) for engine in ("condor", "second")])
        events = book.position_event.filter(
            pl.col("position_id").is_in(positions["position_id"].implode()) & (pl.col("session_date") <= day)
        )
        margin = positions["margin"].sum()
        weighted = (positions["margin"] * positions["days_to_expiry"]).sum()
        funding.append(
            {"session_date": day, "margin": margin, "net_premium": (events["cash"] + events["fees"]).sum(),
             "tenor_days": weighted / margin if margin else None,
             **{name: account[day][name] for name in ("cash", "marketable_securities", "margin_loan_rate")}}
        )  # fmt: skip
    frame = pl.DataFrame(funding, infer_schema_length=None)
    rated = frame.join(box_rates(book.box_curve, frame.select("session_date", "tenor_days")), on="session_date")
    expected = cost_of_capital(rated, required_return=RETURN).sort("session_date")
    for name in ("wacc", "wacc_alternative"):
        assert rows[name].is_null().equals(expected[name].is_null())
        assert rows[name].drop_nulls().to_list() == pytest.approx(expected[name].drop_nulls().to_list(), rel=1e-9)


def test_correlations_are_pearsons_over_full_windows(book: BookTables) -> None:
    pnl = {
        engine: book.engine_daily.filter(pl.col("engine") == engine).sort("session_date")["pnl"].to_numpy()
        for engine in ("condor", "second")
    }
    found = engine_correlations(book.engine_daily)
    for window in (20, 60):
        for row, value in enumerate(found[f"correlation_{window}d"]):
            first, second = (pnl[engine][max(row - window + 1, 0) : row + 1] for engine in ("condor", "second"))
            if first.size < window or np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
                assert value is None
            else:
                assert value == pytest.approx(pearsonr(first, second)[0], abs=1e-12)
    assert 0 < found["correlation_20d"].null_count() < N_SESSIONS / 2


def test_an_engine_that_does_not_move_has_no_correlation(book: BookTables) -> None:
    still = book.engine_daily.with_columns(
        pl.when(pl.col("engine") == "second").then(-3.3).otherwise("pnl").alias("pnl")
    )
    assert engine_correlations(still)["correlation_20d"].null_count() == N_SESSIONS


@pytest.mark.parametrize("seed", range(3))
def test_later_rows_change_nothing(seed: int, calendar: TradingCalendar) -> None:
    book = random_book(calendar, n_sessions=80, seed=100 + seed)
    whole, correlations = engine_statistics(book, required_return=RETURN), engine_correlations(book.engine_daily)
    for last in sessions_of(book)[seed::9]:
        then = until(book, last)
        assert engine_statistics(then, required_return=RETURN).equals(whole.filter(pl.col("session_date") <= last))
        assert engine_correlations(then.engine_daily).equals(correlations.filter(pl.col("session_date") <= last))


def test_later_years_change_nothing_of_a_session(calendar: TradingCalendar) -> None:
    book = random_book(calendar, n_sessions=700, seed=7)
    asked = [sessions_of(book)[number] for number in (1, 60, 333, 520)]
    whole = engine_statistics(book, required_return=RETURN, only_sessions=asked)
    for number, last in enumerate(asked):
        own = engine_statistics(until(book, last), required_return=RETURN, only_sessions=[last])
        assert own.equals(whole[number])


def test_the_order_of_rows_changes_nothing(book: BookTables, rows: pl.DataFrame) -> None:
    assert engine_statistics(shuffled(book, seed=2), required_return=RETURN).equals(rows)


def test_the_sessions_asked_for_have_the_same_rows(book: BookTables, rows: pl.DataFrame) -> None:
    asked = [sessions_of(book)[number] for number in (0, 70, 149)]
    own = engine_statistics(book, required_return=RETURN, only_sessions=[*asked, date(1999, 1, 4)])
    assert own.equals(rows.filter(pl.col("session_date").is_in(asked)))


def test_held_positions_do_not_count(book: BookTables, rows: pl.DataFrame) -> None:
    held = book.position.filter(pl.col("book") == "held")["position_id"].implode()
    assert held.len() > 0
    alone = replace(
        book,
        position=book.position.filter(pl.col("book") == "paper"),
        position_daily=book.position_daily.filter(pl.col("book") == "paper"),
        position_event=book.position_event.filter(~pl.col("position_id").is_in(held)),
    )
    assert engine_statistics(alone, required_return=RETURN).equals(rows)


def test_a_margin_that_is_unknown_tonight_leaves_tonights_rates_and_costs_unknown(book: BookTables) -> None:
    last = sessions_of(book)[-1]
    unknown = book.engine_daily.with_columns(
        pl.when((pl.col("session_date") == last) & (pl.col("engine") != "condor") & (pl.col("n_open") > 0))
        .then(None)
        .otherwise("margin")
        .alias("margin")
    )
    assert unknown["margin"].null_count() > 0
    (row,) = engine_statistics(
        replace(book, engine_daily=unknown), required_return=RETURN, only_sessions=[last]
    ).to_dicts()
    assert (row["irr_both"], row["wacc"], row["wacc_alternative"]) == (None, None, None)
    assert row["irr_condor"] is not None


def test_an_empty_book_has_no_rows(book: BookTables) -> None:
    empty = replace(book, **{name: rows.clear() for name, rows in vars(book).items()})
    assert engine_statistics(empty, required_return=RETURN).is_empty()
    assert engine_correlations(empty.engine_daily).is_empty()
