# make study [ARGS="--minutes 3"]   measure a scaling law; makes the environment first
# make setup                        the same environment, with what tests and linters want
# make test, make lint              what .ci/run runs
# make laws                         compile the formulas of the library anew
# make constraints                  resolve every extra anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=

.PHONY: study setup test lint format laws constraints clean

study: $(VENV)/.run-ready
	@$(BIN)/isoloss study $(ARGS)

setup: $(VENV)/.dev-ready

test: setup
	@.ci/test $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# NumPy code of the library's laws, from their formulas
laws: setup
	$(BIN)/python .ci/compile_laws.py

constraints: $(VENV)/.made
	$(BIN)/python .ci/constraints.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis

# Each stamp is younger than what it was made from, so a second call does nothing.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "isoloss needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	    "name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 6; }
	@echo "Making the environment in $(VENV) (a few minutes, once) …" >&2
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run-ready: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing isoloss with PyTorch …" >&2
	@$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready .ci/machine
	@echo "Installing the tools for tests and linters …" >&2
	@$(PIP) --editable '.[train,dev]'
	@.ci/machine
	@touch $@
