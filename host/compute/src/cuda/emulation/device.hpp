// What the kernels use of CUDA, for a C++ compiler: coordinates, barriers, shuffles, shared memory, half precision.
//
// The threads of a block are fibers of one thread of the CPU (device.cpp). They run in a random order from barrier to
// barrier, so that a missing barrier shows in the results; a barrier that some threads never reach is an error.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#define __device__
#define __forceinline__ inline

namespace emulation {

struct Index {
    unsigned x, y, z;
};

struct Place {
    Index thread, block, block_size, grid_size;
};

const Place& place();
void block_barrier();
void warp_barrier();
// Shared memory of the block.
void* shared();
// A slot of eight bytes of thread `lane` of this warp.
uint64_t& slot(unsigned lane);
unsigned lane();

typedef void (*Entry)(const void* call);
// Makes a kernel known by name; `file` is the element type it was compiled for.
struct Registration {
    Registration(const char* name, const char* type, Entry entry);
};

template <class T>
T shuffle_xor(T value, unsigned distance) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most eight bytes");
    std::memcpy(&slot(lane()), &value, sizeof(T));
    warp_barrier();
    T other;
    std::memcpy(&other, &slot(lane() ^ distance), sizeof(T));
    warp_barrier();
    return other;
}

}  // namespace emulation

#define threadIdx (emulation::place().thread)
#define blockIdx (emulation::place().block)
#define blockDim (emulation::place().block_size)
#define gridDim (emulation::place().grid_size)

inline void __syncthreads() { emulation::block_barrier(); }

template <class T>
T __shfl_xor_sync(unsigned, T value, unsigned distance) {
    return emulation::shuffle_xor(value, distance);
}

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }

// Brain floating point, rounded to the nearest even.
struct __nv_bfloat16 {
    uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 x) {
    uint32_t bits = uint32_t(x.bits) << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}

inline __nv_bfloat16 __float2bfloat16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if (x != x) return {uint16_t(0x7fff)};
    return {uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

struct __half {
    uint16_t bits;
};

inline float __half2float(__half x) {
    const uint32_t sign = uint32_t(x.bits & 0x8000) << 16, exponent = (x.bits >> 10) & 31, fraction = x.bits & 0x3ff;
    if (exponent == 0) {
        const float size = std::ldexp(float(fraction), -24);
        return sign ? -size : size;
    }
    const uint32_t bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | (fraction << 13);
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}

inline __half __float2half(float x) {
    if (x != x) return {uint16_t(0x7fff)};
    const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    const float size = std::fabs(x);
    if (size == 0.0f) return {sign};
    if (size >= 65520.0f) return {uint16_t(sign | 0x7c00)};
    int exponent = 0;
    std::frexp(size, &exponent);
    // The distance of neighbours: 2^-24 below the smallest normal number.
    const int step = std::max(exponent - 11, -24);
    const float steps = std::nearbyint(std::ldexp(size, -step));
    if (step == -24) return {uint16_t(sign | uint16_t(steps))};
    return {uint16_t(sign | (((step + 24) << 10) + uint16_t(steps)))};
}

using std::erfc;
using std::exp;
using std::log;
using std::max;
using std::min;
using std::sqrt;
using std::tanh;
