# make run, make test: everything else is set up on the way. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run run-fleet demo-shadow test check bench clean
MAKEFLAGS += --no-print-directory

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

# The stamps make an environment that is up to date cost nothing; the larger one holds the smaller.
.venv/.figway: pyproject.toml
	@.ci/make-venv
	@touch $@

.venv/.figway-fleet: pyproject.toml
	@.ci/make-venv unleash
	@touch .venv/.figway $@

.venv/.figway-test: pyproject.toml
	@.ci/make-venv test,check,unleash
	@touch .venv/.figway .venv/.figway-fleet $@

.venv/.figway-bench: pyproject.toml
	@.ci/make-venv test,check,unleash,bench
	@touch .venv/.figway .venv/.figway-fleet .venv/.figway-test $@

run: .venv/.figway ## the shop, the new services and Figway, until Ctrl-C
	@.ci/install-system run
	@exec .venv/bin/python -m deploy.run

run-fleet: .venv/.figway-fleet ## three replicas with Redis and Unleash, until Ctrl-C
	@.ci/install-system run-fleet
	@exec .venv/bin/python -m deploy.run_fleet

demo-shadow: .venv/.figway ## visitors, planted faults, and how Figway finds them, until Ctrl-C
	@.ci/install-system run
	@exec .venv/bin/python -m deploy.demo_shadow

test: .venv/.figway-test ## every test
	@.ci/install-system test
	@mkdir -p .run && rm -f .run/test.exit
	@.venv/bin/python -m pytest || { code=$$?; echo $$code >.run/test.exit; exit $$code; }

check: .venv/.figway-test ## lint, format, types, architecture
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/python -m pytest -q tests/test_architecture.py

bench: .venv/.figway-bench ## Figway beside nginx, HAProxy, Envoy and aiohttp
	@bench/install-peers
	@.ci/install-system bench
	@.venv/bin/python -m bench

clean: ## forget what was made here: environment, databases, sessions, logs, state
	@rm -rf .venv .run .figway legacy_stub/var new_services/catalog/var
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
