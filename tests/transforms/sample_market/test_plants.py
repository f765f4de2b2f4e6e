"""What is planted can be seen by whom the truth says, and by nobody else."""

import numpy as np
import pytest

from tests.transforms.sample_market.arbitrage import Instruments, locked_profit, slice_quotes
from transforms.errors import DataError
from transforms.sample_market.market import SampleMarket
from transforms.sample_market.planted_sessions import planted_settlements, session_versions
from transforms.sample_market.plants import KINDS, Plant, PlantedEvent, one_of_each
from transforms.sample_market.quotes import Quotes

INSTRUMENTS: tuple[Instruments, ...] = ("calls", "puts", "parity", "combined")
LOCKS = (
    "conversion",
    "reversal",
    "box",
    "vertical_calls",
    "vertical_puts",
    "butterfly_calls",
    "butterfly_puts",
    "calls_puts_cash",
)


def planted(market: SampleMarket, kind: str, number: int) -> tuple[Quotes, PlantedEvent]:
    versions, events = session_versions(
        market.path, market.chain_rows[number], calendar=market.calendar, plants=(Plant(kind, number),)
    )
    return versions[-1][0], events[0]


def slice_number(quotes: Quotes, event: PlantedEvent) -> int:
    assert event.expiration is not None
    return [(item.root, item.expiration) for item in quotes.chain.slices].index((event.root, event.expiration))


@pytest.mark.parametrize("number", [1, 30])
@pytest.mark.parametrize("kind", LOCKS)
def test_a_planted_lock_is_seen_by_what_the_truth_names_and_by_nothing_less(
    kind: str, number: int, market: SampleMarket
) -> None:
    quotes, event = planted(market, kind, number)
    strikes = [leg["strike"] for leg in event.legs]
    near = slice_quotes(quotes, slice_number(quotes, event)).within(min(strikes) - 120.0, max(strikes) + 120.0)
    seen = {instruments for instruments in INSTRUMENTS if locked_profit(near, instruments) > 1e-9}
    assert seen == {event.seen_by, "combined"}
    assert event.edge_points is not None
    assert event.edge_points > 0.0
    largest = max(leg["quantity"] for leg in event.legs)
    assert locked_profit(near, "combined") >= event.edge_points / largest - 1e-9


@pytest.mark.parametrize("kind", LOCKS)
def test_the_legs_of_a_lock_never_pay_less_than_nothing(kind: str, market: SampleMarket) -> None:
    _, event = planted(market, kind, 12)
    spots = np.array([0.0, *sorted(leg["strike"] for leg in event.legs), 20_000.0])
    payoff = np.zeros(len(spots))
    for leg in event.legs:
        sign = 1.0 if leg["option_type"] == "call" else -1.0
        quantity = leg["quantity"] if leg["side"] == "buy" else -leg["quantity"]
        payoff += quantity * np.maximum(sign * (spots - leg["strike"]), 0.0)
    assert payoff.min() >= -1e-9


@pytest.mark.parametrize("kind", ["rich_quote", "cheap_quote", "calendar"])
def test_residuals_and_calendar_crossings_are_no_lock_within_a_slice(kind: str, market: SampleMarket) -> None:
    quotes, event = planted(market, kind, 12)
    item = slice_quotes(quotes, slice_number(quotes, event))
    near = item.within(item.strikes[len(item.strikes) // 2] - 250.0, item.strikes[len(item.strikes) // 2] + 250.0)
    assert locked_profit(near, "combined") <= 1e-9


def test_rich_and_cheap_quotes_leave_the_true_price_outside_the_spread(market: SampleMarket) -> None:
    for kind, sign in (("rich_quote", 1.0), ("cheap_quote", -1.0)):
        quotes, event = planted(market, kind, 5)
        rows = quotes.chain.rows_of(slice_number(quotes, event))
        rows = rows[quotes.strike[rows] == 1_000.0 * event.detail["strike"]]
        true = 100.0 * quotes.chain.true_eod[rows]
        outside = np.maximum(quotes.bid_eod[rows] - true, true - quotes.ask_eod[rows])
        assert (outside > 0.0).all()
        assert sign * event.detail["residual_points"] > 0.0


def test_a_calendar_crossing_is_sure_at_every_kink_of_the_near_expiration(market: SampleMarket) -> None:
    quotes, event = planted(market, "calendar", 12)
    sold, bought = event.legs
    truth = quotes.chain.truth_eod
    near = slice_number(quotes, event)
    far = [(item.root, item.expiration) for item in quotes.chain.slices].index((event.root, bought["expiration"]))
    ratio = truth.forward[far] / truth.forward[near]
    discount = truth.discount_factor[far] / truth.discount_factor[near]
    # A far call is worth at least its discounted forward less its strike when the near one expires.
    spots = np.array([0.0, sold["strike"], bought["strike"] / ratio, 20_000.0])
    floor = bought["quantity"] * discount * np.maximum(ratio * spots - bought["strike"], 0.0)
    assert (floor - np.maximum(spots - sold["strike"], 0.0)).min() >= -1e-9
    assert event.edge_points == pytest.approx(sold["price"] - bought["quantity"] * bought["price"], abs=1e-4)
    assert event.edge_points is not None
    assert event.edge_points > 0.0


def test_displaced_vx_settlements_are_where_the_truth_says_and_nowhere_else(market: SampleMarket) -> None:
    rows = [(market.chain_rows[4], Plant("vx_rich", 4)), (market.chain_rows[39], Plant("vx_cheap", 39))]
    printed, events = planted_settlements(market.contracts, market.days, plants=rows)
    changed = [
        (contract.expiration, market.days[contract.rows[place]].astype(object))
        for contract, settle in zip(market.contracts, printed, strict=True)
        for place in np.flatnonzero(settle != contract.settle)
    ]
    assert sorted(changed) == sorted((event.expiration, event.session_date) for event in events)
    rich = next(event for event in events if event.kind == "vx_rich")
    assert rich.detail["printed"] > rich.detail["bound"] + 1.0


def test_one_of_each_plants_every_kind_once_within_the_chain_sessions() -> None:
    plants = one_of_each(60)
    assert tuple(plant.kind for plant in plants) == KINDS
    assert all(0 < plant.session < 59 for plant in plants)


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(DataError, match="choose from conversion, reversal"):
        Plant("converse", 3)
