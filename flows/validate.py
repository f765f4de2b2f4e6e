"""Flow `validate`: judge the data of sessions.

Row rules were judged once, when the rows came in; here they are counted, the session gates are applied again over all
landed snapshots, and sql/checks/ runs over the whole warehouse.
"""

from datetime import date
from pathlib import Path

from prefect import flow, task

from flows import night
from flows.data_quality import Validation
from flows.home import Home, find_home, locked, prepare_home
from flows.settings import read_settings


@task(name="validate", task_run_name="validate")
def validate_task(home: Path, sessions: list[date]) -> dict[date, Validation]:
    """Judge the data of the sessions."""
    where = Home(home)
    return night.validate(where, settings=read_settings(where), sessions=sessions)


@flow(name="validate", flow_run_name="validate")
def validate(sessions: list[date], home: Path | None = None) -> dict[str, str]:
    """Judge the data of the sessions; return the outcome of each. Nothing is published."""
    where = find_home(home)
    prepare_home(where)
    with locked(where, started_at=night.utc_now().isoformat()):
        found = validate_task(where.root, sessions)
    return {day.isoformat(): validation.outcome for day, validation in found.items()}
