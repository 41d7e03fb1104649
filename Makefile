PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# More options for pytest, such as FLAGS="-k kafka".
FLAGS ?=
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile $(FLAGS)

.DEFAULT_GOAL := install
.PHONY: install demo verify benchmarks-smoke test test-slow test-all lint types layers clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/adaptd demo --json demo.json --picture demo.png

test: $(VENV)/.tested
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.tested
	$(PYTEST) -m slow

test-all: test test-slow

# That each benchmark works: its figures mean nothing. Those on generated records need no data.
BENCHMARKS := memory reopen foreign sequence gap time trial detection
benchmarks-smoke: $(VENV)/.installed
	for name in $(BENCHMARKS); do \
		$(BIN)/python -m benchmarks $$name --smoke || exit 1; \
	done

verify: $(VENV)/.installed
	$(BIN)/adaptd search --verify

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.tested
	$(BIN)/mypy

layers: $(VENV)/.tested
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
