"""Server, worker and flow killed together: after a restart the next scheduled run completes, with no command typed."""

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flows.home import Home, prepare_home
from tests.flows.prefect_server import POOL, Server, free_port, wait_for
from tests.slow import SLOW
from tests.small_market import small_market
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.prefect

LIMIT_SECONDS = 600.0
SCHEDULED_AHEAD = timedelta(seconds=60)


@pytest.mark.skipif(
    not SLOW,
    reason="takes minutes, until Prefect gives up the dead run's slot; set ALVH_SLOW_TESTS=1 to run it",
)
def test_the_next_scheduled_run_completes_after_everything_was_killed(
    calendar: TradingCalendar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    prepare_home(home)
    small_market(calendar, first=date(2024, 1, 2), last=date(2024, 2, 14), n_chains=1).write(home.inbox)
    folder = tmp_path / "prefect"
    folder.mkdir()
    server = Server(folder, free_port())
    try:
        server.start(home.root)
        for words in (("work-pool", "create", POOL, "--type", "process"), ("deploy", "--all")):
            done = server.run(home.root, "prefect", *words)
            assert done.returncode == 0, done.stdout + done.stderr
        (nightly,) = [found["id"] for found in server.ask("deployments/filter", {}) if found["name"] == "nightly"]
        server.spawn(home.root, "prefect", "worker", "start", "--pool", POOL, log="worker.log")
        doomed = scheduled_run(server, nightly, at=datetime.now(UTC))
        next_one = scheduled_run(server, nightly, at=datetime.now(UTC) + SCHEDULED_AHEAD)
        wait_for(lambda: home.lock_file.exists() and home.lock_file.read_text(), "the flow to take the home's lock")
        assert server.ask(f"flow_runs/{doomed}")["state_type"] == "RUNNING"
        server.kill_everything()
        assert not (home.published / "alvh.duckdb").exists()

        restarted = time.monotonic()
        server.start(home.root)
        server.spawn(home.root, "prefect", "worker", "start", "--pool", POOL, log="worker.log")

        def completed() -> bool:
            return bool(server.ask(f"flow_runs/{next_one}")["state_type"] == "COMPLETED")

        wait_for(completed, "the next run to complete", seconds=LIMIT_SECONDS, log=folder / "worker.log")
        seconds = time.monotonic() - restarted
        assert (home.published / "alvh.duckdb").exists()
    finally:
        server.kill_everything()
    with capsys.disabled():
        print(f"\nthe next scheduled run completed {seconds:.0f} s after the restart")


def scheduled_run(server: Server, deployment_id: str, *, at: datetime) -> str:
    """Schedule a run of a deployment as its own schedule would, and return the run's id."""
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
    run = server.ask(f"deployments/{deployment_id}/create_flow_run", {"state": state})
    return str(run["id"])
