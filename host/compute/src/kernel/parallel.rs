//! Parallel loops in fixed chunks.

use rayon::prelude::*;

use super::{Real, add_into, unfilled, value_of, vectorised, with_slice};
use crate::{Result, Value};

/// Elements that one task of a parallel loop handles at least; a constant, so that sums over chunks keep their shape.
pub(crate) const CHUNK: usize = 1 << 14;

/// Rows of `width` elements that one task of a parallel loop takes.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1)
}

/// Runs `work(first row, chunk)` over chunks of whole rows of `out`, in parallel.
pub(crate) fn over_rows<T: Send>(out: &mut [T], width: usize, work: impl Fn(usize, &mut [T]) + Send + Sync) {
    if out.is_empty() {
        return;
    }
    let rows = rows_per_task(width);
    if out.len() <= rows * width {
        return work(0, out);
    }
    out.par_chunks_mut(rows * width).enumerate().for_each(|(chunk, out)| work(chunk * rows, out));
}

/// As [`over_rows`] with two outputs of their own widths and the same rows.
pub(crate) fn over_rows_2<T: Send, U: Send>(
    a: &mut [T],
    a_width: usize,
    b: &mut [U],
    b_width: usize,
    work: impl Fn(usize, &mut [T], &mut [U]) + Send + Sync,
) {
    if a.is_empty() || b.is_empty() {
        return;
    }
    let rows = rows_per_task(a_width.max(b_width));
    a.par_chunks_mut(rows * a_width)
        .zip(b.par_chunks_mut(rows * b_width))
        .enumerate()
        .for_each(|(chunk, (a, b))| work(chunk * rows, a, b));
}

/// Sums over rows, `width` numbers for each of `parts` sums: fixed chunks of rows by `work(rows, sums)`, added in order.
pub(crate) fn sum_over_rows<T: Real>(
    rows: usize,
    width: usize,
    parts: usize,
    work: impl Fn(std::ops::Range<usize>, &mut [T]) + Send + Sync,
) -> Vec<T> {
    let step = rows_per_task(width);
    let sums: Vec<Vec<T>> = (0..rows.div_ceil(step))
        .into_par_iter()
        .map(|chunk| {
            let mut sums = vec![T::zero(); width * parts];
            work(chunk * step..rows.min((chunk + 1) * step), &mut sums);
            sums
        })
        .collect();
    added(sums, width * parts)
}

/// As [`over_rows`]; `work(first row, chunk, sums)` also adds to `sums` numbers, which are those of all chunks in the end.
pub(crate) fn over_rows_and_sum<T: Real>(
    out: &mut [T],
    width: usize,
    sums: usize,
    work: impl Fn(usize, &mut [T], &mut [T]) + Send + Sync,
) -> Vec<T> {
    if out.is_empty() {
        return vec![T::zero(); sums];
    }
    let rows = rows_per_task(width);
    let parts: Vec<Vec<T>> = out
        .par_chunks_mut(rows * width)
        .enumerate()
        .map(|(chunk, out)| {
            let mut part = vec![T::zero(); sums];
            work(chunk * rows, out, &mut part);
            part
        })
        .collect();
    added(parts, sums)
}

/// The sum of the parts, in their order.
fn added<T: Real>(parts: Vec<Vec<T>>, length: usize) -> Vec<T> {
    let mut total = vec![T::zero(); length];
    for part in parts {
        add_into(&mut total, &part);
    }
    total
}

vectorised! {
    /// `out[i] = f(x[i])`.
    fn map_chunk<T>(out: &mut [T], x: &[T], f: impl Fn(T) -> T) {
        for (out, x) in out.iter_mut().zip(x) {
            *out = f(*x);
        }
    }
}

vectorised! {
    /// `out[i] = f(x[i], y[i])`.
    fn zip_chunk<T>(out: &mut [T], x: &[T], y: &[T], f: impl Fn(T, T) -> T) {
        for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
            *out = f(*x, *y);
        }
    }
}

/// `f` of every element.
pub(crate) fn map<T: Real>(value: &Value, f: impl Fn(T) -> T + Sync) -> Result<Value> {
    with_slice::<T, _>(value, |x| {
        let mut out = unfilled(x.len());
        over_rows(&mut out, 1, |first, out| map_chunk(out, &x[first..], &f));
        value_of(out, value.dims())
    })
}

/// `f` of every pair of elements of two values of one shape.
pub(crate) fn zip<T: Real>(a: &Value, b: &Value, f: impl Fn(T, T) -> T + Sync) -> Result<Value> {
    with_slice::<T, _>(a, |x| {
        with_slice::<T, _>(b, |y| {
            let mut out = unfilled(x.len());
            over_rows(&mut out, 1, |first, out| zip_chunk(out, &x[first..], &y[first..], &f));
            value_of(out, a.dims())
        })
    })
}
