"""The nightly page: one self-contained file a night, rendered from its published rows.

Everything a reader needs is in the file: no font, script or picture is fetched, and the page forbids itself to. Text of
vendors and users is escaped, and no script but the page's own runs. A page is a function of the published rows: it
holds no clock, so that making it again gives the same bytes.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from flows.durability import replace_file
from flows.snapshots import READ_ONLY
from transforms.report.document import night_document, night_figures
from transforms.report.headline import account_readings, headline_readings, statistics_readings
from transforms.report.night import Night
from transforms.report.words import ATTRIBUTION, day_words, dollars, number, percent, strike_words
from transforms.sessions import NEW_YORK, UTC

Document = dict[str, Any]
SECTIONS = (
    ("tonight", "Tonight"), ("rules", "Rules"), ("limits", "Limits and funnel"), ("market", "Market"),
    ("options", "Options"), ("packages", "Packages"), ("findings", "Mispricings"), ("book", "Book"),
    ("quality", "Data quality"), ("provenance", "Provenance"),
)  # fmt: skip
LATEST = "latest.html"
# A value is shaded by its share of the largest in its table.
SHADES = (0.02, 0.2, 0.5)


def report_path(published: Path, session: date) -> Path:
    """Return where the page of a night is published."""
    return published / "reports" / f"{session.isoformat()}.html"


def write_report(published: Path, session: date, page: str, *, newest: bool, revision: str | None = None) -> Path:
    """Write the page of a night, and latest.html if it is the newest; return its path.

    A page whose bytes would not change is left alone; one that is replaced is kept under revisions/ if `revision` names
    the revision.
    """
    payload = page.encode()
    path = report_path(published, session)
    if path.exists() and path.read_bytes() != payload and revision:
        kept = published / "revisions" / revision / "reports" / path.name
        if not kept.exists():
            replace_file(kept, path.read_bytes(), mode=READ_ONLY)
    for target in (path, path.with_name(LATEST)) if newest else (path,):
        if not target.exists() or target.read_bytes() != payload:
            replace_file(target, payload, mode=READ_ONLY)
    return path


def report_page(night: Night, manifest: Mapping[str, Any]) -> str:
    """Return the page of a night; `manifest` is its published one."""
    document = night_document(night, manifest)
    figures = {name: figure.document() for name, figure in night_figures(night).items()}
    style, script = _asset("page.css"), _asset("page.js")
    return page_template().render(
        night=document,
        figures=figures,
        lacks={
            "condor": night.lacks("spx_options"),
            "second": night.lacks("vix_options"),
            "tail": night.lacks("spx_options", "vix_options", "vix_index", "vx_futures"),
        },
        readings=headline_readings(document["headline"]),
        statistics=statistics_readings(document["book"]),
        account=account_readings(document["book"]["account"]),
        settings=list(_flat(document["made"]["settings"])),
        causes=ATTRIBUTION,
        sections=SECTIONS,
        style=Markup(style),
        script=Markup(script),
        style_hash=_source_hash(style),
        script_hash=_source_hash(script),
    )  # fmt: skip


@cache
def page_template() -> Template:
    """Return the page's template; compiled once a process."""
    return _environment().get_template("page.html")


@cache
def _asset(name: str) -> str:
    return files("flows").joinpath("page", name).read_text()


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flows", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "day": day_words,
        "weekday": lambda day: f"{day:%A}",
        "instant": _instant,
        "number": number,
        "dollars": dollars,
        "percent": percent,
        "strike": strike_words,
        "heat": _heat,
        "groupby_in_order": _grouped,
    }
    return environment


def _source_hash(text: str) -> str:
    """Return what a content security policy calls the inline text it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _instant(instant: datetime) -> str:
    local = instant.replace(tzinfo=UTC).astimezone(NEW_YORK)
    return f"{local:%Y-%m-%d %H:%M} New York"


def _heat(value: float | None, scale: float) -> str:
    """Return the shade of a cell: gain or loss, 1 to 3 by its share of the largest; none near zero."""
    if value is None or scale <= 0.0:
        return ""
    shade = sum(abs(value) / scale > bound for bound in SHADES)
    return f"{'loss' if value < 0.0 else 'gain'}{shade}" if shade else ""


def _grouped(rows: Iterable[Document], key: str) -> list[tuple[str, list[Document]]]:
    return [(name, list(members)) for name, members in groupby(rows, key=lambda row: str(row[key]))]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield settings by dotted name."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{prefix}{name}", "not set" if shown is None else str(shown)
