"""Flow `ingest`: take delivered files in.

Files are read and judged by workers, and loaded by one writer. Files that wait in landing from a killed run come
first.
"""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import night
from flows.home import Home, find_home, locked, prepare_home
from flows.intake import Ingested
from flows.map_sessions import Progress, Runner
from flows.settings import read_settings


@task(name="ingest", task_run_name="ingest", cache_policy=NO_CACHE)
def ingest_task(
    home: Path, paths: list[Path] | None, runner: Runner | None = None, progress: Progress | None = None
) -> Ingested:
    """Ingest paths, or the inbox if none are given."""
    where = Home(home)
    return night.take_in(where, settings=read_settings(where), paths=paths, runner=runner, progress=progress)


@flow(name="ingest", flow_run_name="ingest")
def ingest(home: Path | None = None, paths: list[Path] | None = None) -> int:
    """Ingest paths, or the inbox; return how many files were loaded. Nothing is published."""
    where = find_home(home)
    prepare_home(where)
    with locked(where, started_at=night.utc_now().isoformat()):
        result = ingest_task(where.root, paths)
    return sum(outcome.outcome == "loaded" for outcome in result.files)
