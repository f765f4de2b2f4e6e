"""Calendar spreads below their floor: a near option sold for more than a further one that is worth at least as much.

If the ratio of two forwards is fixed, S(T1)*F2/F1 is the far forward at the near expiration, and a far call struck at
K2 <= K1*F2/F1, held D1*F1/(D2*F2) times, is then worth at least (S - K1)+ whatever the volatility: a call is worth no
less than the discounted intrinsic value on its forward. Puts mirror this with K2 >= K1*F2/F1. In prices over D*F and
strikes over F: no near bid may exceed a far ask at the same or a lower (puts: higher) relative strike.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.mispricing.finding_frames import LEG_COLUMNS, OPTION_MULTIPLIER, FindingFrames, finding_frames
from transforms.pricing.slice_grid import SLICE_KEY, SliceGrid, slice_grid

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# VIX expirations have a future each; nothing ties one to another.
ROOTS = ("SPX", "SPXW")
# Standard errors of the two slices' D*F that an edge must exceed.
ERRORS = 2.0
ASSUMPTION = "assumes that the ratio of the two forwards stays as it is"


@dataclass(frozen=True)
class Crossings:
    """Near bids above the cheapest far ask that covers them, one element per near quote.

    near, far: row numbers of the quotes in the grid's sorted quotes; near_slice, far_slice: their slices; ratio: far
    options bought for each near one sold, D1*F1/(D2*F2); edge: bid less ratio times ask, index points.
    """

    near: Indices
    far: Indices
    near_slice: Indices
    far_slice: Indices
    ratio: Floats
    edge: Floats

    def take(self, rows: Indices | NDArray[np.bool_]) -> "Crossings":
        """Return the chosen crossings."""
        return Crossings(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def calendar_findings(
    quotes: pl.DataFrame, slices: pl.DataFrame, *, fee_per_contract: float, grid: SliceGrid | None = None
) -> FindingFrames:
    """Return the calendar crossings of one session worth more than their fees: the best of each pair of slices.

    Parameters
    ----------
    quotes : core.option_quote rows of one session
        Index points; a bid of 0 sells nothing, a null ask buys nothing.
    slices : feature.slice rows of the same session
        Expired slices and slices without a forward are skipped.
    fee_per_contract : dollars
    grid : SliceGrid of the quotes, if it is at hand

    Notes
    -----
    A near quote is compared with the cheapest cover among all slices that settle later in the same way, so it names
    one far slice. `conditional`: the note states the assumption. The edge must exceed what twice the
    standard errors of the fitted forwards and discount factors could take from the far leg.
    """
    grid = grid or slice_grid(quotes.filter(pl.col("root").is_in(ROOTS)))
    facts = grid.slices.join(slices, on=SLICE_KEY, how="left", validate="1:1", maintain_order="left")
    found = calendar_crossings(grid, facts)
    found = found.take(OPTION_MULTIPLIER * found.edge > fee_per_contract * (1.0 + found.ratio))
    found = _best_of_pairs(found, n_slices=grid.n_slices)
    near, far = grid.quotes[found.near], grid.quotes[found.far]
    flagged = (near["snapshot_kind"] == "non_regular") | (far["snapshot_kind"] == "non_regular")
    findings = near.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("number"),
        "session_date",
        pl.lit("calendar").alias("kind"),
        "root",
        "expiration",
        pl.Series("edge_points", found.edge),
        pl.lit("conditional").alias("confidence"),
        pl.lit(None, dtype=pl.Float64).alias("z_score"),
        pl.lit(None, dtype=pl.Float64).alias("vol_points"),
        flagged.alias("from_flagged_quotes"),
        pl.lit(ASSUMPTION).alias("note"),
    )
    legs = pl.concat(
        [
            option_legs(near, side=pl.lit("sell"), quantity=pl.lit(1.0)),
            option_legs(far, side=pl.lit("buy"), quantity=pl.Series(found.ratio)),
        ]
    )
    return finding_frames(findings, legs, fee_per_contract=fee_per_contract)


def option_legs(quotes: pl.DataFrame, *, side: pl.Expr, quantity: pl.Expr | pl.Series) -> pl.DataFrame:
    """Return one leg of finding 0, 1, 2, ... per core.option_quote row: bought at its ask or sold at its bid.

    `quantity` is in contracts of one package.
    """
    buys = pl.col("side") == "buy"
    return (
        quotes.with_columns(side.alias("side"))
        .with_columns(
            pl.int_range(pl.len(), dtype=pl.Int64).alias("number"),
            pl.lit("option").alias("instrument"),
            quantity.alias("quantity"),
            pl.when(buys).then("ask").otherwise("bid").alias("price"),
            pl.when(buys).then("ask_size").otherwise("bid_size").cast(pl.Int64).alias("size"),
            pl.lit(None, dtype=pl.Float64).alias("doubt_points"),
            pl.when(pl.col("ask") > 0.0).then(0.5 * (pl.col("ask") - pl.col("bid"))).alias("half_spread"),
        )
        .select(list(LEG_COLUMNS))
    )


def value_at_near_expiration(
    level: Floats, *, strikes: tuple[float, float], ratio: float, is_call: bool, scale: tuple[float, float]
) -> Floats:
    """Return the least a package short one near option is worth when the near one settles at `level`, index points.

    Parameters
    ----------
    level : array, index points
    strikes : of the near and the far option
    ratio : far options held
    scale : D2/D1 and F2/F1
        The far option counts as its discounted intrinsic value on the far forward level*F2/F1: it is worth no less.
    """
    sign = 1.0 if is_call else -1.0
    paid = np.maximum(sign * (level - strikes[0]), 0.0)
    held = ratio * scale[0] * np.maximum(sign * (level * scale[1] - strikes[1]), 0.0)
    return np.asarray(held - paid)


def calendar_crossings(grid: SliceGrid, facts: pl.DataFrame) -> Crossings:
    """Return every near quote whose bid exceeds its cheapest cover by more than the fits' errors, sorted by quote.

    Parameters
    ----------
    grid : SliceGrid of one session
    facts : frame, one row per slice of the grid in its order
        time_to_expiry (years), forward and forward_error (points), discount_factor, discount_error.

    Notes
    -----
    From the furthest slice to the nearest, one staircase is kept per root and side: the lowest relative ask at or below
    each relative strike. A slice looks its bids up in it and then adds its asks, so that the cost is linear in quotes.
    """
    facts_of = {
        name: facts[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for name in ("time_to_expiry", "forward", "forward_error", "discount_factor", "discount_error")
    }
    tau, scale = facts_of["time_to_expiry"], facts_of["forward"] * facts_of["discount_factor"]
    strike = grid.of_quotes(grid.strike)
    bid = grid.quotes["bid"].cast(pl.Float64).fill_null(0.0).to_numpy()
    ask = grid.quotes["ask"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    with np.errstate(invalid="ignore"):
        relative = np.where(grid.is_call, 1.0, -1.0) * strike / facts_of["forward"][grid.slice_of]
        relative_bid = np.where(bid > 0.0, bid, np.nan) / scale[grid.slice_of]
        relative_ask = np.where(ask > 0.0, ask, np.nan) / scale[grid.slice_of]
    root = grid.slices["root"].to_numpy()
    usable = np.isfinite(scale) & (tau > 0.0)
    pairs = [
        _covers(
            np.flatnonzero(usable & (root == name))[np.argsort(-tau[usable & (root == name)], kind="stable")],
            grid,
            calls=calls,
            keys=(relative, relative_bid, relative_ask),
        )
        for name in ROOTS
        for calls in (True, False)
    ]
    near = np.concatenate([pair[0] for pair in pairs])
    far = np.concatenate([pair[1] for pair in pairs])
    order = np.argsort(near, kind="stable")
    near, far = near[order], far[order]
    near_slice, far_slice = grid.slice_of[near], grid.slice_of[far]
    ratio = scale[near_slice] / scale[far_slice]
    edge = bid[near] - ratio * ask[far]
    error = _fit_errors(facts_of, near_slice=near_slice, far_slice=far_slice)
    # What the errors leave open: how many far options the near one needs, and how far their strike lies from the bound.
    room = np.abs(relative[near] - relative[far])
    short = np.maximum(ERRORS * error.forward * np.abs(relative[near]) - room, 0.0)
    allowed = ERRORS * error.scale * ratio * ask[far] + scale[near_slice] * short
    return Crossings(near, far, near_slice, far_slice, ratio, edge).take(edge > allowed)


@dataclass(frozen=True)
class _FitErrors:
    """Standard errors of the ratio of two forwards and of the ratio of two D*F, relative, one per crossing."""

    forward: Floats
    scale: Floats


def _fit_errors(facts_of: dict[str, Floats], *, near_slice: Indices, far_slice: Indices) -> _FitErrors:
    forward = np.nan_to_num(facts_of["forward_error"] / facts_of["forward"])
    # A slice that takes its rate from the curve of the others has no error of its own.
    discount = np.nan_to_num(facts_of["discount_error"] / facts_of["discount_factor"])
    both = np.hypot(forward, discount)
    return _FitErrors(
        forward=np.hypot(forward[near_slice], forward[far_slice]),
        scale=np.hypot(both[near_slice], both[far_slice]),
    )


def _covers(
    slices: Indices, grid: SliceGrid, *, calls: bool, keys: tuple[Floats, Floats, Floats]
) -> tuple[Indices, Indices]:
    """Return (near quote, far quote) row numbers of crossings among slices given from the furthest to the nearest."""
    relative, relative_bid, relative_ask = keys
    starts = np.searchsorted(grid.slice_of, slices)
    ends = np.searchsorted(grid.slice_of, slices, side="right")
    stair_at, stair_ask, stair_row = np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)
    found: list[tuple[Indices, Indices]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        rows = start + np.flatnonzero(grid.is_call[start:end] == calls)
        if stair_at.size:
            place = np.searchsorted(stair_at, relative[rows], side="right") - 1
            with np.errstate(invalid="ignore"):
                crossed = (place >= 0) & (relative_bid[rows] > stair_ask[place])
            found.append((rows[crossed], stair_row[place[crossed]]))
        rows = rows[np.isfinite(relative_ask[rows])]
        at = np.concatenate((stair_at, relative[rows]))
        asks = np.concatenate((stair_ask, relative_ask[rows]))
        row = np.concatenate((stair_row, rows))
        order = np.lexsort((asks, at))
        at, asks, row = at[order], asks[order], row[order]
        lowest = np.minimum.accumulate(asks)
        steps = np.append(True, lowest[1:] < lowest[:-1])[: at.size]
        stair_at, stair_ask, stair_row = at[steps], asks[steps], row[steps]
    none = np.empty(0, dtype=np.int64)
    return np.concatenate([none, *(near for near, _ in found)]), np.concatenate([none, *(far for _, far in found)])


def _best_of_pairs(found: Crossings, *, n_slices: int) -> Crossings:
    """Return the crossing of largest edge of each (near, far) pair of slices, by descending edge."""
    order = np.lexsort((found.far, found.near, -found.edge))
    pair = (found.near_slice * n_slices + found.far_slice)[order]
    _, first = np.unique(pair, return_index=True)
    return found.take(order[np.sort(first)])
