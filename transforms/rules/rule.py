"""The shape of a rule: named inputs and parameters in, one evaluation out.

A rule compares one measured value with one threshold. `holds` says whether the comparison holds, `distance` by how much
(positive while it holds, in the unit of the measured value), `flip` which inputs, set together to which values, would
just turn it over. An input that is missing makes the outcome `unknown`; it never passes silently.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Literal, get_args

from transforms.errors import DataError, UsageError

Scalar = float | int | str | date
Value = Scalar | None
Outcome = Literal["passed", "failed", "unknown", "informational"]
Comparison = Literal[">", "<", ">=", "<="]
# What a rule is about: the session as a whole, or each open condor or layer by itself.
Scope = Literal["session", "condor", "layer"]
Mode = Literal["advisory", "required"]

OUTCOMES: tuple[str, ...] = get_args(Outcome)
CENT = 0.01


def given(
    meaning: str, *, low: float | None = None, high: float | None = None, allowed: tuple[str, ...] | None = None
) -> Any:
    """Declare an input of a rule: None (missing) unless given; bounds are inclusive."""
    return field(default=None, metadata=described(meaning, low=low, high=high, allowed=allowed))


def described(
    meaning: str, *, low: float | None = None, high: float | None = None, allowed: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Return what is declared of an input or parameter: its meaning with the unit, and what it may be."""
    return {"meaning": meaning, "low": low, "high": high, "allowed": allowed}


def parameter(
    default: Scalar | None,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    allowed: tuple[str, ...] | None = None,
    disputed: bool = False,
) -> Any:
    """Declare a parameter of a rule: its default, inclusive bounds or closed set, and whether its value is disputed."""
    return field(
        default=default,
        metadata={**described(meaning, low=low, high=high, allowed=allowed), "disputed": disputed},
    )


@dataclass(frozen=True)
class Parameters:
    """The parameters of a rule; a value outside its declared range is refused when they are made.

    Raises
    ------
    UsageError
        Naming the parameter, its value and what is allowed.
    """

    def __post_init__(self) -> None:
        for declared in fields(self):
            value = getattr(self, declared.name)
            if value is None and declared.default is None:
                continue
            fault = _fault(value, declared.metadata)
            if fault:
                raise UsageError(f"{type(self).__module__}: {declared.name} = {value!r} {fault}")


@dataclass(frozen=True)
class Evaluation:
    """What a rule found.

    `measured`, `threshold` and `distance` are in the rule's own unit; `measured` and `distance` are None where the
    outcome is unknown or where there is no finite number to compare, which `reason` then explains. `state` is what the
    rule says beyond its outcome (a stance, an action), None for most. `inputs` are those read, by name. `advisory`
    means that no decision may hang on it.
    """

    rule: str
    measured: float | None
    comparison: Comparison
    threshold: float | None
    distance: float | None
    holds: bool | None
    outcome: Outcome
    flip: Mapping[str, Scalar]
    inputs: Mapping[str, Value]
    reason: str
    state: str | None = None
    advisory: bool = False


@dataclass(frozen=True)
class Rule:
    """One rule of the method: its name, what it reads and may be set to, and the function that evaluates it."""

    name: str
    inputs: type[Any]
    parameters: type[Parameters]
    evaluate: Callable[[Any, Any], Evaluation]
    scope: Scope = "session"

    @property
    def module(self) -> str:
        """Name of the module the rule is written in."""
        return self.evaluate.__module__

    def __call__(self, values: Mapping[str, Value], parameters: Parameters | None = None) -> Evaluation:
        """Evaluate the rule on the values it names; of `values`, others are ignored and absent ones are missing.

        Raises
        ------
        DataError
            If a value is not finite or outside the input's declared range.
        """
        read = {}
        for declared in fields(self.inputs):
            value = values.get(declared.name)
            fault = None if value is None else _fault(value, declared.metadata)
            if fault:
                raise DataError(f"rule {self.name}: input {declared.name} = {value!r} {fault}; a missing input is None")
            read[declared.name] = value
        return self.evaluate(self.inputs(**read), parameters if parameters is not None else self.parameters())


