"""Which wording and which parameters of a rule judged a night."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

import polars as pl

from transforms.rules.rule import Parameters, Rule
from transforms.tables.rule import RULE_VERSION

DIGITS = 16


def rule_version(rule: Rule, parameters: Parameters, *, source: str) -> str:
    """Return the version of a rule: 16 hexadecimal digits of the SHA-256 over its name, source and parameters.

    `source` is the text of the rule's module (`rule.module`). It is an argument because reading it touches the disk;
    line ends do not count, so a checkout on another system has the same versions.
    """
    said = json.dumps(asdict(parameters), sort_keys=True)
    text = "\n".join(source.splitlines())
    return hashlib.sha256(f"{rule.name}\0{said}\0{text}".encode()).hexdigest()[:DIGITS]


def rule_label(parameters: Parameters) -> str:
    """Return the parameters as a line a person reads: `contango_threshold = 0.08`; "no parameters" without any."""
    return ", ".join(f"{name} = {value}" for name, value in asdict(parameters).items()) or "no parameters"


def rule_versions(
    known: pl.DataFrame, session_date: date, *, versions: Mapping[str, str], labels: Mapping[str, str]
) -> pl.DataFrame:
    """Return mart.rule_version with the versions a session was judged by.

    Parameters
    ----------
    known
        mart.rule_version as it stands.
    session_date
        The session; a version is valid from the first session judged by it.
    versions, labels
        By rule name.
    """
    tonight = pl.DataFrame(
        [
            {"rule": rule, "rule_version": version, "label": labels[rule], "valid_from": session_date}
            for rule, version in versions.items()
        ],
        schema=RULE_VERSION.polars_schema,
    )
    # The label of a version never changes: it says the parameters that are part of the hash.
    together = pl.concat([known.select(RULE_VERSION.column_names), tonight])
    return RULE_VERSION.conform(
        together.group_by("rule", "rule_version").agg(pl.col("label").min(), pl.col("valid_from").min())
    )
