//! Losses made of plain operations. All but InfoNCE give one number for each element: reduce them over what counts.
//!
//! Under bf16 and f16 they compute and answer in f32.

use super::{
    abs, add, add_scalar, cast, clamp, diagonal, div, exp, log, logsumexp, matmul, mul, mul_scalar, neg, norm,
    softplus, square, sub, transpose,
};
use crate::tape::require_float;
use crate::{DType, Error, Result, Tensor};

/// The tensor in f32 where it is narrower.
fn wide(name: &'static str, x: &Tensor) -> Result<Tensor> {
    match require_float(name, x)? {
        DType::BF16 | DType::F16 => cast(x, DType::F32),
        _ => Ok(x.clone()),
    }
}

fn difference(name: &'static str, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    if prediction.dims() != target.dims() {
        let fact = format!("prediction {:?} and target {:?} differ in shape", prediction.dims(), target.dims());
        return Err(Error::shape(name, fact).with_help("`expand` one of them where a broadcast is meant"));
    }
    sub(&wide(name, prediction)?, &wide(name, target)?)
}

/// (prediction - target)², elementwise.
///
/// # Errors
/// When shapes or dtypes differ.
pub fn mse(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    square(&difference("mse", prediction, target)?)
}

/// |prediction - target|, elementwise; the gradient is 0 where they are equal.
///
/// # Errors
/// When shapes or dtypes differ.
pub fn l1(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    abs(&difference("l1", prediction, target)?)
}

/// Half the square of the difference up to `delta`, delta·(|difference| - delta/2) beyond, elementwise. Huber 1964.
///
/// # Errors
/// When shapes or dtypes differ or `delta` is not positive.
pub fn huber(prediction: &Tensor, target: &Tensor, delta: f64) -> Result<Tensor> {
    if delta.is_nan() || delta <= 0.0 {
        return Err(Error::argument("huber", format!("delta is {delta}, it must be above 0")));
    }
    let difference = difference("huber", prediction, target)?;
    // With c the difference cut off at ±delta both pieces are c·(d - c/2): no choice, and its slope is c.
    let cut = clamp(&difference, -delta, delta)?;
    mul(&cut, &sub(&difference, &mul_scalar(&cut, 0.5)?)?)
}

/// [`huber`] divided by `beta`: the square of the difference over 2·beta up to `beta`, |difference| - beta/2 beyond, elementwise.
/// Girshick 2015, arXiv:1504.08083, equation 3 (beta 1).
///
/// # Errors
/// When shapes or dtypes differ or `beta` is not positive.
pub fn smooth_l1(prediction: &Tensor, target: &Tensor, beta: f64) -> Result<Tensor> {
    if beta.is_nan() || beta <= 0.0 {
        return Err(Error::argument("smooth_l1", format!("beta is {beta}, it must be above 0")));
    }
    mul_scalar(&huber(prediction, target, beta)?, 1.0 / beta)
}

/// Binary cross-entropy of logits against targets in 0..=1, elementwise; positives weigh `pos_weight` (broadcast) where given.
///
/// -w·y·log σ(x) - (1 - y)·log(1 - σ(x)), in the form that never overflows: (1 - y)·x + (1 + (w - 1)·y)·softplus(-x).
///
/// # Errors
/// When shapes or dtypes differ, or `pos_weight` does not broadcast.
pub fn bce_with_logits(logits: &Tensor, targets: &Tensor, pos_weight: Option<&Tensor>) -> Result<Tensor> {
    let name = "bce_with_logits";
    if logits.dims() != targets.dims() {
        let fact = format!("logits {:?} and targets {:?} differ in shape", logits.dims(), targets.dims());
        return Err(Error::shape(name, fact));
    }
    let (logits, targets) = (wide(name, logits)?, wide(name, targets)?);
    let log_part = softplus(&neg(&logits)?)?;
    let log_part = match pos_weight {
        None => log_part,
        Some(weight) => mul(&log_part, &add_scalar(&mul(&add_scalar(&wide(name, weight)?, -1.0)?, &targets)?, 1.0)?)?,
    };
    let rest = add_scalar(&neg(&targets)?, 1.0)?;
    add(&mul(&rest, &logits)?, &log_part)
}

