# `make help` lists what there is. Needs Python 3.11 or newer and make, nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin
PYTHON_FILES := lead_sla tests deploy bi benchmarks
# Two modules at a time: each one's builds are made once, by the process that runs it.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

# The linters and tests leave data/ and target/ alone, which a build may be using.
SCRATCH := scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; export LEAD_SLA_WAREHOUSE=:memory: DBT_TARGET_PATH=$$scratch/target DBT_LOG_PATH=$$scratch/logs;

# dbt asks nobody anything, and finds this project's settings and no others.
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DBT_PROFILES_DIR := $(CURDIR)

.PHONY: help environment build sample dashboard docs docs-pages metrics test test-night superset test-postgres test-spark test-cloud lock-cloud test-dagster test-superset lock-superset lock-spark bench bench-smoke profile prove test-real mutants lint format lock clean

help: ## list the targets
	@echo 'The Sales and Marketing SLA, measured daily. make <target>:'
	@echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do printf '  %-14s %s\n' "$$target" "$$text"; done
	@echo
	@echo "  ARGS='...' is handed on: make build ARGS=--force, make test ARGS='-k publish'"
	@echo '  LEAD_SLA_RAW, LEAD_SLA_WAREHOUSE and LEAD_SLA_PUBLISHED say where the data lies (see: lead-sla --help)'

# Does nothing when .venv fits the lock (requirements/dev.txt). PYTHON=... names another interpreter.
environment: ## make .venv from the locked requirements, if need be
	@requirements/environment.sh

build: environment ## build, check and publish the marts; make sample data if there is no raw data
	@$(BIN)/lead-sla build $(ARGS)

sample: environment ## make the raw data of a sample company in data/raw
	@$(BIN)/lead-sla sample $(ARGS)

dashboard: environment ## write the dashboard of the published marts, and open it
	@$(BIN)/lead-sla dashboard --open $(ARGS)

docs: environment ## make the documentation site in target/docs-site: dictionary, ER diagram, dbt docs, column lineage
	@$(BIN)/python -m lead_sla.docs site

docs-pages: environment ## write docs/data-dictionary.md and docs/er-diagram.md anew, after a change of the YAML
	@$(BIN)/python -m lead_sla.docs pages

# MetricFlow looks for the project in target/, whatever else dbt has left there: so it is read anew, for the published copy.
metrics: export DBT_PROFILES_DIR := $(CURDIR)/config/metricflow
metrics: export DO_NOT_TRACK := 1
metrics: environment ## ask the published metrics: ARGS='query --saved-query attainment_by_rule_and_month'
	@$(BIN)/dbt --quiet parse
	@$(BIN)/mf $(ARGS)

test: lint ## lint, then all tests of the project on a small sample
	@$(PYTEST) -m 'not real and not night and not postgres and not spark' $(ARGS)

test-night: environment ## whole nights with faults injected at every stage, and rows of dbt runs (twenty-five minutes)
	@$(PYTEST) --dist worksteal -m night $(ARGS)

test-postgres: environment ## load, build and compare the whole project on a Postgres server of its own (five minutes)
	@$(PYTEST) -m postgres tests/python/test_postgres.py tests/python/test_engine_macros.py $(ARGS)

# In an environment of its own, locked in deploy/spark/requirements.txt. Without Java nothing is made, and the tests say so.
test-spark: environment ## load, build and compare the whole project on Spark, and see that work is spread out (ten minutes)
	@if command -v "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" >/dev/null; then deploy/spark/environment.sh; fi
	@$(PYTEST) -n 0 -m spark tests/python/test_spark.py tests/python/test_engine_macros.py $(ARGS)

# In an environment of its own, locked in tests/cloud/requirements.txt: adapters, parsers, an emulator of Snowflake. No warehouse is asked.
CLOUD := target/cloud-env
$(CLOUD)/.ready: tests/cloud/requirements.txt
	@rm -rf $(CLOUD) && python3 -m venv $(CLOUD)
	@$(CLOUD)/bin/pip install --disable-pip-version-check --quiet --require-hashes --no-deps -r $<
	@touch $@

test-cloud: $(CLOUD)/.ready ## Snowflake, BigQuery, Databricks: is every text SQL of theirs, and does an emulator build the same marts? (five minutes)
	@$(CLOUD)/bin/python -m pytest tests/cloud $(ARGS)

lock-cloud: ## lock tests/cloud/requirements.in anew, with hashes
	@python3 -m venv target/lock && target/lock/bin/pip install --quiet uv
	@target/lock/bin/$(LOCK) $(ARGS) tests/cloud/requirements.in --output-file tests/cloud/requirements.txt
	@rm -rf target/lock

