//! Variance, standard deviation and Euclidean norm along axes.

use candle_core::WithDType;

use super::reduce::{Arranged, arrange, one_wide, sum_value};
use crate::kernel::{Arithmetic, Blocks, arithmetic, by_real, lines, on_cpu, value_of, with_slice, zip};
use crate::tape::require_float;
use crate::{Error, Result, Tensor, Value};

/// x minus its mean along the middle axis, in f32 or f64.
fn centred(value: &Value, blocks: Blocks) -> Result<Value> {
    use candle_core::DType::{BF16, F16, F32};
    let value = if matches!(value.dtype(), BF16 | F16) { value.to_dtype(F32)? } else { value.clone() };
    let mean = sum_value(&value, blocks, 1.0 / blocks.len as f64)?;
    arithmetic(Arithmetic::Sub, &value, &one_wide(&mean, blocks)?)
}

fn moments(name: &'static str, x: &Tensor, axes: &[i64], unbiased: bool) -> Result<(Arranged, Value, f64)> {
    require_float(name, x)?;
    let arranged = arrange(name, x, axes)?;
    let blocks = arranged.blocks;
    if blocks.len < 1 + usize::from(unbiased) {
        let fact = format!("{} elements of {:?} have no {name}", blocks.len, x.dims());
        return Err(Error::shape(name, fact).with_help("the unbiased form needs two elements, the biased one"));
    }
    let divisor = (blocks.len - usize::from(unbiased)) as f64;
    let distance = centred(arranged.tensor.value(), blocks)?;
    let variance = sum_value(&arithmetic(Arithmetic::Mul, &distance, &distance)?, blocks, 1.0 / divisor)?;
    Ok((arranged, variance, divisor))
}

/// The variance over `axes` (none named: over all): the mean squared distance from the mean, with n - 1 in place of n
/// when `unbiased`. Two passes, sums in f64.
///
/// # Errors
/// When `x` is no float tensor, an axis is not there, or there are too few elements.
pub fn variance(x: &Tensor, axes: &[i64], unbiased: bool, keepdim: bool) -> Result<Tensor> {
    let (arranged, variance, divisor) = moments("variance", x, axes, unbiased)?;
    let (blocks, kept, dtype) = (arranged.blocks, arranged.tensor.value().clone(), x.dtype().candle());
    let result = Tensor::from_op("variance", variance.to_dtype(dtype)?, &[&arranged.tensor], move |gradient, _| {
        let slope = (centred(&kept, blocks)? * (2.0 / divisor))?;
        let gradient = one_wide(&gradient.to_dtype(slope.dtype())?, blocks)?;
        Ok(vec![Some(arithmetic(Arithmetic::Mul, &slope, &gradient)?.to_dtype(dtype)?)])
    });
    arranged.finish(&result, keepdim)
}

/// The square root of [`variance`]; where it is 0 the gradient is 0.
///
/// # Errors
/// As [`variance`].
pub fn std(x: &Tensor, axes: &[i64], unbiased: bool, keepdim: bool) -> Result<Tensor> {
    let (arranged, variance, divisor) = moments("std", x, axes, unbiased)?;
    let root = variance.sqrt()?;
    let (blocks, kept, dtype) = (arranged.blocks, arranged.tensor.value().clone(), x.dtype().candle());
    let saved = root.clone();
    let result = Tensor::from_op("std", root.to_dtype(dtype)?, &[&arranged.tensor], move |gradient, _| {
        let gradient = over(&gradient.to_dtype(saved.dtype())?, &saved)?;
        let slope = (centred(&kept, blocks)? * (1.0 / divisor))?;
        Ok(vec![Some(arithmetic(Arithmetic::Mul, &slope, &one_wide(&gradient, blocks)?)?.to_dtype(dtype)?)])
    });
    arranged.finish(&result, keepdim)
}

/// gradient / root, 0 where the root is 0.
fn over(gradient: &Value, root: &Value) -> Result<Value> {
    let gradient = gradient.reshape(root.dims())?;
    on_cpu(&[&gradient, root], |v| {
        by_real!(v[0].dtype(), T => zip::<T>(&v[0], &v[1], |gradient, root| {
            if root == 0.0 { 0.0 } else { gradient / root }
        }))
    })
}

/// The Euclidean norm √(Σ x²) over `axes` (none named: over all), summed in f64; at 0 the gradient is 0.
///
/// # Errors
/// When `x` is no float tensor, or an axis is not there or is named twice.
pub fn norm(x: &Tensor, axes: &[i64], keepdim: bool) -> Result<Tensor> {
    require_float("norm", x)?;
    let arranged = arrange("norm", x, axes)?;
    let blocks = arranged.blocks;
    let value = on_cpu(&[arranged.tensor.value()], |v| {
        by_real!(v[0].dtype(), T => with_slice::<T, _>(&v[0], |x| {
            let squares = lines(x, blocks, |line| line.iter().fold(0.0f64, |sum, x| sum + WithDType::to_f64(*x).powi(2)));
            value_of(squares.into_iter().map(|sum| sum.sqrt() as T).collect(), &[blocks.before, blocks.after])
        }))
    })?;
    let (kept, saved) = (arranged.tensor.value().clone(), value.clone());
    let result = Tensor::from_op("norm", value, &[&arranged.tensor], move |gradient, _| {
        Ok(vec![Some(arithmetic(Arithmetic::Mul, &kept, &one_wide(&over(gradient, &saved)?, blocks)?)?)])
    });
    arranged.finish(&result, keepdim)
}
