# Two commands matter: `make demo` shows it, `make test` proves it. `make help` lists the others.
# Needed: git, make and Python >= 3.11 with venv; all else is installed into .venv. Steps that have
# been done leave a stamp there and are done again when what they depend on has changed.

VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
STAMPS := $(VENV)/stamps
WHEELS := $(VENV)/wheel

# PYTHON=... chooses one. A pyenv shim may be there without its Python: so each is run, not looked up.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; \
	done)

PACKAGED := $(shell find ingest dashboards provisioning systemd -type f -not -path '*/__pycache__/*' 2>/dev/null)
EXACT    := */flowsleuth/decode/*,*/flowsleuth/aggregate/*

# pip says much about itself; what fails is still shown.
PIP := $(PY) -m pip --disable-pip-version-check --quiet

.NOTPARALLEL:
.PHONY: help demo test lint format bench docs wheel install clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' $(MAKEFILE_LIST) | awk -F': ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(STAMPS)/wheel ## Set everything up and run the demo; KEEP=1 goes on until Ctrl-C
	$(BIN)/flowsleuth demo $(if $(filter-out 0 no,$(KEEP)),--keep)

# The installed wheel is tested, not the folder: the tests run where no import finds ingest/.
# ARGS="-k networks" and the like are pytest's; coverage is judged on whole runs only.
test: $(STAMPS)/wheel $(STAMPS)/test ## Run all tests against the built wheel; ARGS="..." goes to pytest
	$(PY) -m pytest -n auto $(if $(ARGS),$(ARGS),--cov --cov-report=)
ifeq ($(ARGS),)
	@echo "coverage of decode and aggregate (100 % of lines and branches):"
	@$(PY) -m coverage report --include='$(EXACT)' --fail-under=100
	@echo "coverage of the rest (at least 90 %):"
	@$(PY) -m coverage report --omit='$(EXACT)' --fail-under=90
endif

lint: $(STAMPS)/wheel $(STAMPS)/test $(STAMPS)/lint ## Check style, types and the import contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=ingest $(BIN)/lint-imports --no-cache

format: $(STAMPS)/lint ## Format the code
	$(BIN)/ruff format

bench: $(STAMPS)/wheel $(STAMPS)/test ## Measure flows per CPU second and what the parts cost
	@for program in bench/*.py; do echo "== $$program"; $(PY) "$$program" || exit 1; done

docs: $(STAMPS)/wheel $(STAMPS)/docs ## Write the pages that are made from the code, build the site in build/site
	$(PY) docs/make_tables.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

wheel: $(STAMPS)/wheel ## Build the wheel into .venv/wheel and install it

install: $(STAMPS)/wheel $(STAMPS)/test $(STAMPS)/lint ## Set up .venv for development

# Nothing of it is needed at run time.
$(STAMPS)/docs: $(STAMPS)/venv pyproject.toml
	$(PIP) install --group docs
	@touch $@

clean: ## Remove everything that was built or cached here
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf .import_linter_cache dist build .demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip 25.1 is the first that reads [dependency-groups] (PEP 735).
$(STAMPS)/venv:
	@[ -n "$(PYTHON)" ] || { echo "no Python >= 3.11 here: install one, or say PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) has no venv: on Debian and Ubuntu 'apt install python3-venv' brings it" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	@mkdir -p $(STAMPS) && touch $@

# The second install is for a wheel of the same version as before, which the first leaves alone.
$(STAMPS)/wheel: $(STAMPS)/venv pyproject.toml README.md $(PACKAGED)
	rm -rf $(WHEELS)
	$(PIP) wheel --no-deps --wheel-dir $(WHEELS) .
	$(PIP) install $(WHEELS)/*.whl
	$(PIP) install --no-deps --force-reinstall $(WHEELS)/*.whl
	@touch $@

$(STAMPS)/test: $(STAMPS)/venv pyproject.toml
	$(PIP) install --group test
	@touch $@

$(STAMPS)/lint: $(STAMPS)/venv pyproject.toml
	$(PIP) install --group lint
	@touch $@
