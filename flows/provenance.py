"""Which code computed a night."""

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable


@cache
def code_version() -> str:
    """Return the SHA-256 over every .py of transforms/ and every .sql of sql/, with their names."""
    return sources_hash(files("transforms"), files("sql"))


def sources_hash(*packages: Traversable) -> str:
    """Return the SHA-256 over every .py and .sql below packages, with their names."""
    digest = hashlib.sha256()
    for package in packages:
        for name, content in sorted(_sources(package, package.name)):
            digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()


@cache
def rule_source(module: str) -> str:
    """Return the text of a rule's module, by which its version is known."""
    *package, name = module.split(".")
    return files(".".join(package)).joinpath(f"{name}.py").read_text()


def program_version() -> str:
    """Return the version of the installed package, or "source" in a checkout that is not installed."""
    try:
        return version("alvh")
    except PackageNotFoundError:
        return "source"


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        name = f"{prefix}/{entry.name}"
        if entry.is_dir() and entry.name != "__pycache__":
            found += _sources(entry, name)
        elif entry.name.endswith((".py", ".sql")):
            found.append((name, entry.read_bytes()))
    return found
