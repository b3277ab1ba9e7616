//! The largest and smallest along axes, and where they are.

use candle_core::WithDType;

use super::reduce::arrange;

use crate::kernel::{Blocks, Real, by_element, by_real, lines, on_cpu, value_of, with_slice};
use crate::tape::require_float;
use crate::{DType, Error, Result, Tensor, Value};

/// The largest over `axes` (none named: over all). The gradient goes to the first of equal ones; the first NaN wins.
///
/// # Errors
/// When `x` is no float tensor, an axis is not there, or there is nothing to choose from.
pub fn max(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    extreme("max", x, axes, keepdim, true)
}

/// The smallest over `axes` (none named: over all). The gradient goes to the first of equal ones; the first NaN wins.
///
/// # Errors
/// When `x` is no float tensor, an axis is not there, or there is nothing to choose from.
pub fn min(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    extreme("min", x, axes, keepdim, false)
}

/// Where the largest along `axis` is, as u32; the first of equal ones, the first NaN before all. A constant.
///
/// # Errors
/// When the axis is not there or has length 0.
pub fn argmax(x: &Tensor, axis: i64, keepdim: bool) -> Result<Tensor> {
    place("argmax", x, axis, keepdim, true)
}

/// Where the smallest along `axis` is, as u32; the first of equal ones, the first NaN before all. A constant.
///
/// # Errors
/// When the axis is not there or has length 0.
pub fn argmin(x: &Tensor, axis: i64, keepdim: bool) -> Result<Tensor> {
    place("argmin", x, axis, keepdim, false)
}

/// Where the first largest (or smallest) of each line is, as u32 [before, after] on the CPU.
fn places(name: &'static str, value: &Value, blocks: Blocks, largest: bool) -> Result<Value> {
    if blocks.len == 0 {
        return Err(Error::shape(name, format!("there is nothing to choose from in {:?}", value.dims())));
    }
    let value = value.to_device(&crate::Device::Cpu)?;
    let found = by_element!(value.dtype(), T => with_slice::<T, _>(&value, |x| {
        Ok(lines(x, blocks, |line| place_in(line, largest)))
    }))?;
    value_of(found, &[blocks.before, blocks.after])
}

/// Elements that are compared with the best so far at once, without branches.
const AT_ONCE: usize = 64;

fn place_in<T: WithDType>(line: &[T], largest: bool) -> u32 {
    let better = |x: T, best: T| {
        let beats = if largest { x > best } else { x < best };
        // Only a NaN differs from itself.
        #[allow(clippy::eq_op, reason = "the one test for NaN that integers have too")]
        let nan = (x != x) & (best == best);
        beats | nan
    };
    let (mut at, mut best) = (0, line[0]);
    for (chunk, elements) in line.chunks(AT_ONCE).enumerate() {
        if !elements.iter().fold(false, |any, x| any | better(*x, best)) {
            continue;
        }
        for (index, x) in elements.iter().enumerate() {
            if better(*x, best) {
                (at, best) = (chunk * AT_ONCE + index, *x);
            }
        }
    }
    at as u32
}

fn place(name: &'static str, x: &Tensor, axis: i64, keepdim: bool, largest: bool) -> Result<Tensor> {
    let arranged = arrange(name, &x.stop_gradient(), &[axis])?;
    let found = places(name, arranged.tensor.value(), arranged.blocks, largest)?.to_device(x.device())?;
    arranged.finish(&Tensor::from_op_constant(found, false), keepdim)
}

fn extreme(name: &'static str, x: &Tensor, axes: &[i64], keepdim: bool, largest: bool) -> Result<Tensor> {
    if x.dtype() != DType::Bool && !x.dtype().is_float() {
        let whole = super::cast(x, DType::F64)?;
        // f64 holds every integer up to 2^53.
        return super::cast(&extreme(name, &whole, axes, keepdim, largest)?, x.dtype());
    }
    require_float(name, x)?;
    let arranged = arrange(name, x, axes)?;
    let Blocks { before, len, after } = arranged.blocks;
    let at = places(name, arranged.tensor.value(), arranged.blocks, largest)?;
    let value = on_cpu(&[arranged.tensor.value(), &at], |v| {
        by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |x| with_slice::<u32, _>(&v[1], |at| {
            let picked = at.iter().enumerate().map(|(line, at)| x[((line / after) * len + *at as usize) * after + line % after]);
            value_of(picked.collect::<Vec<T>>(), &[before, after])
        })))
    })?;
    let result = Tensor::from_op(name, value, &[&arranged.tensor], move |gradient, _| {
        let spread = on_cpu(&[gradient, &at], |v| {
            by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |gradient| with_slice::<u32, _>(&v[1], |at| {
                value_of(spread::<T>(gradient, at, (before, len, after)), &[before, len, after])
            })))
        })?;
        Ok(vec![Some(spread)])
    });
    arranged.finish(&result, keepdim)
}

fn spread<T: Real>(gradient: &[T], at: &[u32], (before, len, after): (usize, usize, usize)) -> Vec<T> {
    let mut out = vec![T::zero(); before * len * after];
    for (line, (gradient, at)) in gradient.iter().zip(at).enumerate() {
        out[((line / after) * len + *at as usize) * after + line % after] = *gradient;
    }
    out
}
