"""Run many small nights one after another in one process: memory, files, and what a night costs.

Run from the checkout: nice python -m benchmarks.soak [--nights N] [--a-run N] [--minutes M] [--write FILE]

The market is tiny: one VX contract at a time, VIX, breadth; no chains, no pages. It is imported once; then `alvh run`'s
stages are run with the clock of each evening, `--a-run` nights to a run, as a home that was off for so long catches
up. Every 250 nights a settlement is restated, which leaves a revision, and `alvh prune` drops what is past its days.
Memory is this process's resident set between two runs: after a collection, without the free pages that the C library
keeps, and two seconds later, because Polars and DuckDB give back what they have freed only after a second. It stops at
`--nights` or after `--minutes` of one core, since the machine may be shared.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.told import tell
from flows import night
from flows.calendar import trading_calendar
from flows.home import Home, prepare_home
from flows.manifests import published_nights
from flows.memory import give_back
from flows.retention import REVISION_FORMAT, prune
from flows.settings import read_settings
from tests.small_market import settle, small_market, vx_file
from transforms.sessions import vix_monthly_expirations

FIRST = date(1994, 1, 3)
RESTATED_EVERY = 250
LISTED_FOR = timedelta(days=45)
REVISIONS_DAYS = 90
SETTINGS_TEXT = (
    f"[publish]\nreport_nights = 0\ncatch_up_sessions = 250\n[retention]\nrevisions_days = {REVISIONS_DAYS}\n"
)
# Seconds; the allocators of Polars and DuckDB wait for one.
SETTLED_AFTER = 2.0
# The first nights fill caches and pools; a slope is taken after them.
WARM_UP_NIGHTS = 200


@dataclass(frozen=True)
class Sample:
    """What was measured after a run: nights so far, resident MiB, files below published/, bytes of the home."""

    nights: int
    resident_mb: float
    n_files: int
    home_mb: float
    cpu_seconds: float


def clock(session: date) -> datetime:
    """Return the evening of a session, UTC."""
    return datetime(session.year, session.month, session.day, 23, 45)


def resident_mb() -> float:
    """Return this process's resident memory, MiB, when what is garbage or free has been given back."""
    gc.collect()
    give_back()
    time.sleep(SETTLED_AFTER)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def stocked_home(root: Path, sessions: list[date]) -> Home:
    """Return a home that holds the daily files of all sessions, as delivered after the last."""
    home = Home(root)
    prepare_home(home)
    home.settings_file.write_text(SETTINGS_TEXT)
    market = small_market(trading_calendar(), first=sessions[0], last=sessions[-1], n_chains=0)
    names = ["VIX_History.csv", "nyse_breadth.csv"]
    delivered = clock(sessions[-1]).replace(tzinfo=UTC).timestamp()
    for path in market.write(home.inbox, names=names):
        os.utime(path, (delivered, delivered))
    for expiration in listed_expirations(sessions):
        _deliver(home, sessions, expiration, at=delivered)
    night.take_in(home, settings=read_settings(home), paths=None)
    return home


def listed_expirations(sessions: list[date]) -> list[date]:
    """Return the expirations of the contracts that are listed on any of the sessions."""
    return vix_monthly_expirations(sessions[0], sessions[-1] + LISTED_FOR, calendar=trading_calendar())


def _deliver(home: Home, sessions: list[date], expiration: date, *, at: float, restated: date | None = None) -> None:
    listed = [day for day in sessions if expiration - LISTED_FOR <= day <= expiration]
    changed = {restated: settle(restated, expiration) + 0.5} if restated else None
    path = home.inbox / f"VX_{expiration}.csv"
    path.write_bytes(vx_file(listed, expiration, restated=changed))
    os.utime(path, (at, at))


