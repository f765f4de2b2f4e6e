"""The program's part of the journal: what was decided and why, what was considered and not done, what became of it.

Entries are never changed. Where a restated input changes what became of a decision, a correction follows that refers to
the entry it corrects.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import polars as pl

from transforms.book.decided import Frozen, Outcome
from transforms.book.step import Stepped
from transforms.schemas import DECISION, DECISION_LEG, JOURNAL, RULE_EVALUATION

ENTRY_ID_LENGTH = 16
EVIDENCE = ("rule", "rule_version", "measured", "comparison", "threshold", "distance", "outcome", "state", "reason")
VANISHED = "with the inputs as restated this did not happen"


def entry_id(session_date: date, about: str, kind: str) -> str:
    """Return the id of an entry: a hash of its session, what it is about and its kind."""
    return hashlib.sha256(f"{session_date}\0{about}\0{kind}".encode()).hexdigest()[:ENTRY_ID_LENGTH]


def with_outcomes(frozen: Frozen, stepped: Stepped) -> Frozen:
    """Return a night's record with what became of earlier decisions in its session; what differs is corrected."""
    found = {outcome.about: outcome for outcome in _outcomes(stepped)}
    last = {outcome.about: outcome for outcome in frozen.outcomes}
    added = [outcome for about, outcome in found.items() if about not in last]
    for about, old in last.items():
        note = found[about].note if about in found else VANISHED
        if note != old.note:
            added.append(_correction(frozen.session_date, old, note, n=len(frozen.outcomes) + len(added)))
    return replace(frozen, outcomes=(*frozen.outcomes, *added)) if added else frozen


def journal_rows(frozen: Frozen, *, written_at: datetime) -> pl.DataFrame:
    """Return the rows of mart.journal that one night wrote; `written_at`: the instant its quotes are of, UTC."""
    rules = frozen.frames[RULE_EVALUATION].to_dicts()
    legs = frozen.frames[DECISION_LEG].sort("decision_id", "leg").to_dicts()
    rows = []
    for decision in frozen.frames[DECISION].to_dicts():
        cited = set(decision["rules"].split(", "))
        kind = "considered" if decision["decision"] == "stay_dormant" else "decision"
        own = [leg for leg in legs if leg["decision_id"] == decision["decision_id"]]
        rows.append(
            {
                "entry_id": entry_id(frozen.session_date, decision["decision_id"], kind),
                "session_date": frozen.session_date,
                "kind": kind,
                "decision_id": decision["decision_id"],
                "refers_to": None,
                "evidence": json.dumps(
                    [{name: rule[name] for name in EVIDENCE} for rule in rules if rule["rule"] in cited]
                ),
                "prices": json.dumps({**frozen.prices, "package": decision["limit_price"], "legs": _said(own)}),
                "note": _title(decision),
                "written_at": written_at,
            }
        )
    rows += [
        {
            "entry_id": outcome.entry_id,
            "session_date": frozen.session_date,
            "kind": outcome.kind,
            "decision_id": outcome.decision_id,
            "refers_to": outcome.refers_to,
            "evidence": None,
            "prices": None,
            "note": outcome.note,
            "written_at": written_at,
        }
        for outcome in frozen.outcomes
    ]
    return JOURNAL.conform(pl.DataFrame(rows, schema=JOURNAL.polars_schema, orient="row"))


def _outcomes(stepped: Stepped) -> Iterable[Outcome]:
    """Return what became of decisions in a session: of orders, and of positions that settled or were given up."""
    session_date = stepped.book.session_date
    assert session_date is not None
    positions = {position.position_id: position for position in stepped.touched}
    for order in stepped.orders:
        decision = order.order
        yield Outcome(
            entry_id=entry_id(session_date, decision.decision_id, order.status),
            kind=order.status,
            about=f"{order.status} {decision.decision_id}",
            decision_id=decision.decision_id,
            refers_to=entry_id(decision.decided_on, decision.decision_id, "decision"),
            note=order.reason or _fills(stepped, decision.decision_id),
        )
    for event in stepped.events:
        if event.decision_id is not None or event.event not in ("settled", "closed", "reduced"):
            continue
        position = positions[event.position_id]
        result = "" if position.legs else f"; the position earned {position.pnl_total:,.2f} dollars in all"
        yield Outcome(
            entry_id=entry_id(session_date, event.position_id, event.event),
            kind=event.event,
            about=f"{event.event} {event.position_id}",
            decision_id=position.decision_id,
            refers_to=None,
            note=f"{event.position_id}: {event.detail}; cash {event.cash:,.2f} dollars{result}",
        )


def _fills(stepped: Stepped, decision_id: str) -> str:
    fills = [fill for fill in stepped.fills if fill.decision_id == decision_id]
    legs = "; ".join(f"{fill.quantity:+d} {fill.key} at {fill.price:g}" for fill in fills)
    return f"{legs}; cash {sum(fill.cash for fill in fills):,.2f} dollars"


def _correction(session_date: date, old: Outcome, note: str, *, n: int) -> Outcome:
    return replace(
        old,
        entry_id=entry_id(session_date, f"{old.about} {n}", "correction"),
        kind="correction",
        refers_to=old.entry_id,
        note=note,
    )


def _title(decision: dict[str, Any]) -> str:
    """Return a decision in a line."""
    if decision["decision"] == "stay_dormant":
        return f"{decision['engine']} engine stays dormant: {decision['reason']}"
    return f"{decision['decision']} x {decision['contracts']} at {decision['limit_price']}: {decision['reason']}"


def _said(legs: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{leg['side']} {leg['quantity']} {leg['root']} {leg['expiration']} {leg['strike']:g} {leg['option_type']} "
        f"at {leg['limit_price']:g}"
        for leg in legs
    ]
