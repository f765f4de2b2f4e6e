"""The sample market's daily tables: VX settlements, index levels, breadth and Treasury par yields."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from transforms.sample_market.arrays import Floats, Integers
from transforms.sample_market.chain import VX_DECIMALS
from transforms.sample_market.indices import index_closes
from transforms.sample_market.listing import vx_expirations
from transforms.sample_market.noise import EPOCH, normal_noise
from transforms.sample_market.path import CLOSE, N_STATES, OPEN, QUARTER_BEFORE_CLOSE, MarketPath
from transforms.sample_market.surface import (
    at_the_money_variance,
    cumulative_variance,
    spot_variance,
    treasury_zero_rate,
)
from transforms.sample_market.vix_law import clock_of_state, forward_variance, vix_law
from transforms.sessions import Days, TradingCalendar

VX_STREAM = 3
VX_TICK = 0.05
VX_STATES = (OPEN, 8, 16, QUARTER_BEFORE_CLOSE, CLOSE)
OHLC_SYMBOLS = {"VIX9D": 9, "VIX": 30, "VIX3M": 93, "VIX6M": 184}
N_ISSUES = 2_830
# Daily breadth per unit of return over its volatility, and its own noise, in logits: correlation 0.7 with returns.
BREADTH_SLOPE, BREADTH_NOISE = 0.75, 0.72
TREASURY_TENORS = (
    ("1 Mo", 1 / 12), ("1.5 Month", 1.5 / 12), ("2 Mo", 2 / 12), ("3 Mo", 0.25), ("4 Mo", 4 / 12), ("6 Mo", 0.5),
    ("1 Yr", 1.0), ("2 Yr", 2.0), ("3 Yr", 3.0), ("5 Yr", 5.0), ("7 Yr", 7.0), ("10 Yr", 10.0), ("20 Yr", 20.0),
    ("30 Yr", 30.0),
)  # fmt: skip


@dataclass(frozen=True)
class VxContract:
    """One VX contract's daily rows: prices in points, settlements to 4 decimals, one entry per session it was listed.

    `rows` are path rows; `change` is against the row before, 0 in the first. Where `volume` is 0, `open` and `close`
    are 0 and `high`, `low` hold the closing bid and ask, as in the exchange's files. `final_settlement` is set once
    known.
    """

    expiration: date
    is_monthly: bool
    rows: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    settle: Floats
    change: Floats
    volume: Integers
    open_interest: Integers
    fair_variance: Floats
    final_settlement: float | None


def vx_contracts(path: MarketPath, *, calendar: TradingCalendar) -> list[VxContract]:
    """Return every contract listed at any time on the path, by expiration.

    The settlement is E[VIX] at the close, and in the last row the final settlement: 100 times the square root of the
    variance of the 30 days from that morning's open, two decimals.
    """
    listed: dict[tuple[date, bool], list[int]] = {}
    for row in range(len(path)):
        day: date = path.clock.sessions[path.first + row].astype(object)
        for key in vx_expirations(day, calendar):
            listed.setdefault(key, []).append(row)
    return [
        _vx_contract(path, expiration, monthly=monthly, rows=rows)
        for (expiration, monthly), rows in sorted(listed.items())
    ]


def index_levels(path: MarketPath, closes: list[dict[str, float]]) -> dict[str, Floats]:
    """Return OHLC (sessions, 4) of SPX and the VIX family, and closes (sessions, 1) of VVIX and SKEW.

    `closes` are `index_closes` of each row.
    """
    levels = {"SPX": _ohlc(np.round(path.spot, 2))}
    for symbol, days in OHLC_SYMBOLS.items():
        close = np.array([row[symbol] for row in closes])
        levels[symbol] = _ohlc(intraday_index(path, close, days=days))
    for symbol in ("VVIX", "SKEW"):
        levels[symbol] = np.array([[row[symbol]] for row in closes])
    return levels


def intraday_index(path: MarketPath, close: Floats, *, days: int) -> Floats:
    """Return a volatility index at every state (sessions, N_STATES), two decimals, ending at its published close.

    It moves with at-the-money volatility at the index's maturity.
    """
    rows = np.arange(len(path))
    target = path.clock.closes[path.first + rows] + days * 1_440
    values = np.empty((len(path), N_STATES))
    for state in range(N_STATES):
        curve = cumulative_variance(path.model, path.fast[:, state], slow=path.slow[:, state])
        horizon = path.clock.at(target) - clock_of_state(path, rows, state=state)
        values[:, state] = np.sqrt(at_the_money_variance(curve, horizon[:, None])[:, 0])
    return np.round(values * (close / values[:, CLOSE])[:, None], 2)


def published_closes(
    path: MarketPath, *, calendar: TradingCalendar, rows: range | None = None
) -> list[dict[str, float]]:
    """Return `index_closes` of the rows (default: the whole path); a plain map, so processes can share it."""
    return [index_closes(path, row, calendar=calendar) for row in (range(len(path)) if rows is None else rows)]


def breadth(path: MarketPath) -> Integers:
    """Return advances, declines and unchanged issues (sessions, 3); they sum to the issues traded."""
    close = path.spot[:, CLOSE]
    returns = np.diff(np.log(close), prepend=np.log(path.spot[0, OPEN]))
    volatility = np.sqrt(spot_variance(path.model, path.fast[:, OPEN], slow=path.slow[:, OPEN]))
    logits = 0.06 + BREADTH_SLOPE * returns * np.sqrt(252.0) / volatility + BREADTH_NOISE * path.breadth_noise
    traded = N_ISSUES + np.round(12.0 * np.sin(np.arange(len(path)))).astype(np.int64)
    unchanged = np.round(traded * 0.028 * np.exp(-0.15 * np.abs(logits))).astype(np.int64)
    advances = np.round((traded - unchanged) / (1.0 + np.exp(-logits))).astype(np.int64)
    return np.stack([advances, traded - unchanged - advances, unchanged], axis=1)


def treasury_par_yields(path: MarketPath) -> Floats:
    """Return par yields in percent, two decimals, (sessions, len(TREASURY_TENORS)).

    Bills: 2 * (exp(z/2) - 1) at their zero rate; notes and bonds: the semiannual coupon worth par on the zero curve.
    """
    tenors = np.array([years for _, years in TREASURY_TENORS])
    level, short = path.level_rate[:, None], path.short_rate[:, None]
    yields = 2.0 * np.expm1(0.5 * treasury_zero_rate(level, short, years=tenors[None, :]))
    payments = np.arange(0.5, 30.5, 0.5)
    discount = np.exp(-treasury_zero_rate(level, short, years=payments[None, :]) * payments)
    annuity = np.cumsum(0.5 * discount, axis=1)
    for column, years in enumerate(tenors):
        if years > 1.0:
            last = round(2 * years) - 1
            yields[:, column] = (1.0 - discount[:, last]) / annuity[:, last]
    return np.round(100.0 * yields, 2)


def _vx_contract(path: MarketPath, expiration: date, *, monthly: bool, rows: list[int]) -> VxContract:
    index = np.array(rows)
    days = path.clock.sessions[path.first + index]
    futures = np.stack(
        [vix_law(path, index, state=state, expirations=[expiration]).future[:, 0] for state in VX_STATES], axis=1
    )
    fair = 1e4 * forward_variance(path, index, state=CLOSE, expirations=[expiration])[:, 0]
    final = None
    if days[-1] == np.datetime64(expiration):
        squared = 1e4 * forward_variance(path, index[-1:], state=OPEN, expirations=[expiration])[0, 0]
        final = round(float(np.sqrt(squared)), 2)
        futures[-1, :] = final
        fair[-1] = squared
    settle = np.round(futures[:, -1], VX_DECIMALS)
    left = (np.datetime64(expiration) - days).astype(np.int64)
    volume, interest = _vx_activity(path, expiration, monthly=monthly, days_left=left, days=days)
    if final is not None:
        volume[-1] = min(int(volume[-1]), 1_500)
    traded = np.round(futures / VX_TICK) * VX_TICK
    is_traded = volume > 0
    bid, ask = np.floor(settle / VX_TICK) * VX_TICK, np.floor(settle / VX_TICK) * VX_TICK + VX_TICK
    return VxContract(
        expiration=expiration,
        is_monthly=monthly,
        rows=index,
        open=np.where(is_traded, traded[:, 0], 0.0),
        high=np.where(is_traded, traded.max(axis=1), bid),
        low=np.where(is_traded, traded.min(axis=1), ask),
        close=np.where(is_traded, traded[:, -1], 0.0),
        settle=settle,
        change=np.round(np.diff(settle, prepend=settle[:1]), VX_DECIMALS),
        volume=volume,
        open_interest=interest,
        fair_variance=fair,
        final_settlement=final,
    )


def _vx_activity(
    path: MarketPath, expiration: date, *, monthly: bool, days_left: Integers, days: Days
) -> tuple[Integers, Integers]:
    """Return volume and open interest: monthlies peak in their last two months, weeklies often do not trade."""
    base = np.uint64((expiration - EPOCH).days) << np.uint64(20)
    keys = base + days.astype(np.int64).astype(np.uint64)
    noise = normal_noise(keys, seed=path.seed, stream=VX_STREAM, day=None, draw=0)
    if monthly:
        volume = np.exp(11.6 - 0.028 * days_left + 0.35 * noise)
        interest = np.exp(12.0 - 0.013 * days_left + 0.05 * noise) * np.minimum(1.0, 0.15 + days_left / 30.0)
    else:
        volume = np.where(noise > -0.3, np.exp(3.0 - 0.04 * days_left + noise), 0.0)
        interest = np.exp(5.0 - 0.05 * days_left + 0.1 * noise)
    return np.floor(volume).astype(np.int64), np.floor(interest).astype(np.int64)


def _ohlc(states: Floats) -> Floats:
    return np.stack([states[:, OPEN], states.max(axis=1), states.min(axis=1), states[:, CLOSE]], axis=1)
