//! Picking rows along an axis, and its adjoint: the two moves under indexing, slicing, padding and windows.

use candle_core::WithDType;
use rayon::prelude::*;

use crate::kernel::{Blocks, CHUNK, Real, add_into, by_element, by_real, on_cpu, unfilled, value_of, with_slice};
use crate::{Device, Result, Tensor, Value};

fn device_indices(indices: &[u32], device: &Device) -> Result<Value> {
    Ok(Value::from_slice(indices, indices.len(), device)?)
}

/// The rows `indices` along `axis`, of any dtype. Indices must be in range.
pub(crate) fn gather_rows(value: &Value, axis: usize, indices: &[u32]) -> Result<Value> {
    let mut shape = value.dims().to_vec();
    let blocks = Blocks::of(&shape, axis);
    shape[axis] = indices.len();
    if !value.device().is_cpu() {
        return Ok(value.contiguous()?.index_select(&device_indices(indices, value.device())?, axis)?);
    }
    by_element!(value.dtype(), T => with_slice::<T, _>(value, |x| value_of(gathered(x, blocks, indices), &shape)))
}

fn gathered<T: WithDType>(x: &[T], blocks: Blocks, indices: &[u32]) -> Vec<T> {
    let Blocks { before, len, after } = blocks;
    let mut out = unfilled(before * indices.len() * after);
    if out.is_empty() {
        return out;
    }
    let rows = (CHUNK / after).max(1);
    out.par_chunks_mut(rows * after).enumerate().for_each(|(chunk, out)| {
        for (offset, out) in out.chunks_mut(after).enumerate() {
            let row = chunk * rows + offset;
            let from = ((row / indices.len()) * len + indices[row % indices.len()] as usize) * after;
            out.copy_from_slice(&x[from..from + after]);
        }
    });
    out
}

/// Rows of `value` added into zeros of `len` rows along `axis`, row i at `indices[i]`, in the order of i. Float dtypes.
pub(crate) fn add_rows(value: &Value, axis: usize, indices: &[u32], len: usize) -> Result<Value> {
    let mut shape = value.dims().to_vec();
    let blocks = Blocks::of(&shape, axis);
    shape[axis] = len;
    if !value.device().is_cpu() {
        let zeros = Value::zeros(shape.as_slice(), value.dtype(), value.device())?;
        return Ok(zeros.index_add(&device_indices(indices, value.device())?, &value.contiguous()?, axis)?);
    }
    on_cpu(
        &[value],
        |v| by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |x| value_of(added::<T>(x, blocks, indices, len), &shape))),
    )
}

/// The sources of each of `len` rows: those of row r are `order[starts[r]..starts[r + 1]]`, ascending.
pub(crate) fn by_target(indices: &[u32], len: usize) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0usize; len + 1];
    indices.iter().for_each(|index| starts[*index as usize + 1] += 1);
    (0..len).for_each(|row| starts[row + 1] += starts[row]);
    let mut next = starts.clone();
    let mut order = vec![0usize; indices.len()];
    for (source, index) in indices.iter().enumerate() {
        order[next[*index as usize]] = source;
        next[*index as usize] += 1;
    }
    (starts, order)
}

fn added<T: Real>(x: &[T], blocks: Blocks, indices: &[u32], len: usize) -> Vec<T> {
    let Blocks { before, len: sources, after } = blocks;
    let mut out = vec![T::zero(); before * len * after];
    if out.is_empty() {
        return out;
    }
    // Each row of the result is summed by one task in the order of its sources: no conflicts, no dependence on threads.
    let (starts, order) = by_target(indices, len);
    let rows = (CHUNK / after).max(1);
    out.par_chunks_mut(rows * after).enumerate().for_each(|(chunk, out)| {
        for (offset, out) in out.chunks_mut(after).enumerate() {
            let row = chunk * rows + offset;
            let (block, target) = (row / len, row % len);
            for source in &order[starts[target]..starts[target + 1]] {
                let from = (block * sources + source) * after;
                add_into(out, &x[from..from + after]);
            }
        }
    });
    out
}

/// The rows `indices` of `x` along `axis` as an operation; repeated rows add up in the gradient.
pub(crate) fn take(name: &'static str, x: &Tensor, axis: usize, indices: Vec<u32>) -> Result<Tensor> {
    let value = gather_rows(x.value(), axis, &indices)?;
    let len = x.dims()[axis];
    Ok(Tensor::from_op(name, value, &[x], move |gradient, _| Ok(vec![Some(add_rows(gradient, axis, &indices, len)?)])))
}
