// Softmax cross-entropy with ignored labels and smoothing (Szegedy et al. 2016, arXiv:1512.00567, section 7), and against
// distributions; a block for each row. Shared: one number a warp.
#include "common.cuh"

namespace {

// The largest logit of a row and its log-sum-exp.
__device__ __forceinline__ Real log_sum_exp(const Element* x, int64_t width, Real* scratch) {
    Real shift = minus_infinity();
    for (int64_t column = threadIdx.x; column < width; column += blockDim.x) {
        const Real value = wide(x[column]);
        shift = value > shift || value != value ? value : shift;
    }
    shift = block_max(shift, scratch);
    Real total = 0;
    for (int64_t column = threadIdx.x; column < width; column += blockDim.x) total += exp(wide(x[column]) - shift);
    return shift + log(block_sum(total, scratch));
}

}  // namespace

struct CrossEntropy {
    const Element* logits;   // [rows, width]
    const int64_t* targets;  // [rows], -1 where ignored
    const Real* gradient;    // [rows]; backward only
    Real* loss;              // [rows]; forward only
    Real* lse;               // [rows]: log-sum-exp; 0 at ignored rows
    Element* dlogits;        // [rows, width]; backward only
    int64_t rows;
    int64_t width;
    double smoothing;
};

KERNEL(cross_entropy_forward, CrossEntropy) {
    const int64_t row = blockIdx.x, target = call.targets[row];
    if (target < 0) {
        if (threadIdx.x == 0) {
            call.loss[row] = 0;
            call.lse[row] = 0;
        }
        return;
    }
    const Element* x = call.logits + row * call.width;
    Real* scratch = shared_memory();
    const Real lse = log_sum_exp(x, call.width, scratch);
    Real loss = Real(1 - call.smoothing) * (lse - wide(x[target]));
    if (call.smoothing > 0) {
        Real sum = 0;
        for (int64_t column = threadIdx.x; column < call.width; column += blockDim.x) sum += wide(x[column]);
        loss += Real(call.smoothing) * (lse - block_sum(sum, scratch) / Real(call.width));
    }
    if (threadIdx.x == 0) {
        call.loss[row] = loss;
        call.lse[row] = lse;
    }
}

KERNEL(cross_entropy_backward, CrossEntropy) {
    const int64_t row = blockIdx.x, target = call.targets[row];
    const Element* x = call.logits + row * call.width;
    Element* dx = call.dlogits + row * call.width;
    const Real lse = call.lse[row], gradient = target < 0 ? Real(0) : call.gradient[row];
    const Real level = Real(call.smoothing / double(call.width));
    for (int64_t column = threadIdx.x; column < call.width; column += blockDim.x) {
        Real result = 0;
        if (target >= 0) {
            result = (exp(wide(x[column]) - lse) - level) * gradient;
            if (column == target) result -= Real(1 - call.smoothing) * gradient;
        }
        dx[column] = narrow(result);
    }
}

struct SoftCrossEntropy {
    const Element* logits;   // [rows, width]
    const Element* targets;  // [rows, width]: distributions
    const Real* gradient;    // [rows]; backward only
    Real* loss;              // [rows]; forward only
    Real* lse;               // [rows]
    Element* dlogits;        // [rows, width] or null
    Element* dtargets;       // [rows, width] or null
    int64_t rows;
    int64_t width;
};

KERNEL(soft_cross_entropy_forward, SoftCrossEntropy) {
    const int64_t row = blockIdx.x;
    const Element* x = call.logits + row * call.width;
    const Element* p = call.targets + row * call.width;
    Real* scratch = shared_memory();
    const Real lse = log_sum_exp(x, call.width, scratch);
    Real loss = 0;
    for (int64_t column = threadIdx.x; column < call.width; column += blockDim.x) {
        loss += wide(p[column]) * (lse - wide(x[column]));
    }
    loss = block_sum(loss, scratch);
    if (threadIdx.x == 0) {
        call.loss[row] = loss;
        call.lse[row] = lse;
    }
}

KERNEL(soft_cross_entropy_backward, SoftCrossEntropy) {
    const int64_t row = blockIdx.x, start = row * call.width;
    const Real lse = call.lse[row], gradient = call.gradient[row];
    Real total = 0;
    for (int64_t column = threadIdx.x; column < call.width; column += blockDim.x) total += wide(call.targets[start + column]);
    total = block_sum(total, shared_memory());
    for (int64_t column = threadIdx.x; column < call.width; column += blockDim.x) {
        const Real x = wide(call.logits[start + column]), p = wide(call.targets[start + column]);
        if (call.dlogits != nullptr) call.dlogits[start + column] = narrow(gradient * (exp(x - lse) * total - p));
        if (call.dtargets != nullptr) call.dtargets[start + column] = narrow(gradient * (lse - x));
    }
}
