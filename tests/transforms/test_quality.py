"""Session gates: a bad chain is refused and named, a good one passes, and the future changes no verdict."""

import hashlib
import struct
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.quality import (
    GATE_SCHEMA,
    SNAPSHOT_KEY,
    SUMMARY_SCHEMA,
    select_snapshots,
    session_gates,
    snapshot_summary,
)
from transforms.schemas import DATA_QUALITY, FUTURES_SETTLEMENT, INDEX_LEVEL, OPTION_QUOTE
from transforms.session_checks import curve_gates
from transforms.sessions import TradingCalendar, option_close

LAST = date(2023, 9, 29)
EXPIRATIONS = [LAST + timedelta(days=7 * week) for week in range(1, 11)]


@pytest.fixture(scope="module")
def sessions(calendar: TradingCalendar) -> list[date]:
    return calendar.between(date(2023, 8, 1), LAST)


def chain(
    session: date,
    *,
    level: float = 10.0,
    n_strikes: int = 10,
    expirations: list[date] = EXPIRATIONS,
    **changes: Any,
) -> pl.DataFrame:
    """Return one root's quotes of one session; `level`, the forward, moves every price.

    The call struck at K is worth F^2/(K + F), the put K^2/(K + F): convex, in parity, without arbitrage.
    """
    constants: dict[str, Any] = {
        "session_date": session,
        "root": "VIX",
        "quote_ts": datetime.combine(session, datetime.min.time()) + timedelta(hours=20, minutes=15),
        "snapshot_kind": "close",
        "settlement_style": "am",
        "source_sha256": f"sha-{session}",
    }
    grid = pl.DataFrame(
        [
            {"expiration": expiration, "strike": 10.0 + strike, "option_type": option_type}
            for expiration in expirations
            for strike in range(n_strikes)
            for option_type in ("call", "put")
        ]
    )
    worth = pl.when(pl.col("option_type") == "call").then(level).otherwise("strike") ** 2 / (pl.col("strike") + level)
    quotes = grid.with_columns(
        *(pl.lit(value).alias(name) for name, value in (constants | changes).items()),
        (worth - 0.05).alias("bid"),
        (worth + 0.05).alias("ask"),
    )
    missing = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in OPTION_QUOTE.polars_schema.items()
        if name not in quotes.columns
    ]
    return quotes.with_columns(missing).select(
        pl.col(name).cast(dtype) for name, dtype in OPTION_QUOTE.polars_schema.items()
    )


def history(sessions: list[date]) -> list[pl.DataFrame]:
    return [chain(day, level=10.0 + place / 10) for place, day in enumerate(sessions)]


def verdicts(gates: pl.DataFrame, session: date) -> dict[str, str]:
    return dict(gates.filter(pl.col("session_date") == session).select("gate", "outcome").iter_rows())


def reason(gates: pl.DataFrame, session: date, gate: str) -> str:
    own = gates.filter(pl.col("session_date") == session, pl.col("gate") == gate)
    found: str = own["reason"].item()
    return found


def test_a_summary_counts_what_the_gates_need() -> None:
    quotes = chain(LAST).with_columns(
        pl.when(pl.col("strike") == 10.0).then(0.0).otherwise(pl.col("bid")).alias("bid"),
        pl.when(pl.col("strike") <= 11.0).then(None).otherwise(pl.col("ask")).alias("ask"),
    )

    (row,) = snapshot_summary(quotes).to_dicts()

    assert (row["n_rows"], row["n_two_sided"], row["n_zero_zero"], row["n_expirations"]) == (200, 160, 20, 10)
    assert row["two_sided_share"] == 0.8
    # Strikes 12 to 19, all 0.10 wide: calls from 100/22 down to 100/29, puts from 144/22 up to 361/29.
    assert row["median_relative_half_spread"] == pytest.approx((0.05 * 22 / 100 + 0.05 * 22 / 144) / 2, rel=1e-12)
    assert row["n_contradicting"] == 0
    assert row["parity_slope"] == pytest.approx(-1.0, rel=1e-12)
    assert [part.split(":")[0] for part in row["content_hash"].split()] == [day.isoformat() for day in EXPIRATIONS]


