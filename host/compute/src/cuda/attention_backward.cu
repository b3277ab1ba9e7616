// Attention backward: probabilities again from the saved log-sum-exp; one pass for the queries, one for keys and values.
//
// Dao et al. 2022, arXiv:2205.14135, algorithm 4, without atomic additions: the gradients of keys and values sum over
// queries inside one block, so that results are the same bits every time.
#include "attention.cuh"

namespace {

// Probability and gradient of the score of a thread's pairs. `slopes` holds gradient · value on entry, the gradient of
// the score on return; `scores` holds products on entry, what weighted the values on return.
template <int SIDE>
__device__ __forceinline__ void differentiate(const Attention& call, const Segment& at, int64_t first_query,
                                              int64_t first_key, Real (&scores)[4][4], Real (&slopes)[4][4]) {
    const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    UNROLL
    for (int i = 0; i < 4; i++) {
        const int64_t query = first_query + 4 * ty + i;
        const bool inside = query < at.queries;
        const int64_t place = at.head * call.queries + at.query_start + query;
        const Real lse = inside ? call.lse[place] : minus_infinity(), level = inside ? call.level[place] : Real(0);
        UNROLL
        for (int j = 0; j < 4; j++) {
            const int64_t key = first_key + tx + SIDE * j;
            const Real s = score(call, at, query, key, scores[i][j]);
            const bool hidden = lse == minus_infinity() || s == minus_infinity();
            const Real p = hidden ? Real(0) : exp(s - lse);
            const Real factor = call.row_keys == nullptr || hidden ? Real(1) : dropout_factor(call, at, query, key);
            scores[i][j] = p * factor;
            // A hidden key may hold anything: 0 times infinity is not 0.
            slopes[i][j] = hidden ? Real(0) : p * (slopes[i][j] * factor - level);
        }
    }
}

template <int TILE>
__device__ __forceinline__ void store_tile(Real* tile, const Real (&from)[4][4]) {
    constexpr int SIDE = TILE / 4;
    const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int j = 0; j < 4; j++) tile[(4 * ty + i) * (TILE + 1) + tx + SIDE * j] = from[i][j];
    }
}

// Shared: q and k [TILE, pitch], gradient and v [TILE, value pitch], slopes [TILE, TILE + 1].
template <int TILE, int COLUMNS>
__device__ __forceinline__ void backward_queries(const Attention& call) {
    constexpr int SIDE = TILE / 4;
    const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    const int32_t* tile = call.query_tiles + 4 * int64_t(blockIdx.x);
    const Segment at(call, tile[0], blockIdx.y);
    const int64_t first = tile[1], key_end = tile[3], width = call.width, value_width = call.value_width;
    const int pitch = pitch_of(width), value_pitch = pitch_of(value_width);
    Real* q = shared_memory();
    Real* k = q + TILE * pitch;
    Real* gradient = k + TILE * pitch;
    Real* v = gradient + TILE * value_pitch;
    Real* kept = v + TILE * value_pitch;
    load_tile<TILE>(q, call.q, at.query_start, first, at.queries, call.heads, at.head, width);
    load_tile<TILE>(gradient, call.gradient, at.query_start, first, at.queries, call.heads, at.head, value_width);
    Real sums[4][COLUMNS];
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int c = 0; c < COLUMNS; c++) sums[i][c] = 0;
    }
    for (int64_t start = tile[2]; start < key_end; start += TILE) {
        load_tile<TILE>(k, call.k, at.key_start, start, at.keys, call.key_heads, at.key_head, width);
        load_tile<TILE>(v, call.v, at.key_start, start, at.keys, call.key_heads, at.key_head, value_width);
        __syncthreads();
        Real scores[4][4], slopes[4][4];
        products<SIDE>(scores, q, k, width);
        products<SIDE>(slopes, gradient, v, value_width);
        differentiate<SIDE>(call, at, first, start, scores, slopes);
        store_tile<TILE>(kept, slopes);
        if (call.dscores != nullptr) {
            UNROLL
            for (int i = 0; i < 4; i++) {
                UNROLL
                for (int j = 0; j < 4; j++) {
                    const int64_t query = first + 4 * ty + i, key = start + tx + SIDE * j;
                    if (query >= at.queries || key >= at.keys) continue;
                    const int64_t line = (at.segment * call.heads + at.head) * call.longest_queries + query;
                    call.dscores[line * call.longest_keys + key] = slopes[i][j];
                }
            }
        }
        __syncthreads();
        for (int key = 0; key < TILE; key++) {
            Real slope[4];
            UNROLL
            for (int i = 0; i < 4; i++) slope[i] = kept[(4 * ty + i) * (TILE + 1) + key];
            UNROLL
            for (int c = 0; c < COLUMNS; c++) {
                const int column = tx + SIDE * c;
                if (column < int(width)) {
                    const Real value = k[key * pitch + column];
                    UNROLL
                    for (int i = 0; i < 4; i++) sums[i][c] += slope[i] * value;
                }
            }
        }
        __syncthreads();
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        const int64_t query = first + 4 * ty + i;
        if (query >= at.queries) continue;
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
            const int64_t column = tx + SIDE * c;
            if (column < width) {
                call.dq[((at.query_start + query) * call.heads + at.head) * width + column] =
                    narrow(sums[i][c] * Real(call.scale));
            }
        }
    }
}

