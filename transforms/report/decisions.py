"""What each engine did on a night and why: decisions with their legs, rules with their distances, limits, funnel."""

import json
from typing import Any

import polars as pl

from transforms.report.night import Night
from transforms.report.words import (
    COMPARISONS,
    DECISIONS,
    ENGINES,
    GROUPS,
    LIMIT_UNITS,
    RULE_WORDS,
    UNKNOWN,
    WATCHES,
    RuleWords,
    flip_words,
    input_words,
    measure,
    number,
    unit_words,
)
from transforms.rules import RULES
from transforms.schemas import (
    CANDIDATE_FUNNEL,
    DECISION,
    DECISION_LEG,
    ENGINE_STATISTICS,
    LIMIT_SLACK,
    RULE_EVALUATION,
)

Document = dict[str, Any]
OUTCOMES = {"passed": "holds", "failed": "does not hold", "quiet": "calls for nothing", "unknown": UNKNOWN}


def engine_documents(night: Night) -> list[Document]:
    """Return both engines with their decisions of the night; one without a decision says why it had none to make."""
    legs = night.tonight(DECISION_LEG).sort("leg").drop("session_date")
    rules = {row["rule"]: row for row in rule_documents(night)}
    decided = night.tonight(DECISION).to_dicts()
    found = []
    for engine, title in ENGINES.items():
        own = [
            {
                **{name: value for name, value in row.items() if name != "session_date"},
                "title": DECISIONS[row["decision"]],
                "legs": legs.filter(pl.col("decision_id") == row["decision_id"]).drop("decision_id").to_dicts(),
                "lead": _lead(row),
                "cited": [rules[name] for name in row["rules"].split(", ") if name in rules],
            }
            for row in decided
            if row["engine"] == engine
        ]
        idle = None if own else _idle(engine, rules)
        found.append({"engine": engine, "title": title, "decisions": own, "idle": idle})
    return found


def ledger_document(night: Night) -> Document:
    """Return the second engine's ledger: its balance, and what adjustments have cost and it has paid, dollars."""
    row = night.row(ENGINE_STATISTICS)
    return {name: row[name] for name in ("ledger_balance", "adjustments_proposed", "adjustments_funded")}


def rule_documents(night: Night) -> list[Document]:
    """Return every rule of the night with its reading, distance, what would turn it over, and its dial, in groups."""
    rows = {row["rule"]: row for row in night.tonight(RULE_EVALUATION).to_dicts()}
    ordered = sorted((rule.name for rule in RULES), key=lambda name: GROUPS.index(_words(name).group))
    return [_rule(rows[name]) for name in ordered if name in rows]


def limit_documents(night: Night) -> list[Document]:
    """Return where every limit stands for the trade considered, by engine; `used` is the share of it taken up."""
    found = []
    for row in night.tonight(LIMIT_SLACK).drop("session_date").to_dicts():
        unit = LIMIT_UNITS.get(row["limit_name"], "ratio")
        found.append(
            {
                **row,
                "title": row["limit_name"].replace("_", " "),
                "used": _used(row),
                **{f"{name}_text": measure(row[name], unit) for name in ("measured", "threshold", "slack")},
            }
        )
    return found


def funnel_documents(night: Night) -> list[Document]:
    """Return by engine how many candidates each filter left, in the order in which they are asked."""
    rows = night.tonight(CANDIDATE_FUNNEL).sort("engine", "step").drop("session_date").to_dicts()
    return [{**row, "title": row["filter"].replace("_", " ")} for row in rows]


def _words(rule: str) -> RuleWords:
    return RULE_WORDS.get(rule) or RuleWords(rule.replace("_", " "), GROUPS[-1], "ratio")


def _said(row: Document) -> str:
    """Return a rule's outcome; of one that only advises, whether it holds."""
    if row["outcome"] == "informational":
        return "passed" if row["holds"] else "failed"
    return str(row["outcome"])


def _lead(row: Document) -> str:
    """Return what a decision's reason says before it turns to its rules: what was called for and not possible."""
    first = row["reason"].find(f"{row['rules'].split(', ')[0]} ")
    return str(row["reason"] if first < 0 else row["reason"][:first]).rstrip(": ")


