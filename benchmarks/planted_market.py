"""Daily P&L of the two engines on paths of the sample market, so that a claim can be planted true or false.

Each engine is held at a constant maturity: opened at one close and marked at the next at the true prices, without
spreads. That leaves out fills, sizing and rolls, and keeps what makes intervals hard: volatility that clusters, a
condor that gains little and often and loses much and seldom, a layer that does the opposite.
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from flows.calendar import trading_calendar
from transforms.sample_market.arrays import Booleans, Floats
from transforms.sample_market.clock import variance_clock
from transforms.sample_market.macro import macro_events
from transforms.sample_market.model import DEFAULT_MODEL, MarketModel
from transforms.sample_market.path import CLOSE, MarketPath, simulated_path
from transforms.sample_market.surface import (
    at_the_money_variance,
    black_price,
    cumulative_variance,
    smile_total_variance,
    swap_variance,
)
from transforms.sample_market.vix_law import VIX_YEARS, VixLaw, mixture_deviation

FIRST_DAY, HORIZON = date(2010, 1, 4), date(2035, 12, 31)
MULTIPLIER = 100.0
# The condor: 50 days, shorts near 20 delta, wings of 1 % of the forward.
CONDOR_YEARS = 50.0 / 365.0
SHORT_PUT_DEVIATIONS, SHORT_CALL_DEVIATIONS, WING = -1.05, 0.75, 0.01
CONDOR_SIDES = np.array([-1.0, 1.0, 1.0, -1.0])
# The layer: 45 days, short one call at the future, long two 30 % above it.
NEAR_YEARS, LAYER_YEARS = 15.0 / 365.0, 45.0 / 365.0
LONG_STRIKE = 1.30
LAYER_SIDES = (-1.0, 2.0)


@dataclass(frozen=True)
class PlantedMarket:
    """One path: an entry a session, from the second on; P&L in dollars for one contract of each engine.

    `vix`, `vx_near` and `vx_far` (15 and 45 days) are points; `layer_theta` is what the layer earns over the session at
    an unmoved curve; `credit` is the condor's at the close before; `state` (sessions, 3) the factors fast, slow and
    vol_of_vol at the close before.
    """

    session_date: npt.NDArray[np.datetime64]
    spot: Floats
    vix: Floats
    vx_near: Floats
    vx_far: Floats
    condor: Floats
    layer: Floats
    layer_theta: Floats
    credit: Floats
    margin_condor: Floats
    margin_layer: Floats
    is_fomc: Booleans
    state: Floats

    @property
    def is_fall(self) -> Booleans:
        """Return whether VX fell over each session; the first has none before it and counts as no fall."""
        return np.diff(self.vx_near, prepend=self.vx_near[:1]) < 0.0


def planted_market(seed: int, n_sessions: int, *, model: MarketModel = DEFAULT_MODEL) -> PlantedMarket:
    """Return the market of one seed; a longer one begins like a shorter one."""
    calendar = trading_calendar()
    events = macro_events(FIRST_DAY, HORIZON, calendar=calendar)
    clock = variance_clock(FIRST_DAY, HORIZON, calendar=calendar, events=events)
    path = simulated_path(clock, 0, last=n_sessions, model=model, seed=seed)
    curve = cumulative_variance(path.model, path.fast[:, CLOSE], slow=path.slow[:, CLOSE])
    elapsed = np.diff(clock.at_close[: n_sessions + 1])
    spot = path.spot[:, CLOSE]
    condor, credit, width = _condor(path, curve, spot=spot, elapsed=elapsed)
    layer, theta, gap = _layer(path, curve, elapsed=elapsed)
    meetings = {np.datetime64(event.event_date) for event in events if event.event == "fomc_decision"}
    days = clock.sessions[1 : n_sessions + 1]
    return PlantedMarket(
        session_date=days,
        spot=spot[1:],
        vix=100.0 * np.sqrt(_swap(path, curve, horizon=np.full(len(path), VIX_YEARS)) / VIX_YEARS)[1:],
        vx_near=_law(path, curve, horizon=np.full(len(path), NEAR_YEARS)).future[1:],
        vx_far=_law(path, curve, horizon=np.full(len(path), LAYER_YEARS)).future[1:],
        condor=condor,
        layer=layer,
        layer_theta=theta,
        credit=credit,
        margin_condor=MULTIPLIER * width,
        margin_layer=MULTIPLIER * gap,
        is_fomc=np.isin(days, np.array(sorted(meetings))),
        state=np.stack([path.fast[:-1, CLOSE], path.slow[:-1, CLOSE], path.vol_of_vol[:-1, CLOSE]], axis=1),
    )


def _condor(path: MarketPath, curve: Floats, *, spot: Floats, elapsed: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the condor's P&L over each session, its credit (dollars) and wider wing (points)."""
    horizon = np.full(len(path), CONDOR_YEARS)
    deviation = np.sqrt(at_the_money_variance(curve, horizon[:, None])[:, 0])
    shorts = np.stack([SHORT_PUT_DEVIATIONS * deviation, SHORT_CALL_DEVIATIONS * deviation])
    legs = np.stack([shorts[0] - WING, shorts[0], shorts[1], shorts[1] + WING])
    strikes = (spot * np.exp(legs))[:, :-1]
    value = _condor_value(path, curve, slice(0, -1), spot=spot, strikes=strikes, horizon=horizon[:-1])
    later = _condor_value(path, curve, slice(1, None), spot=spot, strikes=strikes, horizon=horizon[:-1] - elapsed)
    width = np.maximum(strikes[1] - strikes[0], strikes[3] - strikes[2])
    return MULTIPLIER * (value - later), MULTIPLIER * value, width


