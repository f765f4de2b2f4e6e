"""The life of findings: sessions counted, outcomes to the cent, records that never look ahead."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.mispricing.lifecycle import detector_record, mispricing_outcome, with_life
from transforms.schemas import FUTURES_SETTLEMENT, MISPRICING, MISPRICING_LEG, OPTION_QUOTE, SETTLEMENT_VALUE, SLICE
from transforms.sessions import TradingCalendar

FEE = 0.65
EXPIRATION = date(2026, 3, 20)


def finding(day: date, name: str = "a", **values: Any) -> dict[str, Any]:
    return {
        "session_date": day,
        "finding_id": name,
        "kind": "butterfly",
        "root": "SPX",
        "expiration": EXPIRATION,
        "confidence": "executable",
        "from_flagged_quotes": False,
        **values,
    }


def leg(day: date, number: int, *, name: str = "a", **values: Any) -> dict[str, Any]:
    return {
        "session_date": day,
        "finding_id": name,
        "leg": number,
        "instrument": "option",
        "root": "SPX",
        "expiration": EXPIRATION,
        "strike": 5000.0,
        "option_type": "call",
        "quantity": 1.0,
        **values,
    }


def quote(day: date, *, bid: float | None, ask: float | None, **values: Any) -> dict[str, Any]:
    return {
        "session_date": day,
        "root": "SPX",
        "expiration": EXPIRATION,
        "strike": 5000.0,
        "option_type": "call",
        "bid": bid,
        "ask": ask,
        **values,
    }


def frame(table: Any, rows: list[dict[str, Any]], *, without: tuple[str, ...] = ()) -> pl.DataFrame:
    """Rows of a table, null where a row says nothing."""
    schema = {name: dtype for name, dtype in table.polars_schema.items() if name not in without}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def found(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return frame(MISPRICING, rows, without=("first_seen", "sessions_open"))


def outcome(
    findings: pl.DataFrame, legs: list[dict[str, Any]], *, calendar: TradingCalendar, **tables: Any
) -> pl.DataFrame:
    named = {
        "quotes": OPTION_QUOTE,
        "slices": SLICE,
        "futures": FUTURES_SETTLEMENT,
        "settlement_value": SETTLEMENT_VALUE,
    }
    return mispricing_outcome(
        findings,
        frame(MISPRICING_LEG, legs),
        **{name: frame(table, tables.get(name, [])) for name, table in named.items()},
        calendar=calendar,
        fee_per_contract=FEE,
    )


@pytest.fixture
def days(calendar: TradingCalendar) -> list[date]:
    return calendar.between(date(2026, 1, 5), date(2026, 1, 30))


def test_a_finding_counts_its_consecutive_sessions_and_starts_anew_after_a_gap(
    days: list[date], calendar: TradingCalendar
) -> None:
    rows = with_life(found([finding(days[i]) for i in (0, 1, 2, 4, 5)]), calendar=calendar)

    assert rows["first_seen"].to_list() == [days[0]] * 3 + [days[4]] * 2
    assert rows["sessions_open"].to_list() == [1, 2, 3, 1, 2]


def test_a_weekend_and_a_holiday_do_not_interrupt_a_finding(calendar: TradingCalendar) -> None:
    friday, tuesday = date(2026, 1, 16), date(2026, 1, 20)

    rows = with_life(found([finding(friday), finding(tuesday)]), calendar=calendar)

    assert rows["sessions_open"].to_list() == [1, 2]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from("abc")), min_size=1, unique=True), st.integers(0, 15))
def test_later_findings_and_row_order_change_no_earlier_row(seen: list[tuple[int, str]], cut: int) -> None:
    from flows.calendar import trading_calendar

    calendar = trading_calendar()
    days = calendar.between(date(2026, 1, 5), date(2026, 1, 30))
    rows = found([finding(days[i], name) for i, name in seen])
    whole = with_life(rows, calendar=calendar)

    until = pl.col("session_date") <= days[cut]
    assert with_life(rows.filter(until).reverse(), calendar=calendar).equals(whole.filter(until))


def test_a_finding_of_the_session_before_is_open_if_found_again_else_closed(
    days: list[date], calendar: TradingCalendar
) -> None:
    findings = found([finding(days[0], "a"), finding(days[1], "a"), finding(days[0], "b")])
    quotes = [quote(day, bid=1.0, ask=1.1) for day in days[:3]]

    rows = outcome(findings, [], calendar=calendar, quotes=quotes)

    assert rows.select("session_date", "finding_id", "status").rows() == [
        (days[1], "a", "open"),
        (days[1], "b", "closed"),
        (days[2], "a", "closed"),
    ]


def test_a_session_without_a_chain_tells_nothing(days: list[date], calendar: TradingCalendar) -> None:
    rows = outcome(found([finding(days[0])]), [], calendar=calendar, quotes=[quote(days[2], bid=1.0, ask=1.1)])

    assert rows.is_empty()


def test_legs_leave_at_the_other_side_of_the_next_session_and_pay_fees_twice(
    days: list[date], calendar: TradingCalendar
) -> None:
    legs = [
        leg(days[0], 1, side="buy", quantity=2.0, price=3.0),
        leg(days[0], 2, side="sell", strike=5100.0, price=9.0),
    ]
    quotes = [quote(days[1], bid=4.0, ask=4.5), quote(days[1], bid=8.0, ask=8.5, strike=5100.0)]

    rows = outcome(found([finding(days[0], capacity_contracts=3)]), legs, calendar=calendar, quotes=quotes)

    package = 2.0 * (4.0 - 3.0) * 100.0 + (9.0 - 8.5) * 100.0 - 3.0 * 2.0 * FEE
    assert rows["exit_edge_dollars"].to_list() == pytest.approx([3.0 * package])


def test_an_offered_option_without_a_bid_is_worth_nothing_and_one_without_an_offer_is_unknown(
    days: list[date], calendar: TradingCalendar
) -> None:
    bought = [leg(days[0], 1, side="buy", price=0.10)]
    unbid, unquoted = ([quote(days[1], bid=0.0, ask=ask)] for ask in (0.05, None))

    worthless = outcome(found([finding(days[0])]), bought, calendar=calendar, quotes=unbid)
    unknown = outcome(found([finding(days[0])]), bought, calendar=calendar, quotes=unquoted)

    assert worthless["exit_edge_dollars"].to_list() == pytest.approx([-10.0 - 2.0 * FEE])
    assert unknown["exit_edge_dollars"].to_list() == [None]


def test_an_option_settled_in_between_pays_its_payoff_and_no_second_fee(
    days: list[date], calendar: TradingCalendar
) -> None:
    expires = {"expiration": days[1]}
    legs = [leg(days[0], 1, side="sell", price=30.0, **expires), leg(days[0], 2, side="buy", price=1.0)]
    quotes = [quote(days[1], bid=2.0, ask=3.0)]
    value = [{"root": "SPX", "expiration": days[1], "value": 5012.5, "source": "set", "exact": True}]

    rows = outcome(found([finding(days[0])]), legs, calendar=calendar, quotes=quotes, settlement_value=value)

    expected = (30.0 - 12.5) * 100.0 - FEE + (2.0 - 1.0) * 100.0 - 2.0 * FEE
    assert rows["exit_edge_dollars"].to_list() == pytest.approx([expected])


def test_a_future_against_synthetic_forwards_is_valued_at_settlement_and_interval(
    days: list[date], calendar: TradingCalendar
) -> None:
    expiration = date(2026, 2, 18)
    future = {"instrument": "future", "root": "VX", "expiration": expiration, "strike": None, "option_type": None}
    synthetic = {**future, "instrument": "forward", "root": "VIX"}
    legs = [
        leg(days[0], 1, side="sell", price=20.5, **future),
        leg(days[0], 2, side="buy", price=20.0, quantity=10.0, **synthetic),
    ]
    rows = outcome(
        found([finding(days[0], kind="vix_parity", root="VIX", confidence="indicative")]),
        legs,
        calendar=calendar,
        quotes=[quote(days[1], bid=1.0, ask=1.1, root="VIX")],
        slices=[
            {
                "session_date": days[1],
                "root": "VIX",
                "expiration": expiration,
                "forward_low": 19.9,
                "forward_high": 20.1,
            }
        ],
        futures=[{"session_date": days[1], "root": "VX", "expiration": expiration, "settle": 20.2}],
    )

    assert rows["exit_edge_dollars"].to_list() == pytest.approx([(20.5 - 20.2) * 1000.0 + 10.0 * (19.9 - 20.0) * 100.0])


def test_the_record_counts_each_finding_once_with_the_outcome_of_the_session_after(
    days: list[date], calendar: TradingCalendar
) -> None:
    life = with_life(
        found([finding(days[0], "a"), finding(days[1], "a"), finding(days[1], "b", from_flagged_quotes=True)]),
        calendar=calendar,
    )
    outcomes = pl.DataFrame(
        [
            (days[1], "a", "butterfly", "open", 40.0),
            (days[2], "a", "butterfly", "closed", 7.0),
            (days[2], "b", "butterfly", "closed", -10.0),
        ],
        schema=["session_date", "finding_id", "kind", "status", "exit_edge_dollars"],
        orient="row",
    )

    record = detector_record(life, outcomes, calendar=calendar)

    columns = ["session_date", "n_found", "share_open_next", "median_outcome", "share_flagged"]
    assert record.select(columns).rows() == [
        (days[0], 1, None, None, 0.0),
        (days[1], 2, 1.0, 40.0, 0.5),
        (days[2], 2, 0.5, 15.0, 0.5),
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-50, 50)), min_size=1, max_size=60))
def test_the_record_equals_one_made_from_the_past_alone(drawn: list[tuple[int, int]]) -> None:
    from flows.calendar import trading_calendar

    calendar = trading_calendar()
    days = calendar.between(date(2026, 1, 5), date(2026, 1, 30))
    named = [(f"{number}", day, outcome) for number, (day, outcome) in enumerate(drawn)]
    life = with_life(found([finding(days[day], name) for name, day, _ in named]), calendar=calendar)
    outcomes = pl.DataFrame(
        [(days[day + 1], name, "butterfly", "closed", float(outcome)) for name, day, outcome in named],
        schema=["session_date", "finding_id", "kind", "status", "exit_edge_dollars"],
        orient="row",
    )

    record = detector_record(life, outcomes, calendar=calendar)

    for day, _, n_found, _, median, _ in record.rows():
        past = [float(outcome) for _, seen, outcome in named if days[seen + 1] <= day]
        assert n_found == sum(days[seen] <= day for _, seen, _ in named)
        assert median == (float(np.median(past)) if past else None)