def judged(
    rule: str,
    *,
    measured: float | None,
    comparison: Comparison,
    threshold: float,
    inputs: Mapping[str, Value],
    flip: Mapping[str, Scalar],
    reason: str,
    holds: bool | None = None,
    state: str | None = None,
    advisory: bool = False,
) -> Evaluation:
    """Return the evaluation of a comparison that could be made.

    `holds` is given only where `measured` is None: there is no finite number, yet the answer is known.
    """
    if measured is not None:
        holds = compares(measured, comparison, threshold)
    if holds is None:
        raise DataError(f"rule {rule}: nothing was measured and no answer was given")
    return Evaluation(
        rule=rule,
        measured=measured,
        comparison=comparison,
        threshold=threshold,
        distance=None if measured is None else signed_distance(measured, comparison, threshold),
        holds=holds,
        outcome="informational" if advisory else "passed" if holds else "failed",
        flip=flip,
        inputs=inputs,
        reason=reason,
        state=state,
        advisory=advisory,
    )


def unknown(
    rule: str,
    *,
    comparison: Comparison,
    threshold: float | None,
    inputs: Mapping[str, Value],
    state: str | None = None,
    advisory: bool = False,
) -> Evaluation:
    """Return the evaluation of a rule some of whose inputs are missing; the reason names them."""
    missing = ", ".join(name for name, value in inputs.items() if value is None)
    return Evaluation(
        rule=rule,
        measured=None,
        comparison=comparison,
        threshold=threshold,
        distance=None,
        holds=None,
        outcome="unknown",
        flip={},
        inputs=inputs,
        reason=f"missing: {missing}",
        state=state,
        advisory=advisory,
    )


def compares(measured: float, comparison: Comparison, threshold: float) -> bool:
    """Return whether `measured` stands in the comparison to `threshold`."""
    if comparison == ">":
        return measured > threshold
    if comparison == "<":
        return measured < threshold
    return measured >= threshold if comparison == ">=" else measured <= threshold


def signed_distance(measured: float, comparison: Comparison, threshold: float) -> float:
    """Return how far `measured` is beyond the threshold, where the comparison holds; negative before it."""
    return measured - threshold if comparison in (">", ">=") else threshold - measured


def turning_value(measured: float, comparison: Comparison, threshold: float) -> float:
    """Return the value nearest to `measured` for which the comparison gives the other answer."""
    holds = compares(measured, comparison, threshold)
    if compares(threshold, comparison, threshold) != holds:
        return threshold
    upward = (comparison in (">", ">=")) != holds
    return math.nextafter(threshold, math.inf if upward else -math.inf)


def turning_point(guess: float, *, toward: float, turns: Callable[[float], bool]) -> float:
    """Return the first float on the way `toward` (plus or minus infinity) at which `turns` becomes true.

    `turns` is monotone on that way and `guess` right up to rounding: the search doubles its step from there in
    both directions and then halves the interval down to neighboring floats.
    """
    turned, unturned, step = guess, guess, math.ulp(guess)
    away = math.copysign(1.0, toward)
    while not turns(turned):
        unturned, turned, step = turned, turned + away * step, 2.0 * step
    while unturned == turned or turns(unturned):
        turned, unturned, step = unturned, unturned - away * step, 2.0 * step
    while (middle := unturned + (turned - unturned) / 2.0) not in (unturned, turned):
        if turns(middle):
            turned = middle
        else:
            unturned = middle
    return turned


def sentence(name: str, measured: float, comparison: Comparison, threshold: float, *, unit: str = "") -> str:
    """Return the comparison as a phrase, and by how much it holds or fails."""
    distance = signed_distance(measured, comparison, threshold)
    verdict = "holds" if compares(measured, comparison, threshold) else "does not hold"
    suffix = f" {unit}" if unit else ""
    return f"{name} {measured:.6g} {comparison} {threshold:.6g}{suffix} {verdict} by {abs(distance):.4g}"


def _fault(value: Any, declared: Mapping[str, Any]) -> str | None:
    allowed, low, high = declared["allowed"], declared["low"], declared["high"]
    if allowed is not None:
        return None if value in allowed else f"is none of {', '.join(allowed)}"
    if isinstance(value, float) and not math.isfinite(value):
        return "is not finite"
    if isinstance(value, bool | str | None) or (isinstance(value, date) and low is not None):
        return "is no number"
    if (low is not None and value < low) or (high is not None and value > high):
        return f"is outside {'' if low is None else low:.6g} to {'any' if high is None else high:.6g}"
    return None
