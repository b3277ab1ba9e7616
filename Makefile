# The commands people type. Everything is built in one profile into one target folder.

.PHONY: demo test check build bench cuda

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
## `versus` (all of those), `boundary` or `kernels`
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
