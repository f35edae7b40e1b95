# make run      talk to an agent a minute from now: http://127.0.0.1:8080
# make test     all tests, on SQLite and then on PostgreSQL        PYTEST_ARGS="-k lanes" picks some
# make slow     the tests that take long
# make check    lint, format, types, layers
# make bench    side by side with a bare bot                       make crash    kill it everywhere, lose nothing
# make clean    remove what was made here; data/ and .env stay     make lock     renew constraints.txt

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: run test test-sqlite test-postgres test-crash slow check bench crash clean lock

# The first Python on the path that is new enough; else python3, which then says so.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && exit; done; echo python3)
BIN := .venv/bin
INPUTS := pyproject.toml constraints.txt
INSTALL := $(BIN)/python -m uv pip install --quiet --python $(BIN)/python -c constraints.txt
FALLBACK := $(BIN)/python -m pip install --quiet -c constraints.txt
# Somebody else's fake of all three providers, for whoever has Node.
AIMOCK := @copilotkit/aimock@1.43.0

POSTGRES_TESTS ?= $(wildcard tests/storage tests/core tests/scenarios)
# What no database sees, or sees as in other scenarios.
POSTGRES_SKIPS := tests/core/providers tests/core/test_pacing.py $(addprefix tests/scenarios/test_, \
	console.py flood.py long_texts.py model_trouble.py models_that_stand_in.py slack_flood.py slack_socket.py \
	slack_streams.py slack_webhook.py telegrams_trouble.py what_people_send.py)
PYTEST_ARGS ?=
WORKERS ?= 2
ARGS ?=

run: .venv/installed
	@exec $(BIN)/prowex run $(ARGS)

test: test-sqlite test-postgres test-crash

# A file's tests stay in one process: they share servers that are costly to start.
PYTEST := $(BIN)/pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile
CRASH := tests/crash/test_crash_short.py

test-sqlite: .venv/installed-dev
	PROWEX_TEST_DATABASE=sqlite $(PYTEST) --ignore $(CRASH) $(PYTEST_ARGS)

test-postgres: .venv/installed-dev
	PROWEX_TEST_DATABASE=postgres $(PYTEST) $(POSTGRES_TESTS) $(addprefix --ignore=, $(POSTGRES_SKIPS)) $(PYTEST_ARGS)

# It kills whole processes and needs the machine for itself.
test-crash: .venv/installed-dev
	$(BIN)/pytest -m "not slow" $(CRASH) $(PYTEST_ARGS)

slow: .venv/installed-dev
	$(BIN)/pytest -m slow $(PYTEST_ARGS)

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed-dev
	$(BIN)/python -m tests.bench $(ARGS)

crash: .venv/installed-dev
	$(BIN)/python -m tests.crash $(ARGS)

clean:
	rm -rf .venv .*_cache .hypothesis dist build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: .venv/installed-dev
	{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m uv pip freeze --python $(BIN)/python --exclude-editable; } > .constraints
	mv .constraints constraints.txt

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Python is missing. Install Python 3.11 or newer: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { \
		echo "Prowex needs Python 3.11 or newer; this is $$($(PYTHON) -V). Name a newer one: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is missing. Install it and try again: apt-get install python3-venv"; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python could not make .venv here. Is there room on the disk, and is this folder yours?"; exit 1; }

# uv installs in seconds what takes pip a minute; where it can't be had, pip does it.
.venv/installed: .venv/bin/python $(INPUTS)
	@echo "Installing Prowex into .venv ..."
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(FALLBACK) uv || true
	@$(INSTALL) -e . || $(FALLBACK) -e . || { \
		echo "Prowex could not be installed. The lines above say why; is there a connection to the package index?"; exit 1; }
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "Installing the tools for developing ..."
	@$(INSTALL) -e '.[dev]' || $(FALLBACK) -e '.[dev]' || { \
		echo "The tools could not be installed. The lines above say why; is there a connection to the package index?"; exit 1; }
	@if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix .venv $(AIMOCK) \
		|| echo "aimock could not be installed with npm: the tests against it will be skipped."; fi
	@touch $@
