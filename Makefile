# The two commands to know: `make demo` shows a model at work, `make test` tells whether all is well.
# Every target builds the environment (.venv) itself, when it is missing or older than pyproject.toml.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check install -qq
# The tests that need the material of ../shared may not skip where it is there.
SHARED := $(or $(LAG_ZOO_SHARED),$(wildcard ../shared))
SHARED_RULE := $(if $(SHARED),LAG_ZOO_REQUIRE_SHARED=1)
# Stops Material for MkDocs from advertising above every build.
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test check lint docs sweep wheel bench audit test-oldest clean
.DELETE_ON_ERROR:
.NOTPARALLEL: # the tests use every core as it is

## A model with built-in weights answers on four real frames, or on those in the folder LAG_ZOO_SAMPLES.
demo: $(VENV)/.made
	@$(BIN)/python examples/demo.py

## The tests, without the slow ones and the sweep.
test: $(VENV)/.made
	@$(BIN)/python -m pytest --no-header

## Everything: style, types, layers, docs, the wheel, the sweep, all tests.
check: lint docs wheel sweep
	@$(SHARED_RULE) $(BIN)/python -m pytest --no-header -m "not sweep"

lint: $(VENV)/.made
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "to mend: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

docs: $(VENV)/.made
	@$(BIN)/mkdocs build --strict

## Each of timm's model modules as a backbone; one at a time, for the largest need much memory.
sweep: $(VENV)/.made
	@$(BIN)/python -m pytest --no-header -m sweep -n0

## The wheel, installed apart and used from outside the tree; and the tree itself, through torch.hub.
wheel: $(VENV)/.made
	@$(BIN)/python tools/check_wheel.py

## Every figure of docs/performance.md.
bench: $(VENV)/.made
	@$(BIN)/python -m benchmarks

## Known vulnerabilities of what is installed, where a database of them can be reached.
audit: $(VENV)/.made
	@$(BIN)/python $(PIP) pip-audit
	@$(BIN)/python tools/audit.py

## The tests with the oldest dependencies that pyproject.toml allows (5 GB more on the disk).
test-oldest: $(VENV)-oldest/.made
	@$(VENV)-oldest/bin/python -m pytest --no-header -m "not sweep"

$(VENV)/.made: pyproject.toml
	@test -x $(BIN)/python || { echo "making $(VENV) (some minutes, once)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python $(PIP) --upgrade "pip>=25.1"
	@$(BIN)/python $(PIP) --editable ".[all,dicom,export,video]" --group dev --group docs
	@touch $@

$(VENV)-oldest/.made: pyproject.toml constraints-oldest.txt
	@test -x $(@D)/bin/python || { echo "making $(@D) (some minutes, once)"; $(PYTHON) -m venv $(@D); }
	@$(@D)/bin/python $(PIP) --upgrade "pip>=25.1"
	@$(@D)/bin/python $(PIP) --constraint constraints-oldest.txt --editable ".[all,dicom,export,video]" --group dev
	@touch $@

## Takes away what the targets made, but for the environments.
clean:
	@rm -rf build dist site demo*.png .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find lag_zoo tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
