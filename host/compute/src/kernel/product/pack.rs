//! Copies of parts of a matrix in the order in which the product reads them.

use std::ops::Range;

use super::Matrix;

/// Side of the squares that a transposing copy goes by.
const SQUARE: usize = 16;

/// Columns `column..column + width` of the rows `inner`, row by row; columns beyond the last are zeros.
pub(super) fn pack_right(out: &mut [f32], width: usize, b: Matrix<f32>, inner: Range<usize>, column: usize) {
    let columns = (b.columns - column).min(width);
    if columns < width {
        out.fill(0.0);
    }
    let element = |row: usize, column: usize| row * b.strides.0 + column * b.strides.1;
    if b.strides.1 == 1 {
        for (out, row) in out.chunks_mut(width).zip(inner) {
            out[..columns].copy_from_slice(&b.data[element(row, column)..][..columns]);
        }
        return;
    }
    let whole_rows = if b.strides.0 == 1 { inner.len() / SQUARE * SQUARE } else { 0 };
    let whole_columns = columns / SQUARE * SQUARE;
    for row in (0..whole_rows).step_by(SQUARE) {
        for at in (0..whole_columns).step_by(SQUARE) {
            let square = |line: usize| element(inner.start + row, column + at + line);
            transpose(&mut out[row * width + at..], width, |line| {
                b.data[square(line)..].first_chunk().expect("a square lies within the matrix")
            });
        }
    }
    for (row, out) in out.chunks_mut(width).enumerate().take(inner.len()) {
        let done = if row < whole_rows { whole_columns } else { 0 };
        for (at, out) in out[..columns].iter_mut().enumerate().skip(done) {
            *out = b.data[element(inner.start + row, column + at)];
        }
    }
}

/// Writes a square of [`SQUARE`] lines as columns of `out`, whose rows are `stride` apart.
fn transpose<'a>(out: &mut [f32], stride: usize, line: impl Fn(usize) -> &'a [f32; SQUARE]) {
    let lines: [&[f32; SQUARE]; SQUARE] = std::array::from_fn(line);
    #[cfg(target_arch = "x86_64")]
    if super::micro::available() {
        // SAFETY: the instructions are there.
        let columns = unsafe { super::micro::transposed(lines) };
        for (out, column) in out.chunks_mut(stride).zip(&columns) {
            out[..SQUARE].copy_from_slice(column);
        }
        return;
    }
    for (index, out) in out.chunks_mut(stride).take(SQUARE).enumerate() {
        out[..SQUARE].iter_mut().zip(&lines).for_each(|(out, line)| *out = line[index]);
    }
}

/// Panels written at a time: as many streams as the first cache takes where all of them fall into the same sets.
const STREAMS: usize = 8;

/// The rows `rows`, columns `inner`, in panels of `M` rows, each column by column. Rows beyond the last keep what was
/// there.
pub(super) fn pack_left<const M: usize>(out: &mut [f32], a: Matrix<f32>, rows: Range<usize>, inner: Range<usize>) {
    let panel = inner.len() * M;
    for (group, out) in out.chunks_mut(STREAMS * panel).enumerate() {
        let start = rows.start + group * STREAMS * M;
        let count = rows.end.saturating_sub(start).min(STREAMS * M);
        let whole = count / M * M;
        for (column, at) in inner.clone().enumerate() {
            let source = &a.data[(start * a.strides.0 + at * a.strides.1).min(a.data.len())..];
            let mut written = 0;
            if a.strides.0 == 1 && count > 0 {
                let (chunks, _) = source[..whole].as_chunks::<M>();
                for (index, chunk) in chunks.iter().enumerate() {
                    out[index * panel + column * M..][..M].copy_from_slice(chunk);
                }
                written = whole;
            }
            for row in written..count {
                out[row / M * panel + column * M + row % M] = source[row * a.strides.0];
            }
        }
    }
}