def soak(home: Home, sessions: list[date], *, a_run: int, minutes: float) -> Iterator[Sample]:
    """Run the nights, restate and prune, and yield a sample after every run."""
    start = time.process_time()
    deadline = start + 60 * minutes
    expirations = listed_expirations(sessions)
    stages = night.plain_stages()
    done = 0
    for place in range(a_run - 1, len(sessions), a_run):
        last = sessions[place]
        if done and (place + 1) // RESTATED_EVERY > done // RESTATED_EVERY:
            front = next(day for day in expirations if day > sessions[done - 1])
            at = (clock(sessions[-1]) + timedelta(days=place)).replace(tzinfo=UTC).timestamp()
            _deliver(home, sessions, front, at=at, restated=sessions[done - 1])
        if done == 0:
            # Only the newest session is due where nothing is published: begin with the first.
            night.run_nights(
                home, asked=sessions[0], settings=read_settings(home), now=clock(sessions[0]), stages=stages
            )
        night.run_nights(home, asked=None, settings=read_settings(home), now=clock(last), stages=stages)
        prune(home, settings=read_settings(home), now=clock(last))
        done = place + 1
        # Measured before the files are walked, and none of their names is kept: they would be what grows.
        resident = round(resident_mb(), 1)
        n_files, n_bytes = files_below(home.root, counted=home.published)
        yield Sample(done, resident, n_files, round(n_bytes / (1 << 20), 1), round(time.process_time() - start, 1))
        if time.process_time() > deadline:
            return


def files_below(root: Path, *, counted: Path) -> tuple[int, int]:
    """Return how many files lie below `counted`, and the bytes of all below `root`."""
    n_files = n_bytes = 0
    for folder, _, names in os.walk(root):
        n_files += len(names) if folder.startswith(str(counted)) else 0
        n_bytes += sum(os.stat(f"{folder}/{name}").st_size for name in names)
    return n_files, n_bytes


def memory_slope(samples: list[Sample]) -> float:
    """Return the least-squares slope of resident memory after the warm-up, MiB per 1,000 nights."""
    later = [sample for sample in samples if sample.nights >= min(WARM_UP_NIGHTS, samples[-1].nights // 4)]
    nights = np.array([sample.nights for sample in later], dtype=float)
    memory = np.array([sample.resident_mb for sample in later])
    return float(np.polyfit(nights, memory, 1)[0] * 1000) if len(later) > 1 else float("nan")


def overdue_revisions(home: Home, now: datetime) -> list[str]:
    """Return the revisions that retention says should be gone."""
    folder = home.published / "revisions"
    limit = now - timedelta(days=REVISIONS_DAYS)
    found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [name for name in found if datetime.strptime(name, REVISION_FORMAT) < limit]


def main() -> None:
    """Run the soak and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=10_000)
    parser.add_argument("--a-run", type=int, default=20, help="Nights that one run makes up.")
    parser.add_argument("--minutes", type=float, default=25.0, help="Of one core.")
    parser.add_argument("--write", type=Path, help="File for the figures, JSON.")
    arguments = parser.parse_args()
    sessions = trading_calendar().between(FIRST, date(2034, 12, 29))[: arguments.nights]
    with tempfile.TemporaryDirectory(prefix="alvh-soak-") as folder:
        home = stocked_home(Path(folder) / "home", sessions)
        samples = []
        for sample in soak(home, sessions, a_run=arguments.a_run, minutes=arguments.minutes):
            print(sample, file=sys.stderr, flush=True)
            samples.append(sample)
        last = samples[-1]
        told = {
            "nights": last.nights,
            "nights_a_run": arguments.a_run,
            "runs": len(samples),
            "nights_published": len(published_nights(home.published)),
            "cpu_seconds": last.cpu_seconds,
            "cpu_seconds_a_night": round(last.cpu_seconds / last.nights, 3),
            "memory_slope_mb_per_1000_nights": round(memory_slope(samples), 2),
            "resident_mb_first_last": [samples[0].resident_mb, last.resident_mb],
            "published_files": last.n_files,
            "home_mb": last.home_mb,
            "revisions_past_their_days": overdue_revisions(home, clock(sessions[last.nights - 1])),
        }
    tell(told, arguments.write)


if __name__ == "__main__":
    main()
