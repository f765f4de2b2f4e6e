"""VX and VIX options against SPX forward variance."""

import numpy as np
import pytest

from transforms.sample_market.chain import true_chain
from transforms.sample_market.market import SampleMarket
from transforms.sample_market.path import CLOSE, OPEN
from transforms.sample_market.vix_law import forward_variance, vix_law, vix_option_price


def test_vix_options_hold_exactly_the_spx_forward_variance(market: SampleMarket) -> None:
    rows = np.array([market.chain_rows.start])
    expirations = [contract.expiration for contract in market.contracts if rows[0] in contract.rows][2:5]
    law = vix_law(market.path, rows, state=CLOSE, expirations=expirations)
    for column in range(len(expirations)):
        future = float(law.future[0, column])
        strike = np.linspace(1e-4, 1_000.0, 400_001)
        out = vix_option_price(law, (0, column), strike=strike, is_call=strike > future, future=future)
        second_moment = future**2 + 2.0 * np.trapezoid(out, strike)
        expected = 1e4 * forward_variance(market.path, rows, state=CLOSE, expirations=[expirations[column]])[0, 0]
        assert second_moment == pytest.approx(expected, rel=1e-5)


def test_vx_is_below_the_root_of_forward_variance_before_expiration(market: SampleMarket) -> None:
    for contract in market.contracts:
        alive = market.days[contract.rows] < np.datetime64(contract.expiration)
        assert (contract.settle[alive] < np.sqrt(contract.fair_variance[alive])).all()


def test_final_settlement_is_the_variance_of_the_thirty_days_from_the_opening(market: SampleMarket) -> None:
    settled = [contract for contract in market.contracts if contract.final_settlement is not None]
    assert len(settled) > 8
    for contract in settled:
        squared = forward_variance(market.path, contract.rows[-1:], state=OPEN, expirations=[contract.expiration])[0, 0]
        assert contract.settle[-1] == contract.final_settlement == round(100.0 * float(np.sqrt(squared)), 2)


def test_parity_of_vix_options_gives_vx_as_printed(market: SampleMarket) -> None:
    settle = {contract.expiration: contract for contract in market.contracts}
    row = market.chain_rows[10]
    chain = true_chain(market.path, row, calendar=market.calendar)
    n_checked = 0
    for number, item in enumerate(chain.slices):
        if item.root.startswith("VIX") and chain.truth_eod.years[number] > 0.0:
            contract = settle[item.expiration]
            assert chain.truth_eod.forward[number] == contract.settle[contract.rows == row][0]
            rows = chain.rows_of(number)
            gap = (chain.true_eod[rows[::2]] - chain.true_eod[rows[1::2]]) / chain.truth_eod.discount_factor[number]
            recovered = gap + chain.strike[rows[::2]] / 1_000.0
            np.testing.assert_allclose(recovered, contract.settle[contract.rows == row][0], rtol=0, atol=1e-10)
            n_checked += 1
    assert n_checked >= 10
