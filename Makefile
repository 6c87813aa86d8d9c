# `make league` on a fresh machine with Python and make: installs and trains a league, which prints its leaderboard at
# the end and leaves its exports in the run's folder.
# `make test` runs the suite, `make lint` the linters.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARENA  ?= connect_four
FOR    ?= 5m
TESTS  ?= not slow and not gpu and not browser

.PHONY: league test lint clean

league: $(VENV)/.installed
	$(BIN)/league start $(ARENA) --for $(FOR)

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "$(TESTS)"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
