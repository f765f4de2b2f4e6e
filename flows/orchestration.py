"""Prefect in this home's environment: isolated, silent to the outside, patient while its server starts."""

import os
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from flows.home import Home
from flows.prefect_process import tell_errors_once

if TYPE_CHECKING:
    from flows.feeds import FeedOutcome
    from flows.night import NightResult

EPHEMERAL_STARTUP_SECONDS = "120"


def configure_prefect(home: Home) -> dict[str, str]:
    """Set the environment Prefect reads, before it is imported; return what was set.

    A variable the user has set stays: PREFECT_API_URL names a server that runs, else one is started for the run and
    dies with it.
    """
    wanted = {
        "PREFECT_HOME": str(home.prefect),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": EPHEMERAL_STARTUP_SECONDS,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # Leases in memory outlive a crash as a taken slot; on disk the server frees them.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    chosen = {name: os.environ.get(name, value) for name, value in wanted.items()}
    os.environ.update(chosen)
    return chosen


def run_nightly(home: Home, *, session: date | None, now: datetime | None) -> "NightResult":
    """Run the nightly flow in this process, on the server that runs or on one started for it, and return its result."""
    from flows.nightly import nightly

    tell_errors_once()
    state = nightly(session=session, home=home.root, now=now, return_state=True)
    return _result_of(state)


def run_backfill(home: Home, **parameters: Any) -> "NightResult":
    """Run the backfill flow with its parameters in this process and return its result."""
    from flows.backfill import backfill

    tell_errors_once()
    return _result_of(backfill(home=home.root, **parameters, return_state=True))


def run_demo(home: Home, **parameters: Any) -> "NightResult":
    """Run the demo flow in this process and return its result."""
    from flows.demo import demo

    tell_errors_once()
    return _result_of(demo(home=home.root, **parameters, return_state=True))


def run_fetch(home: Home, *, session: date | None, now: datetime | None) -> "list[FeedOutcome]":
    """Run the fetch flow in this process and return what became of each download."""
    from flows.fetch import fetch

    tell_errors_once()
    return fetch(session=session, home=home.root, now=now)


def _result_of(state: Any) -> "NightResult":
    """Return the data of a completed flow run; raise what a failed one raised."""
    result: NightResult = state.result(raise_on_failure=True)
    return result