def test_the_content_hash_is_the_same_in_every_process_and_version() -> None:
    # Spelled out, because the warehouse keeps hashes across versions: strike, is put, bid, ask as doubles.
    quotes = chain(LAST, expirations=EXPIRATIONS[:1], n_strikes=1)
    packed = struct.pack("<8d", 10.0, 0.0, 4.95, 5.05, 10.0, 1.0, 4.95, 5.05)

    expected = f"2023-10-06:{hashlib.sha256(packed).hexdigest()[:12]}"
    assert quotes.select("bid", "ask").unique().rows() == [(4.95, 5.05)]
    assert snapshot_summary(quotes)["content_hash"].to_list() == [expected]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_rows_changes_no_summary(seed: int) -> None:
    quotes = pl.concat([chain(LAST), chain(LAST, root="VIXW", level=3.0)])

    shuffled = quotes.sample(fraction=1.0, shuffle=True, seed=seed)

    assert snapshot_summary(shuffled).equals(snapshot_summary(quotes))


@pytest.mark.parametrize("change", [{"bid": 9.0}, {"ask": None}, {"strike": 9.5}, {"option_type": "put"}])
def test_the_content_hash_sees_one_changed_quote(change: dict[str, Any]) -> None:
    quotes = chain(LAST).with_row_index("row")
    (name, value), last = next(iter(change.items())), quotes.height - 2
    column = pl.when(pl.col("row") == last).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
    changed = quotes.with_columns(column).drop("row")

    assert snapshot_summary(changed)["content_hash"][0] != snapshot_summary(chain(LAST))["content_hash"][0]


def test_the_content_hash_ignores_series_that_end_with_the_session() -> None:
    with_expiring = chain(LAST, expirations=[LAST, *EXPIRATIONS])

    one, other = snapshot_summary(with_expiring), snapshot_summary(chain(LAST))

    assert one["content_hash"].to_list() == other["content_hash"].to_list()
    assert snapshot_summary(chain(LAST, expirations=[LAST]))["content_hash"].to_list() == [None]


def test_no_quotes_have_no_summary_and_no_gates(calendar: TradingCalendar) -> None:
    summaries = snapshot_summary(OPTION_QUOTE.empty())

    gates = session_gates(summaries, calendar=calendar)

    assert dict(summaries.schema) == SUMMARY_SCHEMA
    assert summaries.height == gates.height == 0
    assert dict(gates.schema) == GATE_SCHEMA


def test_a_history_of_sound_chains_passes_once_it_is_long_enough(
    sessions: list[date], calendar: TradingCalendar
) -> None:
    gates = session_gates(snapshot_summary(pl.concat(history(sessions))), calendar=calendar)

    assert verdicts(gates, sessions[4])["row_count"] == "skipped"
    assert "4 of the 20 sessions before" in reason(gates, sessions[4], "row_count")
    assert set(verdicts(gates, sessions[5]).values()) == {"passed"}
    assert gates.filter(pl.col("outcome") == "failed").height == 0
    assert gates.filter((pl.col("outcome") == "passed") & pl.col("reason").is_not_null()).height == 0


def test_half_a_chain_is_refused_with_its_counts(sessions: list[date], calendar: TradingCalendar) -> None:
    partial = chain(LAST, level=99.0, n_strikes=11, expirations=EXPIRATIONS[:5])
    large = [chain(day, level=10.0 + n, n_strikes=60) for n, day in enumerate(sessions[:-1])]

    gates = session_gates(snapshot_summary(pl.concat([*large, partial])), calendar=calendar)

    assert verdicts(gates, LAST) == {
        "contradicting_quotes": "passed",
        "expiration_count": "failed",
        "price_scale": "passed",
        "row_count": "failed",
        "stale_chain": "passed",
        "two_sided_share": "passed",
    }
    assert reason(gates, LAST, "row_count") == (
        "option_quote for 2023-09-29 has 110 VIX rows, fewer than 60 % of the 20-session median 1,200: the "
        "feed is probably partial. Import the complete file and run the session again."
    )
    assert reason(gates, LAST, "expiration_count").startswith("option_quote for 2023-09-29 has 5 VIX expirations")


@pytest.mark.parametrize(("n_strikes", "outcome"), [(6, "passed"), (5, "failed")])
def test_sixty_per_cent_of_the_median_is_enough(
    n_strikes: int, outcome: str, sessions: list[date], calendar: TradingCalendar
) -> None:
    last = chain(LAST, level=99.0, n_strikes=n_strikes)

    gates = session_gates(snapshot_summary(pl.concat([*history(sessions[:-1]), last])), calendar=calendar)

    assert verdicts(gates, LAST)["row_count"] == outcome


