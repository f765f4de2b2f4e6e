"""CNDR and VXTH rebuilt: paths worked out by hand, and on the sample market with loops over its quotes."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest

from benchmarks.pricing_recovery import read_table
from transforms.evidence.benchmarks import (
    condor_index,
    implied_dividend_yield,
    marked_chain,
    options_held,
    tail_hedge_index,
    with_dividends,
)
from transforms.pricing.analytics import session_pricing
from transforms.sample_market.market import SampleMarket, session_files, simulate_market
from transforms.sample_market.path import OPEN
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import TradingCalendar

FIRST_ROLL, SECOND_ROLL, THIRD_ROLL = date(2024, 1, 19), date(2024, 2, 16), date(2024, 3, 15)
BILLS = pl.DataFrame({"session_date": [date(2024, 1, 18), date(2024, 2, 15)], "rate": [0.05, 0.04]})
SPX_SETTLED = pl.DataFrame({"root": "SPX", "expiration": [SECOND_ROLL, THIRD_ROLL], "value": [4_650.0, 5_000.0]})
CHAIN_SCHEMA = {
    "session_date": pl.Date(), "root": pl.String(), "expiration": pl.Date(), "strike": pl.Float64(),
    "option_type": pl.String(), "bid": pl.Float64(), "ask": pl.Float64(), "mid": pl.Float64(), "delta": pl.Float64(),
}  # fmt: skip


def quote(day: date, expiration: date, kind: str, strike: float, bid: float, ask: float, delta: float) -> list[Any]:
    root = "VIX" if strike < 200.0 else "SPX"
    return [day, root, expiration, strike, kind, bid, ask, 0.5 * (bid + ask), delta]


def chain_of(*rows: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CHAIN_SCHEMA, orient="row")


def opening(day: date, expiration: date) -> list[list[Any]]:
    return [
        quote(day, expiration, "put", 4_400.0, 4.0, 5.0, -0.045),
        quote(day, expiration, "put", 4_450.0, 6.0, 6.6, -0.062),
        quote(day, expiration, "put", 4_700.0, 20.0, 21.0, -0.19),
        quote(day, expiration, "put", 4_750.0, 29.0, 30.0, -0.26),
        quote(day, expiration, "call", 4_950.0, 22.0, 23.0, 0.24),
        quote(day, expiration, "call", 4_975.0, 15.0, 16.0, 0.17),
        quote(day, expiration, "call", 5_100.0, 3.0, 4.0, 0.055),
    ]


def levels_of(found: pl.DataFrame) -> dict[date, float | None]:
    return dict(found.select("session_date", "level").iter_rows())


def test_condor_index_follows_a_path_worked_out_by_hand(calendar: TradingCalendar) -> None:
    middle = date(2024, 2, 1)
    rows = [
        *opening(FIRST_ROLL, SECOND_ROLL),
        quote(middle, SECOND_ROLL, "put", 4_400.0, 2.0, 3.0, -0.03),
        quote(middle, SECOND_ROLL, "put", 4_700.0, 13.0, 14.0, -0.15),
        quote(middle, SECOND_ROLL, "call", 4_975.0, 8.0, 9.0, 0.12),
        quote(middle, SECOND_ROLL, "call", 5_100.0, 1.0, 2.0, 0.03),
        *opening(SECOND_ROLL, THIRD_ROLL),
        quote(THIRD_ROLL, date(2024, 4, 19), "put", 4_400.0, 4.0, 5.0, -0.05),
    ]
    found = condor_index(chain_of(*rows), settlement_value=SPX_SETTLED, bill_rate=BILLS, calendar=calendar)
    # Long 4400 put at 5 and 5100 call at 4, short 4700 put at 20 and 4975 call at 15: 26 received; the wider wing is
    # 300, so 274 can be lost and 2740 lie in bills.
    assert found.rolls.row(0) == (FIRST_ROLL, SECOND_ROLL, 4_400.0, 4_700.0, 4_975.0, 5_100.0, 26.0, 274.0, 0.05)
    levels = levels_of(found.daily)
    assert levels[FIRST_ROLL] == 100.0
    # Marks: 2.5 + 1.5 - 13.5 - 8.5 = -18 after 13 days.
    interest = 1.0 + 0.05 * 13 / 365
    assert levels[middle] == pytest.approx(100.0 * (2_766.0 * interest - 18.0) / 2_740.0)
    # Settled at 4650: the 4700 put pays 50.
    first = 100.0 * (2_766.0 * (1.0 + 0.05 * 28 / 365) - 50.0) / 2_740.0
    assert levels[SECOND_ROLL] == pytest.approx(first)
    # Settled at 5000: the 4975 call pays 25.
    second = first * (2_766.0 * (1.0 + 0.04 * 28 / 365) - 25.0) / 2_740.0
    assert levels[THIRD_ROLL] == pytest.approx(second)
    # The third roll has one put and no more: no condor is opened.
    assert found.rolls.height == 2


def test_a_month_without_a_condor_is_spent_in_bills(calendar: TradingCalendar) -> None:
    first = [row for row in opening(FIRST_ROLL, SECOND_ROLL) if row[3] != 5_100.0 and row[3] != 4_975.0]
    rows = [*first, *opening(SECOND_ROLL, THIRD_ROLL)]
    found = condor_index(chain_of(*rows), settlement_value=SPX_SETTLED, bill_rate=BILLS, calendar=calendar)
    assert found.rolls["session_date"].to_list() == [SECOND_ROLL]
    assert levels_of(found.daily)[SECOND_ROLL] == pytest.approx(100.0 * (1.0 + 0.05 * 28 / 365))


def test_a_leg_without_a_mark_leaves_the_day_without_a_level_and_no_more(calendar: TradingCalendar) -> None:
    middle = date(2024, 2, 1)
    rows = [
        *opening(FIRST_ROLL, SECOND_ROLL),
        quote(middle, SECOND_ROLL, "put", 4_700.0, 13.0, 14.0, -0.15),
        *opening(SECOND_ROLL, THIRD_ROLL),
    ]
    levels = levels_of(
        condor_index(chain_of(*rows), settlement_value=SPX_SETTLED, bill_rate=BILLS, calendar=calendar).daily
    )
    assert levels[middle] is None
    assert levels[SECOND_ROLL] is not None


def test_a_month_that_cannot_be_settled_ends_the_index(calendar: TradingCalendar) -> None:
    rows = [
        *opening(FIRST_ROLL, SECOND_ROLL),
        *opening(SECOND_ROLL, THIRD_ROLL),
        *opening(THIRD_ROLL, date(2024, 4, 19)),
    ]
    unsettled = SPX_SETTLED.filter(pl.col("expiration") != SECOND_ROLL)
    levels = levels_of(
        condor_index(chain_of(*rows), settlement_value=unsettled, bill_rate=BILLS, calendar=calendar).daily
    )
    assert levels == {FIRST_ROLL: 100.0, SECOND_ROLL: None, THIRD_ROLL: None}


def test_a_saturday_expiration_is_its_friday(calendar: TradingCalendar) -> None:
    friday, saturday = date(2013, 2, 15), date(2013, 2, 16)
    roll = date(2013, 1, 18)
    rows = [[*row[:2], saturday, *row[3:]] for row in opening(roll, friday)]
    rows += [[*row[:2], date(2013, 3, 16), *row[3:]] for row in opening(friday, date(2013, 3, 15))]
    settled = pl.DataFrame({"root": "SPX", "expiration": [saturday], "value": [4_800.0]})
    bills = pl.DataFrame({"session_date": [date(2013, 1, 2)], "rate": [0.0]})
    levels = levels_of(
        condor_index(chain_of(*rows), settlement_value=settled, bill_rate=bills, calendar=calendar).daily
    )
    assert levels[friday] == pytest.approx(100.0 * 2_766.0 / 2_740.0)


def test_without_quotes_there_is_no_index(calendar: TradingCalendar) -> None:
    found = condor_index(chain_of(), settlement_value=SPX_SETTLED, bill_rate=BILLS, calendar=calendar)
    assert found.daily.is_empty()


def test_tail_hedge_index_follows_a_path_worked_out_by_hand(calendar: TradingCalendar) -> None:
    january, february, march = date(2024, 1, 17), date(2024, 2, 14), date(2024, 3, 20)
    middle = date(2024, 2, 5)
    rows = [
        quote(january, february, "call", 16.0, 1.0, 1.2, 0.42),
        quote(january, february, "call", 18.0, 0.7, 0.8, 0.29),
        quote(january, february, "call", 20.0, 0.4, 0.5, 0.18),
        quote(middle, february, "call", 18.0, 1.4, 1.6, 0.45),
        quote(february, march, "call", 35.0, 2.0, 2.2, 0.31),
        quote(march, date(2024, 4, 17), "call", 20.0, 0.5, 0.6, 0.30),
    ]
    total_return = pl.DataFrame(
        {"session_date": [january, middle, february, march], "level": [1_000.0, 1_010.0, 950.0, 990.0]}
    )
    futures = pl.DataFrame(
        {
            "session_date": [january, february, march],
            "expiration": [february, march, date(2024, 4, 17)],
            "settle": [15.5, 31.0, 14.9],
        }
    )
    settled = pl.DataFrame({"root": "VIX", "expiration": [february, march], "value": [27.0, 20.0]})
    found = tail_hedge_index(
        chain_of(*rows), total_return=total_return, futures=futures, settlement_value=settled, calendar=calendar
    )
    assert found.rolls.rows() == [
        (january, february, 18.0, 15.5, 0.8, 0.01),
        (february, march, 35.0, 31.0, 2.2, 0.005),
    ]
    levels = levels_of(found.daily)
    assert levels[january] == 100.0
    assert levels[middle] == pytest.approx(100.0 * (0.99 * 1.01 + 0.01 * 1.5 / 0.8))
    first = 100.0 * (0.99 * 0.95 + 0.01 * 9.0 / 0.8)
    assert levels[february] == pytest.approx(first)
    assert levels[march] == pytest.approx(first * 0.995 * 990.0 / 950.0)


@pytest.mark.parametrize(
    ("future", "weight"),
    [(15.0, 0.0), (15.01, 0.01), (30.0, 0.01), (30.01, 0.005), (50.0, 0.005), (50.01, 0.0)],
)
def test_the_weight_of_the_calls_is_by_the_future(future: float, weight: float, calendar: TradingCalendar) -> None:
    january, february = date(2024, 1, 17), date(2024, 2, 14)
    rows = [
        quote(january, february, "call", 18.0, 0.7, 0.8, 0.29),
        quote(february, date(2024, 3, 20), "call", 18.0, 0.7, 0.8, 0.29),
    ]
    found = tail_hedge_index(
        chain_of(*rows),
        total_return=pl.DataFrame({"session_date": [january, february], "level": [10.0, 11.0]}),
        futures=pl.DataFrame({"session_date": [january], "expiration": [february], "settle": [future]}),
        settlement_value=pl.DataFrame({"root": "VIX", "expiration": [february], "value": [18.0]}),
        calendar=calendar,
    )
    assert levels_of(found.daily)[february] == pytest.approx(100.0 * (1.0 - weight) * 1.1)


def test_an_option_without_a_bid_is_marked_by_the_smile() -> None:
    day, end = date(2024, 1, 17), date(2024, 2, 14)
    rows = [quote(day, end, "call", strike, bid, 0.2, 0.1) for strike, bid in ((20.0, 0.1), (30.0, 0.0), (40.0, 0.0))]
    chain = chain_of(*rows)
    analytics = chain.drop("bid", "ask").with_columns(
        mid=pl.Series([0.15, None, None], dtype=pl.Float64), fitted_price=pl.Series([0.14, 0.06, None])
    )
    assert marked_chain(chain.drop("mid", "delta"), analytics)["mid"].to_list() == [0.15, 0.06, None]


def test_dividends_are_paid_at_the_yield_known_before() -> None:
    days = [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 5), date(2024, 1, 8)]
    closes = pl.DataFrame({"session_date": days, "close": [100.0, 100.0, 101.0, 101.0]})
    yields = pl.DataFrame({"session_date": [days[1], days[3]], "dividend_yield": [0.02, 0.9]})
    found = with_dividends(closes, yields)
    assert found["has_dividends"].to_list() == [False, False, True, True]
    grown = [1.0, 1.0, math.exp(0.02 * 2 / 365), math.exp(0.02 * 5 / 365)]
    assert found["level"].to_list() == pytest.approx([a * b for a, b in zip(closes["close"], grown, strict=True)])


def test_the_dividend_yield_is_what_forwards_imply() -> None:
    day, years = date(2024, 1, 2), [0.1, 0.5, 1.0]
    slices = pl.DataFrame(
        {
            "session_date": [day] * 3,
            "root": ["SPX", "SPXW", "SPX"],
            "time_to_expiry": years,
            # The nearest slice implies nonsense, and is too near to be asked.
            "forward": [4_000.0, *(4_700.0 * math.exp((0.05 - 0.014) * t) for t in years[1:])],
            "discount_factor": [math.exp(-0.05 * t) for t in years],
        }
    )
    closes = pl.DataFrame({"session_date": [day], "close": [4_700.0]})
    assert implied_dividend_yield(slices, closes).rows() == [(day, pytest.approx(0.014))]
    assert implied_dividend_yield(slices.head(1), closes).is_empty()


def test_options_held_are_those_of_the_next_month(calendar: TradingCalendar) -> None:
    day = date(2024, 2, 16)
    months = [date(2024, 2, 16), date(2024, 3, 15), date(2024, 3, 20), date(2024, 4, 19)]
    rows = [
        quote(day, month, kind, strike, 1.0, 1.1, 0.2)
        for month in months
        for kind in ("put", "call")
        for strike in (18.0, 4_700.0)
    ]
    kept = options_held(chain_of(*rows), day, calendar=calendar)
    # SPX rolls on the day it expires; the VIX month of February ended on the 14th.
    own = kept.select("root", "expiration", "option_type").rows()
    assert own == [("SPX", months[1], "put"), ("SPX", months[1], "call"), ("VIX", months[2], "call")]
    before = options_held(chain_of(*rows), date(2024, 2, 13), calendar=calendar)
    assert before.select("root", "expiration").unique().rows() == [("SPX", months[0])]
    saturday = chain_of(quote(day, date(2013, 2, 16), "put", 1_400.0, 1.0, 1.1, -0.2))
    assert options_held(saturday, date(2013, 2, 1), calendar=calendar).height == 1


@pytest.fixture(scope="module")
def market(calendar: TradingCalendar) -> SampleMarket:
    return simulate_market(
        calendar=calendar, last_session=date(2025, 10, 22), seed=2, n_chain_sessions=28, n_history_sessions=5
    )


@pytest.fixture(scope="module")
def sample_chain(market: SampleMarket, calendar: TradingCalendar) -> pl.DataFrame:
    """The chains of the roll sessions and one between, of the months that are rolled, priced by the pipeline."""
    days = [date(2025, 9, 17), date(2025, 9, 19), date(2025, 10, 3), date(2025, 10, 17), date(2025, 10, 22)]
    months = [date(2025, 10, 17), date(2025, 10, 22), date(2025, 11, 19), date(2025, 11, 21)]
    frames = []
    for row in market.chain_rows:
        if market.session_date(row) not in days:
            continue
        quotes = pl.concat(read_table(file.name, file.payload, OPTION_QUOTE) for file in session_files(market, row))
        is_rolled = pl.col("expiration").is_in(months) & (pl.col("expiration") > pl.col("session_date"))
        keep = pl.col("root").is_in(["SPX", "VIX"]) & (pl.col("snapshot_kind") == "close")
        quotes = quotes.filter(is_rolled & keep)
        options = session_pricing(quotes, calendar=calendar, n_threads=1).options
        key = ["session_date", "root", "expiration", "strike", "option_type"]
        frames.append(quotes.join(options.select(*key, "mid", "delta"), on=key, how="left", validate="1:1"))
    return pl.concat(frames)


def test_condor_index_of_the_sample_market_is_what_its_quotes_say(
    market: SampleMarket, sample_chain: pl.DataFrame, calendar: TradingCalendar
) -> None:
    roll, middle, end = date(2025, 9, 19), date(2025, 10, 3), date(2025, 10, 17)
    row = [market.session_date(at) for at in market.chain_rows].index(end) + market.chain_rows[0]
    settled = float(market.path.spot[row, OPEN])
    settlement = pl.DataFrame({"root": "SPX", "expiration": [end], "value": [settled]})
    bills = pl.DataFrame({"session_date": [roll], "rate": [0.041]})
    found = condor_index(sample_chain, settlement_value=settlement, bill_rate=bills, calendar=calendar)

    month = sample_chain.filter((pl.col("root") == "SPX") & (pl.col("expiration") == end)).rows(named=True)
    cash, worth, payoff, strikes = 0.0, 0.0, 0.0, []
    for kind, delta, quantity in (("put", -0.05, 1), ("put", -0.20, -1), ("call", 0.20, -1), ("call", 0.05, 1)):
        offered = [
            one for one in month
            if (one["session_date"], one["option_type"]) == (roll, kind) and one["bid"] > 0 and one["delta"] is not None
        ]  # fmt: skip
        leg = min(offered, key=lambda one: (abs(one["delta"] - delta), one["strike"]))
        strikes.append(leg["strike"])
        cash -= quantity * (leg["ask"] if quantity > 0 else leg["bid"])
        later = next(
            one for one in month
            if one["session_date"] == middle and one["strike"] == leg["strike"] and one["option_type"] == kind
        )  # fmt: skip
        worth += quantity * later["mid"]
        own = settled - leg["strike"] if kind == "call" else leg["strike"] - settled
        payoff += quantity * max(own, 0.0)
    capital = 10.0 * (max(strikes[1] - strikes[0], strikes[3] - strikes[2]) - cash)
    assert strikes == sorted(strikes)
    assert found.rolls.row(0)[2:8] == pytest.approx((*strikes, cash, capital / 10.0))
    levels = levels_of(found.daily)
    expected = 100.0 * ((capital + cash) * (1.0 + 0.041 * 14 / 365) + worth) / capital
    assert levels[middle] == pytest.approx(expected)
    assert levels[end] == pytest.approx(100.0 * ((capital + cash) * (1.0 + 0.041 * 28 / 365) + payoff) / capital)


def test_tail_hedge_index_of_the_sample_market_is_what_its_quotes_say(
    market: SampleMarket, sample_chain: pl.DataFrame, calendar: TradingCalendar
) -> None:
    roll, middle, end = date(2025, 9, 17), date(2025, 10, 3), date(2025, 10, 22)
    contract = next(one for one in market.contracts if one.expiration == end)
    days = [market.session_date(int(at)) for at in contract.rows]
    settle = dict(zip(days, contract.settle.tolist(), strict=True))
    closes = {market.session_date(at): float(market.path.spot[at, -1]) for at in range(len(market.path))}
    levels = pl.DataFrame({"session_date": list(closes), "level": list(closes.values())})
    futures = pl.DataFrame({"session_date": [roll], "expiration": [end], "settle": [settle[roll]]})
    settlement = pl.DataFrame({"root": "VIX", "expiration": [end], "value": [contract.final_settlement]})
    found = tail_hedge_index(
        sample_chain, total_return=levels, futures=futures, settlement_value=settlement, calendar=calendar
    )
    calls = [
        one for one in sample_chain.rows(named=True)
        if one["root"] == "VIX" and one["expiration"] == end and one["option_type"] == "call"
    ]  # fmt: skip
    offered = [one for one in calls if one["session_date"] == roll and one["bid"] > 0 and one["delta"] is not None]
    bought = min(offered, key=lambda one: (abs(one["delta"] - 0.30), one["strike"]))
    weight = 0.01 if 15.0 < settle[roll] <= 30.0 else 0.005 if 30.0 < settle[roll] <= 50.0 else 0.0
    assert weight > 0.0
    assert found.rolls.row(0) == (roll, end, bought["strike"], settle[roll], bought["ask"], weight)
    mid = next(one["mid"] for one in calls if one["session_date"] == middle and one["strike"] == bought["strike"])
    assert contract.final_settlement is not None
    payoff = max(contract.final_settlement - bought["strike"], 0.0)
    level = levels_of(found.daily)
    stock = (1.0 - weight) * closes[middle] / closes[roll]
    assert level[middle] == pytest.approx(100.0 * (stock + weight * mid / bought["ask"]))
    stock = (1.0 - weight) * closes[end] / closes[roll]
    assert level[end] == pytest.approx(100.0 * (stock + weight * payoff / bought["ask"]))
