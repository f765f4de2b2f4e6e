"""What earlier downloads left behind, so that nothing is asked for twice.

`staging/feeds.json` holds, by address, the validators (ETag, Last-Modified) of what is landed, what an unfinished run
has landed, and the beginnings of broken transfers, whose bytes lie in `staging/feeds/`. An edition is noted after it is
landed, and a beginning counts only if its bytes have their hash: a kill between two writes costs one download, never a
wrong file. All of it may be deleted at any time. One process, one thread: the holder of the home's lock.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from flows.durability import remove_file, replace_file
from flows.home import Home
from flows.landing import content_hash
from flows.storage import landing_store

LAYOUT_VERSION = 1
PARTS = ("known", "unfinished", "partial")


@dataclass(frozen=True)
class Known:
    """An edition of a file: its bytes' hash, the last session in it, and what the server calls it."""

    sha256: str
    source: str
    last_session: date
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Partial:
    """The first bytes of an edition whose transfer broke off, as they came over the wire."""

    etag: str
    encoding: str
    body: bytes


class DownloadCache:
    """Validators, the unfinished run and the beginnings of broken transfers of one home, by address."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._state_file = home.staging / "feeds.json"
        self._folder = home.staging / "feeds"
        self._state = self._read_state()

    def known(self, url: str) -> Known | None:
        """Return the edition landed last; None if there is none, or landing (an older backup?) lacks it."""
        entry = self._state["known"].get(url)
        if entry is None:
            return None
        known = Known(**{**entry, "last_session": date.fromisoformat(entry["last_session"])})
        there = landing_store(self.home).names(f"{known.source}/{known.sha256[:2]}/{known.sha256}")
        return known if any(name.endswith(".zst") for name in there) else None

    def note_landed(self, url: str, known: Known, *, session_date: date) -> None:
        """Remember an edition that is in landing now, asked for a session; a broken transfer of it is over."""
        self._state["known"][url] = {**asdict(known), "last_session": known.last_session.isoformat()}
        self._state["unfinished"][url] = session_date.isoformat()
        self._state["partial"].pop(url, None)
        self._write_state()

    def unfinished(self) -> dict[str, date]:
        """Return what has been landed since the last run that ended: address to the session it was asked for."""
        return {url: date.fromisoformat(day) for url, day in self._state["unfinished"].items()}

    def finish(self) -> None:
        """Note that a run ended: the next one asks for everything again."""
        if self._state["unfinished"]:
            self._state["unfinished"] = {}
            self._write_state()

    def revalidate(self, url: str, *, etag: str | None, last_modified: str | None) -> None:
        """Remember new validators of bytes that are unchanged."""
        validators = {"etag": etag, "last_modified": last_modified}
        if not validators.items() <= self._state["known"][url].items():
            self._state["known"][url] |= validators
            self._write_state()

    def partial(self, url: str) -> Partial | None:
        """Return the beginning of a broken transfer, or None."""
        entry = self._state["partial"].get(url)
        if entry is None:
            return None
        path = self._folder / entry["sha256"]
        body = path.read_bytes() if path.is_file() else b""
        return Partial(entry["etag"], entry["encoding"], body) if content_hash(body) == entry["sha256"] else None

    def keep_partial(self, url: str, partial: Partial) -> None:
        """Keep the beginning of a broken transfer."""
        sha256 = content_hash(partial.body)
        replace_file(self._folder / sha256, partial.body)
        self._state["partial"][url] = {"sha256": sha256, "etag": partial.etag, "encoding": partial.encoding}
        self._write_state()

    def drop_partial(self, url: str) -> None:
        """Forget the beginning of a broken transfer; nothing to forget is no error."""
        if self._state["partial"].pop(url, None) is not None:
            self._write_state()

    def sweep(self) -> None:
        """Remove the bytes no entry names: of transfers that ended well or were dropped."""
        named = {entry["sha256"] for entry in self._state["partial"].values()}
        if self._folder.is_dir():
            for path in sorted(self._folder.iterdir()):
                if path.name not in named:
                    remove_file(path)

    def _read_state(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"layout_version": LAYOUT_VERSION, **{part: {} for part in PARTS}}
        try:
            state = json.loads(self._state_file.read_text())
        except (FileNotFoundError, ValueError):
            # The file only saves work: one that a person edited into nonsense is not worth stopping for.
            return empty
        if not isinstance(state, dict) or state.get("layout_version") != LAYOUT_VERSION:
            return empty
        return state

    def _write_state(self) -> None:
        replace_file(self._state_file, json.dumps(self._state, indent=1, sort_keys=True).encode() + b"\n")
