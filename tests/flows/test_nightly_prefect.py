"""The nightly flow on a real server: deployed from prefect.yaml, run by a worker, and refused with a reason."""

import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flows.home import Home, locked, prepare_home
from tests.flows.prefect_server import POOL, Server, shared_server, wait_for
from tests.small_market import small_market
from transforms.sessions import TradingCalendar

pytestmark = pytest.mark.prefect

FIRST, LAST = date(2024, 1, 2), date(2024, 2, 14)
SATURDAY = date(2024, 2, 17)
STAGES = ("ingest", "analyze", "validate", "evaluate", "publish")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with shared_server(tmp_path_factory) as server:
        yield server


@pytest.fixture
def home(calendar: TradingCalendar, tmp_path: Path) -> Home:
    """A home whose inbox holds the files of a small market."""
    home = Home(tmp_path / "home")
    prepare_home(home)
    small_market(calendar, first=FIRST, last=LAST, n_chains=1).write(home.inbox)
    return home


def ended_run(server: Server, home: Home, deployment: str) -> dict[str, Any]:
    """Run a deployment and return its flow run once the worker has carried it out."""
    (deployment_id,) = [found["id"] for found in server.ask("deployments/filter", {}) if found["name"] == deployment]
    before = {run["id"] for run in server.flow_runs(deployment_id)}
    asked = server.run(home.root, "prefect", "deployment", "run", f"nightly/{deployment}")
    assert asked.returncode == 0, asked.stdout + asked.stderr

    def terminal() -> dict[str, Any] | None:
        runs = server.flow_runs(deployment_id)
        return next(
            (
                run
                for run in runs
                if run["id"] not in before and run["state_type"] in {"COMPLETED", "FAILED", "CRASHED"}
            ),
            None,
        )

    run: dict[str, Any] = wait_for(terminal, f"nightly/{deployment} to end", log=server.folder / "worker.log")
    return run


def test_the_deployments_of_prefect_yaml_run_on_a_worker(server: Server, home: Home, tmp_path: Path) -> None:
    for words in (("work-pool", "create", POOL, "--type", "process"), ("deploy", "--all")):
        done = server.run(home.root, "prefect", *words)
        assert done.returncode == 0, done.stdout + done.stderr
    deployed = {found["name"]: found for found in server.ask("deployments/filter", {})}
    schedules = {
        name: sorted((each["schedule"]["cron"], each["schedule"]["timezone"]) for each in found["schedules"])
        for name, found in deployed.items()
    }
    assert schedules == {
        "nightly": [("30 8 * * 1-5", "America/New_York"), ("45 18 * * 1-5", "America/New_York")],
    }
    for found in deployed.values():
        assert found["global_concurrency_limit"]["limit"] == 1
        assert found["concurrency_options"]["collision_strategy"] == "ENQUEUE"

    server.spawn(home.root, "prefect", "worker", "start", "--pool", POOL, log="worker.log", cwd=tmp_path)
    evening = ended_run(server, home, "nightly")
    assert evening["state_type"] == "COMPLETED", evening["state"]
    assert evening["state_name"] == "Degraded"
    assert server.task_runs(evening["id"]) == dict.fromkeys(STAGES, "Completed")
    latest = json.loads((home.published / "manifests" / "latest.json").read_text())
    assert latest["session_date"] == str(LAST)

    morning = ended_run(server, home, "nightly")
    assert (morning["state_type"], morning["state_name"]) == ("COMPLETED", "NothingDue")
    assert morning["state"]["message"] == "No session is due."
    assert "leaked" not in (server.folder / "worker.log").read_text()


def test_a_day_without_a_session_fails_and_names_the_sessions_beside_it(server: Server, home: Home) -> None:
    before = {run["id"] for run in server.flow_runs()}
    done = server.run(home.root, "run", "--date", str(SATURDAY), "--json")
    reason = f"{SATURDAY} is not a New York trading session; the ones beside it are 2024-02-16 and 2024-02-20"
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"error": "UsageError", "message": reason}
    # Neither Prefect's trace of an error that was told, nor what DuckDB's bindings report of threads alive at exit.
    assert done.stderr == ""
    failed = [run for run in server.flow_runs() if run["id"] not in before and str(SATURDAY) in run["name"]]
    assert [run["state_type"] for run in failed] == ["FAILED"]
    assert reason in failed[0]["state"]["message"]
    assert not (home.published / "manifests").exists()


def test_a_second_run_is_told_who_holds_the_home(server: Server, home: Home) -> None:
    with locked(home, started_at="2024-02-14T23:45:00"):
        done = server.run(home.root, "run", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    answer = json.loads(done.stdout)
    assert answer["error"] == "HomeLocked"
    assert f"in use by process {os.getpid()} on " in answer["message"]
    assert "since 2024-02-14T23:45:00" in answer["message"]
    assert len(list(home.inbox.iterdir())) > 0
