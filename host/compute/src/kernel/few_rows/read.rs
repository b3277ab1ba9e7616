//! Reading a weight once, with all rows beside it.

use std::arch::x86_64::{__m256, __m512};

use rayon::prelude::*;

use super::vector::{Stored, Vector};

/// Rows up to which reading the weight in order beats a product that packs it.
pub(super) const MOST_ROWS: usize = 16;
/// Numbers of the weight that one task reads.
const TASK: usize = 1 << 16;
/// Rows of the weight that are read side by side, so that the sums do not wait for each other.
const BESIDE: usize = 4;

/// The vectors that this processor has.
#[derive(Clone, Copy)]
pub(super) enum Vectors {
    Avx512,
    Avx2,
}

impl Vectors {
    pub(super) fn found() -> Option<Self> {
        if is_x86_feature_detected!("avx512f") {
            return Some(Self::Avx512);
        }
        let found =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        found.then_some(Self::Avx2)
    }
}

/// `x weightᵀ` `[rows, outputs]`: `x` has rows of `width`, `weight` has `outputs` of them.
pub(super) fn product<S: Stored>(vectors: Vectors, x: &[f32], width: usize, weight: &[S], outputs: usize) -> Vec<f32> {
    let rows = x.len() / width;
    // Outputs first: what one task writes lies together.
    let mut turned = vec![0.0; rows * outputs];
    let part = (TASK / width).max(1).next_multiple_of(BESIDE);
    let fill = |(index, out): (usize, &mut [f32])| {
        let start = index * part * width;
        let part = Part { x, width, weight: &weight[start..start + out.len() / rows * width], rows, out };
        // SAFETY: `Vectors::found` found the features on this machine.
        unsafe {
            match vectors {
                Vectors::Avx512 => with_avx512(part),
                Vectors::Avx2 => with_avx2(part),
            }
        }
    };
    if outputs <= part {
        fill((0, &mut turned));
    } else {
        turned.par_chunks_mut(part * rows).enumerate().for_each(fill);
    }
    if rows == 1 {
        return turned;
    }
    let mut out = vec![0.0; rows * outputs];
    for (row, out) in out.chunks_mut(outputs.max(1)).enumerate() {
        out.iter_mut().zip(turned.chunks(rows)).for_each(|(out, column)| *out = column[row]);
    }
    out
}

/// Some outputs of the product, `[outputs, rows]`.
struct Part<'a, S> {
    x: &'a [f32],
    width: usize,
    weight: &'a [S],
    rows: usize,
    out: &'a mut [f32],
}

#[target_feature(enable = "avx512f")]
fn with_avx512<S: Stored>(part: Part<S>) {
    // SAFETY: the feature is on here.
    unsafe { read::<__m512, S>(part) }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn with_avx2<S: Stored>(part: Part<S>) {
    // SAFETY: the features are on here.
    unsafe { read::<__m256, S>(part) }
}

/// # Safety
/// As [`Vector`].
#[inline(always)]
unsafe fn read<V: Vector, S: Stored>(part: Part<S>) {
    let Part { x, width, weight, rows, out } = part;
    assert!(x.len() == rows * width && weight.len() * rows == out.len() * width, "the parts of a product fit together");
    for (weight, out) in weight.chunks(BESIDE * width).zip(out.chunks_mut(BESIDE * rows)) {
        // SAFETY: the lengths are those asserted above, cut into whole rows.
        unsafe {
            if weight.len() == BESIDE * width {
                beside::<V, S, BESIDE>(x, width, weight, rows, out);
            } else {
                for (weight, out) in weight.chunks(width).zip(out.chunks_mut(rows)) {
                    beside::<V, S, 1>(x, width, weight, rows, out);
                }
            }
        }
    }
}

/// `O` rows of the weight, which stay in the nearest cache, with all rows of `x`.
///
/// # Safety
/// As [`Vector`]; `x` is `[rows, width]`, `weight` `[O, width]`, `out` `[O, rows]`.
#[inline(always)]
unsafe fn beside<V: Vector, S: Stored, const O: usize>(
    x: &[f32],
    width: usize,
    weight: &[S],
    rows: usize,
    out: &mut [f32],
) {
    let mut row = 0;
    // SAFETY: by the caller's promise; `row` stays below `rows`.
    unsafe {
        while row + 4 <= rows {
            tile::<V, S, O, 4>(&x[row * width..], width, weight, &mut out[row..], rows);
            row += 4;
        }
        if row + 2 <= rows {
            tile::<V, S, O, 2>(&x[row * width..], width, weight, &mut out[row..], rows);
            row += 2;
        }
        if row < rows {
            tile::<V, S, O, 1>(&x[row * width..], width, weight, &mut out[row..], rows);
        }
    }
}

/// # Safety
/// As [`Vector`]; `x` holds `R` rows of `width`, `weight` `O`.
#[inline(always)]
unsafe fn tile<V: Vector, S: Stored, const O: usize, const R: usize>(
    x: &[f32],
    width: usize,
    weight: &[S],
    out: &mut [f32],
    stride: usize,
) {
    let whole = width / V::LANES * V::LANES;
    let (from_x, from_weight) = (x.as_ptr(), weight.as_ptr());
    // SAFETY: `at + LANES` stays within a row of `width`, and rows below `R` and `O` are there by the caller's promise.
    unsafe {
        let mut sums = [[V::zero(); R]; O];
        let mut at = 0;
        while at < whole {
            let mut inputs = [V::zero(); R];
            for (r, input) in inputs.iter_mut().enumerate() {
                *input = V::f32s(from_x.add(r * width + at));
            }
            for (o, sums) in sums.iter_mut().enumerate() {
                let weights: V = S::load(from_weight.add(o * width + at));
                for (sum, input) in sums.iter_mut().zip(inputs) {
                    *sum = V::add_product(weights, input, *sum);
                }
            }
            at += V::LANES;
        }
        for (o, sums) in sums.iter().enumerate() {
            for (r, sum) in sums.iter().enumerate() {
                let rest = (whole..width).map(|at| weight[o * width + at].widen() * x[r * width + at]);
                out[o * stride + r] = sum.total() + rest.sum::<f32>();
            }
        }
    }
}
