"""Named bytes in a folder: what workers on this host or another read and write, one whole object at a time."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flows.durability import replace_file


class Store(Protocol):
    """Objects by name; names are relative paths with forward slashes. Picklable, so that workers can be sent one."""

    @property
    def local(self) -> Path | None:
        """The folder, if this is one."""

    def read(self, name: str) -> bytes | None:
        """Return an object; None if there is none of that name."""

    def write(self, name: str, payload: bytes, *, durable: bool = True) -> None:
        """Store an object whole: another reader sees all of it or nothing."""

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name."""

    def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, sorted."""

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is no error."""


@dataclass(frozen=True)
class FolderStore:
    """Objects as files below a folder of this machine."""

    root: Path

    @property
    def local(self) -> Path | None:
        """The folder."""
        return self.root

    def read(self, name: str) -> bytes | None:
        """Return an object; None if there is none of that name."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, payload: bytes, *, durable: bool = True) -> None:
        """Store an object whole; not durable: it may be gone or torn after a power failure, not after a kill."""
        path = self.root / name
        if durable:
            replace_file(path, payload)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        draft.write_bytes(payload)
        draft.replace(path)

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name."""
        return (self.root / name).is_file()

    def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, sorted."""
        folder = self.root / prefix.rpartition("/")[0]
        found = (path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is no error."""
        (self.root / name).unlink(missing_ok=True)
