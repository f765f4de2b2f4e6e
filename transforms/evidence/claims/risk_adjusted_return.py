"""The layer raises risk-adjusted return without proportional capital: Sharpe, Sortino, return on capital at risk."""

import math

import numpy as np
import polars as pl

from transforms.evidence.bootstrap import Floats
from transforms.evidence.claims.claim import (
    ENGINE_COLUMNS,
    SESSIONS_A_YEAR,
    Claim,
    Frames,
    columns_of,
    engine_sessions,
)
from transforms.evidence.estimate import Observations
from transforms.evidence.verdicts import Claimed

DAYS_A_YEAR = 365.0
BILL_DAYS = 91
ROOT_YEAR = math.sqrt(SESSIONS_A_YEAR)


def excess_returns(engines: pl.DataFrame, bill_rate: pl.DataFrame) -> Floats:
    """Return daily P&L over margin less the bill rate, (sessions, 2): condor alone and both engines, decimals.

    Sessions on which both have margin in use. The bill earns the last rate published by the session before, for the
    calendar days since.

    Parameters
    ----------
    engines : `engine_sessions`
    bill_rate : session_date, rate (decimal a year)
    """
    known = bill_rate.sort("session_date").with_columns(pl.col("session_date").alias("published_on"))
    rows = (
        engines.sort("session_date")
        .join_asof(known, on="session_date", strategy="backward", allow_exact_matches=False)
        .filter((pl.col("condor_margin") > 0.0) & (pl.col("both_margin") > 0.0))
    )
    bill = pl.col("rate") * pl.col("days") / DAYS_A_YEAR
    return columns_of(
        rows.select(
            condor=pl.col("condor_pnl") / pl.col("condor_margin") - bill,
            both=pl.col("both_pnl") / pl.col("both_margin") - bill,
        ),
        "condor",
        "both",
    )


def sharpe_gain(returns: Floats) -> Observations:
    """Return observations of the Sharpe ratio of both engines less that of the condor alone, a year."""
    rows = np.concatenate([returns, returns**2], axis=1)

    def gain(means: Floats) -> Floats:
        ratios = [_ratio(means[..., k], np.sqrt(means[..., k + 2] - means[..., k] ** 2)) for k in (0, 1)]
        return np.asarray(ROOT_YEAR * (ratios[1] - ratios[0]))

    return Observations(rows, len(rows), gain)


def sortino_gain(returns: Floats) -> Observations:
    """Return observations of the Sortino ratio of both engines less that of the condor alone, a year.

    The root of the mean squared shortfall below the bill rate, over all sessions. (Sortino and van der Meer 1991,
    Journal of Portfolio Management 17, 27)
    """
    rows = np.concatenate([returns, np.minimum(returns, 0.0) ** 2], axis=1)

    def gain(means: Floats) -> Floats:
        ratios = [_ratio(means[..., k], np.sqrt(means[..., k + 2])) for k in (0, 1)]
        return np.asarray(ROOT_YEAR * (ratios[1] - ratios[0]))

    return Observations(rows, len(rows), gain)


def return_on_risk_gain(engines: pl.DataFrame) -> Observations:
    """Return observations of the yearly return on capital at risk of both engines less the condor's, a decimal.

    Sum of P&L over sum of capital at risk, times 252; sessions on which the condor has capital at risk.
    """
    at_risk = engines.sort("session_date").filter(pl.col("condor_risk") > 0.0)
    rows = columns_of(at_risk, "condor_pnl", "condor_risk", "both_pnl", "both_risk")

    def gain(means: Floats) -> Floats:
        condor, both = (_ratio(means[..., k], means[..., k + 1]) for k in (0, 2))
        return np.asarray(SESSIONS_A_YEAR * (both - condor))

    return Observations(rows, len(rows), gain)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0.0, top / bottom, np.nan)


def bill_rates(treasury_rate: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date` and `rate` (decimal a year) of 91-day bills, from core.treasury_rate."""
    return treasury_rate.filter(
        (pl.col("tenor_days") == BILL_DAYS) & pl.col("rate_kind").is_in(["treasury", "bill_13_week"])
    ).select("session_date", rate="par_yield")


def _returns(frames: Frames) -> Floats:
    return excess_returns(engine_sessions(frames["mart.engine_daily"]), bill_rates(frames["core.treasury_rate"]))


_STATEMENT = "the layer raises risk-adjusted return without proportional capital"
_NEEDS = {
    "mart.engine_daily": ENGINE_COLUMNS,
    "core.treasury_rate": ("session_date", "tenor_days", "par_yield", "rate_kind"),
}
CLAIMS = (
    Claim(
        name="layer_raises_sharpe",
        statement=_STATEMENT,
        measure="Sharpe ratio (daily P&L over margin less the bill rate, a year) of both engines less the condor's",
        sort="series",
        claimed=Claimed(low=0.0),
        needs=_NEEDS,
        observations=lambda frames: sharpe_gain(_returns(frames)),
    ),
    Claim(
        name="layer_raises_sortino",
        statement=_STATEMENT,
        measure="Sortino ratio (daily P&L over margin less the bill rate, a year) of both engines less the condor's",
        sort="series",
        claimed=Claimed(low=0.0),
        needs=_NEEDS,
        observations=lambda frames: sortino_gain(_returns(frames)),
    ),
    Claim(
        name="layer_raises_return_on_risk",
        statement=_STATEMENT,
        measure="yearly P&L over capital at risk of both engines less the condor's, decimal",
        sort="series",
        claimed=Claimed(low=0.0),
        needs={"mart.engine_daily": ENGINE_COLUMNS},
        observations=lambda frames: return_on_risk_gain(engine_sessions(frames["mart.engine_daily"])),
    ),
)
