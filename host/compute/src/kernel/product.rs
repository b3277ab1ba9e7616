//! The one call of the matrix product, over slices with strides.

use gemm::Parallelism;

use super::Real;

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
    let (m, n, k) = (a.rows, b.columns, a.columns);
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * stride + n <= out.len() && stride >= n, "a product of {m} x {n} does not fit");
    if k == 0 {
        if !keep {
            out.chunks_mut(stride).take(m).for_each(|row| row[..n].fill(T::zero()));
        }
        return;
    }
    // SAFETY: the assertion above holds the product inside `out`, which is borrowed alone and initialised.
    unsafe { call(out.as_mut_ptr(), stride, keep, factor, a, b, parallel) }
}

/// `a * b` without gaps between its rows, on all cores.
pub(crate) fn new_product<T: Real>(a: Matrix<T>, b: Matrix<T>) -> Vec<T> {
    let count = a.rows * b.columns;
    if count == 0 || a.columns == 0 {
        return vec![T::zero(); count];
    }
    // Filling it with zeros first would cost a pass over memory.
    let mut out = Vec::with_capacity(count);
    // SAFETY: `out` has room for the product, whose elements are all written and not read before; then it has `count` of them.
    unsafe {
        call(out.as_mut_ptr(), b.columns, false, T::one(), a, b, true);
        out.set_len(count);
    }
    out
}

/// The product into memory at `out`.
///
/// # Safety
/// `out` is valid for writes of `a.rows` rows of `b.columns` elements, `stride` apart, and overlaps neither `a` nor `b`;
/// with `keep` they are initialised.
unsafe fn call<T: Real>(out: *mut T, stride: usize, keep: bool, factor: T, a: Matrix<T>, b: Matrix<T>, parallel: bool) {
    assert_eq!(a.columns, b.rows, "inner lengths of a product");
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
}
