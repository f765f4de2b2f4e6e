"""What `alvh run` and `alvh explain` print of a night: decisions and why, rules and their distance, limits, book."""

import shlex
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from flows.home import Home, find_home
from flows.manifests import read_manifest
from flows.night import NightResult
from flows.published_night import read_published_night
from flows.report import report_path
from flows.served_record import SERVED_FILE
from flows.terminal import console, file_document, print_indented, show_refused
from transforms.report.document import night_document
from transforms.report.headline import account_readings, headline_readings
from transforms.report.phrases import cost_words, order_words, quality_words, rule_words, size_words
from transforms.report.words import dollars, number, percent

Document = dict[str, Any]
# From this width on a table has room for one more column of words.
WIDE = 120
MARKS = {"passed": ("+", "cyan"), "failed": ("-", "yellow"), "quiet": (".", "dim"), "unknown": ("?", "dim")}
OF_A_SUMMARY = ("SPX", "VIX", "VX1", "VX2", "contango VX2/VX1 - 1", "RSI(14) of front VX", "30-day at-the-money vol")
FINDINGS_SHOWN = 5
# Of a position, dollars; a narrow terminal has room for the first three.
POSITION_FIGURES = (
    ("pnl", "P&L tonight"), ("pnl_total", "P&L so far"), ("max_loss", "maximum loss"),
    ("delta", "delta, $/point"), ("vega", "vega, $/vol point"), ("theta", "theta, $/day"),
)  # fmt: skip
# Columns whose words are not broken however narrow the terminal is.
UNBROKEN = frozenset({"", "rule", "reading", "limit", "position"})


def run_document(home: Home, result: NightResult) -> Document:
    """Return what a run published, with the whole of its last night."""
    last = result.sessions[-1] if result.sessions else None
    page = report_path(home.published, last) if last else None
    return {
        "status": result.status,
        "summary": result.summary,
        "sessions": [day.isoformat() for day in result.sessions],
        "revised": [day.isoformat() for day in result.revised],
        "missing_inputs": result.missing.get(last, []) if last else [],
        "reasons": result.reasons,
        "files": [file_document(outcome) for outcome in result.ingested.files] if result.ingested else [],
        "seconds": result.seconds,
        "published": str(home.published),
        "page": str(page) if page and page.exists() else None,
        "night": explain_document(home, last) if last else None,
    }


def show_run(document: Document, out: Console | None = None) -> None:
    """Print a run for people: the decision of its last night, what it lacked, where to read on."""
    out = out or console()
    if document["night"]:
        _title(out, document["night"])
        _readings(out, document["night"], only=OF_A_SUMMARY)
        _engines(out, document["night"])
        out.print()
    print_indented(out, document["summary"])
    for reason in document["reasons"]:
        print_indented(out, f"  {reason}")
    show_refused(out, document["files"])
    if document["revised"]:
        print_indented(out, f"  revised: {', '.join(document['revised'])}")
    if document["seconds"]:
        print_indented(
            out, "  " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in document["seconds"].items()), "dim"
        )
    if document["sessions"]:
        of = _home_words(Path(document["published"]).parent)
        print_indented(out, f"Next: alvh explain {document['sessions'][-1]}{of}")
        print_indented(out, f'      alvh sql "select * from latest_signal"{of}')
    if document["page"]:
        print_indented(out, f"Page: {document['page']}")


def _home_words(root: Path) -> str:
    """Return the option that names a home which a command would not find by itself; relative where it can be."""
    if find_home().root == root:
        return ""
    here = Path.cwd()
    return f" --home {shlex.quote(str(root.relative_to(here) if root.is_relative_to(here) else root))}"


def explain_document(home: Home, session: date) -> Document:
    """Return a published night whole: decisions, rules, limits, funnel, candidates, findings, book, quality, hashes.

    Raises
    ------
    DataError
        If the night is not published.
    """
    manifest = read_manifest(home.published, session)
    return night_document(read_published_night(home.published / SERVED_FILE, session), manifest)


def show_explain(document: Document, out: Console | None = None) -> None:
    """Print a published night for people."""
    out = out or console()
    _title(out, document)
    _readings(out, document)
    _engines(out, document)
    _rules(out, document)
    _limits(out, document)
    _candidates(out, document)
    _findings(out, document)
    _book(out, document)
    _quality(out, document)


