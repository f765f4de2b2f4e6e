"""Flow `fetch`: download what the session needs from the configured feeds into landing.

Downloads are the one thing worth trying again: the task is retried while a server could not be asked, and what landed
before is not asked for again. A file that is not there, or is no use, is not retried. Nothing is published.
"""

from datetime import date, datetime
from pathlib import Path

from prefect import flow, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from flows import night
from flows.calendar import trading_calendar
from flows.download_cache import DownloadCache
from flows.feeds import FeedAddresses, FeedOutcome, fetch_feeds, open_client, planned_requests
from flows.home import Home, find_home, locked, prepare_home
from flows.settings import Settings, read_settings
from transforms.errors import AlvhError
from transforms.sessions import NEW_YORK, OPTION_OPEN, UTC

RETRY_DELAYS_SECONDS = [30.0, 120.0]


class ServersUnavailable(AlvhError):
    """Some servers could not be asked; `outcomes` holds what became of every request."""

    def __init__(self, outcomes: list[FeedOutcome]) -> None:
        self.outcomes = outcomes
        failed = [outcome.sentence for outcome in outcomes if outcome.outcome == "failed"]
        super().__init__(f"{len(failed)} of {len(outcomes)} downloads failed: {'; '.join(failed)}")


async def is_unavailable(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """Return whether the task failed because servers could not be asked, which is worth another try."""
    try:
        await state.aresult()
    except ServersUnavailable:
        return True
    except Exception:
        return False
    return False


@task(
    name="fetch",
    task_run_name="fetch",
    retries=len(RETRY_DELAYS_SECONDS),
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=is_unavailable,
)
def fetch_task(home: Path, asked: date | None, now: datetime) -> list[FeedOutcome]:
    """Download the files of a session; raise if a server could not be asked, so that the task is tried again."""
    where = Home(home)
    outcomes = fetch_into_landing(where, settings=read_settings(where), asked=asked, now=now)
    if any(outcome.outcome == "failed" for outcome in outcomes):
        raise ServersUnavailable(outcomes)
    return outcomes


def fetch_stage(home: Path, asked: date | None, now: datetime) -> list[str]:
    """Download as a stage of the night: what could not be had is said, and the night goes on without it."""
    try:
        outcomes = fetch_task(home, asked, now)
    except ServersUnavailable as error:
        outcomes = error.outcomes
    return [outcome.sentence for outcome in outcomes if outcome.outcome not in {"landed", "not_modified"}]


@flow(name="fetch", flow_run_name="fetch")
def fetch(session: date | None = None, home: Path | None = None, now: datetime | None = None) -> list[FeedOutcome]:
    """Download the files of `session` (default: the newest that has begun) and return what became of each."""
    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with locked(where, started_at=started.isoformat()):
        try:
            return fetch_task(where.root, session, started)
        except ServersUnavailable as error:
            return error.outcomes


def fetch_into_landing(home: Home, *, settings: Settings, asked: date | None, now: datetime) -> list[FeedOutcome]:
    """Download and land the files of a session; without one, of the newest session that has begun by `now`."""
    calendar = trading_calendar()
    session = asked or session_begun(now)
    own = settings.feeds
    addresses = FeedAddresses(
        option_chain=own.option_chain,
        vx_contract=own.vx_contract,
        index_history=own.index_history,
        treasury=own.treasury,
        vx_weeklies=own.vx_weeklies,
    )
    plan = planned_requests(session, addresses=addresses, calendar=calendar)
    with open_client(
        min_seconds_between_requests=own.min_seconds_between_requests, timeout_seconds=own.timeout_seconds
    ) as client:
        return fetch_feeds(
            plan,
            client=client,
            cache=DownloadCache(home),
            now=now,
            calendar=calendar,
            max_attempts=own.max_attempts,
        )


def session_begun(now: datetime) -> date:
    """Return the newest session whose regular trading has begun by `now` (UTC, naive)."""
    local = now.replace(tzinfo=UTC).astimezone(NEW_YORK)
    calendar = trading_calendar()
    return calendar.on_or_before(local.date()) if local.time() >= OPTION_OPEN else calendar.before(local.date())
