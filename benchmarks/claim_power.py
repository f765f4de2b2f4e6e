"""How often a claim planted true is supported, and one planted false: docs/claim_power.md and its figure.

Run from the checkout: python -m benchmarks.claim_power [simulations]

Every sort of claim of METHOD section 10 is judged by the code that judges replays, on samples whose truth is known.
Series of P&L come from paths of the sample market (benchmarks/planted_market.py), less what the state of the market
predicts, plus what is planted; the prediction is fitted on other paths than those judged. A false claim is planted on
the bound itself, where it is hardest to tell from a true one.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.signal import lfilter

from benchmarks.claim_power_page import FIXED_CONTRACTS, REDRAWN, draw, page
from benchmarks.interval_methods import Interval, mean_intervals, median_intervals
from benchmarks.planted_market import ExpectedProfit, PlantedMarket, planted_market, state_features
from transforms.evidence.bootstrap import automatic_block_length
from transforms.evidence.claims.locks_pay_in_dislocations import dislocation_gain
from transforms.evidence.claims.risk_adjusted_return import ROOT_YEAR, sharpe_gain
from transforms.evidence.claims.trigger_adds_value import FARTHEST, matched_gain
from transforms.evidence.claims.vx_reverts_faster import half_life_ratio
from transforms.evidence.estimate import Observations, Sort, estimated, mean_of, mean_where, median_of
from transforms.evidence.verdicts import Claimed, judged

Floats = npt.NDArray[np.float64]

N_SIMULATIONS = 500
N_DRAWS = 500
SESSIONS = (250, 1_000, 2_500)
EVENTS = (20, 40, 80, 160)
# So many that what is planted is the truth to a tenth of the error of ten years.
N_FITTED, FIRST_FITTED = 500, 100_001
POSITIVE = Claimed(low=0.0)
BAND = Claimed(0.60, 0.80)
# The layer's part of the margin of the book of both engines: a third of the condor's (rule layer_share: 0.30 to 0.40).
LAYER_SHARE = 0.25
# Layers for one condor where their number is fixed: the layer's part is then a third at first, and falls as spot rises.
LAYERS = 5.0
# Paths whose sessions are redrawn, and how many sessions in a row: a month.
N_REDRAWN, MONTH = 40, 21
CONDOR_SHARPE = 0.5
WINDOW_SESSIONS = 10
HALF_LIFE = 30.0
SHOCK_CORRELATION = 0.9
# Spread of the offsets of single spikes: the deviation of their logarithm.
OFFSET_SPREAD = 0.35
PERSISTENCE = 0.9
N_VARIANTS, VARIANT_CORRELATION = 5, 0.7
DAYS = [date(2000, 1, 3) + timedelta(days=number) for number in range(4_000)]


@dataclass(frozen=True)
class Judged:
    """One sample's verdict: the sort of claim, sessions or events in it, the truth planted, whether it is claimed."""

    sort: str
    size: int
    planted: float
    is_true: bool
    n: int
    verdict: str


@dataclass(frozen=True)
class Held:
    """Whether an interval of one sample holds the truth, or lies above or below it."""

    series: str
    size: int
    method: str
    above: bool
    below: bool


@dataclass(frozen=True)
class Fitted:
    """What is known from paths that are not judged, of the condor and of both engines.

    expected: expected P&L given the state. deviations, fixed_deviations: of a session's unexpected return of the condor
    and of both, over all time, at a fixed part of the margin and at fixed contracts. redrawn: unexpected returns at
    fixed contracts, (sessions, 2), of mean 0 and deviation 1 to rounding. condor_mean: mean return of the condor.
    """

    expected: ExpectedProfit
    deviations: Floats
    fixed_deviations: Floats
    redrawn: Floats
    condor_mean: float


