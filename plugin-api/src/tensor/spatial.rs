//! Convolutions, pooling, up-sampling: `[b, c, t]` and `[b, c, h, w]`.

use std::panic::Location;

use lacuna_abi::{attribute as key, op};

use super::{AsTensor, Tensor, integer, integers, unary};
use crate::raw::{Attr, HostObject, one};
use crate::weight::Weight;

/// How a convolution moves; the same along every axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// The step between windows.
    pub stride: usize,
    /// Zeros added at both ends of each axis.
    pub padding: usize,
    /// The distance between the elements of a window.
    pub dilation: usize,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Of transposed ones: elements added at the far end.
    pub output_padding: usize,
}

impl Default for Conv {
    /// Stride 1, no padding, dilation 1, one group.
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1, output_padding: 0 }
    }
}

impl Conv {
    fn attributes(self) -> [Attr<'static>; 5] {
        [
            Attr::Integer(key::STRIDE, integer(self.stride)),
            Attr::Integer(key::PADDING, integer(self.padding)),
            Attr::Integer(key::DILATION, integer(self.dilation)),
            Attr::Integer(key::GROUPS, integer(self.groups)),
            Attr::Integer(key::OUTPUT_PADDING, integer(self.output_padding)),
        ]
    }
}

/// The windows of a pooling; square in two dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The length of a window.
    pub kernel: usize,
    /// The step between windows.
    pub stride: usize,
    /// Elements added at both ends; a maximum never chooses them.
    pub padding: usize,
}

impl Pool {
    fn attributes(self) -> [Attr<'static>; 3] {
        [
            Attr::Integer(key::KERNEL, integer(self.kernel)),
            Attr::Integer(key::STRIDE, integer(self.stride)),
            Attr::Integer(key::PADDING, integer(self.padding)),
        ]
    }
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $name:ident $number:ident $attributes:literal;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, kernel: impl AsTensor, bias: Option<&Weight>, options: Conv) -> Self {
                let inputs = [Some(self.object()), Some(kernel.object()), bias.map(HostObject::object)];
                let attributes = options.attributes();
                Self::from_object(one(op::$number, &inputs, &attributes[..$attributes], Location::caller()))
            }
        )*}
    };
}

// A plain convolution does not know `output_padding`, the last attribute.
convolutions! {
    /// x `[b, c, t]` with kernel `[o, c / groups, k]`.
    conv1d CONV1D 4;
    /// x `[b, c, h, w]` with kernel `[o, c / groups, kh, kw]`.
    conv2d CONV2D 4;
    /// The transpose of [`Tensor::conv1d`]: x `[b, c, t]` with kernel `[c, o / groups, k]`.
    conv_transpose1d CONV_TRANSPOSE1D 5;
    /// The transpose of [`Tensor::conv2d`]: x `[b, c, h, w]` with kernel `[c, o / groups, kh, kw]`.
    conv_transpose2d CONV_TRANSPOSE2D 5;
}

macro_rules! pools {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            #[track_caller]
            #[must_use]
            pub fn $name(&self, windows: Pool) -> Self {
                unary(op::$number, self, &windows.attributes(), Location::caller())
            }
        )*}
    };
}

pools! {
    /// The largest of each window of `[b, c, t]`.
    max_pool1d MAX_POOL1D;
    /// The mean of each window of `[b, c, t]`.
    avg_pool1d AVG_POOL1D;
    /// The largest of each window of `[b, c, h, w]`.
    max_pool2d MAX_POOL2D;
    /// The mean of each window of `[b, c, h, w]`.
    avg_pool2d AVG_POOL2D;
}

impl Tensor {
    /// `[b, c, h, w]` at another size, each element that of the nearest.
    #[track_caller]
    #[must_use]
    pub fn upsample_nearest2d(&self, height: usize, width: usize) -> Self {
        unary(
            op::UPSAMPLE_NEAREST2D,
            self,
            &[Attr::Integers(key::SHAPE, &integers(&[height, width]))],
            Location::caller(),
        )
    }

    /// `[b, c, h, w]` at another size, linear between elements; `align_corners` as in PyTorch.
    #[track_caller]
    #[must_use]
    pub fn upsample_bilinear2d(&self, height: usize, width: usize, align_corners: bool) -> Self {
        let shape = integers(&[height, width]);
        let attributes =
            [Attr::Integers(key::SHAPE, &shape), Attr::Integer(key::ALIGN_CORNERS, i64::from(align_corners))];
        unary(op::UPSAMPLE_BILINEAR2D, self, &attributes, Location::caller())
    }
}
