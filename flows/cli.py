"""`alvh`: every command, its options, and what it prints."""

import json
import os
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transforms.errors import AlvhError, StorageFailed, UsageError

if TYPE_CHECKING:
    from flows.home import Home

EXIT_NOTHING_PUBLISHED = 1
EXIT_WRONG_USE = 2

app = typer.Typer(
    help="Nightly measurement of SPX iron condors and VIX call ratio spreads. It trades nothing and advises nobody.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Home directory (default: $ALVH_HOME, else ./alvh-home).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
DateOption = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Session, YYYY-MM-DD.")]
NowOption = Annotated[
    datetime | None, typer.Option("--now", hidden=True, formats=["%Y-%m-%dT%H:%M:%S"], help="Clock to use, UTC.")
]


@app.command("run")
def run_command(
    home: HomeOption = None, json_output: JsonOption = False, date: DateOption = None, now: NowOption = None
) -> None:
    """Run the nightly job: ingest, analyze, validate, evaluate, publish; without a date every session that is due."""
    from flows.home import find_home, prepare_home
    from flows.orchestration import configure_prefect, run_nightly

    where = find_home(home)
    prepare_home(where)
    configure_prefect(where)
    with _waiting("Starting Prefect (about 12 s without a server running)", quiet=json_output):
        result = run_nightly(where, session=date.date() if date else None, now=now)
    from flows.terminal_night import run_document, show_run

    _emit(run_document(where, result), show_run, json_output)
    raise typer.Exit(result.exit_code)


@app.command("import")
def import_command(
    paths: Annotated[list[Path], typer.Argument(help="Vendor files or folders; recognized by content, copied.")],
    home: HomeOption = None,
    json_output: JsonOption = False,
    now: NowOption = None,
) -> None:
    """Load vendor files, recompute the daily tables, publish; decides nothing."""
    from flows import night
    from flows.home import find_home, locked, prepare_home
    from flows.map_sessions import open_runner
    from flows.settings import read_settings
    from flows.terminal import import_document, session_progress, show_import

    where = find_home(home)
    prepare_home(where)
    settings = read_settings(where)
    started = now or night.utc_now()
    absolute = [path.expanduser().absolute() for path in paths]
    with (
        locked(where, started_at=started.isoformat()),
        open_runner("processes") as runner,
        session_progress(quiet=json_output) as progress,
    ):
        result = night.import_files(
            where, paths=absolute, settings=settings, now=started, runner=runner, progress=progress
        )
    _emit(import_document(where, result), show_import, json_output)
    files = result.ingested.files if result.ingested else []
    raise typer.Exit(EXIT_NOTHING_PUBLISHED if files and all(f.outcome == "refused" for f in files) else 0)


@app.command("fetch")
def fetch_command(
    home: HomeOption = None, json_output: JsonOption = False, date: DateOption = None, now: NowOption = None
) -> None:
    """Download from the configured feeds into landing; nothing is published."""
    from flows.home import find_home, prepare_home
    from flows.orchestration import configure_prefect, run_fetch
    from flows.terminal import fetch_document, show_fetch

    where = find_home(home)
    prepare_home(where)
    configure_prefect(where)
    with _waiting("Starting Prefect (about 12 s without a server running)", quiet=json_output):
        outcomes = run_fetch(where, session=date.date() if date else None, now=now)
    _emit(fetch_document(outcomes), show_fetch, json_output)
    raise typer.Exit(EXIT_NOTHING_PUBLISHED if any(o.outcome in {"failed", "refused"} for o in outcomes) else 0)


@app.command("backfill")
def backfill_command(
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First session.")],
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last session.")],
    home: HomeOption = None,
    json_output: JsonOption = False,
    restate: Annotated[
        bool, typer.Option(help="Compute nights again that are published, with today's settings.")
    ] = False,
    runner: Annotated[str, typer.Option(help="processes (of this machine) or dask.")] = "processes",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes (default: one for each processor).")
    ] = None,
    dask_address: Annotated[
        str | None, typer.Option(help="Scheduler of a Dask cluster (default: a cluster on this machine).")
    ] = None,
    now: NowOption = None,
) -> None:
    """Run every session of a range for which data is landed, and publish them together."""
    if runner not in {"processes", "dask"}:
        raise UsageError(f"--runner {runner}: the runners are processes and dask")
    from flows.home import find_home, prepare_home
    from flows.orchestration import configure_prefect, run_backfill
    from flows.terminal_night import run_document, show_run

    where = find_home(home)
    prepare_home(where)
    configure_prefect(where)
    with _waiting("Starting Prefect (about 12 s without a server running)", quiet=json_output):
        result = run_backfill(
            where,
            start=start.date(),
            end=end.date(),
            restate=restate,
            runner=runner,
            workers=workers,
            dask_address=dask_address,
            quiet=json_output,
            now=now,
        )
    _emit(run_document(where, result), show_run, json_output)
    raise typer.Exit(result.exit_code)


