"""Fixtures that more than one folder of tests uses."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # There is a worker for every core already; said before Polars and NumPy are imported, which read it then.
    for name in ("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from flows.calendar import trading_calendar
from tests.warm_process import warm_process
from transforms.sessions import TradingCalendar

__all__ = ["warm_process"]

# How long an example takes says how busy the machine is, not whether the program is right.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

CHECKOUT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


def forbid_or_skip(reason: str, switch: str) -> None:
    """Skip the test, or fail it where the environment forbids this skip."""
    if os.environ.get(switch) == "1":
        pytest.fail(f"{reason}, and {switch}=1 forbids skipping", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real vendor files beside the checkout."""
    folder = CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        forbid_or_skip("no real vendor files at ../shared/data", "ALVH_REQUIRE_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def calendar() -> TradingCalendar:
    """New York sessions, 1927 to 2035."""
    return trading_calendar()
