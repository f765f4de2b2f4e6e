"""Writes that survive a kill: whole files by fsync and rename, lines by append and fsync.

Every act that changes what a later process would find on disk is announced to `observer` just before it happens and
again just after. The reliability tests number these points and kill the process at each one.
"""

import os
from collections.abc import Callable
from pathlib import Path

Observer = Callable[[str, str], None]

# A write that was killed leaves its draft; a publication removes those it finds.
DRAFT_SUFFIX = ".draft"


def _nobody(act: str, path: str) -> None:
    """Observe nothing."""


observer: Observer = _nobody


def announce(act: str, path: Path | str) -> None:
    """Tell the observer that an act on `path` is about to happen or has just happened."""
    observer(act, str(path))


def replace_file(path: Path, payload: bytes, *, mode: int | None = None) -> None:
    """Write `payload` to `path` so that a reader sees the old file or the new one, whole, and never neither.

    Raises
    ------
    OSError
        If the disk is full or the folder is not writable; the old file is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}{DRAFT_SUFFIX}")
    try:
        with open(draft, "wb") as stream:
            announce("write", draft)
            stream.write(payload)
            stream.flush()
            announce("fsync", draft)
            os.fsync(stream.fileno())
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    move_file(draft, path)


def move_file(source: Path, target: Path) -> None:
    """Rename `source` over `target` and make the rename durable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    announce("rename", target)
    os.replace(source, target)
    sync_folder(target.parent)
    announce("renamed", target)


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a file and make it durable.

    A line that a kill cut short is found by its missing newline; the reader of the file decides what to do with it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as stream:
        announce("write", path)
        stream.write(line + b"\n")
        stream.flush()
        announce("fsync", path)
        os.fsync(stream.fileno())
    sync_folder(path.parent)
    announce("appended", path)


def remove_file(path: Path) -> None:
    """Remove a file durably; a missing file is no error."""
    announce("remove", path)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
