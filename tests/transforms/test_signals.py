"""The headline row: what is missing is null and named, and the chain of input hashes breaks where an input changed."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.schemas import (
    ACCOUNT_DAILY,
    CONDOR_CANDIDATE,
    CURVE_DAILY,
    DECISION,
    ENGINE_DAILY,
    ENGINE_STATISTICS,
    INDEX_LEVEL,
    MEAN_REVERSION_DAILY,
    MISPRICING,
    MOMENTUM_DAILY,
    RATIO_SPREAD_CANDIDATE,
    RULE_EVALUATION,
    SIGNAL_DAILY,
    SURFACE_DAILY,
    TREASURY_RATE,
    VARIANCE_DAILY,
    VOL_OF_VOL_DAILY,
)
from transforms.signals import book_signals, chained_inputs, missing_inputs, signal_daily
from transforms.table_schema import Table

DAY, NEXT = date(2024, 2, 1), date(2024, 2, 2)


def rows(table: Table, *own: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{"session_date": DAY, **row} for row in own], schema=table.polars_schema)


def momentum(*, breadth: float | None) -> pl.DataFrame:
    return rows(
        MOMENTUM_DAILY,
        {"series": "vx_front", "level": 15.0, "rsi": 41.5, "state": "bearish"},
        {"series": "breadth", "level": breadth, "rsi": 60.0, "state": "bullish"},
        {"series": "curve", "level": 0.02, "rsi": 55.0, "state": "bullish"},
    )


def inputs(**changes: Any) -> dict[str, Any]:
    """A session on which nothing is missing."""
    full: dict[str, Any] = {
        "curve": rows(CURVE_DAILY, {"vx1": 14.0, "vx2": 15.4, "contango_ratio": 0.1, "front_index_gap": False}),
        "momentum": momentum(breadth=300.0),
        "mean_reversion": rows(MEAN_REVERSION_DAILY, {"series": "vx_30d", "half_life": 30.0}),
        "vol_of_vol": rows(VOL_OF_VOL_DAILY, {"vvix": 85.0, "percentile_252d": 0.25}),
        "variance": rows(VARIANCE_DAILY),
        "surface": rows(SURFACE_DAILY),
        "levels": rows(INDEX_LEVEL, {"symbol": "SPX", "close": 4900.0}, {"symbol": "VIX", "close": 13.9}),
        "rates": rows(TREASURY_RATE, {"tenor_days": 30, "par_yield": 0.05}, {"tenor_days": 91, "par_yield": 0.05}),
        "quote_counts": pl.DataFrame({"session_date": [DAY], "n_spx_quotes": [500], "n_vix_quotes": [90]}),
        "refusals": pl.DataFrame(schema={"session_date": pl.Date, "input": pl.String}),
        "book": book_signals(**book_tables()),
    }
    return full | changes


def book_tables() -> dict[str, pl.DataFrame]:
    """A night of the book: a condor opened, the layer dormant, two rules that hold and one unknown."""
    judged = (
        ("contango_scan", "passed", 0.02, None),
        ("vx_oversold", "unknown", None, None),
        ("stance", "failed", -1.0, "steward"),
    )
    return {
        "decision": rows(
            DECISION,
            {"decision_id": "a", "decision": "open_condor", "engine": "condor", "contracts": 3, "limit_price": 12.05},
            {"decision_id": "b", "decision": "stay_dormant", "engine": "second", "contracts": 0},
        ),
        "rule_evaluation": rows(
            RULE_EVALUATION,
            *({"rule": r, "outcome": o, "distance": d, "state": s} for r, o, d, s in judged),
        ),
        "condor_candidate": rows(
            CONDOR_CANDIDATE, {"candidate_id": "first", "credit_natural": 12.05, "rank": 1}
        ).with_columns(n_candidates=pl.lit(2, pl.Int64)),
        "ratio_spread_candidate": RATIO_SPREAD_CANDIDATE.empty().with_columns(n_candidates=pl.lit(0, pl.Int64)),
        "mispricing": MISPRICING.empty(),
        "engine_daily": rows(ENGINE_DAILY, {"engine": "both", "pnl": 5.0, "equity": 7.0, "cash": 0.0, "n_open": 1}),
        "account_daily": rows(ACCOUNT_DAILY, {"equity": 1_000_005.0}),
        "engine_statistics": rows(ENGINE_STATISTICS, {"ledger_balance": 0.0}),
    }


def test_the_night_of_the_book_is_in_the_row() -> None:
    row = signal()
    assert (row["condor_decision"], row["condor_order"]) == ("open_condor", "open_condor x 3 at 12.05")
    assert (row["second_decision"], row["second_order"]) == ("stay_dormant", None)
    assert (row["rules_passed"], row["rules_unknown"], row["stance"]) == ("contango_scan", "vx_oversold", "steward")
    assert row["contango_distance"] == 0.02
    assert (row["best_condor"], row["best_condor_credit"], row["n_condor_candidates"]) == ("first", 12.05, 2)
    assert (row["pnl_both"], row["book_equity"], row["account_equity"]) == (5.0, 7.0, 1_000_005.0)


def test_without_a_chain_there_is_nothing_to_count_and_with_one_there_may_be_none() -> None:
    without = pl.DataFrame({"session_date": [DAY], "n_spx_quotes": [None], "n_vix_quotes": [90]}).cast(
        {"n_spx_quotes": pl.Int64}
    )
    row = signal(quote_counts=without)
    assert row["n_executable_findings"] is None
    assert row["n_layer_candidates"] == 0


def nights(*days: date) -> pl.DataFrame:
    return pl.DataFrame(
        {"session_date": days, "settings_sha256": ["s"] * len(days), "code_version": ["c"] * len(days)}
    ).with_columns(inputs_sha256=pl.lit("i"))


def signal(**changes: Any) -> dict[str, Any]:
    return signal_daily(nights(DAY), **inputs(**changes)).row(0, named=True)


def test_a_complete_session_is_one_row_of_its_figures() -> None:
    row = signal()
    assert (row["data_status"], row["missing_inputs"]) == ("complete", None)
    assert (row["spx"], row["vix"], row["vvix"]) == (4900.0, 13.9, 85.0)
    assert (row["contango_ratio"], row["vx_front_rsi"], row["vx_front_state"]) == (0.1, 41.5, "bearish")
    assert (row["breadth_state"], row["curve_state"], row["vx_half_life"]) == ("bullish", "bullish", 30.0)
    assert (row["n_spx_quotes"], row["n_vix_quotes"]) == (500, 90)
    assert missing_inputs(row) == []


@pytest.mark.parametrize(
    ("name", "given", "column"),
    [
        ("vx_futures", {"curve": rows(CURVE_DAILY)}, "contango_ratio"),
        ("vvix_index", {"vol_of_vol": rows(VOL_OF_VOL_DAILY)}, "vvix"),
        ("spx_index", {"levels": rows(INDEX_LEVEL, {"symbol": "VIX", "close": 13.9})}, "spx"),
        ("vix_index", {"levels": rows(INDEX_LEVEL, {"symbol": "SPX", "close": 4900.0})}, "vix"),
        ("breadth", {"momentum": momentum(breadth=None)}, None),
        ("treasury", {"rates": rows(TREASURY_RATE)}, None),
    ],
)
def test_a_missing_input_is_named_and_its_figure_null(name: str, given: dict[str, Any], column: str | None) -> None:
    row = signal(**given)
    assert (row["data_status"], row["missing_inputs"]) == ("degraded", name)
    assert column is None or row[column] is None


def test_a_refused_chain_is_told_from_a_missing_one() -> None:
    counts = pl.DataFrame(schema={"session_date": pl.Date, "n_spx_quotes": pl.Int64, "n_vix_quotes": pl.Int64})
    refusals = pl.DataFrame({"session_date": [DAY, NEXT], "input": ["spx_options", "vix_options"]})
    row = signal(quote_counts=counts, refusals=refusals)
    assert missing_inputs(row) == ["spx_options:refused", "vix_options"]


def test_a_refused_chain_beside_an_accepted_one_is_no_loss() -> None:
    refusals = pl.DataFrame({"session_date": [DAY], "input": ["spx_options"]})
    assert signal(refusals=refusals)["data_status"] == "complete"


def test_only_the_nights_asked_for_get_rows_and_one_without_any_data_gets_one_too() -> None:
    frame = signal_daily(nights(NEXT), **inputs())
    assert frame["session_date"].to_list() == [NEXT]
    assert frame["missing_inputs"].item().count(",") == 7
    assert frame.schema == pl.Schema(SIGNAL_DAILY.polars_schema)


FILES = pl.DataFrame(
    {
        "session_date": [date(2024, 2, day) for day in (1, 1, 2, 5, 6)],
        "source_sha256": ["a", "b", "a", "b", "c"],
    }
)


@given(st.permutations(range(FILES.height)))
def test_the_hash_of_inputs_does_not_depend_on_row_order_or_repeats(order: list[int]) -> None:
    assert chained_inputs(pl.concat([FILES[order], FILES[:2]])).equals(chained_inputs(FILES))


def test_a_changed_input_changes_the_hash_from_its_session_on_and_not_before() -> None:
    before = chained_inputs(FILES)
    changed = FILES.with_columns(
        pl.when(pl.col("session_date") == date(2024, 2, 2))
        .then(pl.lit("z"))
        .otherwise("source_sha256")
        .alias("source_sha256")
    )
    same = (before["inputs_sha256"] == chained_inputs(changed)["inputs_sha256"]).to_list()
    assert same == [True, False, False, False]
    assert before["inputs_sha256"].n_unique() == 4
