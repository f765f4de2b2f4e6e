"""Seconds of a night's own share, stage by stage: Prefect's start and the import of Great Expectations apart.

    python benchmarks/night.py [HOME]

Runs the night of 2023-05-23 in a copy of HOME (by default ../shared/data is imported first), then the same night again
and the next one with data, as a home with nights published meets them. Required: less than 5 s each.
"""

import shutil
import sys
import tempfile
import time
from datetime import date, datetime
from pathlib import Path

from flows import night
from flows.expectation_engine import warm_up
from flows.home import Home, prepare_home
from flows.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 23, 23)
NIGHTS = (date(2023, 5, 23), date(2023, 5, 23), date(2023, 9, 14))


def main() -> None:
    """Run the nights and print the seconds of each stage."""
    start = time.perf_counter()
    warm_up()
    print(f"Great Expectations imported in {time.perf_counter() - start:.2f} s (not counted below)")
    with tempfile.TemporaryDirectory(prefix="alvh-night-") as scratch:
        home = Home(Path(scratch) / "home")
        if len(sys.argv) > 1:
            shutil.copytree(sys.argv[1], home.root)
        else:
            prepare_home(home)
            shared = CHECKOUT.parent / "shared" / "data"
            night.import_files(home, paths=[shared], settings=Settings(), now=NOW)
        for session in NIGHTS:
            start, cpu = time.perf_counter(), time.process_time()
            result = night.run_nights(home, asked=session, settings=Settings(), now=NOW, stages=night.plain_stages())
            seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
            stages = "  ".join(f"{name} {taken:.2f}" for name, taken in result.seconds.items())
            print(f"{session}  {seconds:5.2f} s  ({cpu_seconds:.2f} s of processor time): {stages}")


if __name__ == "__main__":
    main()
