"""quick_ratio: what is at hand covers what may be called."""

from dataclasses import dataclass
from math import inf, nextafter

from transforms.rules.rule import (
    Evaluation,
    Parameters,
    Rule,
    given,
    judged,
    parameter,
    sentence,
    turning_point,
    unknown,
)

NAME = "quick_ratio"


@dataclass(frozen=True)
class Inputs:
    """core.account_state in force, and the margin of everything open once tonight's trade is on."""

    cash: float | None = given("cash, dollars; negative if borrowed")
    marketable_securities: float | None = given("securities not pledged elsewhere, dollars", low=0.0)
    receivables: float | None = given("receivables, dollars", low=0.0)
    current_liabilities: float | None = given("current liabilities, dollars", low=0.0)
    margin_after_trade: float | None = given("margin of both engines after the trade, dollars", low=0.0)


@dataclass(frozen=True)
class QuickRatioParameters(Parameters):
    """How well covered."""

    least_quick_ratio: float = parameter(1.0, "least ratio", low=0.1, high=10.0)


def evaluate(inputs: Inputs, parameters: QuickRatioParameters) -> Evaluation:
    """Hold while (cash + securities + receivables)/(current liabilities + margin) is at least the threshold.

    With nothing to cover the ratio is infinite and passes; it is then not measured.

    Source: METHOD section 8; the quick or acid-test ratio of financial statement analysis, margin counted as due.
    """
    threshold = parameters.least_quick_ratio
    cash, securities, receivables = inputs.cash, inputs.marketable_securities, inputs.receivables
    liabilities, margin = inputs.current_liabilities, inputs.margin_after_trade
    read = {
        "cash": cash,
        "marketable_securities": securities,
        "receivables": receivables,
        "current_liabilities": liabilities,
        "margin_after_trade": margin,
    }
    if cash is None or securities is None or receivables is None or liabilities is None or margin is None:
        return unknown(NAME, comparison=">=", threshold=threshold, inputs=read)
    due = liabilities + margin

    def ratio_with(cash_at_hand: float) -> float:
        return (cash_at_hand + securities + receivables) / due

    if due == 0.0:
        at_hand = cash + securities + receivables
        return judged(
            NAME,
            measured=None,
            comparison=">=",
            threshold=threshold,
            inputs=read,
            flip={"margin_after_trade": _margin_beyond(at_hand, threshold)},
            reason="nothing is due: the ratio is infinite",
            holds=True,
        )
    ratio = ratio_with(cash)
    guess = threshold * due - securities - receivables
    if ratio >= threshold:
        turned = turning_point(guess, toward=-inf, turns=lambda x: ratio_with(x) < threshold)
    else:
        turned = turning_point(guess, toward=inf, turns=lambda x: ratio_with(x) >= threshold)
    return judged(
        NAME,
        measured=ratio,
        comparison=">=",
        threshold=threshold,
        inputs=read,
        flip={"cash": turned},
        reason=sentence("quick ratio", ratio, ">=", threshold),
    )


def _margin_beyond(at_hand: float, threshold: float) -> float:
    if at_hand < 0.0:
        return nextafter(0.0, inf)
    return turning_point(at_hand / threshold, toward=inf, turns=lambda due: due > 0.0 and at_hand / due < threshold)


RULE = Rule(NAME, Inputs, QuickRatioParameters, evaluate)
