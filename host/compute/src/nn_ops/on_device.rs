//! Fused operations away from the kernels of the CPU: CUDA kernels where this build has them and they take the values, else
//! the written-out references. Arguments are checked already.

use philox::Key;

use super::activation::Activation;
use super::attention_maps::attention_maps;
use super::reference;
use super::rotary::Table;
use crate::layout::Layout;
use crate::mask::Mask;
use crate::{Device, Result, Tensor};

/// Whether fused operations on this device are those of this file.
pub(super) fn is_other(device: &Device) -> bool {
    !device.is_cpu() || cfg!(feature = "cuda-emulation")
}

/// The result of a CUDA kernel, if there is one, otherwise that of the second expression.
macro_rules! kernel_or {
    ($kernel:expr, $otherwise:expr) => {{
        #[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
        if let Some(result) = $kernel? {
            return Ok(result);
        }
        $otherwise
    }};
}

pub(super) fn normalise(
    name: &'static str,
    x: &Tensor,
    residual: Option<&Tensor>,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
    centered: bool,
) -> Result<(Tensor, Tensor)> {
    let _ = name;
    kernel_or!(
        crate::cuda::normalise(name, x, residual, weight, bias, eps, centered),
        reference::normalise(x, residual, weight, bias, eps, centered)
    )
}

pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    kernel_or!(crate::cuda::softmax(x, false), reference::softmax(x))
}

pub(super) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    kernel_or!(crate::cuda::softmax(x, true), reference::log_softmax(x))
}

pub(super) fn glu(x: &Tensor, activation: Activation) -> Result<Tensor> {
    kernel_or!(crate::cuda::glu(x, activation), reference::glu(x, activation))
}

pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
    kernel_or!(crate::cuda::linear(x, weight, bias, activation), reference::linear(x, weight, bias, activation))
}

pub(super) fn rotary(x: &Tensor, table: &Table, interleaved: bool, rotary_dims: usize) -> Result<Tensor> {
    if rotary_dims == 0 {
        return Ok(x.clone());
    }
    kernel_or!(
        crate::cuda::rotary(x, &table.turns, &table.place_of_row, interleaved, rotary_dims / 2),
        reference::rotary(x, table, interleaved, rotary_dims)
    )
}

pub(super) fn cross_entropy(logits: &Tensor, targets: &[Option<usize>], smoothing: f64) -> Result<Tensor> {
    kernel_or!(
        crate::cuda::cross_entropy(logits, targets, smoothing),
        reference::cross_entropy(logits, targets, smoothing)
    )
}

pub(super) fn soft_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    kernel_or!(crate::cuda::soft_cross_entropy(logits, targets), reference::soft_cross_entropy(logits, targets))
}

pub(super) fn linear_cross_entropy(
    hidden: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &[Option<usize>],
    smoothing: f64,
    chunk: usize,
) -> Result<Tensor> {
    let _ = chunk;
    kernel_or!(crate::cuda::linear_cross_entropy(hidden, weight, bias, targets, smoothing, chunk), {
        let logits = reference::linear(hidden, weight, bias, Activation::None)?;
        reference::cross_entropy(&logits, targets, smoothing)
    })
}

/// `None`: no kernel takes it, and the caller's own form does it on any device.
pub(super) fn dropout(x: &Tensor, rate: f64, key: Key, layout: Option<&Layout>) -> Result<Option<Tensor>> {
    #[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
    return crate::cuda::dropout(x, rate, key, layout);
    #[cfg(not(any(feature = "cuda", feature = "cuda-emulation")))]
    {
        let _ = (x, rate, key, layout);
        Ok(None)
    }
}

#[allow(clippy::too_many_arguments, reason = "those of attention")]
pub(super) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    queries: &Layout,
    keys: &Layout,
    mask: &Mask,
    scale: f64,
    dropout: Option<(f64, Key)>,
) -> Result<Tensor> {
    #[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
    {
        let request = crate::cuda::Request {
            queries: queries.clone(),
            keys: keys.clone(),
            mask: mask.stop_gradient(),
            scale,
            dropout: dropout.filter(|(rate, _)| *rate > 0.0),
        };
        if let Some(output) = crate::cuda::attention(q, k, v, &mask.biases(), request)? {
            return Ok(output);
        }
    }
    Ok(attention_maps(q, k, v, queries, keys, mask, scale, dropout)?.0)
}
