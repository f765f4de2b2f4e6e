"""docs/rules.md, derived from the rules: what each holds on, reads and may be set to."""

from dataclasses import Field, fields
from typing import Any

from transforms.rules import RULES
from transforms.rules.decisions import ACTIVATION, DecisionParameters
from transforms.rules.rule import Rule

OPENING = """# Rules

Every rule writes one row a session into `mart.rule_evaluation`. It is `passed` while it holds and `failed` while it
does not; `unknown` when an input it reads is missing; `informational` if it only advises (`holds` then says which).
`distance` is how far the measured value is from the threshold, in its own unit and positive while the rule holds.
`flip` names the inputs that, set together to the values given, just turn it over. Parameters marked *disputed* are
those on which public descriptions of the method contradict each other. This page is written from the rules' own
declarations.
"""


def rules_document() -> str:
    """Return the text of docs/rules.md."""
    lines = [OPENING, "| rule | judges | holds | reads | source |", "|---|---|---|---|---|"]
    for rule in RULES:
        holds, source = said_of(rule)
        reads = "<br>".join(f"`{name.name}`: {name.metadata['meaning']}" for name in fields(rule.inputs))
        lines.append(f"| `{rule.name}` | {_judges(rule)} | {holds} | {reads} | {source} |")
    lines += ["", "## Parameters", "", "| rule | parameter | default | allowed | meaning |", "|---|---|---|---|---|"]
    for rule in RULES:
        lines += [_parameter_row(f"`{rule.name}`", declared) for declared in fields(rule.parameters)]
    lines += [_parameter_row("decisions", declared) for declared in fields(DecisionParameters)]
    lines += ["", "## Activation of the second engine", "", "| activation_mode | rules that must pass |", "|---|---|"]
    lines += [f"| {mode} | {', '.join(f'`{name}`' for name in names)} |" for mode, names in ACTIVATION.items()]
    return "\n".join(lines) + "\n"


def said_of(rule: Rule) -> tuple[str, str]:
    """Return what a rule's docstring says it holds on, and its source note."""
    paragraphs = [" ".join(part.split()) for part in (rule.evaluate.__doc__ or "").split("\n\n")]
    sources = [part for part in paragraphs if part.startswith("Source: ")]
    return " ".join(part for part in paragraphs if part not in sources), " ".join(sources).removeprefix("Source: ")


def _judges(rule: Rule) -> str:
    return "the session" if rule.scope == "session" else f"each open {rule.scope}"


def _parameter_row(owner: str, declared: Field[Any]) -> str:
    allowed, low, high = (declared.metadata[key] for key in ("allowed", "low", "high"))
    span = ", ".join(allowed) if allowed else f"{low:g} to {high:g}"
    default = "none" if declared.default is None else declared.default
    disputed = " *(disputed)*" if declared.metadata["disputed"] else ""
    return f"| {owner} | `{declared.name}` | {default} | {span} | {declared.metadata['meaning']}{disputed} |"
