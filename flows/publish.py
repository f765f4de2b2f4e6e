"""Flow `publish`: publish whatever differs from what is published.

Parquet first, then alvh.duckdb in one swap, then manifests, then latest.json; what is dirty stays dirty until the
end, so that a killed publication is completed by the next one.
"""

from datetime import date, datetime
from pathlib import Path

from prefect import flow, task

from flows import night
from flows.home import Home, find_home, locked, prepare_home
from flows.publication import Publication
from flows.settings import read_settings


@task(name="publish", task_run_name="publish")
def publish_task(home: Path, sessions: list[date], validation: dict[date, str], now: datetime) -> Publication:
    """Publish the sessions and every revision."""
    where = Home(home)
    return night.publish(where, settings=read_settings(where), sessions=sessions, validation=validation, now=now)


@flow(name="publish", flow_run_name="publish")
def publish(home: Path | None = None) -> int:
    """Publish what differs; return how many files were written."""
    where = find_home(home)
    prepare_home(where)
    now = night.utc_now()
    with locked(where, started_at=now.isoformat()):
        return len(publish_task(where.root, [], {}, now).written)
