"""A copy of published/ is whole at every moment, and completed after a failure."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flows.home import Home
from flows.object_store import FolderStore
from flows.published_copy import LATEST, SERVED, copy_published
from transforms.errors import StorageFailed


@dataclass(frozen=True)
class Failing(FolderStore):
    """A folder that takes a number of objects, and then no more."""

    most: int = 10_000
    taken: list[str] = field(default_factory=list)

    def write(self, name: str, payload: bytes, *, durable: bool = True) -> None:
        if len(self.taken) == self.most:
            raise StorageFailed("full")
        super().write(name, payload, durable=durable)
        self.taken.append(name)


def listed(latest: Path) -> dict[str, str]:
    return {entry["path"]: entry["sha256"] for entry in json.loads(latest.read_text())["files"]}


def test_files_go_before_the_database_and_that_before_the_manifests(base_home: Home, tmp_path: Path) -> None:
    store = Failing(tmp_path)
    sent = copy_published(base_home.published, store)
    assert sent == store.taken
    files = listed(base_home.published / LATEST)
    assert sent[: len(files)] == sorted(files)
    assert sent[len(files)] == SERVED
    assert sent[-1] == LATEST
    manifests = [name for name in sent if name.startswith("manifests/session_date=")]
    assert manifests == sent[len(files) + 1 :][: len(manifests)]
    assert copy_published(base_home.published, store) == []


def test_a_copy_broken_off_anywhere_keeps_its_latest_and_is_completed(base_home: Home, tmp_path: Path) -> None:
    whole = Failing(tmp_path / "whole")
    copy_published(base_home.published, whole)
    for most in (0, 3, len(whole.taken) - 1):
        folder = tmp_path / str(most)
        (folder / "manifests").mkdir(parents=True)
        (folder / LATEST).write_text('{"files": []}')
        with pytest.raises(StorageFailed):
            copy_published(base_home.published, Failing(folder, most))
        assert json.loads((folder / LATEST).read_text()) == {"files": []}
        copy_published(base_home.published, FolderStore(folder))
        assert FolderStore(folder).names() == whole.names()


def test_only_what_changed_is_sent_again(base_home: Home, tmp_path: Path) -> None:
    published = tmp_path / "published"
    shutil.copytree(base_home.published, published)
    copy_published(published, FolderStore(tmp_path / "copy"))
    latest = published / LATEST
    document = json.loads(latest.read_text())
    document["files"][0]["sha256"] = "0" * 64
    latest.chmod(0o644)
    latest.write_text(json.dumps(document))
    sent = copy_published(published, FolderStore(tmp_path / "copy"))
    assert [name for name in sent if name.startswith("snapshots/")] == [document["files"][0]["path"]]
