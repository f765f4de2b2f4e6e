"""The power study in small: planted claims are judged as docs/claim_power.md says; what is planted is the truth."""

import math

import numpy as np
import pytest

from benchmarks.claim_power import (
    LAYER_SHARE,
    MONTH,
    SESSIONS,
    Fitted,
    Judged,
    condor_and_both,
    fitted,
    months,
    rates,
    simulation,
)
from benchmarks.claim_power_page import HIGHEST_FALSE, LOWEST_TRUE, SHOWN, worst_false
from benchmarks.planted_market import planted_market
from tests.slow import SLOW
from transforms.evidence.claims.risk_adjusted_return import sharpe_gain

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
    for series in condor_and_both(market, fit.expected, LAYER_SHARE).T:
        assert abs(series.mean()) < 4.0 * series.std() / math.sqrt(len(series))


def test_a_sharpe_gain_planted_at_nothing_is_nothing_in_windows_too(fit: Fitted) -> None:
    gains = []
    for number in range(1, (250 if SLOW else 10) + 1):
        market = planted_market(number, SESSIONS[1])
        surprise = condor_and_both(market, fit.expected, LAYER_SHARE) / fit.deviations
        observed = sharpe_gain(surprise)
        gains.append(float(observed.statistic(observed.rows.mean(axis=0))))
    assert abs(np.mean(gains)) < 4.0 * np.std(gains) / math.sqrt(len(gains))


def test_months_redrawn_come_from_a_pool_over_which_the_gain_is_nothing(fit: Fitted) -> None:
    observed = sharpe_gain(fit.redrawn)
    assert float(observed.statistic(observed.rows.mean(axis=0))) == pytest.approx(0.0, abs=1e-9)
    # Rows that number themselves show which were drawn: months in their order, around the end of the pool too.
    numbered = np.arange(50.0)[:, None].repeat(2, axis=1)
    drawn = months(numbered, np.random.default_rng(1))[:, 0]
    assert len(drawn) == SESSIONS[-1]
    steps = np.diff(drawn) % 50.0
    assert (np.delete(steps, slice(MONTH - 1, None, MONTH)) == 1.0).all()
    assert set(drawn) == set(range(50))


def test_a_longer_market_begins_like_a_shorter_one() -> None:
    short, long = planted_market(3, 40), planted_market(3, 60)
    assert (long.condor[:40] == short.condor).all()
    assert (long.vix[:40] == short.vix).all()
    assert len(long.layer) == 60
