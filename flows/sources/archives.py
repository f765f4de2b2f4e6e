"""One layer of gzip or zip taken off a delivered file, within bounds: an archive says nothing true about itself."""

import gzip
import io
import stat
import struct
import zipfile
import zlib

from transforms.errors import RefusedFile

MAX_UNPACKED_BYTES = 1 << 30
# Vendors' chains shrink by 5 to 50 times; what shrinks by more than this, and is large, is made to fill memory.
MAX_RATIO = 200
UNSUSPECTED_BYTES = 64 << 20
# A member takes some hundred bytes of a zip's directory; a delivery has one, and perhaps a readme.
MAX_DIRECTORY_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
# End of the central directory: its size stands 12 bytes in; a comment of 65,535 bytes may follow. (APPNOTE 4.3.16)
ZIP_END = b"PK\x05\x06"
ZIP_END_REACH = 22 + 65_535
NOT_DATA = (".txt", ".md", ".pdf")


def gunzipped(name: str, payload: bytes) -> bytes:
    """Return the content of a gzip, of one or several members.

    Raises
    ------
    RefusedFile
        If it is damaged or cut short, or unpacks to too much.
    """
    limit = _limit(len(payload))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(payload)) as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RefusedFile(f"{name}: the gzip archive is damaged ({error}); download it again") from error
    if len(content) > limit:
        raise RefusedFile(_too_much(name, limit))
    return content


def unzipped(name: str, payload: bytes) -> tuple[str, bytes]:
    """Return the name, without folders, and the content of the one data file in a zip.

    Raises
    ------
    RefusedFile
        If it is damaged or encrypted, lists too many files, holds no single data file, names a path outside itself or a
        link, or unpacks to too much.
    """
    end = payload.rfind(ZIP_END, -ZIP_END_REACH)
    if 0 <= end <= len(payload) - 16 and struct.unpack_from("<L", payload, end + 12)[0] > MAX_DIRECTORY_BYTES:
        raise RefusedFile(f"{name}: the zip lists too many files; import its data files one by one")
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            data = _data_file(name, archive)
            limit = _limit(data.compress_size)
            if data.file_size > limit:
                raise RefusedFile(_too_much(name, limit))
            with archive.open(data) as stream:
                content = stream.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise RefusedFile(f"{name}: the zip archive is damaged or encrypted ({error}); download it again") from error
    if len(content) > limit:
        raise RefusedFile(_too_much(name, limit))
    return data.filename.rsplit("/", 1)[-1], content


def _data_file(name: str, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir()]
    data = [info for info in members if not info.filename.lower().endswith(NOT_DATA)]
    if len(data) != 1:
        raise RefusedFile(f"{name}: the zip holds {len(data)} data files, expected 1; import them one by one")
    inside = data[0].filename.replace("\\", "/")
    if ".." in inside.split("/") or inside.startswith("/") or inside[1:2] == ":":
        raise RefusedFile(f"{name}: the zip names a path outside itself ({data[0].filename}); not opened")
    if stat.S_ISLNK(data[0].external_attr >> 16):
        raise RefusedFile(f"{name}: the zip holds a symbolic link ({data[0].filename}); not opened")
    return data[0]


def _limit(packed_bytes: int) -> int:
    return min(MAX_UNPACKED_BYTES, max(UNSUSPECTED_BYTES, MAX_RATIO * packed_bytes))


def _too_much(name: str, limit: int) -> str:
    return f"{name}: unpacks to more than {limit >> 20} MiB; not opened. Unpack it and import what it holds"
