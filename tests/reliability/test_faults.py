"""A night whose disk fails anywhere: the old night stays whole, the error says what to do, the next run completes."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows import durability
from flows.home import Home
from tests.reliability.failing_calls import compiled, trials_of
from tests.reliability.faulty_nights import (
    ACTS_THAT_TOUCH_THE_DISK,
    FAULTS,
    Scene,
    Trial,
    failing_act,
    scene,
    tried,
)
from tests.slow import SLOW

# One act of each phase of a night, with the fault that is most likely there.
SAMPLE = (
    ("fsync", "landing/", "truncated write, then disk full"),
    ("commit", "warehouse.duckdb", "input/output error"),
    ("rename", "published/alvh.duckdb", "permission denied"),
    ("write", "published/manifests/", "read-only filesystem"),
    # Pages are being made beside it.
    ("write", "staging/alvh.duckdb.draft", "disk full"),
    ("fsync", "ledger/landings.jsonl", "truncated write, then disk full"),
)


@pytest.fixture(scope="module")
def night_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return scene(tmp_path_factory.mktemp("scene"))


def numbered(acts: list[tuple[str, str]]) -> list[tuple[int, str]]:
    """Return which acts fail, and how: a sample, or every one with the faults in turn."""
    if not SLOW:
        return [
            (next(n for n, (act, path) in enumerate(acts) if act == kind and path.startswith(where)), fault)
            for kind, where, fault in SAMPLE
        ]
    touching = [n for n, (act, _) in enumerate(acts) if act in ACTS_THAT_TOUCH_THE_DISK]
    return [(n, list(FAULTS)[place % len(FAULTS)]) for place, n in enumerate(touching)]


def test_a_night_that_fails_at_an_act_leaves_the_old_one_and_the_next_run_completes(
    night_scene: Scene, tmp_path: Path
) -> None:
    broken = {}
    for number, fault in numbered(night_scene.acts):
        trial = tried(
            night_scene,
            tmp_path / str(number),
            fault=lambda home, number=number, fault=fault: failing_act(number, fault),
            code=FAULTS[fault][0],
        )
        if trial.broken:
            broken[(number, *night_scene.acts[number], fault)] = trial
    assert not broken, "\n".join(f"{what}: {trial}" for what, trial in broken.items())


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[Path]:
    """Mount a filesystem of its own at `folder`, so that it can really be full."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small filesystem can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_during_publish_leaves_the_old_night_and_the_next_run_completes(
    night_scene: Scene, tmp_path: Path
) -> None:
    """The disk is filled, for real, at the moment the file that is served begins to be written."""
    with small_disk(tmp_path / "disk", 256 << 20) as disk:

        @contextmanager
        def filled(home: Home) -> Iterator[None]:
            ballast = disk / "ballast"

            def fill(act: str, path: str) -> None:
                if act == "write" and path.endswith("alvh.duckdb.draft") and not ballast.exists():
                    free = shutil.disk_usage(disk).free
                    with open(ballast, "wb") as stream:
                        os.posix_fallocate(stream.fileno(), 0, free - (16 << 10))

            durability.observer = fill
            try:
                yield
            finally:
                durability.observer = durability._nobody
                assert ballast.exists(), "the night never came to publish"
                ballast.unlink()

        trial = tried(night_scene, disk / "home", fault=filled, code=errno.ENOSPC)
    assert trial == Trial(trial.error, ())
    assert trial.error is not None
    assert "No space left on device" in trial.error
    assert "free some space" in trial.error


@pytest.mark.skipif(not SLOW, reason="takes minutes; set ALVH_SLOW_TESTS=1 to fail a spread of a night's system calls")
def test_a_night_whose_system_calls_fail_leaves_the_old_one_and_the_next_run_completes(tmp_path: Path) -> None:
    library = compiled(tmp_path)
    if library is None:
        pytest.skip("no C compiler to build the failing disk with")
    rows = trials_of(library, 40)
    assert len(rows) >= 8
    assert [row for row in rows if row["broken"]] == []
