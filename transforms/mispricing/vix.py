"""VIX against SPX: the same expected variance priced by SPX options, by VX futures and by VIX options.

At its settlement VIX^2 is the variance of SPX over the 30 days that follow. So E[VIX^2] is the SPX forward variance of
those days, read off two strips, and also F^2 + (2/D)*(integral of out-of-the-money VIX options over strikes), while VX
is E[VIX] and cannot exceed the root of E[VIX^2] (Jensen). Settlements and mids are no quotes: all of it is indicative.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.mispricing.finding_frames import FindingFrames, finding_frames
from transforms.pricing.black76 import black_price
from transforms.pricing.density import STEEPEST_FOR_VARIANCE
from transforms.pricing.slice_grid import SLICE_KEY, SliceGrid, slice_grid
from transforms.pricing.svi import SviSlices
from transforms.pricing.variance import Strip, cboe_strip
from transforms.schemas import VARIANCE_TRIANGLE
from transforms.sessions import (
    INDEX_CLOSE,
    INDEX_HALF_DAY_CLOSE,
    OPTION_CLOSE,
    TradingCalendar,
    settlement_instant,
    to_utc,
)

Floats = NDArray[np.float64]

SPX_ROOTS, VIX_ROOTS = ("SPX", "SPXW"), ("VIX", "VIXW")
VARIANCE_DAYS = 30
# An expiration moved off a holiday leaves 29 or 31 days; the variance is annualized over the days there are.
DAYS_MOVED = 1
MINUTES_PER_DAY, DAYS_PER_YEAR = 1_440.0, 365.0
# Cboe moved the daily settlement of VX from 16:15 to 16:00 New York on this day.
SETTLED_AT_FOUR_FROM = date(2020, 10, 26)
# Below this the clocks and the interpolation alone move the gap by 0.4 to 0.5 points.
LEAST_DAYS = 7
SYNTHETICS_PER_FUTURE = 10.0
# Quotes and settlement further apart than this are of two markets: the finding is flagged.
MINUTES_APART = 60.0
# Nodes of the wing integrals: distance from the last strike in units of at-the-money deviation, up to e^7.
TAIL_U = np.linspace(0.0, 7.0, 281)


@dataclass(frozen=True)
class SliceVariance:
    """One SPX slice's total variance to its settlement, E[-2*ln(S/F)], decimal squared times years.

    strip: Cboe's sum over the strikes listed. extended: the same plus the wings beyond them under the fitted smile; NaN
    where the smile was refused. time_to_expiry: years.
    """

    time_to_expiry: float
    strip: float
    extended: float


def wing_integrals(smile: SviSlices, low: Floats, *, high: Floats, power: float) -> Floats:
    """Return 2*integral of v(k)*exp(power*k) beyond k = low and k = high, summed, shape (n,).

    v is the undiscounted out-of-the-money price over the forward under the smile. With power -1 it is the part of
    E[-2*ln(S/F)] that the strikes beyond contribute, with power +1 that of E[(S/F)^2].
    """
    unit = 0.5 * np.sqrt(smile.total_variance(np.zeros(1)))
    away, weight = unit * np.expm1(TAIL_U), unit * np.exp(TAIL_U) * _simpson(TAIL_U)
    total = np.zeros(len(smile))
    for start, sign in ((low, -1.0), (high, 1.0)):
        k = start[:, None] + sign * away
        # Beyond e^(+-60) of the forward no price is left, and exp would overflow.
        near = np.abs(k) < 60.0
        k = np.where(near, k, 0.0)
        price = black_price(
            1.0,
            np.exp(k).ravel(),
            time_to_expiry=1.0,
            implied_vol=np.sqrt(smile.total_variance(k)).ravel(),
            discount_factor=1.0,
            is_call=sign > 0.0,
        ).reshape(k.shape)
        total += np.where(near, 2.0 * weight * price * np.exp(power * k), 0.0).sum(axis=1)
    return total


def _simpson(nodes: Floats) -> Floats:
    """Return Simpson's weights on an odd number of evenly spaced nodes."""
    weights = np.where(np.arange(nodes.size) % 2 == 1, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    return np.asarray(weights * (nodes[1] - nodes[0]) / 3.0)


def strip_variances(grid: SliceGrid, facts: pl.DataFrame, rows: list[int]) -> dict[int, SliceVariance]:
    """Return the variance of the chosen SPX slices that have a strip, by slice number.

    `facts` holds the feature.slice columns of the grid's slices in its order.
    """
    strips = {row: _strip(grid, facts, row) for row in rows}
    known = {row: strip for row, strip in strips.items() if strip is not None}
    tau = facts["time_to_expiry"].to_numpy()
    wings = _wings(known, facts, power=-1.0)
    return {
        row: SliceVariance(float(tau[row]), strip.variance * tau[row], strip.variance * tau[row] + wings[row])
        for row, strip in known.items()
    }


def vix_second_moments(grid: SliceGrid, facts: pl.DataFrame) -> pl.DataFrame:
    """Return E[VIX^2] of every live slice of VIX and VIXW: F^2 + (2/D)*(integral of puts below F and calls above).

    Columns root, expiration, vix_forward (points, the slice's own), vix_second_moment (points squared): Cboe's strip of
    the slice, and beyond its strikes the fitted smile where it has one and its right wing leaves E[VIX^2] finite
    (Lee 2004).
    """
    tau = facts["time_to_expiry"].to_numpy()
    is_vix = grid.slices["root"].is_in(VIX_ROOTS).to_list()
    live = [row for row in range(grid.n_slices) if is_vix[row] and tau[row] > 0.0]
    strips = {row: strip for row in live if (strip := _strip(grid, facts, row)) is not None}
    wings = _wings(strips, facts, power=1.0)
    slope = (facts["svi_b"] * (1.0 + facts["svi_rho"])).fill_null(np.inf).to_numpy()
    rate = facts["zero_rate"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    forwards = facts["forward"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    rows = []
    for row, strip in strips.items():
        forward = float(forwards[row])
        widths = strip.weights * strip.strikes**2
        options = 2.0 * np.exp(rate[row] * tau[row]) * float(np.dot(widths, strip.prices))
        # Between K0 and the forward the strip holds the options of the other side.
        moment = forward**2 + options - (forward - strip.at_the_money_strike) ** 2
        if slope[row] < STEEPEST_FOR_VARIANCE:
            moment += forward**2 * wings[row]
        rows.append((*grid.slices.row(row), forward, moment))
    schema = {**grid.slices.schema, "vix_forward": pl.Float64(), "vix_second_moment": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _strip(grid: SliceGrid, facts: pl.DataFrame, row: int) -> Strip | None:
    tau, rate = facts["time_to_expiry"][row], facts["zero_rate"][row]
    if rate is None or tau is None or not tau > 0.0:
        return None
    return cboe_strip(
        grid.strike[row],
        grid.call_bid[row],
        call_ask=grid.call_ask[row],
        put_bid=grid.put_bid[row],
        put_ask=grid.put_ask[row],
        time_to_expiry=tau,
        rate=rate,
    )


def _wings(strips: dict[int, Strip], facts: pl.DataFrame, *, power: float) -> dict[int, float]:
    """Return `wing_integrals` beyond the outermost strikes of each slice's strip; NaN without a smile.

    The end strikes of a strip stand for half a step beyond themselves.
    """
    rows = list(strips)
    if not rows:
        return {}
    parameters = (
        facts[name].gather(rows).cast(pl.Float64).fill_null(np.nan).to_numpy()
        for name in ("svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma")
    )
    smile = SviSlices(*parameters)
    forward = facts["forward"].gather(rows).to_numpy()
    ends = np.array([_covered(strips[row]) for row in rows])
    with np.errstate(invalid="ignore"):
        low, high = np.log(ends.T / forward)
        total = wing_integrals(smile, low, high=high, power=power)
    return dict(zip(rows, np.where(np.isnan(smile.a), np.nan, total).tolist(), strict=True))


def _covered(strip: Strip) -> tuple[float, float]:
    strikes = strip.strikes
    # A strip of few strikes may reach below 0, where there is no wing left.
    low = max(1.5 * strikes[0] - 0.5 * strikes[1], 1e-6 * strip.forward)
    return float(low), float(1.5 * strikes[-1] - 0.5 * strikes[-2])


def variance_triangle(
    quotes: pl.DataFrame,
    slices: pl.DataFrame,
    *,
    futures: pl.DataFrame,
    calendar: TradingCalendar,
    max_bracket_days: float = 3.0,
    grid: SliceGrid | None = None,
) -> pl.DataFrame:
    """Return feature.variance_triangle of one session: one row per VX or VIX option expiration still ahead.

    Parameters
    ----------
    quotes : core.option_quote rows of the session
    slices : feature.slice rows of the session
    futures : core.futures_settlement, at least the session's rows
    max_bracket_days : days
        How far the expiration may lie from the nearer of the two SPX slices that bracket it.
    grid : SliceGrid of the quotes, if it is at hand

    Notes
    -----
    Forward variance is (w(far) - w(near))/(t_far - t_near). The far leg is the SPX AM slice that settles 30 days after
    the expiration (29 or 31 where a holiday moved one of them), so weekly expirations, 30 days before a PM series, have
    none. w(near) is linear in time between the nearest slices, SPX or SPXW, that settle before and after the
    expiration's instant. bracket_days is the distance to the nearer; beyond `max_bracket_days` the figures are null.
    """
    if quotes.is_empty():
        return VARIANCE_TRIANGLE.empty()
    session, quote_ts = quotes.select("session_date", pl.col("quote_ts").max()).row(0)
    grid = grid or slice_grid(quotes)
    facts = grid.slices.join(slices, on=SLICE_KEY, how="left", validate="1:1", maintain_order="left")
    vx = futures.filter((pl.col("session_date") == session) & (pl.col("expiration") > session)).select(
        "expiration", pl.col("settle").alias("vx")
    )
    moments = vix_second_moments(grid, facts).drop("root").unique("expiration", keep="first", maintain_order=True)
    rows = vx.join(moments, on="expiration", how="full", coalesce=True, validate="1:1").sort("expiration")
    legs = _forward_variances(grid, facts, rows["expiration"].to_list(), quote_ts=quote_ts, calendar=calendar)
    rows = rows.join(legs, on="expiration", how="left", validate="1:1")
    kept = pl.col("bracket_days") <= max_bracket_days
    forward_variance = pl.when(kept).then("spx_forward_variance")
    strip = pl.when(kept).then("spx_forward_variance_strip")
    level = 100.0 * forward_variance.sqrt()
    settled = _vx_settlement_instant(session, calendar=calendar)
    return VARIANCE_TRIANGLE.conform(
        rows.select(
            pl.lit(session, dtype=pl.Date).alias("session_date"),
            "expiration",
            (pl.col("expiration") - session).dt.total_days().alias("days_to_expiry"),
            "vx",
            forward_variance.alias("spx_forward_variance"),
            strip.alias("spx_forward_variance_strip"),
            (level - 100.0 * strip.sqrt()).abs().alias("truncation_estimate"),
            "vix_forward",
            "vix_second_moment",
            (pl.col("vix_second_moment") - pl.col("vix_forward") ** 2).alias("vix_option_variance"),
            (1e4 * forward_variance - pl.col("vx") ** 2).alias("convexity"),
            (level - pl.col("vx")).alias("gap_vol_points"),
            "bracket_days",
            pl.lit((quote_ts - settled) / timedelta(minutes=1)).alias("clock_gap_minutes"),
        ).with_columns(pl.col(pl.Float64).fill_nan(None))
    )


def _forward_variances(
    grid: SliceGrid, facts: pl.DataFrame, expirations: list[date], *, quote_ts: datetime, calendar: TradingCalendar
) -> pl.DataFrame:
    """Return expiration, spx_forward_variance (extended), spx_forward_variance_strip and bracket_days."""
    tau = facts["time_to_expiry"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    has_strip = facts["zero_rate"].is_not_null().to_numpy() & facts["model_free_variance"].is_not_null().to_numpy()
    root = grid.slices["root"].to_list()
    day = grid.slices["expiration"].to_list()
    usable = [row for row in np.argsort(tau, kind="stable").tolist() if has_strip[row] and tau[row] > 0.0]
    usable = [row for row in usable if root[row] in SPX_ROOTS]
    far_of = {day[row]: row for row in usable if root[row] == "SPX"}
    times = tau[usable]
    plans = []
    for expiration in expirations:
        instant = settlement_instant("VIX", expiration, calendar=calendar)
        near_tau = (instant - quote_ts) / timedelta(days=DAYS_PER_YEAR)
        ahead = [VARIANCE_DAYS + moved for moved in (0, -DAYS_MOVED, DAYS_MOVED)]
        far = next((far_of[d] for days in ahead if (d := expiration + timedelta(days=days)) in far_of), None)
        after = int(np.searchsorted(times, near_tau))
        if far is not None and 0 < after < len(usable):
            plans.append((expiration, near_tau, usable[after - 1], usable[after], far))
    needed = sorted({row for plan in plans for row in plan[2:]})
    variances = strip_variances(grid, facts, needed)
    rows = []
    for expiration, near_tau, before, after, far in plans:
        if all(row in variances for row in (before, after, far)):
            low, high, end = variances[before], variances[after], variances[far]
            share = (near_tau - low.time_to_expiry) / (high.time_to_expiry - low.time_to_expiry)
            forward = [
                (w_far - (w_low + share * (w_high - w_low))) / (end.time_to_expiry - near_tau)
                for w_low, w_high, w_far in (
                    (low.extended, high.extended, end.extended),
                    (low.strip, high.strip, end.strip),
                )
            ]
            distance = DAYS_PER_YEAR * min(near_tau - low.time_to_expiry, high.time_to_expiry - near_tau)
            rows.append((expiration, *forward, distance))
    schema = {
        "expiration": pl.Date(),
        **{name: pl.Float64() for name in ("spx_forward_variance", "spx_forward_variance_strip", "bracket_days")},
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _vx_settlement_instant(session: date, *, calendar: TradingCalendar) -> datetime:
    if calendar.is_early_close(session):
        return to_utc(session, INDEX_HALF_DAY_CLOSE)
    return to_utc(session, INDEX_CLOSE if session >= SETTLED_AT_FOUR_FROM else OPTION_CLOSE)


def forward_variance_findings(triangle: pl.DataFrame, *, vx_bound_tolerance: float = 0.30) -> FindingFrames:
    """Return the VX settlements above the root of SPX forward variance by more than tolerance and truncation.

    `triangle` is feature.variance_triangle of any sessions; the tolerance is in VIX points. edge_points is the excess,
    VIX points. Legs: the future sold at its settlement, the forward variance (in VIX points) bought. Expirations
    within a week are never findings.
    """
    found = triangle.filter(
        (pl.col("days_to_expiry") >= LEAST_DAYS)
        & (pl.col("gap_vol_points") < -(vx_bound_tolerance + pl.col("truncation_estimate").fill_null(0.0)))
    ).sort("session_date", "expiration")
    number = pl.int_range(pl.len(), dtype=pl.Int64).alias("number")
    findings = found.select(
        number,
        "session_date",
        pl.lit("forward_variance").alias("kind"),
        pl.lit("VX").alias("root"),
        "expiration",
        (-pl.col("gap_vol_points")).alias("edge_points"),
        pl.lit("indicative").alias("confidence"),
        pl.lit(None, dtype=pl.Float64).alias("z_score"),
        pl.lit(None, dtype=pl.Float64).alias("vol_points"),
        (pl.col("clock_gap_minutes").abs() > MINUTES_APART).fill_null(False).alias("from_flagged_quotes"),
        pl.format(
            "quotes {} minutes after the settlement of VX; near leg {} days from a listed slice",
            pl.col("clock_gap_minutes").round(0).cast(pl.Int64),
            pl.col("bracket_days").round(1),
        ).alias("note"),
    )
    variance_level = pl.col("vx") + pl.col("gap_vol_points")
    legs = [
        _indicative_leg(found, number, "future", "VX", side=pl.lit("sell"), price=pl.col("vx"), quantity=1.0),
        _indicative_leg(found, number, "forward", "SPX", side=pl.lit("buy"), price=variance_level, quantity=1.0),
    ]
    return finding_frames(findings, pl.concat(legs), fee_per_contract=0.0)


def vix_parity_findings(
    slices: pl.DataFrame, *, futures: pl.DataFrame, clocks: pl.DataFrame, vix_parity_tolerance: float = 0.05
) -> FindingFrames:
    """Return the VX settlements outside the forward interval of the VIX options of their expiration.

    Parameters
    ----------
    slices : feature.slice rows of any sessions
    futures : core.futures_settlement rows of the same sessions
    clocks : frame, one row per session
        session_date and clock_gap_minutes: option quotes less the settlement of VX, for the note.
    vix_parity_tolerance : points
        One tick of VX, to which its settlement may be rounded.

    Notes
    -----
    edge_points is the distance from the interval, points. Legs: the future at its settlement, and against it ten
    synthetic forwards (100 dollars a point each against 1,000) at the end of the interval that is executable.
    """
    low, high, settle = pl.col("forward_low"), pl.col("forward_high"), pl.col("settle")
    found = (
        slices.filter(pl.col("root").is_in(VIX_ROOTS) & (pl.col("time_to_expiry") > 0.0))
        .join(
            futures.select("session_date", "expiration", "settle"),
            on=["session_date", "expiration"],
            how="inner",
            validate="m:1",
        )
        .join(clocks.select("session_date", "clock_gap_minutes"), on="session_date", how="left", validate="m:1")
        .with_columns(
            pl.when(settle > high).then(pl.lit("sell")).when(settle < low).then(pl.lit("buy")).alias("side"),
            pl.when(settle > high).then(settle - high).when(settle < low).then(low - settle).alias("edge"),
            pl.when(settle > high).then(high).otherwise(low).alias("synthetic"),
        )
        .filter(pl.col("edge") > vix_parity_tolerance)
        .sort("session_date", *SLICE_KEY)
    )
    number = pl.int_range(pl.len(), dtype=pl.Int64).alias("number")
    findings = found.select(
        number,
        "session_date",
        pl.lit("vix_parity").alias("kind"),
        "root",
        "expiration",
        pl.col("edge").alias("edge_points"),
        pl.lit("indicative").alias("confidence"),
        pl.lit(None, dtype=pl.Float64).alias("z_score"),
        pl.lit(None, dtype=pl.Float64).alias("vol_points"),
        (pl.col("clock_gap_minutes").abs() > MINUTES_APART).fill_null(False).alias("from_flagged_quotes"),
        pl.format(
            "VX settlement against option quotes {} minutes later", pl.col("clock_gap_minutes").round(0).cast(pl.Int64)
        ).alias("note"),
    )
    other = pl.when(pl.col("side") == "buy").then(pl.lit("sell")).otherwise(pl.lit("buy"))
    legs = [
        _indicative_leg(found, number, "future", "VX", side=pl.col("side"), price=settle, quantity=1.0),
        _indicative_leg(
            found, number, "forward", None, side=other, price=pl.col("synthetic"), quantity=SYNTHETICS_PER_FUTURE
        ),
    ]
    return finding_frames(findings, pl.concat(legs), fee_per_contract=0.0)


def _indicative_leg(
    found: pl.DataFrame,
    number: pl.Expr,
    instrument: str,
    root: str | None,
    *,
    side: pl.Expr,
    price: pl.Expr,
    quantity: float,
) -> pl.DataFrame:
    """Return one leg per finding; `root` None takes the finding's own."""
    return found.select(
        number,
        pl.lit(instrument).alias("instrument"),
        (pl.col("root") if root is None else pl.lit(root)).alias("root"),
        "expiration",
        pl.lit(None, dtype=pl.Float64).alias("strike"),
        pl.lit(None, dtype=pl.String).alias("option_type"),
        side.alias("side"),
        pl.lit(quantity).alias("quantity"),
        price.alias("price"),
        pl.lit(None, dtype=pl.Int64).alias("size"),
        pl.lit(None, dtype=pl.Float64).alias("doubt_points"),
        pl.lit(None, dtype=pl.Float64).alias("half_spread"),
    )
