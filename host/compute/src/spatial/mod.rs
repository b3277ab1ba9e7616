//! Operations over one or two spatial axes: convolution, pooling and up-sampling of `[batch, channels, (height,) width]`.
//!
//! Written here rather than taken from candle, whose convolutions and pools have wrong or missing gradients. Everything is
//! built from three pieces: convolution as window gathering and matrix products (`conv.rs`), the largest entry of each
//! window (`max_pool.rs`), and sparse linear maps along each axis, which averages and interpolations all are
//! (`resample.rs`). One axis is computed as two, the first of length one. Results never depend on the number of threads.

mod average;
mod columns;
mod conv;
mod conv_kernels;
mod max_pool;
mod resample;
mod upsample;
mod windows;

#[cfg(test)]
mod tests;

pub use average::{adaptive_avg_pool1d, adaptive_avg_pool2d, avg_pool1d, avg_pool2d};
pub use conv::{Conv, conv_transpose1d, conv_transpose2d, conv1d, conv2d};
pub use max_pool::{Pool, max_pool1d, max_pool2d};
pub use upsample::{upsample_bilinear, upsample_linear, upsample_nearest1d, upsample_nearest2d};

use crate::tape::require_float;
use crate::{Error, Result, Tensor, Value};

/// `x` as `[batch, channels, height, width]`; with one spatial axis the height is 1.
fn lifted(value: &Value, axes: usize) -> Result<Value> {
    Ok(if axes == 1 { value.unsqueeze(2)? } else { value.clone() })
}

/// The inverse of [`lifted`].
fn lowered(value: &Value, axes: usize) -> Result<Value> {
    Ok(if axes == 1 { value.squeeze(2)? } else { value.clone() })
}

/// Two numbers from those of one or two axes.
fn pair<const N: usize>(values: [usize; N], missing: usize) -> [usize; 2] {
    if N == 1 { [missing, values[0]] } else { [values[0], values[1]] }
}

/// Checks that `x` is `[batch, channels, axes...]` of a floating type, without empty axes except the batch.
fn checked(name: &'static str, x: &Tensor, axes: usize) -> Result<[usize; 4]> {
    require_float(name, x)?;
    let dims = x.dims();
    if dims.len() != axes + 2 {
        let wanted = if axes == 1 { "[batch, channels, length]" } else { "[batch, channels, height, width]" };
        return Err(Error::shape(name, format!("the input has shape {dims:?}, not {wanted}"))
            .with_help("add missing axes with `unsqueeze`"));
    }
    if dims[1..].contains(&0) {
        return Err(Error::shape(name, format!("the input of shape {dims:?} has an empty axis besides the batch")));
    }
    Ok(if axes == 1 { [dims[0], dims[1], 1, dims[2]] } else { [dims[0], dims[1], dims[2], dims[3]] })
}
