"""Frames as a replay leaves them, drawn at random: every table that a claim or a breakdown reads."""

from datetime import date

import numpy as np
import polars as pl

from flows.calendar import trading_calendar

SESSIONS = trading_calendar().between(date(2016, 1, 4), date(2019, 12, 31))


def engine_daily(n: int, *, seed: int) -> pl.DataFrame:
    """Both engines over `n` sessions; the second is closed in every fourth stretch of 20 sessions."""
    rng = np.random.default_rng(seed)
    number = np.arange(n)
    frames = []
    for engine, scale, margin in (("condor", 300.0, 7_000.0), ("second", 120.0, 2_500.0)):
        is_open = (number // 20) % 4 != 3 if engine == "second" else np.ones(n, dtype=bool)
        pnl = np.where(is_open, rng.normal(15.0, scale, n), 0.0)
        frames.append(
            pl.DataFrame(
                {
                    "session_date": SESSIONS[:n],
                    "engine": engine,
                    "pnl": pnl,
                    "pnl_theta": np.where(is_open, rng.normal(8.0, 4.0, n), 0.0),
                    "equity": np.cumsum(pnl),
                    "margin": np.where(is_open, margin + rng.normal(0.0, 200.0, n), 0.0),
                    "capital_at_risk": np.where(is_open, margin - 1_000.0, 0.0),
                    "n_open": np.where(is_open, 1, 0),
                }
            )
        )
    return pl.concat(frames)


def reverting(n: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    """An AR(1) series of standard deviation 0.3."""
    values = np.empty(n)
    value = 0.3 * rng.standard_normal()
    for row, shock in enumerate(rng.standard_normal(n).tolist()):
        value = phi * value + 0.3 * np.sqrt(1.0 - phi**2) * shock
        values[row] = value
    return values


def market_frames(n: int, *, seed: int) -> dict[str, pl.DataFrame]:
    """What is measured beside the book, for the same sessions."""
    rng = np.random.default_rng(seed)
    days = SESSIONS[:n]
    spx = 2_000.0 * np.exp(np.cumsum(rng.normal(0.0003, 0.01, n)))
    reach = np.abs(rng.normal(0.0, 0.006, n))
    vix = 16.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, n)))
    calm = 3.0 + reverting(n, 0.97, rng)
    index_level = pl.concat(
        [
            pl.DataFrame(
                {
                    "session_date": days,
                    "symbol": "SPX",
                    "high": spx * (1 + reach),
                    "low": spx * (1 - reach),
                    "close": spx,
                }
            ),
            pl.DataFrame({"session_date": days, "symbol": "VIX", "high": vix, "low": vix, "close": vix}),
        ]
    )
    front = np.cumsum(rng.normal(0.0, 0.5, n))
    return {
        "core.index_level": index_level,
        "core.economic_event": pl.DataFrame(
            {"event_date": days[10::6], "event": "fomc_decision", "event_ts": None},
            schema={"event_date": pl.Date(), "event": pl.String(), "event_ts": pl.Datetime("us")},
        ),
        "core.treasury_rate": pl.DataFrame(
            {
                "session_date": days,
                "tenor_days": 91,
                "par_yield": 0.01 + 0.001 * rng.random(n),
                "rate_kind": "treasury",
            }
        ),
        "feature.curve_daily": pl.DataFrame(
            {
                "session_date": days,
                "constant_maturity_30d": np.exp(calm),
                "front_index": front,
                "front_index_gap": np.arange(n) % 97 == 0,
                "contango_ratio": rng.normal(0.05, 0.05, n),
            }
        ),
        "feature.surface_daily": pl.DataFrame(
            {"session_date": days, "tenor_days": 30, "atm_vol": np.exp(3.0 + reverting(n, 0.9, rng)) / 100.0}
        ),
        "feature.vol_of_vol_daily": pl.DataFrame({"session_date": days, "percentile_252d": rng.random(n)}),
        "feature.momentum_daily": pl.DataFrame(
            {"session_date": days, "series": "vx_front", "rsi": 100.0 * rng.random(n)}
        ),
    }


def decision_frames(n: int, *, seed: int) -> dict[str, pl.DataFrame]:
    """What was decided and found: adjustments, windows, locks and their outcomes, dislocation."""
    rng = np.random.default_rng(seed)
    days = SESSIONS[:n]
    starts = days[5 : n - 30 : 7]
    ends = [days[days.index(start) + 5] for start in starts]
    found = days[3 : n - 1 : 4]
    names = [f"lock {number}" for number in range(len(found))]
    return {
        "mart.decision": pl.DataFrame(
            {
                "session_date": days[::9],
                "decision_id": [f"d{number}" for number in range(len(days[::9]))],
                "decision": ["widen_condor", "tighten_condor", "open_condor"] * (len(days[::9]) // 3)
                + ["widen_condor"] * (len(days[::9]) % 3),
                "funded": rng.uniform(0.0, 200.0, len(days[::9])),
                "unfunded": np.where(rng.random(len(days[::9])) < 0.2, 50.0, 0.0),
            }
        ),
        "mart.engine_statistics": pl.DataFrame(
            {
                "session_date": days,
                "wacc": 0.07 + 0.002 * rng.standard_normal(n),
                "wacc_alternative": 0.072 + 0.002 * rng.standard_normal(n),
            }
        ),
        "mart.activation_window": pl.DataFrame(
            {
                "session_date": starts,
                "window_end": ends,
                "is_activated": rng.random(len(starts)) < 0.3,
                "vix": rng.uniform(12.0, 30.0, len(starts)),
                "contango_ratio": rng.normal(0.06, 0.04, len(starts)),
                "zone": rng.uniform(0.0, 1.0, len(starts)),
                "outcome": rng.normal(0.02, 0.2, len(starts)),
            }
        ),
        "mart.mispricing": pl.DataFrame(
            {"session_date": found, "finding_id": names, "kind": "conversion", "first_seen": found}
        ),
        "mart.mispricing_outcome": pl.DataFrame(
            {
                "session_date": [days[days.index(day) + 1] for day in found],
                "finding_id": names,
                "exit_edge_dollars": rng.normal(5.0, 40.0, len(found)),
            }
        ),
        "mart.rule_evaluation": pl.DataFrame(
            {"session_date": days, "rule": "dislocation", "holds": rng.random(n) < 0.25}
        ),
    }


def replay_frames(n: int = 900, *, seed: int = 1) -> dict[str, pl.DataFrame]:
    """Every table of one replay of `n` sessions."""
    return {
        "mart.engine_daily": engine_daily(n, seed=seed),
        **market_frames(n, seed=seed + 1_000),
        **decision_frames(n, seed=seed + 2_000),
    }
