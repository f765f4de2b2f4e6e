"""VIX, VIX9D, VIX3M, VIX6M, VVIX and SKEW from the sample market's own closing quotes, by Cboe's formulas.

Written apart from transforms/pricing on purpose: what the pipeline replicates must not come from the code it is judged
by.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from transforms.sample_market.arrays import Booleans, Floats, Integers
from transforms.sample_market.chain import Chain, settlement_minutes, true_chain
from transforms.sample_market.clock import MINUTES_PER_YEAR
from transforms.sample_market.listing import Slice, is_third_friday_series, spx_slices, vix_slices
from transforms.sample_market.path import MarketPath
from transforms.sample_market.quotes import CENTS, two_sides
from transforms.sample_market.surface import treasury_zero_rate
from transforms.sessions import TradingCalendar

DAY_MINUTES = 1_440
OPTION_CLOSE_DELAY = 15
# Target maturities in days (Cboe volatility index methodology).
TARGET_DAYS = {"VIX9D": 9, "VIX": 30, "VIX3M": 93, "VIX6M": 184}
SHORTEST_SKEW_DAYS = 7


@dataclass(frozen=True)
class Strip:
    """One slice's out-of-the-money strip: `years` to settlement, its variance and the third-moment measure of SKEW."""

    years: float
    variance: float
    skewness: float


def index_closes(path: MarketPath, row: int, *, calendar: TradingCalendar) -> dict[str, float]:
    """Return the six published indices (points, two decimals) at the close of a path row."""
    day: date = path.clock.sessions[path.first + row].astype(object)
    terms = index_terms(path, row, day=day, calendar=calendar)
    spx = sorted({item for pair in terms.values() for item in pair}, key=lambda item: (item.expiration, item.root))
    vix = list(_bracket(path, row, slices=list(vix_slices(day, calendar)), days=30))
    chain = true_chain(path, row, calendar=calendar, slices_at_close=spx + vix)
    bid, ask = (cents / CENTS for cents in two_sides(chain, chain.true_eod, seed=path.seed))
    strips: dict[tuple[str, date], Strip] = {}

    def strip(item: Slice) -> Strip:
        key = (item.root, item.expiration)
        if key not in strips:
            strips[key] = _strip(path, row, chain=chain, item=item, bid=bid, ask=ask)
        return strips[key]

    values = {}
    for name, target in TARGET_DAYS.items():
        near, far = (strip(item) for item in terms[name])
        values[name] = round(_interpolated_volatility(near, far, days=target), 2)
    values["VVIX"] = round(_interpolated_volatility(strip(vix[0]), strip(vix[1]), days=30), 2)
    near, far = (strip(item) for item in terms["SKEW"])
    weight = (far.years - 30 / 365) / (far.years - near.years)
    values["SKEW"] = round(100.0 - 10.0 * (weight * near.skewness + (1.0 - weight) * far.skewness), 2)
    return values


def index_terms(path: MarketPath, row: int, *, day: date, calendar: TradingCalendar) -> dict[str, tuple[Slice, Slice]]:
    """Return the near and next slices of each SPX index.

    VIX and VIX9D take Friday series (AM on third Fridays, PM on others), VIX3M, VIX6M and SKEW the AM monthlies.
    """
    slices = [item for item in spx_slices(day, calendar) if item.expiration > day]
    monthlies = [item for item in slices if item.root == "SPX"]
    fridays = [
        item
        for item in slices
        if (item.root == "SPX") == is_third_friday_series(item.expiration, calendar)
        and _is_last_of_week(item.expiration, calendar)
    ]
    terms = {
        name: _bracket(path, row, slices=fridays if target <= 30 else monthlies, days=target)
        for name, target in TARGET_DAYS.items()
    }
    usable = [item for item in monthlies if (item.expiration - day).days > SHORTEST_SKEW_DAYS]
    terms["SKEW"] = (usable[0], usable[1])
    return terms


