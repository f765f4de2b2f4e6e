"""One small sample market for the tests of this folder."""

from datetime import date

import pytest

from transforms.sample_market.market import SampleMarket, simulate_market
from transforms.sessions import TradingCalendar

LAST_SESSION = date(2026, 1, 23)
SEED = 20260123


@pytest.fixture(scope="session")
def market(calendar: TradingCalendar) -> SampleMarket:
    """A clean market: 20 sessions of history, then 40 with chains from 2025-11-25 to 2026-01-23."""
    return simulate_market(
        calendar=calendar, last_session=LAST_SESSION, seed=SEED, n_chain_sessions=40, n_history_sessions=20
    )
