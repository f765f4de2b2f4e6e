"""Mispricings of known place and size, built so that only the intended quotes can see them.

A lock is a quote moved past somebody else's spread, so its size is a share of the room the quotes around it leave.
Quotes made tight are one tick around the true price, which still lies between them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np

from transforms.sample_market.arrays import Floats, Integers
from transforms.sample_market.chain import Chain, SliceTruth
from transforms.sample_market.indices import index_terms
from transforms.sample_market.path import MarketPath
from transforms.sample_market.plants import PlantedEvent, free_slices
from transforms.sample_market.quotes import CENTS, LARGE_TICK, Quotes, with_prices
from transforms.sample_market.surface import black_price, smile_total_variance
from transforms.sessions import TradingCalendar

PLANT_DAYS = (55, 215)
CALENDAR_DAYS = (9, 34)
# The near slice of a calendar crossing gets the far slice's variance times this.
CALENDAR_EXCESS = 1.12
PARITY_WING = 100_000
# Shares of the room and of the convexity that a synthetic forward's legs move.
ROOM_SHARE, CONVEXITY_SHARE = 0.95, 0.80
# What keeps others from seeing a lock is quoted this much wider (cents) on each side.
BLIND = 250
STRESS = 130
WING_PRICE, SHOULDER_PRICE = 150.0, 2_000.0


@dataclass(frozen=True)
class _Board:
    """One slice's quotes at hand: row numbers of calls and puts by strike, and prices in cents."""

    quotes: Quotes
    number: int
    calls: Integers
    puts: Integers
    strikes: Integers

    @property
    def room(self) -> float:
        """Return the room (cents) a quote near the money can move before a neighbour's other side is reached.

        The smallest distance of a true price to its bid or ask, over calls and puts 200 points around the forward.
        """
        near = np.abs(self.strikes - 1_000.0 * self.forward) <= 200_000
        rows = np.concatenate([self.calls[near], self.puts[near]])
        true = self.true(rows)
        return float(min((self.quotes.ask_eod[rows] - true).min(), (true - self.quotes.bid_eod[rows]).min()))

    @property
    def forward(self) -> float:
        return float(self.quotes.chain.truth_eod.forward[self.number])

    def nearest(self, points: float) -> int:
        """Return the place of the 25-point strike nearest to a level that has 25-point neighbours as far as needed."""
        round_strikes = self.strikes % 25_000 == 0
        distance = np.where(round_strikes, np.abs(self.strikes - 1_000.0 * points), np.inf)
        return int(np.argmin(distance))

    def move(self, place: int, wing: int) -> float:
        """Return how far (cents) a quote may move that neither calls nor puts alone see it.

        Within the room of ordinary neighbours, and within the convexity between tight ones `wing` thousandths away.
        """
        strike = int(self.strikes[place])
        wings = self.calls[[self.place(strike - wing), self.place(strike + wing)]]
        convexity = float(self.true(wings).mean() - self.true(self.calls[[place]])[0])
        return min(ROOM_SHARE * self.room, CONVEXITY_SHARE * convexity)

    def place(self, strike: int) -> int:
        """Return the place of a strike (thousandths)."""
        return int(np.searchsorted(self.strikes, strike))

    def true(self, rows: Integers) -> Floats:
        return CENTS * self.quotes.chain.true_eod[rows]

    def bid(self, row: int) -> float:
        return float(self.quotes.bid_eod[row])

    def ask(self, row: int) -> float:
        return float(self.quotes.ask_eod[row])

    def leg(self, row: int, side: str, quantity: float = 1.0) -> dict[str, Any]:
        """Return a leg as the truth states it, at the printed price of that side."""
        price = self.ask(row) if side == "buy" else self.bid(row)
        return {
            "strike": float(self.quotes.strike[row]) / 1_000.0,
            "option_type": "call" if self.quotes.chain.is_call[row] else "put",
            "side": side,
            "quantity": quantity,
            "price": price / CENTS,
        }


