"""What may befall an order and a position in a session, path by path; what a diagonal can lose stays known."""

from dataclasses import replace
from datetime import date

import pytest

from transforms.book.decided import orders_of
from transforms.book.figures import figures_of, open_position
from transforms.book.held import StatedLeg, StatedPosition
from transforms.book.session_quotes import SessionQuotes, Touch
from transforms.book.state import Book, Mark, OptionKey, Order, OrderLeg, book_from_json, book_json
from transforms.book.step import BookMarket, Settlement, Stepped, step
from transforms.errors import DataError
from transforms.rules.decision_rows import decision_leg_rows, decision_rows
from transforms.rules.decisions import Decision, Offer, OfferedLeg

DAYS = (date(2024, 3, 1), date(2024, 3, 4), date(2024, 3, 5), date(2024, 3, 6))
EXPIRATION = date(2024, 4, 19)
CALLS = [OptionKey("SPXW", EXPIRATION, strike, "call") for strike in (6135.0, 6145.0)]
MAY, JUNE = date(2024, 5, 22), date(2024, 6, 18)
NEAR, FAR = OptionKey("VIX", MAY, 16.0, "call"), OptionKey("VIX", JUNE, 18.0, "call")


def order(action: str = "open_condor", *, n: int = 2, sign: int = 1, position: str | None = None) -> Order:
    """Sell the 6135 call and buy the 6145 one, n times; sign -1 buys it back."""
    legs = (OrderLeg(CALLS[0], -n * sign, 5.0), OrderLeg(CALLS[1], n * sign, 3.0))
    return Order(f"{action}-order", DAYS[0], action, "condor", position, n, legs)


def session(
    day: date,
    touches: dict[OptionKey, tuple[float, float]],
    *,
    settled: dict[tuple[str, date], float] | None = None,
    held: tuple[StatedPosition, ...] = (),
    slippage: float = 1.0,
) -> BookMarket:
    quotes = SessionQuotes(
        {key: Touch(*quote) for key, quote in touches.items()},
        {key: Mark(0.5 * sum(quote), "mid", day) for key, quote in touches.items()},
    )
    values = {
        key: Settlement(value, "index_close", exact=True, fixed_on=key[1]) for key, value in (settled or {}).items()
    }
    return BookMarket(day, quotes, values, fill_slippage=slippage, fee_spx=1.5, fee_vix=1.5, held=held)


TWO_SIDED = {CALLS[0]: (5.0, 5.4), CALLS[1]: (3.0, 3.2)}


def opened() -> Stepped:
    return step(Book(session_date=DAYS[0], orders=(order(),)), session(DAYS[1], TWO_SIDED))


@pytest.mark.parametrize(("slippage", "sold", "bought"), [(1.0, 5.0, 3.2), (0.0, 5.2, 3.1), (0.5, 5.1, 3.15)])
def test_an_order_fills_at_the_share_of_the_half_spread_asked_for(slippage: float, sold: float, bought: float) -> None:
    stepped = step(Book(session_date=DAYS[0], orders=(order(),)), session(DAYS[1], TWO_SIDED, slippage=slippage))
    assert [fill.price for fill in stepped.fills] == [sold, bought]
    (position,) = stepped.book.positions
    assert position.cash == pytest.approx(200.0 * (sold - bought) - 4 * 1.5)
    assert position.pnl_total == pytest.approx(position.cash + 200.0 * (3.1 - 5.2))
    assert stepped.book.orders == ()


@pytest.mark.parametrize("quote", [None, (0.0, 3.2)])
def test_a_leg_without_two_sides_waits_a_session_and_is_then_cancelled(quote: tuple[float, float] | None) -> None:
    lacking = {CALLS[0]: TWO_SIDED[CALLS[0]], **({CALLS[1]: quote} if quote else {})}
    market = session(DAYS[1], lacking)
    if quote:
        del market.quotes.touches[CALLS[1]]  # type: ignore[attr-defined]
    waits = step(Book(session_date=DAYS[0], orders=(order(),)), market)
    assert [(seen.status, seen.reason) for seen in waits.orders] == [
        ("waiting", "no two-sided quote of SPXW 2024-04-19 6145 call")
    ]
    assert (waits.fills, waits.book.positions, waits.book.orders[0].has_waited) == ((), (), True)
    fills = step(waits.book, session(DAYS[2], TWO_SIDED))
    assert [seen.status for seen in fills.orders] == ["filled"]
    gone = step(waits.book, session(DAYS[2], {}))
    assert [seen.status for seen in gone.orders] == ["cancelled"]
    assert (gone.book.orders, gone.book.positions, gone.book.tallies["condor"].cash) == ((), (), 0.0)


