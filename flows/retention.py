"""What `alvh prune` drops: superseded revisions, reports and logs past their days; landing and ledger never."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.durability import announce, stored, sync_folder
from flows.home import Home
from flows.settings import Settings

REVISION_FORMAT = "%Y%m%dT%H%M%SZ"
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})\b")
Age = Callable[[Path], datetime]


def prune(home: Home, *, settings: Settings, now: datetime) -> list[Path]:
    """Remove what is older than the retention settings allow; return what was removed, sorted.

    A revision is as old as its folder says, a report as the session it is named after, anything else as its last
    change. `latest` files stay.

    Raises
    ------
    StorageFailed
        If something cannot be removed; what was removed before stays removed.
    """
    retention = settings.retention
    removed = []
    for folder, days, age in (
        (home.published / "revisions", retention.revisions_days, _revised_at),
        (home.published / "reports", retention.reports_days, _reported_on),
        (home.logs, retention.logs_days, _changed_at),
    ):
        limit = now - timedelta(days=days)
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        for entry in entries:
            if not entry.name.startswith("latest") and age(entry) < limit:
                _remove(entry)
                removed.append(entry)
    return removed


def _revised_at(entry: Path) -> datetime:
    try:
        return datetime.strptime(entry.name, REVISION_FORMAT)
    except ValueError:
        return _changed_at(entry)


def _reported_on(entry: Path) -> datetime:
    found = _DAY.match(entry.name)
    try:
        return datetime.fromisoformat(found[1]) if found else _changed_at(entry)
    except ValueError:
        return _changed_at(entry)


def _changed_at(entry: Path) -> datetime:
    return datetime.fromtimestamp(entry.lstat().st_mtime, UTC).replace(tzinfo=None)


def _remove(entry: Path) -> None:
    with stored(entry):
        announce("remove", entry)
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
        sync_folder(entry.parent)
