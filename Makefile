# Needs Python 3.11+, pip, git and make; everything else is installed into .venv from the lock.
PYTHON ?= python3
BIN := .venv/bin
# Without byte code, every process compiles its imports again: 10 s each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test lint dev bench docs lock clean help

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: .venv/installed ## Make .venv and install the lock

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Perennial needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		"$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: install ## Sample data, one whole run, two channels: what Perennial does, in minutes
	$(BIN)/perennial demo

dev: install ## Open the Dagster UI
	$(BIN)/perennial dev

test: install ## Run every test
	@# In the order of the folders: by number of tests the browser, which takes longest, comes last.
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: install ## Run every checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PERENNIAL_WAREHOUSE=:memory: $(BIN)/sqlfluff lint --disable-progress-bar dbt/models

docs: install ## Write dbt's docs of every table and column, as one page
	$(BIN)/perennial docs

bench: install ## Print the benchmarks
	$(BIN)/python -m tests.benchmarks

lock: install ## Resolve requirements.lock anew
	@# DuckDB 2.0 is a month old and 1.5 can't read its files: the lock stays below it for now.
	echo 'duckdb<2' | $(BIN)/uv pip compile pyproject.toml --constraint - --all-extras --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--quiet --output-file requirements.lock

clean: ## Remove what was installed and built; the data directory stays
	rm -rf .venv dbt/target dbt/logs
