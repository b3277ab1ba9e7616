// Kernels that are wrong on purpose, so that tests see the emulation find it.
#include "../common.cuh"

struct ColumnTotals {
    const Real* parts;
    Real* totals;
    int64_t chunks;
    int64_t width;
};

// Half of the threads wait for the others, which have gone.
KERNEL(fault_skipped_barrier, ColumnTotals) {
    if (threadIdx.x < blockDim.x / 2) __syncthreads();
    if (threadIdx.x < call.width) call.totals[threadIdx.x] = 0;
}

// Reads what its neighbour writes, without a barrier between.
KERNEL(fault_missing_barrier, ColumnTotals) {
    Real* scratch = shared_memory();
    scratch[threadIdx.x] = Real(threadIdx.x);
    call.totals[threadIdx.x] = scratch[(threadIdx.x + 1) % blockDim.x];
}

// The same with its barrier.
KERNEL(fault_none, ColumnTotals) {
    Real* scratch = shared_memory();
    scratch[threadIdx.x] = Real(threadIdx.x);
    __syncthreads();
    call.totals[threadIdx.x] = scratch[(threadIdx.x + 1) % blockDim.x];
}
