# Everything that a person starts. Needs make and Python 3.11 or newer; the rest goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
LOCK := uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command 'make lock'

.PHONY: help run test check bench fmt lock clean

help: ## show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-6s %s\n", $$1, $$2}' Makefile

run: $(VENV)/runtime ## run Daybook on this machine, with a Postgres of its own in var/
	@exec $(BIN)/daybook up

test: check $(VENV)/browser ## everything that CI runs: linters, types and all tests
	$(BIN)/pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev ## linters and types only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/runtime ## measure this machine
	@exec $(BIN)/daybook bench

fmt: $(VENV)/dev ## format the code and fix what linters can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: ## bring the lock files in line with pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo "make lock needs uv: install it with 'pip install uv'" >&2; exit 1; }
	printf 'hatchling\neditables\n' | $(LOCK) pyproject.toml - --output-file requirements.lock
	$(LOCK) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove .venv and caches; your data in var/ stay
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find api application domain migrations projections tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are files in .venv that are newer than the locks they were made from.
$(VENV)/runtime: requirements.lock pyproject.toml
	@$(MAKE_VENV)
	@echo "Installing packages into $(VENV); the first time this takes about a minute."
	@$(PIP) --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/runtime
	@echo "Installing the tools for tests into $(VENV)."
	@$(PIP) --no-deps --requirement requirements-dev.lock
	@touch $@

# Comes with all that it needs, so that other packages can change without it.
$(VENV)/browser: $(addprefix tests/support/chromium/,install.py package-lock.json fonts.conf) | $(VENV)/dev
	@echo "Installing a browser for tests into $(VENV)."
	@$(BIN)/python tests/support/chromium/install.py
	@touch $@

# Keeps a venv that works; else makes one with the newest Python that can.
define MAKE_VENV
$(BIN)/python -m pip --version >/dev/null 2>&1 && exit 0; \
unfit=; \
for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || { unfit="$${unfit:-$$python}"; continue; }; \
	exec "$$python" -m venv --clear $(VENV); \
done; \
if [ -n "$$unfit" ]; then \
	echo "$$unfit cannot make virtual environments: install its venv module" >&2; \
	echo "(Debian and Ubuntu: 'apt install python3-venv'), then try again." >&2; \
else \
	echo "Daybook needs Python 3.11 or newer, and there is none on PATH:" >&2; \
	echo "install it, or name one with 'make PYTHON=/path/to/python3'." >&2; \
fi; \
exit 1
endef
