# The commands of this repository. `make help` lists them. Everything happens inside .venv and rust/target.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
DATA ?= ./data
S3TESTS ?=
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
FUZZ_AUTHZ_SECONDS ?= 600
FUZZ_AUTHZ_COMPARISONS ?= 100000000
FUZZ_AUTHZ_SEED ?= 1000000
TUPLES ?= 10000000

RUST_SOURCES := $(shell find rust -name target -prune -o -path rust/fuzz -prune -o -type f \( -name '*.rs' -o -name 'Cargo.*' \) -print)

.PHONY: help tools build serve test lint format bench bench-authz crash fuzz fuzz-authz s3-tests docs lock clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12

tools:
	@command -v cargo >/dev/null || { echo "cargo is missing: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: sudo apt-get install build-essential   (Fedora: sudo dnf install gcc)" >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: sudo apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: sudo apt-get install python3-venv" >&2; exit 1; }

$(BIN)/python: | tools
	$(PYTHON) -m venv $(VENV)

# Two sets: what serves, and what tests and checks. Both are locked with hashes.
$(VENV)/.serves: requirements/serve.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/serve.txt
	@touch $@

$(VENV)/.tests: requirements/dev.txt $(VENV)/.serves
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# The extension, in release mode, and the command. Python sources are used in place: only Rust needs building.
$(VENV)/.built: $(VENV)/.serves pyproject.toml storage/__init__.py $(RUST_SOURCES)
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release
	@touch $@

build: tools $(VENV)/.built ## the command, at .venv/bin/panthera

serve: build ## the whole server on this machine, data under ./data
	@exec $(BIN)/panthera serve --data $(DATA)

test: build $(VENV)/.tests ## all tests of both languages
	cd rust && cargo test --workspace --locked
	cd rust && cargo test --locked -p panthera-authz --features model --test model
	cd rust && cargo test --locked -p panthera-authz --features model --lib relations::queue::modelled
	$(BIN)/python -m pytest

lint: tools $(VENV)/.tests ## everything that reads the code without running it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/tidy
	cd rust && cargo fmt --all --check
	cd rust && cargo clippy --workspace --all-targets --locked -- -D warnings
	cd rust && cargo clippy --locked -p panthera-authz --features model --test model -- -D warnings
	@if command -v cargo-deny >/dev/null; then cd rust && cargo deny --config ../deny.toml check; \
	else echo "cargo-deny is not installed, licences and advisories unchecked: cargo install --locked cargo-deny"; fi

format: $(VENV)/.tests ## rewrite the sources in the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd rust && cargo fmt --all

bench: build $(VENV)/.tests ## ratios against this machine's limits (about 15 minutes)
	$(BIN)/python bench/run.py

# TUPLES=10000000 is the data set of the bar (T10); memory metastore, one process.
bench-authz: build ## figures of authorization on TUPLES tuples (10M: about 5 minutes)
	cd rust && cargo run --release --locked -p panthera-authz --example bench_authz -- $(TUPLES)
	$(BIN)/python bench/authz_python.py

crash: build $(VENV)/.tests ## kill -9 twenty times under load (about 5 minutes)
	$(BIN)/python tests/crash/kill_loop.py --kills 20
	cd rust && cargo test --locked -p panthera-volume --test crash -- --ignored

# Without a sanitizer and therefore without nightly; RUSTC_BOOTSTRAP lets stable take the flags of cargo-fuzz.
fuzz: tools ## every fuzz target for FUZZ_SECONDS each (60: about half an hour)
	@command -v c++ >/dev/null || { echo "a C++ compiler is missing: sudo apt-get install build-essential   (Fedora: sudo dnf install gcc-c++)" >&2; exit 1; }
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	@cd rust/fuzz && RUSTC_BOOTSTRAP=1 FUZZ_SECONDS=$(FUZZ_SECONDS) sh run.sh $(FUZZ_TARGETS)

# Rust until its comparisons are made, however long that takes; then Python for FUZZ_AUTHZ_SECONDS.
fuzz-authz: build $(VENV)/.tests ## the relationship engine against two naive evaluators, 10^8 comparisons (20 minutes)
	cd rust && FUZZ_AUTHZ_SEED=$(FUZZ_AUTHZ_SEED) FUZZ_AUTHZ_COMPARISONS=$(FUZZ_AUTHZ_COMPARISONS) \
	  cargo test --release --locked -p panthera-authz --test differential -- --ignored --nocapture
	FUZZ_AUTHZ_SEED=$(FUZZ_AUTHZ_SEED) FUZZ_AUTHZ_SECONDS=$(FUZZ_AUTHZ_SECONDS) \
	  $(BIN)/python -m pytest -q -s tests/authz/test_oracle.py

s3-tests: build $(VENV)/.tests ## ceph's suite against expected failures: make s3-tests S3TESTS=<checkout>
	@test -n "$(S3TESTS)" || { echo "say where ceph/s3-tests is: make s3-tests S3TESTS=<checkout>" >&2; exit 1; }
	$(BIN)/python s3-compat-tests/ceph.py "$(S3TESTS)"

docs: build $(VENV)/.tests ## the generated parts of docs/ and README.md
	$(BIN)/python tools/write_docs.py

lock: $(VENV)/.tests ## the lock files of the Python side, from pyproject.toml
	PATH="$(abspath $(BIN)):$$PATH" sh tools/lock.sh

clean: ## everything built; never the data
	rm -rf $(VENV) rust/target
