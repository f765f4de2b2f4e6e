"""The power study in small: planted claims are judged as docs/claim_power.md says; what is planted is the truth."""

import math

import pytest

from benchmarks.claim_power import Fitted, Judged, condor_and_both, fitted, rates, simulation
from benchmarks.claim_power_page import HIGHEST_FALSE, LOWEST_TRUE, SHOWN, worst_false
from benchmarks.planted_market import planted_market
from tests.slow import SLOW

N_SAMPLES = 500 if SLOW else 5
N_FITTED = 500 if SLOW else 4


@pytest.fixture(scope="module")
def fit() -> Fitted:
    return fitted(N_FITTED)


@pytest.fixture(scope="module")
def verdicts(fit: Fitted) -> list[Judged]:
    return [one for number in range(1, N_SAMPLES + 1) for one in simulation(number, fit)[0]]


@pytest.mark.parametrize(("sort", "size", "planted"), [(sort, size, value) for sort, _, _, size, value in SHOWN])
def test_a_claim_planted_true_is_supported_and_one_planted_false_is_not(
    sort: str, size: int, planted: float, verdicts: list[Judged]
) -> None:
    shares = rates(verdicts)
    own = [one for one in verdicts if (one.sort, one.size, one.planted) == (sort, size, planted)]
    assert len(own) == N_SAMPLES
    assert all(one.is_true for one in own)

    def noise(share: float) -> float:
        return 3.0 * math.sqrt(share * (1.0 - share) / N_SAMPLES)

    supported = sum(one.verdict == "supported" for one in own) / N_SAMPLES
    assert supported >= LOWEST_TRUE - noise(LOWEST_TRUE)
    assert worst_false(shares, sort, size) <= HIGHEST_FALSE + noise(HIGHEST_FALSE)


def test_a_true_claim_is_never_judged_the_other_way_round_at_these_sizes(verdicts: list[Judged]) -> None:
    shown = {(sort, size, value) for sort, _, _, size, value in SHOWN}
    wrong = [one for one in verdicts if (one.sort, one.size, one.planted) in shown and one.verdict == "not supported"]
    assert len(wrong) <= 0.01 * N_SAMPLES * len(shown)


def test_what_the_state_predicts_is_gone_from_the_planted_series(fit: Fitted) -> None:
    market = planted_market(7, 1_000)
    condor, both = condor_and_both(market, fit.expected)
    for series in (condor, both):
        assert abs(series.mean()) < 4.0 * series.std() / math.sqrt(len(series))


def test_a_longer_market_begins_like_a_shorter_one() -> None:
    short, long = planted_market(3, 40), planted_market(3, 60)
    assert (long.condor[:40] == short.condor).all()
    assert (long.vix[:40] == short.vix).all()
    assert len(long.layer) == 60
