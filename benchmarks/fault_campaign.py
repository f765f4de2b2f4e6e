"""Fail a night's disk at its acts and at its system calls, and write what became of each night.

Run from the checkout: nice python -m benchmarks.fault_campaign [--share N] [--write docs/faults/disk.json]

Acts are the points this program announces; calls are the operating system's, from inside DuckDB too (this part needs a
C compiler). Of N system calls one is failed. Faults are dealt out in turn.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.told import tell
from tests.reliability.failing_calls import compiled, trials_of
from tests.reliability.faulty_nights import ACTS_THAT_TOUCH_THE_DISK, FAULTS, failing_act, scene, tried


def failed_acts(folder: Path) -> list[dict[str, object]]:
    """Fail every act that touches the disk once."""
    night = scene(folder)
    touching = [n for n, (act, _) in enumerate(night.acts) if act in ACTS_THAT_TOUCH_THE_DISK]
    found = []
    for place, number in enumerate(touching):
        fault = list(FAULTS)[place % len(FAULTS)]
        trial = tried(
            night,
            folder / "trial",
            fault=lambda home, number=number, fault=fault: failing_act(number, fault),
            code=FAULTS[fault][0],
        )
        call = " ".join(night.acts[number])
        print("act", number, call, fault, trial.broken or "no harm", file=sys.stderr, flush=True)
        found.append({"call": call, "fault": fault, "error": trial.error, "broken": list(trial.broken)})
    return found


def summary(rows: list[dict[str, object]]) -> dict[str, object]:
    """Return how many nights failed and how, by fault, and every one that broke a rule."""
    faults = Counter(str(row["fault"]) for row in rows)
    return {
        "n_trials": len(rows),
        "n_without_harm": sum(not row["broken"] for row in rows),
        "n_ended_with_an_error": sum(row["error"] is not None for row in rows),
        "by_fault": dict(sorted(faults.items())),
        "broken": [row for row in rows if row["broken"]],
    }


def main() -> None:
    """Run both parts and print their summaries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=int, default=6, help="Of so many system calls one is failed.")
    parser.add_argument("--write", type=Path, help="File for the summary, JSON.")
    arguments = parser.parse_args()
    start = time.monotonic()
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="alvh-faults-") as folder:
        told["acts"] = summary(failed_acts(Path(folder)))
        library = compiled(Path(folder))
        if library is not None:
            rows = trials_of(library, arguments.share)
            told["calls"] = {"n_calls_a_night": rows[0]["n_calls"], **summary(rows)}
    told["minutes"] = round((time.monotonic() - start) / 60, 1)
    tell(told, arguments.write)


if __name__ == "__main__":
    main()
