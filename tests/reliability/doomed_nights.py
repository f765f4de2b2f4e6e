"""Nights that end before a numbered act, and copies of what they would leave.

`main` is what a child of tests/warm_process.py calls.
"""

import hashlib
import json
import os
import shutil
import signal
import stat
import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from flows import durability, night
from flows.home import Home
from flows.night import NightResult
from flows.settings import read_settings
from tests.warm_process import WarmProcess

Contents = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Order:
    """What a child does in a home.

    `job` is night, flow (the same night through Prefect, with `environment`) or import (of `paths`); `now` is its
    clock: ISO, UTC. It kills itself before the act number `kill_at`, counted from 0; without one it runs to its end.
    Into the folder `copies` it copies the home before the act at which it dies, else before one act in `every` if that
    changed the home; a copy is named after its act.
    """

    job: str
    home: str
    now: str
    paths: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    kill_at: int | None = None
    copies: str | None = None
    every: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of an order that ran to its end: its acts (what, where), its exit code, and the acts with a copy."""

    acts: list[tuple[str, str]]
    exit_code: int
    copied: list[int]


def carried_out(order: Order, warm_process: WarmProcess) -> Outcome | None:
    """Return what a child made of the order; None if it killed itself."""
    done = warm_process.run("tests.reliability.doomed_nights:main", json.dumps(asdict(order)))
    if done.returncode == -signal.SIGKILL and order.kill_at is not None:
        return None
    assert done.returncode == 0, f"{order} ended with {done.returncode}: {done.stderr}"
    told = json.loads(done.stdout)
    return Outcome([(act, path) for act, path in told["acts"]], told["exit_code"], told["copied"])


def run_order(order: Order) -> NightResult:
    """Do the order's job in this process."""
    from flows.orchestration import configure_prefect, run_nightly

    home, now = Home(Path(order.home)), datetime.fromisoformat(order.now)
    if order.job == "flow":
        os.environ.update(order.environment)
        configure_prefect(home)
        return run_nightly(home, session=None, now=now)
    settings = read_settings(home)
    if order.job == "import":
        paths = [Path(path) for path in order.paths]
        return night.import_files(home, paths=paths, settings=settings, now=now)
    return night.run_nights(home, asked=None, settings=settings, now=now, stages=night.plain_stages())


def contents(folder: Path, *, finished: dict[tuple[int, int, int], str] | None = None) -> Contents:
    """Return the mode and the hash of every file, and the mode of every folder, by path below `folder`.

    `finished` remembers the hashes of read-only files by inode, size and time: they are replaced, never written to.
    """
    hashes = {} if finished is None else finished
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        if stat.S_ISDIR(state.st_mode):
            sha256 = "folder"
        elif is_finished(path):
            key = (state.st_ino, state.st_size, state.st_mtime_ns)
            sha256 = hashes[key] = hashes.get(key) or hash_of(path)
        else:
            sha256 = hash_of(path)
        found[str(path.relative_to(folder))] = (state.st_mode, sha256)
    return found


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_finished(path: Path) -> bool:
    """Say whether a file is published: read-only, and no draft, which a later run may open again."""
    return not path.stat().st_mode & stat.S_IWUSR and durability.DRAFT_SUFFIX not in path.name


def copy_or_link(source: str, target: str) -> None:
    """Copy a file; of one that is published, which no run writes to, make a link."""
    if is_finished(Path(source)):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def main() -> None:
    """Carry out the order in sys.argv[1] and print the outcome as JSON."""
    order = Order(**json.loads(sys.argv[1]))
    home, acts, copied = Path(order.home), list[tuple[str, str]](), list[int]()
    last: Contents = {}
    finished: dict[tuple[int, int, int], str] = {}

    def observe(act: str, path: str) -> None:
        number, dying = len(acts), len(acts) == order.kill_at
        if order.copies and (dying or (order.kill_at is None and number % order.every == 0)):
            found = contents(home, finished=finished)
            if found != last:
                shutil.copytree(home, Path(order.copies) / str(number), copy_function=copy_or_link)
                copied.append(number)
                last.clear()
                last.update(found)
        if dying:
            os.kill(os.getpid(), signal.SIGKILL)
        acts.append((act, path.removeprefix(f"{home}/")))

    durability.observer = observe
    outcome = Outcome(acts, run_order(order).exit_code, copied)
    print(json.dumps(asdict(outcome)))
