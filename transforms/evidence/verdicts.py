"""Whether an interval supports a claim, and what that needs where several variants are tried (METHOD section 10)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from transforms.evidence.estimate import Estimate

Verdict = Literal["supported", "not supported", "too little data"]
FEWEST_OBSERVATIONS = 20
# A series so persistent that it holds fewer blocks than this has intervals that are much too short
# (docs/claim_power.md): its many sessions are as good as so few observations.
FEWEST_BLOCKS = 20
LEVEL = 0.05


@dataclass(frozen=True)
class Claimed:
    """The open range in which a claim says its statistic lies; an infinite end is no bound."""

    low: float = -math.inf
    high: float = math.inf

    def verdict(self, interval: tuple[float, float]) -> Verdict:
        """Return supported if the interval is wholly inside, not supported if wholly outside, else too little data."""
        low, high = interval
        if low > self.low and high < self.high:
            return "supported"
        if high <= self.low or low >= self.high:
            return "not supported"
        return "too little data"

    def p_value(self, estimate: Estimate) -> float:
        """Return the least level at which the percentile interval has a verdict, either one; 1 without draws.

        Twice the share of draws on the wrong side of the claim's nearest bound, and at least 2/(draws + 1).
        """
        draws = estimate.draws
        if estimate.estimate is None or not len(draws):
            return 1.0
        not_above_low, not_below_high = (draws <= self.low).mean(), (draws >= self.high).mean()
        against_inside = max(not_above_low, not_below_high)
        against_outside = min((draws > self.low).mean(), (draws < self.high).mean())
        return float(min(1.0, max(2.0 * min(against_inside, against_outside), 2.0 / (len(draws) + 1.0))))


@dataclass(frozen=True)
class Judgement:
    """The verdict on one estimate: its 95 % interval (None without one), the level it was judged at, its p-value.

    `p_value` is Holm's adjusted one: the least level over all variants at which this one has a verdict.
    """

    verdict: Verdict
    interval: tuple[float, float] | None
    level: float
    p_value: float


def judged(estimates: Sequence[Estimate], claimed: Claimed) -> list[Judgement]:
    """Return the judgements of one claim under its variants, in their order.

    Each variant with 20 observations and 20 blocks or more is judged by the percentile interval that Holm's step-down
    procedure (1979, Scandinavian Journal of Statistics 6, 65) allows it: the variant with the i-th smallest p-value of
    m at 1 − 0.05/(m − i + 1), until one has no verdict; that one and those after it have too little data. One variant
    alone is judged by its 95 % interval.
    """
    intervals = [estimate.interval() for estimate in estimates]
    p_values = [claimed.p_value(estimate) for estimate in estimates]
    judgeable = [
        index
        for index, estimate in enumerate(estimates)
        if min(estimate.n / FEWEST_OBSERVATIONS, estimate.n_blocks / FEWEST_BLOCKS) >= 1.0
        and intervals[index] is not None
    ]
    found = [
        Judgement("too little data", interval, LEVEL, 1.0 if index not in judgeable else p_values[index])
        for index, interval in enumerate(intervals)
    ]
    adjusted, goes_on = 0.0, True
    for step, index in enumerate(sorted(judgeable, key=lambda index: (p_values[index], index))):
        n_left = len(judgeable) - step
        adjusted = max(adjusted, min(1.0, n_left * p_values[index]))
        interval = estimates[index].interval(confidence=1.0 - LEVEL / n_left)
        verdict: Verdict = claimed.verdict(interval) if goes_on and interval is not None else "too little data"
        goes_on = verdict != "too little data"
        found[index] = Judgement(verdict, intervals[index], LEVEL / n_left, adjusted)
    return found
