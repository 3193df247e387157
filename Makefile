# `make demo` and `make test` are all a newcomer needs: each sets up what it uses.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
# Tests at once: a file's tests stay together, for they share servers; in order, for the long ones come first.
JOBS ?= auto

.PHONY: setup demo test matrix check sdk bench chaos fuzz clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: setup
	$(BIN)/python manage.py migrate --verbosity 0
	@echo "Open http://127.0.0.1:$(PORT)/ in two windows. Stop with Ctrl-C."
	$(BIN)/uvicorn project.asgi:application --host 127.0.0.1 --port $(PORT) --ws-max-size 65536 --ws-per-message-deflate false

test: setup
	$(BIN)/python -X dev -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# The floor is the project's own environment; this is the newest of both.
matrix:
	tests/matrix.sh 3.13 'django~=6.1.0' $(ARGS)

sdk:
	cd tests/sdk && npm ci --silent --no-audit --no-fund && npm test --silent

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

bench: setup
	$(BIN)/python -m tests.benchmarks $(ARGS)

# Real processes under seeded faults: 30 campaigns of 20 s, some twenty minutes. One seed: make chaos ARGS="--seed 7".
chaos: setup
	$(BIN)/python -m tests.chaos.driver $(or $(ARGS),--campaigns 30)

# What strangers may send, by inputs that reach new code: a minute for each entry. One: make fuzz ARGS="filters --seconds 600".
fuzz: setup
ifdef ARGS
	$(BIN)/python -m tests.fuzz $(ARGS)
else
	$(BIN)/python -m tests.fuzz frames
	$(BIN)/python -m tests.fuzz filters
endif

clean:
	rm -rf $(VENV) .venvs .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
