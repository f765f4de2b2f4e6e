"""The rules of METHOD section 8, one module each, in the order in which one reads another's outcome."""

from collections.abc import Mapping

from transforms.rules import (
    book_risk,
    breadth_momentum,
    condor_in_zone,
    contango_scan,
    curve_momentum,
    dislocation,
    event_ahead,
    exit,
    layer_share,
    quick_ratio,
    rally,
    roll_due,
    stance,
    trade_risk,
    vol_of_vol_low,
    vx_oversold,
    weekly_session,
)
from transforms.rules.rule import Parameters, Rule

RULES: tuple[Rule, ...] = (
    weekly_session.RULE,
    contango_scan.RULE,
    vx_oversold.RULE,
    condor_in_zone.RULE,
    breadth_momentum.RULE,
    curve_momentum.RULE,
    vol_of_vol_low.RULE,
    stance.RULE,
    layer_share.RULE,
    trade_risk.RULE,
    book_risk.RULE,
    quick_ratio.RULE,
    event_ahead.RULE,
    rally.RULE,
    roll_due.RULE,
    dislocation.RULE,
    exit.RULE,
)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def default_parameters() -> dict[str, Parameters]:
    """Return the default parameters of every rule, by name."""
    return {rule.name: rule.parameters() for rule in RULES}
