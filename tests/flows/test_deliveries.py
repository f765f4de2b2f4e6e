"""Delivered files are read whole or not at all, and set aside with their reason."""

import os
import threading
from pathlib import Path

import pytest

from flows import deliveries
from flows.deliveries import (
    delivered_paths,
    is_unchanged,
    printable_name,
    read_delivered,
    set_aside,
)
from transforms.errors import RefusedFile, UsageError


def test_files_of_folders_come_in_order_without_hidden_ones_and_reasons(tmp_path: Path) -> None:
    for name in ("b.csv", ".part", "a/c.csv", "a.csv.reason.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [str(path.relative_to(tmp_path)) for path in delivered_paths([tmp_path])] == ["b.csv", "a/c.csv"]
    with pytest.raises(UsageError, match="gone does not exist"):
        list(delivered_paths([tmp_path / "gone"]))


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(RefusedFile, match="no regular file"):
        read_delivered(tmp_path / "pipe.csv", follow_links=True)


def test_a_device_is_refused_by_its_name_and_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for path in (Path("/dev/zero"), tmp_path / "zero.csv"):
        with pytest.raises(RefusedFile, match="no regular file"):
            read_delivered(path, follow_links=True)


def test_links_are_followed_only_where_the_user_names_them(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root:x:0:0")
    (tmp_path / "link.csv").symlink_to(tmp_path / "secret")
    assert read_delivered(tmp_path / "link.csv", follow_links=True).payload == b"root:x:0:0"
    with pytest.raises(RefusedFile, match="a symbolic link; put the file itself there"):
        read_delivered(tmp_path / "link.csv", follow_links=False)


def test_a_file_larger_than_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.csv"
    with open(sparse, "wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(RefusedFile, match="1,099,511,627,776 bytes, more than 1024 MiB"):
        read_delivered(sparse, follow_links=True)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "growing.csv"
    path.write_bytes(b"first half\n")
    real = os.fstat
    asked = []

    def growing(descriptor: int) -> os.stat_result:
        asked.append(descriptor)
        if len(asked) == 2:
            with open(path, "ab") as other:
                other.write(b"second half\n")
        return real(descriptor)

    monkeypatch.setattr(deliveries.os, "fstat", growing)
    with pytest.raises(RefusedFile, match="changed while it was read"):
        read_delivered(path, follow_links=True)


def test_a_file_written_by_another_thread_is_read_whole_or_refused(tmp_path: Path) -> None:
    path, done = tmp_path / "busy.csv", threading.Event()
    whole = b"0123456789\n" * 20_000

    def write() -> None:
        while not done.is_set():
            with open(path, "wb") as stream:
                for start in range(0, len(whole), 4096):
                    stream.write(whole[start : start + 4096])

    path.write_bytes(whole)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            try:
                found = read_delivered(path, follow_links=True)
            except RefusedFile:
                continue
            assert whole.startswith(found.payload)
            if len(found.payload) < len(whole):
                # Quiet while it was read, and not complete: what matters is that it is seen to have changed since.
                done.set()
                writer.join()
                assert not is_unchanged(path, found)
                break
    finally:
        done.set()
        writer.join()


def test_a_name_of_no_utf8_and_of_controls_is_made_printable() -> None:
    assert printable_name(Path(os.fsdecode(b"\xff\nVIX\t\x7f.csv"))) == "\ufffd VIX  .csv"


def test_refused_files_keep_their_bytes_and_never_overwrite_each_other(tmp_path: Path) -> None:
    rejected = tmp_path / "rejected"
    rejected.mkdir()
    names = ["a.csv", "x" * 250 + ".csv", os.fsdecode(b"\xff.csv"), "line\nend.csv"]
    for turn in range(2):
        for name in names:
            path = tmp_path / name
            path.write_text(f"{turn} {name!r}")
            set_aside(path, rejected, reason="no " + os.fsdecode(b"\xfe"))
    kept = [path for path in rejected.iterdir() if not path.name.endswith(".reason.txt")]
    assert {path.read_text() for path in kept} == {f"{turn} {name!r}" for turn in range(2) for name in names}
    assert all(path.with_name(path.name + ".reason.txt").read_bytes() == b"no ?\n" for path in kept)