def plant_in_quotes(kind: str, quotes: Quotes, *, taken: set[int]) -> tuple[Quotes, PlantedEvent]:
    """Return quotes with one mispricing in the first free dense SPXW slice, and its event."""
    number = int(free_slices(quotes.chain, taken, root="SPXW", days=PLANT_DAYS, dense=True)[0])
    taken.add(number)
    return _PLANTERS[kind](_board(quotes, number), kind)


def plant_calendar(
    path: MarketPath, row: int, *, chain: Chain, calendar: TradingCalendar, taken: set[int]
) -> tuple[Chain, Callable[[Quotes], PlantedEvent]]:
    """Return the chain with one daily slice repriced above the variance of the next, and what tells the event.

    The slice stays free of arbitrage by itself; calls and puts cross those of the next expiration. Slices that the
    published indices use are spared.
    """
    day = chain.session_date
    used = {item.expiration for pair in index_terms(path, row, day=day, calendar=calendar).values() for item in pair}
    candidates = free_slices(chain, taken, root="SPXW", days=CALENDAR_DAYS, dense=False)
    near, far = next(
        (int(first), int(second))
        for first, second in pairwise(candidates)
        if chain.slices[first].expiration not in used and chain.slices[second].expiration not in used
    )
    taken.update((near, far))
    changed: dict[str, Any] = {}
    for name, truth in (("truth_1545", chain.truth_1545), ("truth_eod", chain.truth_eod)):
        theta = truth.theta.copy()
        theta[near] = CALENDAR_EXCESS * theta[far]
        changed[name] = replace(truth, theta=theta)
    dislocated = replace(chain, **changed)
    rows = chain.rows_of(near)
    prices: dict[str, Any] = {
        "true_1545": _repriced(path, row, truth=dislocated.truth_1545, rows=rows, chain=chain, number=near),
        "true_eod": _repriced(path, row, truth=dislocated.truth_eod, rows=rows, chain=chain, number=near),
    }
    for name, values in prices.items():
        column = getattr(chain, name).copy()
        column[rows] = values
        prices[name] = column
    dislocated = replace(dislocated, **prices)
    return dislocated, lambda quotes: _calendar_event(_board(quotes, near), _board(quotes, far))


def _repriced(path: MarketPath, row: int, *, truth: SliceTruth, rows: Integers, chain: Chain, number: int) -> Floats:
    strike = chain.strike[rows] / 1_000.0
    forward = np.full(len(strike), truth.forward[number])
    variance = smile_total_variance(
        np.log(strike / forward),
        np.full(len(strike), truth.theta[number]),
        rho=float(path.rho[row]),
        eta=float(path.eta[row]),
        gamma=path.model.smile_gamma,
    )
    return np.asarray(
        truth.discount_factor[number]
        * black_price(forward, strike, total_variance=variance, is_call=chain.is_call[rows])
    )


def _board(quotes: Quotes, number: int) -> _Board:
    rows = quotes.chain.rows_of(number)
    return _Board(
        quotes=quotes, number=number, calls=rows[::2], puts=rows[1::2], strikes=quotes.chain.strike[rows[::2]]
    )


def _widened(board: _Board) -> _Board:
    """Return the board with spreads 250 points around the forward wider by `STRESS` cents on each side.

    Only in so wide a market can synthetic forwards cross while every call and every put by itself stays in line.
    """
    near = np.abs(board.strikes - 1_000.0 * board.forward) <= 250_000
    return _wider(board, np.sort(np.concatenate([board.calls[near], board.puts[near]])), by=STRESS)


def _wider(board: _Board, rows: Integers, *, by: int) -> _Board:
    bid, ask = board.quotes.bid_eod[rows] - by, board.quotes.ask_eod[rows] + by
    return replace(board, quotes=with_prices(board.quotes, rows, bid=bid, ask=ask))


def _tightened(board: _Board, rows: Integers) -> _Board:
    true = board.true(rows)
    return replace(board, quotes=with_prices(board.quotes, rows, bid=true, ask=true))


