// One call of attention: what every kernel of it reads, and the score of one query and key.
//
// Rows of q, k and v are [rows, heads, width]; segments by offsets; positions inside a segment are called places. A block
// holds TILE × TILE scores, four times four of them on each thread: queries 4·ty + i, keys tx + SIDE·j.
#pragma once
#include "common.cuh"

struct Attention {
    const Element* q;                // [queries, heads, width]
    const Element* k;                // [keys, key_heads, width]
    const Element* v;                // [keys, key_heads, value_width]
    const Element* gradient;         // of the output; backward only
    Element* output;                 // [queries, heads, value_width]
    Real* lse;                       // [heads, queries]: log-sum-exp, minus infinity where nothing is seen
    Real* level;                     // [heads, queries]: output · gradient; backward only
    Element* dq;                     // as q
    Element* dk;                     // as k
    Element* dv;                     // as v
    Real* dscores;                   // [segments, heads, longest_queries, longest_keys] or null
    const int32_t* query_tiles;      // [tiles, 4]: segment, first query, first and last + 1 key that any of it sees
    const int32_t* key_tiles;        // [tiles, 4]: segment, first key, the segment's first query tile and their number
    const int32_t* query_offsets;    // [segments + 1]
    const int32_t* key_offsets;      // [segments + 1]
    const int32_t* range_starts;     // [queries]: first key seen
    const int32_t* range_ends;       // [queries]: last key seen + 1
    const uint32_t* query_positions; // [queries]; ALiBi only
    const uint32_t* key_positions;   // [keys]; ALiBi only
    const Real* slopes;              // [heads] or null
    const uint8_t* visible;          // [keys] or null
    const uint8_t* dense;            // or null; visible pairs
    const Real* bias;                // or null
    const uint64_t* row_keys;        // [queries] or null: keys of dropout
    int64_t heads;
    int64_t key_heads;
    int64_t width;
    int64_t value_width;
    int64_t queries;
    int64_t longest_queries;
    int64_t longest_keys;
    int64_t dense_strides[3];  // segment, head, query
    int64_t bias_strides[3];
    int64_t dropout_limit;
    double dropout_factor;
    double scale;
};

namespace {

// Elements from one row of a tile in shared memory to the next: odd, so that columns lie in different banks.
__device__ __forceinline__ int pitch_of(int64_t width) { return int(width) | 1; }

// One segment and head.
struct Segment {
    int64_t segment, head, key_head;
    int64_t query_start, queries, key_start, keys;

    __device__ Segment(const Attention& call, int64_t segment, int64_t head)
        : segment(segment), head(head), key_head(head / (call.heads / call.key_heads)) {
        query_start = call.query_offsets[segment];
        queries = call.query_offsets[segment + 1] - query_start;
        key_start = call.key_offsets[segment];
        keys = call.key_offsets[segment + 1] - key_start;
    }
};

// Rows `first..first + TILE` of one head into shared memory; rows from `count` on become 0.
template <int TILE>
__device__ __forceinline__ void load_tile(Real* tile, const Element* from, int64_t start, int64_t first, int64_t count,
                                          int64_t heads, int64_t head, int64_t width) {
    const int pitch = pitch_of(width);
    for (int at = threadIdx.x; at < TILE * int(width); at += blockDim.x) {
        const int row = at / int(width), column = at % int(width);
        const bool inside = first + row < count;
        tile[row * pitch + column] = inside ? wide(from[((start + first + row) * heads + head) * width + column]) : Real(0);
    }
}

// products[i][j] = row 4·ty + i of `a` times row tx + SIDE·j of `b`.
template <int SIDE>
__device__ __forceinline__ void products(Real (&result)[4][4], const Real* a, const Real* b, int64_t width) {
    const int pitch = pitch_of(width), tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
    UNROLL
    for (int i = 0; i < 4; i++) {
        UNROLL
        for (int j = 0; j < 4; j++) result[i][j] = 0;
    }
    for (int column = 0; column < int(width); column++) {
        Real left[4], right[4];
        UNROLL
        for (int i = 0; i < 4; i++) left[i] = a[(4 * ty + i) * pitch + column];
        UNROLL
        for (int j = 0; j < 4; j++) right[j] = b[(tx + SIDE * j) * pitch + column];
        UNROLL
        for (int i = 0; i < 4; i++) {
            UNROLL
            for (int j = 0; j < 4; j++) result[i][j] += left[i] * right[j];
        }
    }
}

// The score of one pair from the product of its rows: scaled, with biases, minus infinity where the key is not seen.
__device__ __forceinline__ Real score(const Attention& call, const Segment& at, int64_t query, int64_t key, Real product) {
    if (query >= at.queries) return minus_infinity();
    const int64_t row = at.query_start + query;
    if (key < call.range_starts[row] || key >= call.range_ends[row]) return minus_infinity();
    if (call.visible != nullptr && call.visible[at.key_start + key] == 0) return minus_infinity();
    if (call.dense != nullptr) {
        const int64_t* stride = call.dense_strides;
        if (call.dense[at.segment * stride[0] + at.head * stride[1] + query * stride[2] + key] == 0) return minus_infinity();
    }
    Real result = product * Real(call.scale);
    if (call.bias != nullptr) {
        const int64_t* stride = call.bias_strides;
        result += call.bias[at.segment * stride[0] + at.head * stride[1] + query * stride[2] + key];
    }
    if (call.slopes != nullptr) {
        const uint32_t own = call.query_positions[row], other = call.key_positions[at.key_start + key];
        result -= call.slopes[at.head] * Real(own > other ? own - other : other - own);
    }
    return result;
}

// 0 or 1 / (1 - rate) for one pair.
__device__ __forceinline__ Real dropout_factor(const Attention& call, const Segment& at, int64_t query, int64_t key) {
    if (call.row_keys == nullptr || query >= at.queries) return Real(1);
    const uint64_t index = uint64_t(at.head) << 32 | uint64_t(key / 4);
    const Words words = random_words(call.row_keys[at.query_start + query], index);
    return int64_t(words.word[key % 4] >> 9) < call.dropout_limit ? Real(call.dropout_factor) : Real(0);
}

}  // namespace
