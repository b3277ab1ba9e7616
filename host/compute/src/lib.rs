//! Tensors, gradients, kernels, devices and random numbers; the one crate that touches candle.
//!
//! A [`Tensor`] is a candle value plus the way its gradient goes back. candle's own gradients are not used: they cut the
//! graph silently in the fused operations and are wrong in several others (`tests/candle_faults.rs` holds the list).
//! Each operation here is one item: a function that computes the value and records its backward, and a test against
//! finite differences in f64. An operation without a backward fails when it is applied to something that needs one.
//!
//! The CPU has kernels of its own for everything; CUDA devices (feature `cuda`) have them for the fused operations of [`nn_ops`]
//! and the step of AdamW, checked thread by thread on a CPU and never run on a device; other devices take written-out forms,
//! or fetch values to the CPU where there is none (`docs/devices.md`).

#[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
mod cuda;
pub mod device;
mod error;
mod inplace;
mod kernel;
pub mod layout;
pub mod mask;
pub mod mode;
pub mod nn_ops;
pub mod ops;
pub mod optimizer;
pub mod past;
pub mod profile;
pub mod random;
pub mod schedule;
pub mod spatial;
mod tape;
mod tensor;
#[doc(hidden)]
pub mod testing;
pub mod weights;

pub use error::{Error, Result};
pub use tape::{Gradients, Leaf, backward, grad, unbroadcast};
pub use tensor::{DType, Device, Tensor, Value};
