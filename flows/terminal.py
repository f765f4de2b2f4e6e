"""What commands print: documents (for --json) and the same for people."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable
from rich.text import Text

from flows.home import Home
from flows.intake import FileOutcome
from flows.map_sessions import Progress as Report
from flows.night import NightResult
from flows.rebuild import Verification
from transforms.errors import UsageError

Document = dict[str, Any]
OUTPUTS = ("table", "csv", "json", "parquet")
# What a pipe gets: no color, and lines that are not broken.
PIPE_WIDTH = 140


def console() -> Console:
    """Return a console on stdout that is plain in a pipe."""
    watched = sys.stdout.isatty()
    return Console(soft_wrap=not watched, width=None if watched else PIPE_WIDTH)


def print_indented(out: Console, text: str | Text, style: str = "") -> None:
    """Print a line as it is: brackets of vendors are no markup, numbers keep their color, what wraps stays indented."""
    line = Text(text, style) if isinstance(text, str) else text
    indent = len(line.plain) - len(line.plain.lstrip())
    if indent and not out.soft_wrap and line.cell_len > out.width:
        out.print(Padding(line[indent:], (0, 0, 0, indent)), highlight=False)
    else:
        out.print(line, highlight=False)


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


def import_document(home: Home, result: NightResult) -> Document:
    """Return what an import did with each file."""
    files = result.ingested.files if result.ingested else []
    changed = result.ingested.changed if result.ingested else {}
    return {
        "files": [file_document(outcome) for outcome in files],
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
    show_refused(out, document["files"])
    changed = ", ".join(f"{name} {count:,}" for name, count in document["changed_sessions"].items() if count)
    out.print(f"Sessions changed: {changed or 'none'}.", highlight=False)
    if document["revised"]:
        out.print(f"Nights revised: {', '.join(document['revised'])}.", highlight=False)
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in document["seconds"].items())
    out.print(f"Published to {document['published']} ({stages}). Next: alvh run --date YYYY-MM-DD", highlight=False)


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
        print_indented(out, f"  {said}")
        for line in why if in_full else []:
            print_indented(out, f"    {line}")
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
        print_indented(out, f"  {finding['severity']:<7} {finding['subject']}: {finding['message']}")


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
    """Return rows as a table; a single one that a watched terminal would break is shown a column a line."""
    if rows.height == 1 and sys.stdout.isatty():
        text = _framed(rows)
        wide = max(map(len, text.splitlines())) > console().width
        named = {"column": rows.columns, "value": list(map(_said, rows.row(0)))}
        return f"{_framed(pl.DataFrame(named)) if wide else text}\n(1 row)\n"
    return f"{_framed(rows)}\n({rows.height} {'row' if rows.height == 1 else 'rows'})\n"


def _said(value: Any) -> str | None:
    return None if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)


def _framed(rows: pl.DataFrame) -> str:
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=10_000, tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True, fmt_str_lengths=200, tbl_formatting="ASCII_MARKDOWN",
    ):  # fmt: skip
        return str(rows)


def show_refused(out: Console, files: list[Document]) -> None:
    """Print every refused file with its reason."""
    refused = [entry for entry in files if entry["outcome"] == "refused"]
    if refused:
        out.print(f"{len(refused)} files refused:", highlight=False)
    for entry in refused:
        out.print(f"  {entry['reason']}", highlight=False, markup=False)


def file_document(outcome: FileOutcome) -> Document:
    """Return what became of a delivered file."""
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
