"""Named bytes in a folder or in an S3 bucket: what workers on any host read and write, one whole object at a time.

S3 is spoken by PyArrow, which the program carries anyway. Keys, region and endpoint come from the environment as every
S3 client reads it (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL): never from
alvh.toml, and never from an address.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flows.durability import replace_file
from transforms.errors import StorageFailed, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

S3 = "s3://"


class Store(Protocol):
    """Objects by name; names are relative paths with forward slashes. Picklable, so that workers can be sent one."""

    @property
    def local(self) -> Path | None:
        """The folder, if this is one."""

    def below(self, folder: str) -> "Store":
        """Return the store of the objects whose names begin with a folder."""

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

    def below(self, folder: str) -> Store:
        """Return the store of a folder below."""
        return FolderStore(self.root / folder)

    def read(self, name: str) -> bytes | None:
        """Return an object; None if there is none of that name."""
        try:
            # Not as a Path: its parts would each stay in the interpreter's table of words for a while.
            with open(os.path.join(self.root, name), "rb") as stream:
                return stream.read()
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
        top = self.root / prefix.rpartition("/")[0]
        found = []
        for folder, _, names in os.walk(top):
            inside = os.path.relpath(folder, self.root).replace(os.sep, "/")
            found += [name if inside == "." else f"{inside}/{name}" for name in names]
        return sorted(name for name in found if name.startswith(prefix))

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is no error."""
        (self.root / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class S3Store:
    """Objects below `s3://bucket/prefix`; S3 itself stores each of them whole or not at all."""

    address: str

    @property
    def local(self) -> Path | None:
        """No folder of this machine."""
        return None

    def below(self, folder: str) -> Store:
        """Return the store of a longer prefix."""
        return S3Store(f"{self.address}/{folder}")

    def read(self, name: str) -> bytes | None:
        """Return an object; None if there is none of that name.

        Raises
        ------
        StorageFailed
            If the store does not answer, or refuses.
        """
        try:
            with _s3().open_input_file(self._path(name)) as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(name, error) from error

    def write(self, name: str, payload: bytes, *, durable: bool = True) -> None:
        """Store an object whole; S3 answers when it is durable, whatever is asked.

        Raises
        ------
        StorageFailed
            If the store does not answer, or refuses.
        """
        try:
            with _s3().open_output_stream(self._path(name)) as stream:
                stream.write(payload)
        except OSError as error:
            raise self._failed(name, error) from error

    def exists(self, name: str) -> bool:
        """Return whether there is an object of that name."""
        from pyarrow.fs import FileType

        try:
            return bool(_s3().get_file_info(self._path(name)).type == FileType.File)
        except OSError as error:
            raise self._failed(name, error) from error

    def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin with `prefix`, sorted."""
        from pyarrow.fs import FileSelector

        root = self._path("").rstrip("/")
        folder = f"{root}/{prefix.rpartition('/')[0]}".rstrip("/")
        try:
            found = _s3().get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
        except OSError as error:
            raise self._failed(prefix, error) from error
        names = (info.path.removeprefix(f"{root}/") for info in found if info.is_file)
        return sorted(name for name in names if name.startswith(prefix))

    def remove(self, name: str) -> None:
        """Remove an object; a missing one is no error."""
        try:
            _s3().delete_file(self._path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed(name, error) from error

    def _path(self, name: str) -> str:
        return f"{self.address.removeprefix(S3).rstrip('/')}/{name}"

    def _failed(self, name: str, error: OSError) -> StorageFailed:
        return StorageFailed(
            f"{self.address}/{name} could not be read or written: {error}. Check the address, the keys and "
            "AWS_ENDPOINT_URL, then run this again and it will complete"
        )


def open_store(address: str | Path) -> Store:
    """Return the store at a folder or at `s3://bucket/prefix`.

    Raises
    ------
    UsageError
        If the address names another kind of store, or no bucket.
    """
    if isinstance(address, Path) or "://" not in address:
        return FolderStore(Path(address))
    if not address.startswith(S3) or not address.removeprefix(S3).split("/")[0]:
        raise UsageError(f"{address} is no store: give a folder, or s3://bucket/prefix")
    return S3Store(address.rstrip("/"))


@cache
def _s3() -> "S3FileSystem":
    """Return the connection of this process, made at the first use: one made before a spawn is of no use after it."""
    from pyarrow.fs import S3FileSystem

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
    if endpoint is None:
        return S3FileSystem(region=region)
    scheme, _, host = endpoint.rpartition("://")
    return S3FileSystem(region=region or "us-east-1", endpoint_override=host, scheme=scheme or "https")
