//! Sums and means, and how any reduction arranges its axes.

use rayon::prelude::*;

use super::shape::{permute, reshape_to};
use crate::kernel::{Blocks, CHUNK, Real, axes_of, by_real, on_cpu, value_of, vectorised, with_slice};
use crate::tape::require_float;
use crate::{DType, Error, Result, Tensor, Value};

/// A tensor arranged for a reduction: shape [before, length, after], the middle axis to be reduced.
pub(crate) struct Arranged {
    pub(crate) tensor: Tensor,
    pub(crate) blocks: Blocks,
    kept: Vec<usize>,
    dropped: Vec<usize>,
}

impl Arranged {
    /// The result [before, after] or [before, 1, after] in the shape that the caller asked for.
    pub(crate) fn finish(&self, result: &Tensor, keepdim: bool) -> Result<Tensor> {
        reshape_to("reshape", result, if keepdim { &self.kept } else { &self.dropped })
    }
}

/// Brings the axes to be reduced together.
pub(crate) fn arrange(name: &'static str, x: &Tensor, axes: &[i64]) -> Result<Arranged> {
    let axes = axes_of(name, axes, x.rank())?;
    let shape = x.dims();
    let reduced = |axis: &usize| axes.contains(axis);
    let kept = (0..shape.len()).map(|axis| if reduced(&axis) { 1 } else { shape[axis] }).collect();
    let dropped: Vec<usize> = (0..shape.len()).filter(|axis| !reduced(axis)).map(|axis| shape[axis]).collect();
    let len: usize = axes.iter().map(|axis| shape[*axis]).product();
    let is_run = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let (tensor, blocks) = if is_run {
        let (first, last) = (axes.first().copied().unwrap_or(0), axes.last().map_or(0, |axis| axis + 1));
        let blocks = Blocks { before: shape[..first].iter().product(), len, after: shape[last..].iter().product() };
        (x.clone(), blocks)
    } else {
        let order: Vec<i64> = (0..shape.len())
            .filter(|axis| !reduced(axis))
            .chain(axes.iter().copied())
            .map(|axis| axis as i64)
            .collect();
        (permute(x, &order)?, Blocks { before: dropped.iter().product(), len, after: 1 })
    };
    let tensor = reshape_to("reshape", &tensor, &[blocks.before, blocks.len, blocks.after])?;
    Ok(Arranged { tensor, blocks, kept, dropped })
}

/// What was reduced to [before, after], as [before, 1, after].
pub(crate) fn one_wide(value: &Value, blocks: Blocks) -> Result<Value> {
    Ok(value.reshape((blocks.before, 1, blocks.after))?)
}

/// A gradient of shape [before, 1, after] or [before, after] seen as [before, length, after].
pub(crate) fn widened(gradient: &Value, blocks: Blocks) -> Result<Value> {
    let Blocks { before, len, after } = blocks;
    Ok(one_wide(gradient, blocks)?.broadcast_as((before, len, after))?)
}

vectorised! {
    /// The sum of a slice in f64, in eight lanes.
    fn slice_sum<T>(slice: &[T]) -> f64 {
        let mut lanes = [0.0f64; 8];
        let eights = slice.chunks_exact(8);
        let rest: f64 = eights.remainder().iter().map(|x| x.to_f64()).sum();
        for eight in eights {
            lanes.iter_mut().zip(eight).for_each(|(lane, x)| *lane += x.to_f64());
        }
        lanes.iter().sum::<f64>() + rest
    }
}

/// `scale` times the sums along the middle of `blocks`, added up in f64 in an order that depends on the shape only.
fn sums<T: Real>(x: &[T], blocks: Blocks, scale: f64) -> Vec<T> {
    let Blocks { before, len, after } = blocks;
    if before * after == 0 || len == 0 {
        return vec![T::zero(); before * after];
    }
    if after == 1 {
        if len <= 4 * CHUNK {
            let mut out = vec![T::zero(); before];
            let rows = (CHUNK / len).max(1);
            out.par_chunks_mut(rows).zip(x.par_chunks(rows * len)).for_each(|(out, x)| {
                out.iter_mut().zip(x.chunks(len)).for_each(|(out, line)| *out = T::of(scale * slice_sum(line)));
            });
            return out;
        }
        let line = |line: &[T]| -> f64 { line.par_chunks(CHUNK).map(slice_sum).collect::<Vec<f64>>().iter().sum() };
        return x.chunks(len).map(|x| T::of(scale * line(x))).collect();
    }
    // Few blocks of many rows are cut into groups of rows; how many depends on the shape alone.
    let groups = if before >= 64 { 1 } else { (len * after / CHUNK).clamp(1, 64) };
    let rows = len.div_ceil(groups);
    let partial: Vec<Vec<f64>> = (0..before * groups)
        .into_par_iter()
        .map(|task| {
            let (block, group) = (task / groups, task % groups);
            let (first, last) = ((group * rows).min(len), ((group + 1) * rows).min(len));
            let mut sum = vec![0.0f64; after];
            for row in x[(block * len + first) * after..(block * len + last) * after].chunks(after) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.to_f64());
            }
            sum
        })
        .collect();
    let total = |group: &[Vec<f64>]| -> Vec<T> {
        (0..after).map(|at| T::of(scale * group.iter().map(|sum| sum[at]).sum::<f64>())).collect()
    };
    partial.chunks(groups).flat_map(total).collect()
}