def _moved(board: _Board, row: int, *, by: float, width: float = 0.0) -> _Board:
    """Return the board with one quote a tick wide (plus `width`) at its true price plus `by` cents.

    The bid of a raised quote and the ask of a lowered one are at that price.
    """
    centre = board.true(np.array([row])) + by
    bid, ask = (centre, centre + width) if by >= 0 else (centre - width, centre)
    return replace(board, quotes=with_prices(board.quotes, np.array([row]), bid=bid, ask=ask))


def _event(
    board: _Board, kind: str, *, legs: list[dict[str, Any]], rows: list[int], seen_by: str, **detail: object
) -> PlantedEvent:
    signs = {"buy": -1.0, "sell": 1.0}
    edge = sum(signs[leg["side"]] * leg["quantity"] * leg["price"] for leg in legs)
    item = board.quotes.chain.slices[board.number]
    return PlantedEvent(
        kind=kind,
        session_date=board.quotes.chain.session_date,
        root=item.root,
        expiration=item.expiration,
        n_rows=len(set(rows)),
        edge_points=round(float(edge), 4),
        legs=tuple(legs),
        seen_by=seen_by,
        detail=dict(detail),
    )


def _synthetic(board: _Board, place: int, *, side: str, quantity: float) -> list[dict[str, Any]]:
    """Return the two legs of a synthetic forward bought or sold at one strike."""
    other = "sell" if side == "buy" else "buy"
    return [board.leg(int(board.calls[place]), side, quantity), board.leg(int(board.puts[place]), other, quantity)]


def _plant_parity(board: _Board, kind: str) -> tuple[Quotes, PlantedEvent]:
    """A synthetic forward at one strike beyond the line through two tight ones 100 points away on either side."""
    sign = 1.0 if kind == "conversion" else -1.0
    board = _widened(board)
    middle = board.nearest(board.forward)
    wings = [board.place(int(board.strikes[middle]) + shift) for shift in (-PARITY_WING, PARITY_WING)]
    wing_rows = np.array([rows[place] for place in wings for rows in (board.calls, board.puts)])
    move = sign * board.move(middle, PARITY_WING)
    board = _tightened(board, wing_rows)
    board = _moved(board, int(board.calls[middle]), by=move)
    board = _moved(board, int(board.puts[middle]), by=-move)
    side, other = ("sell", "buy") if sign > 0 else ("buy", "sell")
    legs = _synthetic(board, middle, side=side, quantity=1.0) + [
        leg for place in wings for leg in _synthetic(board, place, side=other, quantity=0.5)
    ]
    rows = [*wing_rows.tolist(), int(board.calls[middle]), int(board.puts[middle])]
    return board.quotes, _event(board, kind, legs=legs, rows=rows, seen_by="parity")


