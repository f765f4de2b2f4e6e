"""What commands print: documents (for --json) and the same for people."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable

from flows.home import Home
from flows.intake import FileOutcome
from flows.map_sessions import Progress as Report
from flows.night import NightResult
from flows.publication import SERVED_FILE, manifest_path, published_nights
from flows.rebuild import Verification
from flows.served_database import read_published
from transforms.errors import DataError, UsageError
from transforms.schemas import DATA_QUALITY, SIGNAL_DAILY

Document = dict[str, Any]
OUTPUTS = ("table", "csv", "json", "parquet")
HEADLINE = (
    ("SPX", "spx", "{:,.2f}"),
    ("VIX", "vix", "{:.2f}"),
    ("VVIX", "vvix", "{:.2f}"),
    ("VX1", "vx1", "{:.3f}"),
    ("VX2", "vx2", "{:.3f}"),
    ("contango VX2/VX1 - 1", "contango_ratio", "{:+.2%}"),
    ("basis VX1/VIX - 1", "basis_ratio", "{:+.2%}"),
    ("30-day VX", "constant_maturity_30d", "{:.3f}"),
    ("60-day VX", "constant_maturity_60d", "{:.3f}"),
    ("sessions to roll", "days_to_roll", "{:d}"),
    ("RSI(14) of front VX", "vx_front_rsi", "{:.1f}"),
    ("MACD of front VX", "vx_front_state", "{}"),
    ("MACD of advance-decline", "breadth_state", "{}"),
    ("MACD of the curve", "curve_state", "{}"),
    ("VVIX percentile, 252 sessions", "vvix_percentile_252d", "{:.0%}"),
    ("half-life of 30-day VX, sessions", "vx_half_life", "{:.1f}"),
    ("VIX by our own count", "vix_replicated", "{:.2f}"),
    ("30-day at-the-money vol", "atm_vol_30d", "{:.2%}"),
    ("25-delta risk reversal, 30 days", "risk_reversal_25d_30d", "{:.2%}"),
    ("realized vol, 21 sessions", "realized_vol_21d", "{:.2%}"),
    ("SPX and SPXW quotes", "n_spx_quotes", "{:,d}"),
    ("VIX and VIXW quotes", "n_vix_quotes", "{:,d}"),
)


def console() -> Console:
    """Return a console on stdout that is plain in a pipe."""
    return Console(soft_wrap=not sys.stdout.isatty())


@contextmanager
def session_progress(*, quiet: bool) -> Iterator[Report | None]:
    """Show what a map over files or sessions is at, how fast, and the time left, on stderr while a person watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bar:
        job = bar.add_task("starting", total=None, rate="")

        def report(number: int, total: int, name: str) -> None:
            if number == 1:
                bar.reset(job, total=total)
            speed = bar.tasks[0].speed
            rate = f"{speed:.1f}/s" if speed else ""
            bar.update(job, completed=number, total=total, description=name[:44].ljust(44), rate=rate)

        yield report


def night_document(home: Home, result: NightResult) -> Document:
    """Return what a run published, with the headline of its last night."""
    last = result.sessions[-1] if result.sessions else None
    return {
        "status": result.status,
        "summary": result.summary,
        "sessions": [day.isoformat() for day in result.sessions],
        "revised": [day.isoformat() for day in result.revised],
        "missing_inputs": result.missing.get(last, []) if last else [],
        "reasons": result.reasons,
        "files": [_file(outcome) for outcome in result.ingested.files] if result.ingested else [],
        "seconds": result.seconds,
        "published": str(home.published),
        "headline": _headline(home, last) if last else None,
    }


def show_night(document: Document) -> None:
    """Print a run for people."""
    out = console()
    if document["headline"]:
        _show_headline(out, document["headline"])
    out.print(document["summary"], highlight=False)
    for reason in document["reasons"]:
        out.print(f"  {reason}", highlight=False)
    _show_refused(out, document["files"])
    if document["revised"]:
        out.print(f"  revised: {', '.join(document['revised'])}", highlight=False)
    if document["seconds"]:
        stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in document["seconds"].items())
        out.print(f"  {stages}", highlight=False)
    if document["sessions"]:
        out.print(
            f'Next: alvh explain {document["sessions"][-1]}, or alvh sql "select * from latest_signal"', highlight=False
        )


