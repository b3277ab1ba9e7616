//! Fused operations of neural networks: each one node of the tape with its own kernels for the CPU.
//!
//! Kernels run in f32, or in f64 for f64 inputs; bf16 and f16 go through f32. Sums have a fixed shape (sixteen lanes inside
//! a row, fixed chunks of rows), so results depend neither on the number of threads nor on the width of the vectors.
//! On CUDA devices kernels of their own run, on others the written-out references in [mod@reference].

mod activation;
mod attention;
mod attention_call;
mod attention_kernel;
mod attention_maps;
mod channel_norm;
mod cross_entropy;
mod ctc;
mod dropout;
mod embedding;
mod linear;
mod linear_cross_entropy;
mod norm;
mod on_device;
pub mod reference;
mod rotary;
mod softmax;

pub use activation::{Activation, glu};
pub use attention::attention;
pub use attention_maps::attention_maps;
pub use channel_norm::{BatchNorm, batch_norm, group_norm};
pub use cross_entropy::{IGNORE, cross_entropy, soft_cross_entropy};
pub use ctc::{TooShort, ctc};
pub use dropout::dropout;
pub use embedding::embedding;
pub use linear::linear;
pub use linear_cross_entropy::linear_cross_entropy;
pub use norm::{layer_norm, layer_norm_residual, rms_norm, rms_norm_residual};
pub use rotary::rotary;
pub use softmax::{log_softmax, softmax};

#[cfg(test)]
mod tests;
