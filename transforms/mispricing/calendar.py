"""Calendar spreads below their floor: a near option sold for more than a further one that is worth at least as much.

If the ratio of two forwards is fixed, S(T1)*F2/F1 is the far forward at the near expiration, and a far call struck at
K2 <= K1*F2/F1, held D1*F1/(D2*F2) times, is then worth at least (S - K1)+ whatever the volatility: the price of a call
is no less than its discounted intrinsic value on the forward. Puts mirror this with K2 >= K1*F2/F1. In prices over D*F
and strikes over F the rule reads: no near bid above a far ask at the same or a lower (puts: higher) relative strike.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.mispricing.findings import Finding, Leg
from transforms.pricing.slice_grid import SLICE_KEY, SliceGrid, slice_grid

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# VIX expirations have a future each; nothing ties one to another.
ROOTS = ("SPX", "SPXW")
# Standard errors of the two slices' D*F that an edge must exceed.
ERRORS = 2.0
ASSUMPTION = "assumes that the ratio of the two forwards stays what it is"


@dataclass(frozen=True)
class Crossings:
    """Near bids above the best far ask, one element per near quote.

    near, far: slice numbers; near_column, far_column: columns of the grid; is_call: side; ratio: far options bought
    for each near one sold, D1*F1/(D2*F2); edge: bid less ratio times ask, index points.
    """

    near: Indices
    near_column: Indices
    far: Indices
    far_column: Indices
    is_call: NDArray[np.bool_]
    ratio: Floats
    edge: Floats


def calendar_findings(quotes: pl.DataFrame, slices: pl.DataFrame) -> list[Finding]:
    """Return the calendar crossings of one session, the best of each pair of slices, `conditional`.

    Parameters
    ----------
    quotes : core.option_quote rows of one session
        Index points. Expired slices and slices without a forward are skipped.
    slices : feature.slice rows of the same session

    Notes
    -----
    A near quote is compared with the cheapest of all slices that settle later in the same way, so its crossing names
    one far slice; the finding of a pair of slices is its largest edge. The edge must exceed twice the standard error
    that the fitted forwards and discount factors leave in the amount of far options.
    """
    own = quotes.filter(pl.col("root").is_in(ROOTS))
    if own.is_empty():
        return []
    grid = slice_grid(own)
    facts = grid.slices.join(slices, on=SLICE_KEY, how="left", validate="1:1", maintain_order="left")
    found = calendar_crossings(grid, facts)
    best = _best_of_pairs(found)
    session = own["session_date"][0]
    doubtful = bool((own["snapshot_kind"] == "non_regular").any())
    sizes = {name: grid.quotes[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("bid_size", "ask_size")}
    padded = {
        (name, calls): grid.padded(values, calls=calls) for name, values in sizes.items() for calls in (True, False)
    }
    roots, expirations = grid.slices["root"].to_list(), grid.slices["expiration"].to_list()
    findings = []
    for i in best.tolist():
        near, far, calls = int(found.near[i]), int(found.far[i]), bool(found.is_call[i])
        bid, ask = (grid.call_bid, grid.call_ask) if calls else (grid.put_bid, grid.put_ask)
        legs = tuple(
            Leg(
                instrument="option",
                root=roots[row],
                expiration=expirations[row],
                strike=float(grid.strike[row, column]),
                option_type="call" if calls else "put",
                side=side,
                quantity=quantity,
                price=float(price[row, column]),
                size=_count(padded[size, calls][row, column]),
                half_spread=_number(0.5 * (ask[row, column] - bid[row, column])),
            )
            for row, column, side, quantity, price, size in (
                (near, int(found.near_column[i]), "sell", 1.0, bid, "bid_size"),
                (far, int(found.far_column[i]), "buy", float(found.ratio[i]), ask, "ask_size"),
            )
        )
        findings.append(
            Finding(
                session_date=session,
                kind="calendar",
                root=roots[near],
                expiration=expirations[near],
                edge_points=float(found.edge[i]),
                confidence="conditional",
                legs=legs,
                from_flagged_quotes=doubtful,
                note=ASSUMPTION,
            )
        )
    return findings
