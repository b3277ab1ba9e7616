//! Matrix products of slices on one thread: the caller runs many of them side by side.

use crate::slices::Real;

/// A matrix in a slice: element `(row, column)` is at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix with this number of columns.
    pub(super) fn rows(data: &'a [T], columns: usize) -> Self {
        Self { data, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of a row-major matrix that has this number of columns.
    pub(super) fn transposed(data: &'a [T], columns: usize) -> Self {
        Self { data, row_stride: 1, column_stride: columns }
    }

    fn reaches(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// `out = left · right`, or `out += left · right` with `add`; `out` is row-major `[m, n]`, `left` `[m, k]`, `right` `[k, n]`.
pub(super) fn product<T: Real>(
    out: &mut [T],
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    [m, n, k]: [usize; 3],
    add: bool,
) {
    assert!(out.len() == m * n && left.reaches(m, k) && right.reaches(k, n), "the slices hold the matrices");
    // SAFETY: the assertion above shows that every element addressed by sizes and strides lies inside its slice; `out` is
    // borrowed uniquely, so it overlaps neither operand; gemm takes f32 and f64, the only types that are `Real`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            add,
            left.data.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