def test_a_chain_of_zeros_is_refused_and_is_no_yardstick(sessions: list[date], calendar: TradingCalendar) -> None:
    zeros = [
        chain(day, n_strikes=500).with_columns(pl.lit(0.0).alias("bid"), pl.lit(None, dtype=pl.Float64).alias("ask"))
        for day in sessions[-16:-1]
    ]
    good = [*history(sessions[:-16]), chain(LAST, level=50.0)]

    gates = session_gates(snapshot_summary(pl.concat([*good, *zeros])), calendar=calendar)

    assert verdicts(gates, sessions[-2])["two_sided_share"] == "failed"
    assert "on 0 of 10,000 VIX rows, fewer than 50 %" in reason(gates, sessions[-2], "two_sided_share")
    assert set(verdicts(gates, LAST).values()) == {"passed"}


def test_a_chain_that_mixes_quotes_of_two_markets_is_refused(calendar: TradingCalendar) -> None:
    # Every third strike is still quoted as when the index stood a third higher.
    now, then = chain(LAST, level=15.0), chain(LAST, level=20.0)
    is_stale = pl.col("strike") % 3 == 0
    mixed = pl.concat([now.filter(~is_stale), then.filter(is_stale)])

    gates = session_gates(snapshot_summary(mixed), calendar=calendar)

    assert verdicts(gates, LAST)["contradicting_quotes"] == "failed"
    text = reason(gates, LAST, "contradicting_quotes")
    assert "of 200 VIX quotes that no one market can show together" in text
    assert choose(mixed, calendar=calendar) == []


def test_a_lock_is_no_reason_to_refuse_a_chain(calendar: TradingCalendar) -> None:
    raised = (pl.col("strike") == 15.0) & (pl.col("option_type") == "call") & (pl.col("expiration") == EXPIRATIONS[0])
    locked = chain(LAST).with_columns(
        (pl.col(side) + pl.when(raised).then(2.0).otherwise(0.0)).alias(side) for side in ("bid", "ask")
    )

    summaries = snapshot_summary(locked)

    assert 1 <= summaries["n_contradicting"].item() <= 3
    assert verdicts(session_gates(summaries, calendar=calendar), LAST)["contradicting_quotes"] == "passed"


@pytest.mark.parametrize("days_later", [1, 2])
def test_a_chain_delivered_again_for_a_later_session_is_refused(
    days_later: int, sessions: list[date], calendar: TradingCalendar
) -> None:
    daily = calendar.between(sessions[3], date(2023, 10, 6))
    first = chain(sessions[2], level=7.0, expirations=daily)
    later = sessions[2 + days_later]
    again = chain(later, level=7.0, expirations=[day for day in daily if day >= later])

    gates = session_gates(snapshot_summary(pl.concat([first, again])), calendar=calendar)

    assert verdicts(gates, sessions[2])["stale_chain"] == "passed"
    assert verdicts(gates, later)["stale_chain"] == "failed"
    assert f"repeats every VIX quote of {sessions[2]}" in reason(gates, later, "stale_chain")


def test_one_session_delivered_twice_is_not_stale(calendar: TradingCalendar) -> None:
    twice = pl.concat([chain(LAST), chain(LAST, source_sha256="other")])

    gates = session_gates(snapshot_summary(twice), calendar=calendar)

    assert set(gates.filter(pl.col("gate") == "stale_chain")["outcome"]) == {"passed"}


def test_an_excerpt_of_a_chain_is_not_judged_by_its_counts(sessions: list[date], calendar: TradingCalendar) -> None:
    excerpts = [
        chain(day, level=9.0 + n, n_strikes=1, expirations=EXPIRATIONS[: 2 if day == LAST else 6])
        for n, day in enumerate(sessions)
    ]

    gates = session_gates(snapshot_summary(pl.concat(excerpts)), calendar=calendar)

    assert set(gates.filter(pl.col("gate").str.ends_with("count"))["outcome"]) == {"skipped"}


def test_baselines_are_sessions_of_the_calendar_and_not_files_present(
    sessions: list[date], calendar: TradingCalendar
) -> None:
    # Ten sessions of history that lie more than twenty sessions back judge nothing.
    far = history(calendar.between(date(2023, 5, 1), date(2023, 5, 12)))

    gates = session_gates(snapshot_summary(pl.concat([*far, chain(LAST, n_strikes=1, level=3.0)])), calendar=calendar)

    assert verdicts(gates, LAST)["row_count"] == "skipped"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_later_sessions_and_the_order_of_import_change_no_verdict(
    data: st.DataObject, sessions: list[date], calendar: TradingCalendar
) -> None:
    days = sessions[:12]
    strikes = data.draw(st.lists(st.integers(1, 8), min_size=12, max_size=12))
    levels = data.draw(st.lists(st.sampled_from([5.0, 6.0, 7.0]), min_size=12, max_size=12))
    made = [chain(d, n_strikes=n, level=v) for d, n, v in zip(days, strikes, levels, strict=True)]
    summaries = snapshot_summary(pl.concat(made))
    n_known = data.draw(st.integers(1, 12))
    known = summaries.filter(pl.col("session_date") <= days[n_known - 1])

    whole = session_gates(summaries.sample(fraction=1.0, shuffle=True, seed=n_known), calendar=calendar)

    past = whole.filter(pl.col("session_date") <= days[n_known - 1])
    assert past.equals(session_gates(known, calendar=calendar))


