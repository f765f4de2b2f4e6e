"""What `alvh evidence` prints: each claim with its measure, interval and verdict; the books beside two indices."""

from typing import Any

from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from flows.terminal import console
from transforms.evidence.benchmark_daily import DOLLARS_HELD
from transforms.evidence.replay import DEFAULT

INDICES = {"cndr": "CNDR, rebuilt", "vxth": "VXTH, rebuilt"}


def show_evidence(document: dict[str, Any]) -> None:
    """Print the claims, then the three books and the rebuilt indices."""
    show_claims(document)
    if document["books"]:
        show_books(document)


def show_books(document: dict[str, Any]) -> None:
    """Print what each book has earned, and what the money in each index; and what an index lacks."""
    out = console()
    table = RichTable(box=None, pad_edge=False)
    for heading in ("book", "sessions", "P&L", "worst session", "worst drawdown", "Sharpe"):
        table.add_column(heading, justify="left" if heading == "book" else "right", no_wrap=True)
    for row in document["books"]:
        dollars = [_dollars(row[name]) for name in ("pnl", "worst_session", "worst_drawdown")]
        name = INDICES.get(row["book"], row["book"])
        table.add_row(name, str(row["n"]), *dollars, _number(row["sharpe_ratio"]))
    out.print()
    out.print(f"The paper books, dollars, and {DOLLARS_HELD:,.0f} dollars in each index", highlight=False)
    out.print(table)
    for row in document["books"]:
        if row["missing"]:
            said = f"{INDICES[row['book']]}: {row['n_without_level']} sessions without a level; last it lacked "
            out.print(f"{said}{row['missing']}", highlight=False)


def show_claims(document: dict[str, Any]) -> None:
    """Print the claims under the settings as they are, then those of other variants that have a verdict."""
    out = console()
    claims = document["claims"]
    if not claims:
        out.print("No claim has been judged yet: alvh evidence --replay steps through every night of the home.")
        return
    table = RichTable(box=None, pad_edge=False)
    for heading in ("claim", "n", "estimate", "95 % interval", "verdict"):
        is_number = heading in ("n", "estimate", "95 % interval")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading != "claim", min_width=4)
    for row in claims:
        if row["variant"] == DEFAULT:
            table.add_row(row["statement"], str(row["n"]), _number(row["estimate"]), _interval(row), row["verdict"])
            table.add_row(Padding(Text(row["detail"] or row["measure"], "dim"), (0, 0, 0, 2)), "", "", "", "")
    out.print(f"Evidence as of {claims[0]['as_of']}, every night of this home replayed", highlight=False)
    out.print(table)
    others = [row for row in claims if row["variant"] != DEFAULT and row["verdict"] != "too little data"]
    for row in others:
        out.print(f"{row['variant']}: {row['claim']} {row['verdict']} ({_interval(row)})", highlight=False)


def _interval(row: dict[str, Any]) -> str:
    return "" if row["low_95"] is None else f"{_number(row['low_95'])} to {_number(row['high_95'])}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _dollars(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
