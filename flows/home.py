"""One home directory: its paths, its version, its lock."""

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.durability import replace_file, stored
from transforms.errors import DataError, HomeLocked, HomeTooNew, UsageError

HOME_VERSION = 1
NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "9p", "afs", "fuse.sshfs", "glusterfs"})

# The variable by which a user takes on himself what a network filesystem does not promise.
FORCE_NETWORK = "ALVH_FORCE_NETWORK_HOME"


@dataclass(frozen=True)
class Home:
    """The folder that holds one account's data; `root` is absolute."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "alvh.toml"

    @property
    def version_file(self) -> Path:
        return self.root / "home.json"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def rejected(self) -> Path:
        return self.root / "rejected"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def partitions(self) -> Path:
        return self.root / "partitions"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def prefect(self) -> Path:
        return self.root / "prefect"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def lock_file(self) -> Path:
        return self.root / ".lock"


def find_home(given: Path | None = None) -> Home:
    """Return the home given, else that of ALVH_HOME, else ./alvh-home; absolute, so that a chdir is harmless."""
    root = given or Path(os.environ.get("ALVH_HOME") or "alvh-home")
    return Home(root.expanduser().absolute())


def prepare_home(home: Home) -> None:
    """Create the folders of a home that is new, and check the version and filesystem of one that is not.

    Raises
    ------
    HomeTooNew
        If a newer version of this program wrote it.
    UsageError
        If it lies on a network filesystem, where the lock does not hold, and ALVH_FORCE_NETWORK_HOME is not 1.
    """
    with stored(home.root):
        home.root.mkdir(parents=True, exist_ok=True)
    kind = filesystem_of(home.root)
    if kind in NETWORK_FILESYSTEMS and os.environ.get(FORCE_NETWORK) != "1":
        raise UsageError(
            f"{home.root} is on a {kind} filesystem, where file locks and renames do not hold; "
            f"put the home on a local disk, or set {FORCE_NETWORK}=1 if only one machine ever uses it"
        )
    for folder in (home.inbox, home.rejected, home.landing, home.ledger, home.staging, home.logs, home.published):
        with stored(folder):
            folder.mkdir(exist_ok=True)
    home_version(home)
    if not home.version_file.exists():
        replace_file(home.version_file, json.dumps({"home_version": HOME_VERSION}).encode() + b"\n")


def home_version(home: Home) -> int:
    """Return the version of the program's storage that wrote this home.

    Raises
    ------
    HomeTooNew
        If it is newer than this program's.
    DataError
        If the file that says so is damaged.
    """
    if not home.version_file.exists():
        return HOME_VERSION
    try:
        version = int(json.loads(home.version_file.read_text())["home_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{home.version_file} is damaged ({error}); it holds {{"home_version": {HOME_VERSION}}}: restore it from a '
            "backup or write that"
        ) from error
    if version > HOME_VERSION:
        raise HomeTooNew(
            f"{home.root} was written by storage version {version}; this program knows up to {HOME_VERSION}: upgrade it"
        )
    return version


def filesystem_of(path: Path) -> str:
    """Return the type of the filesystem that holds `path` ("" where the system does not say)."""
    if sys.platform.startswith("linux"):
        best, kind = "", ""
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, mount, fs, *_ = line.split()
            mount = mount.replace("\\040", " ")
            inside = str(path) == mount or str(path).startswith(mount.rstrip("/") + "/")
            if inside and len(mount) >= len(best):
                best, kind = mount, fs
        return kind
    if sys.platform == "darwin":
        asked = subprocess.run(["stat", "-f", "%T", str(path)], capture_output=True, text=True, check=False)
        return asked.stdout.strip()
    return ""


@contextmanager
def locked(home: Home, *, started_at: str) -> Iterator[None]:
    """Hold the home's lock: the only mutual exclusion between processes that write.

    The file names the holder for people; what counts is the kernel's lock, which ends with the process however it ends.

    Raises
    ------
    HomeLocked
        If another process holds it; the message names that process.
    """
    with open(home.lock_file, "a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            holder = stream.read().strip() or "an unnamed process"
            raise HomeLocked(f"{home.root} is in use by {holder}; wait for it to end, then run this again") from error
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()} since {started_at}\n")
        stream.flush()
        yield
