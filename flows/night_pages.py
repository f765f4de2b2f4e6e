"""Which nights have a page, and the pages as text: made beside the publication, or anew by a command."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from flows.home import Home, locked
from flows.manifests import manifest_json, published_nights, read_manifest
from flows.published_night import read_night, read_published_night
from flows.report import report_page, report_path, write_report
from flows.served_record import SERVED_FILE
from transforms.errors import DataError, StorageFailed


def nights_with_page(
    published: Path, nights: Sequence[date], revised: Sequence[date], *, known: Sequence[date], limit: int
) -> list[date]:
    """Return the nights whose page is due: the newest new ones, those revised that have one, and the last of all."""
    if not limit or not known:
        return []
    there = {day for day in {*nights, *revised} if report_path(published, day).exists()}
    return sorted({*sorted(nights)[-limit:], *there, known[-1]})


def made_pages(
    sessions: Sequence[date],
    *,
    connection: DuckDBPyConnection,
    published: Path,
    manifests: Mapping[date, dict[str, Any]],
) -> dict[date, str | Exception]:
    """Return the page of each night, or what kept it from being made.

    A page is a view of what is published: a fault in one is told and does not keep the night from being published.
    """
    pages: dict[date, str | Exception] = {}
    for session in sessions:
        try:
            fresh = manifests.get(session)
            manifest = json.loads(manifest_json(fresh)) if fresh else read_manifest(published, session)
            pages[session] = report_page(read_night(connection, session, archive=published), manifest)
        except (OSError, StorageFailed):
            raise
        except Exception as error:
            pages[session] = error
    return pages


def publish_page(home: Home, session: date | None, *, now: datetime) -> dict[str, Any]:
    """Make the page of a published night (None: the last) from alvh.duckdb, and say where it is.

    Only a page that differs from the one in place is written, and only then is the home locked.

    Raises
    ------
    DataError
        If the night, or any, is not published.
    """
    nights = published_nights(home.published)
    if session is None and not nights:
        raise DataError(f"no night is published in {home.published}; run `alvh run` first")
    day = session or nights[-1]
    manifest = read_manifest(home.published, day)
    night = read_published_night(home.published / SERVED_FILE, day)
    path = report_path(home.published, day)
    page = report_page(night, manifest)
    is_current = path.exists() and path.read_text() == page
    if not is_current:
        with locked(home, started_at=now.isoformat()):
            write_report(home.published, day, page, newest=day == nights[-1])
    return {"session_date": day.isoformat(), "page": str(path), "written": not is_current}
