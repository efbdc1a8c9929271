# Needs make and Python 3.11 or later, nothing else. `make help` lists what there is.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
WORKERS ?= 2
PYTEST := $(PY) -m pytest -q --durations=10
PARALLEL := -n $(WORKERS) --dist worksteal --benchmark-disable
QUICK := not slow and not notebook and not browser and not package
# PYTHON=/path/to/python3 overrides the search
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python)
HEALTHY := $(shell $(PY) -c "print('yes')" 2>/dev/null)
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
GROUP := import sys, tomllib; \
  print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups'][sys.argv[1]])
# what is not in the lock comes beside it: nothing that is there changes
ADD_GROUP = $(PY) -m pip freeze --exclude-editable > $(VENV)/locked.txt && \
  $(PY) -m pip install -c $(VENV)/locked.txt $$($(PY) -c "$(GROUP)" $@)

.DEFAULT_GOAL := help
.PHONY: help demo test notebooks slow coverage docs browser package versions lint format peers data bench lock env clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: $(STAMP)  ## train row 6a of Table 9 and print it beside the published row
	$(PY) -m experiments demo

test: $(STAMP)  ## everything but notebooks and the slow tests
	$(PYTEST) $(PARALLEL) -m "$(QUICK)" $(ARGS)

notebooks: $(STAMP)  ## run every notebook from its first cell to its last
	$(PYTEST) $(PARALLEL) -m notebook tests/test_notebooks.py $(ARGS)

slow: $(STAMP)  ## the slow tests only
	$(PYTEST) $(PARALLEL) -m slow $(ARGS)

coverage: $(STAMP)  ## branches of the library that the tests take, at least 95 %
	$(PYTEST) $(PARALLEL) -m "$(QUICK)" --cov=lstm_jax --cov-branch --cov-fail-under=95 \
	  --cov-report=term-missing:skip-covered tests/library tests/test_*.py lstm_jax $(ARGS)

docs: $(STAMP)  ## build the docs as a site that needs no network, in docs/_build/html
	$(ADD_GROUP)
	$(PY) -m sphinx -W --keep-going -q -j auto -c docs . docs/_build/html $(ARGS)
	@echo "open docs/_build/html/index.html"

browser: docs  ## open docs and report in headless Chromium (which the system has to have)
	$(ADD_GROUP)
	$(PYTEST) -m browser tests/test_browser.py $(ARGS)

package: $(STAMP)  ## build wheel and sdist, and try both as somebody who has nothing else
	rm -rf dist
	$(PY) -m hatchling build -d dist
	$(PYTEST) -m package tests/test_package.py $(ARGS)

VERSIONS := tests/library/gradients tests/library/cells tests/library/training tests/library/trials
versions: $(STAMP)  ## tests with the oldest and the newest versions that are allowed, by every Python there is
	$(PY) -m pip install -q uv
	@set -e; for python in 3.11 3.12 3.13; do \
	  python$$python -c pass >/dev/null 2>&1 || { echo "no python$$python here"; continue; }; \
	  for which in lowest-direct highest; do \
	    there=.venv/$$python-$$which; \
	    $(PY) -m uv venv -q --clear --no-python-downloads --python "$$(command -v python$$python)" $$there; \
	    $(PY) -m uv pip install -q --python $$there/bin/python --resolution $$which -e .; \
	    $(PY) -m uv pip freeze --exclude-editable --python $$there/bin/python > $$there/only.txt; \
	    $(PY) -m uv pip install -q --python $$there/bin/python -c $$there/only.txt \
	      pytest pytest-xdist pytest-benchmark hypothesis scipy; \
	    echo "python $$python:" $$(grep -E "^(jax|jaxlib|optax|chex|numpy)==" $$there/only.txt); \
	    $$there/bin/python -m pytest -q $(PARALLEL) -m "$(QUICK)" $(VERSIONS) $(ARGS); \
	  done; \
	done

lint: $(STAMP)  ## style, formatting, types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright

format: $(STAMP)  ## let ruff repair what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(STAMP)  ## time the trials, beside the peers if `make peers` was run
	$(PY) -m experiments bench $(ARGS)

peers: $(STAMP)  ## add torch and equinox, for timing and parity
	$(ADD_GROUP)

data: $(STAMP)  ## add the packages that carry real data: speech, digits
	$(ADD_GROUP)
	$(PY) -m pip install --no-deps "aeon>=1.6"

lock: $(STAMP)  ## resolve requirements.lock again (ARGS=--upgrade for newer versions)
	$(PY) -m pip install -q uv
	$(PY) -m uv pip compile pyproject.toml \
	  --group build --group dev --group experiments \
	  --no-strip-extras --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header \
	  -q -o requirements.lock $(ARGS)

ifneq ($(HEALTHY),yes)  # its interpreter has gone: make it anew
.PHONY: $(STAMP)
endif

env: $(STAMP)  ## create or renew the environment

clean:  ## remove the environment, caches and builds; results stay
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(PY) -m pip --version >/dev/null 2>&1 && $(PY) -c '$(SUITABLE)' && exit; \
	for python in $(PYTHONS); do \
	  if $$python -c '$(SUITABLE)' >/dev/null 2>&1; then \
	    echo "creating $(VENV) with $$($$python --version)"; \
	    exec $$python -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "lstm_jax needs Python 3.11 or later with its modules venv and ensurepip; tried: $(PYTHONS)." >&2; \
	echo "Install one (on Debian or Ubuntu with the package python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	exit 1
	$(PY) -m pip install --require-hashes -r requirements.lock
	$(PY) -m pip install --no-deps --no-build-isolation -e .
	@touch $@
