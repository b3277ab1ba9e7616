//! Rows of several heads that tasks write side by side.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use super::product::{Matrix, product_at};
use super::{Real, unfilled};

/// A tensor `[rows, heads, width]` under construction. Each head of each segment is handed out once, so that tasks write
/// their own columns of the same rows.
pub(crate) struct HeadRows<'a, T> {
    data: *mut T,
    offsets: &'a [usize],
    heads: usize,
    width: usize,
    taken: Vec<AtomicBool>,
    whole: PhantomData<Vec<T>>,
}

// SAFETY: the only way to the elements is `take`, which gives each part to one holder.
unsafe impl<T: Send> Sync for HeadRows<'_, T> {}

impl<'a, T: Real> HeadRows<'a, T> {
    /// Builds the tensor: `work` takes every part and writes all of it. Segment s has the rows `offsets[s]..offsets[s + 1]`.
    ///
    /// # Panics
    /// When a part was not taken.
    pub(crate) fn build<R>(
        offsets: &'a [usize],
        heads: usize,
        width: usize,
        work: impl FnOnce(&HeadRows<'a, T>) -> R,
    ) -> (Vec<T>, R) {
        let (rows, segments) = (offsets.last().copied().unwrap_or(0), offsets.len().saturating_sub(1));
        let mut whole = unfilled(rows * heads * width);
        let taken = (0..segments * heads).map(|_| AtomicBool::new(false)).collect();
        let parts = HeadRows { data: whole.as_mut_ptr(), offsets, heads, width, taken, whole: PhantomData };
        let result = work(&parts);
        assert!(parts.taken.iter().all(|taken| taken.load(Ordering::Relaxed)), "a head of a segment was left out");
        (whole, result)
    }

    /// The rows of one segment and head, whose elements hold anything yet.
    ///
    /// # Panics
    /// When they were taken before.
    pub(crate) fn take(&self, segment: usize, head: usize) -> HeadPart<'_, T> {
        assert!(head < self.heads, "head {head} of {}", self.heads);
        let before = self.taken[segment * self.heads + head].swap(true, Ordering::Relaxed);
        assert!(!before, "head {head} of segment {segment} is written already");
        let (start, end) = (self.offsets[segment], self.offsets[segment + 1]);
        let stride = self.heads * self.width;
        // SAFETY: the first row of a segment without rows may be one past the end, where nothing is written.
        let data = unsafe { self.data.add(start * stride + head * self.width) };
        HeadPart { data, rows: end - start, width: self.width, stride, part: PhantomData }
    }
}

/// The rows of one segment and head.
pub(crate) struct HeadPart<'a, T> {
    data: *mut T,
    rows: usize,
    width: usize,
    stride: usize,
    part: PhantomData<&'a mut T>,
}

impl<T: Real> HeadPart<'_, T> {
    /// Writes zeros to the rows `first..first + count`.
    pub(crate) fn clear(&mut self, first: usize, count: usize) {
        assert!(first + count <= self.rows, "rows {first} + {count} of {}", self.rows);
        for row in first..first + count {
            // SAFETY: the row is one of this part, which is held alone.
            unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.stride), self.width) }.fill(T::zero());
        }
    }

    /// `rows = keep * rows + factor * a * b` from row `first`; rows that are kept were written before.
    pub(crate) fn product(&mut self, first: usize, keep: bool, factor: T, a: Matrix<T>, b: Matrix<T>) {
        let (rows, columns) = (a.rows(), b.columns());
        assert!(first + rows <= self.rows && columns == self.width, "a product of {rows} x {columns} at row {first}");
        // SAFETY: the rows and columns are those of this part, which is held alone and is no part of `a` or `b`.
        unsafe { product_at(self.data.add(first * self.stride), self.stride, keep, factor, a, b) }
    }
}
