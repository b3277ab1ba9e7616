//! The one call of the matrix product, over slices with strides.
//!
//! With AVX-512, products in f32 are our own ([`blocked`]): the right side is packed once for all threads, and what follows
//! the product (a bias, an activation) works on rows that are still in the cache. All others are the library's.

mod blocked;
#[cfg(target_arch = "x86_64")]
mod micro;
mod pack;
#[cfg(test)]
mod tests;

use gemm::Parallelism;
use rayon::prelude::*;

use super::{Real, rows_per_task, unfilled};

/// A matrix over a slice: element (i, j) at `i * strides.0 + j * strides.1`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    strides: (usize, usize),
}

impl<'a, T> Matrix<'a, T> {
    /// Rows of `columns` elements, `stride` apart.
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        Self::with_strides(data, rows, columns, (stride, 1))
    }

    pub(crate) fn with_strides(data: &'a [T], rows: usize, columns: usize, strides: (usize, usize)) -> Self {
        let needed = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * strides.0 + (columns - 1) * strides.1 + 1 };
        assert!(needed <= data.len(), "a matrix of {rows} x {columns} does not fit {} elements", data.len());
        Self { data, rows, columns, strides }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, strides: (self.strides.1, self.strides.0), ..self }
    }
}

/// `out = keep * out + factor * a * b` with rows of `out` being `stride` apart; all cores where `parallel`.
pub(crate) fn product<T: Real>(
    out: &mut [T],
    stride: usize,
    keep: bool,
    factor: T,
    a: Matrix<T>,
    b: Matrix<T>,
    parallel: bool,
) {
    let (m, n) = (a.rows, b.columns);
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * stride + n <= out.len() && stride >= n, "a product of {m} x {n} does not fit");
    let target = Target { out: out.as_mut_ptr(), stride, keep, factor };
    // SAFETY: the assertion above holds the product inside `out`, which is borrowed alone and initialised.
    unsafe { call(target, a, b, parallel, None) }
}

/// [`product`] on this thread alone, into memory that other tasks write beside.
///
/// # Safety
/// `out` is valid for writes of `a.rows` rows of `b.columns` elements, `stride` apart, that overlap neither `a` nor `b` and
/// that nobody else uses meanwhile; with `keep` they are initialised.
pub(super) unsafe fn product_at<T: Real>(
    out: *mut T,
    stride: usize,
    keep: bool,
    factor: T,
    a: Matrix<T>,
    b: Matrix<T>,
) {
    if a.rows > 0 && b.columns > 0 {
        // SAFETY: by our caller's promise.
        unsafe { call(Target { out, stride, keep, factor }, a, b, false, None) }
    }
}

/// `a * b` without gaps between its rows, on all cores.
pub(crate) fn new_product<T: Real>(a: Matrix<T>, b: Matrix<T>) -> Vec<T> {
    made(a, b, None)
}

/// `a * b` without gaps between its rows, on all cores; `then(first row, rows)` is called once for each chunk of rows when
/// it is complete.
pub(crate) fn new_product_then<T: Real>(a: Matrix<T>, b: Matrix<T>, then: impl Fn(usize, &mut [T]) + Sync) -> Vec<T> {
    made(a, b, Some(&then))
}

fn made<T: Real>(a: Matrix<T>, b: Matrix<T>, then: Option<Then<T>>) -> Vec<T> {
    let width = b.columns;
    let mut out = unfilled(a.rows * width);
    if !out.is_empty() {
        let target = Target { out: out.as_mut_ptr(), stride: width, keep: false, factor: T::one() };
        // SAFETY: `out` has room for the product.
        unsafe { call(target, a, b, true, then) };
    }
    out
}

/// As [`new_product_then`] with a second result of the product's shape, whose rows `then` writes.
pub(crate) fn new_product_and<T: Real>(
    a: Matrix<T>,
    b: Matrix<T>,
    then: impl Fn(usize, &mut [T], &mut [T]) + Sync,
) -> (Vec<T>, Vec<T>) {
    let mut second = unfilled::<T>(a.rows * b.columns);
    let shared = Shared(second.as_mut_ptr());
    let width = b.columns;
    let first = new_product_then(a, b, |row, rows| {
        let shared = &shared;
        // SAFETY: chunks of rows are disjoint and within the product, whose size `second` has.
        let part = unsafe { std::slice::from_raw_parts_mut(shared.0.add(row * width), rows.len()) };
        then(row, rows, part);
    });
    (first, second)
}

/// A pointer that tasks write disjoint rows through.
struct Shared<T>(*mut T);

// SAFETY: whoever shares it hands out disjoint parts only.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Where a product goes: `out = keep * out + factor * a * b`.
#[derive(Clone, Copy)]
struct Target<T> {
    out: *mut T,
    stride: usize,
    keep: bool,
    factor: T,
}

type Then<'a, T> = &'a (dyn Fn(usize, &mut [T]) + Sync);

/// The product into memory at `target.out`, and `then` for each chunk of whole rows.
///
/// # Safety
/// `out` is valid for writes of `a.rows` rows of `b.columns` elements, `stride` apart, and overlaps neither `a` nor `b`;
/// with `keep` they are initialised. With `then` the rows have no gaps.
unsafe fn call<T: Real>(target: Target<T>, a: Matrix<T>, b: Matrix<T>, parallel: bool, then: Option<Then<T>>) {
    assert_eq!(a.columns, b.rows, "inner lengths of a product");
    // SAFETY: what our caller vouches for.
    if a.columns > 0 && unsafe { blocked::blocked(target, a, b, parallel, then) } {
        return;
    }
    let Target { out, stride, keep, factor } = target;
    let threads = if parallel { rayon::current_num_threads() } else { 1 };
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    let alpha = if keep { T::one() } else { T::zero() };
    // SAFETY: `Matrix::with_strides` holds every element of `a` and `b` inside its slice, our caller vouches for `out`, and
    // gemm takes f32 and f64, the only types that are `Real`.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out,
            1,
            stride as isize,
            keep,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            alpha,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
    let Some(then) = then else { return };
    // SAFETY: all rows are written now and have no gaps.
    let rows = unsafe { std::slice::from_raw_parts_mut(out, a.rows * stride) };
    let step = rows_per_task(stride);
    rows.par_chunks_mut(step * stride).enumerate().for_each(|(chunk, rows)| then(chunk * step, rows));
}
