//! Softmax and log-softmax over the last axis.

use super::on_device;
use crate::kernel::{
    Real, by_real, dot, exp_sum, max, over_rows, rows_width, scale, slice, sum, sum_exp, unfilled, value_as, vectorised,
};
use crate::{Result, Tensor, Value};

/// Softmax over the last axis of `x` (any shape, floating), in f32 at least. Rows sum to 1.
///
/// A row of nothing but minus infinity gives NaN, as it has no distribution.
///
/// # Errors
/// When `x` has no axis or is not floating.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let (_, width) = rows_width("softmax", x)?;
    if on_device::is_other(x.device()) {
        return on_device::softmax(x);
    }
    let y = by_real!(x.value().dtype(), T => softmax_forward::<T>(x.value(), width)?);
    let saved = y.clone();
    Ok(Tensor::from_op("softmax", y, &[x], move |gradient, _| {
        Ok(vec![Some(by_real!(saved.dtype(), T => softmax_backward::<T>(&saved, gradient, width)?))])
    }))
}

/// The logarithm of softmax over the last axis of `x` (any shape, floating), in f32 at least.
///
/// # Errors
/// As [`softmax`].
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let (_, width) = rows_width("log_softmax", x)?;
    if on_device::is_other(x.device()) {
        return on_device::log_softmax(x);
    }
    let y = by_real!(x.value().dtype(), T => log_softmax_forward::<T>(x.value(), width)?);
    let saved = y.clone();
    Ok(Tensor::from_op("log_softmax", y, &[x], move |gradient, _| {
        Ok(vec![Some(by_real!(saved.dtype(), T => log_softmax_backward::<T>(&saved, gradient, width)?))])
    }))
}

fn softmax_forward<T: Real>(x: &Value, width: usize) -> Result<Value> {
    slice!(elements: T = x);
    let mut y = elements.to_vec();
    over_rows(&mut y, width, |_, y| {
        for row in y.chunks_mut(width) {
            let shift = max(row);
            let total = exp_sum(row, shift);
            scale(row, T::one() / total);
        }
    });
    value_as(y, x.dims(), x.dtype())
}

fn softmax_backward<T: Real>(y: &Value, gradient: &Value, width: usize) -> Result<Value> {
    slice!(p: T = y);
    slice!(g: T = gradient);
    let mut dx = unfilled(p.len());
    over_rows(&mut dx, width, |first, dx| {
        for (index, dx) in dx.chunks_mut(width).enumerate() {
            let row = (first + index) * width..(first + index + 1) * width;
            let (p, g) = (&p[row.clone()], &g[row]);
            softmax_row(dx, p, g, dot(p, g));
        }
    });
    value_as(dx, y.dims(), y.dtype())
}

fn log_softmax_forward<T: Real>(x: &Value, width: usize) -> Result<Value> {
    slice!(elements: T = x);
    let mut y = elements.to_vec();
    over_rows(&mut y, width, |_, y| {
        for row in y.chunks_mut(width) {
            let shift = max(row);
            let lse = shift + sum_exp(row, shift).ln();
            row.iter_mut().for_each(|x| *x -= lse);
        }
    });
    value_as(y, x.dims(), x.dtype())
}

fn log_softmax_backward<T: Real>(y: &Value, gradient: &Value, width: usize) -> Result<Value> {
    slice!(y_elements: T = y);
    slice!(g: T = gradient);
    let mut dx = unfilled(y_elements.len());
    over_rows(&mut dx, width, |first, dx| {
        for (index, dx) in dx.chunks_mut(width).enumerate() {
            let row = (first + index) * width..(first + index + 1) * width;
            let (y, g) = (&y_elements[row.clone()], &g[row]);
            log_softmax_row(dx, y, g, sum(g));
        }
    });
    value_as(dx, y.dims(), y.dtype())
}

vectorised! {
    fn softmax_row<T>(dx: &mut [T], p: &[T], g: &[T], total: T) {
        for ((dx, p), g) in dx.iter_mut().zip(p).zip(g) {
            *dx = *p * (*g - total);
        }
    }
}

vectorised! {
    fn log_softmax_row<T>(dx: &mut [T], y: &[T], g: &[T], total: T) {
        for ((dx, y), g) in dx.iter_mut().zip(y).zip(g) {
            *dx = *g - y.fast_exp() * total;
        }
    }
}
