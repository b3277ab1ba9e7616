//! Parts, borders, repetitions and windows along axes.

use super::axis::take;
use super::shape::{cat, narrow, permute, reshape_to};
use crate::kernel::{axes_of, axis_of};
use crate::{Error, Result, Tensor, Value};

/// What [`pad`] puts at the borders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// This number.
    Constant(f64),
    /// The rows mirrored about the first and last one, which are not repeated.
    Reflect,
    /// The first and last row again.
    Replicate,
}

/// Every `step`-th row of `axis` from `start` up to, without, `end`.
///
/// # Errors
/// When the axis is not there or shorter than `end`, `start` is behind `end`, or `step` is 0.
pub fn slice(x: &Tensor, axis: i64, start: usize, end: usize, step: usize) -> Result<Tensor> {
    let axis = axis_of("slice", axis, x.rank())?;
    if start > end || end > x.dims()[axis] || step == 0 {
        let fact = format!("{start}..{end} by {step} of axis {axis}, which has {} in {:?}", x.dims()[axis], x.dims());
        return Err(Error::shape("slice", fact));
    }
    if step == 1 {
        return narrow(x, axis as i64, start, end - start);
    }
    take("slice", x, axis, (start..end).step_by(step).map(|row| row as u32).collect())
}

/// The rows of `axes` (none named: of all) in reverse order.
///
/// # Errors
/// When an axis is not there or is named twice.
pub fn flip(x: &Tensor, axes: &[i64]) -> Result<Tensor> {
    let mut flipped = x.clone();
    for axis in axes_of("flip", axes, x.rank())? {
        flipped = take("flip", &flipped, axis, (0..x.dims()[axis] as u32).rev().collect())?;
    }
    Ok(flipped)
}

/// The rows of `axis` moved on by `shift` places, those that leave one end coming in at the other.
///
/// # Errors
/// When the axis is not there.
pub fn roll(x: &Tensor, shift: i64, axis: i64) -> Result<Tensor> {
    let axis = axis_of("roll", axis, x.rank())?;
    let length = x.dims()[axis] as i64;
    take("roll", x, axis, (0..length).map(|row| (row - shift).rem_euclid(length) as u32).collect())
}

/// `before` and `after` rows added at the ends of `axis`.
///
/// # Errors
/// When the axis is not there, `Reflect` asks for as many rows as there are, or `Replicate` has none to repeat.
pub fn pad(x: &Tensor, axis: i64, before: usize, after: usize, mode: PadMode) -> Result<Tensor> {
    let axis = axis_of("pad", axis, x.rank())?;
    let length = x.dims()[axis];
    let needed = match mode {
        PadMode::Constant(_) => 0,
        PadMode::Reflect => before.max(after) + 1,
        PadMode::Replicate => 1,
    };
    if length < needed {
        let fact =
            format!("{mode:?} by {before} and {after} needs {needed} rows, axis {axis} of {:?} has {length}", x.dims());
        return Err(Error::shape("pad", fact));
    }
    if let PadMode::Constant(number) = mode {
        let border = |rows: usize| -> Result<Tensor> {
            let mut shape = x.dims().to_vec();
            shape[axis] = rows;
            let value = Value::full(number, shape.as_slice(), x.device())?.to_dtype(x.dtype().candle())?;
            Ok(if x.dtype() == crate::DType::Bool { Tensor::truth(value) } else { Tensor::constant(value) })
        };
        return cat(&[&border(before)?, x, &border(after)?], axis as i64);
    }
    let last = length as i64 - 1;
    let row = |at: i64| match mode {
        PadMode::Reflect if at < 0 => -at,
        PadMode::Reflect if at > last => 2 * last - at,
        _ => at.clamp(0, last),
    };
    take("pad", x, axis, (-(before as i64)..(length + after) as i64).map(|at| row(at) as u32).collect())
}

/// The tensor laid side by side `counts[i]` times along axis i.
///
/// # Errors
/// When `counts` has not one number for each axis.
pub fn repeat(x: &Tensor, counts: &[usize]) -> Result<Tensor> {
    if counts.len() != x.rank() {
        let fact = format!("{counts:?} has not one number for each axis of {:?}", x.dims());
        return Err(Error::shape("repeat", fact).with_help("`unsqueeze` adds axes first"));
    }
    let mut repeated = x.clone();
    for (axis, count) in counts.iter().enumerate().filter(|(_, count)| **count != 1) {
        let length = x.dims()[axis] as u32;
        repeated = take("repeat", &repeated, axis, (0..*count).flat_map(|_| 0..length).collect())?;
    }
    Ok(repeated)
}

/// Windows of `size` rows of `axis`, each `step` rows after the one before: `axis` counts the windows, a new last axis
/// their rows. Windows may overlap; rows that fill no window are left out.
///
/// # Errors
/// When the axis is not there, `size` or `step` is 0, or `size` is above the length.
pub fn unfold(x: &Tensor, axis: i64, size: usize, step: usize) -> Result<Tensor> {
    let axis = axis_of("unfold", axis, x.rank())?;
    let length = x.dims()[axis];
    if size == 0 || step == 0 || size > length {
        let fact = format!("windows of {size} rows every {step} of axis {axis}, which has {length} in {:?}", x.dims());
        return Err(Error::shape("unfold", fact));
    }
    let windows = (length - size) / step + 1;
    let rows = (0..windows).flat_map(|window| (window * step..window * step + size).map(|row| row as u32)).collect();
    let taken = take("unfold", x, axis, rows)?;
    let mut shape = x.dims().to_vec();
    shape[axis] = windows;
    shape.insert(axis + 1, size);
    let order: Vec<i64> = (0..shape.len()).filter(|at| *at != axis + 1).chain([axis + 1]).map(|at| at as i64).collect();
    permute(&reshape_to("unfold", &taken, &shape)?, &order)
}
