//! The fused operations written out with plain ones: what runs on devices without a kernel, and what tests hold kernels
//! against.
//!
//! Arguments are checked by the fused functions; these here give wrong shapes on to the plain operations' own errors.

use super::activation::Activation;
use super::rotary::Table;
use crate::ops::{
    add, add_scalar, cast, contiguous, div, erf, exp, gelu_tanh, index_select, logsumexp, matmul, mean, mul,
    mul_scalar, narrow, neg, one_hot, relu, reshape, sigmoid, silu, sqrt, square, stack, sub, sum, transpose,
};
use crate::{DType, Device, Result, Tensor, Value};

/// f32, or f64 for f64: what sums are computed in.
fn wide(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F64 { Ok(x.clone()) } else { cast(x, DType::F32) }
}

/// `softmax` over the last axis.
///
/// # Errors
/// When a plain operation fails.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    let wide_x = wide(x)?;
    cast(&exp(&sub(&wide_x, &logsumexp(&wide_x, &[-1], true)?)?)?, x.dtype())
}

/// `log_softmax` over the last axis.
///
/// # Errors
/// When a plain operation fails.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let wide_x = wide(x)?;
    cast(&sub(&wide_x, &logsumexp(&wide_x, &[-1], true)?)?, x.dtype())
}

/// An activation.
///
/// # Errors
/// When a plain operation fails.
pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => relu(x),
        Activation::Gelu => {
            let cdf = mul_scalar(&add_scalar(&erf(&mul_scalar(x, std::f64::consts::FRAC_1_SQRT_2)?)?, 1.0)?, 0.5)?;
            mul(x, &cdf)
        }
        Activation::GeluTanh => gelu_tanh(x),
        Activation::Silu => silu(x),
        Activation::Sigmoid => sigmoid(x),
    }
}

/// `glu`.
///
/// # Errors
/// When a plain operation fails.
pub fn glu(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let width = x.dims().last().copied().unwrap_or(0) / 2;
    mul(&activate(&narrow(x, -1, 0, width)?, activation)?, &narrow(x, -1, width, width)?)
}

/// `linear`.
///
/// # Errors
/// When a plain operation fails.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
    let mut y = matmul(x, &transpose(&cast(weight, x.dtype())?, 0, 1)?)?;
    if let Some(bias) = bias {
        y = add(&y, &cast(bias, x.dtype())?)?;
    }
    activate(&y, activation)
}

/// Layer norm (`centered`) or RMS norm of `x` plus a residual; and that sum.
///
/// # Errors
/// When a plain operation fails.
pub fn normalise(
    x: &Tensor,
    residual: Option<&Tensor>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
    centered: bool,
) -> Result<(Tensor, Tensor)> {
    let total = match residual {
        Some(residual) => add(x, residual)?,
        None => x.clone(),
    };
    let mut y = wide(&total)?;
    if centered {
        y = sub(&y, &mean(&y, &[-1], true)?)?;
    }
    let variance = mean(&square(&y)?, &[-1], true)?;
    y = div(&y, &sqrt(&add_scalar(&variance, eps)?)?)?;
    if let Some(weight) = weight {
        y = mul(&y, &cast(weight, y.dtype())?)?;
    }
    if let Some(bias) = bias {
        y = add(&y, &cast(bias, y.dtype())?)?;
    }
    Ok((cast(&y, x.dtype())?, total))
}

/// Each channel of `[b, c, ..]` to mean 0 and variance 1.
///
/// # Errors
/// When a plain operation fails.
pub fn batch_standardise(x: &Tensor, eps: f64) -> Result<Tensor> {
    let axes: Vec<i64> = (0..x.rank() as i64).filter(|axis| *axis != 1).collect();
    let y = wide(x)?;
    let y = sub(&y, &mean(&y, &axes, true)?)?;
    let variance = mean(&square(&y)?, &axes, true)?;
    cast(&div(&y, &sqrt(&add_scalar(&variance, eps)?)?)?, x.dtype())
}

/// `rotary`, from the angles of each row.
pub(super) fn rotary(x: &Tensor, table: &Table, interleaved: bool, rotary_dims: usize) -> Result<Tensor> {
    let (rows, heads, width) = x.value().dims3()?;
    let half = rotary_dims / 2;
    let factors = |of: fn(&(f64, f64)) -> f64| -> Result<Tensor> {
        let all: Vec<f64> = table
            .place_of_row
            .iter()
            .flat_map(|place| &table.turns[place * half..(place + 1) * half])
            .map(of)
            .collect();
        let all = Value::from_vec(all, (rows, 1, half), &Device::Cpu)?.to_dtype(x.value().dtype())?;
        Ok(Tensor::constant(all.to_device(x.device())?))
    };
    let (cosines, sines) = (factors(|turn| turn.0)?, factors(|turn| turn.1)?);
    let turned = narrow(x, -1, 0, rotary_dims)?;
    let (a, b) = if interleaved {
        let pairs = reshape(&contiguous(&turned)?, &[rows as i64, heads as i64, half as i64, 2])?;
        let side =
            |index| reshape(&contiguous(&narrow(&pairs, -1, index, 1)?)?, &[rows as i64, heads as i64, half as i64]);
        (side(0)?, side(1)?)
    } else {
        (narrow(&turned, -1, 0, half)?, narrow(&turned, -1, half, half)?)
    };
    let first = sub(&mul(&a, &cosines)?, &mul(&b, &sines)?)?;
    let second = add(&mul(&b, &cosines)?, &mul(&a, &sines)?)?;
    let rest = narrow(x, -1, rotary_dims, width - rotary_dims)?;
    let turned = if interleaved {
        reshape(&stack(&[&first, &second], -1)?, &[rows as i64, heads as i64, rotary_dims as i64])?
    } else {
        crate::ops::cat(&[&first, &second], -1)?
    };
    crate::ops::cat(&[&turned, &rest], -1)
}

/// `cross_entropy` with targets as `None` where ignored.
///
/// # Errors
/// When a plain operation fails.
pub fn cross_entropy(logits: &Tensor, targets: &[Option<usize>], smoothing: f64) -> Result<Tensor> {
    let classes = logits.dims()[1];
    let ids: Vec<u32> = targets.iter().map(|target| target.unwrap_or(0) as u32).collect();
    let counts: Vec<f64> = targets.iter().map(|target| f64::from(u8::from(target.is_some()))).collect();
    let log_p = log_softmax(&wide(logits)?)?;
    let dtype = log_p.dtype();
    let hard = one_hot(&Tensor::from_slice(&ids, &[ids.len()], logits.device())?, classes, dtype)?;
    let soft = add_scalar(&mul_scalar(&hard, 1.0 - smoothing)?, smoothing / classes as f64)?;
    let counts = Value::from_vec(counts, targets.len(), &Device::Cpu)?.to_dtype(dtype.candle())?;
    let counts = Tensor::constant(counts.to_device(logits.device())?);
    mul(&neg(&sum(&mul(&soft, &log_p)?, &[-1], false)?)?, &counts)
}

/// `soft_cross_entropy`.
///
/// # Errors
/// When a plain operation fails.
pub fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let log_p = log_softmax(&wide(logits)?)?;
    neg(&sum(&mul(&cast(targets, log_p.dtype())?, &log_p)?, &[-1], false)?)
}

/// `embedding`.
///
/// # Errors
/// When a plain operation fails.
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    index_select(table, 0, ids)
}