def _idle(engine: str, rules: dict[str, Document]) -> str:
    week = rules.get("weekly_session")
    if not rules:
        return "No rule was evaluated: this night was not decided."
    if engine == "condor" and week is not None and week["outcome"] == "failed":
        return f"No condor is due tonight: {week['reason']}."
    return "Nothing was called for."


def _rule(row: Document) -> Document:
    name, words = row["rule"], _words(row["rule"])
    said = _said(row)
    mark = "quiet" if said == "failed" and words.group == WATCHES else said
    inputs = json.loads(row["inputs"])
    unit = unit_words(words.unit)
    flip = flip_words(name, row["flip"])
    state = None if row["state"] == "none" else row["state"]
    reading = row["state"] if words.unit == "yes" and row["state"] else measure(row["measured"], words.unit)
    if said != UNKNOWN and row["measured"] is None:
        reading = "none"
    asked = "" if words.unit == "yes" else f"{COMPARISONS[row['comparison']]} {measure(row['threshold'], words.unit)}"
    return {
        "rule": name,
        "title": words.title,
        "group": words.group,
        "outcome": row["outcome"],
        "said": said,
        "said_words": OUTCOMES[mark],
        "mark": mark,
        "advisory": row["advisory"],
        "state": state,
        "measured": row["measured"],
        "comparison": row["comparison"],
        "threshold": row["threshold"],
        "distance": row["distance"],
        "unit": unit,
        "measured_text": reading,
        "asked_text": asked,
        "distance_text": _distance(row, words),
        "flip": None if row["flip"] is None else json.loads(row["flip"]),
        "flip_text": flip,
        "inputs": inputs,
        "inputs_text": [input_words(name, key, value) for key, value in inputs.items()],
        "reason": _plain(row["reason"]),
        "dial": _dial(row, words),
    }


def _plain(reason: str) -> str:
    """Return a rule's reason with the inputs it misses as words, which a narrow window can break."""
    return reason.replace("_", " ") if reason.startswith("missing: ") else reason


def _distance(row: Document, words: RuleWords) -> str:
    if words.unit == "yes" or row["distance"] is None:
        return ""
    size = abs(row["distance"])
    by = f"{number(100.0 * size)} pp" if words.unit == "percent" else measure(size, words.unit)
    return f"{'holds' if row['holds'] else 'misses'} by {by} {unit_words(words.unit)}".rstrip()


def _dial(row: Document, words: RuleWords) -> Document | None:
    """Return where value and threshold stand on the dial, shares of its width; None where there is nothing to show.

    `holds_above`: whether the rule holds right of the threshold. A value beyond an end stands at it, and `beyond` says
    which end.
    """
    measured, threshold = row["measured"], row["threshold"]
    if words.unit == "yes" or threshold is None:
        return None
    low, high = words.low, words.high
    if low is None or high is None:
        reach = max(1.5 * abs((measured if measured is not None else threshold) - threshold), 1e-12)
        low, high = threshold - reach, threshold + reach
    low, high = min(low, threshold), high if threshold < high else 1.25 * threshold
    place = None if measured is None else (measured - low) / (high - low)
    return {
        "threshold": round((threshold - low) / (high - low), 4),
        "value": None if place is None else round(min(max(place, 0.0), 1.0), 4),
        "beyond": None if place is None or 0.0 <= place <= 1.0 else "low" if place < 0.0 else "high",
        "holds_above": row["comparison"] in (">", ">="),
        "low_text": measure(low, words.unit),
        "high_text": measure(high, words.unit),
    }


def _used(row: Document) -> float | None:
    """Return the share of a limit that the trade takes up, 1 where it just holds; a quick ratio must not fall below."""
    measured, threshold = row["measured"], row["threshold"]
    if measured is None or threshold is None:
        return None
    above, below = (threshold, measured) if row["limit_name"] == "quick_ratio" else (measured, threshold)
    return round(above / below, 4) if below > 0.0 else None
