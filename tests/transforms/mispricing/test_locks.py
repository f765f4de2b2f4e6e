"""Executable findings of a session: planted locks found, nothing else, and what does not depend on what."""

from collections import Counter
from datetime import date

import polars as pl
import pytest

from benchmarks.mispricing_recall import FEE_PER_CONTRACT, market_records, rows_as_legs
from benchmarks.planted_sessions import (
    CALENDAR_SORT,
    RATE_SORTS,
    SORTS,
    VIX_SORT,
    VX_SORTS,
    all_plants,
    closing_quotes,
)
from transforms.mispricing.findings import worst_payoff
from transforms.mispricing.locks import executable_findings
from transforms.pricing.analytics import session_pricing
from transforms.sample_market.market import simulate_market
from transforms.sample_market.plants import Plant

LAST_SESSION = date(2026, 1, 23)
OPTIONS = {"last_session": LAST_SESSION, "seed": 7, "n_history_sessions": 20}
FREE = {"fee_per_contract": 0.0}


@pytest.fixture(scope="module")
def planted(calendar):
    """One session with a vertical, a conversion and a lock of calls, puts and cash: quotes, slices."""
    plants = tuple(Plant(kind, 0) for kind in ("vertical_calls", "conversion", "calls_puts_cash"))
    market = simulate_market(calendar=calendar, n_chain_sessions=1, plants=plants, **OPTIONS)
    quotes = closing_quotes(market, market.chain_rows[0])
    return quotes, session_pricing(quotes, calendar=calendar).slices


def test_plants_of_every_sort_are_found_and_nothing_else(calendar):
    """Six sessions; all of them, on sixty, in docs/mispricing_recall.md."""
    market = simulate_market(
        calendar=calendar, n_chain_sessions=6, plants=all_plants(6, locks_per_session=2, calendar_every=3), **OPTIONS
    )
    records = market_records(market)
    plants = [(plant, count) for record in records for plant, count in record.plants]
    sorts = {*SORTS.values(), VIX_SORT, CALENDAR_SORT, *RATE_SORTS.values(), *VX_SORTS.values()}
    assert {plant.sort for plant, _ in plants} == sorts
    assert [plant for plant, count in plants if count != 1] == []
    assert [plant for plant, _ in plants if plant.is_confirmed is False] == []
    assert sum((record.n_false for record in records), Counter()).total() == 0
    assert sum(record.n_losing for record in records) == 0


def test_a_clean_market_has_no_finding(calendar):
    market = simulate_market(calendar=calendar, n_chain_sessions=1, **OPTIONS)
    [record] = market_records(market, beside=False)
    assert record.n_found.total() == 0


def test_row_order_changes_no_finding(planted):
    quotes, slices = planted
    found = executable_findings(quotes, slices, **FREE)
    again = executable_findings(quotes.sample(fraction=1.0, shuffle=True, seed=3), slices.reverse(), **FREE)
    assert found.findings.height == 3
    assert again.findings.equals(found.findings)
    assert again.legs.equals(found.legs)


def test_kinds_follow_from_the_portfolio(planted):
    quotes, slices = planted
    found = executable_findings(quotes, slices, **FREE).findings
    # The planted vertical earns more as a butterfly with the strike beyond.
    assert sorted(found["kind"]) == ["butterfly", "butterfly", "conversion"]
    assert set(found["confidence"]) == {"executable"}


def test_a_lock_on_two_strikes_is_a_vertical(planted):
    quotes, slices = planted
    [vertical] = [
        item for item in slices.filter(pl.col("root") == "SPX").rows(named=True) if item["expiration"].year == 2027
    ][:1]
    own = quotes.filter(
        (pl.col("root") == "SPX") & (pl.col("expiration") == vertical["expiration"]) & (pl.col("option_type") == "call")
    ).sort("strike")
    low, high = own[10], own[11]
    crossed = high.with_columns(bid=low["ask"] + 0.5, ask=low["ask"] + 1.0)
    found = executable_findings(pl.concat([low, crossed]), slices, **FREE)
    assert found.findings["kind"].to_list() == ["vertical"]
    assert found.findings["edge_points"].item() == pytest.approx(0.5)
    assert found.legs.select("strike", "side").rows() == [
        (low["strike"].item(), "buy"),
        (high["strike"].item(), "sell"),
    ]


def test_every_finding_pays_today_after_fees_and_never_costs_anything_later(planted):
    found = executable_findings(*planted, fee_per_contract=FEE_PER_CONTRACT)
    assert found.findings["edge_dollars"].min() > 0.0
    for row in found.findings.rows(named=True):
        legs = rows_as_legs(found.legs.filter(pl.col("finding_id") == row["finding_id"]))
        assert worst_payoff(legs) >= 0.0
        assert 100.0 * row["edge_points"] > FEE_PER_CONTRACT * sum(leg.quantity for leg in legs)


def test_packages_are_small_and_fit_the_sizes_at_the_touch(planted):
    found = executable_findings(*planted, **FREE)
    assert found.legs["quantity"].to_list() == found.legs["quantity"].round().to_list()
    assert found.legs["quantity"].max() <= 4.0
    assert found.findings["capacity_contracts"].min() >= 1


def test_without_sizes_packages_are_as_small_and_their_capacity_unknown(planted):
    quotes, slices = planted
    unsized = quotes.with_columns(bid_size=pl.lit(None, dtype=pl.Int64), ask_size=pl.lit(None, dtype=pl.Int64))
    found = executable_findings(unsized, slices, **FREE)
    assert found.findings.height == 3
    assert found.legs["quantity"].max() <= 4.0
    assert found.findings["capacity_contracts"].null_count() == found.findings["edge_dollars"].null_count() == 3


def test_fees_larger_than_an_edge_leave_no_finding(planted):
    assert executable_findings(*planted, fee_per_contract=500.0).findings.height == 0


def test_a_non_regular_snapshot_flags_its_findings(planted):
    quotes, slices = planted
    overnight = quotes.with_columns(pl.lit("non_regular").alias("snapshot_kind"))
    assert executable_findings(overnight, slices, **FREE).findings["from_flagged_quotes"].to_list() == [True] * 3


def test_the_note_names_the_quotes_to_doubt(planted):
    found = executable_findings(*planted, **FREE)
    conversion = found.findings.filter(pl.col("kind") == "conversion").row(0, named=True)
    own = found.legs.filter(pl.col("finding_id") == conversion["finding_id"])
    [sold] = own.filter((pl.col("side") == "sell") & (pl.col("quantity") == 2.0)).rows(named=True)
    assert f"call {sold['strike']:g} bid by" in conversion["note"]


def test_expired_slices_are_skipped(planted):
    quotes, slices = planted
    expired = slices.with_columns(pl.lit(-0.001).alias("time_to_expiry"))
    assert executable_findings(quotes, expired, **FREE).findings.height == 0


def test_a_session_without_quotes_has_no_findings(planted):
    quotes, slices = planted
    found = executable_findings(quotes.clear(), slices.clear(), **FREE)
    assert (found.findings.height, found.legs.height) == (0, 0)
