"""A judge of static arbitrage that shares nothing with the simulator or the detectors: a linear program over quotes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from transforms.sample_market.quotes import Quotes

Floats = npt.NDArray[np.float64]
Instruments = Literal["calls", "puts", "parity", "combined"]


@dataclass(frozen=True)
class SliceQuotes:
    """One slice's printed quotes in points, by ascending strike."""

    strikes: Floats
    call_bid: Floats
    call_ask: Floats
    put_bid: Floats
    put_ask: Floats

    def within(self, low: float, high: float) -> "SliceQuotes":
        """Return the strikes in [low, high]."""
        kept = (self.strikes >= low) & (self.strikes <= high)
        return SliceQuotes(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


def slice_quotes(quotes: Quotes, number: int) -> SliceQuotes:
    """Return the closing quotes of one slice."""
    rows = quotes.chain.rows_of(number)
    bid, ask = quotes.bid_eod[rows] / 100.0, quotes.ask_eod[rows] / 100.0
    return SliceQuotes(quotes.strike[rows][::2] / 1_000.0, bid[::2], ask[::2], bid[1::2], ask[1::2])


def locked_profit(item: SliceQuotes, instruments: Instruments) -> float:
    """Return the largest sure gain (points) of a portfolio of at most one unit of each quote; 0 without arbitrage.

    Minimize the cost subject to a payoff of at least 0 at S = 0, at every strike and beyond the last. The
    discount factor is positive and otherwise unknown, so cash is lent and borrowed only through the options.
    """
    strikes = item.strikes
    spots = np.concatenate([[0.0], strikes, [strikes[-1] + 1_000.0]])
    call = np.maximum(spots[:, None] - strikes, 0.0)
    put = np.maximum(strikes - spots[:, None], 0.0)
    bought: list[tuple[Floats, Floats]] = []
    sold: list[tuple[Floats, Floats]] = []
    if instruments == "parity":
        bought.append((item.call_ask - item.put_bid, call - put))
        sold.append((item.call_bid - item.put_ask, call - put))
    if instruments in ("calls", "combined"):
        bought.append((item.call_ask, call))
        sold.append((item.call_bid, call))
    if instruments in ("puts", "combined"):
        bought.append((item.put_ask, put))
        sold.append((item.put_bid, put))
    cost = np.concatenate([price for price, _ in bought] + [-price for price, _ in sold])
    payoff = np.concatenate([value for _, value in bought] + [-value for _, value in sold], axis=1)
    # Beyond the last strike the payoff is a line: it must not fall there.
    beyond = payoff[-1] - payoff[-2]
    rows = np.vstack([payoff[:-1] / 100.0, beyond / 100.0])
    solution = linprog(cost, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(0.0, 1.0), method="highs")
    return max(0.0, -float(solution.fun))
