"""What a box lends and borrows at executable prices, beside Treasury and the margin loan.

A box is a synthetic forward bought at one strike and sold at another: it pays the distance between them at settlement
whatever the index does. No box of a slice lends at more than -ln(D_hi)/tau or borrows at less than -ln(D_lo)/tau, with
D_lo and D_hi the ends of the slice's no-arbitrage interval of the discount factor.
"""

from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.mispricing.finding_frames import OPTION_MULTIPLIER, FindingFrames
from transforms.mispricing.findings import Finding, Leg, Side, finding_rows, legs_income
from transforms.mispricing.parity import synthetic_bounds
from transforms.pricing.forward import RateCurve
from transforms.pricing.slice_grid import slice_grid
from transforms.schemas import BOX_CURVE

Floats = NDArray[np.float64]

# A slice's own rate lies this far above Treasury at most, decimals, beyond UNUSUAL_DAYS (METHOD section 5).
USUAL_LOW, USUAL_HIGH = -0.0010, 0.0060
UNUSUAL_DAYS = 90.0
MONTH = 31.0 / 365.0


def box_curve(
    slices: pl.DataFrame, *, treasury: RateCurve | None = None, loan_rate: float | None = None
) -> pl.DataFrame:
    """Return feature.box_curve of one session: one row per live slice with a bound on its discount factor.

    Parameters
    ----------
    slices : feature.slice rows
        time_to_expiry (years), discount_low, discount_high, zero_rate (decimal), rate_source.
    treasury : RateCurve, optional
        Continuously compounded zero rates, decimals.
    loan_rate : decimal, optional

    Notes
    -----
    Rates are decimals a year, continuously compounded. treasury_rate is null for tenors that the curve does not reach
    (a month below its shortest, its longest): a 13-week bill says nothing about two years. mid_less_treasury and
    is_unusual are also null where the slice's rate is not its own (rate_source other than parity).
    """
    bounded = slices.filter(
        (pl.col("time_to_expiry") > 0.0)
        & (pl.col("discount_low").is_not_null() | pl.col("discount_high").is_not_null())
    )
    time = bounded["time_to_expiry"].to_numpy()
    rates = np.full(time.size, np.nan) if treasury is None else _quoted_rates(treasury, time)
    own_rate = pl.when(pl.col("rate_source") == "parity").then(pl.col("zero_rate"))
    with_treasury = bounded.with_columns(
        pl.Series("treasury_rate", rates, nan_to_null=True),
        pl.lit(loan_rate, dtype=pl.Float64).alias("loan_rate"),
    )
    rows = with_treasury.with_columns(
        (-pl.col("discount_high").log() / pl.col("time_to_expiry")).alias("lending_rate"),
        (-pl.col("discount_low").log() / pl.col("time_to_expiry")).alias("borrowing_rate"),
        (own_rate - pl.col("treasury_rate")).alias("mid_less_treasury"),
    ).with_columns(
        pl.when(365.0 * pl.col("time_to_expiry") > UNUSUAL_DAYS)
        .then(~pl.col("mid_less_treasury").is_between(USUAL_LOW, USUAL_HIGH))
        .alias("is_unusual")
    )
    return BOX_CURVE.conform(rows.select(BOX_CURVE.column_names))


def _quoted_rates(curve: RateCurve, time: Floats) -> Floats:
    """Return the curve's zero rates at times (years) that its tenors reach, NaN elsewhere."""
    reached = (time >= curve.time[0] - MONTH) & (time <= curve.time[-1])
    return np.where(reached, curve.rate(time), np.nan)


