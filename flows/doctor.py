"""`alvh doctor`: settings, folders, lock, disk and inputs: what is wrong and what to do; and a home to begin with."""

import shutil
from typing import Any

from pydantic import BaseModel

from flows.durability import replace_file
from flows.home import Home, filesystem_of, home_version, locked, prepare_home
from flows.landing import landed_files
from flows.ledger import GENESIS, LANDINGS, NIGHTS, NOTES, read_entries
from flows.manifests import published_nights, read_manifest
from flows.served_record import SERVED_FILE
from flows.settings import Settings, read_settings
from transforms.errors import AlvhError, HomeLocked

LOW_DISK_BYTES = 2 << 30
Finding = dict[str, Any]


def initialize(home: Home) -> None:
    """Create the home's folders and, if there is none, an annotated alvh.toml with every setting at its default."""
    prepare_home(home)
    if not home.settings_file.exists():
        replace_file(home.settings_file, annotated_settings().encode())


def annotated_settings() -> str:
    """Return alvh.toml with every setting commented out at its default, with its meaning and range."""
    lines = [
        "# Settings of this home. A line that begins with '# ' is the default; remove the mark to change it.",
        "# An environment variable ALVH__SECTION__KEY outranks this file. Secrets do not belong here.",
    ]
    for name, section in Settings.model_fields.items():
        lines += _section_lines(name, section.default)
    return "\n".join(lines) + "\n"


def examine(home: Home) -> list[Finding]:
    """Return findings, each with severity (ok, warning, error), subject and message."""
    findings: list[Finding] = []
    for subject, check in (
        ("settings", _settings),
        ("version", _version),
        ("lock", _lock),
        ("disk", _disk),
        ("ledger", _ledger),
        ("inputs", _inputs),
        ("published", _published),
    ):
        try:
            severity, message = check(home)
        except (AlvhError, OSError) as error:
            severity, message = "error", str(error)
        findings.append({"severity": severity, "subject": subject, "message": message})
    return findings


def _section_lines(name: str, model: BaseModel) -> list[str]:
    lines = ["", f"[{name}]", f"# {(type(model).__doc__ or '').strip()}"]
    inner = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if isinstance(value, BaseModel):
            inner += _section_lines(f"{name}.{key}", value)
            continue
        bounds = ", ".join(str(rule) for rule in field.metadata)
        about = " ".join(part for part in (field.description, f"({bounds})" if bounds else None) if part)
        if about:
            lines.append(f"## {about}")
        # TOML has no word for nothing: a setting without a default is named, not set.
        lines.append(f"## {key} is not set." if value is None else f"# {key} = {_toml_value(value)}")
    return lines + inner


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return str(value)


def _settings(home: Home) -> tuple[str, str]:
    settings = read_settings(home)
    where = home.settings_file if home.settings_file.exists() else "defaults (alvh doctor --init writes an alvh.toml)"
    return "ok", f"{where}; hash {settings.sha256[:12]}"


def _version(home: Home) -> tuple[str, str]:
    if not home.root.exists():
        return "error", f"{home.root} does not exist; alvh doctor --init creates it"
    return "ok", f"storage version {home_version(home)} on {filesystem_of(home.root) or 'an unknown filesystem'}"


def _lock(home: Home) -> tuple[str, str]:
    if not home.root.exists():
        return "warning", "no home, no lock"
    try:
        with locked(home, started_at="a doctor's check"):
            return "ok", "free"
    except HomeLocked as error:
        return "warning", str(error)


def _disk(home: Home) -> tuple[str, str]:
    root = home.root if home.root.exists() else home.root.parent
    free = shutil.disk_usage(root).free
    message = f"{free / (1 << 30):.1f} GiB free"
    return ("warning", f"{message}: less than 2 GiB, a night may not fit") if free < LOW_DISK_BYTES else ("ok", message)


def _ledger(home: Home) -> tuple[str, str]:
    hashes = {name: [entry["hash"] for entry in read_entries(home, name)] for name in (NIGHTS, NOTES, LANDINGS)}
    counts = ", ".join(f"{len(own)} {name}" for name, own in hashes.items()) + "; chains hold"
    nights = published_nights(home.published)
    heads = read_manifest(home.published, nights[-1])["ledgers"] if nights else {}
    short = [name for name, own in hashes.items() if heads.get(name, GENESIS) not in {GENESIS, *own}]
    if short:
        return "error", (
            f"{counts}, but {' and '.join(short)} no longer {'holds' if len(short) == 1 else 'hold'} the line with "
            f"which the night of {nights[-1]} was published: lines are lost, and that night cannot be verified. "
            f"Restore {home.ledger} from a backup"
        )
    return "ok", counts


def _inputs(home: Home) -> tuple[str, str]:
    landed = landed_files(home)
    waiting = [path for path in home.inbox.rglob("*") if path.is_file()] if home.inbox.is_dir() else []
    refused = len(list(home.rejected.glob("*.reason.txt"))) if home.rejected.is_dir() else 0
    severity = "warning" if refused or not landed else "ok"
    where = f" (see {home.rejected})" if refused else ""
    return severity, f"{len(landed)} files landed, {len(waiting)} in the inbox, {refused} refused{where}"


def _published(home: Home) -> tuple[str, str]:
    nights = published_nights(home.published)
    if not (home.published / SERVED_FILE).exists():
        return "warning", "nothing is published yet; run `alvh import` or `alvh run`"
    stray = (home.published / f"{SERVED_FILE}.wal").exists()
    last = f"last night {nights[-1]}" if nights else "no night run yet"
    if stray:
        return "warning", f"{last}; a client left a write-ahead log beside it, which the next publication removes"
    return "ok", last
