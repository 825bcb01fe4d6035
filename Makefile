# The words of this project: `make help` lists them. `make test` and `make demo` set up what they need.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Tests run in this many processes at once, three for two cores, because many wait for servers and programs;
# `make test WORKERS=0` runs them one by one.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); n=$$((n + (n + 1) / 2)); echo $$((n > 6 ? 6 : n)))
# Of the core, what does not ask SQLAlchemy anything new: processes, programs, kills, bytes and names. Buckets and notebooks
# need extras that the environment with the newest SQLAlchemy has not got.
NEXT_LEAVES_OUT := $(patsubst %,--ignore-glob='tests/core/test_%.py',tracking_* storages urls kills watched_files \
    registry_modules copies stored_copies spare_copies digest_cache formats full_disks linear_regex redaction progress \
    lineage_drawing samplesheet_reading) \
    --deselect tests/core/test_artifacts.py::test_eight_processes_saving_one_key_make_one_series_with_one_latest
# That of Debian 12, whose package python3-torch is PyTorch without CUDA.
DEBIAN_PYTHON := /usr/bin/python3.11
# More for pytest: make test PYTEST_ARGS='-k snakemake -x'
PYTEST_ARGS ?=
BIN := .venv/bin

# What was fetched and checked once is kept for the next time: in the user's cache, or here where there is no such place.
export XDG_CACHE_HOME := $(shell c=$${XDG_CACHE_HOME:-$${HOME:-/nonexistent}/.cache}; \
    mkdir -p "$$c" 2>/dev/null && [ -w "$$c" ] && echo "$$c" || echo "$(CURDIR)/.cache")

# A shell's leftovers from another environment would be seen by every test.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Without bytecode files every process compiles every library again: a command takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: ## Make .venv with every extra and every tool, from pinned and hashed versions.
	@requirements/install .venv requirements/dev.txt
	@.ci/plugin

.PHONY: demo
demo: setup ## Run the same small analysis in every engine, and look at it in one graph.
	@$(BIN)/python example_pipelines/demo.py

.PHONY: environments
environments: INSTALL := PATH="$(CURDIR)/$(BIN):$$PATH" requirements/install # with the uv of .venv
environments: setup # those of other programs and other versions, which some tests need
	@$(INSTALL) .venv-dbt requirements/producers.txt alone
	@$(INSTALL) .venv-genes requirements/genes.txt alone
	@$(INSTALL) .venv-snakemake requirements/snakemake-oldest.txt alone
	@$(INSTALL) .venv-prefect requirements/prefect-oldest.txt
	@$(INSTALL) .venv-next requirements/next.txt
	@$(INSTALL) .venv-spatialdata requirements/spatialdata.txt alone
	@[ ! -x $(DEBIAN_PYTHON) ] || PYTHON=$(DEBIAN_PYTHON) $(INSTALL) .venv-torch requirements/torch.txt alone

.PHONY: test
test: environments ## Run every test; then those of the core once more, on the newest SQLAlchemy.
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)
	.venv-next/bin/python -m pytest -n $(WORKERS) --dist loadfile tests/core $(NEXT_LEAVES_OUT) $(PYTEST_ARGS) || \
	    { code=$$?; test $$code = 5 -a -n "$(strip $(PYTEST_ARGS))" || exit $$code; } # none of the chosen tests is of the core

.PHONY: lint
lint: setup ## Check style, names, types and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	.ci/lint-names
	$(BIN)/mypy
	$(BIN)/basedpyright
	.ci/lint-any
	$(BIN)/lint-imports

.PHONY: format
format: setup ## Put the code into its one format.
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

.PHONY: docs
docs: setup ## Build the documentation with the API reference as a site, in build/site.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

.PHONY: bench
bench: setup ## Measure imports, saving, tracking, queries, lineage, the endpoint; kept to be compared.
	$(BIN)/python benchmarks/record.py

.PHONY: chaos
chaos: setup ## Kill the server 200 times while clients send, and look whether it kept its word.
	KILLS=200 $(BIN)/python -m pytest tests/openlineage_/test_kills.py --timeout 3600

# How many random requests for each operation; every one is made once with random names and once with names that are there.
FUZZ_EXAMPLES ?= 250
.PHONY: fuzz
fuzz: setup ## Try the HTTP endpoint with ten thousand requests that nobody thought of.
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -q -s tests/openlineage_/test_openapi.py -k breaks_the_server

.PHONY: lock
lock: setup ## Pin the newest versions that fit, with their hashes.
	UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --group dev \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/dev.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile requirements/producers.in --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/producers.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile requirements/snakemake-oldest.in --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/snakemake-oldest.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile requirements/prefect-oldest.in --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/prefect-oldest.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile requirements/openlineage-prefect.in --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/openlineage-prefect.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml --constraints requirements/next.in --universal --python-version 3.11 \
	    --extra data --extra curate --extra postgres --group test \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/next.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml --constraints requirements/torch.in --python-version 3.11 --extra data \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/torch.txt --quiet
	UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml requirements/spatialdata.in --constraints requirements/dev.txt \
	    --universal --python-version 3.11 --extra curate \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade -o requirements/spatialdata.txt --quiet

.PHONY: clean
clean: ## Remove what was made here: environments, caches, builds, the demo.
	rm -rf .venv .venv-next .venv-dbt .venv-genes .venv-snakemake .venv-spatialdata .venv-torch .venv-prefect .venv-listener .cache demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find lamin_core openlineage integrations tests example_pipelines -name __pycache__ -type d -prune -exec rm -rf {} +
