"""A night without its scheduler: the stages as plain functions over one home, which tasks, commands and tests call.

Stages are separate so that each can be a task: every one opens the warehouse itself and leaves it consistent. The
caller holds the home's lock over all of them.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from flows.book import forget_decisions, step_nights
from flows.calendar import trading_calendar
from flows.data_quality import Validation, validate_nights
from flows.features import analyze_sessions
from flows.headline import add_nights, evaluate_nights, settings_by_night
from flows.home import Home
from flows.intake import Ingested, ingest_inbox, ingest_paths
from flows.journal import load_journal
from flows.manifests import published_nights
from flows.map_sessions import InProcess, Progress, Runner
from flows.memory import give_back, map_large_blocks
from flows.publication import Publication, newest_core_session, publish_changes
from flows.published_copy import copy_published
from flows.recorded_nights import record_nights
from flows.runs import RunRecord, close_run, open_run, record_outcome
from flows.settings import Settings, read_settings
from flows.storage import copy_store, staging_store
from flows.warehouse import Warehouse
from transforms.errors import DataError, StorageFailed, UsageError
from transforms.schemas import SIGNAL_DAILY
from transforms.sessions import NEW_YORK, UTC, index_close


@dataclass(frozen=True)
class Stages:
    """The stages of a night, each called with the home's folder: plain functions, or the tasks over them."""

    fetch: Callable[[Path, date | None, datetime], list[str]]
    ingest: Callable[[Path, list[Path] | None], Ingested]
    analyze: Callable[[Path, list[date]], list[date]]
    validate: Callable[[Path, list[date]], dict[date, Validation]]
    evaluate: Callable[[Path, list[date]], dict[date, list[str]]]
    publish: Callable[[Path, list[date], dict[date, str], datetime], Publication]


