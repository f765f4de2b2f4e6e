"""What earlier downloads left behind, so that nothing is asked for twice.

`staging/feeds.json` holds, by address, the validators (ETag, Last-Modified) of what is landed, the verified
downloads that wait for landing, the beginnings of broken ones, and what an unfinished run has landed; bodies lie
in `staging/feeds/`. A body is written before the entry that names it, and an entry is trusted only if the body has
its hash: a kill between the two costs one download, never a wrong file. All of it may be deleted at any time. One
process, one thread: the holder of the home's lock.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from flows.durability import remove_file, replace_file
from flows.home import Home
from flows.landing import content_hash, land_file

LAYOUT_VERSION = 1
PARTS = ("known", "staged", "partial", "unfinished")


@dataclass(frozen=True)
class Known:
    """An edition of a file: its bytes' hash, the last session in it, and what the server calls it."""

    sha256: str
    source: str
    last_session: date
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True)
class Staged:
    """A verified download that waits for landing; `session_date` is the session it was asked for."""

    known: Known
    name: str
    session_date: date
    received_at: datetime


@dataclass(frozen=True)
class Partial:
    """The first bytes of an edition whose transfer broke off, as they came over the wire."""

    etag: str
    encoding: str
    body: bytes


class DownloadCache:
    """Validators, staged downloads, partial bodies and the unfinished run of one home, by address."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._state_file = home.staging / "feeds.json"
        self._folder = home.staging / "feeds"
        self._state = self._read_state()

    def known(self, url: str) -> Known | None:
        """Return the edition landed last; None if there is none, or landing (an older backup?) lacks it."""
        entry = self._state["known"].get(url)
        if entry is None:
            return None
        known = _known_from(entry)
        content = self._home.landing / known.source / known.sha256[:2]
        return known if any(content.glob(f"{known.sha256}*.zst")) else None

    def staged(self) -> dict[str, Staged]:
        """Return the downloads that wait for landing, by address; those whose body is not whole are left out."""
        entries = {
            url: Staged(
                known=_known_from(entry["known"]),
                name=entry["name"],
                session_date=date.fromisoformat(entry["session_date"]),
                received_at=datetime.fromisoformat(entry["received_at"]),
            )
            for url, entry in sorted(self._state["staged"].items())
        }
        return {url: entry for url, entry in entries.items() if self._body_of(entry.known.sha256)}

    def stage(self, url: str, payload: bytes, staged: Staged) -> None:
        """Keep a verified download until it is landed; what was kept of a broken transfer goes."""
        replace_file(self._folder / staged.known.sha256, payload)
        entry = asdict(staged)
        entry["known"]["last_session"] = staged.known.last_session.isoformat()
        entry["session_date"] = staged.session_date.isoformat()
        entry["received_at"] = staged.received_at.isoformat()
        self._state["staged"][url] = entry
        self._state["partial"].pop(url, None)
        self._write_state()

    def land(self, url: str) -> Known:
        """Move a staged download to landing, and remember its validators from now on.

        Raises
        ------
        KeyError
            If nothing is staged for the address.
        """
        staged = self.staged()[url]
        known = staged.known
        payload = self._body_of(known.sha256)
        assert payload is not None
        land_file(self._home, payload, source=known.source, name=staged.name, received_at=staged.received_at)
        self._state["known"][url] = self._state["staged"].pop(url)["known"]
        self._state["unfinished"][url] = staged.session_date.isoformat()
        self._write_state()
        if all(entry["known"]["sha256"] != known.sha256 for entry in self._state["staged"].values()):
            remove_file(self._folder / known.sha256)
        return known

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
        body = self._body_of(entry["sha256"]) if entry else None
        return None if body is None else Partial(entry["etag"], entry["encoding"], body)

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
        """Remove the bodies no entry names: what a kill or a dropped transfer left."""
        named = {entry["known"]["sha256"] for entry in self._state["staged"].values()}
        named |= {entry["sha256"] for entry in self._state["partial"].values()}
        if self._folder.is_dir():
            for path in sorted(self._folder.iterdir()):
                if path.name not in named:
                    remove_file(path)

    def _body_of(self, sha256: str) -> bytes | None:
        path = self._folder / sha256
        body = path.read_bytes() if path.is_file() else None
        return body if body is not None and content_hash(body) == sha256 else None

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


def _known_from(entry: dict[str, Any]) -> Known:
    return Known(**{**entry, "last_session": date.fromisoformat(entry["last_session"])})
