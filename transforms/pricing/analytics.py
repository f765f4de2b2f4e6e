"""One session's quotes in; one row per slice and one row per option out (feature.slice, feature.option_analytics)."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.pricing.black76 import black_greeks, black_price, delta_spot
from transforms.pricing.forward import ForwardFit, ForwardSettings, RateCurve, implied_forwards
from transforms.pricing.implied_vol import IvStatus, implied_vol, quote_status
from transforms.pricing.slice_grid import QUOTE_KEY, SLICE_KEY, SliceGrid, slice_grid
from transforms.pricing.smile import SmileFit, SmileSettings, fit_smiles
from transforms.pricing.variance import cboe_strip
from transforms.sessions import TradingCalendar, settlement_instant

Floats = NDArray[np.float64]

YEAR = timedelta(days=365)
STATUS_LABELS = np.array([status.label for status in IvStatus])


@dataclass(frozen=True)
class SessionPricing:
    """What one session's quotes say.

    slices: one row per (root, expiration), the columns of feature.slice and `rate_source`, `forward_error`,
    `discount_error`, `parity_slack`, `n_quotes`, `calendar_gap`. options: one row per quote, the columns
    of feature.option_analytics. implied_curve: zero rates of the slices that determine their own, None if none does.
    """

    slices: pl.DataFrame
    options: pl.DataFrame
    implied_curve: RateCurve | None


def session_pricing(
    quotes: pl.DataFrame,
    *,
    calendar: TradingCalendar,
    fallback: RateCurve | None = None,
    forward_settings: ForwardSettings | None = None,
    smile_settings: SmileSettings | None = None,
    n_threads: int | None = None,
) -> SessionPricing:
    """Return slices and option analytics of one session.

    Parameters
    ----------
    quotes : frame, one row per option
        Columns session_date, root, expiration, strike, option_type, quote_ts, bid, ask, spot of core.option_quote,
        all of one session; prices in index points.
    fallback : RateCurve, optional
        Rates for a session in which no slice determines its own (Treasury, else bill, else fed funds).

    Notes
    -----
    Nulls: implied_vol_* where the price has no vol (iv_status of the mid says why); Greeks where there is no mid vol;
    fitted_vol and fitted_price where the slice's smile was refused; delta_spot where no spot is given.
    """
    grid = slice_grid(quotes)
    times = grid.slices.join(
        time_to_expiry(quotes, calendar=calendar), on=SLICE_KEY, validate="1:1", maintain_order="left"
    )
    tau = times["time_to_expiry"].to_numpy()
    forwards = implied_forwards(
        grid.strike,
        grid.call_bid,
        call_ask=grid.call_ask,
        put_bid=grid.put_bid,
        put_ask=grid.put_ask,
        time_to_expiry=tau,
        fallback=fallback,
        settings=forward_settings,
    )
    market = _market(grid, forwards, tau=tau)
    vols = _quote_vols(market, n_threads=n_threads)
    smiles = _smiles(grid, market, vols=vols, settings=smile_settings)
    return SessionPricing(
        slices=_slice_rows(grid, forwards, smiles=smiles, tau=tau),
        options=_option_rows(grid, market, vols=vols, smiles=smiles),
        implied_curve=forwards.implied_curve,
    )


@dataclass(frozen=True)
class _Market:
    """Each quote beside its slice's forward, discount factor and time, arrays of shape (n_quotes,)."""

    strike: Floats
    bid: Floats
    ask: Floats
    is_call: NDArray[np.bool_]
    forward: Floats
    discount_factor: Floats
    tau: Floats
    log_moneyness: Floats


@dataclass(frozen=True)
class _Vols:
    """Implied vols of bid, mid and ask (NaN where there is none) and the status of the mid, shape (n_quotes,)."""

    mid: Floats
    bid_vol: Floats
    mid_vol: Floats
    ask_vol: Floats
    status: NDArray[np.int8]


