"""Flow `nightly`: one night, or every night that is due.

One home has one writer, so the flow holds the home's lock from first to last and its stages run in turn. Each task
opens the warehouse itself and hands on dates, counts and sentences. Wrong data stays wrong, so no stage is retried;
only downloads are.
"""

from datetime import date, datetime
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

import flows.prefect_process  # noqa: F401  (a worker's process ends in good order too)
from flows import night
from flows.analyze import analyze_task
from flows.evaluate import evaluate_task
from flows.fetch import fetch_stage
from flows.home import find_home, locked, prepare_home
from flows.ingest import ingest_task
from flows.night import NightResult, Stages
from flows.notices import ended, told_if_it_fails
from flows.publish import publish_task
from flows.settings import read_settings
from flows.validate import validate_task

TASKS = Stages(
    fetch=fetch_stage,
    ingest=ingest_task,
    analyze=analyze_task,
    validate=validate_task,
    evaluate=evaluate_task,
    publish=publish_task,
)


def night_name() -> str:
    """Return the run's name for people: the session asked for, or that it takes whatever is due."""
    asked = flow_run.parameters.get("session")
    return f"nightly {asked}" if asked else "nightly, whatever is due"


@flow(name="nightly", flow_run_name=night_name)
def nightly(session: date | None = None, home: Path | None = None, now: datetime | None = None) -> State[NightResult]:
    """Run the night of `session`, or every night that is due, and end as Published, Degraded or NothingDue.

    `home` is that of ALVH_HOME if not given; `now` (UTC, naive) is read from the clock here and nowhere later.
    """
    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with told_if_it_fails(where, what="the nightly run", alert=True), locked(where, started_at=started.isoformat()):
        result = night.run_nights(where, asked=session, settings=read_settings(where), now=started, stages=TASKS)
    return ended(where, result, nights=result.sessions, alert=True)
