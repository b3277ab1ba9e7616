#!/bin/sh
# Builds the program with its CUDA devices, on a machine with or without a GPU: `make cuda` calls it from the root.
#
# Without CUDA_HOME it fetches nvcc and its headers as Python packages into target/cuda-toolkit. The libraries that the
# program is linked to are not among them (they come with a driver and a full toolkit): for the linker, stand-ins are made of
# the names that the compiled crates ask of them. Nothing of the stand-ins is in the program.
set -eu

CARGO=${CARGO:-cargo}
TARGET=${CARGO_TARGET_DIR:-target}
TOOLKIT=$(pwd)/target/cuda-toolkit
BUILT=$TARGET/cuda
CRATES="--workspace --exclude lacuna_tests --exclude lacuna_benches --features lacuna/cuda"

say() { printf 'cuda: %s\n' "$1"; }

fetch_toolkit() {
    if [ ! -f "$TOOLKIT/ready" ]; then
        PYTHON=$(command -v python3 || command -v python || true)
        if [ -z "$PYTHON" ]; then
            say "there is no Python to fetch nvcc with: install python3 with its venv module, or set CUDA_HOME to a CUDA 13 toolkit" >&2
            exit 2
        fi
        say "fetching nvcc 13.0 into $TOOLKIT"
        "$PYTHON" -m venv "$TOOLKIT" || {
            say "$PYTHON can't make an environment: install its venv module, or set CUDA_HOME to a CUDA 13 toolkit" >&2
            exit 2
        }
        "$TOOLKIT/bin/python" -m pip install --quiet --disable-pip-version-check 'nvidia-cuda-nvcc==13.0.*' \
            'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-nvvm==13.0.*'
        touch "$TOOLKIT/ready"
    fi
    CUDA_HOME=$(dirname "$(dirname "$(find "$TOOLKIT" -path '*/nvidia/*/bin/nvcc' | head -n 1)")")
    ln -sf libcudart.so.13 "$CUDA_HOME/lib/libcudart.so"
    MAKE_STAND_INS=1
}

# stand_in LIBRARY SONAME PATTERN: a library with a function of each name asked for that the pattern takes.
stand_in() {
    { grep -E "$3" "$CUDA_HOME/asked" || true; } | sed 's/.*/void &(void) {}/' |
        cc -shared -fPIC -w -x c - -Wl,-soname,"$2" -o "$CUDA_HOME/lib/lib$1.so"
}

make_stand_ins() {
    find "$BUILT/release" \( -name '*.rlib' -o -name 'libmoe.a' \) -exec nm -u --format=posix {} + 2>/dev/null |
        sed 's/ .*//' | grep -E '^(cu[A-Z]|cublas|curand|nvrtc)' | sort -u >"$CUDA_HOME/asked"
    stand_in cuda libcuda.so.1 '^cu[A-Z]'
    stand_in cublasLt libcublasLt.so.13 '^cublasLt'
    stand_in cublas libcublas.so.13 '^cublas($|[^L])'
    stand_in curand libcurand.so.10 '^curand'
    stand_in nvrtc libnvrtc.so.13 '^nvrtc'
}

MAKE_STAND_INS=0
if [ -z "${CUDA_HOME:-}" ]; then fetch_toolkit; fi
if [ ! -x "$CUDA_HOME/bin/nvcc" ]; then
    say "there is no nvcc in $CUDA_HOME/bin: set CUDA_HOME to a CUDA 13 toolkit, or unset it and nvcc is fetched" >&2
    exit 2
fi
export CUDA_HOME
export PATH="$CUDA_HOME/bin:$PATH"
if [ -z "${CUDA_COMPUTE_CAP:-}" ]; then
    CUDA_COMPUTE_CAP=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d '.' || true)
    export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-90}"
fi

say "checking the kernels on the CPU, thread by thread"
$CARGO test --release -p compute --features cuda-emulation --lib -- cuda:: nn_ops::
say "building for compute capability $CUDA_COMPUTE_CAP with $CUDA_HOME"
# shellcheck disable=SC2086 # several words
if [ "$MAKE_STAND_INS" = 1 ]; then
    $CARGO build --release --target-dir "$BUILT" $CRATES --lib
    make_stand_ins
fi
# shellcheck disable=SC2086 # several words
$CARGO build --release --target-dir "$BUILT" $CRATES
say "built $BUILT/release/lacuna and its plugins; it needs a GPU of compute capability $CUDA_COMPUTE_CAP or later with a CUDA 13 driver,"
say "and the libraries of CUDA 13 (cublas, curand, cudart) where the loader finds them. No kernel was run on a GPU."
