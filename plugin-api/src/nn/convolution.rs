//! Convolutions as layers.

use crate::error::Result;
use crate::scope::Scope;
use crate::tensor::{Conv, Tensor};
use crate::weight::{Init, Weight};

/// A two-dimensional convolution. Weights: `weight` `[out, in / groups, k, k]`, `bias` `[out]`.
#[derive(Clone)]
pub struct Conv2d {
    weight: Weight,
    bias: Weight,
    options: Conv,
}

impl Conv2d {
    /// Makes it, with square kernels of side `kernel`.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, channels: [usize; 2], kernel: usize, options: Conv, init: Init) -> Result<Self> {
        let [inner, outer] = channels;
        let weight = scope.weight("weight", &[outer, inner / options.groups.max(1), kernel, kernel], init)?;
        Ok(Self { weight, bias: scope.weight("bias", &[outer], Init::Zeros)?, options })
    }

    /// Of `[b, in, h, w]`: `[b, out, h', w']`.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x_bchw: &Tensor) -> Tensor {
        x_bchw.conv2d(&self.weight, Some(&self.bias), self.options)
    }

    /// The kernel.
    #[must_use]
    pub fn weight(&self) -> &Weight {
        &self.weight
    }
}

/// A one-dimensional convolution of each channel by itself. Weights: `weight` `[channels, 1, k]`, `bias` `[channels]`.
#[derive(Clone)]
pub struct DepthwiseConv1d {
    weight: Weight,
    bias: Weight,
    options: Conv,
}

impl DepthwiseConv1d {
    /// Makes it; an odd `kernel` keeps the length.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn new(scope: &Scope, channels: usize, kernel: usize, init: Init) -> Result<Self> {
        let options = Conv { padding: kernel / 2, groups: channels, ..Conv::default() };
        let weight = scope.weight("weight", &[channels, 1, kernel], init)?;
        Ok(Self { weight, bias: scope.weight("bias", &[channels], Init::Zeros)?, options })
    }

    /// Of `[b, channels, t]`, the same shape.
    #[track_caller]
    #[must_use]
    pub fn apply(&self, x_bct: &Tensor) -> Tensor {
        x_bct.conv1d(&self.weight, Some(&self.bias), self.options)
    }
}
