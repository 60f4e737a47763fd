.DEFAULT_GOAL := help
SHELL := bash

help: ## What one can do here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

demo: ## Turn the example instructions into shards with the simulated model
	cargo run --release -- run examples/instructions.jsonl --simulate --out longhand-out/demo

secrets: ## Random passwords for the fleet, where they are missing (deploy/secrets)
	sh deploy/secrets.sh

up: ## The fleet in containers: build, migrate, start, wait until healthy
	docker compose up --build --wait

down: ## Stop the fleet; what it has done stays
	docker compose --profile demo down

demo-fleet: ## The fleet with the simulated model, and the example instructions as its first run
	docker compose --profile demo up --build --wait
	docker compose run --rm submit instructions.jsonl --wait
	mkdir -p longhand-out && docker compose cp shard-packer:/shards longhand-out

test: ## All tests
	cargo test --workspace

test-s3: ## Shards in a bucket, against a server that speaks S3 (installs moto from PyPI into the build's folder)
	cargo test --workspace --tests -- bucket --ignored --nocapture --test-threads 1

TRAINER := services/trainer/python
trainer-install: ## The training backend into services/trainer/python/.venv (CPU: 1.9 GB; KIND=gpu: 6 GB)
	$(TRAINER)/install.sh $(TRAINER)/.venv $(or $(KIND),cpu)

trainer-test: trainer-install ## Lints, types and tests of the training backend, on CPU
	cd $(TRAINER) && .venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/pytest

trainer-kills: trainer-install ## kill -9 of the trainer and of the training backend, 3 times each, at moments of SEED (1); minutes
	$(if $(LONGHAND),,cargo build --release --locked -p longhand)
	cd $(TRAINER) && LONGHAND=$(abspath $(LONGHAND)) SEED=$(or $(SEED),1) .venv/bin/pytest -m kills -s

dashboards-live: ## Every panel against a real fleet and Debian's Prometheus, which it installs; a minute
	cargo test -p longhand --test e2e -- alerts --ignored --nocapture

lint: ## Formatting and lints, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

ci: ## What CI runs: one compile for lints and tests
	bash .ci/run

N ?= 20000
simulate: ## The seeded simulation of the whole system, N seeds (N=20000)
	SEEDS=$(N) cargo test --release -p harness --test simulation -- --nocapture

compose-test: ## The fleet in containers under kills, from a clean clone (needs Docker)
	tests/compose.sh

CHAOS_TRIALS ?= 5
CHAOS_SEED ?= 1
chaos: ## The distributed edition under every fault, CHAOS_TRIALS times (5) from CHAOS_SEED (1); about an hour
	CHAOS_TRIALS=$(CHAOS_TRIALS) CHAOS_SEED=$(CHAOS_SEED) \
	  cargo test -p longhand --test chaos -- --include-ignored --nocapture --test-threads=2

mutants-guards: ## Remove one guard at a time; the simulation must catch each
	cargo test --release -p harness --test simulation guards_are_caught -- --nocapture --ignored

bench: ## The rows of docs/PERFORMANCE.md, measured here; JSON under bench/
	cargo build --release -p longhand   # by itself: beside the harness it would carry the crash points
	cargo run --release -p bench

bench-telemetry-off: ## What telemetry costs that is off, against a build without its hooks
	cargo build --release -p longhand --features unwatched --target-dir target/unwatched
	cargo build --release -p longhand
	cargo run --release -p bench -- telemetry --unwatched target/unwatched/release/longhand

.PHONY: help trainer-install trainer-test trainer-kills demo secrets up down demo-fleet compose-test test test-s3 dashboards-live lint ci simulate chaos mutants-guards bench bench-telemetry-off
