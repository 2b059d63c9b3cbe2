# `make help` lists what there is. Needs Python 3.11 or newer and make, nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What `make test` makes, which is never the data of `make build`.
SCRATCH := $(CURDIR)/target/test
PYTHON_SOURCES := lead_sla tests/python

# dbt must meet no configuration of the machine's user, and ask nobody anything.
export DBT_PROFILES_DIR := $(CURDIR)
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1

.PHONY: help
help: ## list the targets
	@echo 'Sales and Marketing SLA. Targets:'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '%-14s %s\n' "$$target" "$$text"; done
	@echo
	@echo 'Paths: LEAD_SLA_RAW (data/raw), LEAD_SLA_WAREHOUSE (data/warehouse.duckdb), LEAD_SLA_PUBLISHED (data/published).'

.PHONY: build
build: $(READY) ## set up, make sample data if there is no raw data, build, publish, summarise
	@$(BIN)/lead-sla build $(ARGS)

.PHONY: test
test: lint ## lint, then a whole build of a small sample with all data and unit tests, then pytest
	@$(BIN)/python -m pytest -n 2 -m 'not real' $(ARGS)
