"""VX futures in scenarios."""

import numpy as np
import pytest

from tests.transforms.engines.chains import VIX, VX_SETTLES, vx_term_structure
from transforms.engines.vix_curve import HALF_BETA_DAYS, LOWEST_FUTURE, VixCurve, spx_return_for, vx_beta


@pytest.fixture
def curve() -> VixCurve:
    return VixCurve.of(vx_term_structure(), vix=VIX)


def test_beta_is_one_at_expiration_and_one_half_at_its_half_time() -> None:
    np.testing.assert_allclose(vx_beta([0.0, HALF_BETA_DAYS]), [1.0, 0.5])
    assert (np.diff(vx_beta(np.arange(300.0))) < 0.0).all()


def test_nothing_moved_and_no_time_passed_is_the_settlement(curve: VixCurve) -> None:
    found = curve.future(curve.days, days_later=0.0, vix_move=0.0)
    np.testing.assert_allclose(found, list(VX_SETTLES.values()))


def test_at_its_expiration_a_future_is_the_vix(curve: VixCurve) -> None:
    for days_later in (curve.days[0], curve.days[0] + 5.0):
        found = curve.future(curve.days[0], days_later=days_later, vix_move=np.array([-2.0, 0.0, 20.0]))
        np.testing.assert_allclose(found, [VIX - 2.0, VIX, VIX + 20.0])


def test_a_future_slides_along_the_curve(curve: VixCurve) -> None:
    later = curve.days[1] - curve.days[0]
    assert curve.future(curve.days[1], days_later=later, vix_move=0.0) == pytest.approx(curve.settle[0])


def test_no_scenario_takes_a_future_below_the_floor(curve: VixCurve) -> None:
    assert curve.future(1.0, days_later=1.0, vix_move=-12.0) == LOWEST_FUTURE


def test_a_month_without_a_settlement_is_bridged_not_replaced() -> None:
    whole = VixCurve.of(vx_term_structure(), vix=VIX)
    holed = VixCurve.of(
        vx_term_structure().with_columns(
            settle=vx_term_structure()["settle"].set(vx_term_structure()["rank"] == 2, None)
        ),
        vix=VIX,
    )
    middle = whole.days[1]
    straight = np.interp(middle, [whole.days[0], whole.days[2]], [whole.settle[0], whole.settle[2]])
    assert holed.level(middle) == pytest.approx(straight)


def test_the_spx_falls_when_the_vix_rises() -> None:
    # Whaley (2009): -1 % goes with +4.493 % of the VIX, +1 % with -2.990 %.
    np.testing.assert_allclose(spx_return_for([0.8986, 0.0, -0.598], vix=20.0), [-0.01, 0.0, 0.01], atol=1e-12)
