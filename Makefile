# One target a question: does it work (test), what does it look like (demo).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A test run starts some fifty Pythons. Where the shell forbids to keep bytecode each compiles anew what it imports:
# 4 seconds for Great Expectations, 2 for Prefect's server.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo test lint types docs docs-site wheel clean

install: $(STAMP)

# A new pip first: that of Python 3.11 takes twice as long, comparing every wheel of every version with all its tags.
# Without --no-compile pip spends half its time on bytecode of modules that nothing here imports.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile "pip>=26"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

demo: $(STAMP)
	rm -rf alvh-demo
	$(BIN)/alvh demo --home alvh-demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m flows.docs

docs-site: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo site/index.html

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable ".[docs]"
	touch $@

wheel: $(STAMP)
	$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf $(VENV) dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
