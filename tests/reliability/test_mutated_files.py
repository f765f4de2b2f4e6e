"""A thousand mutated vendor files: harmless ones read alike, damage never crashes a reader; a spread is imported."""

from collections import Counter
from pathlib import Path

import pytest

from flows.calendar import trading_calendar
from flows.home import Home
from flows.sources import Reading, open_delivery, recognize
from tests.reliability.harmless_mutations import DRESSES, Dressed
from tests.reliability.line_damage import LINE_DAMAGES
from tests.reliability.mutation_trials import (
    N_HARMFUL,
    N_HARMLESS,
    Trial,
    core_rows,
    home_with_history,
    import_alone,
    judge_harmful,
    judge_harmless,
    new_home,
    trials,
)
from tests.reliability.vendor_bases import bases
from tests.slow import SLOW
from transforms.errors import RefusedFile, UnrecognizedFile

LEAST_CAUGHT = 0.95
# Of the thousand, those imported where the slow tests are not asked for: one mutation in so many.
SPREAD = 1 if SLOW else 70


@pytest.fixture(scope="module")
def thousand() -> list[Trial]:
    return trials(bases())


def reading_of(file: Dressed, *, layout: str | None = None) -> Reading | str:
    """Return what is read, or the message with which the file is refused."""
    try:
        delivery = open_delivery(file.name, file.payload)
        source = recognize(delivery)
        assert layout in {None, source.NAME}
        return source.read(delivery, calendar=trading_calendar())
    except (RefusedFile, UnrecognizedFile) as refusal:
        return str(refusal)


def test_the_campaign_is_a_thousand_files_of_every_mutation_and_every_layout(thousand: list[Trial]) -> None:
    assert len(thousand) == N_HARMLESS + N_HARMFUL == 1000
    for trial in thousand:
        plain = (trial.sheet.name, trial.sheet.payload())
        assert (trial.file.name, trial.file.payload) != plain, trial.mutation
    counts = Counter(trial.mutation for trial in thousand)
    assert len(counts) >= len(DRESSES) + len(LINE_DAMAGES) + 20
    assert min(counts.values()) >= 10
    assert {trial.sheet.layout for trial in thousand} == {sheet.layout for sheet in bases()}
    again = trials(bases())
    assert [trial.file.payload for trial in again] == [trial.file.payload for trial in thousand]


def test_every_harmless_mutation_reads_as_the_plain_file(thousand: list[Trial]) -> None:
    plain = {id(sheet): reading_of(Dressed(sheet.name, sheet.payload()), layout=sheet.layout) for sheet in bases()}
    for trial in thousand[:N_HARMLESS]:
        expected, found = plain[id(trial.sheet)], reading_of(trial.file, layout=trial.sheet.layout)  # type: ignore[arg-type]
        assert isinstance(expected, Reading)
        assert isinstance(found, Reading), (trial.mutation, trial.sheet.kind, found)
        assert found.rejected.is_empty(), (trial.mutation, trial.sheet.kind, found.rejected["reason"][0])
        assert found.frames.keys() == expected.frames.keys()
        for name, rows in expected.frames.items():
            columns = [column for column in rows.columns if column != "source_row_number"]
            assert found.frames[name].select(columns).sort(columns).equals(rows.select(columns).sort(columns)), (
                trial.mutation, trial.sheet.kind, name,
            )  # fmt: skip


def test_no_damaged_file_crashes_its_reader_and_every_row_is_counted(thousand: list[Trial]) -> None:
    for trial in thousand[N_HARMLESS:]:
        found = reading_of(trial.file)  # type: ignore[arg-type]
        if isinstance(found, str):
            assert found.startswith(trial.file.name.removesuffix(".gz").split(".")[0][:3]) or ": " in found
            continue
        rejected = found.rejected.select("table_name", "source_row_number").n_unique() if found.rejected.height else 0
        assert found.n_rows == sum(frame.height for frame in found.frames.values()) + rejected
        numbers = {
            (name, number) for name, frame in found.frames.items() for number in frame["source_row_number"].to_list()
        }
        refused = set(found.rejected.select("table_name", "source_row_number").iter_rows())
        assert not numbers & refused, f"{trial.mutation}: a row is both read and rejected"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return new_home(tmp_path_factory.mktemp("empty") / "home")


@pytest.fixture(scope="module")
def with_history(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return home_with_history(tmp_path_factory.mktemp("history") / "home")


def test_imported_harmless_mutations_load_identical_rows(thousand: list[Trial], empty: Home, tmp_path: Path) -> None:
    for trial in thousand[:N_HARMLESS:SPREAD]:
        plain = Dressed(trial.sheet.name, trial.sheet.payload())
        expected = core_rows(import_alone(empty, plain, tmp_path / f"plain-{trial.number}")[0])
        assert any(frame.height for frame in expected.values())
        verdict = judge_harmless(trial, empty, expected, tmp_path / str(trial.number))
        assert verdict.caught, (trial.mutation, trial.sheet.kind, verdict)
        assert verdict.is_balanced


def test_imported_damage_is_refused_or_quarantined_for_what_it_is(
    thousand: list[Trial], with_history: Home, tmp_path: Path
) -> None:
    missed = []
    chosen = thousand[N_HARMLESS::SPREAD]
    for trial in chosen:
        verdict = judge_harmful(trial, with_history, tmp_path / str(trial.number))
        assert verdict.is_balanced, (trial.mutation, trial.sheet.kind, verdict)
        if not verdict.caught:
            missed.append((trial.number, trial.mutation, trial.sheet.kind, verdict.detail))
    assert len(missed) <= (1 - LEAST_CAUGHT) * len(chosen), missed
