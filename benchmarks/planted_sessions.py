"""Sessions of a sample market with mispricings of every kind but residuals planted in them, as detectors see them.

The sample market plants locks and calendar crossings in SPXW slices and displaces VX settlements; after its files are
read, locks in VIX slices and SPX slices at another rate are planted here.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from flows.sources import open_delivery, recognize
from transforms.mispricing.linear_program import minimal_doubt
from transforms.mispricing.locks import slice_quotes
from transforms.mispricing.parity import parity_region, synthetic_bounds
from transforms.mispricing.static import SliceQuotes
from transforms.pricing.slice_grid import slice_grid
from transforms.sample_market.market import SampleMarket, daily_files, planted_events, session_files
from transforms.sample_market.plants import Plant, PlantedEvent

LOCK_KINDS = frozenset({"conversion", "reversal", "vertical", "butterfly"})
CALLS, PUTS, TOGETHER = "calls alone", "puts alone", "only calls, puts and cash together"
SYNTHETICS, BOXES = "parity alone: crossed synthetics", "parity alone: boxes"
SORTS = {
    "vertical_calls": CALLS,
    "butterfly_calls": CALLS,
    "vertical_puts": PUTS,
    "butterfly_puts": PUTS,
    "conversion": SYNTHETICS,
    "reversal": SYNTHETICS,
    "box": BOXES,
    "calls_puts_cash": TOGETHER,
}
VIX_KINDS = ("vix_vertical_calls", "vix_vertical_puts", "vix_crossed_synthetic")
VIX_SORT, CALENDAR_SORT = "VIX roots", "calendars"
RATE_SORTS = {"lend": "boxes that lend above Treasury", "borrow": "boxes that borrow below Treasury"}
VX_SORTS = {
    "vx_rich": "VX above the VIX options",
    "vx_cheap": "VX below the VIX options",
    "bound": "VX above SPX forward variance",
}
VIX_EDGE = 0.15
# A slice lends or borrows at this much more a year than the others, decimal; their boxes pay Treasury + 0.3 %.
RATE_SHIFTS = {"lend": 0.010, "borrow": -0.008}
RATE_DAYS = (150, 400)
# The doubt of quotes that hold no arbitrage is rounding.
LEAST_DOUBT = 1e-5


@dataclass(frozen=True)
class PlantedMispricing:
    """One plant: its sort, the kinds of finding that count as finding it, its slice and its legs' strikes and types.

    `legs` is empty where a finding may trade any option of the slice. `is_confirmed` says whether a linear program sees
    the lock where its sort says, and nowhere less; None for sorts that are no locks.
    """

    session_date: date
    sort: str
    kind: str
    found_as: frozenset[str]
    root: str
    expiration: date
    legs: frozenset[tuple[float, str]] = frozenset()
    is_confirmed: bool | None = None


@dataclass(frozen=True)
class PlantedSession:
    """One session as the detectors see it, and what is planted in it. Frames are those of the core tables."""

    quotes: pl.DataFrame
    futures: pl.DataFrame
    plants: list[PlantedMispricing]


def all_plants(n_sessions: int, *, locks_per_session: int = 2, calendar_every: int = 3) -> tuple[Plant, ...]:
    """Return locks on every session, the eight kinds in turn, a calendar on every third, VX out of line on every third.

    At least ten of each in sixty sessions.
    """
    kinds = list(SORTS)
    locks = [
        Plant(kinds[(session * locks_per_session + number) % len(kinds)], session)
        for session in range(n_sessions)
        for number in range(locks_per_session)
    ]
    calendars = [Plant("calendar", session) for session in range(0, n_sessions, calendar_every)]
    displaced = [Plant(("vx_rich", "vx_cheap")[session // 3 % 2], session) for session in range(1, n_sessions, 3)]
    return (*locks, *calendars, *displaced)


def planted_sessions(market: SampleMarket, *, beside: bool = True) -> Iterator[PlantedSession]:
    """Yield the chain sessions of a market with what it planted and, if `beside`, what is planted here beside it."""
    events = planted_events(market)
    futures = futures_settlements(market)
    for number, row in enumerate(market.chain_rows):
        session = market.session_date(row)
        quotes = closing_quotes(market, row)
        plants = [_of_event(event, quotes) for event in events if event.session_date == session]
        if beside:
            displaced = {plant.expiration for plant in plants if plant.root == "VX"}
            quotes, lock = planted_in_vix(quotes, number=number, spared=displaced)
            plants.append(lock)
            if number % 2 == 0:
                quotes, rate = at_another_rate(quotes, direction=("lend", "borrow")[number // 2 % 2])
                plants.append(rate)
        yield PlantedSession(quotes, futures.filter(pl.col("session_date") == session), plants)


def closing_quotes(market: SampleMarket, row: int) -> pl.DataFrame:
    """Return core.option_quote rows of a session's close, read from its vendor file."""
    [file] = session_files(market, row)
    frame = _read(market, file.name, file.payload)["core.option_quote"]
    return frame.filter(pl.col("snapshot_kind") == "close")


