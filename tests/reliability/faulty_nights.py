"""Nights whose disk fails: the scene, the faults, and what must hold after each."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from flows import durability, night
from flows.calendar import trading_calendar
from flows.home import Home, prepare_home
from flows.settings import Settings
from tests.reliability.published_night import RUN_QUESTION, Night, read_night
from tests.small_market import MODIFIED, SmallMarket, small_market
from transforms.errors import StorageFailed

FIRST, EVE, TODAY = date(2023, 12, 18), date(2024, 2, 14), date(2024, 2, 15)
EVE_CLOCK, CLOCK = datetime(2024, 2, 14, 23, 45), datetime(2024, 2, 15, 23, 45)
NEXT_CLOCK = datetime(2024, 2, 16, 13, 30)
DELIVERED = ("VX_2024-03-20.csv", "VIX_History.csv")
PARAMETERS = {"root": "SPX", "expiration": "2024-04-18", "session": str(TODAY), "threshold": "60"}
# How a disk fails, by the name a reader knows: the error number, and whether it goes on failing.
FAULTS = {
    "disk full": (errno.ENOSPC, True),
    "permission denied": (errno.EACCES, True),
    "read-only filesystem": (errno.EROFS, True),
    "input/output error": (errno.EIO, False),
    "truncated write, then disk full": (errno.ENOSPC, True),
}
ACTS_THAT_TOUCH_THE_DISK = frozenset({"write", "fsync", "rename", "begin", "insert", "commit", "remove"})
Fault = Callable[[Home], AbstractContextManager[None]]


@dataclass(frozen=True)
class Scene:
    """A home before a night, and what is published before and after one that nothing disturbs."""

    home: Home
    before: Night
    after: Night
    acts: list[tuple[str, str]]


@dataclass(frozen=True)
class Trial:
    """What a fault did: the error the night ended with, if any, and the rules it broke; none is as it should be."""

    error: str | None
    broken: tuple[str, ...]


def scene(folder: Path) -> Scene:
    """Return a home in which the eve is published and the files of today lie in the inbox, with a page among them."""
    home = Home(folder / "before")
    prepare_home(home)
    eve, today = (small_market(trading_calendar(), first=FIRST, last=last, n_chains=0) for last in (EVE, TODAY))
    eve.write(home.inbox)
    run(home, EVE_CLOCK)
    _deliver(today, home)
    (home.inbox / "page.csv").write_text("<html>not found</html>")
    undisturbed = copied(home, folder / "after")
    with observed() as acts:
        run(undisturbed, CLOCK)
    return Scene(
        home,
        read_night(home.published, parameters=PARAMETERS),
        read_night(undisturbed.published, parameters=PARAMETERS),
        [(act, path.removeprefix(f"{undisturbed.root}/")) for act, path in acts],
    )


def run(home: Home, now: datetime) -> int:
    """Run the night that is due and return its exit code."""
    return night.run_nights(home, asked=None, settings=Settings(), now=now, stages=night.plain_stages()).exit_code


def copied(home: Home, root: Path) -> Home:
    shutil.copytree(home.root, root, symlinks=True)
    return Home(root)


@contextmanager
def observed() -> Iterator[list[tuple[str, str]]]:
    """Give the list of acts (act, path) that happen inside."""
    acts: list[tuple[str, str]] = []
    durability.observer = lambda act, path: acts.append((act, path))
    try:
        yield acts
    finally:
        durability.observer = durability._nobody


@contextmanager
def failing_act(number: int, fault: str) -> Iterator[None]:
    """Let the act `number` inside fail, and every later one if the fault lasts, as the announced act would.

    A truncated write takes half of what was to be written: of a line that is appended, nothing of the lines before it.
    """
    code, lasts = FAULTS[fault]
    n_seen = 0
    held: dict[str, int] = {}

    def fail(act: str, path: str) -> None:
        nonlocal n_seen
        if act == "write" and path.endswith(".jsonl") and os.path.exists(path):
            held[path] = os.path.getsize(path)
        reached = n_seen == number or (lasts and n_seen > number)
        n_seen += 1
        if not reached or act not in ACTS_THAT_TOUCH_THE_DISK:
            return
        if fault.startswith("truncated") and act == "fsync":
            os.truncate(path, (held.get(path, 0) + os.path.getsize(path)) // 2)
        raise OSError(code, os.strerror(code))

    durability.observer = fail
    try:
        yield
    finally:
        durability.observer = durability._nobody


def tried(scene: Scene, root: Path, *, fault: Fault, code: int) -> Trial:
    """Run the night in a copy of the home while `fault(home)`, a context, holds; then run it again without."""
    home = copied(scene.home, root)
    error = None
    with fault(home):
        try:
            run(home, CLOCK)
        except Exception as raised:
            error = raised
    broken = [] if error is None else list(_untold(error, code))
    try:
        broken += _not_one_night(scene, read_night(home.published, parameters=PARAMETERS))
        if error is not None or list(home.inbox.iterdir()):
            run(home, NEXT_CLOCK)
        broken += _not_complete(scene, home)
    except Exception as raised:
        broken.append(f"afterwards: {type(raised).__name__}: {raised}")
    shutil.rmtree(root)
    return Trial(None if error is None else f"{type(error).__name__}: {error}", tuple(broken))


def _untold(error: Exception, code: int) -> list[str]:
    """Return what an error leaves unsaid: it names the file, the reason and what to do."""
    said = str(error)
    wanted = {"the reason": os.strerror(code), "what to do": "run this again", "where": "/"}
    untold = [f"the error does not say {what}" for what, text in wanted.items() if text not in said]
    return untold if isinstance(error, StorageFailed) else [f"{type(error).__name__}: {said}", *untold]


def _not_one_night(scene: Scene, found: Night) -> list[str]:
    """Return in what the published files are neither the night before nor the new one, each whole."""
    answers = {name: rows for name, rows in found.answers.items() if name != RUN_QUESTION}
    broken = []
    if not any(
        all(rows == whole.answers[name] for name, rows in answers.items()) for whole in (scene.before, scene.after)
    ):
        broken.append("alvh.duckdb answers with neither night")
    for path, sha256 in found.parquet.items():
        if sha256 not in {scene.before.parquet.get(path), scene.after.parquet.get(path)}:
            broken.append(f"{path} is of neither night")
    for name, text in found.manifests.items():
        if text not in {scene.before.manifests.get(name), scene.after.manifests.get(name)}:
            broken.append(f"manifest {name} is of neither night")
    for name, text in found.pages.items():
        if text not in {scene.before.pages.get(name), scene.after.pages.get(name)}:
            broken.append(f"page {name} is of neither night")
    if set(scene.before.parquet) - set(found.parquet):
        broken.append("a published file is gone")
    return broken


def _not_complete(scene: Scene, home: Home) -> list[str]:
    """Return in what a home differs from one whose night nothing disturbed."""
    found = read_night(home.published, parameters=PARAMETERS)
    same = {name: rows for name, rows in scene.after.answers.items() if name != RUN_QUESTION}
    checks = {
        "parquet": found.parquet == scene.after.parquet,
        "manifests": found.manifests == scene.after.manifests,
        "pages": found.pages == scene.after.pages,
        "answers": {name: rows for name, rows in found.answers.items() if name != RUN_QUESTION} == same,
        "the newest night": found.newest == scene.after.newest,
        "the inbox, which is not empty": not list(home.inbox.iterdir()),
        "drafts left behind": not [path for path in home.root.rglob("*.draft*")],
        "the refused page": (home.rejected / "page.csv").exists(),
        "the landed files": _landed(home) == _landed(Home(scene.home.root.parent / "after")),
    }
    return [f"after the next run: {what}" for what, holds in checks.items() if not holds]


def _landed(home: Home) -> dict[str, str]:
    paths = [path for path in home.landing.rglob("*") if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _deliver(market: SmallMarket, home: Home) -> None:
    for path in market.write(home.inbox, names=list(DELIVERED)):
        os.utime(path, (MODIFIED + 3600, MODIFIED + 3600))