def _plant_box(board: _Board, kind: str) -> tuple[Quotes, PlantedEvent]:
    """A box 200 points wide below its value: it lends far above the rate, and against the tight boxes next to it."""
    board = _widened(board)
    middle = board.nearest(board.forward)
    strike = int(board.strikes[middle])
    low, high = board.place(strike - PARITY_WING), board.place(strike + PARITY_WING)
    inner = [board.place(strike - PARITY_WING // 2), board.place(strike + PARITY_WING // 2)]
    inner_rows = np.array([rows[place] for place in inner for rows in (board.calls, board.puts)])
    move = min(board.move(low, PARITY_WING // 2), board.move(high, PARITY_WING // 2))
    board = _tightened(board, inner_rows)
    for row, by in (
        (board.calls[low], -move),
        (board.puts[low], move),
        (board.calls[high], move),
        (board.puts[high], -move),
    ):
        board = _moved(board, int(row), by=by)
    legs = [
        *_synthetic(board, low, side="buy", quantity=1.0),
        *_synthetic(board, high, side="sell", quantity=1.0),
        *_synthetic(board, inner[0], side="sell", quantity=2.0),
        *_synthetic(board, inner[1], side="buy", quantity=2.0),
    ]
    rows = [*inner_rows.tolist(), *(int(side[place]) for side in (board.calls, board.puts) for place in (low, high))]
    cost = (
        board.ask(int(board.calls[low]))
        - board.bid(int(board.puts[low]))
        - board.bid(int(board.calls[high]))
        + board.ask(int(board.puts[high]))
    ) / CENTS
    width = (board.strikes[high] - board.strikes[low]) / 1_000.0
    rate = float(np.log(width / cost) / board.quotes.chain.truth_eod.years[board.number])
    return board.quotes, _event(board, kind, legs=legs, rows=rows, seen_by="parity", lending_rate=rate)


def _plant_vertical(board: _Board, kind: str) -> tuple[Quotes, PlantedEvent]:
    """A wing option bid above the ask of the neighbour that is worth more."""
    rows = board.calls if kind == "vertical_calls" else board.puts
    step = -1 if kind == "vertical_calls" else 1
    place = _out_of_the_money(board, rows, cents=WING_PRICE)
    board = _wider(board, _other_side(board, rows)[[place]], by=BLIND)
    dear, cheap = int(rows[place]), int(rows[place + step])
    price = board.ask(cheap) + 4.0 * LARGE_TICK
    quotes = with_prices(board.quotes, np.array([dear]), bid=np.array([price]), ask=np.array([price + 2 * LARGE_TICK]))
    board = replace(board, quotes=quotes)
    legs = [board.leg(dear, "sell"), board.leg(cheap, "buy")]
    seen_by = "calls" if kind == "vertical_calls" else "puts"
    return quotes, _event(board, kind, legs=legs, rows=[dear], seen_by=seen_by)


def _plant_butterfly(board: _Board, kind: str) -> tuple[Quotes, PlantedEvent]:
    """An out-of-the-money option bid above the mean ask of its neighbours."""
    rows = board.calls if kind == "butterfly_calls" else board.puts
    place = _out_of_the_money(board, rows, cents=SHOULDER_PRICE)
    board = _wider(board, _other_side(board, rows)[[place]], by=BLIND)
    strikes = board.strikes
    weight = (strikes[place + 1] - strikes[place]) / (strikes[place + 1] - strikes[place - 1])
    body, low, high = int(rows[place]), int(rows[place - 1]), int(rows[place + 1])
    price = weight * board.ask(low) + (1.0 - weight) * board.ask(high) + 4.0 * LARGE_TICK
    # Rounded up to the tick so that the edge is at least what is asked for.
    price = np.ceil(price / LARGE_TICK) * LARGE_TICK
    quotes = with_prices(board.quotes, np.array([body]), bid=np.array([price]), ask=np.array([price + 4 * LARGE_TICK]))
    board = replace(board, quotes=quotes)
    legs = [board.leg(body, "sell"), board.leg(low, "buy", weight), board.leg(high, "buy", 1.0 - weight)]
    seen_by = "calls" if kind == "butterfly_calls" else "puts"
    return quotes, _event(board, kind, legs=legs, rows=[body], seen_by=seen_by)


def _plant_calls_puts_cash(board: _Board, kind: str) -> tuple[Quotes, PlantedEvent]:
    """A call bid above its neighbours only once they are made from puts, the forward and cash.

    Calls around it are quoted wide, the puts beside it and the synthetics 150 points away tight, its own put wide.
    """
    middle = board.nearest(board.forward)
    strike = int(board.strikes[middle])
    spread = board.room
    around = np.flatnonzero(np.abs(board.strikes - strike) < 150_000)
    wide = np.setdiff1d(np.concatenate([board.calls[around], board.puts[[middle]]]), board.calls[[middle]])
    board = _wider(board, wide, by=BLIND)
    beside = [board.place(strike - 25_000), board.place(strike + 25_000)]
    outer = [board.place(strike - 150_000), board.place(strike + 150_000)]
    tight = np.concatenate([board.puts[beside], board.calls[outer], board.puts[outer]])
    board = _tightened(board, tight)
    convexity = float(np.mean(board.true(board.calls[beside])) - board.true(board.calls[[middle]])[0])
    body = int(board.calls[middle])
    board = _moved(board, body, by=convexity + 1.2 * spread + 4.0 * LARGE_TICK)
    legs = [board.leg(body, "sell")]
    legs += [board.leg(int(board.puts[place]), "buy", 0.5) for place in beside]
    for place in outer:
        legs += _synthetic(board, place, side="buy", quantity=0.5)
    rows = [*wide.tolist(), *tight.tolist(), body]
    return board.quotes, _event(board, kind, legs=legs, rows=rows, seen_by="combined")


def _plant_quote(board: _Board, kind: str) -> tuple[Quotes, PlantedEvent]:
    """A call and its put moved together until the true price is outside both spreads: no lock, a residual."""
    sign = 1.0 if kind == "rich_quote" else -1.0
    board = _widened(board)
    place = board.nearest(0.985 * board.forward)
    rows = np.array([board.calls[place], board.puts[place]])
    true, spread = board.true(rows), board.room
    inside, outside = true + sign * 0.7 * spread, true + sign * 2.7 * spread
    bid, ask = (inside, outside) if sign > 0 else (outside, inside)
    board = replace(board, quotes=with_prices(board.quotes, rows, bid=bid, ask=ask))
    out = int(rows[1])
    printed = board.bid(out) if sign > 0 else board.ask(out)
    event = _event(
        board, kind, legs=[], rows=rows.tolist(), seen_by="surface",
        strike=float(board.strikes[place]) / 1_000.0,
        residual_points=round((printed - float(true[1])) / CENTS, 4),
    )  # fmt: skip
    return board.quotes, replace(event, edge_points=None)


def _other_side(board: _Board, rows: Integers) -> Integers:
    """Return the puts for calls and the calls for puts: quoted wide, they keep a lock out of sight of parity."""
    return board.puts if rows is board.calls else board.calls


def _out_of_the_money(board: _Board, rows: Integers, *, cents: float) -> int:
    """Return the place of the out-of-the-money option priced nearest to `cents`, with neighbours on both sides."""
    out = board.strikes > 1_000.0 * board.forward
    if not board.quotes.chain.is_call[rows[0]]:
        out = ~out
    distance = np.where(out, np.abs(board.true(rows) - cents), np.inf)
    return int(np.clip(np.argmin(distance), 1, len(rows) - 2))


def _calendar_event(near: _Board, far: _Board) -> PlantedEvent:
    """Return the best crossing of the two slices: short a near call, long far calls of no higher relative strike."""
    truth = near.quotes.chain.truth_eod
    ratio = truth.forward[far.number] / truth.forward[near.number]
    quantity = float(truth.discount_factor[near.number] / truth.discount_factor[far.number] / ratio)
    place = np.searchsorted(far.strikes, near.strikes * ratio, side="right") - 1
    usable = place >= 0
    sold = near.quotes.bid_eod[near.calls[usable]].astype(np.float64)
    bought = far.quotes.ask_eod[far.calls[place[usable]]]
    edges = sold - quantity * bought
    best = int(np.argmax(edges))
    legs = [
        near.leg(int(near.calls[usable][best]), "sell"),
        {
            **far.leg(int(far.calls[place[usable][best]]), "buy", quantity),
            "expiration": far.quotes.chain.slices[far.number].expiration,
        },
    ]
    other: date = far.quotes.chain.slices[far.number].expiration
    event = _event(
        near, "calendar", legs=legs, rows=[*near.calls.tolist(), *near.puts.tolist()], seen_by="calendar",
        theta=float(truth.theta[near.number]), far_expiration=other, n_crossing_calls=int((edges > 0).sum()),
    )  # fmt: skip
    return event


_PLANTERS: dict[str, Callable[[_Board, str], tuple[Quotes, PlantedEvent]]] = {
    "conversion": _plant_parity,
    "reversal": _plant_parity,
    "box": _plant_box,
    "vertical_calls": _plant_vertical,
    "vertical_puts": _plant_vertical,
    "butterfly_calls": _plant_butterfly,
    "butterfly_puts": _plant_butterfly,
    "calls_puts_cash": _plant_calls_puts_cash,
    "rich_quote": _plant_quote,
    "cheap_quote": _plant_quote,
}