def time_to_expiry(quotes: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return (root, expiration, settlement_ts, time_to_expiry) per slice: UTC instant and years, ACT/365.

    Negative after the settlement instant. Grain: one row per (root, expiration), sorted.
    """
    slices = quotes.group_by("root", "expiration").agg(pl.col("quote_ts").max()).sort("root", "expiration")
    instants = [
        settlement_instant(root, expiration, calendar=calendar)
        for root, expiration in slices.select("root", "expiration").iter_rows()
    ]
    settlement = pl.Series("settlement_ts", instants, dtype=pl.Datetime("us"))
    return slices.with_columns(settlement).select(
        "root",
        "expiration",
        "settlement_ts",
        ((pl.col("settlement_ts") - pl.col("quote_ts")) / YEAR).alias("time_to_expiry"),
    )


def _market(grid: SliceGrid, forwards: ForwardFit, *, tau: Floats) -> _Market:
    forward = forwards.forward[grid.slice_of]
    strike = grid.of_quotes(grid.strike)
    with np.errstate(invalid="ignore"):
        log_moneyness = np.log(strike / forward)
    return _Market(
        strike=strike,
        bid=np.where(grid.is_call, grid.of_quotes(grid.call_bid), grid.of_quotes(grid.put_bid)),
        ask=np.where(grid.is_call, grid.of_quotes(grid.call_ask), grid.of_quotes(grid.put_ask)),
        is_call=grid.is_call,
        forward=forward,
        discount_factor=forwards.discount_factor[grid.slice_of],
        tau=tau[grid.slice_of],
        log_moneyness=log_moneyness,
    )


def _quote_vols(market: _Market, *, n_threads: int | None) -> _Vols:
    """Return the vols of all prices in one call, and why a mid has none."""
    own = quote_status(market.bid, market.ask)
    two_sided = own == IvStatus.OK
    mid = np.where(two_sided, 0.5 * (market.bid + market.ask), np.nan)
    bid = np.where(market.bid > 0.0, market.bid, np.nan)
    three = {
        name: np.tile(getattr(market, name), 3) for name in ("forward", "strike", "tau", "discount_factor", "is_call")
    }
    vols, statuses = implied_vol(
        np.concatenate((bid, mid, market.ask)),
        three["forward"],
        three["strike"],
        time_to_expiry=three["tau"],
        discount_factor=three["discount_factor"],
        is_call=three["is_call"],
        n_threads=n_threads,
    )
    bid_vol, mid_vol, ask_vol = np.split(vols, 3)
    expired = market.tau <= 0.0
    status = np.where(expired, np.int8(IvStatus.EXPIRED), np.where(two_sided, np.split(statuses, 3)[1], own))
    return _Vols(mid, bid_vol, mid_vol, ask_vol, status)


def _smiles(grid: SliceGrid, market: _Market, *, vols: _Vols, settings: SmileSettings | None) -> SmileFit:
    """Return smiles of the out-of-the-money quotes that have a mid vol.

    SPX and SPXW are groups of their own in which slices may not cross. Each VIX expiration has its own future, so
    nothing orders VIX slices.
    """
    out_of_the_money = (market.log_moneyness >= 0.0) == market.is_call
    usable = out_of_the_money & (vols.status == IvStatus.OK)

    def padded(values: Floats) -> Floats:
        chosen = np.where(usable, values, np.nan)
        calls, puts = grid.padded(chosen, calls=True), grid.padded(chosen, calls=False)
        return np.where(np.isnan(calls), puts, calls)

    root = grid.slices["root"]
    ordered = root.is_in(["SPX", "SPXW"]).to_numpy()
    group = np.where(ordered, root.rank("dense").to_numpy(), 10 + np.arange(grid.n_slices))
    tau = np.full(grid.n_slices, np.nan)
    tau[grid.slice_of] = market.tau
    return fit_smiles(
        padded(market.log_moneyness),
        padded(vols.bid_vol),
        vol_mid=padded(vols.mid_vol),
        vol_ask=padded(vols.ask_vol),
        time_to_expiry=tau,
        settlement_group=group.astype(np.int64),
        settings=settings,
    )


def _slice_rows(grid: SliceGrid, forwards: ForwardFit, *, smiles: SmileFit, tau: Floats) -> pl.DataFrame:
    """Return feature.slice rows of one session."""
    strips = [
        cboe_strip(
            grid.strike[row],
            grid.call_bid[row],
            call_ask=grid.call_ask[row],
            put_bid=grid.put_bid[row],
            put_ask=grid.put_ask[row],
            time_to_expiry=float(tau[row]),
            rate=float(forwards.zero_rate[row]),
        )
        if np.isfinite(forwards.zero_rate[row])
        else None
        for row in range(grid.n_slices)
    ]
    status = np.where(np.isnan(forwards.forward), "no_forward", smiles.status)
    status = np.where(tau <= 0.0, "expired", status)
    columns: dict[str, Floats] = {
        "time_to_expiry": tau,
        "forward": forwards.forward,
        "forward_error": forwards.forward_error,
        "forward_low": forwards.forward_low,
        "forward_high": forwards.forward_high,
        "discount_factor": forwards.discount_factor,
        "discount_error": forwards.discount_error,
        "discount_low": forwards.discount_low,
        "discount_high": forwards.discount_high,
        "parity_slack": forwards.parity_slack,
        "zero_rate": forwards.zero_rate,
        "svi_a": smiles.slices.a,
        "svi_b": smiles.slices.b,
        "svi_rho": smiles.slices.rho,
        "svi_m": smiles.slices.m,
        "svi_sigma": smiles.slices.sigma,
        "rmse_vol_points": smiles.rmse_vol_points,
        "share_inside_spread": smiles.share_inside_spread,
        "min_g": smiles.min_g,
        "calendar_gap": smiles.calendar_gap,
        "model_free_variance": np.array([np.nan if strip is None else strip.variance for strip in strips]),
    }
    session = grid.quotes.select(pl.col("session_date").first()).item()
    return grid.slices.select(
        pl.lit(session, dtype=pl.Date).alias("session_date"),
        "root",
        "expiration",
        *(
            pl.Series(name, np.where(np.isfinite(values), values, np.nan), nan_to_null=True)
            for name, values in columns.items()
        ),
        pl.Series("n_pairs", forwards.n_pairs),
        pl.Series("n_quotes", smiles.n_quotes),
        pl.Series("rate_source", forwards.rate_source.tolist(), dtype=pl.String),
        pl.Series("status", status.tolist(), dtype=pl.String),
    )


def _option_rows(grid: SliceGrid, market: _Market, *, vols: _Vols, smiles: SmileFit) -> pl.DataFrame:
    """Return feature.option_analytics rows of one session, sorted by key."""
    contract = {
        "time_to_expiry": market.tau,
        "discount_factor": market.discount_factor,
        "is_call": market.is_call,
    }
    greeks = black_greeks(market.forward, market.strike, implied_vol=vols.mid_vol, **contract)
    k = np.where(np.isnan(market.log_moneyness), 0.0, market.log_moneyness)
    parameters = smiles.slices.take(grid.slice_of)
    with np.errstate(invalid="ignore"):
        fitted_vol = np.sqrt(parameters.total_variance(k[:, None])[:, 0] / market.tau)
    spot = grid.quotes["spot"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    columns: dict[str, Floats] = {
        "mid": vols.mid,
        "implied_vol_bid": vols.bid_vol,
        "implied_vol_mid": vols.mid_vol,
        "implied_vol_ask": vols.ask_vol,
        "log_moneyness": market.log_moneyness,
        "delta": greeks.delta,
        "delta_spot": delta_spot(greeks.delta, market.forward, spot),
        "gamma": greeks.gamma,
        "vega": greeks.vega,
        "theta": greeks.theta,
        "vanna": greeks.vanna,
        "volga": greeks.volga,
        "extrinsic": greeks.extrinsic,
        "theta_per_gamma": greeks.theta_per_gamma,
        "fitted_vol": fitted_vol,
        "fitted_price": black_price(market.forward, market.strike, implied_vol=fitted_vol, **contract),
    }
    return grid.quotes.select(
        "session_date",
        *QUOTE_KEY,
        *(pl.Series(name, values, nan_to_null=True) for name, values in columns.items()),
        pl.Series("iv_status", STATUS_LABELS).gather(vols.status.astype(np.uint32)).cast(pl.String).alias("iv_status"),
    )
