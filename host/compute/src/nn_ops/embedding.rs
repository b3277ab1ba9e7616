//! Rows of a table by id.

use crate::kernel::ids;
use crate::ops::axis::{add_rows, gather_rows};
use crate::{Error, Result, Tensor};

/// The rows of `table [v, d]` named by `ids` (any shape, u32 or i64): `[.., d]`.
///
/// The gradient of a row is summed in the order of its uses, so it does not depend on threads.
///
/// # Errors
/// When an id is outside the table (the error names it), or the table is no matrix.
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    const NAME: &str = "embedding";
    crate::tape::require_float(NAME, table)?;
    let [count, width] = *table.dims() else {
        return Err(Error::shape(NAME, format!("the table has shape {:?}", table.dims()))
            .with_help("it is [vocabulary, width]"));
    };
    let row = |(place, id): (usize, i64)| match u32::try_from(id) {
        Ok(row) if (row as usize) < count => Ok(row),
        _ => Err(Error::argument(NAME, format!("id {id} at place {place} is outside a table of {count} rows"))),
    };
    let rows: Vec<u32> = self::ids(NAME, ids)?.into_iter().enumerate().map(row).collect::<Result<_>>()?;
    let mut shape = ids.dims().to_vec();
    shape.push(width);
    let value = gather_rows(table.value(), 0, &rows)?.reshape(shape)?;
    Ok(Tensor::from_op(NAME, value, &[table], move |gradient, _| {
        Ok(vec![Some(add_rows(&gradient.reshape((rows.len(), width))?, 0, &rows, count)?)])
    }))
}