def test_a_vertical_settles_by_one_print_and_its_pending_order_falls_away() -> None:
    """6135/6145 calls at 6142.62: 7.62 and 0; a close that was to fill on the expiration day is cancelled."""
    before = opened().book
    (position,) = before.positions
    pending = before.with_orders((order("close", sign=-1, position=position.position_id),))
    stepped = step(pending, session(EXPIRATION, {}, settled={("SPXW", EXPIRATION): 6142.62}))
    (event,) = stepped.events
    assert (event.event, event.cash) == ("settled", pytest.approx(-200.0 * 7.62))
    assert [(seen.status, seen.reason) for seen in stepped.orders] == [
        ("cancelled", f"position {position.position_id} is no longer open")
    ]
    assert (stepped.book.positions, stepped.book.orders) == ((), ())
    total = -200.0 * 7.62 + 200.0 * (5.0 - 3.2) - 6.0
    assert stepped.book.tallies["condor"].cash == pytest.approx(total)
    assert stepped.book.tallies["condor"].equity == pytest.approx(total)


def test_a_settlement_not_known_on_its_day_is_paid_when_it_is() -> None:
    before = opened().book
    waits = step(before, session(EXPIRATION, {}))
    assert [leg.mark.source for leg in waits.book.positions[0].legs] == ["carried", "carried"]
    assert not waits.events
    paid = step(waits.book, session(date(2024, 4, 22), {}, settled={("SPXW", EXPIRATION): 6142.62}))
    assert paid.book.positions == ()
    assert paid.book.tallies["condor"].equity == pytest.approx(-200.0 * 7.62 + 200.0 * 1.8 - 6.0)


def test_a_position_is_reduced_and_closed_by_what_it_holds() -> None:
    before = opened().book
    (position,) = before.positions
    reduce = order("reduce", n=1, sign=-1, position=position.position_id)
    stepped = step(before.with_orders((reduce,)), session(DAYS[2], TWO_SIDED))
    (left,) = stepped.book.positions
    assert ([leg.quantity for leg in left.legs], left.contracts) == ([-1, 1], 1)
    assert [event.event for event in stepped.events] == ["reduced"]
    close = order("close", n=1, sign=-1, position=position.position_id)
    closed = step(stepped.book.with_orders((close,)), session(DAYS[3], TWO_SIDED))
    assert closed.book.positions == ()
    assert [event.event for event in closed.events] == ["closed"]
    # Opened at 5.0 and 3.2, bought back at 5.4 and 3.0, eight fees.
    assert closed.book.tallies["condor"].equity == pytest.approx(200.0 * (5.0 - 3.2 - 5.4 + 3.0) - 12.0)


def test_a_users_position_closed_between_two_sessions_is_given_up_at_the_price_stated() -> None:
    leg = StatedLeg(1, CALLS[0], 1, DAYS[1], 4.0, None, None)
    stated = StatedPosition("held:mine", "condor", (leg,), 2.0)
    taken = step(Book(session_date=DAYS[0]), session(DAYS[1], TWO_SIDED, held=(stated,)))
    assert taken.book.positions[0].pnl_total == pytest.approx(100.0 * (5.2 - 4.0) - 2.0)
    closed = replace(stated, legs=(replace(leg, closed_on=DAYS[2], exit_price=6.0),))
    given = step(taken.book, session(DAYS[2], TWO_SIDED, held=(closed,)))
    assert given.book.positions == ()
    (after,) = given.touched
    assert after.pnl_total == pytest.approx(100.0 * (6.0 - 4.0) - 2.0)
    assert [event.event for event in given.events] == ["closed"]
    assert given.book.tallies["condor"].equity == 0.0


def test_the_book_never_steps_back() -> None:
    with pytest.raises(DataError, match="the book stands at 2024-03-04: it cannot step to 2024-03-04"):
        step(opened().book, session(DAYS[1], TWO_SIDED))


def test_what_a_diagonal_can_lose_stays_known_from_its_decision_to_its_reduction() -> None:
    legs = (
        OfferedLeg("VIX", MAY, 16.0, "call", "sell", 1, 1.0),
        OfferedLeg("VIX", JUNE, 18.0, "call", "buy", 2, 0.6),
    )
    offer = Offer("second", legs, 4, limit_price=-0.2, loss_before_credit=800.0)
    decision = Decision(DAYS[0], "activate_second_engine", "second", None, offer, ("contango_scan",), "why")
    (asked,) = orders_of(decision_rows([decision]), decision_leg_rows([decision]))
    quotes = {NEAR: (0.9, 1.0), FAR: (0.6, 0.7)}
    stepped = step(Book(session_date=DAYS[0], orders=(asked,)), session(DAYS[1], quotes))
    (position,) = stepped.book.positions
    assert position.structure == "diagonal"
    # 4 x (1 sold at 0.9, 2 bought at 0.7) cost 200 dollars, which add to what is owed.
    assert position.modelled_max_loss == pytest.approx(800.0 + 200.0)
    assert figures_of(position, vix=14.0).capital_at_risk == pytest.approx(1_000.0 + 12 * 1.5)
    assert book_from_json(book_json(stepped.book)) == stepped.book
    back = (OrderLeg(NEAR, 1, 1.0), OrderLeg(FAR, -2, 0.6))
    reduce = Order("less", DAYS[1], "reduce", "second", position.position_id, 1, back)
    (left,) = step(stepped.book.with_orders((reduce,)), session(DAYS[2], quotes)).book.positions
    assert left.contracts == 3
    assert left.modelled_max_loss == pytest.approx(750.0)
    assert open_position(left).max_loss == pytest.approx(750.0)