def _title(out: Console, document: Document) -> None:
    headline, day = document["headline"], document["session_date"]
    print_indented(
        out, Text.assemble((f"{day} {day:%A}", "bold"), f"  data {headline['data_status'] or 'without a headline'}")
    )
    for words in document["missing"]:
        print_indented(out, f"  ? {words}", "yellow")


def _readings(out: Console, document: Document, only: Iterable[str] = ()) -> None:
    wanted = set(only)
    shown = [row for row in headline_readings(document["headline"]) if not wanted or row[0] in wanted]
    cells = [
        Text.assemble((f"{label:<29}", "dim"), (f"{text:>10}", "" if known else "italic dim"))
        for label, text, known in shown
    ]
    out.print(Columns(cells, width=39, padding=(0, 1)))


def _engines(out: Console, document: Document) -> None:
    for engine in document["engines"]:
        _heading(out, engine["title"])
        if engine["idle"]:
            print_indented(out, f"  {engine['idle']}")
        for row in engine["decisions"]:
            of, size = (f" {row['position_id']}" if row["position_id"] else ""), size_words(row)
            print_indented(out, Text.assemble("  ", (row["title"] + of, "bold"), f": {size}" if size else ""))
            for words in ([cost_words(row)] if row["contracts"] else []) + [order_words(leg) for leg in row["legs"]]:
                print_indented(out, f"    {words}")
            if row["lead"]:
                print_indented(out, f"    {row['lead']}")
            for rule in row["cited"]:
                print_indented(
                    out, Text.assemble("    ", _mark(rule), f" {rule['title']}: ", (rule_words(rule), "dim"))
                )
    ledger = {name: dollars(value) for name, value in document["ledger"].items()}
    paid = f"adjustments cost {ledger['adjustments_proposed']}, of which it paid {ledger['adjustments_funded']}"
    print_indented(out, f"  ledger {ledger['ledger_balance']}; {paid}", "dim")


def _rules(out: Console, document: Document) -> None:
    _heading(out, "Rules")
    wide = out.width >= WIDE
    table = _table("", "rule", "reading", "asked", "distance", *(["turns over at"] if wide else []), right=("reading",))
    for rule in document["rules"]:
        if not rule["asked_text"]:
            continue
        distance = rule["distance_text"] or rule["reason"]
        asked = f"{rule['asked_text']} {rule['unit']}".rstrip()
        cells = [Text(rule["title"]), Text(rule["measured_text"]), Text(asked), Text(distance)]
        table.add_row(_mark(rule), *cells, *([Text(rule["flip_text"], "dim")] if wide else []))
    out.print(table)
    for rule in document["rules"]:
        if not rule["asked_text"]:
            print_indented(
                out, Text.assemble(_mark(rule), f"  {rule['title']}: {rule['measured_text']} ", (rule["reason"], "dim"))
            )
    if not wide:
        print_indented(out, "Turns over", "dim")
        for rule in document["rules"]:
            if rule["flip_text"]:
                print_indented(out, f"  {rule['title']}: {rule['flip_text']}", "dim")


def _limits(out: Console, document: Document) -> None:
    _heading(out, "Limits and funnel")
    table = _table(
        "engine",
        "limit",
        "measured",
        "bound",
        "slack",
        "alone allows",
        right=("measured", "bound", "slack", "alone allows"),
    )
    for row in document["limits"]:
        name = f"{row['title']}{' (binds)' if row['is_binding'] else ''}"
        alone = "no bound" if row["largest"] is None else f"{row['largest']:,}"
        table.add_row(row["engine"], name, row["measured_text"], row["threshold_text"], row["slack_text"], alone)
    if document["limits"]:
        out.print(table)
        if any(row["engine"] == "condor" for row in document["limits"]):
            print_indented(
                out, "A condor is sized with room for its layer, so it measures more here than above.", "dim"
            )
    else:
        print_indented(out, "  no trade was sized")
    for engine, called in (("condor", "condors"), ("second", "layers")):
        steps = [row for row in document["funnel"] if row["engine"] == engine]
        if steps:
            left = ", ".join(f"{row['title']} {row['n_out']:,}" for row in steps)
            print_indented(out, f"{called}: {steps[0]['n_in']:,} could be written; left after {left}")