def fitted(n_paths: int = N_FITTED) -> Fitted:
    """Return the fit on some paths."""
    markets = [planted_market(FIRST_FITTED + number, SESSIONS[-1]) for number in range(n_paths)]
    expected = ExpectedProfit.fitted(markets)
    surprises = np.concatenate([condor_and_both(market, expected, LAYER_SHARE) for market in markets])
    fixed = np.concatenate([condor_and_both(market, expected, share_of_layers(market)) for market in markets])
    redrawn = fixed[: N_REDRAWN * SESSIONS[-1]]
    returns = np.concatenate([market.condor / market.margin_condor for market in markets])
    return Fitted(
        expected,
        deviations=surprises.std(axis=0),
        fixed_deviations=fixed.std(axis=0),
        redrawn=(redrawn - redrawn.mean(axis=0)) / redrawn.std(axis=0),
        condor_mean=float(returns.mean()),
    )


def share_of_layers(market: PlantedMarket) -> Floats:
    """Return the part of the book's margin that a fixed number of layers takes, each session."""
    layers = LAYERS * market.margin_layer
    return np.asarray(layers / (market.margin_condor + layers))


def condor_and_both(market: PlantedMarket, expected: ExpectedProfit, layer_share: float | Floats) -> Floats:
    """Return the unexpected return on margin of the condor and of the book of both engines, (sessions, 2)."""
    features = state_features(market)
    condor = market.condor / market.margin_condor - features @ expected.condor
    layer = market.layer / market.margin_layer - features @ expected.layer
    return np.stack([condor, (1.0 - layer_share) * condor + layer_share * layer], axis=1)


def months(pool: Floats, rng: np.random.Generator) -> Floats:
    """Return as many sessions as a market has, in months drawn from around the circle of a pool, each alike likely.

    What holds over the pool is the truth of such a series: it is stationary, and no month remembers another.
    """
    n = SESSIONS[-1]
    starts = rng.integers(0, len(pool), size=math.ceil(n / MONTH))
    rows = (starts[:, None] + np.arange(MONTH)).ravel()[:n]
    return np.asarray(pool[rows % len(pool)])


def judge(
    observations: Observations, claimed: Claimed, *, sort: Sort, name: str, size: int, planted: float, key: str
) -> Judged:
    """Return the verdict of the code that judges replays."""
    estimate = estimated(observations, sort=sort, key=f"{key}|{name}|{size}|{planted}", n_draws=N_DRAWS)
    verdict = judged([estimate], claimed)[0].verdict
    is_true = claimed.low < planted < claimed.high
    return Judged(name, size, planted, is_true, estimate.n, verdict)


def judged_series(market: PlantedMarket, fit: Fitted, rng: np.random.Generator, *, key: str) -> Iterator[Judged]:
    """Yield the claims about daily P&L: a mean over chosen sessions, a paired difference."""
    features = state_features(market)
    profit = (market.layer - market.layer_theta) / market.margin_layer - features @ fit.expected.layer_on_falls
    fall = market.is_fall.astype(np.float64)
    # In units of the deviation over all time, with what is planted beyond the condor's Sharpe ratio.
    pairs: dict[str, tuple[Floats, tuple[float, ...]]] = {
        "paired difference": (
            condor_and_both(market, fit.expected, LAYER_SHARE) / fit.deviations,
            (0.0, 0.125, 0.25),
        ),
        FIXED_CONTRACTS: (
            condor_and_both(market, fit.expected, share_of_layers(market)) / fit.fixed_deviations,
            (0.0,),
        ),
        REDRAWN: (months(fit.redrawn, rng), (0.0,)),
    }
    for size in SESSIONS:
        for planted in (0.0, 0.002, 0.004):
            observed = mean_where(profit[:size] + planted, fall[:size])
            yield judge(observed, POSITIVE, sort="series", name="mean of a series", size=size, planted=planted, key=key)
        for name, (surprise, gains) in pairs.items():
            for planted in gains:
                returns = surprise[:size] + np.array([CONDOR_SHARPE, CONDOR_SHARPE + planted]) / ROOT_YEAR
                yield judge(
                    sharpe_gain(returns), POSITIVE, sort="series", name=name, size=size, planted=planted, key=key
                )


