// Dropout drawn from keys (Srivastava et al. 2014, JMLR 15); a thread for each block of four random words.
#include "common.cuh"

struct Dropout {
    const Element* x;      // [rows, width]
    const uint64_t* keys;  // [rows]
    Element* y;            // [rows, width]
    int64_t rows;
    int64_t width;
    int64_t limit;  // kept where the upper 23 bits of the word are below
    double factor;  // 1 / (1 - rate)
};

// Threads over groups of four features, blocks of the second axis over rows.
KERNEL(dropout_apply, Dropout) {
    const int64_t group = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (4 * group >= call.width) return;
    for (int64_t row = blockIdx.y; row < call.rows; row += gridDim.y) {
        const Words words = random_words(call.keys[row], uint64_t(group));
        for (int64_t i = 0; i < 4 && 4 * group + i < call.width; i++) {
            const int64_t at = row * call.width + 4 * group + i;
            const bool kept = int64_t(words.word[i] >> 9) < call.limit;
            call.y[at] = narrow(kept ? wide(call.x[at]) * Real(call.factor) : Real(0));
        }
    }
}
