"""What the documents name is there: links, tables and columns, commands and options, files."""

import re
from pathlib import Path

import pytest
import typer.main

from flows.cli import app
from flows.docs import DOCS
from tests.conftest import CHECKOUT
from tests.docs.documents import DOCUMENTS, anchors, code_text, commands, document_name, links
from transforms.schemas import BY_NAME

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
FILE = re.compile(
    r"(?<![\w/.])((?:flows|transforms|sql|tests|docs|benchmarks|dashboards)/[\w./-]+\.(?:py|sql|md|toml|yaml))"
)
ON_THE_WEB = ("http://", "https://", "mailto:")


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_name)
def test_a_link_leads_to_a_file_and_a_heading_of_the_checkout(path: Path) -> None:
    broken = []
    for link in links(path):
        target, _, anchor = link.partition("#")
        if link.startswith(ON_THE_WEB):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
        elif path.is_relative_to(DOCS) and not file.is_relative_to(DOCS):
            broken.append(f"{link} leaves the documentation site")
    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_name)
def test_a_table_or_column_a_document_names_is_in_the_schemas(path: Path) -> None:
    unknown = set()
    for schema, name, column in re.findall(
        r"(?<![\w./])(core|feature|mart|quarantine)\.([a-z_0-9]+)(?:\.([a-z_0-9]+))?(?![\w(/*])", code_text(path)
    ):
        table = BY_NAME.get(f"{schema}.{name}")
        if table is None or (column and column not in table.column_names):
            unknown.add(".".join(part for part in (schema, name, column) if part))
    assert not unknown


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_name)
def test_a_command_a_document_shows_exists_with_its_options(path: Path) -> None:
    wrong = []
    for words in commands(path):
        command = COMMANDS.get(words[0])
        if command is None:
            wrong.append(f"alvh {words[0]}")
        elif words[0] != "prefect":
            known = {option for own in command.params for option in own.opts}
            named = {word.strip("[]").split("=")[0] for word in words if re.match(r"\[?--?[a-z]", word)}
            wrong += [f"alvh {words[0]} {option}" for option in sorted(named - known)]
    assert not wrong


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_name)
def test_a_file_a_document_names_is_in_the_checkout(path: Path) -> None:
    assert not [name for name in FILE.findall(path.read_text()) if not (CHECKOUT / name).exists()]