/// q·(log q - log p), elementwise: the divergence of `log_p` from the target q. `target_is_log` says that log q is given.
///
/// Sum it over the classes. A target of 0 gives 0.
///
/// # Errors
/// When shapes or dtypes differ.
pub fn kl_div(log_p: &Tensor, target: &Tensor, target_is_log: bool) -> Result<Tensor> {
    let name = "kl_div";
    if log_p.dims() != target.dims() {
        let fact = format!("log_p {:?} and target {:?} differ in shape", log_p.dims(), target.dims());
        return Err(Error::shape(name, fact));
    }
    let (log_p, target) = (wide(name, log_p)?, wide(name, target)?);
    let q = if target_is_log { exp(&target)? } else { target.clone() };
    // Where q is 0 the product is 0 by its limit, also for log p of minus infinity; both factors are put out of the way.
    let nothing = super::eq_scalar(&q, 0.0)?;
    let safe = |x: &Tensor, filler: f64| super::fill_where(x, &nothing, filler);
    let log_q = if target_is_log { safe(&target, 0.0)? } else { log(&safe(&q, 1.0)?)? };
    mul(&q, &sub(&log_q, &safe(&log_p, 0.0)?)?)
}

/// The cosine of the angle between a and b over the last axis; leading axes broadcast. Each norm is at least 1e-8.
///
/// # Errors
/// When dtypes differ, either is a scalar, or shapes do not broadcast.
pub fn cosine_similarity(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let name = "cosine_similarity";
    let (a, b) = (wide(name, a)?, wide(name, b)?);
    super::dot(&unit(name, &a)?, &unit(name, &b)?)
}

/// x over its Euclidean norm, or over 1e-8 where that is larger.
fn unit(name: &'static str, x: &Tensor) -> Result<Tensor> {
    if x.rank() == 0 {
        return Err(Error::shape(name, "a scalar has no direction"));
    }
    let length = norm(x, &[-1], true)?;
    div(x, &clamp(&length, 1e-8, f64::INFINITY)?)
}

/// InfoNCE over a batch: row i of `a_nd` belongs with row i of `b_nd`, all other rows of b are its negatives.
///
/// Cosine similarities over `temperature`, cross-entropy with the matching row, one number `[n]` for each row; `symmetric`
/// averages it with the same from b to a. van den Oord et al. 2018, arXiv:1807.03748; Radford et al. 2021,
/// arXiv:2103.00020, figure 3.
///
/// # Errors
/// When shapes or dtypes differ, they are no `[n, d]`, or the temperature is not positive.
pub fn info_nce(a_nd: &Tensor, b_nd: &Tensor, temperature: f64, symmetric: bool) -> Result<Tensor> {
    let name = "info_nce";
    if a_nd.rank() != 2 || a_nd.dims() != b_nd.dims() {
        let fact = format!("{:?} and {:?} are not two times [rows, width]", a_nd.dims(), b_nd.dims());
        return Err(Error::shape(name, fact));
    }
    if temperature.is_nan() || temperature <= 0.0 {
        return Err(Error::argument(name, format!("the temperature is {temperature}, it must be above 0")));
    }
    let (a_nd, b_nd) = (unit(name, &wide(name, a_nd)?)?, unit(name, &wide(name, b_nd)?)?);
    let logits_nn = mul_scalar(&matmul(&a_nd, &transpose(&b_nd, 0, 1)?)?, 1.0 / temperature)?;
    let matching_n = diagonal(&logits_nn, 0)?;
    let forward_n = sub(&logsumexp(&logits_nn, &[1], false)?, &matching_n)?;
    if !symmetric {
        return Ok(forward_n);
    }
    let backward_n = sub(&logsumexp(&logits_nn, &[0], false)?, &matching_n)?;
    mul_scalar(&add(&forward_n, &backward_n)?, 0.5)
}
