"""trade_risk: one week's trade may not cost the account too much."""

from dataclasses import dataclass

from transforms.rules.equity_share import within_equity_share
from transforms.rules.rule import Evaluation, Parameters, Rule, given, parameter, unknown

NAME = "trade_risk"


@dataclass(frozen=True)
class Inputs:
    """The trade proposed, at the contracts proposed, and the account; 0 where there is none to open."""

    week_condor_max_loss: float | None = given("worst loss of this week's condor, dollars", low=0.0)
    week_layer_max_loss: float | None = given(
        "worst loss of the layer opened against it, dollars; missing if unlimited", low=0.0
    )
    equity: float | None = given("account equity, dollars")


@dataclass(frozen=True)
class TradeRiskParameters(Parameters):
    """How much is too much."""

    trade_risk_limit: float = parameter(0.06, "largest share of equity, decimal", low=0.001, high=1.0)


def evaluate(inputs: Inputs, parameters: TradeRiskParameters) -> Evaluation:
    """Hold while the worst losses of the week's condor and of its layer together are within their share of equity.

    Nothing nets: the two losses are added although no one price of SPX and VIX may bring both.

    Source: METHOD section 8.
    """
    condor, layer, equity = inputs.week_condor_max_loss, inputs.week_layer_max_loss, inputs.equity
    read = {"week_condor_max_loss": condor, "week_layer_max_loss": layer, "equity": equity}
    limit = parameters.trade_risk_limit
    if condor is None or layer is None or equity is None:
        return unknown(NAME, comparison="<=", threshold=limit, inputs=read)
    losses = {"week_condor_max_loss": condor, "week_layer_max_loss": layer}
    return within_equity_share(NAME, losses, equity=equity, largest_share=limit, inputs=read)


RULE = Rule(NAME, Inputs, TradeRiskParameters, evaluate)
