"""Import a thousand mutated vendor files one by one, and write what became of them.

Run from the checkout: nice python -m benchmarks.mutation_campaign [--write docs/faults/mutations.json]

Harmless mutations are imported into an empty home and compared with the plain file; damaged files into a home with the
sessions before, where the gates have something to compare with. The files are the same on every run.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.told import tell
from tests.reliability.harmless_mutations import Dressed
from tests.reliability.line_damage import LINE_DAMAGES
from tests.reliability.mutation_trials import (
    N_HARMLESS,
    Rows,
    Trial,
    Verdict,
    core_rows,
    home_with_history,
    import_alone,
    judge_harmful,
    judge_harmless,
    new_home,
    trials,
)
from tests.reliability.vendor_bases import bases


def campaign(folder: Path) -> list[tuple[Trial, Verdict | str]]:
    """Return every trial with its verdict, or with the exception that escaped."""
    empty, history = new_home(folder / "empty"), home_with_history(folder / "history")
    plain: dict[int, Rows] = {}
    found: list[tuple[Trial, Verdict | str]] = []
    for trial in trials(bases()):
        scratch = folder / str(trial.number)
        try:
            if trial.number < N_HARMLESS:
                key = id(trial.sheet)
                if key not in plain:
                    sound = Dressed(trial.sheet.name, trial.sheet.payload())
                    plain[key] = core_rows(import_alone(empty, sound, folder / f"plain-{trial.number}")[0])
                verdict: Verdict | str = judge_harmless(trial, empty, plain[key], scratch)
            else:
                verdict = judge_harmful(trial, history, scratch)
        except Exception as error:
            verdict = f"{type(error).__name__}: {error}"
        found.append((trial, verdict))
        shutil.rmtree(scratch, ignore_errors=True)
        told = "crashed" if isinstance(verdict, str) else "as planted" if verdict.caught else "MISSED"
        print(trial.number, trial.mutation, trial.sheet.kind, told, file=sys.stderr, flush=True)
    return found


def summary(found: list[tuple[Trial, Verdict | str]], *, cpu_seconds: float) -> dict[str, object]:
    """Return counts by mutation, and every trial that was missed, crashed or does not balance."""
    by_mutation: dict[str, Counter[str]] = {}
    exceptions = []
    for trial, verdict in found:
        crashed = isinstance(verdict, str)
        outcome = "crashed" if isinstance(verdict, str) else "as planted" if verdict.caught else "missed"
        by_mutation.setdefault(trial.mutation, Counter())[outcome] += 1
        lost = isinstance(verdict, Verdict) and not verdict.is_balanced
        if lost:
            by_mutation[trial.mutation]["rows lost"] += 1
        if crashed or lost or outcome == "missed":
            detail = verdict if isinstance(verdict, str) else verdict.detail
            where = f"{trial.sheet.layout}, {trial.sheet.kind}"
            exceptions.append({"number": trial.number, "mutation": trial.mutation, "file": where, "what": detail[:300]})
    harmful = [verdict for trial, verdict in found if trial.number >= N_HARMLESS]
    harmless = [verdict for trial, verdict in found if trial.number < N_HARMLESS]
    return {
        "n_harmless": len(harmless),
        "n_harmless_identical": sum(isinstance(v, Verdict) and v.caught for v in harmless),
        "n_harmful": len(harmful),
        "n_harmful_as_planted": sum(isinstance(v, Verdict) and v.caught for v in harmful),
        "n_crashed": sum(isinstance(verdict, str) for _, verdict in found),
        "n_unbalanced": sum(isinstance(v, Verdict) and not v.is_balanced for _, v in found),
        "cpu_seconds": round(cpu_seconds),
        "line_damages": sorted(LINE_DAMAGES),
        "by_mutation": {name: dict(counts) for name, counts in sorted(by_mutation.items())},
        "exceptions": exceptions,
    }


def main() -> None:
    """Run the campaign and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="File for the summary, JSON.")
    arguments = parser.parse_args()
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="alvh-mutations-") as folder:
        found = campaign(Path(folder))
    told = summary(found, cpu_seconds=time.process_time() - start)
    tell(told, arguments.write)


if __name__ == "__main__":
    main()
