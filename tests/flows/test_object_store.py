"""Stores in a folder and on a real S3-compatible server: one behaviour."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.object_store import FolderStore, S3Store, Store, open_store
from tests.flows.s3_server import s3_bucket
from transforms.errors import StorageFailed, UsageError


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_bucket() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path)
    return open_store(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")


def test_what_is_written_is_read_until_it_is_removed(store: Store) -> None:
    assert store.read("a/b/c.bin") is None
    assert not store.exists("a/b/c.bin")
    for payload in (b"first", b"", bytes(range(256)) * 5_000):
        store.write("a/b/c.bin", payload)
        assert store.read("a/b/c.bin") == payload
    assert store.exists("a/b/c.bin")
    store.remove("a/b/c.bin")
    assert store.read("a/b/c.bin") is None
    store.remove("a/b/c.bin")


def test_names_are_listed_by_prefix_in_order(store: Store) -> None:
    assert store.names() == []
    for name in ("reading/ab/2.zip", "reading/ab/1.zip", "reading/cd/3.zip", "priced/ab/4.zip"):
        store.write(name, b"x", durable=False)
    assert store.names("reading/") == ["reading/ab/1.zip", "reading/ab/2.zip", "reading/cd/3.zip"]
    assert store.names("reading/ab/1") == ["reading/ab/1.zip"]
    assert len(store.names()) == 4
    assert store.below("reading").names() == ["ab/1.zip", "ab/2.zip", "cd/3.zip"]


def test_an_address_is_a_folder_or_a_bucket() -> None:
    assert open_store("relative/folder") == FolderStore(Path("relative/folder"))
    assert open_store("s3://bucket/prefix/") == S3Store("s3://bucket/prefix")
    for address in ("gs://bucket/prefix", "s3://", "s3:///prefix"):
        with pytest.raises(UsageError, match="is no store"):
            open_store(address)


def test_a_bucket_that_is_not_there_says_what_to_check(bucket: str) -> None:
    assert os.environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    with pytest.raises(StorageFailed, match=r"s3://no-such-bucket/x could not be .* Check the address, the keys"):
        open_store("s3://no-such-bucket").write("x", b"y")
