// Bias and activation after a product, and gated linear units.
//
// Threads go over columns, blocks of the second axis over rows, so that no index needs a division.
#include "common.cuh"

namespace {

// As `Activation` in Rust.
enum { NONE = 0, RELU = 1, GELU = 2, GELU_TANH = 3, SILU = 4, SIGMOID = 5 };

constexpr double TANH_SCALE = 0.7978845608028654;
constexpr double TANH_CUBE = 0.044715;
constexpr double ROOT_HALF = 0.7071067811865476;
constexpr double NORMAL_PEAK = 0.3989422804014327;

// Zero where e^-x overflows, as it should be.
__device__ __forceinline__ Real sigmoid(Real x) { return Real(1) / (Real(1) + exp(-x)); }
__device__ __forceinline__ Real normal_cdf(Real x) { return Real(0.5) * erfc(-x * Real(ROOT_HALF)); }

__device__ __forceinline__ Real activated(int64_t kind, Real z) {
    switch (kind) {
        case RELU: return z < Real(0) ? Real(0) : z;
        case GELU: return z * normal_cdf(z);
        case GELU_TANH:
            return Real(0.5) * z * (Real(1) + tanh(Real(TANH_SCALE) * (z + Real(TANH_CUBE) * z * z * z)));
        case SILU: return z * sigmoid(z);
        case SIGMOID: return sigmoid(z);
        default: return z;
    }
}

__device__ __forceinline__ Real slope(int64_t kind, Real z) {
    switch (kind) {
        case RELU: return z > Real(0) ? Real(1) : Real(0);
        case GELU: return normal_cdf(z) + z * Real(NORMAL_PEAK) * exp(Real(-0.5) * z * z);
        case GELU_TANH: {
            const Real t = tanh(Real(TANH_SCALE) * (z + Real(TANH_CUBE) * z * z * z));
            const Real inner = Real(TANH_SCALE) * (Real(1) + Real(3 * TANH_CUBE) * z * z);
            return Real(0.5) * (Real(1) + t) + Real(0.5) * z * (Real(1) - t * t) * inner;
        }
        case SILU: {
            const Real s = sigmoid(z);
            return s * (Real(1) + z * (Real(1) - s));
        }
        case SIGMOID: {
            const Real s = sigmoid(z);
            return s * (Real(1) - s);
        }
        default: return Real(1);
    }
}

}  // namespace

struct Epilogue {
    const Element* product;   // [rows, width]
    const Real* bias;         // [width] or null
    const Element* gradient;  // of the result; backward only
    Element* out;             // forward the result, backward the gradient of the product
    int64_t rows;
    int64_t width;
    int64_t activation;
};

KERNEL(epilogue_forward, Epilogue) {
    const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column >= call.width) return;
    const Real bias = call.bias != nullptr ? call.bias[column] : Real(0);
    for (int64_t row = blockIdx.y; row < call.rows; row += gridDim.y) {
        const int64_t at = row * call.width + column;
        call.out[at] = narrow(activated(call.activation, wide(call.product[at]) + bias));
    }
}

KERNEL(epilogue_backward, Epilogue) {
    const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column >= call.width) return;
    const Real bias = call.bias != nullptr ? call.bias[column] : Real(0);
    for (int64_t row = blockIdx.y; row < call.rows; row += gridDim.y) {
        const int64_t at = row * call.width + column;
        call.out[at] = narrow(wide(call.gradient[at]) * slope(call.activation, wide(call.product[at]) + bias));
    }
}

struct Gate {
    const Element* x;         // [rows, 2 · width]: gate and value side by side
    const Element* gradient;  // [rows, width]; backward only
    Element* out;             // forward [rows, width], backward [rows, 2 · width]
    int64_t rows;
    int64_t width;
    int64_t activation;
};

KERNEL(glu_forward, Gate) {
    const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, width = call.width;
    if (column >= width) return;
    for (int64_t row = blockIdx.y; row < call.rows; row += gridDim.y) {
        const Element* x = call.x + row * 2 * width;
        call.out[row * width + column] = narrow(activated(call.activation, wide(x[column])) * wide(x[width + column]));
    }
}

KERNEL(glu_backward, Gate) {
    const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, width = call.width;
    if (column >= width) return;
    for (int64_t row = blockIdx.y; row < call.rows; row += gridDim.y) {
        const Element* x = call.x + row * 2 * width;
        Element* dx = call.out + row * 2 * width;
        const Real gate = wide(x[column]), value = wide(x[width + column]);
        const Real gradient = wide(call.gradient[row * width + column]);
        dx[column] = narrow(gradient * value * slope(call.activation, gate));
        dx[width + column] = narrow(gradient * activated(call.activation, gate));
    }
}
