//! Vector registers of the processor, and how the numbers of a weight come into them.

use std::arch::x86_64::*;

use half::{bf16, f16};

/// Registers of f32 and what a product of few rows does with them.
///
/// # Safety
/// Every function may only run where the processor has the features that the type is named after, and a load reads
/// [`Vector::LANES`] numbers from its pointer.
pub(super) trait Vector: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    unsafe fn f32s(from: *const f32) -> Self;
    unsafe fn bf16s(from: *const bf16) -> Self;
    unsafe fn f16s(from: *const f16) -> Self;
    /// `a * b + sum`.
    unsafe fn add_product(a: Self, b: Self, sum: Self) -> Self;
    unsafe fn total(self) -> f32;
}

impl Vector for __m512 {
    const LANES: usize = 16;
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: by the trait's promise, as below.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn f32s(from: *const f32) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn bf16s(from: *const bf16) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())), 16)) }
    }
    #[inline(always)]
    unsafe fn f16s(from: *const f16) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn add_product(a: Self, b: Self, sum: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_add_ps(self) }
    }
}

impl Vector for __m256 {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: by the trait's promise, as below.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn f32s(from: *const f32) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn bf16s(from: *const bf16) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())), 16)) }
    }
    #[inline(always)]
    unsafe fn f16s(from: *const f16) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn add_product(a: Self, b: Self, sum: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        // SAFETY: as above.
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(self), _mm256_extractf128_ps(self, 1));
            let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(quarter, _mm_shuffle_ps(quarter, quarter, 1)))
        }
    }
}

/// How a weight is stored.
pub(super) trait Stored: Copy + Send + Sync {
    fn widen(self) -> f32;
    /// # Safety
    /// As [`Vector`].
    unsafe fn load<V: Vector>(from: *const Self) -> V;
}

impl Stored for f32 {
    fn widen(self) -> f32 {
        self
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: by the caller's promise.
        unsafe { V::f32s(from) }
    }
}

impl Stored for bf16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: by the caller's promise.
        unsafe { V::bf16s(from) }
    }
}

impl Stored for f16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: by the caller's promise.
        unsafe { V::f16s(from) }
    }
}
