"""layer_share: the second engine stays a part of what the condors risk."""

from dataclasses import dataclass
from math import inf

from transforms.rules.rule import CENT, Evaluation, Parameters, Rule, given, judged, parameter, sentence, unknown
from transforms.rules.rule import turning_point as turning

NAME = "layer_share"


@dataclass(frozen=True)
class Inputs:
    """Risk of the open layers and of the open condors in dollars, by each basis, and the stance in force."""

    stance: str | None = given("stance in force", allowed=("steward", "promoter"))
    layer_capital_at_risk: float | None = given(
        "maximum loss plus fees of the layers, dollars; missing if a loss is unlimited", low=0.0
    )
    condor_capital_at_risk: float | None = given("maximum loss plus fees of the open condors, dollars", low=0.0)
    layer_margin: float | None = given("margin of the layers, dollars", low=0.0)
    condor_margin: float | None = given("margin of the open condors, dollars", low=0.0)
    layer_notional: float | None = given("notional of the layers, dollars", low=0.0)
    condor_notional: float | None = given("notional of the open condors, dollars", low=0.0)


@dataclass(frozen=True)
class LayerShareParameters(Parameters):
    """How large a part, and of what."""

    steward_share: float = parameter(0.30, "largest share as steward, decimal", low=0.01, high=1.0)
    promoter_share: float = parameter(0.40, "largest share as promoter, decimal", low=0.01, high=1.0, disputed=True)
    layer_share_basis: str = parameter(
        "capital_at_risk",
        "what is compared",
        allowed=("capital_at_risk", "margin", "notional"),
        disputed=True,
    )


def largest_layer_share(stance: str | None, parameters: LayerShareParameters) -> float:
    """Return the largest share a stance allows, decimal; without a stance the steward's."""
    return parameters.promoter_share if stance == "promoter" else parameters.steward_share


def evaluate(inputs: Inputs, parameters: LayerShareParameters) -> Evaluation:
    """Hold while layer risk / open condors' risk is at most the share of the stance, both on the basis set.

    No layer is a share of 0; a layer without a condor fails, having no finite share.

    Source: METHOD section 8; public descriptions of the method dispute the ceiling of the promoter and the basis.
    """
    basis = parameters.layer_share_basis
    layer_name, condor_name = f"layer_{basis}", f"condor_{basis}"
    layer: float | None = getattr(inputs, layer_name)
    condor: float | None = getattr(inputs, condor_name)
    share = largest_layer_share(inputs.stance, parameters)
    read = {"stance": inputs.stance, layer_name: layer, condor_name: condor}
    if inputs.stance is None or layer is None or condor is None:
        threshold = None if inputs.stance is None else share
        return unknown(NAME, comparison="<=", threshold=threshold, inputs=read)
    if condor == 0.0 and layer > 0.0:
        return judged(
            NAME,
            measured=None,
            comparison="<=",
            threshold=share,
            inputs=read,
            flip={layer_name: 0.0},
            reason=f"a layer of {layer:,.2f} dollars stands against no condor",
            holds=False,
        )
    measured = layer / condor if condor > 0.0 else 0.0
    if condor == 0.0:
        turned = CENT
    elif measured <= share:
        turned = turning(share * condor, toward=inf, turns=lambda risk: risk / condor > share)
    else:
        turned = turning(share * condor, toward=-inf, turns=lambda risk: risk / condor <= share)
    return judged(
        NAME,
        measured=measured,
        comparison="<=",
        threshold=share,
        inputs=read,
        flip={layer_name: turned},
        reason=sentence(f"share as {inputs.stance}", measured, "<=", share),
    )


RULE = Rule(NAME, Inputs, LayerShareParameters, evaluate)
