// Sums over rows, in a fixed order: chunks of rows first, then the chunks.
#include "common.cuh"

struct ColumnParts {
    const Element* x;  // [rows, width]
    Real* parts;       // [chunks, width]
    int64_t rows;
    int64_t width;
    int64_t chunk;  // rows of one chunk
};

// Block (x, y) of (32, 8) threads: 32 columns, one chunk. Shared: 8 · 32 numbers.
KERNEL(column_parts, ColumnParts) {
    const int64_t column = int64_t(blockIdx.x) * 32 + threadIdx.x;
    const int64_t first = int64_t(blockIdx.y) * call.chunk, end = min(call.rows, first + call.chunk);
    Real sum = 0;
    if (column < call.width) {
        for (int64_t row = first + threadIdx.y; row < end; row += blockDim.y) sum += wide(call.x[row * call.width + column]);
    }
    Real* scratch = shared_memory();
    scratch[threadIdx.y * 32 + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < call.width) {
        Real total = 0;
        for (unsigned y = 0; y < blockDim.y; y++) total += scratch[y * 32 + threadIdx.x];
        call.parts[int64_t(blockIdx.y) * call.width + column] = total;
    }
}

struct ColumnTotals {
    const Real* parts;  // [chunks, width]
    Real* totals;       // [width]
    int64_t chunks;
    int64_t width;
};

KERNEL(column_totals, ColumnTotals) {
    const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column >= call.width) return;
    Real total = 0;
    for (int64_t chunk = 0; chunk < call.chunks; chunk++) total += call.parts[chunk * call.width + column];
    call.totals[column] = total;
}
