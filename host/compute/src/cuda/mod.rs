//! The fused operations as CUDA kernels, forward and backward.
//!
//! The kernels are the `.cu` files here. The build script makes PTX of them with nvcc, once for each type of elements (feature
//! `cuda`); [`launch`] hands them pointers, everything else here says which kernel, over which grid, with which arguments.
//! Kernels compute in f32 (f64 for f64), sum in a fixed order and use no atomic additions, so results are the same bits
//! every time. They take contiguous values of f32, f64, bf16 and f16; what they don't take goes to the references.
//!
//! They were never run on a device. The same files compile as C++ (feature `cuda-emulation`, `make cuda`): `emulation/` runs each
//! thread of a block as a fiber, in random order from barrier to barrier, over buffers that end at a page nobody may
//! touch. With that feature every fused operation takes these kernels on the CPU, so that the tests of values and gradients
//! hold them against finite differences and references. What no emulation shows: speed, and faults of the device's compiler.

mod adamw;
mod attention;
mod attention_plan;
mod calls;
mod cross_entropy;
#[cfg(feature = "cuda")]
mod device;
mod dropout;
#[cfg(feature = "cuda-emulation")]
mod emulated;
mod launch;
mod linear;
mod linear_cross_entropy;
mod modules;
mod norm;
mod rotary;
mod softmax;
mod sums;
#[cfg(all(test, feature = "cuda-emulation"))]
mod tests;

pub(crate) use adamw::{Rates, adamw};
pub(crate) use attention::{Request, attention};
pub(crate) use cross_entropy::{cross_entropy, soft_cross_entropy};
pub(crate) use dropout::dropout;
pub(crate) use linear::{glu, linear};
pub(crate) use linear_cross_entropy::linear_cross_entropy;
pub(crate) use norm::normalise;
pub(crate) use rotary::rotary;
pub(crate) use softmax::softmax;

use candle_core::DType;

use crate::Value;

/// Whether these kernels take the value: a float on a CUDA device, or on the CPU where they are emulated.
pub(crate) fn takes(value: &Value) -> bool {
    let place = value.device().is_cuda() || (cfg!(feature = "cuda-emulation") && value.device().is_cpu());
    place && matches!(value.dtype(), DType::F32 | DType::F64 | DType::BF16 | DType::F16) && value.elem_count() > 0
}

/// The type that elements are computed in.
fn real(elements: DType) -> DType {
    if elements == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Elements of the last axis, and how many rows the others make.
fn rows_width(value: &Value) -> (usize, usize) {
    let width = value.dims().last().copied().unwrap_or(1);
    (value.elem_count() / width.max(1), width)
}
