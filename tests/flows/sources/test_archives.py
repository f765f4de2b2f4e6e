"""Archives are opened within bounds, whatever they claim about themselves."""

import gzip
import io
import stat
import struct
import zipfile

import pytest

from flows.sources import archives
from flows.sources.archives import MAX_DIRECTORY_BYTES, UNSUSPECTED_BYTES, gunzipped, unzipped
from transforms.errors import RefusedFile

CONTENT = b"DATE,VVIX\n01/02/2024,85.0\n"


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], compress: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_one_file_is_taken_out_of_its_folder() -> None:
    assert unzipped("a.zip", zipped(("2024/VVIX.csv", CONTENT), ("readme.txt", b"hello"))) == ("VVIX.csv", CONTENT)
    assert gunzipped("a.gz", gzip.compress(CONTENT)) == CONTENT


def test_a_gzip_of_two_members_is_one_file() -> None:
    assert gunzipped("a.gz", gzip.compress(CONTENT) + gzip.compress(b"more")) == CONTENT + b"more"


def test_what_shrinks_a_thousandfold_is_a_bomb() -> None:
    zeros = bytes(UNSUSPECTED_BYTES + 1)
    for unpack, bomb in ((gunzipped, gzip.compress(zeros)), (unzipped, zipped(("a.csv", zeros)))):
        assert len(bomb) < 100_000
        with pytest.raises(RefusedFile, match="unpacks to more than 64 MiB; not opened"):
            unpack("bomb", bomb)


def test_a_zip_that_lies_about_its_size_is_still_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNSUSPECTED_BYTES", 1000)
    honest = zipped(("a.csv", bytes(500_000)))
    lying = honest.replace(struct.pack("<L", 500_000), struct.pack("<L", 900))
    assert lying != honest
    with pytest.raises(RefusedFile, match=r"damaged|unpacks to more"):
        unzipped("lie.zip", lying)


def test_a_zip_of_very_many_files_is_not_even_listed() -> None:
    names = (f"{number:0100d}.csv" for number in range(MAX_DIRECTORY_BYTES // 146 + 1))
    many = zipped(*((name, b"") for name in names), compress=zipfile.ZIP_STORED)
    with pytest.raises(RefusedFile, match="lists too many files"):
        unzipped("many.zip", many)


@pytest.mark.parametrize(
    "inside", ["../../etc/cron.d/x.csv", "/etc/x.csv", "..\\..\\x.csv", "C:\\windows\\x.csv", "a/../../x.csv"]
)
def test_a_path_outside_the_archive_is_named_and_not_opened(inside: str) -> None:
    info = zipfile.ZipInfo("placeholder")
    info.filename = inside
    with pytest.raises(RefusedFile, match="path outside itself"):
        unzipped("a.zip", zipped((info, CONTENT)))


def test_a_link_in_an_archive_is_not_followed() -> None:
    link = zipfile.ZipInfo("VVIX_History.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(RefusedFile, match="symbolic link"):
        unzipped("a.zip", zipped((link, b"/etc/passwd")))


@pytest.mark.parametrize("count", [0, 2])
def test_a_zip_holds_one_data_file(count: int) -> None:
    members = [(f"{number}.csv", CONTENT) for number in range(count)]
    with pytest.raises(RefusedFile, match=f"holds {count} data files"):
        unzipped("a.zip", zipped(("readme.md", b"x"), *members))


@pytest.mark.parametrize("keep", [5, 30, 60])
def test_a_cut_archive_is_damaged(keep: int) -> None:
    content = bytes(range(256))
    for unpack, packed in ((gunzipped, gzip.compress(content)), (unzipped, zipped(("a.csv", content)))):
        with pytest.raises(RefusedFile, match="damaged"):
            unpack("cut", packed[:keep])
