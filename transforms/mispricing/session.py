"""One session through every detector, without memory: what is looked for each night, in one list.

Residuals come out as misfits: whether one is a finding depends on the sessions before, which `residual` judges.
"""

from dataclasses import dataclass

import polars as pl

from transforms.mispricing.box import box_curve, box_findings
from transforms.mispricing.calendar import calendar_findings
from transforms.mispricing.finding_frames import FindingFrames
from transforms.mispricing.locks import executable_findings
from transforms.mispricing.residual import QUOTE_KEY, residuals
from transforms.mispricing.vix import forward_variance_findings, variance_triangle, vix_parity_findings
from transforms.pricing.forward import RateCurve
from transforms.pricing.slice_grid import slice_grid
from transforms.sessions import TradingCalendar

TREASURY = "treasury"
# What the detectors read of core.option_quote.
QUOTE_COLUMNS = [*QUOTE_KEY, "quote_ts", "snapshot_kind", "bid", "ask", "bid_size", "ask_size"]


@dataclass(frozen=True)
class SessionMispricings:
    """What the detectors say of one session.

    found: findings of every kind but surface_residual. box_curve, variance_triangle: rows of those feature tables.
    misfits: `residual.residuals`, one row per two-sided quote on a fitted smile.
    """

    found: FindingFrames
    box_curve: pl.DataFrame
    variance_triangle: pl.DataFrame
    misfits: pl.DataFrame


def session_mispricings(
    quotes: pl.DataFrame,
    slices: pl.DataFrame,
    option_analytics: pl.DataFrame,
    *,
    futures: pl.DataFrame,
    rates: RateCurve | None,
    calendar: TradingCalendar,
    fee_per_contract: float,
    loan_rate: float | None = None,
    box_threshold: float = 0.0060,
    vx_bound_tolerance: float = 0.30,
) -> SessionMispricings:
    """Return what every detector finds in one session.

    Parameters
    ----------
    quotes, slices, option_analytics, futures : rows of core.option_quote (at least QUOTE_COLUMNS), feature.slice,
        feature.option_analytics (at least residual.FITTED_COLUMNS) and core.futures_settlement of the session
    rates : RateCurve, optional
        Rates known at the session; boxes are held against it only if it is the Treasury curve: a bill is no yardstick
        for two years.
    fee_per_contract : dollars a contract of options
    loan_rate : the account's margin loan rate, decimal; None if not stated
    box_threshold : decimal a year
    vx_bound_tolerance : points of VIX
    """
    grid = slice_grid(quotes)
    triangle = variance_triangle(quotes, slices, futures=futures, calendar=calendar, grid=grid)
    clocks = triangle.group_by("session_date").agg(pl.col("clock_gap_minutes").first())
    treasury = rates if rates is not None and rates.name == TREASURY else None
    curve = box_curve(slices, treasury=treasury, loan_rate=loan_rate)
    locks = executable_findings(quotes, slices, fee_per_contract=fee_per_contract, grid=grid)
    doubted = locks.legs.filter(pl.col("doubt_points") > 0.0)
    # A quote that a lock tells of is not told again by a calendar.
    rest, rest_grid = (_without(quotes, doubted), None) if doubted.height else (quotes, grid)
    found = [
        locks,
        box_findings(quotes, curve, box_threshold=box_threshold, fee_per_contract=fee_per_contract),
        calendar_findings(rest, slices, fee_per_contract=fee_per_contract, grid=rest_grid),
        forward_variance_findings(triangle, vx_bound_tolerance=vx_bound_tolerance),
        vix_parity_findings(slices, futures=futures, clocks=clocks),
    ]
    return SessionMispricings(FindingFrames.concat(found), curve, triangle, residuals(option_analytics, quotes))


def _without(quotes: pl.DataFrame, legs: pl.DataFrame) -> pl.DataFrame:
    """Return quotes without the bids that legs sell at and the asks they buy at."""
    option = ["root", "expiration", "strike", "option_type"]
    sides = legs.group_by(option).agg(
        (pl.col("side") == "sell").any().alias("sold"), (pl.col("side") == "buy").any().alias("bought")
    )
    return (
        quotes.join(sides, on=option, how="left", validate="m:1", maintain_order="left")
        .with_columns(
            pl.when(pl.col("sold").fill_null(False)).then(0.0).otherwise("bid").alias("bid"),
            pl.when(~pl.col("bought").fill_null(False)).then("ask").alias("ask"),
        )
        .drop("sold", "bought")
    )
