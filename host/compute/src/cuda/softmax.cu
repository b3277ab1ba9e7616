// Softmax and log-softmax over the last axis; a warp for each row, blocks of (32, 8).
#include "common.cuh"

struct Softmax {
    const Element* x;         // forward the input, backward the result; [rows, width]
    const Element* gradient;  // of the result; backward only
    Element* out;             // [rows, width]
    int64_t rows;
    int64_t width;
    int64_t logarithm;  // log-softmax
};

KERNEL(softmax_forward, Softmax) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y, lane = threadIdx.x, width = call.width;
    if (row >= call.rows) return;
    const Element* x = call.x + row * width;
    Element* out = call.out + row * width;
    Real shift = minus_infinity();
    for (int64_t column = lane; column < width; column += 32) {
        const Real value = wide(x[column]);
        shift = value > shift || value != value ? value : shift;
    }
    shift = warp_max(shift);
    Real total = 0;
    for (int64_t column = lane; column < width; column += 32) total += exp(wide(x[column]) - shift);
    total = warp_sum(total);
    const Real level = shift + log(total);
    for (int64_t column = lane; column < width; column += 32) {
        const Real value = wide(x[column]);
        out[column] = narrow(call.logarithm != 0 ? value - level : exp(value - shift) / total);
    }
}

KERNEL(softmax_backward, Softmax) {
    const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y, lane = threadIdx.x, width = call.width;
    if (row >= call.rows) return;
    const Element* y = call.x + row * width;
    const Element* gradient = call.gradient + row * width;
    Element* out = call.out + row * width;
    const bool logarithm = call.logarithm != 0;
    Real total = 0;
    for (int64_t column = lane; column < width; column += 32) {
        total += logarithm ? wide(gradient[column]) : wide(y[column]) * wide(gradient[column]);
    }
    total = warp_sum(total);
    for (int64_t column = lane; column < width; column += 32) {
        const Real value = wide(y[column]), slope = wide(gradient[column]);
        out[column] = narrow(logarithm ? slope - exp(value) * total : value * (slope - total));
    }
}
