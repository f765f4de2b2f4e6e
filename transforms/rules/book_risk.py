"""book_risk: everything open may not cost the account too much."""

from dataclasses import dataclass

from transforms.rules.equity_share import within_equity_share
from transforms.rules.rule import Evaluation, Parameters, Rule, given, parameter, unknown

NAME = "book_risk"


@dataclass(frozen=True)
class Inputs:
    """The open book, tonight's trade with it, and the account."""

    open_max_loss: float | None = given(
        "worst loss of everything open, added up, dollars; missing if one is unlimited", low=0.0
    )
    equity: float | None = given("account equity, dollars")


@dataclass(frozen=True)
class BookRiskParameters(Parameters):
    """How much is too much."""

    book_risk_limit: float = parameter(0.25, "largest share of equity, decimal", low=0.001, high=1.0)


def evaluate(inputs: Inputs, parameters: BookRiskParameters) -> Evaluation:
    """Hold while the worst loss of everything open is within its share of equity.

    Source: METHOD section 8.
    """
    loss, equity, limit = inputs.open_max_loss, inputs.equity, parameters.book_risk_limit
    read = {"open_max_loss": loss, "equity": equity}
    if loss is None or equity is None:
        return unknown(NAME, comparison="<=", threshold=limit, inputs=read)
    return within_equity_share(NAME, {"open_max_loss": loss}, equity=equity, largest_share=limit, inputs=read)


RULE = Rule(NAME, Inputs, BookRiskParameters, evaluate)
