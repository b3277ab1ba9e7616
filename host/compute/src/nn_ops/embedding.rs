//! Rows of a table by id.

use rayon::prelude::*;

use super::kernel::{Real, add_into, by_dtype, ids, slice, value};
use crate::{Error, Result, Tensor, Value};

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
    let list = self::ids(NAME, ids)?;
    if let Some((place, id)) = list.iter().enumerate().find(|(_, id)| **id < 0 || **id >= count as i64) {
        return Err(Error::argument(NAME, format!("id {id} at place {place} is outside a table of {count} rows")));
    }
    let mut shape = ids.dims().to_vec();
    shape.push(width);
    let flat = ids.value().to_dtype(candle_core::DType::U32)?.flatten_all()?;
    let y = table.value().contiguous()?.index_select(&flat, 0)?.reshape(shape)?;
    let saved = table.value().clone();
    Ok(Tensor::from_op(NAME, y, &[table], move |gradient, _| {
        if !gradient.device().is_cpu() {
            let rows = gradient.reshape((list.len(), width))?.contiguous()?;
            return Ok(vec![Some(saved.zeros_like()?.index_add(&flat, &rows, 0)?)]);
        }
        Ok(vec![Some(by_dtype!(saved.dtype(), T => backward::<T>(gradient, &list, &saved)?))])
    }))
}

fn backward<T: Real>(gradient: &Value, list: &[i64], table: &Value) -> Result<Value> {
    let (count, width) = table.dims2()?;
    slice!(g: T = gradient);
    let mut starts = vec![0_usize; count + 1];
    for id in list {
        starts[*id as usize + 1] += 1;
    }
    for id in 0..count {
        starts[id + 1] += starts[id];
    }
    let mut next = starts.clone();
    let mut places = vec![0_usize; list.len()];
    for (place, id) in list.iter().enumerate() {
        places[next[*id as usize]] = place;
        next[*id as usize] += 1;
    }
    let mut sums = vec![T::zero(); count * width];
    if width > 0 {
        sums.par_chunks_mut(width).with_min_len(64).enumerate().for_each(|(id, sum)| {
            for place in &places[starts[id]..starts[id + 1]] {
                add_into(sum, &g[place * width..(place + 1) * width]);
            }
        });
    }
    value(sums, &[count, width], table.dtype())
}
