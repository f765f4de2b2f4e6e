"""Names and numbers as people read them: what a decision, a rule or an input is called, and how a value is written."""

import json
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal

from transforms.rules import BY_NAME as RULES

UNKNOWN = "unknown"
ENGINES = {"condor": "First engine: SPX iron condor", "second": "Second engine: VIX call ratio spread"}
DECISIONS = {
    "stay_dormant": "Stay dormant",
    "open_condor": "Open the week's iron condor",
    "activate_second_engine": "Open the layer",
    "roll_second_engine": "Roll the layer to the next month",
    "widen_condor": "Widen the condor",
    "tighten_condor": "Tighten the condor",
    "reduce": "Reduce",
    "close": "Close",
}
ATTRIBUTION = ("delta", "gamma", "vega", "theta", "slippage", "residual", "fees", "interest")

Unit = Literal["percent", "points", "dollars", "sessions", "ratio", "issues", "decimal", "yes"]


@dataclass(frozen=True)
class RuleWords:
    """What a rule is called, which part of the night it serves, in what its values are written and what dial it has.

    `low` and `high` are the ends of the dial, None for a rule that answers yes or no; a threshold outside moves them.
    """

    title: str
    group: str
    unit: Unit
    low: float | None = None
    high: float | None = None


GROUPS = (
    "Opens the week's condor",
    "Activates the second engine",
    "Bounds the size",
    "Watches what is open",
    "Advises only",
)
RULE_WORDS = {
    "weekly_session": RuleWords("First session of the week", GROUPS[0], "yes"),
    "contango_scan": RuleWords("Contango VX2/VX1 - 1", GROUPS[1], "percent", -0.10, 0.20),
    "vx_oversold": RuleWords("RSI(14) of the front VX", GROUPS[1], "ratio", 0.0, 100.0),
    "condor_in_zone": RuleWords("Zone of the newest condor", GROUPS[1], "ratio", -1.0, 1.0),
    "vol_of_vol_low": RuleWords("Sessions of low VVIX", GROUPS[2], "sessions", 0.0, 10.0),
    "stance": RuleWords("Stance", GROUPS[2], "yes"),
    "layer_share": RuleWords("Layer's share of condor risk", GROUPS[2], "percent", 0.0, 0.60),
    "trade_risk": RuleWords("Risk of this week's trade", GROUPS[2], "percent", 0.0, 0.12),
    "book_risk": RuleWords("Risk of everything open", GROUPS[2], "percent", 0.0, 0.50),
    "quick_ratio": RuleWords("Quick ratio after the trade", GROUPS[2], "ratio", 0.0, 10.0),
    "event_ahead": RuleWords("Sessions to CPI, PPI or FOMC", GROUPS[3], "sessions", 0.0, 20.0),
    "rally": RuleWords("SPX against its rally level", GROUPS[3], "points"),
    "roll_due": RuleWords("Sessions to layer expiration", GROUPS[3], "sessions", 0.0, 25.0),
    "exit": RuleWords("Exit", GROUPS[3], "yes"),
    "breadth_momentum": RuleWords("MACD histogram of breadth", GROUPS[4], "issues"),
    "curve_momentum": RuleWords("MACD histogram of the curve", GROUPS[4], "percent"),
    "dislocation": RuleWords("Percentile of dislocation", GROUPS[4], "percent", 0.0, 1.0),
}
LIMIT_UNITS: dict[str, Unit] = {
    "layer_share": "percent", "trade_risk": "percent", "book_risk": "percent", "quick_ratio": "ratio",
    "size_at_touch": "issues",
}  # fmt: skip
# A rule of this group that does not hold calls for nothing.
WATCHES = GROUPS[3]
COMPARISONS = {">": "above", "<": "below", ">=": "at least", "<=": "at most"}


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with thousands separated and so many digits."""
    if value is None:
        return UNKNOWN
    return f"{0.0 if abs(value) < 0.5 * 10.0**-digits else value:,.{digits}f}"


def dollars(value: float | None, digits: int = 0) -> str:
    """Return dollars, the sign before the mark."""
    if value is None:
        return UNKNOWN
    text = number(abs(value), digits)
    return f"-${text}" if value < 0.0 and text.strip("0.,") else f"${text}"


def percent(value: float | None, digits: int = 2) -> str:
    """Return a decimal as percent."""
    return UNKNOWN if value is None else f"{number(100.0 * value, digits)}%"


def measure(value: float | None, unit: Unit) -> str:
    """Return a rule's or limit's value in its unit."""
    if value is None:
        return UNKNOWN
    if unit == "percent":
        return percent(value)
    if unit == "dollars":
        return dollars(value)
    if unit in ("sessions", "issues"):
        return number(value, 0)
    if unit == "yes":
        return "yes" if value >= 1.0 else "no"
    return number(value)


def unit_words(unit: Unit) -> str:
    """Return how a unit is named behind a value; empty where the value says it."""
    return {"sessions": "sessions", "points": "points", "issues": "", "ratio": ""}.get(unit, "")


def input_words(rule: str, name: str, value: Any) -> str:
    """Return an input of a rule with its value, written in the unit its declaration names."""
    meaning = next((f.metadata["meaning"] for f in fields(RULES[rule].inputs) if f.name == name), "")
    if value is None:
        text = "missing"
    elif isinstance(value, str | bool):
        text = str(value)
    elif "dollars" in meaning:
        text = dollars(float(value))
    elif "decimal" in meaning and not name.endswith("zone"):
        text = percent(float(value))
    else:
        text = f"{float(value):,.6g}" if abs(float(value)) < 1e6 else number(float(value), 0)
    return f"{name.replace('_', ' ')} = {text}"


def flip_words(rule: str, flip: str | None) -> str:
    """Return which inputs, set together to which values, turn a rule over; empty if unknown."""
    if flip is None:
        return ""
    return " and ".join(input_words(rule, name, value) for name, value in json.loads(flip).items())


def day_words(day: date | None) -> str:
    """Return a day as 18 Dec 2026."""
    return UNKNOWN if day is None else f"{day.day} {day:%b %Y}"


def strike_words(strike: float | None) -> str:
    """Return a strike as it is spoken: 4720 and 12.5."""
    return "" if strike is None else f"{strike:g}"
