"""Writes that survive a kill: whole files by fsync and rename, lines by append and fsync.

Every act that changes what a later process would find on disk is announced to `observer` just before it happens and
again just after. The reliability tests number these points and kill the process at each one.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from transforms.errors import StorageFailed

Observer = Callable[[str, str], None]

ADVICE = {
    errno.ENOSPC: "free some space (`alvh prune` drops old revisions)",
    errno.EDQUOT: "free some space or have the quota raised",
    errno.EFBIG: "have the limit on file sizes raised",
    errno.EACCES: "give this user the permission to write there",
    errno.EPERM: "give this user the permission to write there, and clear any immutable mark",
    errno.EROFS: "mount the filesystem for writing",
    errno.EIO: "check the disk, and if it is failing restore the home from a backup on another one",
    errno.EMFILE: "raise the limit on open files",
    errno.ENOENT: "make sure that nothing else moves or removes files of this home",
}
OTHER_ADVICE = "find out what hinders it"
# What DuckDB says of a file that could not be made durable, without the operating system's reason.
SYNC_FAILED = "fsync failed"
# A write that was killed leaves its draft; a publication removes those it finds.
DRAFT_SUFFIX = ".draft"


def _nobody(act: str, path: str) -> None:
    """Observe nothing."""


observer: Observer = _nobody


def announce(act: str, path: Path | str) -> None:
    """Tell the observer that an act on `path` is about to happen or has just happened."""
    observer(act, str(path))


def storage_message(path: Path | str, reason: str, code: int | None = None) -> str:
    """Return what to tell of a failed write: where, why, what to do, and that the last night is untouched.

    Without an error number the reason is searched for the text of a known one, as libraries print it.
    """
    known = code or next((number for number in ADVICE if os.strerror(number) in reason), None)
    advice = ADVICE.get(known or 0, OTHER_ADVICE)
    if SYNC_FAILED in reason and known is None:
        reason += f" ({os.strerror(errno.EIO)}, or {os.strerror(errno.ENOSPC)}: DuckDB does not say which)"
        advice = "check the disk and its free space"
    return (
        f"{path} could not be written or read: {reason}. What is published stays whole: {advice}, "
        "then run this again and it will complete"
    )


def is_of_the_disk(error: BaseException) -> bool:
    """Return whether an error is the operating system's about a file, whichever library tells it and as what."""
    said = str(error)
    return isinstance(error, OSError) or SYNC_FAILED in said or any(os.strerror(code) in said for code in ADVICE)


@contextmanager
def stored(path: Path | str) -> Iterator[None]:
    """Turn an error of the operating system about `path` into one that says what to do.

    Raises
    ------
    StorageFailed
        Where the code inside raises an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageFailed(storage_message(error.filename or path, reason, error.errno)) from error


def replace_file(path: Path, payload: bytes, *, mode: int | None = None) -> None:
    """Write `payload` to `path` so that a reader sees the old file or the new one, whole, and never neither.

    Raises
    ------
    StorageFailed
        If the disk is full or the folder is not writable; the old file is left as it was.
    """
    draft = path.with_name(f".{path.name}{DRAFT_SUFFIX}")
    with stored(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(draft, "wb") as stream:
                announce("write", draft)
                stream.write(payload)
                stream.flush()
                announce("fsync", draft)
                os.fsync(stream.fileno())
                if mode is not None:
                    os.fchmod(stream.fileno(), mode)
            move_file(draft, path)
        except (OSError, StorageFailed):
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def move_file(source: Path, target: Path) -> None:
    """Rename `source` over `target` and make the rename durable.

    Raises
    ------
    StorageFailed
        If the folder is not writable; the old file is left as it was.
    """
    with stored(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        announce("rename", target)
        os.replace(source, target)
        sync_folder(target.parent)
        announce("renamed", target)


def link_file(source: Path, target: Path, *, mode: int) -> None:
    """Give `source`, made durable, the second name `target`, over what was there; copy it where links cannot be.

    Raises
    ------
    StorageFailed
        If the folder is not writable; the old file is left as it was.
    """
    draft = target.with_name(f".{target.name}{DRAFT_SUFFIX}")
    with stored(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(source, "rb") as stream:
            announce("fsync", source)
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), mode)
        if target.exists() and target.samefile(source):
            # A killed run linked it. To rename one name of a file over another of the same file would keep both.
            sync_folder(target.parent)
            return
        draft.unlink(missing_ok=True)
        try:
            os.link(source, draft)
        except OSError:
            # Another filesystem, or one without links.
            replace_file(target, source.read_bytes(), mode=mode)
            return
        move_file(draft, target)


def append_line(path: Path, line: bytes) -> None:
    """Append one line to a file and make it durable.

    A line that a kill cut short is found by its missing newline; the reader of the file decides what to do with it. One
    that a full disk cut short is taken back.

    Raises
    ------
    StorageFailed
        If the line could not be written whole and made durable.
    """
    with stored(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what a buffer could not write it would try to write again when it is closed.
        with open(path, "ab", buffering=0) as stream:
            length = os.fstat(stream.fileno()).st_size
            try:
                announce("write", path)
                rest = memoryview(line + b"\n")
                while rest:
                    rest = rest[stream.write(rest) :]
                announce("fsync", path)
                os.fsync(stream.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(stream.fileno(), length)
                raise
        sync_folder(path.parent)
        announce("appended", path)


def remove_file(path: Path) -> None:
    """Remove a file durably; a missing file is no error.

    Raises
    ------
    StorageFailed
        If the folder is not writable.
    """
    with stored(path):
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