def strip_of_quotes(
    strikes: Floats, call_bid: Floats, *, call_ask: Floats, put_bid: Floats, put_ask: Floats, rate: float, years: float
) -> Strip:
    """Return the strip of one slice from its quotes (points), strikes ascending.

    Forward at the smallest |call - put|, K0 at or below it, out-of-the-money mids cut after two zero bids in a row, the
    mean of both at K0 (Cboe VIX methodology; moments by the Cboe SKEW white paper, 2010).
    """
    call, put = 0.5 * (call_bid + call_ask), 0.5 * (put_bid + put_ask)
    both = (call_bid > 0.0) & (put_bid > 0.0)
    gap = np.where(both, np.abs(call - put), np.inf)
    nearest = int(np.argmin(gap))
    growth = float(np.exp(rate * years))
    forward = strikes[nearest] + growth * (call[nearest] - put[nearest])
    middle = int(np.searchsorted(strikes, forward, side="right")) - 1
    low = _kept(put_bid[:middle][::-1])[::-1]
    high = _kept(call_bid[middle + 1 :])
    used = np.concatenate([np.flatnonzero(low), [middle], middle + 1 + np.flatnonzero(high)])
    price = np.where(np.arange(len(strikes)) < middle, put, call)
    price[middle] = 0.5 * (call[middle] + put[middle])
    k, q = strikes[used], price[used]
    width = np.gradient(k, edge_order=1) if len(k) > 2 else np.diff(k, append=2 * k[-1] - k[-2])
    width[1:-1] = 0.5 * (k[2:] - k[:-2])
    base = strikes[middle]
    weight = growth * q * width / k**2
    variance = (2.0 * weight.sum() - (forward / base - 1.0) ** 2) / years
    log_k, log_base = np.log(k / forward), float(np.log(base / forward))
    first = -weight.sum() - (1.0 - log_base - forward / base)
    second = (2.0 * weight * (1.0 - log_k)).sum() + 2.0 * log_base * (forward / base - 1.0) + 0.5 * log_base**2
    third = (3.0 * weight * (2.0 * log_k - log_k**2)).sum()
    third += 3.0 * log_base**2 * (log_base / 3.0 - 1.0 + forward / base)
    spread = second - first**2
    skewness = (third - 3.0 * first * second + 2.0 * first**3) / spread**1.5
    return Strip(years=years, variance=float(variance), skewness=float(skewness))


def _strip(path: MarketPath, row: int, *, chain: Chain, item: Slice, bid: Floats, ask: Floats) -> Strip:
    rows = chain.rows_of(chain.slices.index(item))
    bid, ask = bid[rows], ask[rows]
    years = _minutes_left(path, row, slices=[item])[0] / MINUTES_PER_YEAR
    rate = treasury_zero_rate(float(path.level_rate[row]), float(path.short_rate[row]), years=np.array([years]))
    return strip_of_quotes(
        chain.strike[rows][::2] / 1_000.0,
        bid[::2],
        call_ask=ask[::2],
        put_bid=bid[1::2],
        put_ask=ask[1::2],
        rate=float(rate[0]),
        years=years,
    )


def _kept(bids: Floats) -> Booleans:
    """Return which quotes, going outward, have a bid and stand before two zero bids in a row."""
    empty = bids <= 0.0
    pairs = np.flatnonzero(empty[1:] & empty[:-1])
    end = int(pairs[0]) if len(pairs) else len(bids)
    return (np.arange(len(bids)) < end) & ~empty


def _interpolated_volatility(near: Strip, far: Strip, *, days: int) -> float:
    """Return the index in points: total variance linear in time at `days`."""
    target = days / 365.0
    weight = (far.years - target) / (far.years - near.years)
    total = weight * near.years * near.variance + (1.0 - weight) * far.years * far.variance
    return 100.0 * float(np.sqrt(total / target))


def _bracket(path: MarketPath, row: int, *, slices: list[Slice], days: int) -> tuple[Slice, Slice]:
    """Return the last slice at or before the target and the first after it (the first two if none is before)."""
    left = _minutes_left(path, row, slices=slices)
    live = np.flatnonzero(left > 0)
    after = int(np.searchsorted(left[live], days * DAY_MINUTES, side="right"))
    after = min(max(after, 1), len(live) - 1)
    return slices[live[after - 1]], slices[live[after]]


def _minutes_left(path: MarketPath, row: int, *, slices: list[Slice]) -> Integers:
    snapshot = path.clock.closes[path.first + row] + OPTION_CLOSE_DELAY
    return np.asarray(settlement_minutes(path, slices) - snapshot)


def _is_last_of_week(day: date, calendar: TradingCalendar) -> bool:
    return calendar.after(day).isocalendar().week != day.isocalendar().week
