"""Data faults of known place and count: what a vendor's file gets wrong while the market is right."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from transforms.sample_market.arrays import Integers
from transforms.sample_market.plants import PlantedEvent, Version, free_slices
from transforms.sample_market.quotes import Quotes

N_CROSSED, N_DUPLICATED = 12, 10
SHIFTED_BY = 5_000
FAULT_DAYS = (30, 215)
# What a restated file's first version adds to bid and ask, in cents.
RESTATED_BY = 200
QUOTE_COLUMNS = (
    "bid_1545", "ask_1545", "bid_eod", "ask_eod", "bid_size_1545", "ask_size_1545", "bid_size_eod", "ask_size_eod",
)  # fmt: skip


def plant_fault(kind: str, quotes: Quotes, *, taken: set[int]) -> tuple[list[Version], PlantedEvent]:
    """Return the file's versions with the sessions each comes late, and the event; `n_rows` are those at fault."""
    if kind == "zeroed_chain":
        rows = np.flatnonzero(~quotes.chain.is_vix())
        return [(_zeroed(quotes, rows), 0)], _event(kind, quotes, n_rows=len(rows))
    root = "SPX" if kind == "missing_expiration" else "SPXW"
    number = int(free_slices(quotes.chain, taken, root=root, days=FAULT_DAYS, dense=True)[0])
    taken.add(number)
    rows = quotes.chain.rows_of(number)
    item = quotes.chain.slices[number]
    if kind == "crossed":
        rows = _two_sided(quotes, rows)[:N_CROSSED]
        changed = _swapped(quotes, rows)
    elif kind == "duplicated":
        rows = _two_sided(quotes, rows)[:N_DUPLICATED]
        changed = replace(quotes, copies=_replaced(quotes.copies, rows, 2))
    elif kind == "shifted_strike":
        changed = replace(quotes, strike=_replaced(quotes.strike, rows, quotes.strike[rows] + SHIFTED_BY))
    elif kind == "missing_expiration":
        changed = replace(quotes, copies=_replaced(quotes.copies, rows, 0))
    else:
        rows = _two_sided(quotes, rows)
        first = replace(
            quotes,
            bid_eod=_replaced(quotes.bid_eod, rows, quotes.bid_eod[rows] + RESTATED_BY),
            ask_eod=_replaced(quotes.ask_eod, rows, quotes.ask_eod[rows] + RESTATED_BY),
        )
        event = _event(kind, quotes, n_rows=len(rows), root=item.root, expiration=item.expiration, sessions_late=1)
        return [(first, 0), (quotes, 1)], event
    strikes = (quotes.chain.strike[rows] / 1_000.0).tolist()
    event = _event(
        kind, quotes, n_rows=len(rows), root=item.root, expiration=item.expiration,
        strikes=strikes if len(rows) <= N_CROSSED else [min(strikes), max(strikes)],
    )  # fmt: skip
    return [(changed, 0)], event


def late_file(quotes: Quotes) -> PlantedEvent:
    """Return the event of a file that comes a session late; its rows are as they are."""
    return _event("late_file", quotes, n_rows=int(quotes.copies.sum()), sessions_late=1)


def plant_stale_chain(quotes: Quotes, previous: Quotes) -> tuple[Quotes, PlantedEvent]:
    """Return today's file with the quotes and levels of the session before in every SPX row that existed then.

    SPX series listed only today are left out, as the vendor would not have had them.
    """
    order = np.argsort(previous.chain.keys)
    place = np.searchsorted(previous.chain.keys[order], quotes.chain.keys)
    source = order[np.minimum(place, len(order) - 1)]
    known = previous.chain.keys[source] == quotes.chain.keys
    is_spx = ~quotes.chain.is_vix()
    rows = np.flatnonzero(is_spx & known)
    columns: dict[str, Any] = {
        name: _replaced(getattr(quotes, name), rows, getattr(previous, name)[source[rows]])
        for name in (*QUOTE_COLUMNS, "open", "high", "low", "close", "volume", "open_interest")
    }
    chain = replace(quotes.chain, spot_1545=previous.chain.spot_1545, spot_eod=previous.chain.spot_eod)
    copies = _replaced(quotes.copies, np.flatnonzero(is_spx & ~known), 0)
    stale = replace(quotes, chain=chain, copies=copies, **columns)
    return stale, _event("stale_chain", quotes, n_rows=len(rows), stale_of=previous.chain.session_date)


def _event(
    kind: str, quotes: Quotes, *, n_rows: int, root: str = "", expiration: date | None = None, **detail: object
) -> PlantedEvent:
    return PlantedEvent(
        kind=kind,
        session_date=quotes.chain.session_date,
        root=root,
        expiration=expiration,
        n_rows=n_rows,
        seen_by="file",
        detail=dict(detail),
    )


def _two_sided(quotes: Quotes, rows: Integers) -> Integers:
    """Return the rows with a bid below the ask, out of the money first so that faults fall on different strikes."""
    live = rows[(quotes.bid_eod[rows] > 0) & (quotes.bid_eod[rows] < quotes.ask_eod[rows])]
    return live[np.argsort(quotes.chain.true_eod[live], kind="stable")]


def _swapped(quotes: Quotes, rows: Integers) -> Quotes:
    columns: dict[str, Any] = {}
    for low, high in (("bid_1545", "ask_1545"), ("bid_eod", "ask_eod")):
        bid, ask = getattr(quotes, low), getattr(quotes, high)
        columns[low], columns[high] = _replaced(bid, rows, ask[rows]), _replaced(ask, rows, bid[rows])
    return replace(quotes, **columns)


def _zeroed(quotes: Quotes, rows: Integers) -> Quotes:
    zeros: dict[str, Any] = {name: _replaced(getattr(quotes, name), rows, 0) for name in QUOTE_COLUMNS}
    return replace(quotes, **zeros)


def _replaced(column: Integers, rows: Integers, values: Integers | int) -> Integers:
    changed = column.copy()
    changed[rows] = values
    return changed
