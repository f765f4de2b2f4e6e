"""breadth_momentum: the advance-decline line gathers pace."""

from dataclasses import dataclass

from transforms.rules.momentum_state import MomentumParameters, bullish
from transforms.rules.rule import Evaluation, Rule, given

NAME = "breadth_momentum"


@dataclass(frozen=True)
class Inputs:
    """feature.momentum_daily of the session, series breadth."""

    breadth_histogram: float | None = given("MACD histogram of the cumulative advance-decline line, issues")


@dataclass(frozen=True)
class BreadthMomentumParameters(MomentumParameters):
    """As `MomentumParameters`."""


def evaluate(inputs: Inputs, parameters: BreadthMomentumParameters) -> Evaluation:
    """Hold while the MACD of the advance-decline line is bullish: histogram above zero (strictly).

    Source: METHOD sections 3 and 8; MACD is Appel's (The Moving Average Convergence-Divergence Method, 1979).
    """
    return bullish(NAME, histogram_name="breadth_histogram", histogram=inputs.breadth_histogram, parameters=parameters)


RULE = Rule(NAME, Inputs, BreadthMomentumParameters, evaluate)
