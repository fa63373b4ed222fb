# Two commands: `make run` and `make test`. Needs python3 >= 3.11 (with venv) and make; nothing else.
PY   ?= python3
VENV ?= .venv
BIN   = $(VENV)/bin
PIP   = $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input install --require-hashes --only-binary=:all:
# Compiled tests are kept, whatever the environment says: compiling them takes as long as a tenth of the fast tests.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
SLOW   = faults interop system
FAST   = $(PYTEST) -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(SLOW:%=--ignore=tests/%)
.DEFAULT_GOAL := help
.PHONY: run test test-full interop lint fmt type bench simulate certs config-check lock help clean
.DELETE_ON_ERROR:

help: ## what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.python:
	@$(PY) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: needs Python 3.11+ with venv (Debian/Ubuntu: apt install python3-venv), or: make PY=python3.12" >&2; exit 1; }
	$(PY) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: requirements.lock | $(VENV)/.python
	@echo "installing the locked packages (about 30 s the first time) ..."
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/.python
	@echo "installing the locked development packages (about 40 s the first time) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@

$(VENV)/.browser: requirements-browser.lock $(VENV)/.dev
	@echo "installing the locked packages that drive a browser (about 20 s the first time) ..."
	@$(PIP) -r requirements-browser.lock
	@touch $@

run: $(VENV)/.run ## a whole small country on loopback; Ctrl-C stops it, the data stays in var/
	@$(BIN)/python -m gateway demo $(ARGS)

test: $(VENV)/.dev ## the fast tests, on up to four processors (ARGS="-n 0 …" for one test in the foreground)
	@$(FAST) $(ARGS)

test-full: $(VENV)/.browser ## the fast tests, then faults, kill -9, whole instances and the outside judges, one at a time
	@echo "1 of 2: the fast tests"
	@fast=0; $(FAST) --hypothesis-profile=full $(ARGS) || fast=$$?; \
	  echo "2 of 2: faults, kill -9, whole instances (fixed addresses, so one at a time) and the outside judges"; \
	  $(PYTEST) -m 'slow or interop' -rs $(ARGS) && exit $$fast

interop: $(VENV)/.dev ## only the outside judges: bytes made by others, openssl, signxml, xmlsec1
	@$(PYTEST) -m interop -rs $(ARGS)

lint: $(VENV)/.dev ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

fmt: $(VENV)/.dev ## ruff, changing files
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

type: $(VENV)/.dev ## mypy --strict, the tests too
	@$(BIN)/mypy

bench: $(VENV)/.dev ## CPU per exchange against a pair that does nothing, leaves into the log; figures, no verdict
	@$(BIN)/python -m tests.bench $(ARGS)

simulate: $(VENV)/.dev ## 20,000 dossiers of linked procedures, losses as documented, kill -9 of everything all the while; fails when a number differs
	@$(BIN)/python -m tests.simulation $(ARGS)

certs: $(VENV)/.run ## keys and certificates of the demo instance (kept when they exist)
	@$(BIN)/python -m certs.generate $(ARGS)

config-check: certs ## every YAML file, all errors at once
	@$(BIN)/python -m gateway check $(ARGS)

lock: ## the hash-pinned locks from pyproject.toml (needs uv)
	uv lock -q
	uv export -q --frozen --no-dev --no-emit-project --no-annotate --no-header --no-emit-index-url -o requirements.lock
	uv export -q --frozen --no-emit-project --no-annotate --no-header --no-emit-index-url -o requirements-dev.lock
	uv export -q --frozen --only-group acme --no-emit-project --no-annotate --no-header --no-emit-index-url -o requirements-acme.lock
	uv export -q --frozen --only-group browser --no-emit-project --no-annotate --no-header --no-emit-index-url -o requirements-browser.lock
	rm -f uv.lock

clean: ## removes the virtual environment and all data of the demo
	rm -rf $(VENV) var certs/out build
