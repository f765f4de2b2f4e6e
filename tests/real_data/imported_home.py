"""A home with every real vendor file imported and the night of 2023-05-23 run, once per test run."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from flows import night
from flows.home import Home, prepare_home
from flows.settings import Settings
from flows.terminal import import_document
from tests.flows.small_home import built_once

NIGHT = date(2023, 5, 23)
NOW = datetime(2026, 11, 23, 23)
WHAT_BECAME_OF_THE_FILES = "import.json"


@pytest.fixture(scope="session")
def imported_home(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Every file of the shared folder imported, and a night. Not to be changed: copy it."""
    with built_once(tmp_path_factory, "real-home") as (folder, fresh):
        home = Home(folder / "home")
        if fresh:
            prepare_home(home)
            result = night.import_files(home, paths=[shared_data], settings=Settings(), now=NOW)
            document = json.dumps(import_document(home, result), default=str)
            (folder / WHAT_BECAME_OF_THE_FILES).write_text(document)
            night.run_nights(home, asked=NIGHT, settings=Settings(), now=NOW, stages=night.plain_stages())
    return home


@pytest.fixture(scope="session")
def outcomes(imported_home: Home) -> list[dict[str, Any]]:
    """What the import said of each file, in the order of the folder."""
    found: list[dict[str, Any]] = json.loads((imported_home.root.parent / WHAT_BECAME_OF_THE_FILES).read_text())[
        "files"
    ]
    return found
