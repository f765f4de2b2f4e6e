"""Write docs/faults.md: the faults that were tried, and what became of each, from what the campaigns measured.

Run from the checkout: python -m benchmarks.faults_table

The campaigns write their figures to docs/faults/*.json (benchmarks/mutation_campaign.py, fault_campaign.py, soak.py);
this only sets them in tables. A campaign that has not been run is said not to have been.
"""

import json
from pathlib import Path
from typing import Any

from tests.reliability.file_damage import FILE_DAMAGES
from tests.reliability.harmless_mutations import DRESSES
from tests.reliability.line_damage import LINE_DAMAGES

CHECKOUT = Path(__file__).resolve().parents[1]
FIGURES, PAGE = CHECKOUT / "docs" / "faults", CHECKOUT / "docs" / "faults.md"
NOT_RUN = "Not run yet: `nice python -m benchmarks.{} --write docs/faults/{}.json`."
# Faults whose outcome is a test's verdict and not a count: what is tried, what must come of it, where it is tested.
TESTED = (
    (
        "zip and gzip bombs, archives in archives, very many members",
        "refused before they unpack",
        "tests/flows/sources/test_archives.py",
    ),
    (
        "paths outside the archive, links in archives",
        "refused; nothing is written outside",
        "tests/flows/sources/test_archives.py",
    ),
    (
        "pipes, devices, links, sparse files and closed folders in the inbox",
        "refused by name; the other files load",
        "tests/reliability/test_untrusted_files.py",
    ),
    (
        "names with line ends, controls, SQL, markup, no UTF-8, 250 bytes",
        "stored as data",
        "tests/reliability/test_untrusted_files.py",
    ),
    (
        "SQL, markup and formulas in vendors' text",
        "stored and published as they came; inert",
        "tests/reliability/test_untrusted_files.py",
    ),
    (
        "a file that is written while it is read",
        "left in the inbox for the next night",
        "tests/reliability/test_untrusted_files.py",
    ),
    ("a file that breaks its reader", "refused; the other files load", "tests/reliability/test_untrusted_files.py"),
    (
        "random, out-of-range, unknown, huge and not finite settings",
        "one error: key, value, what is allowed",
        "tests/reliability/test_fuzzed_settings.py",
    ),
    (
        "clock changes, half days, year ends",
        "each session due once, after its close",
        "tests/reliability/test_clocks.py",
    ),
    (
        "two runs at once; a warehouse open elsewhere",
        "the second is told who holds it",
        "tests/reliability/test_clocks.py",
    ),
    ("a night killed before any act", "old night whole, next run completes", "tests/reliability/test_kills.py"),
    (
        "readers during 200 publications; a stray write-ahead log",
        "one night everywhere",
        "tests/reliability/test_readers.py",
    ),
    (
        "a full disk during publish, a real one",
        "old night whole, next run completes",
        "tests/reliability/test_faults.py",
    ),
    (
        "a file restated after publication",
        "later nights revised, what was published kept",
        "tests/flows/test_restatement.py",
    ),
)


def _figures(name: str) -> dict[str, Any] | None:
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _meaning(mutation: str) -> str:
    found = {**DRESSES, **LINE_DAMAGES, **FILE_DAMAGES}[mutation]
    return (found.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _mutations() -> list[str]:
    told = _figures("mutations")
    if told is None:
        return [NOT_RUN.format("mutation_campaign", "mutations")]
    share = 100 * told["n_harmful_as_planted"] / told["n_harmful"]
    lines = [
        f"{told['n_harmless']} harmless files: {told['n_harmless_identical']} loaded rows identical to the plain ones. "
        f"{told['n_harmful']} damaged files: {told['n_harmful_as_planted']} ({share:.1f} %) refused or quarantined for "
        f"what was planted. {told['n_crashed']} crashed. {told['n_unbalanced']} where rows loaded and rejected are not "
        f"the rows read. {told['cpu_seconds']} CPU seconds.",
        "",
        "A damaged line counts as caught where exactly the damaged lines are quarantined, each under a rule that",
        "names the damage; a damaged file where its refusal names it.",
        "",
        "| mutation | what | files | as planted |",
        "|---|---|---|---|",
    ]
    for mutation, counts in told["by_mutation"].items():
        number = sum(count for outcome, count in counts.items() if outcome != "rows lost")
        lines.append(f"| {mutation} | {_meaning(mutation)} | {number} | {counts.get('as planted', 0)} |")
    if told["exceptions"]:
        lines += ["", "Not as planted:", "", "| mutation | file | what happened |", "|---|---|---|"]
        lines += [f"| {row['mutation']} | {row['file']} | {_cell(row['what'])} |" for row in told["exceptions"]]
    return lines


def _disk() -> list[str]:
    told = _figures("disk")
    if told is None:
        return [NOT_RUN.format("fault_campaign", "disk")]
    lines = ["| where | tried | no harm | ended with an error that says what to do | harm |", "|---|---|---|---|---|"]
    for part, name in (("acts", "acts this program announces"), ("calls", "system calls, DuckDB's among them")):
        if part in told:
            row = told[part]
            of = f" of {row['n_calls_a_night']} a night" if part == "calls" else ""
            lines.append(
                f"| {name} | {row['n_trials']}{of} | {row['n_without_harm']} | {row['n_ended_with_an_error']} | "
                f"{len(row['broken'])} |"
            )
    faults = sorted({fault for part in ("acts", "calls") for fault in told.get(part, {}).get("by_fault", {})})
    lines += [
        "",
        f"Faults, in turn: {', '.join(faults)}. No harm: the old night whole and readable, an error (where there",
        "is one) that names the place, the reason and the remedy, and a next run that ends as an undisturbed one.",
    ]
    for part in ("acts", "calls"):
        for row in told.get(part, {}).get("broken", []):
            lines.append(f"- {row['call']}, {row['fault']}: {_cell('; '.join(row['broken']))}")
    return lines


def _soak() -> list[str]:
    told = _figures("soak")
    if told is None:
        return [NOT_RUN.format("soak", "soak")]
    first, last = told["resident_mb_first_last"]
    return [
        f"{told['nights']:,} nights in {told['runs']:,} runs of {told['nights_a_run']}, "
        f"{told['cpu_seconds_a_night']} CPU seconds a night; {told['nights_published']:,} manifests.",
        f"Resident memory, two seconds after a run: {first:g} MiB after the first, {last:g} after the last; slope "
        f"after the warm-up {told['memory_slope_mb_per_1000_nights']:g} MiB per 1,000 nights.",
        f"{told['published_files']:,} published files, {told['home_mb']:g} MiB in all; "
        f"{len(told['revisions_past_their_days'])} revisions past their days after pruning.",
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:240]


def page() -> str:
    """Return docs/faults.md."""
    lines = [
        "# Faults tried, and what came of them",
        "",
        "Made by `python -m benchmarks.faults_table`; not edited by hand.",
    ]
    lines += ["", "## Mutated vendor files", "", *_mutations()]
    lines += ["", "## A disk that fails", "", *_disk()]
    lines += ["", "## Many nights", "", *_soak()]
    lines += ["", "## Faults that are tests", "", "| fault | outcome | test |", "|---|---|---|"]
    lines += [f"| {fault} | {outcome} | {where} |" for fault, outcome, where in TESTED]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())
    print(PAGE.relative_to(CHECKOUT))


if __name__ == "__main__":
    main()
