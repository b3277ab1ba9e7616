// One step of AdamW for one weight (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), in the master's precision.
#include "common.cuh"

struct AdamW {
    const Element* value;
    const Element* gradient;
    const Element* first;
    const Element* second;
    Element* new_value;
    Element* new_first;
    Element* new_second;
    int64_t count;
    double beta1;
    double beta2;
    double epsilon;
    double keep;  // 1 - learning rate · decay
    double rate;  // learning rate over the first moment's bias correction
    double root;  // one over the root of the second moment's bias correction
};

KERNEL(adamw_step, AdamW) {
    const Real beta1 = Real(call.beta1), beta2 = Real(call.beta2);
    const Real rest1 = Real(1 - call.beta1), rest2 = Real(1 - call.beta2);
    const int64_t step = int64_t(gridDim.x) * blockDim.x;
    for (int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; at < call.count; at += step) {
        const Real gradient = wide(call.gradient[at]);
        const Real first = beta1 * wide(call.first[at]) + rest1 * gradient;
        const Real second = beta2 * wide(call.second[at]) + rest2 * gradient * gradient;
        call.new_first[at] = narrow(first);
        call.new_second[at] = narrow(second);
        const Real divisor = sqrt(second) * Real(call.root) + Real(call.epsilon);
        call.new_value[at] = narrow(Real(call.keep) * wide(call.value[at]) - Real(call.rate) * first / divisor);
    }
}
