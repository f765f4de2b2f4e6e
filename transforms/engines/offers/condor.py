"""The first engine's offers: the week's condor, widened in a rally, tightened before a release (METHOD 6 and 8)."""

from dataclasses import replace
from typing import Literal

import polars as pl

from transforms.book.position import CondorStrikes, OpenLeg, OpenPosition, OptionType
from transforms.engines.offers.candidate import Proposal, best_that_fits
from transforms.engines.offers.change import changed, refusal
from transforms.engines.offers.standing import Standing
from transforms.rules.decisions import Offer

Tighten = Literal["short_strikes", "wings"]
NO_CONDOR = "it is no iron condor as it stands"


def condor_offer(candidates: pl.DataFrame, standing: Standing) -> Proposal:
    """Return the offer to open this week's condor: of mart.condor_candidate the best rank that fits.

    A condor starts the week's trade, so nothing open counts for trade_risk; `limits.reserved_layer_share` of its risk
    is kept free for the layer.
    """
    return best_that_fits(candidates, standing, book=standing.book(), engine="condor")


def widened(position: OpenPosition, standing: Standing, *, spot: float, short_delta: float = 0.15) -> Offer:
    """Return the offer to roll the threatened vertical outward: expiration and width stay.

    The threatened side is that whose short strike is nearer to `spot` (points), the calls if both are. Its new short
    strike is the listed one whose absolute delta is nearest to `short_delta`. 0 contracts, with the reason, if that is
    not farther out, its wing is not listed, a leg is not two-sided, or a limit refuses it.
    """
    held = position.condor
    if held is None:
        return refusal(position, NO_CONDOR)
    is_call = held.call_short - spot <= spot - held.put_short
    side: OptionType = "call" if is_call else "put"
    listed = _listed(position, standing, side)
    target = _nearest_delta(listed, side, short_delta)
    if target is None:
        return refusal(position, f"no listed {side} has a delta")
    short = held.call_short if is_call else held.put_short
    if target <= short if is_call else target >= short:
        return refusal(
            position, f"the short {side} {short:g} is as far out as {target:g}, of delta nearest {short_delta:g}"
        )
    then = (
        replace(held, call_short=target, call_long=target + held.call_width)
        if is_call
        else replace(held, put_short=target, put_long=target - held.put_width)
    )
    return _moved(position, held, then, standing)


def tightened(
    position: OpenPosition, standing: Standing, *, mode: Tighten = "short_strikes", short_delta: float = 0.30
) -> Offer:
    """Return the offer to draw a condor in before a release, the expiration unchanged.

    `short_strikes`: both verticals roll to the listed short strikes whose absolute delta is nearest to `short_delta`;
    their widths stay, as in widening. `wings`: the short strikes stay, both wings move to the listed strike nearest to
    half their width, of two the narrower; a wing with no listed strike inside stays. 0 contracts, with the reason, if
    no strike changes, a wing is not listed, a leg is not two-sided, or a limit refuses it.
    """
    held = position.condor
    if held is None:
        return refusal(position, NO_CONDOR)
    puts, calls = (_listed(position, standing, side) for side in ("put", "call"))
    if mode == "wings":
        then = replace(
            held,
            put_long=_halved(puts, short=held.put_short, long=held.put_long),
            call_long=_halved(calls, short=held.call_short, long=held.call_long),
        )
        if then == held:
            return refusal(position, "no strike is listed between a short strike and its wing")
        return _moved(position, held, then, standing)
    put_short, call_short = _nearest_delta(puts, "put", short_delta), _nearest_delta(calls, "call", short_delta)
    if put_short is None or call_short is None:
        return refusal(position, f"no listed {'put' if put_short is None else 'call'} has a delta")
    then = CondorStrikes(put_short - held.put_width, put_short, call_short, call_short + held.call_width)
    if then == held:
        return refusal(position, f"the short strikes are those of delta nearest {short_delta:g}")
    return _moved(position, held, then, standing)


def _moved(position: OpenPosition, held: CondorStrikes, then: CondorStrikes, standing: Standing) -> Offer:
    """Return the offer to trade the legs by which a condor moves from strikes to strikes."""
    note = f"{held} to {then}"
    if not then.put_short < then.call_short:
        return refusal(position, f"{note}: the short strikes would cross")
    legs: list[OpenLeg] = []
    for leg in position.legs:
        one = leg.of(leg.quantity // position.packages)
        strike = then.of(leg.option_type, leg.quantity)
        legs += [one.of(-one.quantity), replace(one, strike=strike)]
    return changed(position, legs, standing, note=note)


def _listed(position: OpenPosition, standing: Standing, side: str) -> pl.DataFrame:
    """Return strike and delta of the listed puts or calls of a condor's expiration, by strike."""
    leg = position.legs[0]
    own = (pl.col("root") == leg.root) & (pl.col("expiration") == leg.expiration) & (pl.col("option_type") == side)
    return standing.chain.filter(own).select("strike", "delta").sort("strike")


def _nearest_delta(listed: pl.DataFrame, side: str, delta: float) -> float | None:
    """Return the strike whose absolute delta is nearest, of two equally near the one farther out; None without any."""
    outward = -pl.col("strike") if side == "call" else pl.col("strike")
    miss = (pl.col("delta").abs() - delta).abs().round(12)
    found = listed.drop_nulls("delta").sort(miss, outward).head(1)
    return None if found.is_empty() else float(found["strike"][0])


def _halved(listed: pl.DataFrame, *, short: float, long: float) -> float:
    """Return the listed strike between short and wing nearest to half way, of two the narrower; the wing if none is."""
    low, high = min(short, long), max(short, long)
    miss = (pl.col("strike") - 0.5 * (short + long)).abs().round(9)
    found = (
        listed.filter((pl.col("strike") > low) & (pl.col("strike") < high))
        .sort(miss, (pl.col("strike") - short).abs())
        .head(1)
    )
    return long if found.is_empty() else float(found["strike"][0])
