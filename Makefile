# Everything a newcomer types. `make` alone lists the targets.
# Needs make and python3 (3.11 to 3.13) with its venv module; everything else is fetched into .venv/ by hash.

PYTHON ?= python3
BIN := .venv/bin
# Written last, so that a set-up that was cut short is taken up again; older than the lock means the lock changed.
READY := .venv/ready
# How many workers: tests/conftest.py. A file stays whole, for its fixtures.
WORKERS := -n auto --dist loadfile --no-loadscope-reorder

# Without byte code every import takes four to six times as long.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo down status check test test-e2e test-cluster test-containers wheel lock compose-env rules dashboards reference docs clean purge

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make the environment in .venv/ from the hashed lock (done once, and again when the lock changes)

demo: $(READY) ## Start the platform and play the whole loop on real data; it stays up
	@$(BIN)/tidewheel demo

down: $(READY) ## Stop the platform; its state stays
	@$(BIN)/tidewheel down

status: $(READY) ## Show what runs
	@$(BIN)/tidewheel status

check: $(READY) ## Lint, formatting, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY) ## Run the tests of all parts, on real services
	$(BIN)/pytest -q $(WORKERS)

test-e2e: $(READY) ## Play the whole loop through Airflow, with faults, review and killed services
	$(BIN)/pytest -q -m e2e tests/e2e

TESTS := tests/cluster

test-cluster: $(READY) ## Run the tests that need a Kubernetes cluster, on the one that KUBECONFIG names
	$(BIN)/pytest -q -m cluster $(TESTS)

test-containers: $(READY) ## Build the images, start docker-compose.yaml and play the loop on it (needs Docker)
	$(BIN)/pytest -q -m docker tests/containers

wheel: $(READY) ## Build the wheel in dist/
	$(BIN)/python -m hatchling build --target wheel

# Every extra but `torch`, which is several GB.
LOCKED := airflow jobs lightgbm catboost serving demo dev
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

lock: $(READY) ## Bring requirements.lock in line with pyproject.toml, and the locks of GPUs and of the site with it
	$(COMPILE) $(LOCKED:%=--extra %) pyproject.toml -o requirements.lock
	sed -n 's/^xgboost-cpu\(==[^\\]*\) \\$$/xgboost\1/p' requirements.lock | $(COMPILE) --no-annotate \
		--constraints requirements.lock --no-emit-package numpy --no-emit-package scipy - -o requirements-gpu.lock
	echo 'zensical>=0.0.73' | $(COMPILE) --no-annotate --constraints requirements.lock - -o requirements-docs.lock

compose-env: $(READY) ## Bring compose's and the chart's airflow.env in line with infra/embedded/airflow_services.py
	$(BIN)/python -m infra.images.airflow_env > infra/images/airflow.env.new
	mv infra/images/airflow.env.new infra/images/airflow.env
	cp infra/images/airflow.env infra/helm/tidewheel/files/airflow.env

rules: $(READY) ## Bring infra/prometheus/rules.yaml and the chart's copy in line with infra/prometheus/rules.py
	$(BIN)/python -m infra.prometheus.rules > infra/prometheus/rules.yaml.new
	mv infra/prometheus/rules.yaml.new infra/prometheus/rules.yaml
	cp infra/prometheus/rules.yaml infra/helm/tidewheel/files/rules.yaml

dashboards: $(READY) ## Bring Grafana's dashboards and the chart's copy in line with infra/grafana/dashboards.py
	$(BIN)/python -m infra.grafana.dashboards infra/grafana/dashboards
	mkdir -p infra/helm/tidewheel/files/dashboards
	cp infra/grafana/dashboards/*.json infra/helm/tidewheel/files/dashboards/

reference: $(READY) ## Bring docs/reference and the list of decisions in line with the code
	$(BIN)/python -m infra.reference docs

docs: build/site-tools ## Build the documentation as a site in build/site/; a broken link fails
	$(BIN)/python -m infra.site build/site-source
	build/site-tools/bin/zensical build --strict --config-file mkdocs.yml

build/site-tools: requirements-docs.lock | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $@
	$(BIN)/uv pip install --quiet --python $@/bin/python --require-hashes -r $<

clean: ## Stop the platform, and delete the environment and all caches; models and data in .tidewheel/ stay
	@if [ -x $(BIN)/tidewheel ]; then $(BIN)/tidewheel down; fi
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

purge: ## Stop the platform, and delete its models, data and passwords in .tidewheel/
	@if [ -x $(BIN)/tidewheel ]; then $(BIN)/tidewheel down; fi
	rm -rf .tidewheel

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: Tidewheel needs Python 3.11 to 3.13"; exit 1; }
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] <= (3, 13); \
		sys.exit(None if ok else "$(PYTHON) is Python " + sys.version.split()[0] + ", but Tidewheel needs 3.11 to 3.13: \
	install one, and name it with `make PYTHON=python3.12 $(or $(MAKECMDGOALS),setup)`")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: install it (Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	@echo "Installing about 250 packages into .venv/ (2 GB; a few minutes the first time)"
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements.lock \
		| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r /dev/stdin
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@
