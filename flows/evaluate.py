"""Flow `evaluate`: the headline rows of sessions.

A night published before keeps the settings and, unless one of its figures changed, the code version it was published
with.
"""

from datetime import date
from pathlib import Path

from prefect import flow, task

from flows import night
from flows.home import Home, find_home, locked, prepare_home
from flows.settings import read_settings


@task(name="evaluate", task_run_name="evaluate")
def evaluate_task(home: Path, sessions: list[date]) -> dict[date, list[str]]:
    """Write the headline rows; return the inputs each session lacks."""
    where = Home(home)
    return night.evaluate(where, settings=read_settings(where), sessions=sessions)


@flow(name="evaluate", flow_run_name="evaluate")
def evaluate(sessions: list[date], home: Path | None = None) -> dict[str, list[str]]:
    """Write the headline rows; return the inputs each session lacks. Nothing is published."""
    where = find_home(home)
    prepare_home(where)
    with locked(where, started_at=night.utc_now().isoformat()):
        found = evaluate_task(where.root, sessions)
    return {day.isoformat(): lacking for day, lacking in found.items()}
