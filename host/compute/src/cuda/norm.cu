// Layer norm and RMS norm over the last axis, with the residual sum before them; a warp for each row.
//
// Ba et al. 2016, arXiv:1607.06450; Zhang & Sennrich 2019, arXiv:1910.07467. Blocks are (32, 8): eight rows.
#include "common.cuh"

struct NormForward {
    const Element* x;         // [rows, width]
    const Element* residual;  // the same, or null
    const Real* weight;       // [width] or null
    const Real* bias;         // [width] or null
    Element* y;               // [rows, width]
    Element* total;           // x + residual, or null without a residual
    Real* statistics;         // [rows, 2]: mean, reciprocal deviation
    int64_t rows;
    int64_t width;
    int64_t centered;  // layer norm
    double eps;
};

KERNEL(norm_forward, NormForward) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y, lane = threadIdx.x, width = call.width;
    if (row >= call.rows) return;
    const Element* x = call.x + row * width;
    Real sum = 0;
    if (call.residual != nullptr) {
        const Element* residual = call.residual + row * width;
        Element* total = call.total + row * width;
        for (int64_t column = lane; column < width; column += 32) {
            total[column] = narrow(wide(x[column]) + wide(residual[column]));
            sum += wide(total[column]);
        }
        // From here on each lane reads only what it wrote itself.
        x = total;
    } else {
        for (int64_t column = lane; column < width; column += 32) sum += wide(x[column]);
    }
    const Real mean = call.centered != 0 ? warp_sum(sum) / Real(width) : Real(0);
    Real squares = 0;
    for (int64_t column = lane; column < width; column += 32) {
        const Real distance = wide(x[column]) - mean;
        squares += distance * distance;
    }
    const Real scale = Real(1) / sqrt(warp_sum(squares) / Real(width) + Real(call.eps));
    Element* y = call.y + row * width;
    for (int64_t column = lane; column < width; column += 32) {
        Real normed = (wide(x[column]) - mean) * scale;
        if (call.weight != nullptr) normed *= call.weight[column];
        if (call.bias != nullptr) normed += call.bias[column];
        y[column] = narrow(normed);
    }
    if (lane == 0) {
        call.statistics[2 * row] = mean;
        call.statistics[2 * row + 1] = scale;
    }
}

struct NormBackward {
    const Element* x;             // [rows, width]: what was normalised
    const Element* gradient;      // of the result
    const Element* sum_gradient;  // of the residual sum, added; or null
    const Real* weight;           // [width] or null
    const Real* statistics;       // [rows, 2]
    Element* dx;                  // [rows, width]
    int64_t rows;
    int64_t width;
    int64_t centered;
};

KERNEL(norm_backward, NormBackward) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y, lane = threadIdx.x, width = call.width;
    if (row >= call.rows) return;
    const Element* x = call.x + row * width;
    const Element* gradient = call.gradient + row * width;
    const Real mean = call.statistics[2 * row], scale = call.statistics[2 * row + 1];
    Real level = 0, along = 0;
    for (int64_t column = lane; column < width; column += 32) {
        Real slope = wide(gradient[column]);
        if (call.weight != nullptr) slope *= call.weight[column];
        level += slope;
        along += slope * ((wide(x[column]) - mean) * scale);
    }
    level = call.centered != 0 ? warp_sum(level) / Real(width) : Real(0);
    along = warp_sum(along) / Real(width);
    Element* dx = call.dx + row * width;
    for (int64_t column = lane; column < width; column += 32) {
        Real slope = wide(gradient[column]);
        if (call.weight != nullptr) slope *= call.weight[column];
        const Real normed = (wide(x[column]) - mean) * scale;
        Real result = (slope - level - normed * along) * scale;
        if (call.sum_gradient != nullptr) result += wide(call.sum_gradient[row * width + column]);
        dx[column] = narrow(result);
    }
}

struct NormWeights {
    const Element* x;         // [rows, width]
    const Element* gradient;  // [rows, width]
    const Real* statistics;   // [rows, 2]
    Real* parts;              // [chunks, 2, width]: gradients of weight and bias from each chunk of rows
    int64_t rows;
    int64_t width;
    int64_t chunk;  // rows of one chunk
};

// Block (x, y): 32 columns, one chunk. Shared: 2 · 8 · 32 numbers.
KERNEL(norm_weights, NormWeights) {
    const int64_t column = int64_t(blockIdx.x) * 32 + threadIdx.x, width = call.width;
    const int64_t first = int64_t(blockIdx.y) * call.chunk, end = min(call.rows, first + call.chunk);
    Real weight = 0, bias = 0;
    if (column < width) {
        for (int64_t row = first + threadIdx.y; row < end; row += blockDim.y) {
            const Real mean = call.statistics[2 * row], scale = call.statistics[2 * row + 1];
            const Real gradient = wide(call.gradient[row * width + column]);
            weight += gradient * ((wide(call.x[row * width + column]) - mean) * scale);
            bias += gradient;
        }
    }
    Real* scratch = shared_memory();
    const unsigned place = threadIdx.y * 32 + threadIdx.x, side = blockDim.y * 32;
    scratch[place] = weight;
    scratch[side + place] = bias;
    __syncthreads();
    if (threadIdx.y < 2 && column < width) {
        Real total = 0;
        for (unsigned y = 0; y < blockDim.y; y++) total += scratch[threadIdx.y * side + y * 32 + threadIdx.x];
        call.parts[(int64_t(blockIdx.y) * 2 + threadIdx.y) * width + column] = total;
    }
}
