"""Executable mispricings of one session: conversions, reversals, verticals and butterflies that cannot lose.

Every slice is searched by itself at prices after fees, so whatever is found earns money after fees and pays nothing or
more at settlement. One real lock is one finding: after each, the quotes to doubt among its legs are set aside.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.mispricing.finding_frames import OPTION_MULTIPLIER, FindingFrames
from transforms.mispricing.findings import Finding, Leg, finding_rows, legs_income
from transforms.mispricing.linear_program import Doubt, minimal_doubt
from transforms.mispricing.static import Lock, SliceQuotes, StaticCheck, parity_lock, static_check
from transforms.pricing.slice_grid import SLICE_KEY, SliceGrid, slice_grid

Floats = NDArray[np.float64]

# Points a quote must give way for the program's answer to be more than its own rounding.
DOUBT_TOLERANCE = 1e-6
# Steps of the grids on which simple locks are sought, and strikes of a grid on each side of the doubted one.
GRID_STEPS, GRID_REACH = 20, 6
# Contracts taken to be at the touch, for the choice between locks alone, where the vendor gives no sizes.
NOMINAL_SIZE = 10.0


@dataclass(frozen=True)
class _Slice:
    """One live slice: quotes as printed, sizes at the touch by code (NaN where not given)."""

    root: str
    expiration: date
    quotes: SliceQuotes
    bid_size: Floats
    ask_size: Floats
    is_non_regular: bool


def executable_findings(
    quotes: pl.DataFrame, slices: pl.DataFrame, *, fee_per_contract: float, grid: SliceGrid | None = None
) -> FindingFrames:
    """Return every executable lock of one session, as rows of mart.mispricing (without its life) and of its legs.

    Parameters
    ----------
    quotes : core.option_quote rows of one session
        Index points; a bid of 0 is no bid, a null ask no offer, and a crossed quote neither.
    slices : feature.slice rows of the session
        time_to_expiry (years), forward (points), discount_factor: expired slices are skipped; the fit is where the
        search starts and changes no verdict.
    fee_per_contract : dollars
    grid : SliceGrid of the quotes, if it is at hand

    Notes
    -----
    A slice has at most one conversion or reversal: while its parity region is empty, that is what is found. A
    conversion sells one synthetic against others, a reversal buys one. Other locks on two strikes are verticals, on
    more butterflies. from_flagged_quotes: the snapshot is `non_regular`, a leg's bid equals its ask, or a leg's quote
    would have to move by more than its own spread to fit the others, as a stale one would.
    """
    if quotes.is_empty():
        return finding_rows(date.min, [], fee_per_contract=fee_per_contract)
    grid = grid or slice_grid(quotes)
    facts = grid.slices.join(slices, on=SLICE_KEY, how="left", validate="1:1", maintain_order="left")
    columns = {
        name: facts[name].cast(pl.Float64).to_list() for name in ("time_to_expiry", "forward", "discount_factor")
    }
    session: date = grid.quotes["session_date"][0]
    found: list[Finding] = []
    for row in range(grid.n_slices):
        time = columns["time_to_expiry"][row]
        if time is None or time <= 0.0:
            continue
        quoted = slice_quotes(grid, row)
        tradable = quoted.after_fees(fee_per_contract / OPTION_MULTIPLIER)
        start = _start(quoted, forward=columns["forward"][row], discount_factor=columns["discount_factor"][row])
        check = static_check(tradable, discounted_forward=start[0], discount_factor=start[1])
        if check.lock is not None:
            item = _whole_slice(grid, row, quoted=quoted)
            doubt = minimal_doubt(tradable)
            locks = slice_locks(tradable, check, doubt=doubt, bid_size=item.bid_size, ask_size=item.ask_size)
            found += [_finding(item, lock, doubt=doubt) for lock in locks]
    return finding_rows(session, found, fee_per_contract=fee_per_contract)


def slice_locks(
    quotes: SliceQuotes, check: StaticCheck, *, doubt: Doubt, bid_size: Floats, ask_size: Floats
) -> list[Lock]:
    """Return the locks of one slice, best first, given its check and its minimal set to doubt.

    `quotes` are prices after fees and sizes are by code, NaN where not given. Each lock found gives way to a simpler
    one of more dollars at the touch if there is one. Its legs that are in the minimal set to doubt then give up their
    side of the quote, and what is left is searched again; a lock without a doubted leg cannot be, since the slice is
    free of arbitrage without that set.
    """
    found: list[Lock] = []
    while check.lock is not None:
        parity = parity_lock(quotes)
        lock = parity or check.lock
        if parity is None or not any(earlier.is_parity for earlier in found):
            lock = _simplest(quotes, lock, doubt=doubt, bid_size=bid_size, ask_size=ask_size)
            found.append(lock)
        quotes = _set_aside(quotes, lock, doubt=doubt)
        check = static_check(quotes, discounted_forward=check.discounted_forward, discount_factor=check.discount_factor)
    return found


def _simplest(quotes: SliceQuotes, lock: Lock, *, doubt: Doubt, bid_size: Floats, ask_size: Floats) -> Lock:
    """Return the lock that earns most at the touch among `lock` and those on evenly spaced strikes around its doubts.

    The lock of largest edge a unit may need hundreds of contracts, since its ratios are those of odd distances between
    strikes. On a grid of a few evenly spaced strikes the ratios are small.
    """
    candidates = [lock]
    for place in _doubted_places(lock, doubt):
        distance = np.abs(quotes.strike - quotes.strike[place])
        for step in _spread_out(np.unique(distance[distance > 0.0])):
            number = distance / step
            on_grid = np.flatnonzero((np.abs(number - np.round(number)) < 1e-9) & (number < GRID_REACH + 0.5))
            part = quotes.at(on_grid)
            found = (
                parity_lock(part)
                if lock.is_parity
                else static_check(
                    part,
                    discounted_forward=doubt.discounted_forward,
                    discount_factor=doubt.discount_factor,
                ).lock
            )
            if found is not None:
                candidates.append(found.moved(on_grid))
    worth = [_worth_at_touch(item, quotes, bid_size=bid_size, ask_size=ask_size) for item in candidates]
    return candidates[worth.index(max(worth))]


def _doubted_places(lock: Lock, doubt: Doubt) -> list[int]:
    """Return the places of the strikes at which a lock trades against a quote in doubt."""
    places = {
        (code - 1) // 2
        for code, quantity in zip(lock.codes, lock.quantities, strict=True)
        if (doubt.ask if quantity > 0 else doubt.bid)[code] > DOUBT_TOLERANCE
    }
    return sorted(places)


def _spread_out(distances: Floats) -> Floats:
    """Return at most GRID_STEPS of increasing distances, the small ones densely."""
    if distances.size <= GRID_STEPS:
        return distances
    return distances[np.unique(np.geomspace(1.0, distances.size, GRID_STEPS).astype(np.int64)) - 1]


def _worth_at_touch(lock: Lock, quotes: SliceQuotes, *, bid_size: Floats, ask_size: Floats) -> tuple[float, float]:
    """Return points earned at the sizes of the touch (NOMINAL_SIZE where not given), then points a contract."""
    codes, quantity = np.array(lock.codes), np.array(lock.quantities)
    size = np.where(quantity > 0, ask_size[codes], bid_size[codes])
    income = lock.income(quotes)
    packages = np.floor(np.nan_to_num(size, nan=NOMINAL_SIZE) / np.abs(quantity)).min()
    return round(float(income * packages), 9), round(income / float(np.abs(quantity).sum()), 9)


def _set_aside(quotes: SliceQuotes, lock: Lock, *, doubt: Doubt) -> SliceQuotes:
    """Return the quotes without the doubted sides among the legs of a lock, or all its legs if none is doubted."""
    codes, quantity = np.array(lock.codes), np.array(lock.quantities)
    sold, bought = codes[quantity < 0], codes[quantity > 0]
    doubted_bids = sold[doubt.bid[sold] > DOUBT_TOLERANCE]
    doubted_asks = bought[doubt.ask[bought] > DOUBT_TOLERANCE]
    if not doubted_bids.size and not doubted_asks.size:
        doubted_bids, doubted_asks = sold, bought
    return quotes.without(doubted_bids, bids=True).without(doubted_asks, bids=False)


def slice_quotes(grid: SliceGrid, row: int) -> SliceQuotes:
    """Return the quotes of one slice of a grid."""
    return SliceQuotes.of(
        grid.strike[row],
        grid.call_bid[row],
        call_ask=grid.call_ask[row],
        put_bid=grid.put_bid[row],
        put_ask=grid.put_ask[row],
    )


def _start(quotes: SliceQuotes, *, forward: float | None, discount_factor: float | None) -> tuple[float, float]:
    """Return where the search starts: the fitted (D*F, D), else the central strike at no discount."""
    if forward is None or discount_factor is None:
        return float(np.median(quotes.strike)), 1.0
    return forward * discount_factor, discount_factor


def _whole_slice(grid: SliceGrid, row: int, *, quoted: SliceQuotes) -> _Slice:
    # The grid's quotes are sorted by slice.
    first, end = np.searchsorted(grid.slice_of, [row, row + 1]).tolist()
    rows = grid.quotes[first:end]
    code = 2 * grid.column_of[first:end] + np.where(grid.is_call[first:end], 1, 2)
    sizes = np.full((2, 2 * quoted.strike.size + 1), np.nan)
    for number, side in enumerate(("bid_size", "ask_size")):
        sizes[number, code] = rows[side].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return _Slice(
        root=rows["root"][0],
        expiration=rows["expiration"][0],
        quotes=quoted,
        bid_size=sizes[0],
        ask_size=sizes[1],
        is_non_regular=bool((rows["snapshot_kind"] == "non_regular").any()),
    )


def _finding(item: _Slice, lock: Lock, *, doubt: Doubt) -> Finding:
    bid, ask = item.quotes.bids(), item.quotes.asks()
    legs, doubted, is_suspect = [], [], item.is_non_regular
    for code, quantity in zip(lock.codes, lock.quantities, strict=True):
        buys = quantity > 0
        strike = float(item.quotes.strike[(code - 1) // 2])
        spread = float(ask[code] - bid[code])
        option_type: Literal["call", "put"] = "call" if code % 2 else "put"
        size = float((item.ask_size if buys else item.bid_size)[code])
        concession = float((doubt.ask if buys else doubt.bid)[code])
        if concession > DOUBT_TOLERANCE:
            doubted.append(f"{option_type} {strike:g} {'ask' if buys else 'bid'} by {concession:.3g}")
        is_suspect |= spread <= 0.0 or concession > max(spread, DOUBT_TOLERANCE)
        legs.append(
            Leg(
                root=item.root,
                expiration=item.expiration,
                strike=strike,
                option_type=option_type,
                side="buy" if buys else "sell",
                quantity=float(abs(quantity)),
                price=float(ask[code] if buys else bid[code]),
                size=None if np.isnan(size) else int(size),
                half_spread=0.5 * spread if np.isfinite(spread) else None,
                doubt_points=concession if concession > DOUBT_TOLERANCE else 0.0,
            )
        )
    return Finding(
        kind=_kind(lock, item.quotes),
        root=item.root,
        expiration=item.expiration,
        legs=tuple(legs),
        edge_points=legs_income(legs),
        confidence="executable",
        from_flagged_quotes=is_suspect,
        note=f"gone if these quotes are wrong: {', '.join(doubted)}" if doubted else None,
    )


def _kind(lock: Lock, quotes: SliceQuotes) -> str:
    """Return conversion where synthetics of one strike are sold, reversal where of several; else by the strikes."""
    if lock.is_parity:
        sold = sum(1 for code, quantity in zip(lock.codes, lock.quantities, strict=True) if code % 2 and quantity < 0)
        return "conversion" if sold <= 1 else "reversal"
    n_strikes = len({(code - 1) // 2 for code in lock.codes})
    return "vertical" if n_strikes <= 2 else "butterfly"
