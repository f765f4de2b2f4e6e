"""The claims of METHOD section 10, one place each."""

from collections.abc import Mapping

from transforms.evidence.claims import (
    condor_earns_in_ranges,
    cost_of_capital,
    credit_finances_adjustments,
    layer_decay,
    layer_gains_as_vol_falls,
    layer_offsets_spikes,
    locks_pay_in_dislocations,
    risk_adjusted_return,
    trigger_adds_value,
    vx_reverts_faster,
)
from transforms.evidence.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    vx_reverts_faster.CLAIM,
    layer_offsets_spikes.CLAIM,
    layer_gains_as_vol_falls.CLAIM,
    *risk_adjusted_return.CLAIMS,
    *layer_decay.CLAIMS,
    condor_earns_in_ranges.CLAIM,
    trigger_adds_value.CLAIM,
    cost_of_capital.CLAIM,
    credit_finances_adjustments.CLAIM,
    locks_pay_in_dislocations.CLAIM,
)
BY_NAME: Mapping[str, Claim] = {claim.name: claim for claim in CLAIMS}
