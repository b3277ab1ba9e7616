// Attention forward: one block for each tile of queries and head, keys tile by tile with a running softmax.
//
// Dao et al. 2022, arXiv:2205.14135, algorithm 1 (Dao 2023, arXiv:2307.08691, for the order of the loops).
#include "attention.cuh"

namespace {

// Shared: q [TILE, pitch], k or v [TILE, larger pitch], probabilities [TILE, TILE + 1].
template <int TILE, int COLUMNS>
__device__ __forceinline__ void forward(const Attention& call) {
    constexpr int SIDE = TILE / 4;
    const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    const int32_t* tile = call.query_tiles + 4 * int64_t(blockIdx.x);
    const Segment at(call, tile[0], blockIdx.y);
    const int64_t first = tile[1], key_end = tile[3], width = call.width, value_width = call.value_width;
    const int pitch = pitch_of(width), value_pitch = pitch_of(value_width);
    Real* q = shared_memory();
    Real* other = q + TILE * pitch;
    Real* probabilities = other + TILE * max(pitch, value_pitch);
    load_tile<TILE>(q, call.q, at.query_start, first, at.queries, call.heads, at.head, width);

    Real sums[4][COLUMNS], highest[4], total[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        highest[i] = minus_infinity();
        total[i] = 0;
        UNROLL
        for (int c = 0; c < COLUMNS; c++) sums[i][c] = 0;
    }
    for (int64_t start = tile[2]; start < key_end; start += TILE) {
        load_tile<TILE>(other, call.k, at.key_start, start, at.keys, call.key_heads, at.key_head, width);
        __syncthreads();
        Real scores[4][4];
        products<SIDE>(scores, q, other, width);
        UNROLL
        for (int i = 0; i < 4; i++) {
            const int64_t query = first + 4 * ty + i;
            Real peak = minus_infinity();
            UNROLL
            for (int j = 0; j < 4; j++) {
                const int64_t key = start + tx + SIDE * j;
                scores[i][j] = score(call, at, query, key, scores[i][j]);
                peak = scores[i][j] > peak || scores[i][j] != scores[i][j] ? scores[i][j] : peak;
            }
            peak = lanes_max(peak, SIDE);
            const Real now = peak > highest[i] || peak != peak ? peak : highest[i];
            // Nothing seen so far: all shares are 0, and minus infinity less itself is no number.
            const bool blind = now == minus_infinity();
            const Real shrink = highest[i] == minus_infinity() ? Real(0) : exp(highest[i] - now);
            Real share = 0;
            UNROLL
            for (int j = 0; j < 4; j++) {
                const int64_t key = start + tx + SIDE * j;
                Real p = blind || scores[i][j] == minus_infinity() ? Real(0) : exp(scores[i][j] - now);
                share += p;
                if (call.row_keys != nullptr && p != Real(0)) p *= dropout_factor(call, at, query, key);
                probabilities[(4 * ty + i) * (TILE + 1) + tx + SIDE * j] = p;
            }
            total[i] = total[i] * shrink + lanes_sum(share, SIDE);
            highest[i] = now;
            UNROLL
            for (int c = 0; c < COLUMNS; c++) sums[i][c] *= shrink;
        }
        __syncthreads();
        load_tile<TILE>(other, call.v, at.key_start, start, at.keys, call.key_heads, at.key_head, value_width);
        __syncthreads();
        for (int key = 0; key < TILE; key++) {
            Real p[4];
            UNROLL
            for (int i = 0; i < 4; i++) p[i] = probabilities[(4 * ty + i) * (TILE + 1) + key];
            UNROLL
            for (int c = 0; c < COLUMNS; c++) {
                const int column = tx + SIDE * c;
                if (column < int(value_width)) {
                    const Real value = other[key * value_pitch + column];
                    UNROLL
                    for (int i = 0; i < 4; i++) sums[i][c] += p[i] * value;
                }
            }
        }
        __syncthreads();
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        const int64_t query = first + 4 * ty + i;
        if (query >= at.queries) continue;
        const int64_t row = at.query_start + query;
        const bool blind = highest[i] == minus_infinity();
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
            const int64_t column = tx + SIDE * c;
            if (column < value_width) {
                call.output[(row * call.heads + at.head) * value_width + column] =
                    narrow(blind ? Real(0) : sums[i][c] / total[i]);
            }
        }
        if (tx == 0) call.lse[at.head * call.queries + row] = blind ? minus_infinity() : highest[i] + log(total[i]);
    }
}

}  // namespace

// Names say the tile and how many columns of the output a thread holds.
KERNEL(attention_forward_32_8, Attention) { forward<32, 8>(call); }
KERNEL(attention_forward_32_16, Attention) { forward<32, 16>(call); }
KERNEL(attention_forward_32_32, Attention) { forward<32, 32>(call); }
KERNEL(attention_forward_64_4, Attention) { forward<64, 4>(call); }
KERNEL(attention_forward_64_8, Attention) { forward<64, 8>(call); }
