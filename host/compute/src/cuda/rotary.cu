// Rotary position embedding (Su et al. 2021, arXiv:2104.09864): pairs of features turn by an angle of their position.
#include "common.cuh"

struct Rotary {
    const Element* x;           // [rows, heads, width]
    const Real* cosines;        // [positions, half]
    const Real* sines;          // the same
    const uint32_t* positions;  // [rows]: each row's place in the table
    Element* y;                 // as x
    int64_t rows;
    int64_t heads;
    int64_t width;
    int64_t half;         // pairs that turn
    int64_t interleaved;  // pairs (2i, 2i + 1) instead of (i, i + half)
    double direction;     // 1 forward, -1 backward
};

// Threads over the pairs of a head and the features behind them, blocks of the second axis over rows and heads.
KERNEL(rotary_turn, Rotary) {
    const int64_t place = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, half = call.half;
    if (place >= call.width - half) return;
    for (int64_t line = blockIdx.y; line < call.rows * call.heads; line += gridDim.y) {
        const Element* x = call.x + line * call.width;
        Element* y = call.y + line * call.width;
        if (place >= half) {
            y[half + place] = x[half + place];
            continue;
        }
        const int64_t turn = int64_t(call.positions[line / call.heads]) * half + place;
        const int64_t first = call.interleaved != 0 ? 2 * place : place;
        const int64_t second = call.interleaved != 0 ? 2 * place + 1 : place + half;
        const Real c = call.cosines[turn], s = call.sines[turn] * Real(call.direction);
        const Real a = wide(x[first]), b = wide(x[second]);
        y[first] = narrow(a * c - b * s);
        y[second] = narrow(b * c + a * s);
    }
}
