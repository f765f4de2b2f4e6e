"""What must hold of every table, source, SQL file and module, so that a new one cannot leave it out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from flows.docs import data_dictionary
from flows.served_database import query_published
from flows.sources import SOURCE_MODULES, registry
from flows.warehouse import Warehouse
from transforms.schemas import TABLES
from transforms.table_schema import PairRule, Table

CHECKOUT = Path(__file__).resolve().parents[1]
MODULES = sorted([*(CHECKOUT / "transforms").rglob("*.py"), *(CHECKOUT / "flows").rglob("*.py")])
PURE_MODULES = [path for path in MODULES if path.is_relative_to(CHECKOUT / "transforms")]
SQL_FILES = sorted((CHECKOUT / "sql").rglob("*.sql"))
QUERIES = sorted((CHECKOUT / "sql" / "queries").glob("*.sql"))

# Of the standard library, what neither reads nor changes anything outside the process.
PURE_STANDARD_LIBRARY = frozenset(
    {
        "abc",
        "bisect",
        "collections",
        "concurrent",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
    }
    | {"hashlib", "heapq", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string", "typing"}
    | {"types", "zoneinfo"}
)
# The sample market packs its files as vendors do, in memory.
IN_MEMORY_ONLY = {"transforms/sample_market/vendor_files.py": {"io", "zipfile"}}
PURE_LIBRARIES = frozenset({"polars", "numpy", "scipy", "transforms"})
# The modules that may hold SQL text; everything else names a file of sql/ or calls them.
SQL_ROOMS = ("warehouse.py", "warehouse_serving.py", "warehouse_summaries.py", "served_database.py")
SQL_DOORS = [CHECKOUT / "flows" / name for name in SQL_ROOMS]
SQL_TEXT = re.compile(
    r"\s*(select\s|insert\s+into\s|delete\s+from\s|update\s+\S+\s+set\s|attach\s+'|with\s+\w+\s+as\s*\("
    r"|(create|drop|alter)\s+(or\s+replace\s+)?(table|view|schema|macro)\s)",
    re.IGNORECASE,
)
WORLDLY_CALL = re.compile(r"^(open|print|exec|eval)$|(^|\.)((read|scan)_(csv|parquet|ipc|json)|(write|sink)_\w+)$")
CLOCK_CALL = re.compile(r"(^|\.)(now|today|utcnow|perf_counter|monotonic)$|^input$|^time\.time$")
KEYWORD = re.compile(
    r"\b(SELECT|FROM|WHERE|GROUP|ORDER|BY|HAVING|WITH|AS|JOIN|LEFT|RIGHT|INNER|ANTI|SEMI|CROSS|ON|AND|OR|NOT|NULL|IS|IN|UNION"
    r"|ALL|CASE|WHEN|THEN|ELSE|END|LIMIT|QUALIFY|OVER|PARTITION|CREATE|MACRO|TABLE|VIEW|DISTINCT|FILTER|USING|ASC|DESC)\b"
)
DRAWER_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
# A number's meaning or name says what it is counted in; of rates, vols and prices the schemas' docstring says it once.
UNITS = re.compile(
    r"\b(points?|decimals?|dollars?|sessions?|days?|months?|years?|seconds?|minutes?|contracts?|issues|rows?|lines?"
    r"|quotes|pairs|strikes?|packages|half-spreads|MiB|0 to 100|coefficient|factor|share|ratio|rank|RSI|MACD|nearest"
    r"|units of|delta|theta|gamma|per|index|count|number|the same|(upper|lower) end|rate|vol|price|variance|SVI"
    r"|z score)\b|\[0, 1\]",
    re.IGNORECASE,
)
QUERY_PARAMETERS: dict[str, dict[str, Any]] = {
    "quotes_of_one_expiration": {"root": "SPX", "expiration": "2024-04-19"},
    "when_was_front_vx_oversold": {"threshold": 30},
    "where_does_a_number_come_from": {"session": "2024-02-29"},
}


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module a file imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "__import__":
            yield "__import__"


def documented(tree: ast.AST) -> set[int]:
    """The positions of docstrings in a module."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)}  # type: ignore[attr-defined]


def sql_strings(path: Path) -> list[str]:
    """The strings of a module that read like SQL, docstrings apart."""
    tree = ast.parse(path.read_text())
    prose = documented(tree)
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]
    return [text for text in texts if SQL_TEXT.match(text)]


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_transforms_import_nothing_that_touches_the_world(path: Path) -> None:
    allowed = PURE_STANDARD_LIBRARY | PURE_LIBRARIES | IN_MEMORY_ONLY.get(name_of(path), set())
    foreign = {name for name in imported(ast.parse(path.read_text())) if name.split(".")[0] not in allowed}
    assert not foreign, f"{name_of(path)} imports {sorted(foreign)}"


