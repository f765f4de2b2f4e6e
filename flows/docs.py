"""Write the documents that are derived from the code: `python -m flows.docs` (or `make docs`)."""

from pathlib import Path

from flows.warehouse import data_dictionary

DATA_DICTIONARY = Path(__file__).resolve().parents[1] / "docs" / "data_dictionary.md"


def main() -> None:
    """Write docs/data_dictionary.md of this checkout."""
    DATA_DICTIONARY.parent.mkdir(exist_ok=True)
    DATA_DICTIONARY.write_text(data_dictionary())
    print(DATA_DICTIONARY)


if __name__ == "__main__":
    main()
