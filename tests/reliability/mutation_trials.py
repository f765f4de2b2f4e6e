"""A thousand mutated vendor files, and what becomes of each when it is imported."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import polars as pl

from flows import night
from flows.home import Home, prepare_home
from flows.internal_tables import EDITION_TABLES
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.reliability.file_damage import FILE_DAMAGES
from tests.reliability.harmless_mutations import DRESSES, Dressed
from tests.reliability.line_damage import LINE_DAMAGES, Damaged
from tests.reliability.sheets import Sheet
from tests.reliability.vendor_bases import RECEIVED, context
from transforms.schemas import LANDED_FILE, OPTION_QUOTE, REJECTED_ROW

N_HARMLESS, N_HARMFUL = 300, 700
SEED = 20_240_131
# Rows of settlement_value are numbered by the line times four, whatever the layout.
SETTLEMENT_ROWS_A_LINE = 4
TIMES = RECEIVED.timestamp()
Rows = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Trial:
    """One mutated file: what was done to which sheet."""

    number: int
    mutation: str
    sheet: Sheet
    file: Dressed | Damaged


@dataclass(frozen=True)
class Verdict:
    """What an import made of a file, and whether that is what it should have made of it."""

    outcome: str
    detail: str
    caught: bool
    n_rows: int
    n_loaded: int
    n_rejected: int

    @property
    def is_balanced(self) -> bool:
        return self.n_rows == self.n_loaded + self.n_rejected


def trials(sheets: tuple[Sheet, ...], *, n_harmless: int = N_HARMLESS, n_harmful: int = N_HARMFUL) -> list[Trial]:
    """Return the same mutated files for the same sheets, every kind of mutation as often as every other."""
    rng = Random(SEED)
    chosen = _drawn(sheets, DRESSES, n_harmless, rng)
    return chosen + _drawn(sheets, {**LINE_DAMAGES, **FILE_DAMAGES}, n_harmful, rng, start=len(chosen))


def _drawn(sheets: tuple[Sheet, ...], mutations: dict, number: int, rng: Random, start: int = 0) -> list[Trial]:
    found: list[Trial] = []
    names = list(mutations)
    while len(found) < number:
        name = names[len(found) % len(names)]
        for sheet in rng.sample(sheets, len(sheets)):
            file = mutations[name](sheet, rng)
            # A draw of the very form that the file has is no mutation.
            if file is not None and (file.name, file.payload) != (sheet.name, sheet.payload()):
                found.append(Trial(start + len(found), name, sheet, file))
                break
        else:
            names.remove(name)
    return found


def new_home(root: Path) -> Home:
    """Return an empty home with its warehouse made."""
    home = Home(root)
    prepare_home(home)
    Warehouse(home.warehouse).connection.close()
    return home


def home_with_history(root: Path) -> Home:
    """Return a home that holds the sessions before the one whose files are mutated."""
    home = new_home(root)
    for name, payload in context().files.items():
        path = home.inbox / name
        path.write_bytes(payload)
        # Older than every mutated file, so that these are the newer editions.
        os.utime(path, (TIMES - 86_400, TIMES - 86_400))
    night.take_in(home, settings=Settings(), paths=None)
    return home


def import_alone(template: Home, file: Dressed | Damaged, scratch: Path) -> tuple[Home, night.Ingested]:
    """Import one file into a copy of a home."""
    home = Home(scratch / "home")
    shutil.copytree(template.root, home.root)
    path = delivered(file, scratch / "vendor")
    return home, night.take_in(home, settings=Settings(), paths=[path])


def delivered(file: Dressed | Damaged, folder: Path) -> Path:
    """Write a file as if it had arrived on the evening of the session."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file.name
    path.write_bytes(file.payload)
    os.utime(path, (TIMES, TIMES))
    return path


def core_rows(home: Home) -> Rows:
    """Return the core tables without the hash of the file they came from."""
    with Warehouse(home.warehouse) as warehouse:
        return {
            table.full_name: warehouse.read(table).drop("source_sha256") for table in (*EDITION_TABLES, OPTION_QUOTE)
        }


def judge_harmless(trial: Trial, template: Home, expected: Rows, scratch: Path) -> Verdict:
    """Import a file in other clothes and compare its rows with those of the plain file."""
    home, ingested = import_alone(template, trial.file, scratch)
    (outcome,) = ingested.files
    rows = core_rows(home)
    differing = [name for name, frame in rows.items() if not frame.equals(expected[name])]
    n_rows, n_loaded, n_rejected = (outcome.n_rows, outcome.n_loaded, outcome.n_rejected)
    same = outcome.outcome == "loaded" and not differing and n_rejected == 0
    detail = outcome.reason or "" if outcome.outcome == "refused" else f"differs: {', '.join(differing)}"
    return Verdict(outcome.outcome, "" if same else detail, same, n_rows, n_loaded, n_rejected)


def judge_harmful(trial: Trial, template: Home, scratch: Path) -> Verdict:
    """Import a damaged file beside the sessions before it and see whether its damage is what it is refused for."""
    assert isinstance(trial.file, Damaged)
    home, ingested = import_alone(template, trial.file, scratch)
    (outcome,) = ingested.files
    with Warehouse(home.warehouse) as warehouse:
        landed = warehouse.read(LANDED_FILE).filter(pl.col("sha256") == outcome.sha256)
        quarantined = warehouse.read(REJECTED_ROW).filter(pl.col("source_sha256") == outcome.sha256)
        snapshots = warehouse.read_meta("meta.snapshot").filter(pl.col("source_sha256") == outcome.sha256)
    # A file refused before it is landed has no row of its own.
    counts = landed.select("n_rows", "n_loaded", "n_rejected").row(0) if landed.height else (0, 0, 0)
    refusals = [
        *snapshots["refusal"].drop_nulls().to_list(),
        *([outcome.reason or ""] if outcome.outcome == "refused" else []),
    ]
    caught = _refused(trial.file, refusals) or _quarantined(trial, quarantined)
    rules = quarantined.group_by("rule").len().sort("rule").rows()
    detail = " ".join([*refusals, *(f"{rule} x{number}" for rule, number in rules)]) or "loaded without a word"
    return Verdict(outcome.outcome, detail, caught, *counts)


def _refused(file: Damaged, refusals: list[str]) -> bool:
    return file.refusal is not None and any(re.search(file.refusal, text, re.DOTALL) for text in refusals)


def _quarantined(trial: Trial, quarantined: pl.DataFrame) -> bool:
    """Return whether exactly the damaged lines are in quarantine, each under a rule that says what is wrong."""
    assert isinstance(trial.file, Damaged)
    if not trial.file.rules or quarantined.is_empty():
        return False
    rows_a_line = (
        pl.when(pl.col("table_name") == "core.settlement_value")
        .then(SETTLEMENT_ROWS_A_LINE)
        .otherwise(trial.sheet.rows_a_line)
    )
    lines = quarantined.with_columns((pl.col("source_row_number") // rows_a_line).alias("line"))
    named = lines.filter(pl.col("rule").is_in(list(trial.file.rules)))
    return set(lines["line"]) == set(named["line"]) == trial.file.lines
