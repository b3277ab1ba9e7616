//! Norms of the channels of `[b, c, ..]`: batch norm and group norm.

use rayon::prelude::*;

use super::norm::layer_norm;
use super::reference;
use crate::kernel::{Arithmetic, Real, arithmetic, by_real, dot, lane_sum, slice, sum, sum_of, value_as};
use crate::{Error, Result, Tensor, Value};

/// Settings and buffers of a batch norm.
#[derive(Debug, Clone)]
pub struct BatchNorm<'a> {
    /// Mean over earlier batches, `[c]`.
    pub running_mean: &'a Value,
    /// Unbiased variance over earlier batches, `[c]`.
    pub running_variance: &'a Value,
    /// Statistics of this batch (and new buffers) or the running ones.
    pub training: bool,
    /// Weight of this batch in the new buffers; 0.1 in most papers.
    pub momentum: f64,
    /// Added to the variance.
    pub eps: f64,
}

/// Batch norm of `x [b, c, ..]`: each channel to mean 0 and variance 1 over batch and places, then `weight [c]` and
/// `bias [c]`. Returns the result and the new buffers (mean and unbiased variance, dtype of the buffers).
///
/// Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1.
///
/// # Errors
/// When shapes do not fit; in training when a channel has one value only.
pub fn batch_norm(
    x: &Tensor,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    batch_norm: &BatchNorm,
) -> Result<(Tensor, Value, Value)> {
    const NAME: &str = "batch_norm";
    let (batch, channels, places) = channel_shape(NAME, x)?;
    let BatchNorm { running_mean, running_variance, training, momentum, eps } = *batch_norm;
    for (what, buffer) in [("running mean", running_mean), ("running variance", running_variance)] {
        if buffer.dims() != [channels] {
            return Err(Error::shape(
                NAME,
                format!("the {what} has shape {:?}, x {:?} needs [{channels}]", buffer.dims(), x.dims()),
            ));
        }
    }
    let count = batch * places;
    if training && count < 2 {
        return Err(Error::shape(
            NAME,
            format!("a channel of {:?} has {count} values, which have no variance", x.dims()),
        )
        .with_help("train with two samples or more, or evaluate"));
    }
    if !training {
        let shift = running_mean.neg()?;
        let scale = running_variance.to_dtype(candle_core::DType::F64)?.affine(1.0, eps)?.sqrt()?.recip()?;
        let scale = scale.to_dtype(running_mean.dtype())?;
        let bias_of_mean = (shift * &scale)?;
        let y = channel_affine(x, Some(&Tensor::constant(scale)), Some(&Tensor::constant(bias_of_mean)))?;
        return Ok((channel_affine(&y, weight, bias)?, running_mean.clone(), running_variance.clone()));
    }
    let shape = [batch, channels, places];
    let value_cpu = x.value().to_device(&crate::Device::Cpu)?;
    let (means, variances) = by_real!(x.value().dtype(), T => statistics::<T>(&value_cpu, shape)?);
    let unbias = count as f64 / (count as f64 - 1.0);
    let mixed = |buffer: &Value, new: Vec<f64>| -> Result<Value> {
        let new = Value::from_vec(new, channels, &crate::Device::Cpu)?.to_device(buffer.device())?;
        let old = buffer.to_dtype(candle_core::DType::F64)?.affine(1.0 - momentum, 0.0)?;
        Ok((old + new.affine(momentum, 0.0)?)?.to_dtype(buffer.dtype())?)
    };
    let new_mean = mixed(running_mean, means.clone())?;
    let new_variance = mixed(running_variance, variances.iter().map(|variance| variance * unbias).collect())?;
    let normed = if x.device().is_cpu() {
        let scales: Vec<f64> = variances.iter().map(|variance| 1.0 / (variance + eps).sqrt()).collect();
        by_real!(x.value().dtype(), T => {
            let y = standardise::<T>(x.value(), shape, &means, &scales)?;
            let saved = y.clone();
            Tensor::from_op(NAME, y, &[x], move |gradient, _| Ok(vec![Some(standardise_backward::<T>(&saved, gradient, shape, &scales)?)]))
        })
    } else {
        reference::batch_standardise(x, eps)?
    };
    Ok((channel_affine(&normed, weight, bias)?, new_mean, new_variance))
}

/// Group norm of `x [b, c, ..]`: each of `groups` equal groups of channels of a sample to mean 0 and variance 1, then
/// `weight [c]` and `bias [c]`. Wu & He 2018, arXiv:1803.08494, section 3.
///
/// # Errors
/// When the channels do not divide into the groups or shapes do not fit.
pub fn group_norm(
    x: &Tensor,
    groups: usize,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    const NAME: &str = "group_norm";
    let (batch, channels, places) = channel_shape(NAME, x)?;
    if groups == 0 || channels % groups != 0 {
        return Err(Error::argument(
            NAME,
            format!("{channels} channels of {:?} do not divide into {groups} groups", x.dims()),
        ));
    }
    let rows = reshaped(x, &[batch, groups, channels / groups * places])?;
    let normed = reshaped(&layer_norm(&rows, None, None, eps)?, x.dims())?;
    channel_affine(&normed, weight, bias)
}

fn reshaped(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let before = x.dims().to_vec();
    Ok(Tensor::from_op("reshape", x.value().reshape(shape)?, &[x], move |gradient, _| {
        Ok(vec![Some(gradient.reshape(&before[..])?)])
    }))
}