/// `scale` times the sum of a float value [before, length, after] over its middle axis, as [before, after].
pub(crate) fn sum_value(value: &Value, blocks: Blocks, scale: f64) -> Result<Value> {
    if !value.device().is_cpu() {
        return Ok((value.sum(1)? * scale)?);
    }
    on_cpu(
        &[value],
        |v| by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |x| value_of(sums(x, blocks, scale), &[blocks.before, blocks.after]))),
    )
}

fn scaled_sum(name: &'static str, x: &Tensor, axes: &[i64], keepdim: bool, mean: bool) -> Result<Tensor> {
    require_float(name, x)?;
    let arranged = arrange(name, x, axes)?;
    let blocks = arranged.blocks;
    if mean && blocks.len == 0 {
        return Err(Error::shape(name, format!("there is no element to average in {:?}", x.dims())));
    }
    let scale = if mean { 1.0 / blocks.len as f64 } else { 1.0 };
    let value = sum_value(arranged.tensor.value(), blocks, scale)?;
    let result = Tensor::from_op(name, value, &[&arranged.tensor], move |gradient, _| {
        let gradient = if mean { (gradient * scale)? } else { gradient.clone() };
        Ok(vec![Some(widened(&gradient, blocks)?)])
    });
    arranged.finish(&result, keepdim)
}

/// The sum over `axes` (none named: over all), added up in f64; integers are added up in i64. A sum of nothing is 0.
///
/// # Errors
/// When an axis is not there or is named twice, or `x` is bool ([`count_true`] counts).
pub fn sum(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    if x.dtype().is_float() {
        return scaled_sum("sum", x, axes, keepdim, false);
    }
    if x.dtype() == DType::Bool {
        return Err(Error::dtype("sum", DType::Bool).with_help("`count_true` counts, `cast` makes numbers"));
    }
    integer_sum("sum", x, axes, keepdim)
}

fn integer_sum(name: &'static str, x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    let arranged = arrange(name, x, axes)?;
    let blocks = arranged.blocks;
    let value = arranged.tensor.value().to_device(&crate::Device::Cpu)?.to_dtype(candle_core::DType::I64)?;
    let sums = with_slice::<i64, _>(&value, |x| {
        Ok(crate::kernel::lines(x, blocks, |line| line.iter().copied().fold(0i64, i64::wrapping_add)))
    })?;
    let value = value_of(sums, &[blocks.before, blocks.after])?.to_device(x.device())?;
    arranged.finish(&Tensor::from_op_constant(value, false), keepdim)
}

/// The mean over `axes` (none named: over all), added up in f64.
///
/// # Errors
/// When `x` is no float tensor, an axis is not there or is named twice, or there is nothing to average.
pub fn mean(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    scaled_sum("mean", x, axes, keepdim, true)
}

/// The sum of all elements: a tensor of shape [].
///
/// # Errors
/// As [`sum`].
pub fn sum_all(x: &Tensor) -> Result<Tensor> {
    sum(x, &[], false)
}

/// The mean of all elements: a tensor of shape [].
///
/// # Errors
/// As [`mean`].
pub fn mean_all(x: &Tensor) -> Result<Tensor> {
    mean(x, &[], false)
}

/// How many are true along `axes` (none named: all), as i64.
///
/// # Errors
/// When `x` is not bool, or an axis is not there or is named twice.
pub fn count_true(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    if x.dtype() != DType::Bool {
        return Err(Error::dtype("count_true", x.dtype()).with_help("compare it first: `ne_scalar(x, 0.0)`"));
    }
    integer_sum("count_true", x, axes, keepdim)
}
