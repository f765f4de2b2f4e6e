"""Calls that workers of other processes make, for tests of the map."""

import os
import signal
import time
from pathlib import Path


def squared(number: int) -> int:
    return number * number


def who(number: int) -> tuple[int, int, str | None]:
    """The number, the process that was asked, and how many threads Polars may use there."""
    time.sleep(0.02)
    return number, os.getpid(), os.environ.get("POLARS_MAX_THREADS")


def fails_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def dies_once(where: tuple[Path, int]) -> int:
    """Die the first time that the number 5 is asked, as if killed for want of memory."""
    folder, number = where
    mark = folder / "died"
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def dies_at_five(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