DAGSTER := deploy/dagster/.venv
$(DAGSTER)/.ready: deploy/dagster/requirements.txt pyproject.toml
	@rm -rf $(DAGSTER) && python3 -m venv $(DAGSTER)
	@$(DAGSTER)/bin/pip install --disable-pip-version-check --quiet --require-hashes --no-deps -r deploy/dagster/requirements.txt
	@$(DAGSTER)/bin/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

test-dagster: $(DAGSTER)/.ready ## load the Dagster example in an environment of its own, and test it
	@$(SCRATCH) cd deploy/dagster && .venv/bin/python -m pytest -q test_definitions.py $(ARGS)

SUPERSET := target/superset-env/bin/python

# An environment of its own (Python 3.11 or 3.12), locked with hashes in bi/superset/requirements.txt. See docs/bi-tools.md.
superset: ## Apache Superset with its dashboards, on http://127.0.0.1:8088
	@bi/superset/environment.sh
	@$(SUPERSET) bi/superset/start.py $(ARGS)

test-superset: environment ## set up Superset, ask every chart, publish while it reads, look at it (five minutes)
	@bi/superset/environment.sh
	@$(SUPERSET) -m pytest bi/superset $(ARGS)

bench: environment ## what everything costs, beside a hand-written script: ARGS='--leads 1000000 --runs 3' (docs/performance.md)
	@$(BIN)/python benchmarks/bench.py $(ARGS)

bench-smoke: environment ## 100,000 leads: fails when the build has slid away from the hand-written script
	@$(BIN)/python benchmarks/bench.py --smoke $(ARGS)

profile: environment ## where the seconds of a build go, node by node: ARGS='--leads 100000' (docs/performance.md)
	@$(BIN)/python benchmarks/build_profile.py $(ARGS)

# Thousands of generated companies, about half an hour; LEAD_SLA_PROOF_FROM=100000 looks at others (docs/proof.md).
prove: environment ## the long proof: marts against the reference, business time, histories
	@LEAD_SLA_PROOF=long $(PYTEST) --dist load tests/python/test_properties.py tests/python/test_business_time.py tests/python/test_metamorphic.py tests/python/test_increments.py $(ARGS)

test-real: environment ## build two real companies from ../shared/data and compare the published counts
	@$(PYTEST) -m real $(ARGS)

mutants: environment ## break the SQL on purpose, and see that the tests notice: ARGS='owners' for some
	@cd tests/python && ../../$(BIN)/python mutants.py $(ARGS)

lint: environment ## check the style of Python and SQL
	@$(BIN)/ruff check $(PYTHON_FILES)
	@$(BIN)/ruff format --check $(PYTHON_FILES)
	@$(SCRATCH) $(BIN)/sqlfluff lint models tests analyses

format: environment ## mend the style of Python and SQL
	@$(BIN)/ruff check --fix $(PYTHON_FILES)
	@$(BIN)/ruff format $(PYTHON_FILES)
	@$(SCRATCH) $(BIN)/sqlfluff fix models tests analyses

# uv works in an environment of its own, which is thrown away. ARGS=--upgrade takes the newest versions.
lock: ## lock requirements/*.in anew, with hashes
	@python3 -m venv target/lock && target/lock/bin/pip install --quiet uv
	@target/lock/bin/$(LOCK) $(ARGS) requirements/dev.in --output-file requirements/dev.txt
	@target/lock/bin/$(LOCK) $(ARGS) requirements/runtime.in --constraints requirements/dev.txt --output-file requirements/runtime.txt
	@target/lock/bin/$(LOCK) $(ARGS) deploy/dagster/requirements.in --constraints requirements/runtime.txt --output-file deploy/dagster/requirements.txt
	@rm -rf target/lock

lock-superset: ## lock bi/superset/requirements.in anew, with hashes
	@python3 -m venv target/lock && target/lock/bin/pip install --quiet uv
	@target/lock/bin/$(LOCK) $(ARGS) bi/superset/requirements.in --output-file bi/superset/requirements.txt
	@rm -rf target/lock

lock-spark: ## lock deploy/spark/requirements.in anew, with hashes
	@python3 -m venv target/lock && target/lock/bin/pip install --quiet uv
	@target/lock/bin/$(LOCK) $(ARGS) deploy/spark/requirements.in --constraints requirements/runtime.txt --output-file deploy/spark/requirements.txt
	@rm -rf target/lock

clean: ## remove what was built: environment, dbt's targets and logs, caches; data/ stays
	@rm -rf .venv $(DAGSTER) target logs .pytest_cache .ruff_cache .hypothesis
	@find lead_sla tests -name __pycache__ -type d -prune -exec rm -rf {} +
