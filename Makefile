# What a person can do here. `make help` lists it.

PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
    $$p -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 12)))' >/dev/null 2>&1 && { echo $$p; break; }; done)
BIN := .venv/bin
DISTRIBUTIONS := shared services/gateway-ibkr services/gateway-dydx services/indicators services/risk services/oms services/recorder simulators desk cli
SOURCES := shared services simulators desk cli tests benchmarks dashboards
# Tests wait more than they compute: with two for each processor half of it was idle
WORKERS ?= $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN))))
KILLED = tests/chaos tests/deploy/test_panels.py tests/gateway_dydx/test_crashes.py tests/gateway_ibkr/test_crashes.py
MANIFESTS = tests/deploy/test_kubernetes.py tests/deploy/test_kubernetes_desk.py
OVERRIDES = $(addsuffix ::test_docker_compose_takes_both_files,tests/deploy/test_dydx_trading_key.py tests/deploy/test_ib_gateway.py)
BARS ?=
DAYS ?= 1
# Whoever keeps Python from writing bytecode has every process compile all of it again, and a test run starts hundreds
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: env
env: .venv/ready ## build the environment: .venv with the signalbox command
	@echo "The environment is ready: .venv/bin/signalbox --help"

.venv/ready: requirements/dev.txt $(DISTRIBUTIONS:%=%/pyproject.toml)
	@test -n "$(PYTHON)" || { echo "Signalbox needs Python 3.11 or 3.12 on the PATH (or: make PYTHON=/path/to/python3.12)" >&2; exit 1; }
	@echo "building .venv with $(PYTHON)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e %)
	@touch .venv/ready

.PHONY: demo
demo: .venv/ready ## a trading day in a minute, with orders and a final check (BARS=file replays real bars, DAYS=N)
	@$(BIN)/signalbox demo --days $(DAYS) $(if $(BARS),--bars "$(BARS)")

.PHONY: up
up: .venv/ready ## the same desk, stays on until Ctrl-C, says which commands to try (BARS=file)
	@$(BIN)/signalbox up $(if $(BARS),--bars "$(BARS)")

.PHONY: test
test: .venv/ready ## the tests, side by side (WORKERS=1: one after the other); `make chaos` and `make k8s-check` have the rest
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(addprefix --ignore ,$(KILLED) $(MANIFESTS))

.PHONY: chaos
chaos: .venv/ready ## desks, services, NATS and venues started, killed, cut off and restored in real time, while orders flow
	@$(BIN)/pytest -n 1 $(KILLED) # one that hangs ends its process: another takes the next one

.PHONY: lint
lint: .venv/ready ## format, lint and types
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy $(DISTRIBUTIONS) benchmarks dashboards

.venv-manifests/ready: requirements/manifests.txt
	@$(PYTHON) -m venv --clear .venv-manifests
	@.venv-manifests/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/manifests.txt
	@touch .venv-manifests/ready

.PHONY: k8s-check
k8s-check: .venv/ready .venv-manifests/ready ## the manifests: schemas of three Kubernetes versions, rules, policies (needs kubectl)
	@$(BIN)/pytest -q $(MANIFESTS)
	@$(BIN)/python tests/deploy/manifests.py run/k8s
	@.venv-manifests/bin/checkov --config-file deploy/k8s/checkov.yaml --file run/k8s/paper.yaml --file run/k8s/live.yaml

.PHONY: bench
bench: .venv/ready ## what README claims of speed and size, measured beside a reference in the same run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@$(BIN)/python -m benchmarks

.PHONY: fuzz
fuzz: .venv/ready ## any bytes from every credential at a desk of its own, which has to go on (SECONDS=600 SEED=7)
	@$(BIN)/python -m tests.chaos.fuzz --seconds $(or $(SECONDS),600) --seed $(or $(SEED),7)

.PHONY: seeds
seeds: .venv/ready ## random faults and kills at a venue, a desk for each seed: its books are the venue's (VENUE=ibkr SEEDS=200 FIRST=1)
	@$(BIN)/python -m tests.chaos.seeds --venue $(or $(VENUE),ibkr) --seeds $(or $(SEEDS),200) --first $(or $(FIRST),1)

.PHONY: campaigns
campaigns: .venv/ready ## anything that anybody may want of a desk, and deaths at any instant, in process: every promise is kept (SEEDS=1000 FIRST=1)
	@$(BIN)/python -m tests.desk_in_process.campaign --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1)

.PHONY: images
images: ## build the images of docker-compose.yml: one Dockerfile, an image for each service
	@.ci/base-images
	@docker compose --profile "*" build

.PHONY: container-test
container-test: .venv/ready images ## the desk in containers, by compose and by the manifests: trades, deaths, replicas, alerts (needs Docker, root)
	@SIGNALBOX_CONTAINERS=1 $(BIN)/pytest tests/deploy/test_compose.py tests/deploy/test_kubernetes_pods.py $(OVERRIDES)

.PHONY: docs
docs: .venv/ready ## write the generated documents again
	@$(BIN)/python -m signalbox.schemas
	@$(BIN)/python -m signalbox.accounts_file > deploy/nats/accounts.conf
	@$(BIN)/python -m signalbox_cli.reference > docs/commands.md
	@$(BIN)/python -m signalbox_cli.listing
	@$(BIN)/python -m signalbox_cli.metrics_reference > docs/metrics.md
	@$(BIN)/python -m signalbox_cli.limits_reference > docs/limits.md
	@$(BIN)/python -m signalbox_cli.indicators_reference > docs/indicators.md
	@$(BIN)/python -m signalbox_cli.order_types_reference > docs/order-types.md
	@$(BIN)/python -m signalbox_cli.order_lifecycle_reference > docs/order-lifecycle.md
	@$(BIN)/python -m dashboards
	@$(BIN)/python tests/venue/numbered.py > /dev/null
	@$(BIN)/python tests/deploy/copies.py > /dev/null
	@$(BIN)/python tests/shared/permission_matrix.py
