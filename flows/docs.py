"""Write the documents that are derived from the code: `python -m flows.docs` (or `make docs`)."""

from pathlib import Path

from flows.warehouse import duckdb_type
from transforms.rules.document import rules_document
from transforms.schemas import TABLES

DOCS = Path(__file__).resolve().parents[1] / "docs"


def data_dictionary() -> str:
    """Return the schemas as a Markdown data dictionary."""
    parts = ["# Data dictionary", "", "Generated from transforms/schemas.py by `make docs`; do not edit.", ""]
    for table in TABLES:
        parts += [f"## {table.full_name}", "", f"Grain: {table.grain}. Key: {', '.join(table.key)}.", ""]
        parts += ["| column | type | meaning |", "|---|---|---|"]
        parts += [f"| `{c.name}` | {duckdb_type(c.dtype)} | {c.meaning.replace('|', '/')} |" for c in table.columns]
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Write the generated pages of this checkout's docs/."""
    DOCS.mkdir(exist_ok=True)
    for name, text in (("data_dictionary.md", data_dictionary()), ("rules.md", rules_document())):
        (DOCS / name).write_text(text)
        print(DOCS / name)


if __name__ == "__main__":
    main()
