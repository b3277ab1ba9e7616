//! The innermost loop of a product, in AVX-512: `M` rows times `V` vectors of columns, kept in registers.
//!
//! Written with intrinsics, since two thirds of a training step are spent here and the compiler leaves the registers for
//! some sizes. Four vectors times six rows fill 24 of the 32 registers; two loads of the right side and the broadcasts of
//! the left side then go beside the multiplications.

use std::arch::x86_64::{
    __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
    _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::Target;

/// Numbers of a vector.
pub(super) const LANES: usize = 16;

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Rows `count` of `left` times the packed panels `right`: `n` columns, `inner` products each.
///
/// `strides` of `left`: from row to row, from column to column, from panel of `M` rows to panel.
///
/// # Safety
/// AVX-512 is there; `target.out` takes `count` rows of `n`; `left` holds the rows by those strides, `right` the panels.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn panels<const V: usize, const M: usize>(
    target: Target<f32>,
    left: &[f32],
    strides: (usize, usize, usize),
    right: &[f32],
    inner: usize,
    count: usize,
    n: usize,
) {
    let width = V * LANES;
    for (panel, right) in right.chunks_exact(inner * width).enumerate() {
        let columns = (n - panel * width).min(width);
        for (block, first) in (0..count).step_by(M).enumerate() {
            let rows = (count - first).min(M);
            // SAFETY: first row and column of this block are inside `out` and `left`.
            unsafe {
                let target = Target { out: target.out.add(first * target.stride + panel * width), ..target };
                let left = left.as_ptr().add(block * strides.2);
                block_of::<V, M>(target, left, (strides.0, strides.1), right.as_ptr(), inner, rows, columns);
            }
        }
    }
}

/// # Safety
/// As [`panels`], for one panel and at most `M` rows.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn block_of<const V: usize, const M: usize>(
    target: Target<f32>,
    mut left: *const f32,
    strides: (usize, usize),
    mut right: *const f32,
    inner: usize,
    rows: usize,
    columns: usize,
) {
    let mut sums = [[_mm512_setzero_ps(); V]; M];
    // Rows beyond the last one repeat it and are not written.
    let row: [usize; M] = std::array::from_fn(|index| index.min(rows - 1) * strides.0);
    for _ in 0..inner {
        // SAFETY: `inner` steps through the panel and the rows stay inside both.
        unsafe {
            let vectors: [__m512; V] = std::array::from_fn(|vector| _mm512_loadu_ps(right.add(vector * LANES)));
            for (sums, row) in sums.iter_mut().zip(&row) {
                let number = _mm512_set1_ps(*left.add(*row));
                for (sum, vector) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm512_fmadd_ps(number, *vector, *sum);
                }
            }
            right = right.add(V * LANES);
            left = left.add(strides.1);
        }
    }
    let factor = _mm512_set1_ps(target.factor);
    for (index, sums) in sums.iter().enumerate() {
        if index >= rows {
            break;
        }
        for (vector, sum) in sums.iter().enumerate() {
            let Some(rest @ 1..) = columns.checked_sub(vector * LANES) else { break };
            let mask = if rest >= LANES { u16::MAX } else { (1 << rest) - 1 };
            // SAFETY: the mask holds the write inside the row.
            unsafe {
                let out = target.out.add(index * target.stride + vector * LANES);
                let value = if target.keep {
                    _mm512_fmadd_ps(factor, *sum, _mm512_maskz_loadu_ps(mask, out))
                } else {
                    _mm512_mul_ps(factor, *sum)
                };
                _mm512_mask_storeu_ps(out, mask, value);
            }
        }
    }
}

/// A square of numbers with rows and columns exchanged: by pairs, by pairs of pairs, then by quarters of the vectors.
///
/// # Safety
/// AVX-512 is there.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transposed(lines: [&[f32; LANES]; LANES]) -> [[f32; LANES]; LANES] {
    // SAFETY: a line holds a vector.
    let rows = lines.map(|line| unsafe { _mm512_loadu_ps(line.as_ptr()) });
    let mut fours = [_mm512_setzero_ps(); LANES];
    for first in (0..LANES).step_by(4) {
        let pairs = [
            _mm512_unpacklo_ps(rows[first], rows[first + 1]),
            _mm512_unpackhi_ps(rows[first], rows[first + 1]),
            _mm512_unpacklo_ps(rows[first + 2], rows[first + 3]),
            _mm512_unpackhi_ps(rows[first + 2], rows[first + 3]),
        ]
        .map(|pair| _mm512_castps_pd(pair));
        fours[first] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[0], pairs[2]));
        fours[first + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[0], pairs[2]));
        fours[first + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(pairs[1], pairs[3]));
        fours[first + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(pairs[1], pairs[3]));
    }
    let mut columns = [[0.0; LANES]; LANES];
    for column in 0..4 {
        const EVEN: i32 = 0x88;
        const ODD: i32 = 0xdd;
        let [a, b, c, d] = [0, 4, 8, 12].map(|first| fours[first + column]);
        let (ab_even, cd_even) = (_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<EVEN>(c, d));
        let (ab_odd, cd_odd) = (_mm512_shuffle_f32x4::<ODD>(a, b), _mm512_shuffle_f32x4::<ODD>(c, d));
        let quarters = [
            _mm512_shuffle_f32x4::<EVEN>(ab_even, cd_even),
            _mm512_shuffle_f32x4::<EVEN>(ab_odd, cd_odd),
            _mm512_shuffle_f32x4::<ODD>(ab_even, cd_even),
            _mm512_shuffle_f32x4::<ODD>(ab_odd, cd_odd),
        ];
        for (quarter, vector) in quarters.into_iter().enumerate() {
            // SAFETY: a column holds a vector.
            unsafe { _mm512_storeu_ps(columns[4 * quarter + column].as_mut_ptr(), vector) };
        }
    }
    columns
}
