"""The Python blocks and the command lines of docs/dashboards.md run as they stand, against a published home."""

import ast
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.home import Home
from tests.conftest import CHECKOUT
from tests.docs.documents import blocks
from transforms.rules import RULES

PAGE = CHECKOUT / "docs" / "dashboards.md"
RECIPES = blocks(PAGE, "python")
COMMANDS = [line for text in blocks(PAGE, "") for line in text.splitlines() if line.startswith("duckdb ")]


def shown(block: str, names: dict[str, Any]) -> Any:
    """Run a block as a notebook cell does: what its last line is worth, if that is an expression."""
    tree = ast.parse(block)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "cell", "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.fixture(scope="module")
def notebook(rich_home: Home) -> dict[str, Any]:
    """The names left by all blocks, run in order in one namespace, and what each cell shows."""
    names: dict[str, Any] = {"published": str(rich_home.published)}
    names["shown"] = [shown(block, names) for block in RECIPES]
    return names


def test_the_page_has_a_recipe_for_each_library() -> None:
    text = "".join(RECIPES)
    assert not [name for name in ("duckdb", "polars", "pandas", "altair") if f"import {name}" not in text]


def test_recipes_read_the_nights_that_are_published(notebook: dict[str, Any], rich_home: Home) -> None:
    files = (rich_home.published / "snapshots" / "mart.signal_daily").rglob("*.parquet")
    nights = pl.concat(pl.read_parquet(path, hive_partitioning=False) for path in files)
    assert notebook["nights"]["session_date"].to_list() == nights["session_date"].sort(descending=True).to_list()
    quotes = (rich_home.published / "snapshots" / "core.option_quote").rglob("*.parquet")
    assert sum(count for _, count in notebook["sessions"]) == sum(pl.read_parquet(path).height for path in quotes)


def test_recipes_of_different_libraries_agree(notebook: dict[str, Any]) -> None:
    steepest = notebook["steepest"].row(0, named=True)
    ratios = notebook["history"]["contango_percent"]
    assert steepest["contango_ratio"] == pytest.approx(ratios.max() / 100)
    assert set(notebook["wide"].columns) == {"vx_front", "breadth", "curve"}
    assert notebook["wide"].index.is_unique


def test_the_notebook_shows_a_chart_and_a_table(notebook: dict[str, Any], tmp_path: Path) -> None:
    chart, table = notebook["shown"][-2], notebook["shown"][-1]
    page = tmp_path / "chart.html"
    chart.save(str(page))
    assert "contango" in page.read_text()
    assert set(table["rule"]) == {rule.name for rule in RULES}


def test_the_command_lines_of_duckdb_answer(rich_home: Home, tmp_path: Path) -> None:
    (tmp_path / "alvh-demo").mkdir()
    shutil.copytree(rich_home.published, tmp_path / "alvh-demo" / "published")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    said = [
        subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for command in COMMANDS
    ]
    assert len(said) == 3
    assert "contango_ratio = " in said[0]
    with open(tmp_path / "decisions.csv") as stream:
        days = [row["session_date"] for row in csv.DictReader(stream)]
    assert days == sorted(days, reverse=True) != []
    assert "SPX" in said[2]
