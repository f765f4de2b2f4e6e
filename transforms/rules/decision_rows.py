"""The decisions of a night as rows of mart.decision and mart.decision_leg."""

import math
from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from transforms.engines.sizing import Sizing
from transforms.rules.decisions import Decision
from transforms.tables.book import LIMIT_SLACK
from transforms.tables.rule import DECISION, DECISION_LEG


def decision_rows(decisions: Sequence[Decision]) -> pl.DataFrame:
    """Return the rows of mart.decision."""
    rows = []
    for decision in decisions:
        offer = decision.offer
        rows.append(
            {
                "session_date": decision.session_date,
                "decision_id": decision.decision_id,
                "decision": decision.action,
                "engine": decision.engine,
                "position_id": decision.position_id,
                "contracts": decision.contracts,
                "limit_price": offer.limit_price if offer else None,
                "expected_cost": offer.expected_cost if offer else None,
                "max_loss_change": offer.max_loss_change if offer else None,
                "gamma_change": offer.gamma_change if offer else None,
                "loss_before_credit": offer.loss_before_credit if offer else None,
                "funded": decision.funded,
                "unfunded": decision.unfunded,
                "binding_limit": offer.binding_limit if offer else None,
                "reason": decision.reason,
                "rules": ", ".join(decision.rules),
            }
        )
    return DECISION.conform(pl.DataFrame(rows, schema=DECISION.polars_schema))


def decision_leg_rows(decisions: Sequence[Decision]) -> pl.DataFrame:
    """Return the rows of mart.decision_leg: the legs of each package, in the order offered."""
    rows = [
        {
            "session_date": decision.session_date,
            "decision_id": decision.decision_id,
            "leg": number,
            "instrument": leg.instrument,
            "root": leg.root,
            "expiration": leg.expiration,
            "strike": leg.strike,
            "option_type": leg.option_type,
            "side": leg.side,
            "quantity": leg.quantity,
            "limit_price": leg.limit_price,
        }
        for decision in decisions
        if decision.offer
        for number, leg in enumerate(decision.offer.legs, start=1)
    ]
    return DECISION_LEG.conform(pl.DataFrame(rows, schema=DECISION_LEG.polars_schema))


def limit_slack_rows(session_date: date, sizings: Mapping[str, tuple[str | None, Sizing]]) -> pl.DataFrame:
    """Return the rows of mart.limit_slack: by engine the candidate sized and where every limit stands."""
    rows = [
        {
            "session_date": session_date,
            "engine": engine,
            "limit_name": limit.name,
            "candidate_id": candidate_id,
            "contracts": sizing.contracts,
            "measured": _finite(limit.measured),
            "threshold": _finite(limit.threshold),
            "slack": _finite(limit.slack),
            "largest": limit.largest,
            "is_binding": limit.name == sizing.binding_limit,
            "reason": limit.reason,
        }
        for engine, (candidate_id, sizing) in sizings.items()
        for limit in sizing.limits
    ]
    return LIMIT_SLACK.conform(pl.DataFrame(rows, schema=LIMIT_SLACK.polars_schema))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
