//! Layers: plain Rust over operations, shared by all plugins.
//!
//! Nothing here crosses the boundary; a plugin may take a layer, copy it, or write its own. Every layer is made under a
//! [`Scope`](crate::Scope), which gives its weights their names. Rows are `[n, d]`; see [`Layout`](crate::Layout).

mod attention;
mod autoencoder;
mod block;
mod conformer;
mod convolution;
mod embedding;
mod grid_bias;
mod linear;
mod memory;
mod mlp;
mod norm;
mod patches;
mod positions;
mod relative;
mod relative_bias;
mod unit_head;

pub use attention::{Attention, AttentionNames, AttentionOptions, Rotary};
pub use autoencoder::{PatchAutoencoder, PatchAutoencoderOptions};
pub use block::{Block, BlockCall, BlockNames, BlockOptions};
pub use conformer::{ConformerBlock, ConformerOptions};
pub use convolution::{Conv2d, DepthwiseConv1d};
pub use embedding::Embedding;
pub use grid_bias::GridBias;
pub use linear::{Linear, LinearHead, LinearOptions, LowRank};
pub use memory::Memory;
pub use mlp::{Mlp, MlpOptions};
pub use norm::{LayerNorm, Norm, NormKind, RmsNorm};
pub use patches::{PatchEmbedding, grid_positions, patches, patches_of_rows, pictures, replaced};
pub use positions::{LearnedPositions, sinusoidal};
pub use relative::{Relative, RelativePositions, RelativePositionsOptions, RelativeTerms, log_bucket};
pub use relative_bias::{RelativeBias, RelativeBiasOptions};
pub use unit_head::UnitHead;