@dataclass
class NightResult:
    """What a command published.

    `status` is "published", "degraded" (inputs missing), "refused" (a gate refused a table; published without it) or
    "nothing" (there was no session to run), with the sentences that say why.
    """

    status: str
    sessions: list[date] = field(default_factory=list)
    revised: list[date] = field(default_factory=list)
    missing: dict[date, list[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    ingested: Ingested | None = None
    publication: Publication | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One sentence a scheduler or a terminal can show."""
        if self.status == "nothing":
            revised = f"; {len(self.revised)} earlier nights revised" if self.revised else ""
            return f"No session is due{revised}."
        if not self.sessions:
            return f"{self.status}; {len(self.revised)} earlier nights revised."
        days = f"{self.sessions[0]}" if len(self.sessions) == 1 else f"{self.sessions[0]} to {self.sessions[-1]}"
        lacking = self.missing.get(self.sessions[-1], [])
        parts = [f"{self.status} {days}"]
        if lacking:
            parts.append(f"without {', '.join(lacking)}")
        if self.revised:
            parts.append(f"with {len(self.revised)} earlier nights revised")
        return " ".join(parts) + "."

    @property
    def exit_code(self) -> int:
        return {"published": 0, "degraded": 0, "refused": 3, "nothing": 0}[self.status]


def due_sessions(
    home: Home, warehouse: Warehouse, *, asked: date | None, settings: Settings, now: datetime
) -> list[date]:
    """Return the sessions a run has to compute, oldest first.

    The session asked for; else every session after the last published night up to the newest one with data whose index
    close has passed (only the newest if nothing was published yet), at most `catch_up_sessions`.

    Raises
    ------
    UsageError
        If the day asked for is not a trading session, or has not come yet.
    DataError
        If no core table holds any session.
    """
    calendar = trading_calendar()
    local = now.replace(tzinfo=UTC).astimezone(NEW_YORK)
    if asked is not None and not calendar.is_session(asked):
        raise UsageError(
            f"{asked} is not a New York trading session; the ones beside it are "
            f"{calendar.before(asked)} and {calendar.after(asked)}"
        )
    if asked is not None and asked > local.date():
        raise UsageError(f"{asked} has not come yet: it is {local:%Y-%m-%d %H:%M} in New York")
    newest = newest_core_session(warehouse)
    if newest is None:
        raise DataError(
            f"{home.root} holds no market data yet; import files, fetch them, or drop them into {home.inbox}"
        )
    if asked is not None:
        return [asked]
    has_closed = local.time() >= index_close(local.date(), calendar=calendar)
    today = local.date() if has_closed else calendar.before(local.date())
    newest = min(newest, today)
    nights = published_nights(home.published)
    if not nights:
        return [calendar.on_or_before(newest)]
    return calendar.between(calendar.after(nights[-1]), newest)[: settings.publish.catch_up_sessions]


def take_in(
    home: Home,
    *,
    settings: Settings,
    paths: list[Path] | None,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Ingest the paths given, else the inbox and whatever a killed run left landed but not loaded."""
    calendar = trading_calendar()
    with Warehouse(home.warehouse) as warehouse:
        if paths is not None:
            return ingest_paths(
                home, warehouse, paths=paths, settings=settings, calendar=calendar, runner=runner, progress=progress
            )
        return ingest_inbox(home, warehouse, settings=settings, calendar=calendar, runner=runner, progress=progress)


def analyze(
    home: Home,
    *,
    settings: Settings,
    sessions: Sequence[date],
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> list[date]:
    """Price the sessions and recompute the daily features; return the sessions whose rows changed."""
    with Warehouse(home.warehouse) as warehouse:
        analyzed = analyze_sessions(
            warehouse,
            staging=staging_store(home),
            sessions=sessions,
            settings=settings,
            calendar=trading_calendar(),
            runner=runner or InProcess(),
            progress=progress,
        )
    return sorted(analyzed.sessions)


def validate(home: Home, *, settings: Settings, sessions: Sequence[date]) -> dict[date, Validation]:
    """Judge the data of the sessions, and again that of every earlier night whose data have changed since."""
    with Warehouse(home.warehouse) as warehouse:
        nights = set(warehouse.read_meta("meta.night", ["session_date"])["session_date"].to_list())
        return validate_nights(
            warehouse, sessions=sessions, nights=sorted(nights), settings=settings, calendar=trading_calendar()
        )


def evaluate(home: Home, *, settings: Settings, sessions: Sequence[date]) -> dict[date, list[str]]:
    """Decide the sessions, step the book through them, write the headline rows and the nights' ledger lines.

    Returns what each session lacks.
    """
    with Warehouse(home.warehouse) as warehouse:
        _judge_nights(home, warehouse, settings=settings, sessions=sessions)
        rows = warehouse.read(SIGNAL_DAILY, sessions=list(sessions))
    return {
        row["session_date"]: row["missing_inputs"].split(", ") if row["missing_inputs"] else []
        for row in rows.iter_rows(named=True)
    }


def _judge_nights(home: Home, warehouse: Warehouse, *, settings: Settings, sessions: Sequence[date]) -> list[date]:
    """Bring book, journal and headline of all nights up to date, and the ledger with what is new in it.

    Returns the nights whose headline changed.
    """
    add_nights(warehouse, sessions, settings=settings)
    nights = warehouse.read_meta("meta.night", ["session_date"])["session_date"].to_list()
    step_nights(
        warehouse,
        settings=settings_by_night(warehouse, nights, settings),
        decide=[],
        calendar=trading_calendar(),
    )
    changed = evaluate_nights(warehouse)
    record_nights(home, warehouse)
    load_journal(home, warehouse)
    return changed


def publish(
    home: Home,
    *,
    settings: Settings,
    sessions: Sequence[date],
    validation: dict[date, str],
    now: datetime,
) -> Publication:
    """Publish whatever differs from what is published, with the manifests of new and revised nights."""
    with Warehouse(home.warehouse) as warehouse:
        nights = set(warehouse.read_meta("meta.night", ["session_date"])["session_date"].to_list())
        before = set(published_nights(home.published))
        new = sorted((nights - before) | set(sessions))
        revised = sorted((warehouse.dirty_sessions() & before) - set(new))
        outcomes = {day.isoformat(): outcome for day, outcome in validation.items()}
        publication = publish_changes(
            home, warehouse, settings=settings, nights=new, revised=revised, validation=outcomes, now=now
        )
        close_run(warehouse)
    _copy(home, publication)
    return publication


def _copy(home: Home, publication: Publication) -> None:
    """Copy what is published to where the settings say; a copy that fails is told, and completed by the next."""
    store = copy_store(home)
    if store is None:
        return
    try:
        publication.copied = copy_published(home.published, store)
    except StorageFailed as error:
        publication.failed_pages.append(f"The copy of what is published is not complete: {error}.")


def run_nights(home: Home, *, asked: date | None, settings: Settings, now: datetime, stages: Stages) -> NightResult:
    """Run the night asked for, or every night that is due, and publish them together.

    Publishing comes last and once: a kill before it leaves the old publication whole.
    """
    map_large_blocks()
    record = open_record(home, command="run", now=now)
    notes: list[str] = []
    if settings.feeds.fetch_in_nightly:
        with record.stage("fetch"):
            notes = stages.fetch(home.root, asked, now)

    def due(warehouse: Warehouse) -> list[date]:
        return due_sessions(home, warehouse, asked=asked, settings=settings, now=now)

    result = _run(home, record, choose=due, settings=settings, now=now, stages=stages, notes=notes, keep_open=True)
    give_back()
    return result


def run_range(
    home: Home, *, start: date, end: date, restate: bool, settings: Settings, now: datetime, stages: Stages
) -> NightResult:
    """Run every session from `start` to `end` that has core data, and publish them together.

    Nights published before are left alone, unless `restate` says to compute them anew with today's settings.

    Raises
    ------
    UsageError
        If `end` is before `start`.
    """
    if end < start:
        raise UsageError(f"--end {end} is before --start {start}")
    record = open_record(home, command="backfill", now=now)

    def in_range(warehouse: Warehouse) -> list[date]:
        dated = set(warehouse.session_files()["session_date"].to_list())
        sessions = [day for day in trading_calendar().between(start, end) if day in dated]
        if restate:
            forget_nights(warehouse, sessions)
            return sessions
        nights = set(warehouse.read_meta("meta.night", ["session_date"])["session_date"].to_list())
        return [day for day in sessions if day not in nights]

    return _run(home, record, choose=in_range, settings=settings, now=now, stages=stages, notes=[])


def forget_nights(warehouse: Warehouse, sessions: Sequence[date]) -> None:
    """Drop the recorded settings of nights, so that the next evaluation gives them today's."""
    nights = warehouse.read_meta("meta.night")
    with warehouse.transaction():
        warehouse.write_meta("meta.night", nights.filter(~pl.col("session_date").is_in(list(sessions))))
    forget_decisions(warehouse, sessions)


def _run(
    home: Home,
    record: RunRecord,
    *,
    choose: Callable[[Warehouse], list[date]],
    settings: Settings,
    now: datetime,
    stages: Stages,
    notes: list[str],
    keep_open: bool = False,
) -> NightResult:
    """Run the stages over the sessions that `choose` gives.

    DuckDB writes a warehouse out whenever the last connection to it is closed, which every stage would do; `keep_open`
    has it done once, for the memory that its pages take meanwhile.
    """
    try:
        with Warehouse(home.warehouse) if keep_open else nullcontext():
            with record.stage("ingest"):
                ingested = stages.ingest(home.root, None)
            record.rows["ingest"] = sum(outcome.n_loaded for outcome in ingested.files)
            with Warehouse(home.warehouse) as warehouse:
                sessions = choose(warehouse)
            with record.stage("analyze"):
                record.rows["analyze"] = len(stages.analyze(home.root, sessions))
            with record.stage("validate"):
                verdicts = stages.validate(home.root, sessions)
            with record.stage("evaluate"):
                missing = stages.evaluate(home.root, sessions)
            result = _result(sessions, verdicts, missing, ingested=ingested, notes=notes)
            record.session_date = sessions[-1] if sessions else None
            lacking = result.status in {"degraded", "refused"}
            finish_record(home, record, outcome="degraded" if lacking else "published", now=now)
            with record.stage("publish"):
                outcomes = {day: verdict.outcome for day, verdict in verdicts.items()}
                result.publication = stages.publish(home.root, sessions, outcomes, now)
    except Exception as error:
        _record_failure(home, record, error=error, now=now)
        raise
    result.revised = result.publication.revised_sessions
    result.reasons += result.publication.failed_pages
    result.seconds = record.seconds
    return result


def import_files(
    home: Home,
    *,
    paths: list[Path],
    settings: Settings,
    now: datetime,
    runner: Runner | None = None,
    progress: Progress | None = None,
) -> NightResult:
    """Ingest files, recompute the daily features, publish; decide nothing."""
    record = open_record(home, command="import", now=now)
    try:
        with record.stage("ingest"):
            ingested = take_in(home, settings=settings, paths=paths, runner=runner, progress=progress)
        with record.stage("analyze"):
            analyze(home, settings=settings, sessions=[], runner=runner, progress=progress)
        with record.stage("evaluate"):
            revised, outcomes = recompute_nights(home, settings=settings)
        finish_record(home, record, outcome="published", now=now)
        with record.stage("publish"):
            publication = publish(home, settings=settings, sessions=[], validation=outcomes, now=now)
    except Exception as error:
        _record_failure(home, record, error=error, now=now)
        raise
    return NightResult(
        status="published",
        sessions=[],
        revised=sorted({*revised, *publication.revised_sessions}),
        ingested=ingested,
        publication=publication,
        seconds=record.seconds,
    )


def recompute_nights(home: Home, *, settings: Settings) -> tuple[list[date], dict[date, str]]:
    """Judge again every night that was run before; nothing is decided anew.

    Returns the nights whose headline changed, and the outcome of each that was judged again.
    """
    with Warehouse(home.warehouse) as warehouse:
        nights = warehouse.read_meta("meta.night", ["session_date"])
        load_journal(home, warehouse)
    if nights.is_empty():
        return [], {}
    verdicts = validate(home, settings=settings, sessions=[])
    with Warehouse(home.warehouse) as warehouse:
        changed = _judge_nights(home, warehouse, settings=settings, sessions=[])
    return changed, {day: verdict.outcome for day, verdict in verdicts.items()}


def _result(
    sessions: list[date],
    verdicts: dict[date, Validation],
    missing: dict[date, list[str]],
    *,
    ingested: Ingested,
    notes: list[str],
) -> NightResult:
    if not sessions:
        return NightResult(status="nothing", ingested=ingested, reasons=notes)
    last = sessions[-1]
    refused = verdicts[last].outcome == "refused" and any(name.endswith(":refused") for name in missing.get(last, []))
    status = "refused" if refused else "degraded" if missing.get(last) else "published"
    reasons = [*notes, *verdicts[last].reasons]
    return NightResult(status=status, sessions=sessions, missing=missing, reasons=reasons, ingested=ingested)


def plain_stages(*, runner: Runner | None = None, progress: Progress | None = None) -> Stages:
    """Return the stages as plain functions, for tests and tools that need no scheduler; nothing is downloaded."""

    return Stages(
        fetch=lambda root, asked, now: [],
        ingest=lambda root, paths: take_in(
            Home(root), settings=read_settings(Home(root)), paths=paths, runner=runner, progress=progress
        ),
        analyze=lambda root, sessions: analyze(
            Home(root), settings=read_settings(Home(root)), sessions=sessions, runner=runner, progress=progress
        ),
        validate=lambda root, sessions: validate(Home(root), settings=read_settings(Home(root)), sessions=sessions),
        evaluate=lambda root, sessions: evaluate(Home(root), settings=read_settings(Home(root)), sessions=sessions),
        publish=lambda root, sessions, validation, now: publish(
            Home(root), settings=read_settings(Home(root)), sessions=sessions, validation=validation, now=now
        ),
    )


def open_record(home: Home, *, command: str, now: datetime) -> RunRecord:
    """Record the start of a run in the home's warehouse."""
    with Warehouse(home.warehouse) as warehouse:
        return open_run(warehouse, command=command, now=now)


def finish_record(home: Home, record: RunRecord, *, outcome: str, now: datetime, detail: str | None = None) -> None:
    """Record how a run ends."""
    finished_at = now + timedelta(seconds=sum(record.seconds.values()))
    with Warehouse(home.warehouse) as warehouse:
        record_outcome(warehouse, record, outcome=outcome, finished_at=finished_at, detail=detail)


def _record_failure(home: Home, record: RunRecord, *, error: Exception, now: datetime) -> None:
    """Record that a run failed; a disk that cannot take the record must not hide why the run failed."""
    try:
        finish_record(home, record, outcome="failed", now=now, detail=f"{type(error).__name__}: {error}")
    except Exception as other:
        error.add_note(f"The failure could not be recorded in the warehouse either: {other}")


def utc_now() -> datetime:
    """Return the time now, UTC, naive: read once, at an entry."""
    return datetime.now(UTC).replace(tzinfo=None)
