"""Every rule on one night: the session's values in, one evaluation a rule out, and one for each open position."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

import polars as pl

from transforms.errors import UsageError
from transforms.rules import RULES
from transforms.rules.rule import Evaluation, Parameters, Rule, Value
from transforms.tables.rule import RULE_EVALUATION

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Positions:
    """What is open, by position id: the values of the rules that judge each condor or layer by itself."""

    condors: Mapping[str, Values] = field(default_factory=dict)
    layers: Mapping[str, Values] = field(default_factory=dict)


@dataclass(frozen=True)
class NightRules:
    """The evaluations of a night: one a rule (`rows`), and those of each open position (`of_position`)."""

    rows: Mapping[str, Evaluation]
    of_position: Mapping[str, Mapping[str, Evaluation]]

    def judged_by(self, rule: str) -> list[str]:
        """Return the open positions that a rule judges by themselves, sorted."""
        return sorted(position for position, evaluations in self.of_position.items() if rule in evaluations)


def evaluate_rules(values: Values, parameters: Mapping[str, Parameters], *, positions: Positions | None) -> NightRules:
    """Return every rule's evaluation.

    Parameters
    ----------
    values
        The session's values by the names the rules' inputs have; an absent one is missing. A rule whose name is an
        input of another hands on its state or outcome, unless `values` names that input itself, as a book judged on
        marks does for `exit`.
    parameters
        By rule name; a rule not named has its defaults.
    positions
        What is open; None if it is not known, which is not the same as nothing.

    Returns
    -------
    NightRules
        The row of a rule that judges positions is that of the position nearest to meeting it: one that does before one
        that cannot be judged before the others, then by distance, then by position id.

    Raises
    ------
    UsageError
        If `values` or a position names a value no rule reads, or `parameters` no rule.
    """
    known = {declared.name for rule in RULES for declared in fields(rule.inputs)}
    named = set(values).union(*(positions.condors.values() if positions else ()))
    named |= set().union(*(positions.layers.values() if positions else ()))
    if named - known:
        raise UsageError(f"values no rule reads: {', '.join(sorted(named - known))}")
    if set(parameters) - {rule.name for rule in RULES}:
        raise UsageError(f"no such rules: {', '.join(sorted(set(parameters) - {rule.name for rule in RULES}))}")
    session: dict[str, Value] = dict(values)
    if positions is not None:
        session |= {"n_open_condors": len(positions.condors), "n_open_layers": len(positions.layers)}
    rows: dict[str, Evaluation] = {}
    of_position: dict[str, dict[str, Evaluation]] = {}
    for rule in RULES:
        found = {
            position: rule({**session, **own}, parameters.get(rule.name))
            for position, own in _judged_positions(rule, positions).items()
        }
        for position, evaluation in found.items():
            of_position.setdefault(position, {})[rule.name] = evaluation
        rows[rule.name] = _nearest(found) if found else rule(session, parameters.get(rule.name))
        session.setdefault(rule.name, handed_on(rows[rule.name]))
    return NightRules(rows, of_position)


def handed_on(evaluation: Evaluation) -> str | None:
    """Return what another rule reads of an evaluation: its state, else passed or failed, else None."""
    if evaluation.state is not None:
        return evaluation.state
    return evaluation.outcome if evaluation.outcome in ("passed", "failed") else None


def rule_evaluation(
    session_date: date, evaluations: Iterable[Evaluation], *, versions: Mapping[str, str]
) -> pl.DataFrame:
    """Return the rows of mart.rule_evaluation of a session; `versions` gives each rule's version by name."""
    rows = [
        {
            "session_date": session_date,
            "rule": evaluation.rule,
            "rule_version": versions[evaluation.rule],
            "measured": evaluation.measured,
            "comparison": evaluation.comparison,
            "threshold": evaluation.threshold,
            "distance": evaluation.distance,
            "outcome": evaluation.outcome,
            "holds": evaluation.holds,
            "state": evaluation.state,
            "advisory": evaluation.advisory,
            "flip": as_json(evaluation.flip) if evaluation.flip else None,
            "inputs": as_json(evaluation.inputs),
            "reason": evaluation.reason,
        }
        for evaluation in evaluations
    ]
    return RULE_EVALUATION.conform(pl.DataFrame(rows, schema=RULE_EVALUATION.polars_schema))


def as_json(values: Mapping[str, Any]) -> str:
    """Return values by name as JSON, in their own order; days as ISO dates."""
    return json.dumps(dict(values), default=lambda day: day.isoformat())


def _judged_positions(rule: Rule, positions: Positions | None) -> Mapping[str, Values]:
    if positions is None or rule.scope == "session":
        return {}
    return positions.condors if rule.scope == "condor" else positions.layers


def _nearest(found: Mapping[str, Evaluation]) -> Evaluation:
    def remoteness(position: str) -> tuple[int, float, str]:
        evaluation = found[position]
        rank = {True: 0, None: 1, False: 2}[evaluation.holds]
        return rank, -evaluation.distance if evaluation.distance is not None else float("inf"), position

    position = min(found, key=remoteness)
    return replace(found[position], reason=f"{position}: {found[position].reason}")
