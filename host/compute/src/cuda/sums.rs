//! Sums over rows on the device, in a fixed order.

use candle_core::DType;

use super::calls::{ColumnParts, ColumnTotals};
use super::launch::{Launch, Output};
use super::modules::Module;
use super::{real, rows_width};
use crate::{Result, Value};

/// Rows that one block sums, and how many such chunks there are: a function of the number of rows alone.
pub(super) fn chunks(rows: usize) -> (usize, usize) {
    let chunk = rows.div_ceil(256).max(64);
    (chunk, rows.div_ceil(chunk))
}

/// The sum over all rows of `x [.., width]`, `[width]` in the computing type.
pub(super) fn column_sums(x: &Value) -> Result<Value> {
    let (rows, width) = rows_width(x);
    let (chunk, count) = chunks(rows);
    let launch = Launch {
        module: Module::Sums,
        name: "column_parts",
        elements: x.dtype(),
        grid: [width.div_ceil(32), count],
        block: [32, 8],
        shared: 8 * 32,
    };
    let parts = launch.run_one([Some(x)], Output::new(real(x.dtype()), &[count, width]), |[x], parts| ColumnParts {
        x,
        parts,
        rows: rows as i64,
        width: width as i64,
        chunk: chunk as i64,
    })?;
    totals(&parts, x.dtype())
}

/// The sum of chunks `[chunks, width]`, `[width]`; `elements` is the type that the other kernels of this call take.
pub(super) fn totals(parts: &Value, elements: DType) -> Result<Value> {
    let (chunks, width) = rows_width(parts);
    let launch = Launch {
        grid: [width.div_ceil(256), 1],
        ..Launch::by_columns(Module::Sums, "column_totals", elements, 1, 256)
    };
    launch.run_one([Some(parts)], Output::new(parts.dtype(), &[width]), |[parts], totals| ColumnTotals {
        parts,
        totals,
        chunks: chunks as i64,
        width: width as i64,
    })
}