fn channel_shape(name: &'static str, x: &Tensor) -> Result<(usize, usize, usize)> {
    crate::tape::require_float(name, x)?;
    match x.dims() {
        [batch, channels, places @ ..] => Ok((*batch, *channels, places.iter().product())),
        dims => Err(Error::shape(name, format!("the input {dims:?} has no axis of channels"))
            .with_help("it wants [b, c] or [b, c, ..]")),
    }
}

/// `x * weight + bias` with one number for each channel.
fn channel_affine(x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
    let (batch, channels, places) = channel_shape("channel_affine", x)?;
    for (what, tensor) in [("weight", weight), ("bias", bias)] {
        if let Some(tensor) = tensor
            && tensor.dims() != [channels]
        {
            return Err(Error::shape(
                "channel norm",
                format!("the {what} has shape {:?}, x {:?} needs [{channels}]", tensor.dims(), x.dims()),
            ));
        }
    }
    if weight.is_none() && bias.is_none() {
        return Ok(x.clone());
    }
    let shape = [batch, channels, places];
    let (weight_value, bias_value) = (weight.map(|w| w.value().clone()), bias.map(|b| b.value().clone()));
    let dtype = x.value().dtype();
    let wide = |vector: &Value| -> Result<Value> { Ok(vector.to_dtype(dtype)?.reshape((1, channels, 1))?) };
    let mut y = x.value().reshape(&shape[..])?;
    if let Some(weight) = &weight_value {
        y = arithmetic(Arithmetic::Mul, &y, &wide(weight)?)?;
    }
    if let Some(bias) = &bias_value {
        y = sum_of(&y, &wide(bias)?)?;
    }
    let inputs: Vec<&Tensor> = [Some(x), weight, bias].into_iter().flatten().collect();
    let saved = x.value().clone();
    Ok(Tensor::from_op("channel_affine", y.reshape(x.dims())?, &inputs, move |gradient, needs| {
        let sum_type = if dtype == candle_core::DType::F64 { dtype } else { candle_core::DType::F32 };
        let g = gradient.reshape(&shape[..])?;
        let total = |value: &Value| -> Result<Value> { Ok(value.to_dtype(sum_type)?.sum(2)?.sum(0)?) };
        let mut gradients = vec![None; needs.len()];
        let mut slot = 1;
        if needs[0] {
            gradients[0] = Some(match &weight_value {
                Some(weight) => {
                    let weight = weight.to_dtype(dtype)?.reshape((1, channels, 1))?;
                    arithmetic(Arithmetic::Mul, &g, &weight)?.reshape(saved.dims())?
                }
                None => gradient.clone(),
            });
        }
        if let Some(weight) = &weight_value {
            if needs[slot] {
                gradients[slot] = Some(
                    total(&arithmetic(Arithmetic::Mul, &g, &saved.reshape(&shape[..])?)?)?.to_dtype(weight.dtype())?,
                );
            }
            slot += 1;
        }
        if let Some(bias) = &bias_value
            && needs[slot]
        {
            gradients[slot] = Some(total(&g)?.to_dtype(bias.dtype())?);
        }
        Ok(gradients)
    }))
}

/// Mean and biased variance of each channel.
fn statistics<T: Real>(x: &Value, [batch, channels, places]: [usize; 3]) -> Result<(Vec<f64>, Vec<f64>)> {
    slice!(elements: T = x);
    let count = (batch * places) as f64;
    let row = |b: usize, c: usize| &elements[(b * channels + c) * places..][..places];
    Ok((0..channels)
        .into_par_iter()
        .map(|c| {
            let mean = (0..batch).map(|b| lane_sum(row(b, c), |x| x.to_f64())).sum::<f64>() / count;
            let squares = |x: f64| (x - mean) * (x - mean);
            let variance = (0..batch).map(|b| lane_sum(row(b, c), |x| squares(x.to_f64()))).sum::<f64>() / count;
            (mean, variance)
        })
        .unzip())
}

fn standardise<T: Real>(x: &Value, [_, channels, places]: [usize; 3], means: &[f64], scales: &[f64]) -> Result<Value> {
    slice!(elements: T = x);
    let mut y = elements.to_vec();
    y.par_chunks_mut(places.max(1)).enumerate().for_each(|(row, y)| {
        let (mean, scale) = (T::of(means[row % channels]), T::of(scales[row % channels]));
        y.iter_mut().for_each(|y| *y = (*y - mean) * scale);
    });
    value_as(y, x.dims(), x.dtype())
}

fn standardise_backward<T: Real>(
    y: &Value,
    gradient: &Value,
    [batch, channels, places]: [usize; 3],
    scales: &[f64],
) -> Result<Value> {
    slice!(elements: T = y);
    slice!(g: T = gradient);
    let count = T::of((batch * places) as f64);
    let range = |row: usize| row * places..(row + 1) * places;
    let sums: Vec<(T, T)> = (0..channels)
        .into_par_iter()
        .map(|c| {
            let rows = (0..batch).map(|b| range(b * channels + c));
            let level = rows.clone().map(|row| sum(&g[row])).sum::<T>() / count;
            (level, rows.map(|row| dot(&g[row.clone()], &elements[row])).sum::<T>() / count)
        })
        .collect();
    let mut dx = g.to_vec();
    dx.par_chunks_mut(places.max(1)).enumerate().for_each(|(row, dx)| {
        let ((level, along), scale) = (sums[row % channels], T::of(scales[row % channels]));
        dx.iter_mut().zip(&elements[range(row)]).for_each(|(dx, y)| *dx = (*dx - level - *y * along) * scale);
    });
    value_as(dx, y.dims(), y.dtype())
}