def _condor_value(
    path: MarketPath, curve: Floats, rows: slice, *, spot: Floats, strikes: Floats, horizon: Floats
) -> Floats:
    """Return what closing the condor costs, points."""
    theta = at_the_money_variance(curve[rows], horizon[:, None])[:, 0]
    variance = smile_total_variance(
        np.log(strikes / spot[rows]), theta, rho=path.rho[rows], eta=path.eta[rows], gamma=path.model.smile_gamma
    )
    is_call = np.array([False, False, True, True])[:, None]
    prices = black_price(
        np.broadcast_to(spot[rows], strikes.shape),
        strikes,
        total_variance=variance,
        is_call=np.broadcast_to(is_call, strikes.shape),
    )
    return np.asarray(CONDOR_SIDES @ prices)


def _layer(path: MarketPath, curve: Floats, *, elapsed: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the layer's P&L and theta over each session (dollars) and the gap between its strikes (points)."""
    horizon = np.full(len(path) - 1, LAYER_YEARS)
    before = _law(path, curve, horizon=horizon, rows=slice(0, -1))
    strikes = np.stack([before.future, LONG_STRIKE * before.future])
    value = _layer_value(before, strikes)
    aged = _law(path, curve, horizon=horizon - elapsed, rows=slice(0, -1))
    # Time alone: the volatility of VIX for the days that are left, on the future as it was.
    still = _layer_value(replace(aged, future=before.future, second_moment=before.second_moment), strikes)
    after = _layer_value(_law(path, curve, horizon=horizon - elapsed, rows=slice(1, None)), strikes)
    return MULTIPLIER * (after - value), MULTIPLIER * (still - value), strikes[1] - strikes[0]


def _layer_value(law: VixLaw, strikes: Floats) -> Floats:
    """Return what the layer is worth, points: two calls at the upper strike less one at the lower."""
    value = np.zeros_like(law.future)
    for side, strike in zip(LAYER_SIDES, strikes, strict=True):
        for weight, mean, deviation in (
            (law.up_weight, law.up_mean, law.up_deviation),
            (1.0 - law.up_weight, law.down_mean, law.down_deviation),
        ):
            calls = np.ones(strike.shape, dtype=np.bool_)
            value += side * weight * black_price(law.future * mean, strike, total_variance=deviation**2, is_call=calls)
    return value


def _swap(path: MarketPath, curve: Floats, *, horizon: Floats, rows: slice = slice(None)) -> Floats:
    """Return the total swap variance to a horizon (clock years) at each close."""
    theta = at_the_money_variance(curve[rows], horizon[:, None])[:, 0]
    return swap_variance(np.maximum(theta, 1e-12), rho=path.rho[rows], eta=path.eta[rows], gamma=path.model.smile_gamma)


def _law(path: MarketPath, curve: Floats, *, horizon: Floats, rows: slice = slice(None)) -> VixLaw:
    """Return the law of VIX at a horizon, as vix_law has it for expirations."""
    model = path.model
    forward = _swap(path, curve, horizon=horizon + VIX_YEARS, rows=rows) - _swap(
        path, curve, horizon=horizon, rows=rows
    )
    deviation = mixture_deviation(model, horizon, vol_of_vol=path.vol_of_vol[rows, CLOSE])
    weight = model.vix_up_weight
    up_mean = 1.0 + model.vix_up_shift * np.minimum(deviation, 1.0)
    down_mean = (1.0 - weight * up_mean) / (1.0 - weight)
    up, down = model.vix_up_scale * deviation, model.vix_down_scale * deviation
    relative = weight * up_mean**2 * np.exp(up**2) + (1.0 - weight) * down_mean**2 * np.exp(down**2)
    second_moment = 1e4 * forward / VIX_YEARS
    return VixLaw(
        future=np.sqrt(second_moment / relative),
        second_moment=second_moment,
        up_mean=up_mean,
        down_mean=down_mean,
        up_deviation=up,
        down_deviation=down,
        up_weight=weight,
    )


def state_features(market: PlantedMarket) -> Floats:
    """Return functions of the state at the close before each session on which expected P&L is regressed."""
    fast, slow, vol = market.state.T
    lift = np.exp(0.25 * (fast + slow))
    columns = [
        np.ones_like(fast), fast, slow, vol, fast**2, slow**2, vol**2, fast * slow, fast * vol, slow * vol,
        fast**3, slow**3, lift, 1.0 / lift,
    ]  # fmt: skip
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class ExpectedProfit:
    """What P&L over margin is to be expected given the state, fitted on markets that are not judged.

    Without it a series is what it earned more, or less, than that: no state predicts it, so a constant added to it is
    what it truly earns, and what clusters, skews and spreads it stays. `layer_on_falls` is of the layer's P&L less its
    theta on sessions on which VX fell.
    """

    condor: Floats
    layer: Floats
    layer_on_falls: Floats

    @classmethod
    def fitted(cls, markets: list[PlantedMarket]) -> "ExpectedProfit":
        """Return the least-squares fit over the sessions of all markets."""
        features = np.concatenate([state_features(market) for market in markets])
        falls = np.concatenate([market.is_fall for market in markets])

        def fit(values: list[Floats], rows: Booleans | slice = slice(None)) -> Floats:
            return np.asarray(np.linalg.lstsq(features[rows], np.concatenate(values)[rows], rcond=None)[0])

        return cls(
            condor=fit([market.condor / market.margin_condor for market in markets]),
            layer=fit([market.layer / market.margin_layer for market in markets]),
            layer_on_falls=fit(
                [(market.layer - market.layer_theta) / market.margin_layer for market in markets], falls
            ),
        )
