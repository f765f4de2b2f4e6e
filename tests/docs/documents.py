"""The Markdown of the checkout as the tests read it: fenced blocks, links, and names in code."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import CHECKOUT

DOCUMENTS = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def document_name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return [text for found, text in FENCE.findall(path.read_text()) if found == language]


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return FENCE.sub("", path.read_text())


def links(path: Path) -> list[str]:
    """Targets of the links and images in a document's prose."""
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(path))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as Python-Markdown and GitHub make them of plain words."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    kept = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"\s+", "-", heading) for heading in kept}


def code_text(path: Path) -> str:
    """Everything a document shows as code: inline spans and fenced blocks."""
    return "\n".join([*(text for _, text in FENCE.findall(path.read_text())), *re.findall(r"`([^`\n]+)`", prose(path))])


def commands(path: Path) -> Iterator[list[str]]:
    """The words of each `alvh ...` in a document's code, comment and prompt taken off."""
    for line in code_text(path).splitlines():
        for found in re.finditer(r"(?:^|[\s/;&(])alvh ([a-z][^#\n]*)", line):
            yield found.group(1).split()
