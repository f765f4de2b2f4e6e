"""Flow `backfill`: every session of a range for which data is landed, published together.

The functions of the nightly job, mapped over the sessions: workers read, price and stage, one writer loads in the order
of the sessions. A kill leaves the old publication whole, and the same command goes on from what the warehouse holds and
what workers staged.
"""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows import night
from flows.analyze import analyze_task
from flows.home import find_home, locked, prepare_home
from flows.ingest import ingest_task
from flows.map_sessions import Progress, Runner, open_runner
from flows.night import NightResult, Stages
from flows.nightly import TASKS
from flows.notices import ended, told_if_it_fails
from flows.settings import read_settings
from flows.terminal import session_progress


@flow(name="backfill", flow_run_name="backfill {start} to {end}")
def backfill(
    start: date,
    end: date,
    home: Path | None = None,
    restate: bool = False,
    runner: Literal["processes", "dask"] = "processes",
    workers: int | None = None,
    dask_address: str | None = None,
    quiet: bool = True,
    now: datetime | None = None,
) -> State[NightResult]:
    """Run the sessions from `start` to `end` that have data; `restate` computes those published before anew.

    `workers` is the number of processors unless given; with `dask_address` the workers are those of that scheduler.
    """
    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with (
        told_if_it_fails(where, what=f"the backfill of {start} to {end}", alert=True),
        locked(where, started_at=started.isoformat()),
        open_runner(runner, n_workers=workers, dask_address=dask_address) as opened,
        session_progress(quiet=quiet) as progress,
    ):
        result = night.run_range(
            where,
            start=start,
            end=end,
            restate=restate,
            settings=read_settings(where),
            now=started,
            stages=mapped_tasks(opened, progress),
        )
    return ended(where, result, nights=result.sessions[-1:], alert=False)


def mapped_tasks(runner: Runner, progress: Progress | None) -> Stages:
    """Return the stages of a night as tasks whose maps are made by `runner`."""
    return replace(
        TASKS,
        ingest=lambda root, paths: ingest_task(root, paths, runner, progress),
        analyze=lambda root, sessions: analyze_task(root, sessions, runner, progress),
    )