def import_document(home: Home, result: NightResult) -> Document:
    """Return what an import did with each file."""
    files = result.ingested.files if result.ingested else []
    changed = result.ingested.changed if result.ingested else {}
    return {
        "files": [_file(outcome) for outcome in files],
        "changed_sessions": {name: len(days) for name, days in sorted(changed.items())},
        "revised": [day.isoformat() for day in result.revised],
        "seconds": result.seconds,
        "published": str(home.published),
    }


def show_import(document: Document) -> None:
    """Print an import for people: a line a source, then every refusal with its reason."""
    out = console()
    table = RichTable(title=None, box=None, pad_edge=False)
    for heading in ("source", "files", "lines", "rows", "loaded", "rejected"):
        table.add_column(heading, justify="left" if heading == "source" else "right")
    loaded = [entry for entry in document["files"] if entry["outcome"] == "loaded"]
    for source in sorted({entry["source"] for entry in loaded}):
        own = [entry for entry in loaded if entry["source"] == source]
        sums = [sum(entry[key] for entry in own) for key in ("n_lines", "n_rows", "n_loaded", "n_rejected")]
        table.add_row(source, str(len(own)), *(f"{value:,}" for value in sums))
    if loaded:
        out.print(table)
    known = sum(entry["outcome"] == "known" for entry in document["files"])
    if known:
        out.print(f"{known} files were landed before.", highlight=False)
    _show_refused(out, document["files"])
    changed = ", ".join(f"{name} {count:,}" for name, count in document["changed_sessions"].items() if count)
    out.print(f"Sessions changed: {changed or 'none'}.", highlight=False)
    if document["revised"]:
        out.print(f"Nights revised: {', '.join(document['revised'])}.", highlight=False)
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in document["seconds"].items())
    out.print(f"Published to {document['published']} ({stages}). Next: alvh run --date YYYY-MM-DD", highlight=False)


def explain_document(home: Home, session: date) -> Document:
    """Return a published night: its headline, what it lacks and what its data validation found.

    Raises
    ------
    DataError
        If the night is not published.
    """
    path = manifest_path(home.published, session)
    if not path.exists():
        nights = published_nights(home.published)
        beside = f"the published nights run from {nights[0]} to {nights[-1]}" if nights else "no night is published"
        raise DataError(f"no night of {session} is published; {beside}. Run `alvh run --date {session}`")
    manifest = json.loads(path.read_text())
    quality = read_published(home.published / SERVED_FILE, DATA_QUALITY, session=session)
    return {
        "session_date": session.isoformat(),
        "headline": _headline(home, session),
        "validation": manifest["validation"],
        "quality": quality.drop("session_date").filter(pl.col("outcome") != "passed").to_dicts(),
        "settings_sha256": manifest["settings_sha256"],
        "code_version": manifest["code_version"],
        "inputs_sha256": manifest["inputs_sha256"],
    }


def show_explain(document: Document) -> None:
    """Print a published night for people."""
    out = console()
    _show_headline(out, document["headline"])
    out.print(f"Data validation: {document['validation']}.", highlight=False)
    for row in document["quality"]:
        detail = row["detail"] or ""
        out.print(f"  {row['outcome']}: {row['table_name']} {row['check_name']} {detail}", highlight=False)
    out.print(
        f"settings {document['settings_sha256'][:12]}  code {document['code_version'][:12]}"
        f"  inputs {document['inputs_sha256'][:12]}",
        highlight=False,
    )


def fetch_document(outcomes: list[Any]) -> Document:
    """Return what each download became."""
    return {"downloads": [outcome.document() for outcome in outcomes]}


def show_fetch(document: Document) -> None:
    """Print downloads for people."""
    out = console()
    for entry in document["downloads"]:
        reason = f": {entry['reason']}" if entry.get("reason") else ""
        out.print(f"{entry['outcome']:<18} {entry['feed']:<28} {entry['bytes']:>10,} bytes{reason}", highlight=False)


def verification_document(found: Verification) -> Document:
    """Return what a verification found."""
    return {
        "session_date": found.session_date.isoformat(),
        "files_equal": found.n_equal,
        "differences": list(found.differences),
        "same_code": found.same_code,
    }


def show_verification(document: Document) -> None:
    """Print a verification for people."""
    out = console()
    code = "the code that published it" if document["same_code"] else "other code than published it"
    verdict = "all equal" if not document["differences"] else f"{len(document['differences'])} files differ"
    out.print(
        f"{document['session_date']}: {document['files_equal']} files equal; {verdict}, with {code}.", highlight=False
    )
    for line in document["differences"]:
        out.print(f"  {line}", highlight=False)


