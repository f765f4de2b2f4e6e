"""How a run ends in the scheduler: a state with a sentence, a page per night, a table of findings, alerts.

The numbers are published by then. A notice that cannot be written or delivered is told among the run's reasons and
fails nothing; a run that fails leaves a page that says what to do.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows.alerts import send_alerts
from flows.home import Home
from flows.manifests import manifest_path
from flows.night import NightResult
from flows.report import report_path
from flows.settings import read_settings
from flows.terminal_night import explain_document
from transforms.errors import AlvhError, UsageError
from transforms.report.phrases import Document, decided, decision_lines, finding_rows, night_markdown, text_of

STATE_NAMES = {"published": "Published", "degraded": "Degraded", "refused": "Degraded", "nothing": "NothingDue"}
FAILURE_KEY = "failed-run"


def ended(home: Home, result: NightResult, *, nights: list[date], alert: bool) -> State[NightResult]:
    """Write the artifacts of `nights`, alert people of the last session if asked, and return the run's final state."""
    for session in nights:
        try:
            _write_artifacts(home, session, explain_document(home, session))
        except Exception as error:
            result.reasons.append(f"the artifacts of {session} could not be written: {type(error).__name__}: {error}")
            get_run_logger().warning(result.reasons[-1])
    if alert:
        result.reasons += _alert(home, result)
    return Completed(name=STATE_NAMES[result.status], message=result.summary, data=result)


@contextmanager
def told_if_it_fails(home: Home, *, what: str, alert: bool) -> Iterator[None]:
    """Let an error pass, but leave an artifact that says what to do, and alert people if asked."""
    try:
        yield
    except Exception as error:
        advice = _advice(error)
        create_markdown_artifact(
            key=FAILURE_KEY,
            description=f"{what} failed",
            markdown=f"# {text_of(what)} failed\n\n{text_of(str(error))}\n\n{text_of(advice)}\n\n{_trace(error)}",
        )
        if alert:
            _alert_of_failure(home, what, f"{type(error).__name__}: {error}\n\n{advice}")
        raise


def _write_artifacts(home: Home, session: date, document: Document) -> None:
    page = report_path(home.published, session)
    manifest = manifest_path(home.published, session)
    create_markdown_artifact(
        key=f"night-{session}",
        description=f"The night of {session}: decisions, rules, data",
        markdown=night_markdown(document, page=str(page) if page.exists() else None, manifest=str(manifest)),
    )
    create_table_artifact(
        key=f"findings-{session}",
        description=f"Mispricings of {session}, best first ({document['finding_counts']['all']} in all)",
        table=finding_rows(document),
    )


def _alert(home: Home, result: NightResult) -> list[str]:
    """Send what a run has to tell of its last night; return what was not delivered."""
    settings = read_settings(home).alerts
    refused = [outcome for outcome in result.ingested.files if outcome.outcome == "refused"] if result.ingested else []
    failed = []
    if result.status == "refused" or refused:
        lines = [result.summary, *result.reasons, *(outcome.reason or outcome.name for outcome in refused)]
        day = result.sessions[-1] if result.sessions else "no session"
        failed += send_alerts(settings, on="refused", subject=f"ALVH {day}: data refused", body="\n".join(lines))
    if result.sessions:
        session = result.sessions[-1]
        document = explain_document(home, session)
        if trades := decided(document):
            said = ", ".join(f"{row['decision'].replace('_', ' ')} x {row['contracts']}" for row in trades)
            page = report_path(home.published, session)
            body = "\n".join([*decision_lines(document), "", f"Page: {page}" if page.exists() else "No page was made."])
            failed += send_alerts(settings, on="decision", subject=f"ALVH {session}: {said}", body=body)
    return failed


def _alert_of_failure(home: Home, what: str, body: str) -> None:
    try:
        settings = read_settings(home).alerts
    except UsageError as error:
        get_run_logger().warning(f"nobody is alerted, since the settings cannot be read: {error}")
        return
    send_alerts(settings, on="failed", subject=f"ALVH: {what} failed", body=body)


def _advice(error: Exception) -> str:
    if isinstance(error, AlvhError):
        return "The message says what to do; then run it again. What was published before is whole."
    return (
        "Run `alvh doctor`, then run it again: what was published before is whole. If it fails again, report the trace."
    )


def _trace(error: Exception) -> str:
    """Return the trace of an error that is not ours, for a report; ours say enough themselves."""
    return "" if isinstance(error, AlvhError) else "```\n" + "".join(traceback.format_exception(error)) + "```\n"