def box_findings(
    quotes: pl.DataFrame, curve: pl.DataFrame, *, box_threshold: float = 0.0060, fee_per_contract: float
) -> FindingFrames:
    """Return at most one finding of a session: the box that lends above Treasury or borrows below it by most a year.

    Parameters
    ----------
    quotes : core.option_quote rows of one session
    curve : feature.box_curve rows of the same session
    box_threshold : decimal a year
        What lending must pay above Treasury; borrowing need only cost less.
    fee_per_contract : dollars

    Notes
    -----
    `conditional`: edge_points is the width of the box at the Treasury rate against its price, so it is earned by who
    can fund or place the money at that rate; fees must leave some of it. Only slices that sell their box dearer or
    cheaper than Treasury count, and the next best is taken where a box does not pay its fees.
    """
    session: date = quotes["session_date"][0] if quotes.height else date.min
    candidates = curve.select(
        "root",
        "expiration",
        "time_to_expiry",
        "treasury_rate",
        (pl.col("lending_rate") - pl.col("treasury_rate") - box_threshold).alias("lend"),
        (pl.col("treasury_rate") - pl.col("borrowing_rate")).alias("borrow"),
    ).unpivot(
        ["lend", "borrow"],
        index=["root", "expiration", "time_to_expiry", "treasury_rate"],
        variable_name="direction",
        value_name="excess",
    )
    ranked = candidates.filter(pl.col("excess") > 0.0).sort(
        "excess", "expiration", "root", "direction", descending=[True, False, False, False]
    )
    for row in ranked.rows(named=True):
        own = quotes.filter((pl.col("root") == row["root"]) & (pl.col("expiration") == row["expiration"]))
        finding = _box(
            own, direction=row["direction"], treasury_rate=row["treasury_rate"], time_to_expiry=row["time_to_expiry"]
        )
        contracts = sum(leg.quantity for leg in finding.legs)
        if OPTION_MULTIPLIER * finding.edge_points > fee_per_contract * contracts:
            return finding_rows(session, [finding], fee_per_contract=fee_per_contract)
    return finding_rows(session, [], fee_per_contract=fee_per_contract)


def _box(
    quotes: pl.DataFrame, *, direction: Literal["lend", "borrow"], treasury_rate: float, time_to_expiry: float
) -> Finding:
    """Return the box of one slice that lends at the highest or borrows at the lowest rate."""
    grid = slice_grid(quotes)
    strike = grid.strike[0]
    lower, upper = synthetic_bounds(grid.call_bid, grid.call_ask, put_bid=grid.put_bid, put_ask=grid.put_ask)
    # Buying the synthetic at K_buy costs upper, selling it at K_sell pays lower; settlement pays K_sell - K_buy.
    cost = upper[0][:, None] - lower[0][None, :]
    width = strike[None, :] - strike[:, None]
    lends = direction == "lend"
    with np.errstate(divide="ignore", invalid="ignore"):
        price = np.where((width > 0.0) if lends else (width < 0.0), cost / width, np.inf if lends else -np.inf)
    price = np.where(np.isfinite(cost), price, np.inf if lends else -np.inf)
    best = int(np.argmin(price)) if lends else int(np.argmax(price))
    bought, sold = divmod(best, strike.size)
    rows = {(row["strike"], row["option_type"]): row for row in grid.quotes.rows(named=True)}
    four: tuple[tuple[float, str, Side], ...] = (
        (strike[bought], "call", "buy"),
        (strike[bought], "put", "sell"),
        (strike[sold], "call", "sell"),
        (strike[sold], "put", "buy"),
    )
    legs = [
        _leg(rows[float(level), option_type], side=side)
        for level, option_type, side in four
        if (float(level), option_type) in rows
    ]
    fair = float(width[bought, sold]) * float(np.exp(-treasury_rate * time_to_expiry))
    rate = -np.log(price[bought, sold]) / time_to_expiry
    return Finding(
        kind="box_rate",
        root=grid.quotes["root"][0],
        expiration=grid.quotes["expiration"][0],
        # What has no bid is kept, not sold.
        legs=tuple(leg for leg in legs if leg.price > 0.0),
        edge_points=fair + legs_income(legs),
        confidence="conditional",
        from_flagged_quotes=bool((grid.quotes["snapshot_kind"] == "non_regular").any()),
        note=f"{'lends' if lends else 'borrows'} at {rate:.4%} against Treasury {treasury_rate:.4%}",
    )


def _leg(row: dict[str, Any], *, side: Side) -> Leg:
    """Return one contract of a quote's row of core.option_quote."""
    bid, ask = row["bid"] or 0.0, row["ask"] or None
    return Leg(
        root=row["root"],
        expiration=row["expiration"],
        strike=row["strike"],
        option_type=row["option_type"],
        side=side,
        quantity=1.0,
        price=ask if side == "buy" and ask is not None else bid,
        size=row["ask_size"] if side == "buy" else row["bid_size"],
        half_spread=None if ask is None else 0.5 * (ask - bid),
    )
