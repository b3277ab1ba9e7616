//! Decoding: texts continued by a causal model or answered by an encoder–decoder, one token at a time, or made by the
//! decoder of a plugin.

mod beam;
mod decoder;
mod entropy;
mod gaps;
mod generate;
mod pictures;
mod plugin;
mod sampling;

pub use beam::{Beams, search};
pub use decoder::{Decoder, Reading, writes};
pub use entropy::{Entropy, entropy};
pub use gaps::{Filling, fill_gaps};
pub use generate::{Ended, Generated, Limits, Times, Written, generate};
pub use pictures::PictureCodes;
pub(crate) use plugin::prompts_object;
pub use plugin::{DecodeRequest, Decoded, Trained, decode, plugin_decoder};
pub use sampling::{Sampler, Sampling};
