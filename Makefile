# The commands people type. Everything is built in one profile into one target folder.

.PHONY: demo test check build bench cuda interop

CARGO ?= cargo

## demo: build, train the small example on real text, measure it, fill gaps in held-out sentences
demo: build
	target/release/lacuna demo

## build: the program and all plugins
build:
	$(CARGO) build --release --workspace

## test: every test; the program and the plugins are built first, for tests run them
test: build
	$(CARGO) test --release --workspace

## check: formatting, lints, documentation, dependency rules
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps
	$(CARGO) test --release -p lacuna_tests --test arrows

## bench: the comparison with PyTorch, what the boundary costs, single operations; CASE=NAME: one case of the comparison,
## `versus` (all of those), `boundary` or `kernels`. Pictures and sounds are measured where LACUNA_DATA names the data's folder
BOUNDARY = --bench operations --bench loading --bench starting --bench steps
bench: build
ifeq ($(CASE),)
	$(CARGO) bench -p lacuna_benches $(BOUNDARY)
	$(CARGO) bench -p lacuna_benches --bench kernels
	$(CARGO) bench -p lacuna_benches --bench versus
else ifeq ($(CASE),boundary)
	$(CARGO) bench -p lacuna_benches $(BOUNDARY)
else ifeq ($(CASE),kernels)
	$(CARGO) bench -p lacuna_benches --bench kernels
else ifeq ($(CASE),versus)
	$(CARGO) bench -p lacuna_benches --bench versus
else
	$(CARGO) bench -p lacuna_benches --bench versus -- $(CASE)
endif

## cuda: the program with its CUDA devices, built into target/cuda/release; nvcc is fetched where CUDA_HOME is not set
cuda:
	CARGO="$(CARGO)" sh host/compute/cuda.sh

## interop: transformers in Python loads what is exported and computes the same numbers, for every architecture; installs
## transformers and torch (CPU) into target/interop the first time. PYTHON=… names the interpreter to begin with
PYTHON ?= python3
INTEROP = target/interop
interop: $(INTEROP)/ready
	$(CARGO) build --release --workspace
	LACUNA_PYTHON="$(CURDIR)/$(INTEROP)/bin/python" LACUNA_INTEROP=required $(CARGO) test --release -p lacuna_tests --test interop --test huggingface -- --nocapture

$(INTEROP)/ready:
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/pip install --quiet --retries 1 --timeout 15 torch==2.15.0 --index-url https://download.pytorch.org/whl/cpu || $(INTEROP)/bin/pip install --quiet torch==2.15.0
	$(INTEROP)/bin/pip install --quiet transformers==5.23.0 safetensors
	touch $@
