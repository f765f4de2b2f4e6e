"""mart.claim_evidence: every claim judged on a replay, under every variant that was replayed."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from transforms.evidence.bootstrap import N_DRAWS
from transforms.evidence.claims import CLAIMS
from transforms.evidence.claims.claim import Claim, Frames
from transforms.evidence.estimate import NO_ESTIMATE, Estimate, estimated
from transforms.evidence.verdicts import judged
from transforms.schemas import CLAIM_EVIDENCE


def claim_evidence(
    replays: Mapping[str, Frames],
    *,
    as_of: date,
    seed: int,
    n_draws: int = N_DRAWS,
    claims: Sequence[Claim] = CLAIMS,
) -> pl.DataFrame:
    """Return mart.claim_evidence: one row per claim and variant.

    Parameters
    ----------
    replays : variant -> table name ("mart.engine_daily", ...) -> frame
        What each variant's replay left, and what was measured beside it; frames may have more columns and rows in
        any order. A claim that lacks a table or column is a row with no observations that says which.
    as_of
        Last session of the replays.
    seed
        Of the bootstrap; draws depend on it, on claim and variant, and on nothing else.
    """
    rows: list[dict[str, Any]] = []
    for claim in claims:
        variants = sorted(replays)
        lacking = {variant: _lacking(claim, replays[variant]) for variant in variants}
        estimates = [
            NO_ESTIMATE
            if lacking[variant]
            else _estimate(claim, replays[variant], key=f"{seed}|{claim.name}|{variant}", n_draws=n_draws)
            for variant in variants
        ]
        for variant, estimate, judgement in zip(variants, estimates, judged(estimates, claim.claimed), strict=True):
            low, high = judgement.interval or (None, None)
            rows.append(
                {
                    "as_of": as_of,
                    "claim": claim.name,
                    "variant": variant,
                    "statement": claim.statement,
                    "measure": claim.measure,
                    "sort": claim.sort,
                    "claimed_low": _finite(claim.claimed.low),
                    "claimed_high": _finite(claim.claimed.high),
                    "n": estimate.n,
                    "estimate": estimate.estimate,
                    "low_95": low,
                    "high_95": high,
                    "block_length": estimate.block_length,
                    "p_value": judgement.p_value,
                    "verdict": judgement.verdict,
                    "detail": lacking[variant],
                }
            )
    return CLAIM_EVIDENCE.conform(pl.DataFrame(rows, schema=CLAIM_EVIDENCE.polars_schema))


def _lacking(claim: Claim, frames: Frames) -> str | None:
    missing = []
    for table, columns in claim.needs.items():
        if table not in frames:
            missing.append(table)
        else:
            missing += [f"{table}.{column}" for column in columns if column not in frames[table].columns]
    return f"needs {', '.join(missing)}" if missing else None


def _estimate(claim: Claim, frames: Frames, *, key: str, n_draws: int) -> Estimate:
    narrow = {table: frames[table].select(columns) for table, columns in claim.needs.items()}
    return estimated(claim.observations(narrow), sort=claim.sort, key=key, n_draws=n_draws)


def _finite(end: float) -> float | None:
    return end if math.isfinite(end) else None
