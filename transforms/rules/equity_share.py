"""What trade_risk and book_risk share: a worst loss as a share of equity."""

from collections.abc import Mapping
from math import inf

from transforms.rules.rule import CENT, Evaluation, Value, judged, sentence, turning_point


def within_equity_share(
    rule: str,
    losses: Mapping[str, float],
    *,
    equity: float,
    largest_share: float,
    inputs: Mapping[str, Value],
) -> Evaluation:
    """Return the evaluation of (sum of `losses`)/equity <= largest_share, all in dollars.

    Without positive equity it fails, having no share. The first of the losses is what flips it; where the others
    alone are too much, equity is.
    """
    name, *rest = losses
    others = sum(losses[other] for other in rest)
    total = losses[name] + others
    if equity <= 0.0:
        return judged(
            rule,
            measured=None,
            comparison="<=",
            threshold=largest_share,
            inputs=inputs,
            flip={"equity": _enough_equity(total, largest_share)},
            reason=f"equity is {equity:,.2f} dollars",
            holds=False,
        )
    share = total / equity
    room = largest_share * equity - others
    flip: dict[str, float]
    if share <= largest_share:
        flip = {name: turning_point(room, toward=inf, turns=lambda x: (x + others) / equity > largest_share)}
    elif others / equity <= largest_share:
        turned = turning_point(room, toward=-inf, turns=lambda x: (x + others) / equity <= largest_share)
        flip = {name: turned}
    else:
        flip = {"equity": _enough_equity(total, largest_share)}
    return judged(
        rule,
        measured=share,
        comparison="<=",
        threshold=largest_share,
        inputs=inputs,
        flip=flip,
        reason=sentence(f"worst loss {total:,.2f} dollars, share of equity", share, "<=", largest_share),
    )


def _enough_equity(loss: float, largest_share: float) -> float:
    if loss <= 0.0:
        return CENT
    return turning_point(loss / largest_share, toward=inf, turns=lambda equity: loss / equity <= largest_share)
