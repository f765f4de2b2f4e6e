"""Seconds and peak memory of importing every real vendor file into a new home.

    python benchmarks/import_shared.py [FOLDER]

FOLDER is ../shared/data beside the checkout by default. Required on two cores: less than 60 s and 1.5 GB.
"""

import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from flows import night
from flows.home import Home, prepare_home
from flows.runs import peak_memory_mb
from flows.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 23, 23)


def main() -> None:
    """Import the folder and print what it took, the import of Great Expectations included."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT.parent / "shared" / "data"
    with tempfile.TemporaryDirectory(prefix="alvh-import-") as scratch:
        home = Home(Path(scratch) / "home")
        prepare_home(home)
        start, cpu = time.perf_counter(), time.process_time()
        result = night.import_files(home, paths=[folder], settings=Settings(), now=NOW)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    files = result.ingested.files if result.ingested else []
    for stage, taken in result.seconds.items():
        print(f"{stage:<10} {taken:7.2f} s")
    print(f"{'all':<10} {seconds:7.2f} s  ({cpu_seconds:.2f} s of processor time)")
    print(f"{len(files)} files, {sum(f.n_rows for f in files):,} rows, peak memory {peak_memory_mb():,.0f} MiB")


if __name__ == "__main__":
    main()