def show_journal(entries: list[Document], *, in_full: bool = False) -> None:
    """Print journal entries for people; `in_full` with the rules and prices frozen in each."""
    out = console()
    for entry in entries:
        about = f", {entry['refers_to']} before it" if entry["refers_to"] else ""
        out.print(f"{entry['session_date']}  {entry['kind']:<10}  {entry['entry_id']}{about}", highlight=False)
        said, *why = (entry["note"] or "").split("; ") if entry["kind"] != "note" else [entry["note"]]
        out.print(f"  {said}", highlight=False, markup=False)
        for line in why if in_full else []:
            out.print(f"    {line}", highlight=False, markup=False)
        if not in_full:
            continue
        for rule in entry["evidence"] or []:
            measured = "unknown" if rule["measured"] is None else f"{rule['measured']:.6g}"
            bound = "" if rule["threshold"] is None else f" {rule['comparison']} {rule['threshold']:.6g}"
            out.print(f"  {rule['rule']:<18} {rule['outcome']:<13} {measured}{bound}", highlight=False, markup=False)
        for name, price in (entry["prices"] or {}).items():
            shown = "; ".join(price) if isinstance(price, list) else "unknown" if price is None else f"{price:.6g}"
            if shown:
                out.print(f"  {name:<18} {shown}", highlight=False, markup=False)
    if not entries:
        out.print('The journal is empty. Write with: alvh journal note "..."', highlight=False)
    elif not in_full:
        out.print("All of an entry: alvh journal show ID", highlight=False)


def show_examination(document: Document) -> None:
    """Print what `alvh doctor` found."""
    out = console()
    out.print(f"Home {document['home']}", highlight=False)
    for finding in document["findings"]:
        out.print(f"  {finding['severity']:<7} {finding['subject']}: {finding['message']}", highlight=False)


def write_rows(rows: pl.DataFrame, *, output: str, to: Path | None) -> None:
    """Write a query's rows as a table, CSV, JSON or parquet, to stdout or a file.

    Raises
    ------
    UsageError
        If the output is unknown, or parquet is asked for without a file.
    """
    if output not in OUTPUTS:
        raise UsageError(f"--output {output}: it is one of {', '.join(OUTPUTS)}")
    if output == "parquet":
        if to is None:
            raise UsageError("--output parquet needs a file: add --to FILE")
        rows.write_parquet(to)
        return
    if output == "csv":
        text = rows.write_csv()
    elif output == "json":
        text = json.dumps(rows.to_dicts(), default=str, indent=1) + "\n"
    else:
        text = _table_text(rows)
    if to is None:
        sys.stdout.write(text)
    else:
        to.write_text(text)


def _table_text(rows: pl.DataFrame) -> str:
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=10_000, tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True, fmt_str_lengths=200, tbl_formatting="ASCII_MARKDOWN",
    ):  # fmt: skip
        return f"{rows}\n({rows.height} rows)\n"


def _headline(home: Home, session: date) -> Document:
    return read_published(home.published / SERVED_FILE, SIGNAL_DAILY, session=session).row(0, named=True)


def _show_headline(out: Console, headline: Document) -> None:
    status = headline["data_status"]
    missing = f", without {headline['missing_inputs']}" if headline["missing_inputs"] else ""
    out.print(f"[bold]{headline['session_date']}[/bold]  data {status}{missing}", highlight=False)
    table = RichTable(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for label, column, form in HEADLINE:
        value = headline[column]
        reason = headline["missing_reason"] if column in {"vx1", "vx2", "contango_ratio"} else None
        table.add_row(label, form.format(value) if value is not None else f"unknown{f' ({reason})' if reason else ''}")
    out.print(table)


def _show_refused(out: Console, files: list[Document]) -> None:
    refused = [entry for entry in files if entry["outcome"] == "refused"]
    if refused:
        out.print(f"{len(refused)} files refused:", highlight=False)
    for entry in refused:
        out.print(f"  {entry['reason']}", highlight=False, markup=False)


def _file(outcome: FileOutcome) -> Document:
    return {
        "name": outcome.name,
        "outcome": outcome.outcome,
        "source": outcome.source,
        "sha256": outcome.sha256,
        "first_session": outcome.first_session.isoformat() if outcome.first_session else None,
        "last_session": outcome.last_session.isoformat() if outcome.last_session else None,
        "n_lines": outcome.n_lines,
        "n_rows": outcome.n_rows,
        "n_loaded": outcome.n_loaded,
        "n_rejected": outcome.n_rejected,
        "reason": outcome.reason,
    }