def _candidates(out: Console, document: Document) -> None:
    _heading(out, "Best candidates")
    for engine, called in (("condor", "condor"), ("second", "layer")):
        found = document["candidates"][engine]
        if not found:
            print_indented(out, f"  no {called} passed the filters")
            continue
        best = found[0]
        loss = "unlimited" if best["max_loss"] is None else number(best["max_loss"])
        parts = [
            f"credit {number(best['credit_natural'])} natural, {number(best['credit_mid'])} mid",
            f"maximum loss {loss}",
        ]
        if engine == "condor":
            parts.append(f"breaks even at {number(best['break_even_low'], 1)} and {number(best['break_even_high'], 1)}")
            parts.append(f"probability of profit {percent(best['probability_of_profit'], 1)}")
        else:
            parts.append(f"loses between {number(best['dead_zone_low'])} and {number(best['dead_zone_high'])}")
            parts.append(f"future {number(best['future'], 3)}")
        print_indented(out, f"  {best['candidate_id']}: {', '.join(parts)} (points)")


def _findings(out: Console, document: Document) -> None:
    counts = document["finding_counts"]
    _heading(out, f"Mispricings: {counts['all']}, executable {counts['executable']}")
    for row in document["findings"][:FINDINGS_SHOWN]:
        edge = (
            dollars(row["edge_dollars"])
            if row["edge_dollars"] is not None
            else f"{number(row['edge_points'], 3)} points"
        )
        doubt = ", doubtful quotes" if row["from_flagged_quotes"] else ""
        print_indented(out, f"  {row['title']} {row['root']} {row['expiration']}: {edge}, {row['confidence']}{doubt}")


def _book(out: Console, document: Document) -> None:
    _heading(out, "Book")
    book = document["book"]
    shown = POSITION_FIGURES if out.width >= WIDE else POSITION_FIGURES[:3]
    if book["positions"]:
        amounts = ("contracts", *(heading for _, heading in shown))
        table = _table("position", *amounts, right=amounts)
        for row in book["positions"]:
            figures = [_amount(row, name) for name, _ in shown]
            table.add_row(row["position_id"], str(row["contracts"] or "") if row["is_open"] else "closed", *figures)
        out.print(table)
    else:
        print_indented(out, "  nothing is open")
    for row in book["events"]:
        print_indented(
            out, f"  {row['position_id']} {row['event']}: {row['detail']}; cash {dollars(row['cash'], 2)}", "dim"
        )
    both = [row for row in book["attribution"] if row["engine"] == "both" and row["sessions"]]
    if both:
        said = (f"{row['span']} {dollars(row['total'])}" for row in both)
        print_indented(out, f"P&L of both engines: {', '.join(said)}")
    known = [f"{label} {text}" for label, text, is_known in account_readings(book["account"]) if is_known]
    print_indented(out, f"Account: {', '.join(known) or 'not stated'}")


def _amount(row: Document, name: str) -> str:
    return "unlimited" if name == "max_loss" and row[name] is None else dollars(row[name])


def _quality(out: Console, document: Document) -> None:
    made = document["made"]
    _heading(out, f"Data validation: {made['validation']}; {quality_words(document)}")
    for row in document["quality"]["notable"]:
        if row["outcome"] == "failed":
            print_indented(out, f"  {row['table_name']} {row['check_name']} ({row['severity']}): {row['detail'] or ''}")
    hashes = (("settings", "settings_sha256"), ("code", "code_version"), ("inputs", "inputs_sha256"))
    print_indented(out, "  ".join(f"{name} {made[key][:12]}" for name, key in hashes), "dim")


def _heading(out: Console, title: str) -> None:
    out.print()
    print_indented(out, title, "bold")


def _mark(rule: Document) -> Text:
    sign, style = MARKS[rule["mark"]]
    return Text(sign, style)


def _table(*headings: str, right: Iterable[str] = ()) -> RichTable:
    table = RichTable(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(
            heading, justify="right" if heading in set(right) else "left", no_wrap=heading in UNBROKEN, overflow="fold"
        )
    return table