@app.command("demo")
def demo_command(
    sessions: Annotated[int, typer.Option(min=1, max=2000, help="Sessions with option chains.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the market; one seed, one market, to the byte.")] = 1,
    home: HomeOption = None,
    json_output: JsonOption = False,
    now: NowOption = None,
) -> None:
    """Build a sample market, run every session of it in one flow run, show the last night."""
    from flows.home import find_home, prepare_home
    from flows.orchestration import configure_prefect, run_demo
    from flows.terminal_night import run_document, show_run

    where = find_home(home or Path("alvh-demo"))
    prepare_home(where)
    configure_prefect(where)
    with _waiting("Making the market; Prefect takes about 12 s to start", quiet=json_output):
        result = run_demo(where, n_sessions=sessions, seed=seed, quiet=json_output, now=now)
    _emit(run_document(where, result), show_run, json_output)
    raise typer.Exit(result.exit_code)


@app.command("sql")
def sql_command(
    query: Annotated[
        str, typer.Argument(help="A select over the published tables, or the name of a file of sql/queries.")
    ],
    home: HomeOption = None,
    output: Annotated[str, typer.Option("--output", "-o", help="table, csv, json or parquet.")] = "table",
    to: Annotated[Path | None, typer.Option(help="File to write (needed for parquet).")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="name=value for a $name in the query.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Query the published database."""
    from flows.home import find_home
    from flows.served_database import named_query, query_published
    from flows.served_record import SERVED_FILE
    from flows.terminal import write_rows

    where = find_home(home)
    pairs = [item.partition("=") for item in parameter or []]
    parameters: dict[str, Any] = {name: value for name, _, value in pairs}
    rows = query_published(where.published / SERVED_FILE, named_query(query), parameters or None)
    write_rows(rows, output="json" if json_output else output, to=to)


@app.command("explain")
def explain_command(
    day: Annotated[
        datetime | None, typer.Argument(metavar="[DATE]", formats=["%Y-%m-%d"], help="Session (default: the last).")
    ] = None,
    home: HomeOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show what a published night measured, what it lacked and why."""
    from flows.home import find_home
    from flows.terminal_night import explain_document, show_explain

    where = find_home(home)
    _emit(explain_document(where, _night(where, day)), show_explain, json_output)


@app.command("report")
def report_command(
    day: Annotated[
        datetime | None, typer.Argument(metavar="[DATE]", formats=["%Y-%m-%d"], help="Session (default: the last).")
    ] = None,
    home: HomeOption = None,
    json_output: JsonOption = False,
    open_page: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    now: NowOption = None,
) -> None:
    """Make the page of a published night if it is not there, and say where it is."""
    from flows import night
    from flows.home import find_home
    from flows.night_pages import publish_page

    where = find_home(home)
    made = publish_page(where, day.date() if day else None, now=now or night.utc_now())
    _emit(made, lambda document: print(document["page"]), json_output)
    if open_page:
        webbrowser.open(Path(made["page"]).as_uri())


@app.command("journal")
def journal_command(
    action: Annotated[str, typer.Argument(help="list, show or note.")] = "list",
    text: Annotated[str | None, typer.Argument(help="For note: what to write. For show: an entry's id.")] = None,
    home: HomeOption = None,
    json_output: JsonOption = False,
    date: DateOption = None,
    now: NowOption = None,
) -> None:
    """Read and annotate the journal; entries are never changed, a correction is a new entry."""
    from flows import journal, night
    from flows.home import find_home, locked, prepare_home
    from flows.terminal import show_journal

    where = find_home(home)
    started = now or night.utc_now()
    if action == "note":
        if not text:
            raise UsageError('say what to write: alvh journal note "..."')
        prepare_home(where)
        with locked(where, started_at=started.isoformat()):
            journal.write_note(where, text=text, session=date.date() if date else None, now=started)
    elif action not in {"list", "show"}:
        raise UsageError(f"alvh journal {action}: the actions are list, show and note")
    shown = journal.journal_document(where, entry_id=text if action == "show" else None)
    _emit(shown, partial(show_journal, in_full=action == "show"), json_output)


@app.command("evidence")
def evidence_command(
    home: HomeOption = None,
    json_output: JsonOption = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Replay every night of the home under today's settings, and judge anew.")
    ] = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="With --replay: the disputed settings too, one change each.")
    ] = False,
    now: NowOption = None,
) -> None:
    """Show the claims of the method with sample size, estimate, interval and verdict, and the books beside indices."""
    from flows import night
    from flows.evidence import gather_evidence, published_evidence
    from flows.home import find_home, locked, prepare_home
    from flows.settings import read_settings
    from flows.terminal import session_progress
    from flows.terminal_evidence import show_evidence

    where = find_home(home)
    if disputed and not replay:
        raise UsageError("--disputed says what to replay: give --replay with it")
    if replay:
        prepare_home(where)
        started = now or night.utc_now()
        with locked(where, started_at=started.isoformat()), session_progress(quiet=json_output) as progress:
            gather_evidence(where, settings=read_settings(where), now=started, disputed=disputed, progress=progress)
    _emit(published_evidence(where), show_evidence, json_output)


@app.command("verify")
def verify_command(
    day: Annotated[
        datetime | None, typer.Argument(metavar="[DATE]", formats=["%Y-%m-%d"], help="Session (default: the last).")
    ] = None,
    home: HomeOption = None,
    json_output: JsonOption = False,
    now: NowOption = None,
) -> None:
    """Recompute a published night from its inputs and settings, and compare with what is published."""
    from flows import night
    from flows.home import find_home
    from flows.rebuild import verify_night
    from flows.settings import read_settings
    from flows.terminal import show_verification, verification_document

    where = find_home(home)
    found = verify_night(where, _night(where, day), settings=read_settings(where), now=now or night.utc_now())
    _emit(verification_document(found), show_verification, json_output)
    raise typer.Exit(EXIT_NOTHING_PUBLISHED if found.differences else 0)


@app.command("rebuild")
def rebuild_command(home: HomeOption = None, json_output: JsonOption = False, now: NowOption = None) -> None:
    """Make the warehouse and everything published again from landing and ledger."""
    from flows import night
    from flows.home import find_home, locked, prepare_home
    from flows.map_sessions import open_runner
    from flows.rebuild import rebuild
    from flows.settings import read_settings
    from flows.terminal import session_progress
    from flows.terminal_night import run_document, show_run

    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with (
        locked(where, started_at=started.isoformat()),
        open_runner("processes") as runner,
        session_progress(quiet=json_output) as progress,
    ):
        result = rebuild(where, settings=read_settings(where), now=started, runner=runner, progress=progress)
    _emit(run_document(where, result), show_run, json_output)


@app.command("prune")
def prune_command(home: HomeOption = None, json_output: JsonOption = False, now: NowOption = None) -> None:
    """Drop superseded revisions, reports and logs that retention allows; landing and ledger never."""
    from flows import night
    from flows.home import find_home, locked, prepare_home
    from flows.retention import prune
    from flows.settings import read_settings

    where = find_home(home)
    prepare_home(where)
    started = now or night.utc_now()
    with locked(where, started_at=started.isoformat()):
        removed = prune(where, settings=read_settings(where), now=started)
    _emit({"removed": [str(path) for path in removed]}, _show_removed, json_output)


@app.command("doctor")
def doctor_command(
    home: HomeOption = None,
    json_output: JsonOption = False,
    init: Annotated[bool, typer.Option("--init", help="Create the home and an annotated alvh.toml.")] = False,
) -> None:
    """Check settings, folders, lock, disk and feeds: what is wrong and what to do."""
    from flows.doctor import examine, initialize
    from flows.home import find_home
    from flows.terminal import show_examination

    where = find_home(home)
    if init:
        initialize(where)
    findings = examine(where)
    _emit({"home": str(where.root), "findings": findings}, show_examination, json_output)
    raise typer.Exit(EXIT_NOTHING_PUBLISHED if any(f["severity"] == "error" for f in findings) else 0)


@app.command(
    "prefect", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def prefect_command(context: typer.Context) -> None:
    """Run any prefect command in this home's environment (the home is that of $ALVH_HOME, else ./alvh-home)."""
    from flows.home import find_home
    from flows.orchestration import configure_prefect

    where = find_home(None)
    os.environ["ALVH_HOME"] = str(where.root)
    configure_prefect(where)
    os.execvp(sys.executable, [sys.executable, "-m", "prefect", *context.args])


def main() -> None:
    """Run the command line; an error of ours ends as one message on stderr and an exit code, never as a traceback."""
    try:
        app(standalone_mode=True)
    except UsageError as error:
        _complain(error)
        sys.exit(EXIT_WRONG_USE)
    except AlvhError as error:
        _complain(error)
        sys.exit(EXIT_NOTHING_PUBLISHED)
    except OSError as error:
        from flows.durability import storage_message

        said = storage_message(error.filename or "a file", error.strerror or str(error), error.errno)
        _complain(StorageFailed(said))
        sys.exit(EXIT_NOTHING_PUBLISHED)


def _night(home: "Home", day: datetime | None) -> date:
    """Return the session asked for, else the last that is published."""
    from flows.manifests import published_nights

    if day is not None:
        return day.date()
    nights = published_nights(home.published)
    if not nights:
        raise AlvhError(f"no night is published in {home.published}; run `alvh run` first")
    return nights[-1]


def _complain(error: AlvhError) -> None:
    if "--json" in sys.argv:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    else:
        print(f"alvh: {error}", file=sys.stderr)


def _emit(document: Any, show: Callable[[Any], None], json_output: bool) -> None:
    if json_output:
        print(json.dumps(document, indent=1, sort_keys=True, default=str))
    else:
        show(document)


def _show_removed(document: dict[str, Any]) -> None:
    for path in document["removed"]:
        print(path)
    print(f"{len(document['removed'])} removed")


@contextmanager
def _waiting(message: str, *, quiet: bool) -> Iterator[None]:
    """Say on stderr what takes long, if a person watches."""
    if not quiet and sys.stderr.isatty():
        print(f"{message} ...", file=sys.stderr)
    yield