def futures_settlements(market: SampleMarket) -> pl.DataFrame:
    """Return core.futures_settlement rows of the market, read from its vendor files."""
    return _daily(market, "core.futures_settlement")


def treasury_rates(market: SampleMarket) -> pl.DataFrame:
    """Return core.treasury_rate rows of the market, read from its vendor files."""
    return _daily(market, "core.treasury_rate")


def _daily(market: SampleMarket, table: str) -> pl.DataFrame:
    frames = [_read(market, file.name, file.payload).get(table) for file in daily_files(market)]
    return pl.concat([frame for frame in frames if frame is not None], how="diagonal")


def _read(market: SampleMarket, name: str, payload: bytes) -> dict[str, pl.DataFrame]:
    delivery = open_delivery(name, payload)
    return recognize(delivery).read(delivery, calendar=market.calendar).frames


def _of_event(event: PlantedEvent, quotes: pl.DataFrame) -> PlantedMispricing:
    expiration = event.expiration or event.session_date
    place = {"session_date": event.session_date, "kind": event.kind, "root": event.root, "expiration": expiration}
    if event.kind in VX_SORTS:
        return PlantedMispricing(sort=VX_SORTS[event.kind], found_as=frozenset({"vix_parity"}), **place)
    if event.kind == "calendar":
        return PlantedMispricing(sort=CALENDAR_SORT, found_as=frozenset({"calendar"}), **place)
    legs = frozenset((leg["strike"], leg["option_type"]) for leg in event.legs)
    seen = seen_by(quotes, event.root, expiration)
    confirmed = seen == frozenset({SORTS[event.kind].split(":")[0]})
    return PlantedMispricing(sort=SORTS[event.kind], found_as=LOCK_KINDS, legs=legs, is_confirmed=confirmed, **place)


def seen_by(quotes: pl.DataFrame, root: str, expiration: date) -> frozenset[str]:
    """Return which quotes of a slice suffice to see arbitrage: calls, puts or synthetics alone, else all together.

    Calls and puts by a linear program, synthetics by their region, which the tests hold to a linear program.
    """
    own = quotes.filter((pl.col("root") == root) & (pl.col("expiration") == expiration))
    whole = slice_quotes(slice_grid(own), 0)
    n = whole.strike.size
    none, never = np.zeros(n), np.full(n, np.inf)
    calls = SliceQuotes(whole.strike, whole.call_bid, whole.call_ask, none, never)
    puts = SliceQuotes(whole.strike, none, never, whole.put_bid, whole.put_ask)
    lower, upper = synthetic_bounds(whole.call_bid, whole.call_ask, put_bid=whole.put_bid, put_ask=whole.put_ask)
    seen = {
        CALLS: minimal_doubt(calls).total > LEAST_DOUBT,
        PUTS: minimal_doubt(puts).total > LEAST_DOUBT,
        SYNTHETICS.split(":")[0]: parity_region(whole.strike, lower, upper=upper).is_empty,
    }
    if any(seen.values()):
        return frozenset(name for name, is_seen in seen.items() if is_seen)
    return frozenset({TOGETHER} if minimal_doubt(whole).total > LEAST_DOUBT else ())


