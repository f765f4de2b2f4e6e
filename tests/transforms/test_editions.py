"""Which file's row of a key enters core: trust, then recency; never the order of arrival."""

from datetime import date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from transforms.editions import best_rows, candidates_of, merged_candidates
from transforms.schemas import FUTURES_SETTLEMENT, INDEX_LEVEL

ORDER = ("trusted", "plain")
DAY = date(2024, 2, 1)
EARLY = datetime(2024, 2, 1, 22)


def level(close: float, sha: str) -> pl.DataFrame:
    row = {"session_date": DAY, "symbol": "VIX", "open": None, "high": None, "low": None, "close": close}
    return pl.DataFrame([{**row, "source_sha256": sha}], schema=INDEX_LEVEL.polars_schema)


def file(sha: str, source: str, hours: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"source_sha256": [sha], "edition_source": [source], "received_at": [EARLY + timedelta(hours=hours)]},
        schema_overrides={"received_at": pl.Datetime("us")},
    )


def chosen(*deliveries: tuple[float, str, str, int]) -> tuple[float, str]:
    """Return (close, provenance) after the deliveries (close, sha, source, hours) arrive one by one."""
    held = None
    for close, sha, source, hours in deliveries:
        fresh = candidates_of(level(close, sha), file(sha, source, hours))
        held = fresh if held is None else pl.concat([held, fresh.select(held.columns)])
        held = merged_candidates(held, table=INDEX_LEVEL)
    row = best_rows(held, table=INDEX_LEVEL, source_order=ORDER).row(0, named=True)
    return row["close"], row["source_sha256"]


def test_of_one_source_the_latest_file_wins():
    assert chosen((15.0, "a", "plain", 0), (16.0, "b", "plain", 5)) == (16.0, "b")


def test_a_trusted_source_outranks_a_later_file_of_another():
    assert chosen((15.0, "a", "trusted", 0), (16.0, "b", "plain", 5)) == (15.0, "a")


def test_a_later_file_that_says_the_same_leaves_the_provenance_with_the_first():
    assert chosen((15.0, "a", "plain", 0), (15.0, "b", "plain", 5)) == (15.0, "a")


def test_a_value_taken_back_wins_again_and_keeps_its_first_file():
    assert chosen((15.0, "a", "plain", 0), (16.0, "b", "plain", 5), (15.0, "c", "plain", 9)) == (15.0, "a")


deliveries = st.lists(
    st.tuples(
        st.sampled_from([15.0, 16.0, 17.0]),
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.sampled_from(["trusted", "plain", "unlisted"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda item: item[1],
)


@given(deliveries, st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_matters(arrived, random):
    shuffled = list(arrived)
    random.shuffle(shuffled)
    assert chosen(*shuffled) == chosen(*arrived)


def test_a_printed_settlement_outranks_a_close_that_stands_in_even_of_a_trusted_source():
    row = {
        "session_date": DAY, "root": "VX", "expiration": date(2024, 2, 14), "is_monthly": True, "open": 15.0,
        "high": 15.5, "low": 14.5, "close": 15.2, "volume": 10, "open_interest": 10,
    }  # fmt: skip
    rows = [
        {**row, "settle": 15.2, "settle_source": "close", "source_sha256": "a"},
        {**row, "settle": 15.175, "settle_source": "settle", "source_sha256": "b"},
    ]
    files = pl.concat([file("a", "trusted", 5), file("b", "plain", 0)])
    table = FUTURES_SETTLEMENT
    held = merged_candidates(candidates_of(pl.DataFrame(rows, schema=table.polars_schema), files), table=table)
    assert best_rows(held, table=table, source_order=ORDER)["settle"].to_list() == [15.175]