def judged_ratio(rng: np.random.Generator, *, key: str) -> Iterator[Judged]:
    """Yield the claim about a ratio of half-lives of two correlated series."""
    for size in SESSIONS:
        shocks = rng.standard_normal((size + 1_000, 2))
        shocks[:, 1] = SHOCK_CORRELATION * shocks[:, 0] + math.sqrt(1.0 - SHOCK_CORRELATION**2) * shocks[:, 1]
        for planted in (1.0, 2.0 / 3.0, 0.5):
            levels = []
            for column, half_life in ((0, planted * HALF_LIFE), (1, HALF_LIFE)):
                phi = 0.5 ** (1.0 / half_life)
                levels.append(np.exp(0.03 * lfilter([1.0], [1.0, -phi], shocks[:, column])[-size:]))
            days = DAYS[:size]
            observed = half_life_ratio(
                pl.DataFrame({"session_date": days, "constant_maturity_30d": levels[0]}),
                pl.DataFrame({"session_date": days, "level": levels[1]}),
            )
            yield judge(
                observed, Claimed(high=1.0), sort="series", name="ratio of half-lives", size=size, planted=planted,
                key=key,
            )  # fmt: skip


def judged_events(rng: np.random.Generator, *, key: str) -> Iterator[Judged]:
    """Yield the claims about events: a median in a band, a share, a difference of two groups."""
    for size in (*EVENTS, 2 * EVENTS[-1]):
        spread = np.exp(OFFSET_SPREAD * rng.standard_normal(size))
        for planted in (0.60, 0.70, 0.80):
            observed = median_of(planted * spread)
            yield judge(
                observed, BAND, sort="events", name="median of events in a band", size=size, planted=planted, key=key
            )
    for size in EVENTS:
        level = rng.random(size)
        for planted in (0.50, 0.65, 0.80):
            observed = mean_of((level < planted).astype(np.float64))
            yield judge(
                observed, Claimed(low=0.50), sort="events", name="share of events", size=size, planted=planted, key=key
            )
    for size in EVENTS[1:]:
        is_dislocated = rng.random(size) < 0.3
        # Student's t with three degrees of freedom has a deviation of the root of 3.
        noise = 100.0 * rng.standard_t(3.0, size) / math.sqrt(3.0)
        for planted in (0.0, 50.0, 100.0):
            observed = dislocation_gain(*_lock_frames(noise + planted * is_dislocated, is_dislocated))
            yield judge(
                observed, POSITIVE, sort="events", name="difference of two groups of events", size=size,
                planted=planted, key=key,
            )  # fmt: skip


def _lock_frames(outcome: Floats, is_dislocated: npt.NDArray[np.bool_]) -> tuple[pl.DataFrame, ...]:
    days = DAYS[: len(outcome)]
    names = [str(day) for day in days]
    found = pl.DataFrame({"session_date": days, "finding_id": names, "kind": "conversion", "first_seen": days})
    later = [day + timedelta(days=1) for day in days]
    outcomes = pl.DataFrame({"session_date": later, "finding_id": names, "exit_edge_dollars": outcome})
    return found, outcomes, pl.DataFrame({"session_date": days, "holds": is_dislocated})


