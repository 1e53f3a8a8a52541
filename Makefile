# The two commands a newcomer needs on a fresh Debian 12 are `make demo` and `make test`.
# Each says which system packages are missing, and installs them when run as root.

PYTHON ?= python3
VENV ?= .venv
PREFIX ?= /opt/sealdrop
DESTDIR ?=
TESTS ?=
BENCH ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SYSTEM := .ci/system-packages
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet $(LOCK_ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt bench lock setup install release

help: ## Say what can be made (this).
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(STAMP) ## Make the virtual environment from the hash-locked requirements.

# Nothing unlocked comes in: the project itself is added without its dependencies and built by the locked builder.
$(STAMP): requirements-dev.lock pyproject.toml
	$(SYSTEM) setup
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes --requirement requirements-dev.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: $(STAMP) ## Show one good ADT, one good Exit Quarantine and one bad file on real parts.
	$(SYSTEM) demo
	$(BIN)/sealdrop demo

test: $(STAMP) ## Run every test with coverage; a missing tool fails. Some of them: make test TESTS='-k name'.
	$(SYSTEM) test
ifeq ($(TESTS),)
	$(BIN)/pytest --numprocesses=auto --cov
	$(BIN)/coverage report --include='*/sealdrop/core/*,*/sealdrop/rules/*' --fail-under=100
else
	$(BIN)/pytest $(TESTS)
endif

check: $(STAMP) ## Run every check that is not a test: lint, format, types, architecture, spelling, shell, lock, unit.
	$(SYSTEM) check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/shellcheck .ci/* systemd/install
	$(BIN)/pytest -q -p no:randomly tests/project tests/systemd

fmt: $(STAMP) ## Format, and mend what can be mended without thought.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## Measure against the shell script a sysadmin would write. One of them: make bench BENCH='idle --help'.
	$(SYSTEM) test
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

lock: ## Make the lock files anew from pyproject.toml; LOCK_ARGS=--upgrade takes newer releases.
	$(COMPILE) --output-file=requirements.lock pyproject.toml
	$(COMPILE) --extra=dev --constraint=requirements.lock --output-file=requirements-dev.lock pyproject.toml

install: $(STAMP) ## Install agent, unit, users and folders on this host (root), or stage them in DESTDIR.
	$(SYSTEM) demo
	PYTHON="$(PYTHON)" PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" BUILDER="$(BIN)/python" systemd/install all

release: $(STAMP) ## Build the wheel twice and compare, audit what it depends on, write the bill of materials.
	.ci/release "$(BIN)"