def choose(*quotes: pl.DataFrame, calendar: TradingCalendar, order: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    summaries = snapshot_summary(pl.concat(quotes))
    files = summaries.select(
        "source_sha256",
        pl.col("source_sha256").alias("source"),
        pl.lit(datetime(2024, 1, 1)).alias("received_at"),
    ).unique()
    chosen = select_snapshots(
        summaries,
        session_gates(summaries, calendar=calendar),
        calendar=calendar,
        source_order=list(order),
        source_of=files,
    )
    return chosen.select("source_sha256", "snapshot_kind").rows()


def at(minutes_from_close: int, calendar: TradingCalendar, name: str, **changes: Any) -> pl.DataFrame:
    stamp = option_close(LAST, calendar=calendar) + timedelta(minutes=minutes_from_close)
    return chain(LAST, quote_ts=stamp, source_sha256=name, **changes)


def test_the_snapshot_nearest_to_the_close_and_not_before_it_is_chosen(calendar: TradingCalendar) -> None:
    before, after, late = (at(m, calendar, n) for m, n in ((-1, "before"), (20, "after"), (45, "late")))

    assert choose(before, late, after, calendar=calendar) == [("after", "close")]
    assert choose(at(-30, calendar, "early"), before, calendar=calendar) == [("before", "close")]


def test_ties_go_by_source_order_and_then_by_hash(calendar: TradingCalendar) -> None:
    one, two = at(0, calendar, "aa"), at(0, calendar, "bb")

    assert choose(one, two, calendar=calendar, order=("bb", "aa")) == [("bb", "close")]
    assert choose(one, two, calendar=calendar, order=("bb",)) == [("bb", "close")]
    assert choose(two, one, calendar=calendar) == [("aa", "close")]


def test_a_regular_snapshot_goes_before_one_outside_regular_hours(calendar: TradingCalendar) -> None:
    outside = at(0, calendar, "aa", snapshot_kind="non_regular")

    assert choose(outside, at(0, calendar, "bb"), calendar=calendar) == [("bb", "close")]


def test_a_refused_snapshot_is_never_chosen(calendar: TradingCalendar) -> None:
    zeros = at(0, calendar, "zeros").with_columns(pl.lit(0.0).alias("bid"))

    assert choose(zeros, at(-30, calendar, "early"), calendar=calendar) == [("early", "close")]
    assert choose(zeros, calendar=calendar) == []


def test_one_snapshot_is_chosen_per_root_and_of_one_file_one_kind(calendar: TradingCalendar) -> None:
    close = at(0, calendar, "file")
    early = at(-30, calendar, "file", snapshot_kind="eod_1545")
    weekly = at(-30, calendar, "file", snapshot_kind="eod_1545", root="VIXW")

    assert choose(early, weekly, close, calendar=calendar) == [("file", "close"), ("file", "eod_1545")]


@pytest.mark.parametrize(
    ("change", "fall"),
    [
        ([pl.col("bid") * 100, pl.col("ask") * 100], "100.0"),
        ([pl.col("bid") / 10, pl.col("ask") / 10], "0.1"),
        ([pl.col("strike") * 1000], "0.001"),
        ([pl.col("option_type").replace({"call": "put", "put": "call"})], "-1.0"),
    ],
    ids=["cents", "tenths", "thousandths of a strike", "calls for puts"],
)
def test_a_chain_that_contradicts_parity_is_refused(
    change: list[pl.Expr], fall: str, calendar: TradingCalendar
) -> None:
    gates = session_gates(snapshot_summary(chain(LAST).with_columns(change)), calendar=calendar)

    assert verdicts(gates, LAST)["price_scale"] == "failed"
    assert f"calls less puts of VIX fall by {fall} a point of strike" in reason(gates, LAST, "price_scale")


@pytest.mark.parametrize("n_strikes", [1, 2])
def test_parity_is_not_judged_on_two_strikes(n_strikes: int, calendar: TradingCalendar) -> None:
    excerpt = chain(LAST, n_strikes=n_strikes).with_columns(pl.col("bid") * 100, pl.col("ask") * 100)

    assert verdicts(session_gates(snapshot_summary(excerpt), calendar=calendar), LAST)["price_scale"] == "skipped"


def test_gates_have_one_row_per_snapshot_and_gate(sessions: list[date], calendar: TradingCalendar) -> None:
    gates = session_gates(snapshot_summary(pl.concat(history(sessions))), calendar=calendar)

    assert gates.select(*SNAPSHOT_KEY, "gate").n_unique() == gates.height == 6 * len(sessions)


def futures(settles: dict[date, list[float]]) -> pl.DataFrame:
    rows = [
        {
            "session_date": day,
            "root": "VX",
            "expiration": LAST + timedelta(days=30 * (n + 1)),
            "settle": settle,
        }
        for day, values in settles.items()
        for n, settle in enumerate(values)
    ]
    columns = ("session_date", "root", "expiration", "settle")
    return pl.DataFrame(rows, schema={name: FUTURES_SETTLEMENT.polars_schema[name] for name in columns})


def levels(closes: dict[date, float], symbol: str = "VIX") -> pl.DataFrame:
    rows = [{"session_date": day, "symbol": symbol, "close": close} for day, close in closes.items()]
    columns = ("session_date", "symbol", "close")
    return pl.DataFrame(rows, schema={name: INDEX_LEVEL.polars_schema[name] for name in columns})


def judged(
    curve: pl.DataFrame, index: pl.DataFrame, *, session: date, calendar: TradingCalendar
) -> dict[str, tuple[str, str | None]]:
    rows = curve_gates(curve, index, session=session, calendar=calendar)
    DATA_QUALITY.conform(rows)
    assert set(rows["severity"]) == {"warn"}
    return {name: (outcome, detail) for name, outcome, detail in rows.select("check_name", "outcome", "detail").rows()}


def test_a_curve_and_an_index_that_move_pass(sessions: list[date], calendar: TradingCalendar) -> None:
    moving = {day: [15.0 + n / 10, 16.0 + n / 10, 17.0, 18.0] for n, day in enumerate(sessions)}
    closes = {day: 14.0 + n / 100 for n, day in enumerate(sessions)}

    found = judged(futures(moving), levels(closes), session=LAST, calendar=calendar)

    assert {name: outcome for name, (outcome, _) in found.items()} == {
        "contract_count": "passed",
        "spx_unchanged": "skipped",
        "stale_curve": "passed",
        "vix_unchanged": "passed",
    }


def test_a_curve_equal_to_the_session_before_is_warned_of(sessions: list[date], calendar: TradingCalendar) -> None:
    same = {day: [15.0, 16.0, 17.0] for day in sessions[-2:]}

    outcome, detail = judged(futures(same), INDEX_LEVEL.empty(), session=LAST, calendar=calendar)["stale_curve"]

    assert outcome == "failed"
    assert detail is not None
    assert detail.startswith("all 3 VX settlements of 2023-09-29 equal those of 2023-09-28")


def test_missing_contracts_are_warned_of(sessions: list[date], calendar: TradingCalendar) -> None:
    curve = {day: [15.0 + n / 10 + k for k in range(9)] for n, day in enumerate(sessions)} | {LAST: [20.0] * 5}

    outcome, detail = judged(futures(curve), INDEX_LEVEL.empty(), session=LAST, calendar=calendar)["contract_count"]

    assert outcome == "failed"
    assert detail is not None
    assert "has 5 contracts, fewer than 60 % of the 20-session median 9" in detail


def test_an_index_unchanged_for_three_sessions_is_warned_of(sessions: list[date], calendar: TradingCalendar) -> None:
    closes = {day: 14.0 + n for n, day in enumerate(sessions[:-3])} | dict.fromkeys(sessions[-3:], 17.45)
    curve = futures({LAST: [15.0]})

    assert judged(curve, levels(closes), session=LAST, calendar=calendar)["vix_unchanged"][0] == "failed"
    assert judged(curve, levels(closes, "SPX"), session=LAST, calendar=calendar)["spx_unchanged"][0] == "failed"
    assert judged(curve, levels(closes), session=sessions[-2], calendar=calendar)["vix_unchanged"][0] == "passed"


def test_a_warning_of_a_session_does_not_read_later_rows(sessions: list[date], calendar: TradingCalendar) -> None:
    curve = {day: [15.0 + n / 10 + k for k in range(9)] for n, day in enumerate(sessions)}
    middle = sessions[25]
    known = futures({day: values for day, values in curve.items() if day <= middle})

    now = curve_gates(known, INDEX_LEVEL.empty(), session=middle, calendar=calendar)
    later = curve_gates(futures(curve), INDEX_LEVEL.empty(), session=middle, calendar=calendar)

    assert now.equals(later)