def judged_windows(market: PlantedMarket, rng: np.random.Generator, *, key: str) -> Iterator[Judged]:
    """Yield the claim about matched windows: layers opened on a trigger that looks at the curve, and others like them.

    A window begins every fifth session and lasts ten; what a layer earns in it depends on the state of the market, and
    so does the trigger, but through VIX and contango alone: matched on them, windows differ by what is planted.
    """
    returns = market.layer / market.margin_layer
    starts = np.arange(WINDOW_SESSIONS, len(returns) - WINDOW_SESSIONS, 5)
    earned = np.concatenate([[0.0], np.cumsum(returns)])
    contango = market.vx_far / market.vx_near - 1.0
    moved = np.log(market.spot[starts] / market.spot[starts - WINDOW_SESSIONS])
    scaled = (contango[starts] - contango.mean()) / contango.std() - 0.5 * np.log(market.vix[starts] / 16.0)
    is_activated = rng.random(len(starts)) < 1.0 / (1.0 + np.exp(0.8 - 1.2 * scaled))
    for size in SESSIONS[1:]:
        inside = starts < size - WINDOW_SESSIONS
        for planted in (0.0, 0.02, 0.04):
            windows = pl.DataFrame(
                {
                    "session_date": market.session_date[starts],
                    "window_end": market.session_date[starts + WINDOW_SESSIONS - 1],
                    "is_activated": is_activated,
                    "vix": market.vix[starts],
                    "contango_ratio": contango[starts],
                    "zone": 1.0 - np.abs(moved) / 0.05,
                    "outcome": earned[starts + WINDOW_SESSIONS] - earned[starts] + planted * is_activated,
                }
            ).filter(inside)
            for name, farthest in (("matched windows", FARTHEST), ("matched windows, any distance", math.inf)):
                yield judge(
                    matched_gain(windows, farthest=farthest), POSITIVE, sort="events", name=name, size=size,
                    planted=planted, key=key,
                )  # fmt: skip


def judged_persistent(rng: np.random.Generator, *, key: str) -> Iterator[Judged]:
    """Yield a claim about the mean of a series that remembers for weeks, as a cost of capital does."""
    series = lfilter([1.0], [1.0, -PERSISTENCE], rng.standard_normal(SESSIONS[-1] + 500))[500:]
    series *= math.sqrt(1.0 - PERSISTENCE**2)
    for size in SESSIONS:
        for planted in (0.0, 0.5):
            yield judge(
                mean_of(series[:size] + planted), POSITIVE, sort="series", name="mean of a persistent series",
                size=size, planted=planted, key=key,
            )  # fmt: skip


def judged_variants(rng: np.random.Generator, *, key: str) -> Iterator[Judged]:
    """Yield whether any of five variants of one false claim is supported, without Holm's procedure and with it.

    Also one variant planted true among four false ones: whether it is supported.
    """
    size = 250
    common = rng.standard_normal((size, 1))
    own = rng.standard_normal((size, N_VARIANTS))
    values = math.sqrt(VARIANT_CORRELATION) * common + math.sqrt(1.0 - VARIANT_CORRELATION) * own
    for planted in (0.0, 0.25):
        shift = np.where(np.arange(N_VARIANTS) == 0, planted, 0.0)
        estimates = [
            estimated(mean_of(values[:, one] + shift[one]), sort="events", key=f"{key}|{one}", n_draws=2_500)
            for one in range(N_VARIANTS)
        ]
        looked_at = slice(0, 1) if planted else slice(0, N_VARIANTS)
        together = judged(estimates, POSITIVE)[looked_at]
        alone = [judged([estimate], POSITIVE)[0] for estimate in estimates][looked_at]
        for name, found in (("five variants, Holm", together), ("five variants, each alone", alone)):
            is_any = any(one.verdict == "supported" for one in found)
            yield Judged(name, size, planted, planted > 0.0, size, "supported" if is_any else "too little data")


def held_truths(market: PlantedMarket, fit: Fitted, rng: np.random.Generator, *, key: str) -> Iterator[Held]:
    """Yield which intervals hold a known mean or median."""
    surprise = condor_and_both(market, fit.expected, LAYER_SHARE)[:, 0]
    raw = market.condor / market.margin_condor
    shocks = rng.standard_normal(1_500)
    samples: list[tuple[str, Floats, float]] = [("P&L of the condor, unpredicted", surprise, 0.0)]
    samples += [("P&L of the condor, volatility regimes left in", raw, fit.condor_mean)]
    samples += [
        (f"autoregression, coefficient {phi}", lfilter([1.0], [1.0, -phi], shocks)[500:], 0.0) for phi in (0.5, 0.9)
    ]
    for name, series, truth in samples:
        for size in (60, 250, 1_000):
            sample = series[:size]
            found = mean_intervals(
                sample, block_length=automatic_block_length(sample), key=f"{key}|{name}|{size}", n_draws=N_DRAWS
            )
            yield from _held(name, size, found, truth)
    for size in EVENTS[:3]:
        offsets = 0.7 * np.exp(OFFSET_SPREAD * rng.standard_normal(size))
        found = median_intervals(offsets, key=f"{key}|{size}", n_draws=N_DRAWS)
        yield from _held("median of independent events", size, found, 0.7)