@pytest.mark.parametrize("path", PURE_MODULES, ids=name_of)
def test_transforms_open_no_file_and_read_no_clock(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    # Without a path, Polars writes to a string.
    found = [ast.unparse(call) for call in calls if WORLDLY_CALL.search(ast.unparse(call.func)) and call.args]
    found += [ast.unparse(call) for call in calls if CLOCK_CALL.search(ast.unparse(call.func))]
    assert not found


@pytest.mark.parametrize("path", [path for path in MODULES if path not in SQL_DOORS], ids=name_of)
def test_sql_text_lives_in_sql_and_in_the_doors(path: Path) -> None:
    assert sql_strings(path) == []


def test_the_search_for_sql_text_finds_it_where_it_is() -> None:
    assert sum(len(sql_strings(door)) for door in SQL_DOORS) > 10


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_say_what_they_are_for_and_stay_readable(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.stem not in DRAWER_NAMES
    assert not text.strip() or ast.get_docstring(tree), f"{name_of(path)} has no docstring"
    # The schemas are said once, in one place.
    assert text.count("\n") < 500 or path.stem == "schemas"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            prose = (ast.get_docstring(node) or "").count("\n")
            assert (node.end_lineno or 0) - node.lineno - prose < 80, f"{node.name} is too long"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_functions_and_classes_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    assert not [node.name for node in public if not ast.get_docstring(node)]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_a_table_says_its_grain_key_columns_and_units(table: Table) -> None:
    assert table.schema in {"core", "feature", "mart", "quarantine"}
    assert table.grain.startswith("one ")
    assert set(table.key) <= set(table.column_names)
    assert len(set(table.column_names)) == len(table.column_names)
    assert table.session_column is None or table.session_column in table.key or "session_date" in table.column_names
    for column in table.columns:
        where = f"{table.full_name}.{column.name}"
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name), where
        assert column.meaning.strip().endswith("."), where
        assert column.low is None or column.high is None or column.low < column.high, where
        if column.dtype in (pl.Float64, pl.Int64):
            assert UNITS.search(f"{column.name.replace('_', ' ')}: {column.meaning}"), (
                f"{where} names no unit: {column.meaning}"
            )
        if column.allowed:
            assert column.dtype == pl.String, where
    for rule in table.rules:
        named = {rule.larger, rule.smaller} if isinstance(rule, PairRule) else {rule.column, rule.where_column}
        assert named <= set(table.column_names), rule.name


def test_no_table_is_defined_twice() -> None:
    names = [table.full_name for table in TABLES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", SQL_FILES, ids=name_of)
def test_an_sql_file_follows_the_style(path: Path) -> None:
    text = path.read_text()
    first, _, rest = text.partition("\n")
    assert re.match(r"-- (grain|why): \S", first), first
    body = re.sub(r"--[^\n]*|'[^']*'", "", rest)
    assert not KEYWORD.findall(body), "keywords are lower case"
    stars = re.findall(r"select\s+(?:distinct\s+)?(?:\w+\.)?\*(.*)", body, flags=re.DOTALL)
    assert all(re.fullmatch(r"\s+from\s+\w+\s*", after) for after in stars), "select * before the last step"
    assert not re.search(r"(group|order)\s+by\s+\d", body)
    assert "{" not in text, "no templates: parameters only"
    assert not re.search(r"(?<!nullif\()\b/\s*(?!nullif)\(?(?!2\b|\d)[a-z_]+\b(?!\s*\()", body), "divide through nullif"
    assert text.endswith("\n")


@pytest.mark.parametrize("path", sorted((CHECKOUT / "sql" / "checks").glob("*.sql")), ids=name_of)
def test_a_check_is_named_after_the_fact_it_asserts_and_says_why(path: Path) -> None:
    assert path.stem.startswith("assert_")
    assert path.read_text().startswith("-- why: ")


@pytest.fixture(scope="module")
def empty_published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    with Warehouse(folder / "warehouse.duckdb") as warehouse:
        assert all(frame.is_empty() for frame in warehouse.run_checks().values())
        warehouse.build_served(folder / "alvh.duckdb", serving_sessions=60)
    return folder / "alvh.duckdb"


def test_at_least_ten_questions_can_be_asked() -> None:
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("path", QUERIES, ids=name_of)
def test_a_query_runs_on_an_empty_published_database(path: Path, empty_published: Path) -> None:
    text = path.read_text()
    named = set(re.findall(r"\$(\w+)", text.partition("\n")[2]))
    parameters = QUERY_PARAMETERS.get(path.stem, {})
    assert named == set(parameters), "say in QUERY_PARAMETERS what the query is asked with"
    assert all(f"${name}" in text.partition("\n")[0] for name in named), "the first line names the parameters"
    rows = query_published(empty_published, text, parameters or None)
    assert rows.is_empty()
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in rows.columns)


@pytest.mark.parametrize("path", sorted((CHECKOUT / "sql" / "views").glob("*.sql")), ids=name_of)
def test_a_view_is_named_after_its_file(path: Path, empty_published: Path) -> None:
    assert query_published(empty_published, f"select * from {path.stem}").is_empty()


@pytest.mark.parametrize("name", SOURCE_MODULES)
def test_a_source_describes_its_layout_and_has_its_tests(name: str) -> None:
    source = registry()[name]
    assert isinstance(source, ModuleType)
    assert name == source.NAME
    assert source.__doc__
    assert len(source.__doc__) > 80
    assert callable(source.recognizes)
    assert callable(source.read)
    assert (CHECKOUT / "tests" / "flows" / "sources" / f"test_{name}.py").exists()


def test_every_module_that_names_itself_a_source_is_registered() -> None:
    folder = CHECKOUT / "flows" / "sources"
    sources = {path.stem for path in folder.glob("*.py") if re.search(r'^NAME = "', path.read_text(), re.MULTILINE)}
    assert sources == set(SOURCE_MODULES)


def test_the_data_dictionary_is_the_schemas() -> None:
    written = (CHECKOUT / "docs" / "data_dictionary.md").read_text()
    assert written == data_dictionary(), "run `make docs`"


def test_no_committed_file_names_a_folder_of_this_machine() -> None:
    folders = [CHECKOUT / name for name in ("flows", "transforms", "sql", "tests", "docs", "benchmarks")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".sql", ".md", ".toml"}]
    machine = re.compile("/(work|home|Users)/" + r"\w")
    assert not [name_of(path) for path in files if machine.search(path.read_text())]
