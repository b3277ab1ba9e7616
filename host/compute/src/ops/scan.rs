//! Products, running sums and log-sum-exp along axes.

use candle_core::WithDType;
use rayon::prelude::*;

use super::reduce::{arrange, one_wide, widened};
use crate::kernel::{Arithmetic, Blocks, CHUNK, Real, arithmetic, by_real, lines, on_cpu, value_of, with_slice, zip};
use crate::tape::require_float;
use crate::{Result, Tensor, Value};

/// Rewrites every line along the middle of `blocks`: `f` gets the line in order and changes it in place.
pub(crate) fn rewrite_lines<T: Real>(data: &mut [T], blocks: Blocks, f: impl Fn(usize, &mut [T]) + Sync) {
    let Blocks { before, len, after } = blocks;
    if before * len * after == 0 {
        return;
    }
    if after == 1 {
        let rows = (CHUNK / len).max(1);
        data.par_chunks_mut(rows * len).enumerate().for_each(|(chunk, data)| {
            data.chunks_mut(len).enumerate().for_each(|(row, line)| f(chunk * rows + row, line));
        });
        return;
    }
    data.par_chunks_mut(len * after).enumerate().for_each(|(block, data)| {
        let mut line = vec![T::zero(); len];
        for column in 0..after {
            line.iter_mut().enumerate().for_each(|(at, x)| *x = data[at * after + column]);
            f(block * after + column, &mut line);
            line.iter().enumerate().for_each(|(at, x)| data[at * after + column] = *x);
        }
    });
}

fn running_sum<T: Real>(value: &Value, blocks: Blocks, backward: bool) -> Result<Value> {
    with_slice::<T, _>(value, |x| {
        let mut out = x.to_vec();
        rewrite_lines(&mut out, blocks, |_, line| {
            let mut sum = 0.0;
            let add = |x: &mut T| {
                sum += x.to_f64();
                *x = T::of(sum);
            };
            if backward { line.iter_mut().rev().for_each(add) } else { line.iter_mut().for_each(add) }
        });
        value_of(out, value.dims())
    })
}

/// Running sums along `axis`, in f64 and linear time.
///
/// # Errors
/// When `x` is no float tensor or the axis is not there.
pub fn cumsum(x: &Tensor, axis: i64) -> Result<Tensor> {
    require_float("cumsum", x)?;
    let arranged = arrange("cumsum", x, &[axis])?;
    let blocks = arranged.blocks;
    let value =
        on_cpu(&[arranged.tensor.value()], |v| by_real!(v[0].dtype(), T => running_sum::<T>(&v[0], blocks, false)))?;
    let result = Tensor::from_op("cumsum", value, &[&arranged.tensor], move |gradient, _| {
        Ok(vec![Some(on_cpu(&[gradient], |v| by_real!(v[0].dtype(), T => running_sum::<T>(&v[0], blocks, true)))?)])
    });
    super::shape::reshape_to("cumsum", &result, x.dims())
}

/// The product over `axes` (none named: over all). The gradient is right with zeros among the factors.
///
/// # Errors
/// When `x` is no float tensor, or an axis is not there or is named twice.
pub fn prod(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    require_float("prod", x)?;
    let arranged = arrange("prod", x, axes)?;
    let blocks = arranged.blocks;
    let value = on_cpu(&[arranged.tensor.value()], |v| {
        by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |x| {
            let products = lines(x, blocks, |line| line.iter().fold(1.0, |product, x| product * WithDType::to_f64(*x)));
            value_of(products.into_iter().map(<T as Real>::of).collect(), &[blocks.before, blocks.after])
        }))
    })?;
    let kept = arranged.tensor.value().clone();
    let result = Tensor::from_op("prod", value, &[&arranged.tensor], move |gradient, _| {
        let gradient = on_cpu(&[gradient, &kept], |v| {
            by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |gradient| with_slice::<T, _>(&v[1], |x| {
                let mut out = x.to_vec();
                rewrite_lines(&mut out, blocks, |line, x| products_of_others(x, WithDType::to_f64(gradient[line])));
                value_of(out, kept.dims())
            })))
        })?;
        Ok(vec![Some(gradient)])
    });
    arranged.finish(&result, keepdim)
}

/// Replaces each number by `factor` times the product of all others; by products from both sides, so zeros are safe.
fn products_of_others<T: Real>(line: &mut [T], factor: f64) {
    let mut from_right = vec![1.0; line.len() + 1];
    for at in (0..line.len()).rev() {
        from_right[at] = from_right[at + 1] * line[at].to_f64();
    }
    let mut from_left = factor;
    for (at, x) in line.iter_mut().enumerate() {
        let next = from_left * x.to_f64();
        *x = T::of(from_left * from_right[at + 1]);
        from_left = next;
    }
}

/// log Σ e^x over `axes` (none named: over all), in f64, without overflow; minus infinity where all are or where there is nothing.
///
/// # Errors
/// When `x` is no float tensor, or an axis is not there or is named twice.
pub fn logsumexp(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    require_float("logsumexp", x)?;
    let arranged = arrange("logsumexp", x, axes)?;
    let blocks = arranged.blocks;
    let value = on_cpu(&[arranged.tensor.value()], |v| {
        by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |x| {
            let logs = lines(x, blocks, log_sum::<T>);
            value_of(logs.into_iter().map(<T as Real>::of).collect(), &[blocks.before, blocks.after])
        }))
    })?;
    let (kept, log) = (arranged.tensor.value().clone(), value.clone());
    let result = Tensor::from_op("logsumexp", value, &[&arranged.tensor], move |gradient, _| {
        let wide = widened(&log, blocks)?;
        let share = on_cpu(&[&kept, &wide], |v| {
            // Nothing but minus infinities has no direction to grow in: gradient 0.
            by_real!(v[0].dtype(), T => zip::<T>(&v[0], &v[1], |x, log| {
                if log == T::NEG_INFINITY { 0.0 } else { (x - log).exp() }
            }))
        })?;
        Ok(vec![Some(arithmetic(Arithmetic::Mul, &share, &one_wide(gradient, blocks)?)?)])
    });
    arranged.finish(&result, keepdim)
}

/// log Σ e^x in one pass.
fn log_sum<T: Real>(line: &[T]) -> f64 {
    let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
    for x in line {
        let x = x.to_f64();
        if x == largest {
            // Also at plus infinity, where the difference would be NaN.
            sum += if x == f64::NEG_INFINITY { 0.0 } else { 1.0 };
        } else if x < largest {
            sum += (x - largest).exp();
        } else {
            sum = sum * (largest - x).exp() + 1.0;
            largest = x;
        }
    }
    largest + f64::ln(sum)
}