def _held(name: str, size: int, found: dict[str, Interval], truth: float) -> Iterator[Held]:
    for method, (low, high) in found.items():
        yield Held(name, size, method, low > truth, high < truth)


def simulation(number: int, fit: Fitted) -> tuple[list[Judged], list[Held]]:
    """Return everything judged on the samples of one number."""
    market = planted_market(number, SESSIONS[-1])
    key = str(number)
    streams = [np.random.default_rng((number, stream)) for stream in range(7)]
    verdicts = [
        *judged_series(market, fit, streams[6], key=key),
        *judged_ratio(streams[0], key=key),
        *judged_events(streams[1], key=key),
        *judged_windows(market, streams[2], key=key),
        *judged_persistent(streams[3], key=key),
        *judged_variants(streams[4], key=key),
    ]
    return verdicts, list(held_truths(market, fit, streams[5], key=key))


def rates(verdicts: list[Judged]) -> pl.DataFrame:
    """Return the share of each verdict by sort, size and what is planted."""
    frame = pl.DataFrame(verdicts)
    return (
        frame.group_by("sort", "size", "planted", "is_true", maintain_order=True)
        .agg(
            pl.col("n").median().alias("n"),
            pl.len().alias("simulations"),
            *((pl.col("verdict") == verdict).mean().alias(verdict) for verdict in ("supported", "not supported")),
        )
        .sort("sort", "size", "planted")
    )


def coverage(held: list[Held]) -> pl.DataFrame:
    """Return how often the intervals of each method hold the truth, and how often they lie above and below it."""
    holds = ~(pl.col("above") | pl.col("below"))
    return (
        pl.DataFrame(held)
        .group_by("series", "size", "method", maintain_order=True)
        .agg(holds.mean().alias("holds"), pl.col("above").mean(), pl.col("below").mean())
    )


def spikes_of_the_market(n_paths: int = 20) -> str:
    """Return how many FOMC decisions raise VIX by a tenth and cost the condor a tenth of its credit, in words."""
    n_spikes = n_decisions = 0
    for number in range(n_paths):
        market = planted_market(FIRST_FITTED + number, SESSIONS[-1])
        rise = np.diff(market.vix, prepend=market.vix[:1]) / np.concatenate([market.vix[:1], market.vix[:-1]])
        costly = market.condor < -0.1 * market.credit
        n_spikes += int((market.is_fomc & costly & (rise >= 0.1)).sum())
        n_decisions += int(market.is_fomc.sum())
    return f"The sample market has {n_spikes} in {n_decisions:,} decisions."


def simulations(n: int, fit: Fitted, *, n_processes: int = 2) -> tuple[list[Judged], list[Held]]:
    """Return the simulations numbered 1 to `n`."""
    with get_context("spawn").Pool(n_processes) as pool:
        found = pool.map(partial(simulation, fit=fit), range(1, n + 1), chunksize=4)
    return [one for verdicts, _ in found for one in verdicts], [one for _, held in found for one in held]


def main() -> None:
    """Run the study and write its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("simulations", type=int, nargs="?", default=N_SIMULATIONS)
    n = parser.parse_args().simulations
    verdicts, held = simulations(n, fitted())
    shares = rates(verdicts)
    page(shares, coverage(held), n_simulations=n, spikes=spikes_of_the_market())
    draw(shares)


if __name__ == "__main__":
    main()