// sums[i][c] += Σ over queries of from[query][4·ty + i] · rows[query][tx + SIDE·c].
template <int TILE, int COLUMNS>
__device__ __forceinline__ void add_columns(Real (&sums)[4][COLUMNS], const Real* from, const Real* rows, int64_t width) {
    constexpr int SIDE = TILE / 4;
    const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE, pitch = pitch_of(width);
    for (int query = 0; query < TILE; query++) {
        Real factor[4];
        UNROLL
        for (int i = 0; i < 4; i++) factor[i] = from[query * (TILE + 1) + 4 * ty + i];
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
            const int column = tx + SIDE * c;
            if (column < int(width)) {
                const Real value = rows[query * pitch + column];
                UNROLL
                for (int i = 0; i < 4; i++) sums[i][c] += factor[i] * value;
            }
        }
    }
}

// Shared: as above. Block (x, y): one tile of keys, one key head; the query heads of its group one after the other.
template <int TILE, int COLUMNS>
__device__ __forceinline__ void backward_keys(const Attention& call) {
    constexpr int SIDE = TILE / 4;
    const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    const int32_t* tile = call.key_tiles + 4 * int64_t(blockIdx.x);
    const int64_t first = tile[1], key_head = blockIdx.y, group = call.heads / call.key_heads;
    const int64_t width = call.width, value_width = call.value_width;
    const int pitch = pitch_of(width), value_pitch = pitch_of(value_width);
    Real* q = shared_memory();
    Real* k = q + TILE * pitch;
    Real* gradient = k + TILE * pitch;
    Real* v = gradient + TILE * value_pitch;
    Real* kept = v + TILE * value_pitch;
    const Segment place(call, tile[0], key_head * group);
    load_tile<TILE>(k, call.k, place.key_start, first, place.keys, call.key_heads, key_head, width);
    load_tile<TILE>(v, call.v, place.key_start, first, place.keys, call.key_heads, key_head, value_width);
    Real key_sums[4][COLUMNS], value_sums[4][COLUMNS];
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
            key_sums[i][c] = 0;
            value_sums[i][c] = 0;
        }
    }
    for (int64_t head = key_head * group; head < (key_head + 1) * group; head++) {
        const Segment at(call, tile[0], head);
        for (int64_t index = tile[2]; index < tile[2] + tile[3]; index++) {
            const int32_t* query_tile = call.query_tiles + 4 * index;
            // The same for all threads of the block, as the barriers below need it.
            if (query_tile[2] >= first + TILE || query_tile[3] <= first) continue;
            const int64_t start = query_tile[1];
            load_tile<TILE>(q, call.q, at.query_start, start, at.queries, call.heads, head, width);
            load_tile<TILE>(gradient, call.gradient, at.query_start, start, at.queries, call.heads, head, value_width);
            __syncthreads();
            Real scores[4][4], slopes[4][4];
            products<SIDE>(scores, q, k, width);
            products<SIDE>(slopes, gradient, v, value_width);
            differentiate<SIDE>(call, at, start, first, scores, slopes);
            store_tile<TILE>(kept, scores);
            __syncthreads();
            add_columns<TILE, COLUMNS>(value_sums, kept, gradient, value_width);
            __syncthreads();
            store_tile<TILE>(kept, slopes);
            __syncthreads();
            add_columns<TILE, COLUMNS>(key_sums, kept, q, width);
            __syncthreads();
        }
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        const int64_t key = first + 4 * ty + i;
        if (key >= place.keys) continue;
        const int64_t row = (place.key_start + key) * call.key_heads + key_head;
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
            const int64_t column = tx + SIDE * c;
            if (column < width) call.dk[row * width + column] = narrow(key_sums[i][c] * Real(call.scale));
            if (column < value_width) call.dv[row * value_width + column] = narrow(value_sums[i][c]);
        }
    }
}

}  // namespace

// level = output · gradient of each query and head; a warp each, blocks of (32, 8).
KERNEL(attention_level, Attention) {
    const int64_t line = int64_t(blockIdx.x) * blockDim.y + threadIdx.y, width = call.value_width;
    if (line >= call.queries * call.heads) return;
    Real sum = 0;
    for (int64_t column = threadIdx.x; column < width; column += 32) {
        sum += wide(call.output[line * width + column]) * wide(call.gradient[line * width + column]);
    }
    sum = warp_sum(sum);
    if (threadIdx.x == 0) call.level[line % call.heads * call.queries + line / call.heads] = sum;
}

KERNEL(attention_backward_queries_32_8, Attention) { backward_queries<32, 8>(call); }
KERNEL(attention_backward_queries_32_16, Attention) { backward_queries<32, 16>(call); }
KERNEL(attention_backward_queries_32_32, Attention) { backward_queries<32, 32>(call); }
KERNEL(attention_backward_queries_64_4, Attention) { backward_queries<64, 4>(call); }
KERNEL(attention_backward_queries_64_8, Attention) { backward_queries<64, 8>(call); }
KERNEL(attention_backward_keys_32_8, Attention) { backward_keys<32, 8>(call); }
KERNEL(attention_backward_keys_32_16, Attention) { backward_keys<32, 16>(call); }
KERNEL(attention_backward_keys_32_32, Attention) { backward_keys<32, 32>(call); }
KERNEL(attention_backward_keys_64_4, Attention) { backward_keys<64, 4>(call); }
KERNEL(attention_backward_keys_64_8, Attention) { backward_keys<64, 8>(call); }
