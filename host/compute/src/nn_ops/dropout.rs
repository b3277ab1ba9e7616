//! Dropout whose mask is a function of key, row and feature.

use std::sync::Arc;

use philox::Key;

use super::on_device;
use crate::kernel::{Real, by_real, over_rows, slice, unfilled, value_as};
use crate::layout::Layout;
use crate::random::Rows;
use crate::{Error, Result, Tensor, Value};

/// Sets each element to 0 with probability `rate` and divides the others by `1 - rate`.
///
/// Srivastava et al. 2014, JMLR 15, section 10 (inverted). With a layout, `x [n, ..]` is drawn by row key and position, so
/// padding, packing and splitting change nothing; without one by the number of the element. `rate` 0 is the identity.
/// Whether this is training is the caller's knowledge: in evaluation, don't call it.
///
/// # Errors
/// When `rate` is outside `0..1`, or the layout has other rows than `x`.
pub fn dropout(x: &Tensor, rate: f64, key: Key, layout: Option<&Layout>) -> Result<Tensor> {
    const NAME: &str = "dropout";
    crate::tape::require_float(NAME, x)?;
    if !(0.0..1.0).contains(&rate) {
        return Err(Error::argument(NAME, format!("rate {rate} is outside 0 (included) to 1 (excluded)")));
    }
    if rate == 0.0 {
        return Ok(x.clone());
    }
    let rows = Rows::new(NAME, key, x.dims(), layout)?;
    if on_device::is_other(x.device())
        && let Some(y) = on_device::dropout(x, rate, key, layout)?
    {
        return Ok(y);
    }
    let kept = Arc::new(rows.bernoulli(1.0 - rate));
    let factor = 1.0 / (1.0 - rate);
    let apply = move |x: &Value| -> Result<Value> {
        if x.device().is_cpu() {
            by_real!(x.dtype(), T => keep::<T>(x, &kept, factor))
        } else {
            let kept = Value::from_slice(&kept[..], x.dims(), x.device())?.to_dtype(x.dtype())?;
            Ok((x * kept)?.affine(factor, 0.0)?)
        }
    };
    Ok(Tensor::from_op(NAME, apply(x.value())?, &[x], move |gradient, _| Ok(vec![Some(apply(gradient)?)])))
}

fn keep<T: Real>(x: &Value, kept: &[u8], factor: f64) -> Result<Value> {
    slice!(elements: T = x);
    let factor = T::of(factor);
    let mut y = unfilled(elements.len());
    over_rows(&mut y, 1, |first, y| {
        for ((y, x), kept) in y.iter_mut().zip(&elements[first..]).zip(&kept[first..]) {
            *y = if *kept == 1 { *x * factor } else { T::zero() };
        }
    });
    value_as(y, x.dims(), x.dtype())
}
