"""A night in sentences: what terminals, alerts and the scheduler's pages say of its decisions."""

from collections.abc import Mapping
from typing import Any

from transforms.report.words import day_words, dollars, number, strike_words

Document = Mapping[str, Any]
# What a table cell or a line of markdown would take for its own.
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>|#"})


def size_words(decision: Document) -> str:
    """Return how many packages at which limit: 5 contracts at 18.80 points received; empty for none."""
    if not decision["contracts"]:
        return ""
    price = decision["limit_price"]
    way = "" if price is None else " received" if price >= 0.0 else " paid"
    noun = "contract" if decision["contracts"] == 1 else "contracts"
    return f"{decision['contracts']} {noun} at {number(None if price is None else abs(price))} points{way}"


def cost_words(decision: Document) -> str:
    """Return what a decision costs and changes, dollars, and what bounds it."""
    cost = decision["expected_cost"]
    flow = "receipt" if cost is not None and cost < 0.0 else "cost"
    parts = [
        f"expected {flow} {dollars(None if cost is None else abs(cost))}",
        f"maximum loss changes by {dollars(decision['max_loss_change'])}",
        f"gamma by {number(decision['gamma_change'], 4)}",
        f"bound by {(decision['binding_limit'] or 'nothing').replace('_', ' ')}",
    ]
    if decision["funded"] is not None:
        parts.append(f"ledger pays {dollars(decision['funded'])}, unfunded {dollars(decision['unfunded'])}")
    return ", ".join(parts)


def order_words(leg: Document) -> str:
    """Return a leg of a package with its part of the limit, points."""
    what = " ".join((leg["root"], day_words(leg["expiration"]), strike_words(leg["strike"]), leg["option_type"] or ""))
    return f"{leg['side']:<4} {leg['quantity']} {what:<32} at {number(leg['limit_price'])}"


def rule_words(rule: Document) -> str:
    """Return a rule's reading, bound and distance; of one that answers yes or no or is unknown, its reason."""
    if not rule["asked_text"] or rule["said"] == "unknown":
        return str(rule["reason"])
    return ", ".join(
        part for part in (rule["measured_text"], f"asked {rule['asked_text']}", rule["distance_text"]) if part
    )


def decided(document: Document) -> list[Document]:
    """Return the decisions of a night that ask for a trade."""
    return [row for engine in document["engines"] for row in engine["decisions"] if row["contracts"]]


def decision_lines(document: Document) -> list[str]:
    """Return the night's decisions, one line each for what is done, what it costs, its legs and its rules."""
    lines = []
    for engine in document["engines"]:
        lines.append(engine["title"])
        if engine["idle"]:
            lines.append(f"  {engine['idle']}")
        for row in engine["decisions"]:
            of = f" {row['position_id']}" if row["position_id"] else ""
            size = size_words(row)
            lines.append(f"  {row['title']}{of}{f': {size}' if size else ''}")
            lines += [f"    {cost_words(row)}"] if row["contracts"] else []
            lines += [f"    {order_words(leg)}" for leg in row["legs"]]
            lines += [f"    {row['lead']}"] if row["lead"] else []
            lines += [f"    {rule['title']}: {rule_words(rule)}" for rule in row["cited"]]
    return lines


def quality_words(document: Document) -> str:
    """Return how many checks passed, failed, or had too little history to be made."""
    counts = {name: sum(row[name] for row in document["quality"]["tables"]) for name in ("passed", "failed", "skipped")}
    return f"{counts['passed']} checks passed, {counts['failed']} failed, {counts['skipped']} had too little history"


def night_markdown(document: Document, *, page: str | None, manifest: str) -> str:
    """Return the night for the scheduler's page: decisions, rules, data quality, and where to read on."""
    lines = [f"# Night of {document['session_date']}", ""]
    lines += [f"Data {document['headline']['data_status'] or 'without a headline'}.", ""]
    lines += [f"- {text_of(words)}" for words in document["missing"]]
    for engine in document["engines"]:
        lines += ["", f"## {engine['title']}", ""]
        lines += [text_of(engine["idle"])] if engine["idle"] else []
        for row in engine["decisions"]:
            size = size_words(row)
            lines += [f"**{row['title']}**{f', {size}' if size else ''}", ""]
            lines += [f"- {text_of(cost_words(row))}"] if row["contracts"] else []
            lines += [f"- {text_of(order_words(leg))}" for leg in row["legs"]]
            lines += [f"- {text_of(row['lead'])}"] if row["lead"] else []
            lines += [""]
    lines += ["", "## Rules", "", "| rule | outcome | reading | distance | turns over at |", "|---|---|---|---|---|"]
    for rule in document["rules"]:
        reading = f"{rule['measured_text']}, asked {rule['asked_text']}" if rule["asked_text"] else rule["reason"]
        cells = (rule["rule"], rule["said_words"], reading, rule["distance_text"], rule["flip_text"])
        lines.append(f"| {' | '.join(text_of(cell) for cell in cells)} |")
    lines += ["", "## Data", "", f"Validation {document['made']['validation']}: {quality_words(document)}.", ""]
    lines += [
        f"- {text_of(row['table_name'])} {text_of(row['check_name'])}: {text_of(row['detail'] or row['severity'])}"
        for row in document["quality"]["notable"]
        if row["outcome"] == "failed"
    ]
    lines += [
        "",
        f"Page: `{page}`" if page else "No page was made (publish.report_nights).",
        "",
        f"Manifest: `{manifest}`",
    ]
    return "\n".join(lines) + "\n"


def finding_rows(document: Document) -> list[dict[str, Any]]:
    """Return the night's best findings as rows of a small table, best first."""
    return [
        {
            "kind": row["title"],
            "confidence": row["confidence"],
            "class": row["root"],
            "expiration": str(row["expiration"]),
            "edge_points": row["edge_points"],
            "edge_dollars": row["edge_dollars"],
            "half_spreads": row["edge_in_half_spreads"],
            "open_since": str(row["first_seen"]),
            "legs": "; ".join(row["legs"]),
        }
        for row in document["findings"]
    ]


def text_of(text: str) -> str:
    """Return text that markdown shows as it is, on one line."""
    return " ".join(text.split()).translate(MARKDOWN)
