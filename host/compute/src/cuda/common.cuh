// What all kernels share: the type of elements, the type they are computed in, sums over a warp, random words.
//
// Each kernel file is compiled once for each type of elements: LACUNA_F32, LACUNA_F64, LACUNA_BF16 or LACUNA_F16. A kernel
// takes one struct whose fields are all eight bytes wide (pointers, int64_t, double), the same as its twin in Rust.
// The files also compile as plain C++ for the emulation on a CPU (LACUNA_EMULATION).
#pragma once

#ifdef LACUNA_EMULATION
#include <algorithm>

#include "emulation/device.hpp"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstdint>
#endif

#if defined(LACUNA_F64)
typedef double Element;
typedef double Real;
#define LACUNA_TYPE "f64"
#elif defined(LACUNA_BF16)
typedef __nv_bfloat16 Element;
typedef float Real;
#define LACUNA_TYPE "bf16"
#elif defined(LACUNA_F16)
typedef __half Element;
typedef float Real;
#define LACUNA_TYPE "f16"
#else
typedef float Element;
typedef float Real;
#define LACUNA_TYPE "f32"
#endif

// KERNEL(name, Call) { ... } defines a kernel whose one argument is `call`.
#ifdef LACUNA_EMULATION
#define KERNEL(name, Call)                                                                       \
    static void name(const Call& call);                                                          \
    static void name##_entry(const void* call) { name(*static_cast<const Call*>(call)); }        \
    static emulation::Registration name##_registration(#name, LACUNA_TYPE, name##_entry);        \
    static void name(const Call& call)
#else
#define KERNEL(name, Call) extern "C" __global__ void name(const Call call)
#endif

// Before a loop whose arrays are to lie in registers.
#ifdef LACUNA_EMULATION
#define UNROLL
#else
#define UNROLL _Pragma("unroll")
#endif

namespace {

#if defined(LACUNA_BF16)
__device__ __forceinline__ Real wide(Element x) { return __bfloat162float(x); }
__device__ __forceinline__ Element narrow(Real x) { return __float2bfloat16(x); }
#elif defined(LACUNA_F16)
__device__ __forceinline__ Real wide(Element x) { return __half2float(x); }
__device__ __forceinline__ Element narrow(Real x) { return __float2half(x); }
#else
__device__ __forceinline__ Real wide(Element x) { return x; }
__device__ __forceinline__ Element narrow(Real x) { return x; }
#endif

const unsigned ALL_LANES = 0xffffffffu;

__device__ __forceinline__ Real minus_infinity() { return -Real(INFINITY); }

// The block's dynamic shared memory.
__device__ __forceinline__ Real* shared_memory() {
#ifdef LACUNA_EMULATION
    return static_cast<Real*>(emulation::shared());
#else
    extern __shared__ __align__(16) unsigned char bytes[];
    return reinterpret_cast<Real*>(bytes);
#endif
}

// The sum over the `count` lanes (a power of two) that this one is among, the same bits on each of them.
__device__ __forceinline__ Real lanes_sum(Real x, unsigned count) {
    for (unsigned distance = count / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL_LANES, x, distance);
    return x;
}

__device__ __forceinline__ Real lanes_max(Real x, unsigned count) {
    for (unsigned distance = count / 2; distance > 0; distance /= 2) {
        const Real other = __shfl_xor_sync(ALL_LANES, x, distance);
        // NaN stays: it is not below anything.
        x = other > x || other != other ? other : x;
    }
    return x;
}

__device__ __forceinline__ Real warp_sum(Real x) { return lanes_sum(x, 32); }
__device__ __forceinline__ Real warp_max(Real x) { return lanes_max(x, 32); }

// The sum over a block of one axis, on every thread; `scratch` holds one number a warp. All threads must call it.
__device__ __forceinline__ Real block_sum(Real x, Real* scratch) {
    x = warp_sum(x);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    Real total = 0;
    for (unsigned warp = 0; warp < blockDim.x / 32; warp++) total += scratch[warp];
    __syncthreads();
    return total;
}

__device__ __forceinline__ Real block_max(Real x, Real* scratch) {
    x = warp_max(x);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    Real largest = scratch[0];
    for (unsigned warp = 1; warp < blockDim.x / 32; warp++) {
        const Real other = scratch[warp];
        largest = other > largest || other != other ? other : largest;
    }
    __syncthreads();
    return largest;
}

struct Words {
    uint32_t word[4];
};

// Philox4x32 with ten rounds: the words of draw `index` under a key, as `philox::Key::words`.
__device__ __forceinline__ Words random_words(uint64_t key, uint64_t index) {
    uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
    uint32_t c0 = uint32_t(index), c1 = uint32_t(index >> 32), c2 = 0, c3 = 0;
    for (int round = 0; round < 10; round++) {
        const uint32_t high0 = __umulhi(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;
        const uint32_t high1 = __umulhi(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

}  // namespace
