"""curve_momentum: the VX curve steepens."""

from dataclasses import dataclass

from transforms.rules.momentum_state import MomentumParameters, bullish
from transforms.rules.rule import Evaluation, Rule, given

NAME = "curve_momentum"


@dataclass(frozen=True)
class Inputs:
    """feature.momentum_daily of the session, series curve."""

    curve_histogram: float | None = given("MACD histogram of the 60-day/30-day VX ratio - 1, decimal")


@dataclass(frozen=True)
class CurveMomentumParameters(MomentumParameters):
    """As `MomentumParameters`."""


def evaluate(inputs: Inputs, parameters: CurveMomentumParameters) -> Evaluation:
    """Hold while the MACD of the curve series is bullish: histogram above zero (strictly).

    Source: METHOD sections 3 and 8; MACD is Appel's (The Moving Average Convergence-Divergence Method, 1979).
    """
    return bullish(NAME, histogram_name="curve_histogram", histogram=inputs.curve_histogram, parameters=parameters)


RULE = Rule(NAME, Inputs, CurveMomentumParameters, evaluate)