def planted_in_vix(
    quotes: pl.DataFrame, *, number: int, spared: Collection[date] = (), edge: float = VIX_EDGE
) -> tuple[pl.DataFrame, PlantedMispricing]:
    """Return a session's quotes with one lock in a VIX or VIXW slice, and the lock; kinds and slices take turns.

    `edge` is what the lock earns before fees, points. The expirations `spared` are left alone: a slice that holds a
    lock bounds no forward.
    """
    live = quotes.filter(
        pl.col("root").is_in(["VIX", "VIXW"])
        & (pl.col("expiration") > pl.col("session_date"))
        & ~pl.col("expiration").is_in(list(spared))
    )
    slices = live.select("root", "expiration").unique().sort("root", "expiration")
    root, expiration = slices.row(number % slices.height)
    kind = VIX_KINDS[number % len(VIX_KINDS)]
    of_slice = (pl.col("root") == root) & (pl.col("expiration") == expiration)
    grid = slice_grid(quotes.filter(of_slice))
    strike = grid.strike[0]
    lower, upper = synthetic_bounds(grid.call_bid, grid.call_ask, put_bid=grid.put_bid, put_ask=grid.put_ask)
    middle = int(np.argmin(upper[0] - lower[0]))
    if kind == "vix_crossed_synthetic":
        others = np.arange(strike.size) != middle
        region = parity_region(strike[others], lower[0][others], upper=upper[0][others])
        dearest = (region.vertices[:, 1] - region.vertices[:, 0] * strike[middle]).max()
        place, option_type, bid = middle, "call", grid.put_ask[0, middle] + dearest + edge
    elif kind == "vix_vertical_calls":
        place, option_type, bid = middle + 2, "call", grid.call_ask[0, middle + 1] + edge
    else:
        place, option_type, bid = middle - 2, "put", grid.put_ask[0, middle - 1] + edge
    price = round(float(np.ceil(bid / 0.01 - 1e-9)) * 0.01, 2)
    moved = of_slice & (pl.col("strike") == strike[place]) & (pl.col("option_type") == option_type)
    planted = quotes.with_columns(
        pl.when(moved).then(price).otherwise("bid").alias("bid"),
        pl.when(moved).then(round(price + 0.05, 2)).otherwise("ask").alias("ask"),
    )
    legs = frozenset({(float(strike[place]), option_type)})
    confirmed = bool(seen_by(planted, root, expiration))
    return planted, PlantedMispricing(
        quotes["session_date"][0], VIX_SORT, kind, LOCK_KINDS, root, expiration, legs, confirmed
    )


def at_another_rate(quotes: pl.DataFrame, *, direction: str) -> tuple[pl.DataFrame, PlantedMispricing]:
    """Return a session's quotes with one SPX slice discounted at another rate, and the plant.

    Every price of the slice is multiplied by the same factor and rounded outward to the cent: nothing in the slice can
    see it but its boxes beside Treasury.
    """
    session = quotes["session_date"][0]
    days = (pl.col("expiration") - pl.col("session_date")).dt.total_days()
    slices = quotes.filter((pl.col("root") == "SPX") & days.is_between(*RATE_DAYS))["expiration"].unique().sort()
    expiration = slices[len(slices) // 2]
    factor = float(np.exp(-RATE_SHIFTS[direction] * (expiration - session).days / 365.0))
    own = (pl.col("root") == "SPX") & (pl.col("expiration") == expiration)
    planted = quotes.with_columns(
        pl.when(own).then((100.0 * factor * pl.col("bid")).floor() / 100.0).otherwise("bid").alias("bid"),
        pl.when(own).then((100.0 * factor * pl.col("ask")).ceil() / 100.0).otherwise("ask").alias("ask"),
    )
    plant = PlantedMispricing(session, RATE_SORTS[direction], direction, frozenset({"box_rate"}), "SPX", expiration)
    return planted, plant
