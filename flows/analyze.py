"""Flow `analyze`: compute the features.

Through-time features are computed from the first session on each time, because a sum started elsewhere differs in its
last bits; only rows that differ are written.
"""

from datetime import date
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import night
from flows.home import Home, find_home, locked, prepare_home
from flows.map_sessions import Progress, Runner
from flows.settings import read_settings


@task(name="analyze", task_run_name="analyze", cache_policy=NO_CACHE)
def analyze_task(
    home: Path, sessions: list[date], runner: Runner | None = None, progress: Progress | None = None
) -> list[date]:
    """Compute the features of the sessions and through time; return the sessions whose rows changed."""
    where = Home(home)
    return night.analyze(where, settings=read_settings(where), sessions=sessions, runner=runner, progress=progress)


@flow(name="analyze", flow_run_name="analyze")
def analyze(sessions: list[date], home: Path | None = None) -> int:
    """Price the sessions and recompute the daily features; return how many sessions changed. Nothing is published."""
    where = find_home(home)
    prepare_home(where)
    with locked(where, started_at=night.utc_now().isoformat()):
        return len(analyze_task(where.root, sessions))
