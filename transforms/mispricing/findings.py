"""A locked portfolio as a thing: its legs, what it pays today, the least it pays at settlement, and its rows.

Prices are index points per unit; a package is the portfolio in whole contracts of its legs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import polars as pl

from transforms.mispricing.finding_frames import FINDING_COLUMNS, LEG_COLUMNS, FindingFrames, finding_frames

Side = Literal["buy", "sell"]
Confidence = Literal["executable", "conditional"]


@dataclass(frozen=True)
class Leg:
    """One option of a package: `quantity` contracts bought at the ask or sold at the bid, `price` index points.

    `size` is the contracts quoted at that price and `half_spread` half of ask less bid, points (a missing bid counts
    as 0); None where not given. `doubt_points` is by how much the quote must give way for its slice to hold no
    arbitrage; None where that is not asked.
    """

    root: str
    expiration: date
    strike: float
    option_type: Literal["call", "put"]
    side: Side
    quantity: float
    price: float
    size: int | None
    half_spread: float | None
    doubt_points: float | None = None

    @property
    def signed_quantity(self) -> float:
        """Return the quantity, negative for a sale."""
        return self.quantity if self.side == "buy" else -self.quantity

    def payoff(self, level: float) -> float:
        """Return what one contract bought pays if the index settles at `level`, points."""
        return max(level - self.strike if self.option_type == "call" else self.strike - level, 0.0)


@dataclass(frozen=True)
class Finding:
    """One portfolio of options of one slice that ought not to exist at the quoted prices.

    `edge_points` is index points a package before fees.
    """

    kind: str
    root: str
    expiration: date
    legs: tuple[Leg, ...]
    edge_points: float
    confidence: Confidence
    from_flagged_quotes: bool
    note: str | None


def legs_income(legs: Sequence[Leg]) -> float:
    """Return what a package pays today, index points before fees; negative if it costs money."""
    return -sum(leg.signed_quantity * leg.price for leg in legs)


def worst_payoff(legs: Sequence[Leg]) -> float:
    """Return the least a package of one expiration pays at settlement over every index level from 0 up, points.

    The payoff is a straight line between strikes, so its least value is at 0, at a strike, or minus infinity if it
    falls beyond the last one.
    """
    if sum(leg.signed_quantity for leg in legs if leg.option_type == "call") < 0.0:
        return -float("inf")
    levels = {0.0, *(leg.strike for leg in legs)}
    return min(sum(leg.signed_quantity * leg.payoff(level) for leg in legs) for level in levels)


def finding_rows(session_date: date, findings: Sequence[Finding], *, fee_per_contract: float) -> FindingFrames:
    """Return the findings of one session as rows of mart.mispricing (without its life) and mart.mispricing_leg.

    `fee_per_contract` is in dollars. Null measures are those of `finding_frames`.
    """
    rows = [
        {
            "number": number,
            "session_date": session_date,
            **{name: getattr(finding, name, None) for name in list(FINDING_COLUMNS)[2:]},
        }
        for number, finding in enumerate(findings)
    ]
    legs = [
        {"number": number, "instrument": "option", **{name: getattr(leg, name) for name in list(LEG_COLUMNS)[2:]}}
        for number, finding in enumerate(findings)
        for leg in finding.legs
    ]
    return finding_frames(
        pl.DataFrame(rows, schema=FINDING_COLUMNS),
        pl.DataFrame(legs, schema=LEG_COLUMNS),
        fee_per_contract=fee_per_contract,
    )
