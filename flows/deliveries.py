"""Files as users and vendors leave them: found, read whole or not at all, and set aside when they cannot serve.

Whoever can write into the inbox can leave anything there, so nothing about a file is believed: not that it is one, not
its size, not its name, not that it stays as it is while it is read.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.durability import announce, replace_file
from flows.sources.archives import MAX_UNPACKED_BYTES
from transforms.errors import RefusedFile, UsageError

REASON_SUFFIX = ".reason.txt"
# File systems take 255 bytes; the reason's name, its draft and a number must fit as well.
MOST_NAME_BYTES = 200


@dataclass(frozen=True)
class Delivered:
    """A delivered file's bytes, its modification time (UTC, naive, whole seconds), and its state when it was read."""

    payload: bytes
    received_at: datetime
    state: tuple[int, int, int]


def delivered_paths(paths: list[Path]) -> Iterator[Path]:
    """Yield the files named and those in the folders named, in a fixed order; hidden files and reasons are left out.

    A folder that cannot be listed, or is a link inside another, is yielded itself, so that reading it says why.

    Raises
    ------
    UsageError
        If a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; name vendor files or folders that hold them")
        if not path.is_dir():
            yield path
            continue
        closed: list[OSError] = []
        for folder, subfolders, names in os.walk(path, onerror=closed.append):
            subfolders.sort()
            links = [name for name in subfolders if (Path(folder) / name).is_symlink()]
            for name in sorted([*names, *links]):
                if not name.startswith(".") and not name.endswith(REASON_SUFFIX):
                    yield Path(folder) / name
        yield from (Path(error.filename) for error in closed)


def read_delivered(path: Path, *, follow_links: bool) -> Delivered:
    """Return a delivered file's content.

    Raises
    ------
    RefusedFile
        If it is no regular file (a pipe or a device could be read for ever), a link that is not followed, larger than
        1 GiB, or changes while it is read.
    OSError
        If it cannot be read.
    """
    if path.is_symlink() and not follow_links:
        raise RefusedFile("it is a symbolic link; put the file itself there")
    # Opening a pipe waits for its writer unless told not to.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise RefusedFile("it is no regular file")
        if before.st_size > MAX_UNPACKED_BYTES:
            raise RefusedFile(f"it has {before.st_size:,} bytes, more than {MAX_UNPACKED_BYTES >> 20} MiB; split it")
        payload = stream.read(MAX_UNPACKED_BYTES + 1)
        after = os.fstat(descriptor)
    if _state(before) != _state(after) or len(payload) != after.st_size:
        raise RefusedFile("it changed while it was read; import it again when it is complete")
    received_at = datetime.fromtimestamp(int(after.st_mtime), UTC).replace(tzinfo=None)
    return Delivered(payload, received_at, _state(after))


def is_unchanged(path: Path, delivered: Delivered) -> bool:
    """Return whether a path still names the bytes that were read: somebody may be writing to it."""
    try:
        return _state(path.stat()) == delivered.state
    except OSError:
        return False


def printable_name(path: Path) -> str:
    """Return a file's name as text: bytes that are no UTF-8 as U+FFFD, line ends and other controls as blanks."""
    name = os.fsencode(path.name).decode("utf-8", "replace")
    return "".join(" " if ord(character) < 32 or ord(character) == 127 else character for character in name)


def set_aside(path: Path, folder: Path, *, reason: str) -> None:
    """Move a refused file into `folder`, with its reason beside it; what lies there already is kept."""
    suffix = Path(printable_name(path)).suffix
    stem = (
        printable_name(path)
        .removesuffix(suffix)
        .encode()[: MOST_NAME_BYTES - len(suffix.encode())]
        .decode(errors="ignore")
    )
    target, number = folder / f"{stem}{suffix}", 0
    while os.path.lexists(target):
        number += 1
        target = folder / f"{stem}.{number}{suffix}"
    replace_file(target.with_name(target.name + REASON_SUFFIX), reason.encode(errors="replace") + b"\n")
    announce("rename", target)
    shutil.move(path, target)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
