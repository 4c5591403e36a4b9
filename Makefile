# Two commands matter: `make run` and `make test`. The rest are parts of them. See README.md.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
export PORT

.PHONY: run test test-fast test-faults bench lint
.DEFAULT_GOAL := run

run: .venv/.runtime
	@exec $(BIN)/python manage.py up

test: .venv/.dev
	@exec $(BIN)/python -m lifecycle.tests.suite

test-fast: .venv/.dev
	@exec $(BIN)/python -m pytest -q -n 2 -m "not servers and not browser and not fault"

test-faults: .venv/.dev
	@exec $(BIN)/python -m lifecycle.tests.faults

bench: .venv/.dev
	@exec $(BIN)/python -m lifecycle.benchmarks

lint: .venv/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Type: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/bandit --quiet --recursive --severity-level medium --exclude '*/tests/*,*/benchmarks/*' lifecycle accounts onboarding adoption

# A stamp is written last, so an install that broke off is done again.
.venv/.runtime: requirements.txt | .venv/bin/python
	@echo "Installing what Waymark runs on (once; a minute or two)"
	@$(PIP) install --require-hashes --requirement requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt | .venv/bin/python
	@echo "Installing what the tests need (once; a minute or two)"
	@$(PIP) install --require-hashes --requirement requirements-dev.txt
	@touch .venv/.runtime $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Waymark needs Python 3.11 or newer; name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null; \
		else echo "Python's venv is missing. Type: sudo apt-get install python3-venv"; exit 1; fi; }
	@$(PYTHON) -m venv .venv
