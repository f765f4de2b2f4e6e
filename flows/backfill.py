"""Flow `backfill`: every session of a range for which data is landed, published together.

Sessions are computed oldest first by the functions of the nightly job; a kill leaves the old publication whole, and the
same command goes on from what the warehouse holds.
"""

from datetime import date, datetime
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows import night
from flows.home import find_home, locked, prepare_home
from flows.night import NightResult
from flows.nightly import STATE_NAMES, TASKS
from flows.settings import read_settings


@flow(name="backfill", flow_run_name="backfill {start} to {end}")
def backfill(
    start: date, end: date, home: Path | None = None, restate: bool = False, now: datetime | None = None
) -> State[NightResult]:
    """Run the sessions from `start` to `end` that have data; `restate` computes those published before anew."""
    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with locked(where, started_at=started.isoformat()):
        result = night.run_range(
            where, start=start, end=end, restate=restate, settings=read_settings(where), now=started, stages=TASKS
        )
    return Completed(name=STATE_NAMES[result.status], message=result.summary, data=result)
