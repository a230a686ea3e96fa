# `make run` and `make test` set everything up and do their job; nothing is installed twice.
PYTHON ?= python3
EXTRAS ?=
RUNS ?= 20
BIN := .venv/bin
CORE := .venv/.core$(if $(EXTRAS),-$(EXTRAS))
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt

# Compiled bytecode makes every start three times as fast; an environment may forbid it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run null test check lint types contracts lineage notebook torch clean help
.DEFAULT_GOAL := help

help:
	@echo "make run        set up and run the main job: data -> report   (EXTRAS=all for every extra)"
	@echo "make null       how often the rules say 'evidence' where there is none   (after make run; RUNS=20)"
	@echo "make test       set up and run the tests"
	@echo "make check      lint, types, import contracts, tests"
	@echo "make lineage    build the lineage as a static site in build/lineage"
	@echo "make notebook   execute the notebooks on what the last run made"
	@echo "make torch      install torch (for the CPU build add PIP_EXTRA_INDEX_URL=<its index>)"
	@echo "make clean      delete what can be made again; your files in data/01_raw and the trial ledgers stay"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Assay needs Python 3.11 or newer, found " + sys.version.split()[0] + ": make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv

.venv/.core-%: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable ".[$*]"
	@touch $@ .venv/.core

.venv/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable ".[dev]"
	@touch $@ .venv/.core

.venv/.torch: | $(BIN)/python
	$(PIP) install --quiet torch==2.13.0
	@touch $@

run: $(CORE) $(if $(filter all,$(EXTRAS)),.venv/.torch)
	$(BIN)/kedro run

null: $(CORE)
	$(BIN)/kedro run --pipelines null_check --namespaces crypto.null_check --params null_check.runs=$(RUNS),null_check.processes=2

test: .venv/.dev
	$(BIN)/python -m pytest -n auto --dist loadscope

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

contracts: .venv/.dev
	$(BIN)/lint-imports

check: lint types contracts test

lineage: .venv/.core
	$(BIN)/assay lineage build/lineage

# Kedro's own tracebacks would hide a failing cell from pytest: hence the project's logging.
notebook: .venv/.dev
	KEDRO_LOGGING_CONFIG=$(CURDIR)/conf/logging.yml $(BIN)/python -m pytest --nbmake notebooks

torch: .venv/.torch

clean:
	rm -rf .venv .viz build src/assay.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find data -mindepth 2 -not -path 'data/01_raw/*' -type f ! -name '*_trials.jsonl' ! -name '.gitkeep' -delete
	find data -mindepth 2 -not -path 'data/01_raw/*' -type d -empty -delete
