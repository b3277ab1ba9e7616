//! Reading at places: rows by number or mask, elements by number, one-hot rows.
//!
//! Indices are u32 or i64 and are checked: one out of range is an error that names it.

use candle_core::WithDType;
use rayon::prelude::*;

use super::axis::take;
use super::shape::reshape_to;
use crate::kernel::{Blocks, Real, axis_of, by_element, by_real, indices_of, on_cpu, value_of, with_slice};
use crate::{DType, Device, Error, Result, Tensor, Value};

/// The rows `indices` `[n]` of `axis`: that axis gets length n. Rows taken twice add up in the gradient.
///
/// # Errors
/// When the axis is not there, the indices are not one axis of u32 or i64, or one is out of range.
pub fn index_select(x: &Tensor, axis: i64, indices: &Tensor) -> Result<Tensor> {
    let axis = axis_of("index_select", axis, x.rank())?;
    if indices.rank() != 1 {
        let fact = format!("indices of shape {:?}", indices.dims());
        return Err(Error::shape("index_select", fact).with_help("indices have one axis; `gather` takes more"));
    }
    take("index_select", x, axis, indices_of("index_select", indices, x.dims()[axis])?)
}

/// Checks that `indices` fits `x` beside `axis`; gives the axis and the indices.
pub(crate) fn element_indices(
    name: &'static str,
    shape: &[usize],
    axis: i64,
    indices: &Tensor,
) -> Result<(usize, Vec<u32>)> {
    let axis = axis_of(name, axis, shape.len())?;
    let fits =
        indices.rank() == shape.len() && (0..shape.len()).all(|at| at == axis || indices.dims()[at] == shape[at]);
    if !fits {
        let fact = format!("indices {:?} and tensor {shape:?} differ beside axis {axis}", indices.dims());
        return Err(Error::shape(name, fact).with_help("`expand` the indices, or use `index_select` for whole rows"));
    }
    Ok((axis, indices_of(name, indices, shape[axis])?))
}

/// The elements of x [before, len, after] at `indices` [before, count, after].
pub(crate) fn picked<T: WithDType>(x: &[T], blocks: Blocks, indices: &[u32]) -> Vec<T> {
    let Blocks { before, len, after } = blocks;
    let Some(per_block) = indices.len().checked_div(before).filter(|count| *count > 0) else { return Vec::new() };
    indices
        .par_iter()
        .with_min_len(4096)
        .enumerate()
        .map(|(at, index)| x[((at / per_block) * len + *index as usize) * after + at % after])
        .collect()
}

/// Adds `source` [before, count, after] into `out` [before, len, after] at `indices`, in the order of count.
pub(crate) fn add_picked<T: Real>(out: &mut [T], blocks: Blocks, indices: &[u32], source: &[T]) {
    let Blocks { before, len, after } = blocks;
    let Some(per_block) = indices.len().checked_div(before).filter(|count| *count > 0) else { return };
    // One task for a block: what goes to one place is added up in one order.
    out.par_chunks_mut(len * after).zip(indices.par_chunks(per_block).zip(source.par_chunks(per_block))).for_each(
        |(out, (indices, source))| {
            for (at, (index, x)) in indices.iter().zip(source).enumerate() {
                out[*index as usize * after + at % after] += *x;
            }
        },
    );
}

/// The elements at `indices` along `axis`; `indices` has the shape of `x` but for that axis. Repeats add up in the gradient.
///
/// # Errors
/// When the axis is not there, the shapes do not fit, or an index is out of range.
pub fn gather(x: &Tensor, axis: i64, indices: &Tensor) -> Result<Tensor> {
    let (axis, numbers) = element_indices("gather", x.dims(), axis, indices)?;
    let (shape, blocks, source) =
        (indices.dims().to_vec(), Blocks::of(x.dims(), axis), x.value().to_device(&Device::Cpu)?);
    let value = by_element!(source.dtype(), T => with_slice::<T, _>(&source, |x| value_of(picked(x, blocks, &numbers), &shape)))?;
    let from = x.dims().to_vec();
    Ok(Tensor::from_op("gather", value.to_device(x.device())?, &[x], move |gradient, _| {
        let spread = on_cpu(&[gradient], |v| {
            by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |gradient| {
                let mut out = vec![0.0 as T; from.iter().product()];
                add_picked(&mut out, blocks, &numbers, gradient);
                value_of(out, &from)
            }))
        })?;
        Ok(vec![Some(spread)])
    }))
}

/// The places of a bool tensor that are true, counted in order.
pub(crate) fn true_places(name: &'static str, mask: &Tensor) -> Result<Vec<u32>> {
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(name, mask.dtype()).with_help("the mask is bool: a comparison gives one"));
    }
    with_slice::<u8, _>(&mask.value().to_device(&Device::Cpu)?, |mask| {
        Ok(mask.iter().enumerate().filter(|(_, is)| **is != 0).map(|(at, _)| at as u32).collect())
    })
}

/// Checks that `mask` covers the leading axes of `x`; gives x as rows [places of the mask, rest...].
pub(crate) fn rows_under(name: &'static str, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    if !x.dims().starts_with(mask.dims()) {
        let fact = format!("the mask {:?} is not the leading axes of {:?}", mask.dims(), x.dims());
        return Err(
            Error::shape(name, fact).with_help("true picks a row: all axes behind those of the mask stay whole")
        );
    }
    let mut shape = vec![mask.elements()];
    shape.extend(&x.dims()[mask.rank()..]);
    reshape_to(name, x, &shape)
}

/// The rows of `x` where `mask`, a bool tensor over its leading axes, is true: shape [count, rest...].
///
/// # Errors
/// When the mask is not bool or not of the leading axes.
pub fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let rows = rows_under("masked_select", x, mask)?;
    take("masked_select", &rows, 0, true_places("masked_select", mask)?)
}

/// The places where a bool tensor is true, in order: u32 [count, axes]. A constant.
///
/// # Errors
/// When `mask` is not bool.
pub fn nonzero(mask: &Tensor) -> Result<Tensor> {
    let places = true_places("nonzero", mask)?;
    let mut found = Vec::with_capacity(places.len() * mask.rank());
    for place in &places {
        let mut rest = *place as usize;
        let start = found.len();
        for length in mask.dims().iter().rev() {
            found.push((rest % length) as u32);
            rest /= length;
        }
        found[start..].reverse();
    }
    Ok(Tensor::from_op_constant(Value::from_vec(found, (places.len(), mask.rank()), mask.device())?, false))
}

/// Rows of zeros with a one at each index: a new last axis of length `classes`, of dtype `dtype`. A constant.
///
/// # Errors
/// When an index is not below `classes`, or `indices` is neither u32 nor i64.
pub fn one_hot(indices: &Tensor, classes: usize, dtype: DType) -> Result<Tensor> {
    let numbers = indices_of("one_hot", indices, classes)?;
    let mut ones = vec![0u8; numbers.len() * classes];
    numbers.iter().enumerate().for_each(|(row, class)| ones[row * classes + *class as usize] = 1);
    let mut shape = indices.dims().to_vec();
    shape.push(classes);
    let value = Value::from_vec(ones, shape.as_slice(), indices.device())?.to_dtype(dtype.candle())?;
    Ok(Tensor::from_op_constant(value, dtype == DType::Bool))
}
