# The embedded environment and the tests. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE ?= $(or $(HMLOPS_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/healthcare-mlops,$(HOME)/.cache/healthcare-mlops))
UV := $(shell command -v uv 2>/dev/null || echo $(CACHE)/uv/bin/uv)
PYTHON := .venv/bin/python
FHIR ?=
EHR ?=
NAME ?=
HOSPITAL ?=
PATIENT ?=
STACK ?=
# A stack's engine: with the variables that are there, else with those of this machine's embedded environment.
ENGINE = $(if $(STACK),,$(error name the stack: make $@ STACK=prod)) \
	if [ -z "$$PULUMI_BACKEND_URL" ]; then unset PULUMI_CONFIG_PASSPHRASE; eval "$$($(PYTHON) -m local env)"; fi; \
	pulumi --non-interactive
ACTIONLINT = cd .github/actionlint && GOMODCACHE=$(CACHE)/go/mod GOCACHE=$(CACHE)/go/build GOFLAGS=-modcacherw \
	go tool actionlint -config-file ../actionlint.yaml -shellcheck= -pyflakes= ../workflows/*.yaml
# A worker whose test hangs is replaced: an exception would be caught by the test, or reproduced by Hypothesis.
IN_PARALLEL = --numprocesses 2 --dist loadfile --no-loadscope-reorder --timeout-method thread
KEEP ?=
END ?=
# The cloud's packages are large: compiled once, a preview starts in a third of the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@echo "installing uv" >&2
	@python3 -m venv $(CACHE)/uv 2>/dev/null || { apt-get install -y -qq python3-venv >/dev/null && python3 -m venv $(CACHE)/uv; }
	@$(CACHE)/uv/bin/pip install --quiet --disable-pip-version-check 'uv==0.13.9'

.venv/.synced: pyproject.toml local/pyproject.toml uv.lock | $(UV)
	@$(UV) sync --frozen --quiet
	@touch $@

# Spark and what only tests need; `make up` does without.
.venv/.synced-tests: .venv/.synced
	@$(UV) sync --frozen --quiet --all-groups
	@touch $@

.PHONY: up
up: .venv/.synced ## start everything, deploy the dev stack, train, release and score (FHIR=folder for your own bundles, EHR=1 for a FHIR server)
	@$(PYTHON) -m local up $(if $(FHIR),--fhir "$(FHIR)") $(if $(EHR),--ehr)

.PHONY: images
images: .venv/.synced ## build the tools and container images, and write build/images.json
	@$(PYTHON) -m local images

.PHONY: status
status: .venv/.synced ## whether parts, models and Jobs are well, and what to do if not
	@$(PYTHON) -m local status

.PHONY: logs
logs: .venv/.synced ## a part's log (NAME=kube-apiserver)
	@$(PYTHON) -m local logs $(NAME)

.PHONY: env
env: .venv/.synced ## the variables for your own tools: eval "$$(make -s env)"
	@$(PYTHON) -m local env

.PHONY: discharge
discharge: .venv/.synced ## discharge a patient as the demonstration's EHR: the hook through the gateway, and its card (HOSPITAL=north, PATIENT=id)
	@$(PYTHON) -m local discharge "$(HOSPITAL)" $(if $(PATIENT),--patient "$(PATIENT)")

.PHONY: screenshots
screenshots: .venv/.synced-tests ## pictures of the card and the worklist of the running environment, to build/screenshots
	@$(PYTHON) -m tests.support.packages
	@$(PYTHON) -m tests.screenshots

.PHONY: audit-verify
audit-verify: .venv/.synced ## verify a hospital's audit chain against its signed anchors (HOSPITAL=north)
	@$(PYTHON) -m local audit-verify "$(HOSPITAL)"

.PHONY: promote
promote: .venv/.synced ## let a hospital's canary answer all encounters, if it was approved and is not stopped (HOSPITAL=north)
	@$(PYTHON) -m local promote "$(HOSPITAL)"

.PHONY: rollback
rollback: .venv/.synced ## withdraw a hospital's canary, or without one return to its previous release (HOSPITAL=north)
	@$(PYTHON) -m local rollback "$(HOSPITAL)"

.PHONY: rehearse
rehearse: .venv/.synced ## apply the prod stack from nothing, on the emulators (KEEP=1 leaves it running, END=1 ends it)
	@$(PYTHON) -m local rehearse $(if $(KEEP),--keep) $(if $(END),--end)

.PHONY: down
down: .venv/.synced ## stop everything; the data stays
	@$(PYTHON) -m local down

.PHONY: clean
clean: .venv/.synced ## stop everything and delete the data
	@$(PYTHON) -m local clean

.PHONY: preview
preview: .venv/.synced ## what an update would change, judged by the policy pack (STACK=prod)
	@$(ENGINE) preview --stack $(STACK) --diff --policy-pack policy_pack

.PHONY: deploy
deploy: .venv/.synced ## change what is deployed, judged by the policy pack (STACK=prod)
	@$(ENGINE) up --stack $(STACK) --yes --skip-preview --policy-pack policy_pack

.PHONY: revocations
revocations: .venv/.synced ## publish the revocation lists of client certificates to the gateways, and change nothing else (STACK=prod)
	@planned=$$($(ENGINE) preview --stack $(STACK)) || exit 1; case "$$planned" in *" to delete"*) \
	echo "make $@: this program deletes resources of $(STACK), which needs an update of the whole stack" >&2; exit 2;; esac
	@$(ENGINE) up --stack $(STACK) --yes --skip-preview --target '**-gateway-revoked' --policy-pack policy_pack

.PHONY: audit
audit: .venv/.synced ## judge what is deployed: the exported state, and the live Vault, AWS and cluster (STACK=prod)
	@state=$$(mktemp) && trap 'rm -f "$$state"' EXIT && { $(ENGINE) stack export --stack $(STACK) --file "$$state"; } && \
	$(PYTHON) -m policy_pack check --state "$$state" --stack-config Pulumi.$(STACK).yaml \
	$${VAULT_TOKEN:+--live vault} $${KUBECONFIG:+--live cluster} $${AWS_SHARED_CREDENTIALS_FILE:+--live aws}

.PHONY: lint
lint: .venv/.synced-tests ## style and strict types, and the workflow
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo --cache-dir build/import-linter
	@$(MAKE) --no-print-directory lint-workflow

.PHONY: lint-workflow
lint-workflow:
	@$(ACTIONLINT)

.PHONY: docs
docs: .venv/.synced ## generate docs/settings.md from the types of the settings, and docs/controls.md from the controls
	@$(PYTHON) -m infra.settings.reference > docs/settings.md
	@$(PYTHON) -m policy_pack.evidence.reference > docs/controls.md

.PHONY: test-unit
test-unit: .venv/.synced-tests ## tests that need nothing but Python, in minutes
	@.venv/bin/pytest tests/unit -m "not process" $(IN_PARALLEL) --timeout 600

.PHONY: test-processes
test-processes: .venv/.synced-tests ## tests that run a server, an engine, ingestion to training, or a whole stack many times, without the environment
	@.venv/bin/python -m tests.support.packages
	@.venv/bin/pytest tests/unit -m process $(IN_PARALLEL) --timeout 1800

.PHONY: test-charts
test-charts: .venv/.synced-tests ## render the platform's charts with Helm and evaluate their objects (builds Helm once, in minutes)
	@.venv/bin/python -m tests.charts

.PHONY: attacks
attacks: .venv/.synced-tests ## mutations of the stacks as an attacker makes them, and whether the policy pack catches each (minutes; writes docs/attacks.md)
	@$(PYTHON) -m tests.policy.attacks

.PHONY: test-fhir-server
test-fhir-server: .venv/.synced-tests ## ingestion from a real FHIR server, HAPI FHIR (minutes; needs Java 17 and Maven)
	@.venv/bin/pytest tests/peer/test_fhir_server.py -s -rs

.PHONY: test-ehr
test-ehr: .venv/.synced-tests ## a FHIR server as the EHR of care: alone, and on the environment of `make up EHR=1` (minutes; needs Java 17 and Maven)
	@.venv/bin/python -m tests.support.packages
	@.venv/bin/pytest tests/peer/test_ehr.py tests/integration/care/test_ehr.py -s -rs

.PHONY: test-care-clients
test-care-clients: .venv/.synced-tests ## third-party SMART and CDS Hooks clients against care (minutes; needs PostgreSQL and Node.js)
	@.venv/bin/pytest tests/peer/test_care_clients.py -s -rs

.PHONY: test
test: lint test-unit test-processes ## all tests; brings the environment up and leaves it as it found it
	@.venv/bin/pytest tests/integration
