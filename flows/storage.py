"""Where a home keeps what workers on other hosts need: landing and staging, in its folder or in an S3 bucket.

alvh.toml alone says so, not the environment: a scratch home, which has no settings of its own, must never reach the
landing of another.
"""

from functools import lru_cache

from flows.home import Home
from flows.object_store import Store, open_store
from flows.settings import StorageSettings, settings_file_content


def landing_store(home: Home) -> Store:
    """Return where raw files are landed."""
    return open_store(_storage(home).landing or home.landing)


def staging_store(home: Home) -> Store:
    """Return where workers leave frames for the writer."""
    return open_store(_storage(home).staging or home.staging)


def copy_store(home: Home) -> Store | None:
    """Return where published/ is copied to; None if it is not."""
    address = _storage(home).published_copy
    return open_store(address) if address else None


def _storage(home: Home) -> StorageSettings:
    path = home.settings_file
    return _read(home, path.stat().st_mtime_ns) if path.exists() else StorageSettings()


@lru_cache(maxsize=16)
def _read(home: Home, changed: int) -> StorageSettings:
    return StorageSettings(**settings_file_content(home).get("storage", {}))
