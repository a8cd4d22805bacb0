# Every target sets up what it needs; nothing has to be run before it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TRAINS := $(VENV)/.trains
# A file of tests runs in one process, which makes what they share once, the longest files first
# (tests/conftest.py); what measures time runs alone. Tests also wait, for time limits and for other
# processes: three fill two cores.
JOBS ?= 3
PARALLEL = -n $(JOBS) --dist loadfile --no-loadscope-reorder
# Tests start hundreds of processes, each of which would compile the sources anew.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.PHONY: help setup demo test check gpu docs bench browser clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv with all that developers need (once)

# Python compiles what is imported; pip would compile all of it, for more than a minute.
$(READY): EXTRAS := [dev]
$(TRAINS): EXTRAS := [train]
$(READY) $(TRAINS): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mmpyramid needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -e '.$(EXTRAS)'
	touch $@

demo: $(TRAINS)  ## raw video to timeline, end to end, in a few minutes
	$(BIN)/mmpyramid demo --out demo

test: setup  ## the quick tests (about two minutes on two cores)
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not browser'

check: setup browser  ## what CI runs: lint, format, types, every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs README.md CONTRIBUTING.md CHANGELOG.md
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL) -m 'not alone'
	$(BIN)/python -m pytest -m alone $$(grep -rl mark.alone tests)

gpu: setup  ## the tests that need an NVIDIA GPU (a few minutes)
	$(BIN)/python -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "PyTorch finds no NVIDIA GPU here, so that nothing would be tested.")'
	$(BIN)/python -m pytest -m gpu -p no:xdist

browser: setup  ## Debian's Chromium, for the tests of the page
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] || { echo "The page tests need Chromium: run 'sudo apt-get install chromium' first." >&2; exit 2; }; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }

docs: setup  ## the documentation site, in site/
	$(BIN)/mkdocs build

bench: setup  ## print what the benchmarks measure
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/train_step.py

clean:  ## remove what the targets made
	rm -rf $(VENV) demo site .pytest_cache .mypy_cache .ruff_cache
